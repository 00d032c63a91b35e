"""Kill `dataflare-vec run` at many moments; what is there, and what the next run makes of it, must be whole.

    python tests/hostile/kills.py random --count 1000 --seed 1     # at random moments
    python tests/hostile/kills.py steps                            # at each step of making a name final

A warm process that has imported everything forks for each run, so that one costs a quarter of a second
(``--spawn`` starts a new process instead). After each kill every output must be absent, the old
one or the new one, whole; after the next run there must be what an undisturbed run leaves, and nothing else.
The last line is a table of how often each kind of damage was found; the exit code is 1 if there was any.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from dataflare_vec import cli

if TYPE_CHECKING:
    from collections.abc import Callable

KERNELS = """
import dataflare_vec as dfv

@dfv.plugin
def share(x):
    return 100 // x

@dfv.plugin
def shout(s):
    return s.upper() + "!"
"""

#: What a run imports, and where the time goes for one that starts without.
IMPORTED = (
    "numpy",
    "pyarrow.compute",
    "numba",
    "dataflare_vec.cli.progress",
    "dataflare_vec.service.manager",
    "dataflare_vec.compiler.jit",
    "dataflare_vec.compiler.jit.codegen.driver",
    "dataflare_vec.compiler.jit.codegen.runtime_symbols",
    "dataflare_vec.memory.pool",
    "dataflare_vec.streams.sinks.write",
)
#: Calls of the system that make, rename, sync, lock or remove something.
STEPS = ("open", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir")
KILL, ENDS = signal.SIGKILL, (signal.SIGINT, signal.SIGTERM)
#: Exit codes of a run that has ended by itself, or by a signal: SIGTERM is one until the command has begun.
FINE = {0, 130, 143, -signal.SIGTERM, -signal.SIGKILL}
#: Seconds until a run counts as hung; a busy machine may take its time.
PATIENCE = 240.0

#: In the environment: runs say what they have to say, and a debugger looks at those that hang.
LOUD = "HOSTILE_LOUD"

Tree = dict[str, "pl.DataFrame"]


class Killed(NamedTuple):
    """How a run ended."""

    code: int
    hung: bool


class Scenario(NamedTuple):
    """A way to run the command, and the places that appear as a whole each."""

    arguments: str
    outputs: tuple[str, ...]  # files or folders
    files: bool  # whether each file in them appears by itself


_FAILED = "--on-error drop --errors"
SCENARIOS = {
    "file": Scenario(f"in -o out.parquet {_FAILED} failed.parquet", ("out.parquet", "failed.parquet"), True),
    "partitions": Scenario("in -o out --partition-by part --overwrite --on-error null", ("out",), False),
    "folder": Scenario(f"in -o out/ {_FAILED} failed/ --resume", ("out", "failed"), True),
}


def prepare(folder: Path, rows: int, files: int, shift: int = 0) -> None:
    """Write the inputs; ``shift`` makes others of the same shape."""
    (folder / "in").mkdir(parents=True, exist_ok=True)
    (folder / "kernels.py").write_text(KERNELS)
    for index in range(files):
        x = pl.int_range(index * rows, (index + 1) * rows, eager=True)
        frame = pl.DataFrame({"id": x, "x": (x + shift) % 100, "part": x % 3, "s": x.cast(pl.String) + "é"})
        frame.write_parquet(folder / "in" / f"{index}.parquet", row_group_size=max(rows // 4, 1))


def command(folder: Path, scenario: Scenario) -> list[str]:
    """Return the arguments of the command."""
    places = ("in", *scenario.outputs)
    words = [
        str(folder / word) + ("/" if word.endswith("/") else "") if word.rstrip("/") in places else word
        for word in scenario.arguments.split()
    ]
    return ["run", "share,shout", *words, "--quiet", "--plugins", str(folder / "kernels.py")]


def read(folder: Path, outputs: tuple[str, ...]) -> Tree:
    """Return what is in all outputs, and whatever else was left beside them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or name == "kernels.py" or name.startswith(("in/", "__pycache__")):
            continue
        is_output = name.startswith(outputs) and not any(part.startswith(".") for part in Path(name).parts)
        found[name] = pl.read_parquet(path, hive_partitioning=False) if is_output else pl.DataFrame()
    return found


def hidden(tree: Tree) -> list[str]:
    """Return the names of temporary files."""
    return [name for name in tree if any(part.startswith(".") for part in Path(name).parts)]


def damage(tree: Tree, before: Tree, after: Tree, scenario: Scenario) -> list[str]:
    """Say what is wrong with what a killed run has left; its temporary files may be there."""
    left = set(hidden(tree))
    there = {name: frame for name, frame in tree.items() if name not in left}
    if not scenario.files:
        if any(_same(there, whole) for whole in (before, after)):
            return []
        return ["the folder is gone" if not there else "the folder is neither the old nor the new one"]
    wrong = [
        f"{name} is neither old nor new"
        for name, frame in there.items()
        if not any(name in whole and frame.equals(whole[name]) for whole in (before, after))
    ]
    return wrong + [f"{name} is gone" for name in before if name not in there]


def _same(one: Tree, other: Tree) -> bool:
    return one.keys() == other.keys() and all(one[name].equals(other[name]) for name in one)


class Order(NamedTuple):
    """A run that the warm process is asked for."""

    arguments: list[str]
    folder: str = ""
    moment: float | None = None  # seconds after which it gets the signal
    number: int = KILL
    step: int | None = None  # or it sends itself the signal at this step
    counter: str | None = None  # or it writes into this file how many steps it has
    spawn: bool = False


def serve() -> None:
    """Import everything, and run what is asked for on standard input, one line each.

    This process itself uses nothing: a child of one in which Polars has its threads hangs.
    """
    for name in IMPORTED:
        import_module(name)
    for line in sys.stdin:
        order = Order(*json.loads(line))
        child = (_spawn if order.spawn else _fork)(order)
        print(json.dumps(_end(child, order)), flush=True)


def _fork(order: Order) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1) if LOUD in os.environ else (0, 1, 2):
            os.dup2(null, descriptor)
        sys.argv = ["dataflare-vec", *order.arguments]
        if order.step is not None:
            stop_at(order.step, order.number, order.folder, order.counter)
        cli.command()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _spawn(order: Order) -> int:
    line = [sys.executable, "-m", "dataflare_vec.cli", *order.arguments]
    null = subprocess.DEVNULL
    process = subprocess.Popen(line, stdin=null, stdout=null, stderr=None if LOUD in os.environ else null)
    process.returncode = 0  # it is waited for below
    return process.pid


def _end(child: int, order: Order) -> Killed:
    if order.moment is not None:
        time.sleep(order.moment)
        os.kill(child, order.number)
    deadline = time.monotonic() + PATIENCE
    pause = 0.002
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return Killed(os.waitstatus_to_exitcode(status), hung=False)
        if time.monotonic() > deadline:
            if LOUD in os.environ:
                subprocess.run(
                    ["gdb", "-p", str(child), "-batch", "-ex", "thread apply all bt 12"], check=False
                )
            os.kill(child, KILL)
            return Killed(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), hung=True)
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


class Server:
    """The warm process."""

    def __init__(self, folder: Path) -> None:
        # Compiled once: later runs have a cache, as most have.
        environment = os.environ | {"DATAFLARE_VEC_CACHE_DIR": str(folder / "cache")}
        line = [sys.executable, __file__, "serve"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True, env=environment)

    def run(self, order: Order) -> Killed:
        """Run the command, and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Killed(*json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def stop_at(step: int, number: int, folder: str, counter: str | None = None) -> None:
    """Let this process send itself a signal at a step: even ones are before a call, odd ones after it.

    They are counted from the first call that is about something in ``folder``: what comes before it is
    imported, or read from the cache. With ``counter`` the number of steps is written there instead.
    """
    lock = threading.RLock()
    steps = -1

    def moment() -> None:
        nonlocal steps
        with lock:
            steps += 1
            is_it = steps == step
            if counter is not None:
                Path(counter).write_text(str(steps + 1))
        if is_it and counter is None:
            os.kill(os.getpid(), number)

    def watched(call: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(call)
        def stepped(*arguments: object, **options: object) -> object:
            if steps < 0 and not str(arguments[0]).startswith(folder):
                return call(*arguments, **options)
            moment()
            result = call(*arguments, **options)
            moment()
            return result

        return stepped

    kept = {name: getattr(os, name) for name in STEPS}
    for name, call in kept.items():
        setattr(os, name, watched(call))
    for which in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        which.update(getattr(os, name) for name, call in kept.items() if call in which)


class Trial:
    """A scenario in a folder, with what an undisturbed run makes of it."""

    def __init__(self, server: Server, name: str, folder: Path, options: argparse.Namespace) -> None:
        rows, files = options.rows, options.files
        self.spawned = options.spawn
        self.server = server
        self.scenario = SCENARIOS[name]
        self.name = name
        self.folder = folder / name
        self.found: Counter[str] = Counter()
        prepare(self.folder, rows, files, shift=1)
        self._undisturbed()
        self.old = read(self.folder, self.scenario.outputs)
        self.kept = folder / f"{name} old"
        shutil.copytree(self.folder, self.kept)
        time.sleep(0.02)  # so that the inputs to come are newer, whatever the clock of the files
        prepare(self.folder, rows, files)
        self.seconds = self._undisturbed()
        self.new = read(self.folder, self.scenario.outputs)
        assert self.old.keys() == self.new.keys()
        assert not hidden(self.new)

    @property
    def arguments(self) -> list[str]:
        """The command's arguments."""
        return command(self.folder, self.scenario)

    def _undisturbed(self) -> float:
        began = time.perf_counter()
        killed = self.server.run(Order(self.arguments, str(self.folder), spawn=self.spawned))
        assert killed.code == 0, killed
        return time.perf_counter() - began

    def reset(self, *, old: bool) -> None:
        """Remove all outputs, or put those of an earlier run there, of older inputs."""
        for path in list(self.folder.iterdir()):
            if path.name not in ("in", "kernels.py", "__pycache__"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in self.scenario.outputs if old else ():
            source, target = self.kept / name, self.folder / name
            # Times too: an output that is older than its input isn't finished.
            shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)

    def check(self, killed: Killed, number: int, label: str, *, old: bool) -> None:
        """Look at what a killed run has left, and run once more."""
        self.found["kills"] += 1
        if self.found["kills"] % 50 == 0:
            print(f"{self.name}: {dict(self.found)}", flush=True)
        self.found["ended before"] += killed.code == 0
        if killed.hung:
            self._note("hung", label)
        elif killed.code not in FINE:
            self._note("exit code", f"{label}: {killed.code}")
        tree = read(self.folder, self.scenario.outputs)
        for what in damage(tree, self.old if old else {}, self.new, self.scenario):
            self._note("damaged", f"{label}: {what}")
        if number != KILL and hidden(tree):
            self._note("left by a signal", f"{label}: {hidden(tree)}")
        self.found["temporary files"] += bool(hidden(tree))
        self.rerun(label)

    def rerun(self, label: str) -> None:
        """Run undisturbed, and compare."""
        killed = self.server.run(Order(self.arguments, str(self.folder), spawn=self.spawned))
        if killed.code != 0:
            self._note("next run failed", f"{label}: {killed}")
        tree = read(self.folder, self.scenario.outputs)
        if not _same(tree, self.new):
            kind = "left over" if hidden(tree) else "next run differs"
            self._note(kind, f"{label}: {sorted(tree.keys() ^ self.new.keys())}")

    def _note(self, kind: str, example: str) -> None:
        self.found[kind] += 1
        print(f"{self.name}: {kind}: {example}", flush=True)


def at_random(trial: Trial, count: int, numbers: random.Random) -> None:
    """Kill so many runs at random moments, three of four by SIGKILL."""
    start = trial.seconds * 0.4 if trial.spawned else 0.0  # a new process imports first
    for index in range(count):
        number = KILL if numbers.random() < 0.75 else numbers.choice(ENDS)
        moment = numbers.uniform(start, trial.seconds * 1.1)
        old = numbers.random() < 0.5
        trial.reset(old=old)
        killed = trial.server.run(
            Order(trial.arguments, str(trial.folder), moment, number, spawn=trial.spawned)
        )
        if trial.spawned:
            FINE.update({-signal.SIGINT, -signal.SIGTERM, 1})  # before the command was there to answer
        label = (
            f"{index}: {signal.Signals(number).name} after {moment:.3f} s, {'old' if old else 'no'} output"
        )
        trial.check(killed, number, label, old=old)


def at_steps(trial: Trial, signals: tuple[int, ...], stride: int = 1) -> None:
    """Kill a run at each of its steps."""
    for old in (False, True):
        trial.reset(old=old)
        counter = trial.folder.parent / "steps"
        trial.server.run(Order(trial.arguments, str(trial.folder), step=0, counter=str(counter)))
        steps = int(counter.read_text())
        for step in range(0, steps, stride):
            for number in signals:
                if number == KILL and step % 2:
                    continue  # after a call is before the next one, to a process that does nothing more
                trial.reset(old=old)
                order = Order(trial.arguments, str(trial.folder), number=number, step=step)
                name = signal.Signals(number).name
                label = f"step {step} of {steps}: {name}, {'old' if old else 'no'} output"
                trial.check(trial.server.run(order), number, label, old=old)


def main() -> int:
    """Run the trials; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("how", choices=("random", "steps", "serve"))
    parser.add_argument("--count", type=int, default=60, help="of random kills, in all scenarios together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=20_000, help="of each input file")
    parser.add_argument("--files", type=int, default=3)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--spawn", action="store_true", help="start a new process for each run")
    parser.add_argument("--signals", default="SIGKILL,SIGTERM,SIGINT", help="of steps")
    parser.add_argument("--stride", type=int, default=1, help="take each n-th step only")
    options = parser.parse_args()
    if options.how == "serve":
        serve()
        return 0
    names = options.scenarios.split(",")
    numbers = random.Random(options.seed)
    total: Counter[str] = Counter()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        for name in names:
            trial = Trial(server, name, Path(folder), options)
            if options.how == "random":
                at_random(trial, options.count // len(names), numbers)
            else:
                signals = tuple(signal.Signals[each] for each in options.signals.split(","))
                at_steps(trial, signals, options.stride)
            print(f"{name}: {trial.seconds:.2f} s undisturbed: {dict(trial.found)}", flush=True)
            total += trial.found
        server.close()
    harmless = ("kills", "ended before", "temporary files")
    print(f"{time.perf_counter() - began:.0f} s, all: {dict(total)}")
    return int(any(kind not in harmless for kind in total))


if __name__ == "__main__":
    sys.exit(main())
