"""Arrow data in memory that leads out of it, or whose text is none: refused before compiled code reads it."""

from __future__ import annotations

import struct

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.interop.sound import check


def back(s):
    return s[::-1]


def half(x):
    return x / 2


BACK = define(back, name="back", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
HALF = define(half, name="half", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)


class Stream:
    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class Batch:
    def __init__(self, table):
        (self._batch,) = table.to_batches()

    def __arrow_c_array__(self, requested_schema=None):
        return self._batch.__arrow_c_array__(requested_schema)


def text(*values, kind=None):
    kind = kind or pa.string()
    plain = {
        pa.string(): pa.binary(),
        pa.large_string(): pa.large_binary(),
        pa.string_view(): pa.binary_view(),
    }
    return pa.Array.from_buffers(kind, len(values), pa.array(values, plain[kind]).buffers())


def of_offsets(kind, *offsets, values=b"ab"):
    packed = struct.pack(f"{len(offsets)}{'q' if 'large' in str(kind) else 'i'}", *offsets)
    buffers = [None, pa.py_buffer(packed)]
    if isinstance(values, bytes):
        return pa.Array.from_buffers(kind, len(offsets) - 1, [*buffers, pa.py_buffer(values)])
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers, children=[values])


def lists(values, *offsets):
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


BAD = text(b"ok", b"\xf0", None, b"end")
TWO = pa.array([1, 2])

#: Rows 0 and from 2 on are sound in those of the first dict.
IN_ROW_1 = {
    "text": BAD,
    "large": text(b"ok", b"\xf0", None, kind=pa.large_string()),
    "view": text(b"ok", b"\xf0" * 20, None, kind=pa.string_view()),
    "struct": pa.StructArray.from_arrays([BAD], names=["a"]),
    "list": lists(BAD, 0, 1, 2, 4),
    "list of structs": lists(pa.StructArray.from_arrays([BAD], names=["a"]), 0, 1, 2, 4),
    "fixed": pa.FixedSizeListArray.from_arrays(BAD, 1),
    "map": pa.MapArray.from_arrays(pa.array([0, 1, 2, 4], pa.int32()), pa.array(list("abcd")), BAD),
    "offsets of binary": of_offsets(pa.binary(), 0, 1, 1_000_000, 2, 2)[:2],
}
ELSEWHERE = {
    "offset too large": of_offsets(pa.string(), 0, 1_000_000, 1, 2),
    "negative offset": of_offsets(pa.large_binary(), 0, -5, 1, 2),
    "decreasing offset": of_offsets(pa.list_(pa.int64()), 0, 2, 1, 2, values=TWO),
    "offset of a list": of_offsets(pa.large_list(pa.int64()), 0, 1 << 40, 1, 2, values=TWO),
    "index": pa.DictionaryArray.from_buffers(
        pa.dictionary(pa.int32(), pa.string()),
        2,
        [None, pa.py_buffer(struct.pack("2i", 0, 255))],
        pa.array(["a"]),
    ),
    "category": pa.DictionaryArray.from_arrays(pa.array([0, 1]), BAD[:2]),
}


def of_nulls(kind, said, *buffers, children=None):
    """An array of three rows whose second one is null, with another number of nulls than that."""
    buffers = [pa.py_buffer(b"\x05"), *map(pa.py_buffer, buffers)]
    return pa.Array.from_buffers(kind, 3, buffers, null_count=said, children=children)


THREE = pa.array([1, 2, 3])
ELSEWHERE |= {
    "nulls of numbers": of_nulls(pa.int64(), 3, bytes(24)),
    "nulls of bools": of_nulls(pa.bool_(), 2, b"\7"),
    "nulls of text": of_nulls(pa.string(), 3, bytes(16), b"a"),
    "nulls of structs": of_nulls(pa.struct([("a", pa.int64())]), 3, children=[THREE]),
    "nulls of lists": of_nulls(pa.list_(pa.int64()), 3, struct.pack("4i", 0, 1, 2, 3), children=[THREE]),
    "nulls of fixed lists": of_nulls(pa.list_(pa.int64(), 1), 2, children=[THREE]),
}
SOUND = [
    text(b"ok", None, "größe 🦀".encode()),
    pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\1"), *BAD[:2].buffers()[1:]]),  # behind a null
    pa.array([[["a"]], None, [], [None, ["b"]]]),
    pa.array([], pa.list_(pa.string())),
    pa.array([[("a", 1)], None, [("b", None)]], pa.map_(pa.string(), pa.int64()))[1:],
    pa.array([{}], pa.struct([])),
    pa.array([[1], None], pa.list_view(pa.int64())),
    pa.array([b"0" * 16, None], pa.uuid()),
    pa.array([1], pa.int64()).view(pa.date64()),  # PyArrow minds that it's no whole day; nobody is hurt
    pa.Array.from_buffers(pa.decimal128(38), 1, [None, pa.py_buffer(b"\xff" * 15 + b"\x7f")]),  # a HUGEINT
    pa.chunked_array([], pa.string()),
    pa.nulls(3),
    of_nulls(pa.int64(), 1, bytes(24)),
    of_nulls(pa.int64(), -1, bytes(24))[1:],  # it is counted when it is asked for
]


@pytest.mark.parametrize("column", [*IN_ROW_1.values(), *ELSEWHERE.values()], ids=[*IN_ROW_1, *ELSEWHERE])
def test_refused(column):
    with pytest.raises(
        dfv.UnsupportedDataError, match=r"plugin `p`: column `s` holds damaged Arrow data of type "
    ):
        check(pa.chunked_array([column]), "s", {"s": "p"})


@pytest.mark.parametrize("column", IN_ROW_1.values(), ids=IN_ROW_1)
def test_a_part_is_taken_for_itself(column):
    """What is cut off from it isn't looked at: batches of a table would take the square of its length."""
    check(column[:1], "s", {})
    check(column[2:], "s", {})
    with pytest.raises(dfv.UnsupportedDataError):
        check(column[1:2], "s", {})


@pytest.mark.parametrize("column", SOUND, ids=str)
def test_sound(column):
    check(column, "s", {})


TABLE = pa.table({"s": BAD, "x": [1.0, 2.0, None, 4.0]})
KINDS = {
    "table": lambda t: t,
    "batch": lambda t: t.to_batches()[0],
    "reader": lambda t: t.to_reader(),
    "stream": Stream,
    "pandas": lambda t: t.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas' text": lambda t: pd.DataFrame(
        {"s": pd.array(t["s"].cast(pa.large_string()), dtype="string[pyarrow]"), "x": t["x"]}
    ),
}


def rows(data):
    return len(data.read_all() if isinstance(data, pa.RecordBatchReader) else data)


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_in_calls(make):
    with pytest.raises(dfv.UnsupportedDataError, match="column `s`"):
        rows(dfv.apply(make(TABLE), BACK))
    assert rows(dfv.apply(make(TABLE), HALF)) == 4  # the other column isn't read


@pytest.mark.parametrize("make", [lambda t: t, lambda t: t.to_reader()], ids=["table", "reader"])
def test_a_name_that_is_no_text(make):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema({"abcdefgh": pa.int64(), "x": pa.int64()})) as writer:
        writer.write_table(pa.table({"abcdefgh": [1], "x": [2]}))
    content = sink.getvalue().to_pybytes().replace(b"abcdefgh", b"abc\xffefgh")
    with pytest.raises(dfv.UnsupportedDataError, match="a column name isn't valid UTF-8"):
        dfv.apply(make(pa.ipc.open_stream(content).read_all()), HALF)


def test_in_a_later_batch():
    good = pa.table({"s": ["a", "b"], "x": [1.0, 2.0]})
    batches = [*good.to_batches(), *TABLE.to_batches()]
    reader = dfv.apply(pa.RecordBatchReader.from_batches(good.schema, batches), BACK, output="o")
    assert reader.read_next_batch()["o"].to_pylist() == ["a", "b"]
    with pytest.raises(dfv.UnsupportedDataError, match="column `s`"):
        reader.read_next_batch()


@pytest.mark.parametrize("make", [*KINDS.values(), Batch], ids=[*KINDS, "array"])
def test_in_streams(make):
    for source in (make(TABLE), [make(TABLE)]) if make is not Batch else ([make(TABLE)],):
        with pytest.raises(dfv.UnsupportedDataError, match="column `s`"):
            list(dfv.stream(source, BACK))


def test_series():
    with pytest.raises(dfv.UnsupportedDataError, match="column `s`"):
        dfv.apply(pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([BAD])), name="s"), BACK)


def test_in_duckdb():
    import duckdb

    with duckdb.connect() as connection:
        dfv.duckdb.register(connection, BACK, types={"s": pl.String})
        connection.register("t", TABLE)
        with pytest.raises(duckdb.Error):
            connection.execute("select back(s) from t").fetchall()


def test_the_widest_integer_of_duckdb():
    import duckdb

    def last_digit(x):
        return x % 10

    digit = define(last_digit, name="digit", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
    with duckdb.connect() as connection:
        dfv.duckdb.register(connection, digit, types={"x": pl.Int128})
        assert connection.execute("select digit(170141183460469231731687303715884105727)").fetchone() == (7,)


BEYOND = [
    pa.array([2**62, 0], pa.timestamp("s")),
    pa.array([-(2**62), None], pa.duration("s")),
    pa.array([86_400_000_000, None], pa.time64("us")),
    pa.array([-1, None], pa.time32("s")),
    pa.array([[2**62]], pa.list_(pa.timestamp("s", "UTC"))),
]


@pytest.mark.parametrize("column", BEYOND, ids=lambda column: str(column.type))
def test_values_that_polars_would_change(column):
    """It lets seconds wrap around, and makes null of a time that is none."""
    table = pa.table({"x": column})
    for data in (table, table.to_reader(), table.to_pandas(types_mapper=pd.ArrowDtype)):
        with pytest.raises((dfv.UnsupportedDataError, dfv.ColumnTypeError), match="column `x`"):
            rows(dfv.apply(data, HALF))
    at_the_edge = pa.array([(2**63 - 1) // 1000, None, -((2**63 - 1) // 1000)], pa.timestamp("s"))
    check(at_the_edge, "x", {})


@pytest.mark.parametrize("kind", ["M8[s]", "m8[s]"])
def test_seconds_of_pandas(kind):
    frame = pd.DataFrame({"x": np.array([2**62, 0], kind)})
    with pytest.raises(dfv.ColumnTypeError, match="doesn't fit 64 bits of milliseconds"):
        dfv.apply(frame, HALF)
    assert dfv.apply(pd.DataFrame({"x": np.array([2, "NaT"], kind)}), HALF)["half"][0] == 1000


def test_polars_own_types_in_a_stream():
    frame = pl.DataFrame({"s": ["ab"], "wide": pl.Series([1 << 80], dtype=pl.Int128)})
    (found,) = dfv.stream([Stream(frame)], BACK, output="o")
    assert found.rows() == [("ab", 1 << 80, "ba")]
