"""Kill workers of an engine at random moments, and compare rows and failed rows with those of one machine.

    python tests/hostile/engine_kills.py ray spark dask --count 20

In each run a worker is killed while failed rows are written, and another while the rows are computed. What is
lost or there twice is counted; the exit code is 1 if anything is. Each engine has two workers.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import polars as pl

import dataflare_vec as dfv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Workers have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

#: Parts of the data, and the seconds that each takes at least.
_PARTS, _SECONDS = 24, 0.15
#: Every so many rows one fails.
_EVERY = 10


def work(workers: Path) -> list[Any]:
    """Return a pipeline that takes some time, and whose workers say who they are."""
    folder = str(workers)

    @dfv.column(name="slow")
    def slow(number: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if len(number):
            for _ in range(10):
                with suppress(FileExistsError):
                    os.close(os.open(f"{folder}/{os.getpid()}", os.O_CREAT | os.O_EXCL))
                time.sleep(_SECONDS / 10)
        return number

    @dfv.plugin(name="shared")
    def shared(number: int, whole: int) -> int:
        return number // whole

    return [slow, shared]


class Killer:
    """Who kills one worker, or a process above it, at a random moment of the next seconds."""

    def __init__(self, workers: Path, draw: random.Random, seconds: float, above: int) -> None:
        self._workers = workers
        self._draw = draw
        self._moment = draw.uniform(0.05, 0.95) * seconds
        self._above = draw.choice((0, above))
        self._over = threading.Event()
        self.killed = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Kill while the block runs."""
        thread = threading.Thread(target=self._kill)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _kill(self) -> None:
        if self._over.wait(self._moment):
            return
        while not self._over.wait(0.01):
            alive = [pid for path in self._workers.iterdir() if _is_alive(pid := int(path.name))]
            if not alive:
                continue
            pid = self._draw.choice(sorted(alive))
            for _ in range(self._above):
                pid = _parent(pid)
            if pid in (0, 1, os.getpid()):
                continue
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed += 1
            return


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@contextmanager
def ray_engine(files: Path) -> Iterator[tuple[Callable[[], Any], Callable[[Any], pl.DataFrame]]]:
    """Give what makes a frame of Ray Data, and what takes its rows."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def rows(frame: Any) -> pl.DataFrame:
        tables = [table for table in ray.get(frame.to_arrow_refs()) if table.num_rows]
        return pl.concat([pl.DataFrame(table) for table in tables])

    try:
        yield lambda: ray.data.read_parquet(str(files), override_num_blocks=_PARTS), rows
    finally:
        ray.shutdown()


@contextmanager
def spark_engine(files: Path) -> Iterator[tuple[Callable[[], Any], Callable[[Any], pl.DataFrame]]]:
    """Give the same of Spark: two executors of one processor, which also run tasks speculatively."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local-cluster[2,1,1024]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.log.level", "OFF")
    builder = builder.config("spark.sql.files.openCostInBytes", "128m").config("spark.speculation", "true")
    builder = builder.config("spark.speculation.multiplier", "1.1").config("spark.executor.memory", "512m")
    builder = builder.config("spark.speculation.quantile", "0.1").config("spark.speculation.interval", "50ms")
    builder = builder.config("spark.speculation.minTaskRuntime", "50ms")
    builder = builder.config("spark.task.maxFailures", "8")
    session = builder.getOrCreate()
    try:
        yield (lambda: session.read.parquet(str(files))), (lambda frame: pl.DataFrame(frame.toArrow()))
    finally:
        session.stop()


@contextmanager
def dask_engine(files: Path) -> Iterator[tuple[Callable[[], Any], Callable[[Any], pl.DataFrame]]]:
    """Give the same of Dask, with distributed: each frame on workers of its own.

    A nanny doesn't replace a worker that is killed as it starts; without workers Dask waits, unless it is
    told for how long.
    """
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    with ExitStack() as running, dask.config.set({"distributed.scheduler.no-workers-timeout": "60s"}):

        def frame() -> Any:
            running.close()
            local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50)
            running.enter_context(local)
            running.enter_context(Client(local))
            return dd.read_parquet(str(files), split_row_groups=True)

        yield frame, (lambda frame: pl.from_pandas(frame.compute()))


#: Each engine, and how many processes above a worker's are to be killed at times: Spark's executors.
ENGINES = {"ray": (ray_engine, 0), "spark": (spark_engine, 2), "dask": (dask_engine, 0)}


def lost_and_doubled(found: pl.Series, expected: range) -> tuple[int, int]:
    """Return how many of some numbers aren't there, and how many are more than once, or shouldn't be."""
    counts, wanted = Counter(found.to_list()), set(expected)
    lost = len(wanted - counts.keys())
    return lost, sum(counts.values()) - (len(wanted) - lost)


def runs(name: str, count: int, rows: int, seed: int) -> dict[str, Any]:
    """Return what was lost and doubled in some runs of an engine."""
    engine, above = ENGINES[name]
    draw = random.Random(seed)
    told = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        files, workers = Path(folder, "files"), Path(folder, "workers")
        files.mkdir()
        workers.mkdir()
        number = pl.int_range(rows, eager=True).alias("number")
        data = pl.DataFrame({"number": number, "whole": number % _EVERY})
        for part in range(_PARTS):
            piece = data[part * rows // _PARTS : (part + 1) * rows // _PARTS]
            piece.write_parquet(files / f"{part:02}.parquet")
        steps = work(workers)
        with engine(files) as (frame, rows_of):
            seconds = [1.0, 1.0]
            for run in range(count + 1):  # the first one is left alone, to see how long it takes
                started = time.monotonic()
                errors = Path(folder, f"errors-{run}")
                killers = [Killer(workers, draw, each if run else 1e9, above) for each in seconds]
                with killers[0].at_work():
                    result = dfv.run(frame(), steps, errors=errors)
                between = time.monotonic()
                with killers[1].at_work():
                    found = rows_of(result.frame)
                if not run:
                    seconds = [between - started, time.monotonic() - between]
                failed = pl.read_parquet(errors / "*.parquet")
                lost, doubled = lost_and_doubled(found["number"], range(rows))
                errors_lost, errors_doubled = lost_and_doubled(failed["number"], range(0, rows, _EVERY))
                counted = result.error_count == failed.height and result.processed_count == rows
                wrong = found.filter(
                    pl.col("whole") != 0, pl.col("shared") != pl.col("number") // pl.col("whole")
                )
                told.update(
                    kills=sum(killer.killed for killer in killers),
                    rows_lost=lost,
                    rows_doubled=doubled,
                    errors_lost=errors_lost,
                    errors_doubled=errors_doubled,
                    wrong=wrong.height + (not counted) + len(list(Path(folder).glob(".errors-*"))),
                )
                print(f"{name} {run}: {time.monotonic() - started:.1f} s", dict(told), flush=True)
    return dict(told)


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engines", nargs="+", choices=ENGINES)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2_400, help="`slow` sleeps for each chunk")
    parser.add_argument("--seed", type=int, default=20261202)
    options = parser.parse_args()
    told = {name: runs(name, options.count, options.rows, options.seed) for name in options.engines}
    print(pl.DataFrame([{"engine": name, "runs": options.count, **counts} for name, counts in told.items()]))
    return int(any(n for counts in told.values() for what, n in counts.items() if what != "kills"))


if __name__ == "__main__":
    sys.exit(main())
