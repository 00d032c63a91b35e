"""End programs over engines at random moments, run tasks twice, and compare with what is on one machine.

    python tests/hostile/engine_ends.py streams --count 20
    python tests/hostile/engine_ends.py speculation --count 20
    python tests/hostile/engine_ends.py ctrl-c ray spark dask daft --count 5

``streams``: a stream of Spark into files, and one into `foreachBatch` with failed rows beside, are killed
with all their processes and begun again, until they are through. ``speculation``: two attempts of a task end
at the same moment, on two workers of Spark. ``ctrl-c``: a program is interrupted while failed rows are
written; it has to end in time, as Python does then, and to leave nothing. The exit code is 1 if anything was
lost or doubled.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import polars as pl

import dataflare_vec as dfv

sys.path.insert(0, str(Path(__file__).parent))
from engine_kills import ENGINES, lost_and_doubled, work

#: Workers have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

#: Parts of the data, rows of each, and how many failed ones these have.
_PARTS, _ROWS, _EVERY = 24, 100, 10
#: Seconds within which a program has to end.
_LONG = 60


def some() -> pl.DataFrame:
    """Return rows of which some fail."""
    number = pl.int_range(_PARTS * _ROWS, eager=True).alias("number")
    return pl.DataFrame({"number": number, "whole": number % _EVERY, "key": number % 7})


def write(folder: Path) -> None:
    """Write rows to files, of which each is a part."""
    folder.mkdir()
    data = some()
    for part in range(_PARTS):
        path = folder / f"{part:02}.parquet"
        data[part * _ROWS : (part + 1) * _ROWS].write_parquet(path)
        os.utime(path, (10**9 + part,) * 2)  # a stream takes the oldest first


@dfv.scan(init=0)
def summed(total: int, number: int) -> tuple[int, int]:
    return total + number, total + number


def session(master: str, **settings: Any) -> Any:
    """Return a session of Spark."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.log.level", "OFF")
    builder = builder.config("spark.sql.shuffle.partitions", 2)
    for name, value in settings.items():
        builder = builder.config(f"spark.{name.replace('_', '.')}", value)
    return builder.getOrCreate()


# -- streams ----------------------------------------------------------------------------------------------


def stream(folder: Path) -> None:
    """Run both streams to their end, from where they are."""
    spark = session("local[2]")
    schema = spark.read.parquet(str(folder / "in")).schema
    rows = spark.readStream.schema(schema).option("maxFilesPerTrigger", 2).parquet(str(folder / "in"))
    shared = work(folder / "workers")[1]
    scan = dfv.apply(rows, [shared, dfv.step(summed, by="key")], on_error="null", order_by="number")

    def batch(part: Any, number: int) -> None:
        errors = folder / "errors" / f"{number:04}"
        shutil.rmtree(errors, ignore_errors=True)  # of the same micro-batch, before it was committed
        result = dfv.run(part, shared, errors=errors)
        result.frame.write.mode("overwrite").parquet(str(folder / f"batches/{number:04}"))

    files = scan.writeStream.format("parquet").option("path", str(folder / "rows"))
    queries = [
        files.option("checkpointLocation", str(folder / "of-files")).trigger(availableNow=True).start(),
        rows.writeStream.foreachBatch(batch)
        .option("checkpointLocation", str(folder / "of-batches"))
        .trigger(availableNow=True)
        .start(),
    ]
    (folder / "begun").touch()
    for query in queries:
        query.awaitTermination()
    spark.read.parquet(str(folder / "rows")).write.parquet(str(folder / "found"))
    spark.stop()


def streams(count: int, draw: random.Random) -> dict[str, int]:
    """Return what was lost and doubled by streams that were killed."""
    told = dict.fromkeys(("kills", "lost", "doubled", "wrong"), 0)
    expected = dfv.apply(some(), [work(Path())[1], dfv.step(summed, by="key")], on_error="null").sort(
        "number"
    )
    seconds = 20.0
    for run in range(count + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder / "in")
            kills = 0
            while True:
                (folder / "begun").unlink(missing_ok=True)
                program = begin("stream", str(folder))
                wait_for(folder / "begun", program)
                started = time.monotonic()
                with suppress(subprocess.TimeoutExpired):
                    program.wait(draw.uniform(0, seconds) if run and kills < 3 else None)
                if program.returncode is not None:
                    break
                os.killpg(program.pid, signal.SIGKILL)
                program.wait()
                kills += 1
            assert program.returncode == 0, program.stderr.read()
            if not run:  # how long one takes that is left alone
                seconds = time.monotonic() - started
            found = pl.read_parquet(folder / "found/*.parquet").sort("number")
            batches = pl.read_parquet(folder / "batches/*/*.parquet")
            errors = pl.read_parquet(folder / "errors/*/*.parquet")
            several = [lost_and_doubled(one["number"], range(_PARTS * _ROWS)) for one in (found, batches)]
            several.append(lost_and_doubled(errors["number"], range(0, _PARTS * _ROWS, _EVERY)))
            told["kills"] += kills
            told["lost"] += sum(lost for lost, _ in several)
            told["doubled"] += sum(doubled for _, doubled in several)
            told["wrong"] += not found.select(expected.columns).cast(expected.schema).equals(expected)
            print(f"streams {run}: {time.monotonic() - started:.1f} s", told, flush=True)
    return told


# -- tasks that run twice ---------------------------------------------------------------------------------


def meets(folder: Path) -> Any:
    """Return a plugin by which two attempts of the task with the first row end at the same moment."""
    mark = str(folder / "attempt")

    @dfv.column(name="meets")
    def meeting(number: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if not len(number) or number.min() > 0:
            return number
        for attempt in range(2):
            with suppress(FileExistsError):
                os.close(os.open(f"{mark}-{attempt}", os.O_CREAT | os.O_EXCL))
                break
        end = time.monotonic() + _LONG
        while time.monotonic() < end and not os.path.exists(f"{mark}-1"):
            time.sleep(0.002)
        return number

    return meeting


def speculation(count: int, draw: random.Random) -> dict[str, int]:
    """Return what was lost and doubled where tasks ran twice: on two hosts, as Spark wants it."""
    import pyspark

    told = dict.fromkeys(("twice", "lost", "doubled"), 0)
    program = str(Path(pyspark.__path__[0], "bin", "spark-class"))
    port = draw.randrange(20_000, 30_000)
    master = f"spark://127.0.0.1:{port}"
    with ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "SPARK_WORKER_DIR": f"{name}/workers"}

        def deploy(kind: str, *options: str, host: str) -> None:
            command = [
                program,
                f"org.apache.spark.deploy.{kind}",
                "--host",
                host,
                "--webui-port",
                "0",
                *options,
            ]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen(command, env={**environment, "SPARK_LOCAL_IP": host}, **quiet)
            stack.callback(process.wait)
            stack.callback(process.terminate)

        deploy("master.Master", "--port", str(port), host="127.0.0.1")
        for host in ("127.0.0.2", "127.0.0.3"):
            deploy("worker.Worker", "--cores", "1", "--memory", "1g", master, host=host)
        settings = {f"speculation_{name}": "50ms" for name in ("interval", "minTaskRuntime")}
        settings |= {"speculation_multiplier": "1.1", "speculation_quantile": "0.1", "speculation": "true"}
        spark = session(master, executor_memory="512m", executor_cores="1", **settings)
        stack.callback(spark.stop)
        data = some()
        frame = spark.createDataFrame(data.to_arrow()).repartition(6)
        for run in range(count):
            mine = folder / str(run)
            mine.mkdir()
            result = dfv.run(frame, [meets(mine), work(folder)[1]], errors=mine / "errors")
            told["twice"] += forget(mine)
            found = pl.DataFrame(result.frame.toArrow())
            told["twice"] += forget(mine)
            result.frame.write.parquet(str(mine / "written"))
            told["twice"] += forget(mine)
            whole = range(data.height)
            for there, expected in (
                (pl.read_parquet(mine / "errors/*.parquet"), whole[::_EVERY]),
                (found, whole),
                (pl.read_parquet(mine / "written/*.parquet"), whole),
            ):
                lost, doubled = lost_and_doubled(there["number"], expected)
                told["lost"] += lost
                told["doubled"] += doubled
            print(f"speculation {run}", told, flush=True)
    return told


def forget(folder: Path) -> bool:
    """Return whether there were two attempts, and forget them."""
    attempts = list(folder.glob("attempt-*"))
    for path in attempts:
        path.unlink()
    return len(attempts) == 2


# -- Ctrl-C -----------------------------------------------------------------------------------------------


def slow(name: str, folder: Path) -> None:
    """Write failed rows of an engine, which takes some time."""
    engine = {**{name: make for name, (make, _) in ENGINES.items()}, "daft": daft_engine}[name]
    with engine(folder / "in") as (frame, _):
        data = frame()
        (folder / "begun").touch()
        dfv.run(data, work(folder / "workers"), errors=folder / "errors")
    (folder / "through").touch()


def daft_engine(files: Path) -> Any:
    """Give what makes a frame of Daft."""
    from contextlib import nullcontext

    import daft

    return nullcontext((lambda: daft.read_parquet(f"{files}/*.parquet"), None))


def interrupts(name: str, count: int, draw: random.Random) -> dict[str, int]:
    """Return what programs have left that were interrupted, and which didn't end in time."""
    told = dict.fromkeys(("interrupted", "hung", "other", "left"), 0)
    for run in range(count):
        with tempfile.TemporaryDirectory() as folder_name:
            folder = Path(folder_name)
            write(folder / "in")
            (folder / "workers").mkdir()
            program = begin("slow", name, str(folder))
            wait_for(folder / "begun", program)
            time.sleep(draw.uniform(0, 3))
            started = time.monotonic()
            os.killpg(program.pid, signal.SIGINT)  # as a terminal does
            try:
                _, said = program.communicate(timeout=_LONG)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                _, said = program.communicate()
                told["hung"] += 1
            is_interrupted = "KeyboardInterrupt" in said
            told["interrupted"] += is_interrupted
            is_through = (folder / "through").exists()
            if not is_interrupted and not is_through:
                told["other"] += 1
                print(said[-3000:])
            left = [path for path in folder.iterdir() if "errors" in path.name]
            whole = [folder / "errors"] if (folder / "errors" / "part-00000.parquet").exists() else []
            told["left"] += left != whole
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            print(f"{name} {run}: ended after {time.monotonic() - started:.1f} s", told, flush=True)
    return told


# -- programs ---------------------------------------------------------------------------------------------


def begin(*arguments: str) -> subprocess.Popen[str]:
    """Return this script as a program of its own, with a group of processes of its own."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    return subprocess.Popen(command, start_new_session=True, **quiet)


def wait_for(path: Path, program: subprocess.Popen[str]) -> None:
    """Return once a file is there, or the program has ended."""
    while not path.exists() and program.poll() is None:
        time.sleep(0.02)


def main() -> int:
    """Run what the command line says."""
    if sys.argv[1:2] == ["stream"]:
        stream(Path(sys.argv[2]))
        return 0
    if sys.argv[1:2] == ["slow"]:
        slow(sys.argv[2], Path(sys.argv[3]))
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("streams", "speculation", "ctrl-c"))
    parser.add_argument("engines", nargs="*", help=f"of {[*ENGINES, 'daft']}; all of them if none is named")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20261202)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    if options.what == "ctrl-c":
        names = options.engines or [*ENGINES, "daft"]
        told = {name: interrupts(name, options.count, draw) for name in names}
    else:
        run = streams if options.what == "streams" else speculation
        told = {options.what: run(options.count, draw)}
    print(told)
    allowed = ("kills", "twice", "interrupted")
    return int(any(n for counts in told.values() for what, n in counts.items() if what not in allowed))


if __name__ == "__main__":
    sys.exit(main())
