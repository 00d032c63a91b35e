"""Threads, event loops and forks in one process for as long as asked: no hang, no leak, no wrong row.

    python tests/hostile/load.py --seconds 3600 --threads 16 --seed 1
    python tests/hostile/load.py --seconds 60 --threads 4 --only stream,forks

Each thread does one job after another, of small frames, with short sleeps between them; what comes out is
compared with what the same job gave when it was alone. One thread more runs event loops with many streams at
once, one forks, and one starts other processes. Children of a fork only apply eager plugins: Polars' thread
pool isn't there in a child, so a query that wants it hangs there, whoever asks.

A job that doesn't end within ``--patience`` seconds is a hang: all stacks are written, and the exit code is
2. Every ten seconds memory, threads, file descriptors and the pool are looked at; the last line says what
grew after the first quarter of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

import dataflare_vec as dfv

if TYPE_CHECKING:
    from collections.abc import Callable

warnings.simplefilter("ignore")  # newer Pythons warn of forks while there are threads, which is meant

ROWS = 3000
SMALL = dfv.BatchConfig(default_batch_size=512, tuner="fixed", parallelism=2)


def frame_of(seed: int, rows: int = ROWS) -> pl.DataFrame:
    """Return rows with nulls, of several kinds."""
    numbers = random.Random(seed)
    x = [None if numbers.random() < 0.05 else numbers.randrange(-50, 50) for _ in range(rows)]
    y = [None if numbers.random() < 0.05 else numbers.uniform(-5, 5) for _ in range(rows)]
    s = [None if numbers.random() < 0.05 else f"{numbers.randrange(1000)} é b" for _ in range(rows)]
    key = [numbers.choice("abcde") for _ in range(rows)]
    return pl.DataFrame({"x": x, "y": y, "s": s, "key": key}, schema_overrides={"x": pl.Int64})


@dfv.plugin
def wave(y, scale=2.0):
    return math.sin(y) * scale + y * y


@dfv.plugin
def share(x):
    return 100 // x


@dfv.plugin
def shout(s):
    return s.upper() + "!"


@dfv.plugin
def weigh(s, each=3):
    return s.find("b") * each + len(s.strip())


@dfv.filter
def positive(x):
    return x > 0


@dfv.scan(init=0)
def running(total, x):
    return total + x, total + x


@dfv.reduce(init=(0, 0), merge=lambda a, b: (a[0] + b[0], a[1] + b[1]), finish=lambda t: t[0] * 1000 + t[1])
def total(state, x):
    return state[0] + x, state[1] + 1


centred = dfv.register("centred", pl.col("y") - pl.col("y").mean(), replace=True)

DEFINITIONS = (
    "def changing(x):\n    return x * 3\n",
    "def changing(x):\n    return x + x + x\n",
)


# -- jobs: each returns what is to be compared --------------------------------------------------------------


def rows(frame: pl.DataFrame, _: Path) -> Any:
    return dfv.apply(frame, "wave", config=SMALL)


def strings(frame: pl.DataFrame, _: Path) -> Any:
    return dfv.apply(frame, ["shout", "weigh"])


def failing(frame: pl.DataFrame, _: Path) -> Any:
    result = dfv.run(frame, "share", on_error="drop", config=SMALL)
    return result.frame, result.error_count, [str(error) for error in result.errors]


def raising(frame: pl.DataFrame, _: Path) -> Any:
    try:
        return dfv.apply(frame, "share")
    except Exception as error:
        return type(error).__name__, str(error)


def pipeline(frame: pl.DataFrame, _: Path) -> Any:
    steps = ["positive", "share", dfv.step("wave", scale=0.5), "shout"]
    return dfv.run(frame, steps, on_error="null", config=SMALL).frame


def scans(frame: pl.DataFrame, _: Path) -> Any:
    first = dfv.run(frame[:1000], "running", by="key", config=SMALL)  # a checkpoint, and on from there
    second = dfv.run(frame[1000:], "running", by="key", state=first.state, config=SMALL)
    return first.frame, second.frame  # not put together: `concat` waits for Polars' pool in a child


def reduces(frame: pl.DataFrame, _: Path) -> Any:
    return dfv.apply(frame, "total", by="key", config=SMALL), dfv.apply(frame, "total")


def lazy(frame: pl.DataFrame, _: Path) -> Any:
    query = frame.lazy().pipe(dfv.apply, "wave").filter(pl.col("x") > 3)
    return query.collect(engine="streaming")


def expressions(frame: pl.DataFrame, _: Path) -> Any:
    return frame.with_columns(dfv.expr("wave", "y").alias("w"), dfv.expr("shout", "s").alias("t"))


def whole_frame(frame: pl.DataFrame, _: Path) -> Any:
    return dfv.apply(frame, centred)


def arrow(frame: pl.DataFrame, _: Path) -> Any:
    return pl.from_arrow(dfv.apply(frame.to_arrow(), "shout"))


def pandas(frame: pl.DataFrame, _: Path) -> Any:
    return dfv.apply(frame[["s"]].to_pandas(), "weigh")["weigh"].astype("string").fillna("null").tolist()


def stream(frame: pl.DataFrame, folder: Path) -> Any:
    path = folder / f"{threading.get_ident()}.parquet"
    batches = [frame[start : start + 500] for start in range(0, frame.height, 500)]
    written = dfv.stream(batches, ["share", "shout"], on_error="drop").write(path)
    weighed = pl.concat(list(dfv.stream(path, "weigh")))
    return written.processed_count, written.error_count, pl.read_parquet(path), weighed


def left_early(frame: pl.DataFrame, _: Path) -> Any:
    batches = (frame[start : start + 100] for start in range(0, frame.height, 100))
    for part in dfv.stream(batches, "wave"):
        return part[:50]
    return None


def own_name(name: str) -> str:
    """Return a name that no other thread uses."""
    return f"{name}_{threading.current_thread().name.replace(' ', '_')}"


def defining(frame: pl.DataFrame, _: Path) -> Any:
    """Replace a plugin of one's own, and one that all threads replace, by others that do the same."""
    function: dict[str, Any] = {}
    exec(random.choice(DEFINITIONS), function)
    own = own_name("changing")
    dfv.plugin(function["changing"], name=own, replace=True)
    dfv.plugin(function["changing"], name="changing", replace=True)
    return [dfv.apply(frame[:600], name, output="z")["z"] for name in (own, "changing")]


def managing(frame: pl.DataFrame, folder: Path) -> Any:
    name = own_name("double")
    with dfv.PluginManager(dfv.PluginManagerConfig(batch_config=SMALL)) as manager:
        manager.register_plugin(name, lambda x: x * 2, replace=True)
        result = manager.process_batch(name, frame, output="z").frame
        record = list(manager.process_record(name, {"x": 21}).values.values())
        manager.disable(name)
        state = manager.get_state(name)
        manager.enable(name)
        manager.export_performance_report(folder / f"{threading.get_ident()}.html")
        counted = manager.get_metrics(name).total_processed
        return result, record, state, manager.health_check().healthy, counted


def registry(_: pl.DataFrame, __: Path) -> Any:
    names = {plugin.name for plugin in dfv.plugins()}
    return {"wave", "share", "shout", "positive", "running", "total", "haversine"} <= names


def explaining(frame: pl.DataFrame, _: Path) -> Any:
    return bool(str(dfv.explain("weigh", frame)))


#: What a child of a fork may do: nothing that Polars filters, groups or collects.
EAGER = (rows, strings, scans, reduces)
JOBS = (
    *EAGER,
    failing,
    pipeline,
    raising,
    lazy,
    expressions,
    whole_frame,
    arrow,
    pandas,
    stream,
    left_early,
    defining,
    managing,
    registry,
    explaining,
)


def is_same(one: Any, other: Any) -> bool:
    """Whether two results are the same to the bit."""
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(is_same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, (pl.DataFrame, pl.Series)):
        return bool(one.equals(other))
    return bool(one == other)


# -- forks, processes and event loops -----------------------------------------------------------------------


def in_child(frame: pl.DataFrame, folder: Path, known: dict[str, Any]) -> int:
    """Do what a child of a fork may do; return its exit code."""
    try:
        for job in EAGER:
            if not is_same(job(frame, folder), known[job.__name__]):
                sys.stderr.write(f"a child's `{job.__name__}` is wrong\n")
                return 3
    except BaseException:
        traceback.print_exc()
        return 4
    return 0


def in_spawned(seed: int, folder: str) -> None:
    """Do all jobs once in a process of its own, and compare with a second time."""
    frame = frame_of(seed)
    for job in (*EAGER, lazy, stream):
        assert is_same(job(frame, Path(folder)), job(frame, Path(folder)))


async def slowly(frame: pl.DataFrame) -> Any:
    for start in range(0, frame.height, 500):
        await asyncio.sleep(0.001)
        yield frame[start : start + 500]


async def many_streams(frame: pl.DataFrame, count: int) -> list[pl.DataFrame]:
    """Read several asynchronous streams at once, and leave one and cancel another meanwhile."""

    async def read() -> pl.DataFrame:
        parts = [part async for part in dfv.stream(slowly(frame), "shout", max_latency=0.01)]
        return pl.concat(parts)

    async def leave() -> None:
        async for _ in dfv.stream(slowly(frame), "wave"):
            break

    cancelled = asyncio.create_task(read())
    left = asyncio.create_task(leave())
    reading = asyncio.gather(*(read() for _ in range(count)))
    await asyncio.sleep(0.002)
    cancelled.cancel()
    with suppress(asyncio.CancelledError):
        await cancelled
    await left
    return await reading


# -- the load -----------------------------------------------------------------------------------------------


class Sample(NamedTuple):
    """What the process has at a moment."""

    seconds: float
    rss: int
    threads: int
    files: int
    pool: int


class Load:
    """All threads, and what they have found."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.frames = [frame_of(seed) for seed in range(3)]
        self.jobs = [job for job in JOBS if not options.only or job.__name__ in options.only]
        self.known = [
            {job.__name__: job(frame, folder) for job in {*self.jobs, *EAGER}} for frame in self.frames
        ]
        self.shouted = [strings(frame, folder)[["x", "y", "s", "key", "shout"]] for frame in self.frames]
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.samples: list[Sample] = []
        self.stop = threading.Event()
        self.since: dict[str, tuple[str, float]] = {}  # what each thread does, and since when

    def _loop(self, name: str, number: int, work: Callable[[random.Random], str], pause: float) -> None:
        numbers = random.Random(f"{self.options.seed} {name} {number}")
        me = f"{name} {number}"
        while not self.stop.is_set():
            self.since[me] = ("?", time.monotonic())
            try:
                self.done[work(numbers)] += 1
            except BaseException:
                self.wrong.append(f"{me}: {traceback.format_exc()}")
            self.since.pop(me)
            self.stop.wait(numbers.uniform(0, 2 * pause))

    def one_job(self, numbers: random.Random) -> str:
        """Do any job, and compare."""
        which = numbers.randrange(len(self.frames))
        job = numbers.choice(self.jobs)
        self.since[threading.current_thread().name] = (job.__name__, time.monotonic())
        if not is_same(job(self.frames[which], self.folder), self.known[which][job.__name__]):
            self.wrong.append(f"`{job.__name__}` of frame {which} is wrong")
        return job.__name__

    def one_loop(self, numbers: random.Random) -> str:
        """Run an event loop."""
        which = numbers.randrange(len(self.frames))
        count = numbers.randrange(1, 9)
        for frame in asyncio.run(many_streams(self.frames[which], count)):
            if not frame.equals(self.shouted[which]):
                self.wrong.append(f"an asynchronous stream of frame {which} is wrong")
        return "event loops"

    def one_fork(self, numbers: random.Random) -> str:
        """Fork, and wait for the child."""
        which = numbers.randrange(len(self.frames))
        sys.stderr.flush()
        child = os.fork()
        if not child:
            faulthandler.dump_traceback_later(self.options.patience * 0.8, exit=True)
            code = in_child(self.frames[which], self.folder, self.known[which])
            os._exit(code)
        self._wait_for(child)
        return "forks"

    def one_process(self, numbers: random.Random) -> str:
        """Start a process by `multiprocessing`, one way or the other."""
        which = numbers.randrange(len(self.frames))
        way = numbers.choice(("fork", "spawn"))
        context = multiprocessing.get_context(way)
        if way == "spawn":
            process = context.Process(target=in_spawned, args=(which, str(self.folder)))
        else:
            arguments = (self.frames[which], self.folder, self.known[which])
            process = context.Process(target=lambda: os._exit(in_child(*arguments)))
        process.start()
        process.join(self.options.patience)
        if process.exitcode != 0:
            self.wrong.append(f"a process by {way} ended with {process.exitcode}")
            process.kill()
            process.join()
        process.close()
        return f"processes by {way}"

    def _wait_for(self, child: int) -> None:
        deadline = time.monotonic() + self.options.patience
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                if status:
                    self.wrong.append(f"a child ended with {os.waitstatus_to_exitcode(status)}")
                return
            if time.monotonic() > deadline:
                self.wrong.append(f"a child hangs: {stacks_of(child)}")
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return
            time.sleep(0.01)

    def run(self) -> int:
        """Run all of it; return the exit code."""
        works = [("job", self.one_job, 0.05)] * self.options.threads
        works += [
            ("loop", self.one_loop, 0.3),
            ("fork", self.one_fork, 1.0),
            ("process", self.one_process, 15),
        ]
        threads = []
        for number, (name, work, pause) in enumerate(works):
            arguments = (name, number, work, pause * self.options.pause)
            thread = threading.Thread(target=self._loop, args=arguments, name=f"{name} {number}", daemon=True)
            thread.start()
            threads.append(thread)
        began = time.monotonic()
        while time.monotonic() - began < self.options.seconds:
            time.sleep(min(10, self.options.seconds / 10))
            self._sample(time.monotonic() - began)
            if self._is_stuck():
                return 2
        self.stop.set()
        for thread in threads:
            thread.join(self.options.patience)
            if thread.is_alive():
                print(f"`{thread.name}` doesn't end", flush=True)
                faulthandler.dump_traceback()
                return 2
        gc.collect()
        return self._summary()

    def _is_stuck(self) -> bool:
        now = time.monotonic()
        stuck = [
            (who, *what)
            for who, what in list(self.since.items())
            if now - what[1] > self.options.patience * 2
        ]
        if stuck:
            print(f"hang: {stuck}", flush=True)
            faulthandler.dump_traceback()
        return bool(stuck)

    def _sample(self, seconds: float) -> None:
        status = Path("/proc/self/status").read_text()
        rss, threads = (int(status.split(name)[1].split()[0]) for name in ("VmRSS:", "Threads:"))
        files = len(os.listdir("/proc/self/fd"))
        pool = dfv.default_manager().get_memory_pool_stats()
        sample = Sample(seconds, rss // 1024, threads, files, (pool.in_use_bytes + pool.idle_bytes) >> 20)
        self.samples.append(sample)
        if len(self.samples) % 6 == 1:
            print(
                f"{seconds:.0f} s: {sample.rss} MiB, {threads} threads, {files} files, "
                f"pool {sample.pool} MiB, {sum(self.done.values())} jobs, {len(self.wrong)} wrong",
                flush=True,
            )

    def _summary(self) -> int:
        for each in self.wrong[:10]:
            print(each, flush=True)
        print(dict(sorted(self.done.items())))
        later = [sample for sample in self.samples if sample.seconds > self.options.seconds / 4]
        slope = slope_of([(sample.seconds / 60, sample.rss) for sample in later])
        half = len(later) // 2
        grown = {
            name: max(getattr(one, name) for one in later[half:])
            - max(getattr(one, name) for one in later[:half])
            for name in ("threads", "files", "pool")
        }
        jobs = sum(self.done.values())
        print(f"{jobs} jobs, {len(self.wrong)} wrong; memory {slope:+.2f} MiB a minute; {grown}")
        return int(bool(self.wrong))


def slope_of(points: list[tuple[float, float]]) -> float:
    """Return the slope of the line of least squares."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def stacks_of(process: int) -> str:
    """Return the native stacks of a process, if there is a debugger."""
    command = ["gdb", "-p", str(process), "-batch", "-ex", "thread apply all bt 30"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)


def main() -> int:
    """Run the load; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds until something counts as a hang"
    )
    parser.add_argument("--pause", type=float, default=1.0, help="how long to sleep between jobs: a factor")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="names of jobs")
    options = parser.parse_args()
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("DATAFLARE_VEC_CACHE_DIR", str(Path(folder) / "cache"))
        code = Load(options, Path(folder)).run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # whatever hangs would be waited for


if __name__ == "__main__":
    main()
