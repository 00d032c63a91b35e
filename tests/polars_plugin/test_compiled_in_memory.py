"""Compiled expressions that Polars runs without Python: values, kinds of frames, other processes, no leak."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import polars as pl
import pytest
from polars.plugins import register_plugin_function
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.engine.execution.fused_expressions import Compute, OneLoop
from dataflare_vec.engine.planning.fusion import Fusing
from dataflare_vec.exceptions import BuildError
from dataflare_vec.polars_plugin import bridge, sites
from testing.sales import FOUR, cost, gross, net, pieces, sales, tax

fused = partial(dfv.fuse, always=True)

ROWS = 5_000
ENGINES = ["in-memory", "streaming"]

THREE = {
    "net": net,
    "rate": FOUR["rate"],
    "many": (pieces > 3) & (tax < 9),
}


@pytest.fixture(scope="module", autouse=True)
def _library():
    if not sites.have_bridge():
        pytest.skip("there is no linker")


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    """Have loops compiled when Polars plans: it waits until another query has had them otherwise."""
    monkeypatch.setattr(OneLoop, "is_at_hand", lambda _: True)


@pytest.fixture(scope="module")
def df():
    return sales(ROWS).drop("text")


def is_native(query: pl.LazyFrame) -> bool:
    plan = query.explain()
    assert (":compiled(" in plan) != ("python_udf" in plan)
    return ":compiled(" in plan


def check(query, engine="streaming", **options):
    """Check that a query over compiled expressions runs natively, and gives what Polars gives."""
    ours, theirs = query(fused(**THREE)), query([one.alias(name) for name, one in THREE.items()])
    assert is_native(ours)
    assert_frame_equal(ours.collect(engine=engine, **options), theirs.collect(), check_exact=True)


FRAMES = {
    "whole": lambda df: df,
    "slice": lambda df: df[13:1203],
    "chunks": lambda df: pl.concat([df[:9], df[9:100], df[:0], df[100:]], rechunk=False),
    "no nulls": lambda df: df.drop_nulls(),
    "nulls": lambda df: df.clear(n=300),
    "empty": lambda df: df[:0],
    "one row": lambda df: df[5:6],
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("frame", FRAMES)
def test_columns_are_added(df, frame, engine):
    check(FRAMES[frame](df).lazy().with_columns, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_constants_are_columns(df, engine):
    lf = df.lazy().with_columns(gross=pl.lit(5.5), tax=pl.lit(None, dtype=pl.Float64))
    check(lf.with_columns, engine)


def test_wherever_expressions_are(df):
    lf = df.lazy()
    check(lambda some: lf.group_by("key").agg(*[one.max() for one in some]).sort("key"))  # no sum is exact
    check(lambda some: lf.group_by("key", maintain_order=True).agg(some).sort("key"))
    check(lambda some: lf.select([one.max().over("key") for one in some]))
    check(lambda some: lf.with_columns(some).filter(pl.col("net") > 20).select("many", "rate"))


def test_rows_are_kept(df):
    which = fused(THREE["many"] & (cost > 5))
    assert is_native(df.lazy().filter(which))
    assert_frame_equal(df.filter(which), df.filter(THREE["many"] & (cost > 5)))


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_optimised(df, engine):
    """Polars computes both then, what is compiled and what Python does, and takes the first."""
    plain = pl.QueryOptFlags.none()
    check(df.lazy().with_columns, engine, optimizations=plain)
    query = df.lazy().select(fused(x=cost.cast(pl.Int8) + pieces))  # of which a row may fail
    expected = df.select(x=cost.cast(pl.Int8) + pieces)
    assert_frame_equal(query.collect(engine=engine, optimizations=plain), expected)


def test_of_a_whole_query(df, tmp_path):
    df.write_parquet(tmp_path / "df.parquet")
    query = pl.scan_parquet(tmp_path / "df.parquet").with_columns(**THREE).filter(net > 20)
    ours = query.pipe(dfv.fuse, always=True)
    assert ":compiled(" in ours.explain()
    assert_frame_equal(ours.collect(), query.collect(), check_exact=True)


@pytest.mark.parametrize("threads", [1, 3])
def test_many_rows_are_shared_out(threads, df):
    """In pieces of any lengths; angles of which some are too large for the loop that is tried first."""
    config = dfv.PluginManagerConfig(batch_config=dfv.BatchConfig(parallelism=threads))
    with dfv.PluginManager(config) as manager:
        whole = pl.select(x=pl.int_range(400_001, dtype=pl.Int64) * 7 % 1001 / 7)
        whole = whole.with_columns(y=pl.when(pl.int_range(pl.len()) % 5000 < 4999).then("x"))
        much = pl.concat([whole[:70_001], whole[70_001:70_050], whole[70_050:]], rechunk=False)
        for factor in (1.0, 1e9):
            wave = {"wave": (pl.col("x") * factor).sin() * 2, "half": pl.col("y") > 0.5}
            ours = fused(**wave, manager=manager)
            assert is_native(much.lazy().select(ours))
            assert_frame_equal(much.select(ours), much.select(**wave), rel_tol=1e-13, abs_tol=1e-15)


def test_what_may_fail_is_called_by_python(df):
    query = df.lazy().select(fused(x=cost.cast(pl.Int8) + pieces, y=gross))
    assert not is_native(query)
    assert_frame_equal(query.collect(), df.select(x=cost.cast(pl.Int8) + pieces, y=gross))
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion from `f64` to `i8` failed"):
        df.lazy().select(fused(x=(gross * 100).cast(pl.Int8))).collect()


def test_what_polars_computes_is_called_by_python(df):
    hashed = net.hash() % 7
    query = df.lazy().select(fused(x=net * 2 + hashed, y=net))
    assert not is_native(query)
    assert_frame_equal(query.collect(), df.select(x=net * 2 + hashed, y=net))


def test_text_is_a_column_of_its_own(df):
    words = pl.col("key").cast(pl.String).str.replace_all("1", "one").str.len_chars()
    query = df.lazy().select(fused(x=net * 2 + words, y=net))
    assert is_native(query)
    assert_frame_equal(query.collect(), df.select(x=net * 2 + words, y=net), check_exact=True)


def test_what_needs_all_rows_is_called_by_python(df):
    centred = {"x": net * 2 - gross.max().over("key"), "y": net - cost.max()}
    query = df.lazy().select(fused(**centred))
    assert not is_native(query)
    assert_frame_equal(query.collect(), df.select(**centred), check_exact=True)


def test_other_dtypes_than_at_first(df):
    """Polars keeps the dtype that Python's function had first: what is compiled for others isn't run."""
    three = fused(**THREE)
    assert is_native(df.lazy().select(three))
    other = df.lazy().with_columns(pl.col(pl.Float64).cast(pl.Float32))
    assert ":compiled(" not in other.select(three).explain()
    assert is_native(df.lazy().select(three))
    assert is_native(other.select(fused(**THREE)))


def test_it_waits_for_a_loop_that_another_query_has_compiled(df, monkeypatch):
    monkeypatch.undo()
    query = df.lazy().select(fused(x=(net * 3 - cost) / 17))
    assert not is_native(query)
    assert not is_native(query)
    query.collect(engine="in-memory")
    assert is_native(query)


def test_python_is_asked_for(df):
    query = df.lazy().select(fused(**THREE, native=False))
    assert not is_native(query)
    assert ":compiled(" not in query.explain(optimized=False)
    with pytest.raises(TypeError, match="`native` must be True or False"):
        fused(net, native="no")


def test_there_is_no_linker(df, monkeypatch, caplog):
    """Expressions are called by Python; one line of the log says why."""
    caplog.set_level(logging.DEBUG, logger="dataflare_vec")
    monkeypatch.setattr(bridge, "_state", bridge._State())
    monkeypatch.setattr(bridge, "_found", lambda: None)
    monkeypatch.setenv("CC", "nothing-of-that-name")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("dataflare_vec.polars_plugin.linker.find_spec", lambda _: None)
    for _ in range(2):
        query = df.lazy().with_columns(fused(**THREE))
        assert not is_native(query)
        assert_frame_equal(query.collect(), df.with_columns(**THREE))
        if bridge._state.builder is not None:
            bridge._state.builder.join()
    assert caplog.text.count("run by Python in lazy queries: a native library needs a linker") == 1


def test_explain_says_it(df):
    text = str(dfv.explain(df.lazy().with_columns(fused(**THREE))))
    assert "native: expressions of a call of `fuse`, without Python, on Polars' threads" in text


def test_threads_at_once(df):
    expected = df.with_columns(**THREE)

    def run(i):
        factor = i % 3
        found = (
            df.lazy().with_columns(fused(**THREE, more=net * factor + cost)).collect(engine=ENGINES[i % 2])
        )
        assert_frame_equal(found.drop("more"), expected, check_exact=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(64)))


def resident() -> int:
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is read from /proc")
def test_nothing_leaks(df):
    """Of calls over many chunks with nulls, whose results are dropped, and of expressions made anew."""
    chunks = pl.concat([df[i : i + 100] for i in range(0, 4000, 100)], rechunk=False)

    def call(times):
        for i in range(times):
            (chunks if i % 50 == 0 else few).select(fused(**THREE) if i % 100 == 0 else three)

    few, three = df[:100], fused(**THREE)
    call(1_000)
    before = resident()
    call(10_000)
    assert resident() - before < 8 << 20


def test_too_many_are_called_by_python(df, monkeypatch):
    monkeypatch.setattr(sites, "_MOST_SITES", len(sites._sites) + 1)
    first, second, again = (df.lazy().select(fused(x=net * k + cost * 2)) for k in (901, 902, 901))
    assert is_native(first)
    assert not is_native(second)
    assert is_native(again)
    assert_frame_equal(second.collect(), df.select(x=net * 902 + cost * 2))


# -- other processes -----------------------------------------------------------------------------------------

ELSEWHERE = """
import pickle, sys
import polars as pl
from dataflare_vec.engine.execution.fused_expressions import OneLoop

OneLoop.is_at_hand = lambda _: True
folder = sys.argv[1]
df = pl.read_parquet(f"{folder}/df.parquet")
with open(f"{folder}/expressions", "rb") as file:
    queries = [df.lazy().with_columns(pickle.load(file))]
with open(f"{folder}/query", "rb") as file:
    queries.append(pickle.load(file))
queries.append(pl.LazyFrame.deserialize(f"{folder}/plan"))
for query in queries:
    assert ":compiled(" in query.explain()
    for engine in ("in-memory", "streaming"):
        assert query.collect(engine=engine).equals(pl.read_parquet(f"{folder}/expected.parquet"))
"""


def test_queries_go_to_another_process(df, tmp_path):
    three = fused(**THREE)
    query = df.lazy().with_columns(three)
    df.write_parquet(tmp_path / "df.parquet")
    df.with_columns(**THREE).write_parquet(tmp_path / "expected.parquet")
    (tmp_path / "expressions").write_bytes(pickle.dumps(three))
    (tmp_path / "query").write_bytes(pickle.dumps(query))
    query.serialize(tmp_path / "plan")
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_queries_that_come_back(df):
    three = fused(**THREE)
    query = df.lazy().with_columns(pickle.loads(pickle.dumps(three)))
    assert is_native(query)
    del three
    gc.collect()
    assert_frame_equal(query.collect(), df.with_columns(**THREE))


def test_a_call_that_only_another_process_knows(df):
    """Not a crash: the address in it is of that process."""
    said = sites._MARK + struct.pack("=qq", 12345, 0xDEAD) + b"?" * 16
    path = sites.library.bridge(sites._CALLS).path
    call = register_plugin_function(
        plugin_path=path, function_name="compiled", args=["gross"], kwargs={"site": said}, is_elementwise=True
    )
    for query in (df.lazy().select(call), df.lazy().select(gross.sum().alias("gross")).select(call)):
        with pytest.raises(pl.exceptions.ComputeError, match="in one process can't be run in another"):
            query.collect()


def test_the_library_is_of_another_machine():
    compute = Compute(Fusing({"net": net}), dfv.default_manager().runtime, 0)
    with pytest.raises(
        BuildError, match="calls the library `/nowhere/bridge`, which can't be loaded"
    ) as caught:
        sites._sent(compute, b"?" * 16, "/nowhere/bridge")
    assert "native=False" in str(caught.value)


@pytest.mark.parametrize("name_too", [False, True])
def test_the_library_is_made_again_when_it_has_gone_from_the_cache(df, name_too):
    before = bridge.bridge(sites._CALLS, wait=True).path
    before.unlink()
    if name_too:
        next(one for one in before.parent.iterdir() if one.name == bridge._key()).unlink()
    fused = dfv.fuse(**THREE, always=True)  # by Python, if it isn't there again already
    assert_frame_equal(df.lazy().select(fused).collect(), df.select(**THREE), check_exact=True)
    assert bridge.bridge(sites._CALLS, wait=True).path.is_file()
    check(df.lazy().with_columns)
