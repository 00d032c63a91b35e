"""Streams in memory: any source in, frames or an Arrow stream out, the rows that `apply` would give."""

from __future__ import annotations

import asyncio
import threading
import time

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from samples import SHARE, SMALL, ordered, rows

import dataflare_vec as dfv

FRAME = rows(0, 3000)
WANTED = dfv.apply(FRAME, [SMALL, SHARE], on_error="drop")


def parts(frame: pl.DataFrame, size: int = 700):
    yield from frame.iter_slices(size)


async def slowly(frame: pl.DataFrame):
    for part in frame.iter_slices(700):
        await asyncio.sleep(0)
        yield part


SOURCES = {
    "frame": lambda: FRAME,
    "lazy": lambda: FRAME.lazy(),
    "generator": lambda: parts(FRAME),
    "list": lambda: list(parts(FRAME)),
    "async generator": lambda: slowly(FRAME),
    "Table": lambda: FRAME.to_arrow(),
    "RecordBatchReader": lambda: FRAME.to_arrow().to_reader(max_chunksize=512),
    "record batches": lambda: iter(FRAME.to_arrow().to_batches(max_chunksize=512)),
    "pandas": lambda: FRAME.to_pandas(),
    "pandas frames": lambda: (part.to_pandas() for part in parts(FRAME)),
    "a stream": lambda: dfv.stream(FRAME, SMALL, keep=True),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_any_source_gives_what_apply_gives(kind):
    stream = dfv.stream(SOURCES[kind](), [SMALL, SHARE], on_error="drop")
    assert_frame_equal(pl.concat(list(stream)), WANTED)
    result = stream.result
    assert result.output_count == WANTED.height
    assert result.processed_count == result.output_count + result.filtered_count + result.error_count


def test_duckdb_and_adbc():
    import duckdb

    with duckdb.connect() as connection:
        relation = connection.sql("select range as x from range(1, 5000)")
        stream = dfv.stream(relation, SHARE)
        assert pl.concat(list(stream))["share"].sum() == sum(100 // x for x in range(1, 5000))
    from adbc_driver_sqlite import dbapi as adbc

    with adbc.connect() as connection, connection.cursor() as cursor:
        cursor.execute("select 7 as x union all select 8")
        assert [f["share"].to_list() for f in dfv.stream(cursor, SHARE)] == [[14, 12]]


def test_it_is_an_arrow_stream():
    stream = dfv.stream(parts(FRAME), SHARE, on_error="null")
    assert stream.schema == {**FRAME.schema, "share": pl.Int64}
    assert_frame_equal(pl.DataFrame(stream), dfv.apply(FRAME, SHARE, on_error="null"))
    again = pa.RecordBatchReader.from_stream(dfv.stream(FRAME, SHARE, on_error="null"))
    assert again.schema.names == ["x", "id", "s", "share"]
    assert again.read_all().num_rows == FRAME.height


def test_it_is_an_asynchronous_iterator():
    async def collect(source):
        return [frame async for frame in dfv.stream(source, [SMALL, SHARE], on_error="drop")]

    for source in (slowly(FRAME), parts(FRAME)):
        assert_frame_equal(pl.concat(asyncio.run(collect(source))), WANTED)


def test_an_asynchronous_source_is_read_in_the_readers_loop():
    async def main():
        here = asyncio.get_running_loop()

        async def feed():
            for i in range(1, 4):
                assert asyncio.get_running_loop() is here
                yield pl.DataFrame({"x": [i]})

        return [frame["share"].to_list() async for frame in dfv.stream(feed(), SHARE)]

    assert asyncio.run(main()) == [[100, 50, 33]]


@given(sizes=st.lists(st.integers(0, 40), max_size=30), latency=st.sampled_from([None, 1e-6]))
def test_how_the_source_is_cut_never_shows(sizes, latency):
    frame = rows(0, sum(sizes))
    slices, start = [frame.head(0)], 0
    for size in sizes:
        slices.append(frame[start : start + size])
        start += size
    stream = dfv.stream(iter(slices), [SMALL, SHARE], on_error="null", max_latency=latency)
    frames = list(stream)
    expected = dfv.run(frame, [SMALL, SHARE])
    assert_frame_equal(pl.concat(frames), expected.frame)
    result = stream.result
    assert (result.processed_count, result.error_count, result.filtered_count) == (
        expected.processed_count,
        expected.error_count,
        expected.filtered_count,
    )
    columns = ["row", "plugin", "error", "message"]
    assert result.errors.select(columns).rows() == expected.errors.select(columns).rows()


def test_nothing_is_read_before_it_is_used_and_little_ahead():
    taken = []

    def feed():
        for i in range(1, 1000):
            taken.append(i)
            yield pl.DataFrame({"x": [i]})

    stream = dfv.stream(feed(), SHARE, max_latency=1e-6)
    assert taken == []
    next(stream)
    time.sleep(0.2)
    assert len(taken) < 20
    stream.close()


def test_a_small_batch_of_a_live_feed_does_not_wait_for_more():
    more = threading.Event()

    def feed():
        yield pl.DataFrame({"x": [1]})
        more.wait(10)
        yield pl.DataFrame({"x": [2]})

    stream = dfv.stream(feed(), SHARE, max_latency=0.01)
    assert next(stream)["share"].to_list() == [100]  # though the second isn't there yet
    more.set()
    assert [frame["share"].to_list() for frame in stream] == [[50]]


def test_a_latency_joins_what_comes_meanwhile():
    feed = (pl.DataFrame({"x": [i]}) for i in range(1, 200))
    frames = list(dfv.stream(feed, SHARE, max_latency=10))
    assert len(frames) == 1


def test_failed_rows_are_counted_by_row_of_the_stream():
    stream = dfv.stream(parts(FRAME), SHARE, on_error="null", config=dfv.BatchConfig(max_error_details=7))
    list(stream)
    assert stream.result.error_count == 30
    assert stream.result.errors["row"].to_list() == [0, 100, 200, 300, 400, 500, 600]
    assert stream.result.errors["file"].to_list() == [None] * 7
    assert stream.result.errors["inputs"].to_list() == [{"x": 0}] * 7


def test_a_row_that_fails_under_raise_is_named(folder):
    with pytest.raises(dfv.RowError, match=r"rows 0, 100, .* of `.*täil 7.parquet` failed, the first with Z"):
        list(dfv.stream(folder, SHARE))
    with pytest.raises(dfv.RowError, match=r"row 1 failed with ZeroDivisionError: .*; pass `on_") as caught:
        list(dfv.stream(iter([pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [0]})]), SHARE))
    assert caught.value.rows == (1,)


def test_a_source_that_raises():
    def feed():
        yield pl.DataFrame({"x": [1]})
        raise ConnectionError("the feed broke")

    stream = dfv.stream(feed(), SHARE, max_latency=1e-6)
    assert next(stream)["share"].to_list() == [100]
    with pytest.raises(ConnectionError, match="the feed broke"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_columns_that_change():
    def changed(second):
        return dfv.stream(iter([pl.DataFrame({"x": [1], "s": ["a"]}), second]), SHARE, max_latency=1e-6)

    with pytest.raises(dfv.SourceError, match=r"batch 1 \(from row 1\): column `x` is String, but Int64 in"):
        list(changed(pl.DataFrame({"x": ["1"], "s": ["a"]})))
    with pytest.raises(dfv.SourceError, match="column `s` is missing"):
        list(changed(pl.DataFrame({"x": [1]})))
    with pytest.raises(dfv.SourceError, match="unexpected column `t`, not present in the batches before"):
        list(changed(pl.DataFrame({"x": [1], "s": ["a"], "t": [1]})))
    order = list(changed(pl.DataFrame({"s": ["b"], "x": [2]})))
    assert pl.concat(order)["share"].to_list() == [100, 50]


def test_mistakes_are_told_before_anything_is_read(folder):
    with pytest.raises(dfv.PluginNotFoundError, match="plugin `shar` not found"):
        dfv.stream(folder, "shar")
    with pytest.raises(dfv.ColumnNotFoundError, match="`y`"):
        dfv.stream(folder, SHARE, x="y")
    with pytest.raises(dfv.UnsupportedDataError, match="got int"):
        dfv.stream(7, SHARE)
    with pytest.raises(dfv.UnsupportedDataError, match="a stream is made of batches or frames, got dict"):
        list(dfv.stream([{"x": 1}], SHARE))
    with pytest.raises(ValueError, match="`max_latency` must be more than 0"):
        dfv.stream(folder, SHARE, max_latency=0)
    with pytest.raises(ValueError, match="`memory` must be a number of bytes or a string such as `512MiB`"):
        dfv.stream(folder, SHARE, memory="a lot")
    with pytest.raises(ValueError, match="at least 128 MiB"):
        dfv.stream(folder, SHARE, memory=1000)
    with pytest.raises(dfv.BindingError, match="needs all rows at once"):
        dfv.stream(folder, dfv.register("centred", pl.col("x") - pl.col("x").mean(), replace=True))

    @dfv.plugin(lookback=1)
    def rise(x):
        return x[0] - x[-1]

    with pytest.raises(dfv.BindingError, match=r"`rise`: it reads neighbouring rows.*`dfv.scan`"):
        dfv.stream(folder, rise)
    with pytest.raises(dfv.SourceError, match="the iterator yields no batches"):
        dfv.stream(iter([]), SHARE).schema  # noqa: B018


def test_memory_is_a_limit_on_batches(folder):
    wide = [f.height for f in dfv.stream(rows(0, 300_000), SHARE, on_error="null", memory="128MiB")]
    assert max(wide) < 60_000
    assert sum(wide) == 300_000
    # Row groups that are large for it are read in pieces.
    path = folder.parent / "large.parquet"
    rows(0, 1_000_000).with_columns(pl.col("s").cast(pl.Categorical)).write_parquet(
        path, row_group_size=1_000_000
    )
    stream = dfv.stream(path, SHARE, on_error="null", memory="128MiB")
    assert_frame_equal(pl.concat(list(stream)), dfv.apply(pl.read_parquet(path), SHARE, on_error="null"))


def test_files_are_read_in_order(folder):
    frames = list(dfv.stream(folder, SHARE, on_error="null"))
    expected = pl.concat([pl.read_parquet(path) for path in ordered(folder)])
    assert_frame_equal(pl.concat(frames).drop("share"), expected)
    pattern = list(dfv.stream(f"{folder}/part [0-2]*.parquet", SHARE, on_error="null"))
    assert sum(frame.height for frame in pattern) == 3000
    one = list(dfv.stream(folder / "part 1.parquet", SHARE, on_error="null"))
    assert pl.concat(one)["id"].to_list() == list(range(1000, 2000))


def test_types_are_kept():
    frame = pl.DataFrame(
        {
            "x": [1, 2],
            "when": pl.Series([0, 1]).cast(pl.Datetime("ms", "Europe/Berlin")),
            "kind": pl.Series(["a", "b"], dtype=pl.Categorical),
            "money": pl.Series(["1.10", "2.20"]).str.to_decimal(scale=2),
            "list": [[1], []],
            "size": pl.Series(["s", "m"], dtype=pl.Enum(["s", "m"])),
        }
    )
    assert_frame_equal(next(dfv.stream(frame, SHARE)).drop("share"), frame)
    table = frame.to_arrow()
    back = pa.RecordBatchReader.from_stream(dfv.stream(table, SHARE)).read_all()
    assert back.schema.field("when").type == pa.timestamp("ms", "Europe/Berlin")
    assert pa.types.is_dictionary(back.schema.field("kind").type)
    assert back.column("money").to_pylist() == table.column("money").to_pylist()


def test_a_notebook_shows_the_counts_of_a_stream():
    stream = dfv.stream(pl.DataFrame({"x": [1, 0]}), dfv.step(dfv.register("once_each", pl.col("x") * 2)))
    list(stream)
    html = stream.result._repr_html_()
    assert "rows processed" in html
    assert "files written" not in html
