"""Ctrl-C ends a run whose kernel doesn't end by itself, wherever it runs; the process goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")

PROGRAM = """
    import os, signal, sys, threading, time
    import polars as pl
    import dataflare_vec as dfv

    def endless(x):
        while x >= 0:
            x = (x * 1103515245 + 12345) >> 1 & 0xFFFFFF
        return x

    def helped(x):
        try:
            return 1 // (x - x + 1) + endless(x)
        except Exception:
            return -1

    frame = pl.DataFrame({"x": range(4000)})
    kernel = dfv.plugin(endless)
    caught = dfv.plugin(helped)
    keeps = dfv.filter(lambda x: endless(x) > 0, name="keeps")
    running = dfv.scan(lambda total, x: (total, endless(x)), init=0, name="running")
    total = dfv.reduce(lambda total, x: total + endless(x), init=0, merge=lambda a, b: a + b, name="total")
    finish = dfv.reduce(lambda total, x: total + x, init=0, finish=lambda t: endless(t), name="finish")
    plus = dfv.plugin(lambda x: x + 1, name="plus")
    one, two = (
        dfv.BatchConfig(parallelism=threads, default_batch_size=512, tuner="fixed") for threads in (1, 2)
    )

    def both(collect):
        # A query raises that of Polars' thread, as it does without us, and then Python raises its own.
        try:
            collect()
        except KeyboardInterrupt:
            try:
                time.sleep(0.1)
            except KeyboardInterrupt:
                pass
            raise

    runs = {
        "small": lambda: dfv.run(frame[:10], kernel),
        "one thread": lambda: dfv.run(frame, kernel, config=one),
        "two threads": lambda: dfv.run(frame, kernel, config=two),
        "a try": lambda: dfv.run(frame, caught, config=two),
        "a filter": lambda: dfv.run(frame, keeps, config=two),
        "pipeline": lambda: dfv.run(frame, [plus, dfv.step(kernel, x="plus")], config=two),
        "scan": lambda: dfv.run(frame, running, config=two),
        "scan by": lambda: dfv.run(frame, running, config=two, by="x"),
        "reduce": lambda: dfv.run(frame, total, config=two),
        "finish": lambda: dfv.run(frame, finish, config=two),
        "expression": lambda: frame.select(dfv.expr(kernel, "x")),
        "lazy": lambda: both(frame.lazy().pipe(dfv.apply, kernel).collect),
        "stream": lambda: list(dfv.stream(sys.argv[1], kernel)),
        "other thread": None,
    }

    def interrupt():
        time.sleep(float(sys.argv[2]))
        ended = list(finished)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        if ended == finished:  # Python drops a KeyboardInterrupt within a `__del__`: press again
            os.kill(os.getpid(), signal.SIGINT)

    finished = []
    given, frame = frame, frame.with_columns(-pl.col("x") - 5)
    frame.write_parquet(sys.argv[1])
    for run in filter(None, runs.values()):
        run()  # compiled before, so that the signal comes while it runs
    frame = given
    frame.write_parquet(sys.argv[1])

    for name, run in runs.items():
        if run is None:
            thread = threading.Thread(target=runs["one thread"])

            def run():
                thread.start()
                while thread.is_alive():
                    time.sleep(0.01)

        threading.Thread(target=interrupt, daemon=True).start()
        try:
            run()
        except BaseException as error:
            print(name, type(error).__name__, flush=True)
            finished.append(name)
    if thread.is_alive():
        thread.join(5)
    assert not thread.is_alive()
    print("after", dfv.run(frame, plus).frame["plus"].sum())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        print("again Python's own")
"""


def test_wherever_it_runs(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM))
    command = [sys.executable, "-W", "ignore", str(script), str(tmp_path / "x.parquet"), "0.7"]
    environment = {**os.environ, "DATAFLARE_VEC_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    *interrupted, after, last = done.stdout.splitlines()
    names = [
        "small",
        "one thread",
        "two threads",
        "a try",
        "a filter",
        "pipeline",
        "scan",
        "scan by",
        "reduce",
        "finish",
        "expression",
        "lazy",
        "stream",
    ]
    # Python may drop the main thread's own one, in a `__del__`; the run of the other thread has ended.
    others = [line for line in interrupted if line != "other thread KeyboardInterrupt"]
    assert others == [f"{name} KeyboardInterrupt" for name in names]
    assert after == f"after {sum(range(1, 4001))}"
    assert last == "again Python's own"


HANDLED = """
    import os, signal, sys, threading
    import polars as pl
    import dataflare_vec as dfv

    told = []
    signal.signal(signal.SIGINT, lambda *_: told.append(1))

    def long(x):
        while x < 3_000_000_000:
            x += 1 + x % 2
        return x

    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    kernel = dfv.plugin(long)
    print(dfv.run(pl.DataFrame({"x": [0]}), kernel).frame["long"].to_list(), told)
"""


def test_a_program_that_handles_the_signal_itself_is_left_alone(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(HANDLED))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[3000000001] [1]\n"


IMPORTS = """
    import os, signal, sys
    import polars as pl
    import dataflare_vec as dfv

    class Pressed:
        def find_spec(self, name, *_):
            if name == sys.argv[1]:
                sys.meta_path.remove(self)
                os.kill(os.getpid(), signal.SIGINT)

    @dfv.plugin
    def month(day: str) -> int:
        return int(day.split("-")[1])

    frame = pl.DataFrame({"day": ["2026-07-01"]})
    sys.meta_path.insert(0, Pressed())
    try:
        frame.pipe(dfv.apply, month)
    except KeyboardInterrupt:
        print("interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print(frame.pipe(dfv.apply, month)["month"].to_list())
"""


@pytest.mark.parametrize("module", ["numba.core.types", "dataflare_vec.compiler.jit.passes"])
def test_while_the_compiler_is_imported(module, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(IMPORTS))
    environment = {**os.environ, "DATAFLARE_VEC_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-W", "ignore", str(script), module]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["interrupted", "[7]"]
