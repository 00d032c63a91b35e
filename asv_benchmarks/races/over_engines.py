"""Races over frames of any engine: what is computed, the ways to do it, and how that is timed.

What a kernel adds is told in processor time of this process and all below it, which is what differs: of time
a small part does, and that by as much as it varies.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

import dataflare_vec as dfv
from races.common import Figure, Size, at_least, at_most, numbers, timed
from races.strings import homes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

COLUMNS = ("lat1", "lon1", "lat2", "lon2")
RADIUS = 6371.0088
NUMPY = "NumPy in pandas"
PARTS = 4
#: Rows of numbers, of text, and of payments by key.
_ROWS, _TEXTS, _PAYMENTS = 20_000_000, 4_000_000, 10_000_000
#: How often contenders run at most: of those that only compute, and of those that shuffle or write files.
_OFTEN, _SELDOM = 5, 3


@dfv.scan(init=0.0)
def balance(total, amount):
    total = total + amount if total + amount > 0.0 else 0.0
    return total, total


@dfv.plugin
def area(s: str) -> int:
    """Return the number before "sqft"."""
    end = s.find(" sqft")
    return int(s[s.rfind(" ", 0, end) + 1 : end].replace(",", ""))


class Engine(NamedTuple):
    """How an engine is told what all of them do here."""

    name: str
    run: Callable[[Any], Any]  # computes a frame, and keeps nothing of it
    held: Callable[[pl.DataFrame], Any]  # a frame in memory, in some parts
    read: Callable[[str], Any]  # a folder of Parquet files
    write: Callable[[Any, str], Any]


class Ways(NamedTuple):
    """One column more: ours, one that is there already, and as one writes it without plugins."""

    what: str
    ours: Callable[[Any], Any]
    identity: Callable[[Any], Any]
    own: dict[str, Callable[[Any], Any]]  # by what it is written with


def km_of(frame: Any) -> Any:
    return dfv.apply(frame, "haversine", output="km")


def area_of(frame: Any) -> Any:
    return dfv.apply(frame, area)


def with_numpy(frame: Any) -> Any:
    """Return the distances as one writes them without plugins."""
    lat1, lon1, lat2, lon2 = (np.radians(frame[name].to_numpy()) for name in COLUMNS)
    a = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return frame.assign(km=2 * RADIUS * np.arcsin(np.sqrt(a)))


def with_pandas(frame: Any) -> Any:
    """Return the numbers out of text as pandas finds them."""
    found = frame["s"].str.extract(r"([\d,]+) sqft", expand=False).str.replace(",", "", regex=False)
    return frame.assign(area=found.astype("int64"))


def areas_of_arrow(texts: Any) -> Any:
    """Return the numbers out of text as PyArrow finds them."""
    import pyarrow as pa
    from pyarrow import compute

    found = compute.struct_field(compute.extract_regex(texts, r"(?P<area>[\d,]+) sqft"), "area")
    return compute.cast(compute.replace_substring(found, ",", ""), pa.int64())


def with_arrow(table: Any) -> Any:
    return table.append_column("area", areas_of_arrow(table["s"]))


def doubled(table: Any, name: str, new: str) -> Any:
    return table.append_column(new, table[name])


def balances_of(frame: Any) -> Any:
    """Return the scan of one key, row by row."""
    balances, total = [], 0.0
    frame = frame.sort_values("time")
    for amount in frame["amount"].to_list():
        total = total + amount if total + amount > 0.0 else 0.0
        balances.append(total)
    return frame.assign(balance=balances)


def distance(angles: Iterable[Any], sin: Any, cos: Any, asin: Any, sqrt: Any) -> Any:
    """Return the distance as an expression of an engine, of angles in radians."""
    lat1, lon1, lat2, lon2 = angles
    half, across = sin((lat2 - lat1) / 2), sin((lon2 - lon1) / 2)
    return asin(sqrt(half * half + cos(lat1) * cos(lat2) * across * across)) * (2 * RADIUS)


def points_of(size: Size) -> pl.DataFrame:
    return numbers(size.rows(_ROWS), *COLUMNS) * 80.0


def texts_of(size: Size) -> pl.DataFrame:
    return homes(size.rows(_TEXTS))


def _payments(size: Size, rows: int) -> pl.DataFrame:
    count = size.rows(rows)
    frame = numbers(count, "amount") - 0.5
    order = pl.int_range(count, eager=True)
    return frame.with_columns(time=order, account=order * 7919 % max(count // 1000, 1))


def above(engine: Engine, size: Size, data: Any, ways: Ways) -> Iterator[Figure]:
    """Race what a column more takes beyond one that is only handed on."""
    runs = [partial(_run, engine, way, data) for way in (ways.identity, ways.ours, *ways.own.values())]
    plain, ours, *others = _busy(runs, min(size.repeats, _OFTEN))
    for name, other in zip(ways.own, others, strict=True):
        added = [max(ours[i] - plain[i], 0.0) / max(other[i] - plain[i], 1e-3) for i in (0, 1)]
        yield Figure(
            f"{engine.name}, {ways.what}: processor time above the identity / that of {name}",
            added[0],
            at_most(1.0, aim=0.2),
            f"{ours[0]:.2f} s and {other[0]:.2f}, identity {plain[0]:.2f}; of time {added[1]:.2f}",
        )


def _busy(functions: Sequence[Callable[[], Any]], repeats: int) -> list[tuple[float, float]]:
    """Return the median seconds of processors and of time of each, as `timed` does."""
    taken: list[list[tuple[float, float]]] = [[] for _ in functions]
    for turn in range(repeats + 1):
        for function, times in zip(functions, taken, strict=True):
            busy, start = _processor_time(), time.perf_counter()
            function()
            times.append((_processor_time() - busy, time.perf_counter() - start))
            if not turn:
                times.clear()
    return [(median(busy for busy, _ in times), median(long for _, long in times)) for times in taken]


def _processor_time() -> float:
    """Return the processor time of this process and of all that it has begun, in seconds."""
    import psutil

    total, this = 0.0, psutil.Process()
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # those of children that have ended are in it
    return total


def _run(engine: Engine, way: Callable[[Any], Any], data: Any) -> Any:
    return engine.run(way(data))


def scans(
    engine: Engine,
    size: Size,
    own: Callable[[Any], Any],
    sent: Callable[[Any], Any] | None = None,
) -> Figure:
    """Race a scan by key; rows that are only sent to where their keys are say how little it could take."""
    data = engine.held(_payments(size, _PAYMENTS))
    ways = [lambda frame: dfv.apply(frame, balance, by="account", order_by="time"), own]
    ways += [] if sent is None else [sent]
    # Once: of many times faster, that says enough.
    ours, others, *least = timed([partial(_run, engine, way, data) for way in ways], 1)
    note = f"ours {ours:.2f} s, its own {others:.2f}"
    return Figure(
        f"{engine.name}, a scan by key: times faster than pandas in the engine's own groups",
        others / ours,
        at_least(1.0, aim=5.0),
        f"{note}, rows that are only sent {least[0]:.2f}" if least else note,
    )


def job(engine: Engine, size: Size, ways: Ways) -> Iterator[Figure]:
    """Race a whole job: Parquet files in, a column more, Parquet files out."""
    with TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "source"), os.path.join(folder, "target")
        write_parts(points_of(size), source)

        def whole(way: Callable[[Any], Any]) -> None:
            shutil.rmtree(target, ignore_errors=True)
            engine.write(way(engine.read(source)), target)

        runs = [partial(whole, way) for way in (ways.identity, ways.ours, *ways.own.values())]
        plain, ours, *others = timed(runs, min(size.repeats, _SELDOM))
    for name, other in zip(ways.own, others, strict=True):
        yield Figure(
            f"{engine.name}, {ways.what} from Parquet to Parquet: times faster than {name}",
            other / ours,
            at_least(0.5, aim=1.5),
            f"ours {ours:.2f} s, its own {other:.2f}, identity {plain:.2f}",
        )


def parts_of(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    step = -(-frame.height // PARTS)
    for start in range(0, frame.height, step):
        yield frame[start : start + step]


def write_parts(frame: pl.DataFrame, folder: str) -> None:
    """Write a frame as some Parquet files."""
    os.mkdir(folder)
    for number, part in enumerate(parts_of(frame)):
        part.write_parquet(Path(folder, f"{number}.parquet"))
