"""Frames of Ray Data, Spark, Dask and Daft, of those that are installed, on this machine."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from operator import methodcaller
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np

import dataflare_vec as dfv
from races import over_engines
from races.common import Figure, Size, at_most, numbers
from races.over_engines import (
    COLUMNS,
    NUMPY,
    PARTS,
    Engine,
    Ways,
    above,
    area_of,
    areas_of_arrow,
    balances_of,
    distance,
    doubled,
    job,
    km_of,
    parts_of,
    points_of,
    scans,
    texts_of,
    with_arrow,
    with_numpy,
    with_pandas,
    write_parts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

#: Workers have no such modules.
_SENT = (sys.modules[__name__], over_engines)
for _module in _SENT:
    cloudpickle.register_pickle_by_value(_module)


#: Bytes of Ray's object store.
_STORE = 4 << 30


def versions() -> str:
    """Return which engines there are, in words."""
    names = {"ray": "Ray", "pyspark": "PySpark", "dask": "Dask", "daft": "Daft"}
    return ", ".join(f"{names[one]} {version(one)}" for one in names if find_spec(one) is not None)


def adapters(size: Size) -> Iterator[Figure]:
    """Count the lines of what another engine would need."""
    import dataflare_vec.distributed as distributed

    files = Path(distributed.__file__).parent.glob("*_engine.py")
    lines = {one.stem.removesuffix("_engine"): len(one.read_text().splitlines()) for one in files}
    longest = max(lines, key=lines.__getitem__)
    yield Figure("lines of the longest adapter of an engine", lines[longest], at_most(200.0), longest)


def with_dask(size: Size) -> Iterator[Figure]:
    if find_spec("dask") is None or find_spec("distributed") is None:
        return
    import dask
    import dask.dataframe as dd

    engine = Engine(
        "Dask",
        lambda frame: dask.compute(frame.map_partitions(len).sum()),
        lambda frame: dd.from_pandas(frame.to_pandas(), npartitions=PARTS).persist(),
        dd.read_parquet,
        lambda frame, folder: frame.to_parquet(folder),
    )

    def same(name: str, new: str) -> Callable[[Any], Any]:
        return lambda frame: frame.map_partitions(lambda part: part.assign(**{new: part[name]}))

    numpy = lambda frame: frame.map_partitions(with_numpy)  # noqa: E731
    haversine = Ways("haversine", km_of, same("lat1", "km"), {NUMPY: numpy})
    points = engine.held(points_of(size))
    yield from above(engine, size, points, haversine)
    del points
    texts = engine.held(texts_of(size))
    pandas = lambda frame: frame.map_partitions(with_pandas, meta=frame._meta.assign(area=0))  # noqa: E731
    own = {"pandas": pandas}
    yield from above(engine, size, texts, Ways("a number out of text", area_of, same("s", "area"), own))
    columns = ["amount", "time", "account"]

    def groups(frame: Any) -> Any:
        return frame.groupby("account")[columns].apply(balances_of, meta=frame._meta.assign(balance=0.0))

    yield scans(engine, size, groups, lambda frame: frame.shuffle("account", npartitions=PARTS))
    yield from job(engine, size, haversine)


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
        client.run(_watch)
        data = dd.from_pandas(frame.to_pandas(), npartitions=32)
        dfv.apply(data, compiled).compute()
        others = sum(client.run(_has_compiled).values())
    yield Figure(
        "a kernel over eight workers of one machine that have no cache in common: compilations",
        1 + others,
        at_most(1.0),
        f"{others} of the workers",
    )


def _watch(dask_worker: Any) -> None:
    """Note what Numba compiles on a worker; that it is imported says nothing, as `compare.py` imports it."""
    from numba.core import event

    dask_worker.passes = event.RecordingListener()
    event.register("numba:run_pass", dask_worker.passes)


def _has_compiled(dask_worker: Any) -> bool:
    return bool(dask_worker.passes.buffer)


def with_ray(size: Size) -> Iterator[Figure]:
    if find_spec("ray") is None:
        return
    import ray
    import ray.data

    store = {"object_store_memory": _STORE}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True, **store)
    ray.data.DataContext.get_current().enable_progress_bars = False
    # Memory of the store that nothing has been in yet costs whoever comes first more than a kernel does.
    block = np.ones(_STORE // 64, np.uint8)
    touched = [ray.put(block) for _ in range(60)]
    del touched, block

    def held(frame: pl.DataFrame) -> Any:
        return ray.data.from_arrow([part.to_arrow() for part in parts_of(frame)]).materialize()

    engine = Engine(
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

    numpy = mapped(with_numpy, "pandas")
    haversine = Ways("haversine", km_of, mapped(doubled, "pyarrow", "lat1", "km"), {NUMPY: numpy})
    points = engine.held(points_of(size))
    yield from above(engine, size, points, haversine)
    del points
    texts = engine.held(texts_of(size))
    same = mapped(doubled, "pyarrow", "s", "area")
    own = {"pandas": mapped(with_pandas, "pandas"), "PyArrow": mapped(with_arrow, "pyarrow")}
    yield from above(engine, size, texts, Ways("a number out of text", area_of, same, own))
    yield scans(
        engine,
        size,
        lambda frame: frame.groupby("account").map_groups(balances_of, batch_format="pandas"),
        lambda frame: frame.repartition(PARTS, keys=["account"]),
    )
    yield from job(engine, size, haversine)
    ray.shutdown()


def with_spark(size: Size) -> Iterator[Figure]:
    if find_spec("pyspark") is None:
        return
    from pyspark import cloudpickle as sparks
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as sql

    for module in _SENT:
        sparks.register_pickle_by_value(module)
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.sql.shuffle.partitions", 4)
    session = builder.config("spark.driver.memory", "4g").getOrCreate()

    def held(frame: pl.DataFrame) -> Any:
        with TemporaryDirectory() as folder:
            write_parts(frame, os.path.join(folder, "parts"))
            data = session.read.parquet(os.path.join(folder, "parts")).cache()
            data.count()
        return data

    engine = Engine(
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
        return frame.mapInPandas(lambda parts: map(with_numpy, parts), schema)

    def expression(frame: Any) -> Any:
        angles = map(sql.radians, COLUMNS)
        return frame.withColumn("km", distance(angles, sql.sin, sql.cos, sql.asin, sql.sqrt))

    def pandas(frame: Any) -> Any:
        return frame.mapInPandas(lambda parts: map(with_pandas, parts), "s string, area long")

    schema = ", ".join(f"{name} double" for name in (*COLUMNS, "km"))
    same = mapped(doubled, schema, "lat1", "km")
    points = engine.held(points_of(size))
    yield from above(engine, size, points, Ways("haversine", km_of, same, {NUMPY: numpy}))
    points.unpersist()
    texts = engine.held(texts_of(size))
    same = mapped(doubled, "s string, area string", "s", "area")
    own = {"pandas": pandas, "PyArrow": mapped(with_arrow, "s string, area long")}
    yield from above(engine, size, texts, Ways("a number out of text", area_of, same, own))
    texts.unpersist()
    kept = "amount double, time long, account long, balance double"
    yield scans(
        engine,
        size,
        lambda frame: frame.groupby("account").applyInPandas(balances_of, kept),
        lambda frame: mapped(doubled, kept, "amount", "balance")(frame.repartition("account")),
    )
    same = mapped(doubled, schema, "lat1", "km")
    own = {NUMPY: numpy, "Spark's own functions": expression}
    yield from job(engine, size, Ways("haversine", km_of, same, own))
    session.stop()


def with_daft(size: Size) -> Iterator[Figure]:
    if find_spec("daft") is None:
        return
    import daft
    from daft import DataType, col

    engine = Engine(
        "Daft",
        lambda frame: frame.collect(),
        lambda frame: daft.from_arrow(frame.to_arrow()).collect(),
        lambda folder: daft.read_parquet(f"{folder}/*.parquet"),
        lambda frame, folder: frame.write_parquet(folder),
    )

    @daft.func.batch(return_dtype=DataType.float64())
    def numpy_km(lat1, lon1, lat2, lon2):
        import pandas as pd

        columns = zip(COLUMNS, (lat1, lon1, lat2, lon2), strict=True)
        frame = pd.DataFrame({name: one.to_arrow().to_numpy(zero_copy_only=False) for name, one in columns})
        return with_numpy(frame)["km"].to_numpy()

    @daft.func.batch(return_dtype=DataType.int64())
    def arrow_area(text):
        return areas_of_arrow(text.to_arrow())

    @daft.func.batch(return_dtype=DataType.int64())
    def pandas_area(text):
        import pandas as pd

        frame = pd.DataFrame({"s": pd.Series(text.to_arrow().to_pandas())})
        return with_pandas(frame)["area"].to_numpy()

    @daft.func.batch(return_dtype=DataType.float64())
    def same(lat1):
        return lat1

    @daft.func.batch(return_dtype=DataType.string())
    def same_text(text):
        return text

    def numpy(frame: Any) -> Any:
        return frame.with_column("km", numpy_km(*map(col, COLUMNS)))

    def expression(frame: Any) -> Any:
        angles = [col(name).radians() for name in COLUMNS]
        functions = map(methodcaller, ("sin", "cos", "arcsin", "sqrt"))
        return frame.with_column("km", distance(angles, *functions))

    @daft.func.batch(return_dtype=DataType.list(DataType.float64()))
    def balances(amount, time):
        import pandas as pd

        frame = pd.DataFrame({"amount": amount.to_arrow().to_numpy(), "time": time.to_arrow().to_numpy()})
        return [balances_of(frame)["balance"].to_list()]

    points = engine.held(points_of(size))
    handed_on = lambda frame: frame.with_column("km", same(col("lat1")))  # noqa: E731
    yield from above(engine, size, points, Ways("haversine", km_of, handed_on, {NUMPY: numpy}))
    del points
    texts = engine.held(texts_of(size))
    ways = Ways(
        "a number out of text",
        area_of,
        lambda frame: frame.with_column("area", same_text(col("s"))),
        {
            "pandas": lambda frame: frame.with_column("area", pandas_area(col("s"))),
            "PyArrow": lambda frame: frame.with_column("area", arrow_area(col("s"))),
        },
    )
    yield from above(engine, size, texts, ways)
    yield scans(
        engine,
        size,
        lambda frame: frame.groupby("account").map_groups(balances(col("amount"), col("time"))),
    )
    own = {NUMPY: numpy, "Daft's own functions": expression}
    yield from job(engine, size, Ways("haversine", km_of, handed_on, own))


RACES = [with_dask, with_daft, with_ray, with_spark, compilations, adapters]
