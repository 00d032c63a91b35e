"""Frames of Ray Data, Spark, Dask and Daft, of those that are installed, on this machine."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import polars as pl

import dataflare_vec as dfv
from races.common import Figure, Size, at_least, at_most, numbers, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Workers have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

_COLUMNS = ("lat1", "lon1", "lat2", "lon2")
_RADIUS = 6371.0088


@dfv.scan(init=0.0)
def balance(total, amount):
    total = total + amount if total + amount > 0.0 else 0.0
    return total, total


def _with_numpy(frame: Any) -> Any:
    """Return the distances as one writes them without plugins."""
    lat1, lon1, lat2, lon2 = (np.radians(frame[name].to_numpy()) for name in _COLUMNS)
    a = np.sin((lat2 - lat1) / 2) ** 2 + np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return frame.assign(km=2 * _RADIUS * np.arcsin(np.sqrt(a)))


def _balances(frame: Any) -> Any:
    """Return the scan of one key, row by row."""
    balances, total = [], 0.0
    for amount in frame.sort_values("time")["amount"].to_list():
        total = total + amount if total + amount > 0.0 else 0.0
        balances.append(total)
    return frame.sort_values("time").assign(balance=balances)


def _points(size: Size, rows: int) -> pl.DataFrame:
    return numbers(size.rows(rows), *_COLUMNS) * 80.0


def _payments(size: Size, rows: int) -> pl.DataFrame:
    count = size.rows(rows)
    frame = numbers(count, "amount") - 0.5
    order = pl.int_range(count, eager=True)
    return frame.with_columns(time=order, account=order * 7919 % max(count // 1000, 1))


def _ours(frame: Any) -> Any:
    return dfv.apply(frame, "haversine", output="km")


def _figures(
    engine: str,
    size: Size,
    data: Any,
    run: Callable[[Any], Any],
    identity: Callable[[Any], Any],
    own: Callable[[Any], Any],
) -> Iterator[Figure]:
    rows = _ours(data), own(data)
    for one in rows:
        run(one)
    plain, ours, others = timed(
        [lambda: run(identity(data)), lambda: run(_ours(data)), lambda: run(own(data))], size.repeats
    )
    yield Figure(
        f"{engine}, haversine: time above the identity / the same of NumPy in pandas",
        max(ours - plain, 0.0) / max(others - plain, 1e-9),
        at_most(1.0, aim=0.2),
        f"identity {plain:.2f} s, ours {ours:.2f}, NumPy {others:.2f}",
    )


def _scans(
    engine: str, size: Size, run: Callable[[Any], Any], data: Any, own: Callable[[Any], Any]
) -> Iterator[Figure]:
    ours, others = timed(
        [
            lambda: run(dfv.apply(data, balance, by="account", order_by="time")),
            lambda: run(own(data)),
        ],
        size.repeats,
    )
    yield Figure(
        f"{engine}, a scan by key: times faster than pandas in the engine's own groups",
        others / ours,
        at_least(1.0, aim=5.0),
        f"ours {ours:.2f} s, its own {others:.2f}",
    )


def with_dask(size: Size) -> Iterator[Figure]:
    if find_spec("dask") is None or find_spec("distributed") is None:
        return
    import dask
    import dask.dataframe as dd

    def run(frame: Any) -> Any:
        return dask.compute(frame.map_partitions(len).sum())

    points = dd.from_pandas(_points(size, 10_000_000).to_pandas(), npartitions=4).persist()
    identity = lambda frame: frame.map_partitions(lambda part: part.assign(km=part["lat1"]))  # noqa: E731
    yield from _figures("Dask", size, points, run, identity, lambda frame: frame.map_partitions(_with_numpy))
    payments = dd.from_pandas(_payments(size, 2_000_000).to_pandas(), npartitions=4).persist()
    meta = payments._meta.assign(balance=0.0)
    yield from _scans(
        "Dask",
        size,
        run,
        payments,
        lambda frame: frame.groupby("account")[["amount", "time", "account"]].apply(_balances, meta=meta),
    )


def with_ray(size: Size) -> Iterator[Figure]:
    if find_spec("ray") is None:
        return
    import ray
    import ray.data

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def run(frame: Any) -> Any:
        return frame.materialize()

    def parts(frame: pl.DataFrame) -> Any:
        step = -(-frame.height // 4)
        return ray.data.from_arrow(
            [frame[i * step : (i + 1) * step].to_arrow() for i in range(4)]
        ).materialize()

    whole: dict[str, Any] = {"batch_size": None}
    points = parts(_points(size, 10_000_000))
    yield from _figures(
        "Ray Data",
        size,
        points,
        run,
        lambda frame: frame.map_batches(
            lambda table: table.append_column("km", table["lat1"]), batch_format="pyarrow", **whole
        ),
        lambda frame: frame.map_batches(_with_numpy, batch_format="pandas", **whole),
    )
    yield from _scans(
        "Ray Data",
        size,
        run,
        parts(_payments(size, 200_000)),
        lambda frame: frame.groupby("account").map_groups(_balances, batch_format="pandas"),
    )
    ray.shutdown()


def with_spark(size: Size) -> Iterator[Figure]:
    if find_spec("pyspark") is None:
        return
    from pyspark import cloudpickle as sparks
    from pyspark.sql import SparkSession

    sparks.register_pickle_by_value(sys.modules[__name__])
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.sql.shuffle.partitions", 4)
    session = builder.config("spark.driver.memory", "4g").getOrCreate()

    def run(frame: Any) -> Any:
        return frame.write.format("noop").mode("overwrite").save()

    def cached(frame: pl.DataFrame) -> Any:
        data = session.createDataFrame(frame.to_arrow()).repartition(4).cache()
        data.count()
        return data

    points = cached(_points(size, 4_000_000))
    schema = ", ".join(f"{name} double" for name in (*_COLUMNS, "km"))

    def identity(frame: Any) -> Any:
        def same(batches: Iterator[Any]) -> Iterator[Any]:
            for batch in batches:
                yield batch.append_column("km", batch["lat1"])

        return frame.mapInArrow(same, schema)

    def own(frame: Any) -> Any:
        def each(parts: Iterator[Any]) -> Iterator[Any]:
            yield from map(_with_numpy, parts)

        return frame.mapInPandas(each, schema)

    yield from _figures("Spark", size, points, run, identity, own)
    payments = cached(_payments(size, 2_000_000))
    kept = "amount double, time long, account long, balance double"
    yield from _scans(
        "Spark", size, run, payments, lambda frame: frame.groupby("account").applyInPandas(_balances, kept)
    )
    session.stop()


def with_daft(size: Size) -> Iterator[Figure]:
    if find_spec("daft") is None:
        return
    import daft
    from daft import DataType, col

    def run(frame: Any) -> Any:
        return frame.collect()

    @daft.func.batch(return_dtype=DataType.float64())
    def numpy_km(lat1, lon1, lat2, lon2):
        import pandas as pd

        columns = zip(_COLUMNS, (lat1, lon1, lat2, lon2), strict=True)
        frame = pd.DataFrame({name: one.to_arrow().to_numpy(zero_copy_only=False) for name, one in columns})
        return _with_numpy(frame)["km"].to_numpy()

    @daft.func.batch(return_dtype=DataType.float64())
    def same(lat1):
        return lat1

    points = daft.from_arrow(_points(size, 10_000_000).to_arrow()).collect()
    yield from _figures(
        "Daft",
        size,
        points,
        run,
        lambda frame: frame.with_column("km", same(col("lat1"))),
        lambda frame: frame.with_column("km", numpy_km(*map(col, _COLUMNS))),
    )


RACES = [with_dask, with_daft, with_ray, with_spark]
