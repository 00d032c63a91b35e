"""Frames of Ray Data, Spark, Dask and Daft, of those that are installed, on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from importlib.util import find_spec
from operator import methodcaller
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle
import numpy as np
import polars as pl

import dataflare_vec as dfv
from races.common import Figure, Size, at_least, at_most, numbers, timed
from races.strings import homes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Workers have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

_COLUMNS = ("lat1", "lon1", "lat2", "lon2")
_RADIUS = 6371.0088
_PARTS = 4


@dfv.scan(init=0.0)
def balance(total, amount):
    total = total + amount if total + amount > 0.0 else 0.0
    return total, total


@dfv.plugin
def area(s: str) -> int:
    """Return the number before "sqft"."""
    end = s.find(" sqft")
    return int(s[s.rfind(" ", 0, end) + 1 : end].replace(",", ""))


class _Engine(NamedTuple):
    """How an engine is told what all of them do here."""

    name: str
    run: Callable[[Any], Any]  # computes a frame, and keeps nothing of it
    held: Callable[[pl.DataFrame], Any]  # a frame in memory, in some parts
    read: Callable[[str], Any]  # a folder of Parquet files
    write: Callable[[Any, str], Any]


class _Ways(NamedTuple):
    """One column more, three ways."""

    what: str
    ours: Callable[[Any], Any]
    identity: Callable[[Any], Any]  # a column that is there already
    own: Callable[[Any], Any]


def _km(frame: Any) -> Any:
    return dfv.apply(frame, "haversine", output="km")


def _area(frame: Any) -> Any:
    return dfv.apply(frame, area)


def _with_numpy(frame: Any) -> Any:
    """Return the distances as one writes them without plugins."""
    lat1, lon1, lat2, lon2 = (np.radians(frame[name].to_numpy()) for name in _COLUMNS)
    a = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return frame.assign(km=2 * _RADIUS * np.arcsin(np.sqrt(a)))


def _with_pandas(frame: Any) -> Any:
    """Return the numbers out of text as pandas finds them."""
    found = frame["s"].str.extract(r"([\d,]+) sqft", expand=False).str.replace(",", "", regex=False)
    return frame.assign(area=found.astype("int64"))


def _areas_of_arrow(texts: Any) -> Any:
    """Return the numbers out of text as PyArrow finds them."""
    import pyarrow as pa
    from pyarrow import compute

    found = compute.struct_field(compute.extract_regex(texts, r"(?P<area>[\d,]+) sqft"), "area")
    return compute.cast(compute.replace_substring(found, ",", ""), pa.int64())


def _with_arrow(table: Any) -> Any:
    return table.append_column("area", _areas_of_arrow(table["s"]))


def _doubled(table: Any, name: str, new: str) -> Any:
    return table.append_column(new, table[name])


def _balances(frame: Any) -> Any:
    """Return the scan of one key, row by row."""
    balances, total = [], 0.0
    for amount in frame.sort_values("time")["amount"].to_list():
        total = total + amount if total + amount > 0.0 else 0.0
        balances.append(total)
    return frame.sort_values("time").assign(balance=balances)


def _distance(angles: Iterable[Any], sin: Any, cos: Any, asin: Any, sqrt: Any) -> Any:
    """Return the distance as an expression of an engine, of angles in radians."""
    lat1, lon1, lat2, lon2 = angles
    half, across = sin((lat2 - lat1) / 2), sin((lon2 - lon1) / 2)
    return asin(sqrt(half * half + cos(lat1) * cos(lat2) * across * across)) * (2 * _RADIUS)


def _points(size: Size, rows: int) -> pl.DataFrame:
    return numbers(size.rows(rows), *_COLUMNS) * 80.0


def _payments(size: Size, rows: int) -> pl.DataFrame:
    count = size.rows(rows)
    frame = numbers(count, "amount") - 0.5
    order = pl.int_range(count, eager=True)
    return frame.with_columns(time=order, account=order * 7919 % max(count // 1000, 1))


def _above(engine: _Engine, size: Size, data: Any, ways: _Ways) -> Figure:
    """Race what a column more takes beyond one that is only handed on."""
    runs = [partial(_run, engine, way, data) for way in (ways.identity, ways.ours, ways.own)]
    plain, ours, others = timed(runs, size.repeats)
    return Figure(
        f"{engine.name}, {ways.what}: time above the identity / the same of the engine's own way",
        max(ours - plain, 0.0) / max(others - plain, 1e-3),
        at_most(1.0, aim=0.2),
        f"identity {plain:.2f} s, ours {ours:.2f}, its own {others:.2f}",
    )


def _run(engine: _Engine, way: Callable[[Any], Any], data: Any) -> Any:
    return engine.run(way(data))


def _scans(engine: _Engine, size: Size, data: Any, own: Callable[[Any], Any]) -> Figure:
    ours, others = timed(
        [
            lambda: engine.run(dfv.apply(data, balance, by="account", order_by="time")),
            lambda: engine.run(own(data)),
        ],
        size.repeats,
    )
    return Figure(
        f"{engine.name}, a scan by key: times faster than pandas in the engine's own groups",
        others / ours,
        at_least(1.0, aim=5.0),
        f"ours {ours:.2f} s, its own {others:.2f}",
    )


def _job(engine: _Engine, size: Size, rows: int, own: Callable[[Any], Any]) -> Figure:
    """Race a whole job: Parquet files in, a column more, Parquet files out."""
    frame = _points(size, rows)
    step = -(-frame.height // _PARTS)
    with TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "source"), os.path.join(folder, "target")
        os.mkdir(source)
        for part in range(_PARTS):
            frame[part * step : (part + 1) * step].write_parquet(Path(source, f"{part}.parquet"))

        def whole(way: Callable[[Any], Any]) -> None:
            shutil.rmtree(target, ignore_errors=True)
            engine.write(way(engine.read(source)), target)

        ours, others = timed([partial(whole, _km), partial(whole, own)], size.repeats)
    return Figure(
        f"{engine.name}, haversine from Parquet to Parquet: times faster than the engine's own way",
        others / ours,
        at_least(0.5, aim=1.5),
        f"ours {ours:.2f} s, its own {others:.2f}",
    )


def with_dask(size: Size) -> Iterator[Figure]:
    if find_spec("dask") is None or find_spec("distributed") is None:
        return
    import dask
    import dask.dataframe as dd

    engine = _Engine(
        "Dask",
        lambda frame: dask.compute(frame.map_partitions(len).sum()),
        lambda frame: dd.from_pandas(frame.to_pandas(), npartitions=_PARTS).persist(),
        dd.read_parquet,
        lambda frame, folder: frame.to_parquet(folder),
    )

    def same(name: str, new: str) -> Callable[[Any], Any]:
        return lambda frame: frame.map_partitions(lambda part: part.assign(**{new: part[name]}))

    numpy = lambda frame: frame.map_partitions(_with_numpy)  # noqa: E731
    points = engine.held(_points(size, 10_000_000))
    yield _above(engine, size, points, _Ways("haversine", _km, same("lat1", "km"), numpy))
    texts = engine.held(homes(size.rows(2_000_000)))
    meta = texts._meta.assign(area=0)
    pandas = lambda frame: frame.map_partitions(_with_pandas, meta=meta)  # noqa: E731
    yield _above(engine, size, texts, _Ways("a number out of text", _area, same("s", "area"), pandas))
    payments = engine.held(_payments(size, 2_000_000))
    columns = ["amount", "time", "account"]
    kept = payments._meta.assign(balance=0.0)
    yield _scans(
        engine, size, payments, lambda frame: frame.groupby("account")[columns].apply(_balances, meta=kept)
    )
    yield _job(engine, size, 10_000_000, numpy)


def compilations(size: Size) -> Iterator[Figure]:
    """Count who compiles a kernel that nobody has compiled: here, and of eight workers of this machine."""
    if find_spec("distributed") is None:
        return
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    compiled: Any = dfv.plugin(lambda x: x * 1.5 + 0.25 if x < 0.5 else x - 0.125, name="races_compilations")
    frame = numbers(size.rows(1_000_000), "x")
    with (
        TemporaryDirectory() as cache,
        LocalCluster(n_workers=8, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(os.environ.update, {"DATAFLARE_VEC_CACHE_DIR": cache})
        data = dd.from_pandas(frame.to_pandas(), npartitions=32)
        dfv.apply(data, compiled).compute()
        others = sum(client.run(_has_compiler).values())
    yield Figure(
        "a kernel over eight workers of one machine that have no cache in common: compilations",
        1 + others,
        at_most(1.0),
        f"{others} of the workers",
    )


def _has_compiler() -> bool:
    return "numba" in sys.modules


def with_ray(size: Size) -> Iterator[Figure]:
    if find_spec("ray") is None:
        return
    import ray
    import ray.data

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def held(frame: pl.DataFrame) -> Any:
        step = -(-frame.height // _PARTS)
        tables = [frame[part * step : (part + 1) * step].to_arrow() for part in range(_PARTS)]
        return ray.data.from_arrow(tables).materialize()

    engine = _Engine(
        "Ray Data",
        lambda frame: frame.materialize(),
        held,
        ray.data.read_parquet,
        lambda frame, folder: frame.write_parquet(folder),
    )

    def mapped(function: Callable[..., Any], kind: str, *arguments: Any) -> Callable[[Any], Any]:
        return lambda frame: frame.map_batches(
            function, batch_format=kind, batch_size=None, fn_args=arguments
        )

    numpy = mapped(_with_numpy, "pandas")
    points = engine.held(_points(size, 10_000_000))
    same = mapped(_doubled, "pyarrow", "lat1", "km")
    yield _above(engine, size, points, _Ways("haversine", _km, same, numpy))
    texts = engine.held(homes(size.rows(2_000_000)))
    same = mapped(_doubled, "pyarrow", "s", "area")
    yield _above(
        engine, size, texts, _Ways("a number out of text", _area, same, mapped(_with_arrow, "pyarrow"))
    )
    groups = lambda frame: frame.groupby("account").map_groups(_balances, batch_format="pandas")  # noqa: E731
    yield _scans(engine, size, engine.held(_payments(size, 200_000)), groups)
    yield _job(engine, size, 10_000_000, numpy)
    ray.shutdown()


def with_spark(size: Size) -> Iterator[Figure]:
    if find_spec("pyspark") is None:
        return
    from pyspark import cloudpickle as sparks
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as sql

    sparks.register_pickle_by_value(sys.modules[__name__])
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.sql.shuffle.partitions", 4)
    session = builder.config("spark.driver.memory", "4g").getOrCreate()

    def held(frame: pl.DataFrame) -> Any:
        data = session.createDataFrame(frame.to_arrow()).repartition(_PARTS).cache()
        data.count()
        return data

    engine = _Engine(
        "Spark",
        lambda frame: frame.write.format("noop").mode("overwrite").save(),
        held,
        session.read.parquet,
        lambda frame, folder: frame.write.parquet(folder),
    )

    def mapped(function: Callable[..., Any], schema: str, *arguments: Any) -> Callable[[Any], Any]:
        def each(batches: Iterator[Any]) -> Iterator[Any]:
            for batch in batches:
                yield function(batch, *arguments)

        return lambda frame: frame.mapInArrow(each, schema)

    def numpy(frame: Any) -> Any:
        return frame.mapInPandas(lambda parts: map(_with_numpy, parts), schema)

    def expression(frame: Any) -> Any:
        angles = map(sql.radians, _COLUMNS)
        return frame.withColumn("km", _distance(angles, sql.sin, sql.cos, sql.asin, sql.sqrt))

    schema = ", ".join(f"{name} double" for name in (*_COLUMNS, "km"))
    same = mapped(_doubled, schema, "lat1", "km")
    points = engine.held(_points(size, 4_000_000))
    yield _above(engine, size, points, _Ways("haversine", _km, same, numpy))
    texts = engine.held(homes(size.rows(2_000_000)))
    same = mapped(_doubled, "s string, area string", "s", "area")
    arrow = mapped(_with_arrow, "s string, area long")
    yield _above(engine, size, texts, _Ways("a number out of text", _area, same, arrow))
    payments = engine.held(_payments(size, 2_000_000))
    kept = "amount double, time long, account long, balance double"
    yield _scans(
        engine, size, payments, lambda frame: frame.groupby("account").applyInPandas(_balances, kept)
    )
    yield _job(engine, size, 4_000_000, expression)
    session.stop()


def with_daft(size: Size) -> Iterator[Figure]:
    if find_spec("daft") is None:
        return
    import daft
    from daft import DataType, col

    engine = _Engine(
        "Daft",
        lambda frame: frame.collect(),
        lambda frame: daft.from_arrow(frame.to_arrow()).collect(),
        lambda folder: daft.read_parquet(f"{folder}/*.parquet"),
        lambda frame, folder: frame.write_parquet(folder),
    )

    @daft.func.batch(return_dtype=DataType.float64())
    def numpy_km(lat1, lon1, lat2, lon2):
        import pandas as pd

        columns = zip(_COLUMNS, (lat1, lon1, lat2, lon2), strict=True)
        frame = pd.DataFrame({name: one.to_arrow().to_numpy(zero_copy_only=False) for name, one in columns})
        return _with_numpy(frame)["km"].to_numpy()

    @daft.func.batch(return_dtype=DataType.int64())
    def arrow_area(text):
        return _areas_of_arrow(text.to_arrow())

    @daft.func.batch(return_dtype=DataType.float64())
    def same(lat1):
        return lat1

    @daft.func.batch(return_dtype=DataType.string())
    def same_text(text):
        return text

    def numpy(frame: Any) -> Any:
        return frame.with_column("km", numpy_km(*map(col, _COLUMNS)))

    def expression(frame: Any) -> Any:
        angles = [col(name).radians() for name in _COLUMNS]
        functions = map(methodcaller, ("sin", "cos", "arcsin", "sqrt"))
        return frame.with_column("km", _distance(angles, *functions))

    points = engine.held(_points(size, 10_000_000))
    handed_on = lambda frame: frame.with_column("km", same(col("lat1")))  # noqa: E731
    yield _above(engine, size, points, _Ways("haversine", _km, handed_on, numpy))
    texts = engine.held(homes(size.rows(2_000_000)))
    ways = _Ways(
        "a number out of text",
        _area,
        lambda frame: frame.with_column("area", same_text(col("s"))),
        lambda frame: frame.with_column("area", arrow_area(col("s"))),
    )
    yield _above(engine, size, texts, ways)
    yield _job(engine, size, 10_000_000, expression)


RACES = [with_dask, compilations, with_daft, with_ray, with_spark]
