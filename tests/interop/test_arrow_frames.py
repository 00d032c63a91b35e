"""Tables, batches and streams of Arrow: columns of any type and name beside those that are read."""

from __future__ import annotations

import decimal

import polars as pl
import pyarrow as pa
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def half(x):
    return x / 2


def positive(x):
    return x > 0


def size(text):
    return len(text)


def wide(x):
    return x


HALF = define(half, name="half", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
SIZE = define(size, name="size", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
POSITIVE = define(positive, name="positive", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)

SAME = define(wide, name="same", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)

UNREAD = {
    "run_end_encoded": pa.RunEndEncodedArray.from_arrays([2, 4], ["a", "b"]),
    "list_view": pa.array([[1], [2], None, []], pa.list_view(pa.int64())),
    "large_list_view": pa.array([["a"], ["b"], None, []], pa.large_list_view(pa.string())),
    "list_of_views": pa.array([["a"], None, [None], []], pa.list_(pa.string_view())),
    "sparse_union": pa.UnionArray.from_sparse(
        pa.array([0, 1, 0, 1], pa.int8()), [pa.array([1, 2, 3, 4]), pa.array(["a", "b", "c", "d"])]
    ),
    "dense_union": pa.UnionArray.from_dense(
        pa.array([0, 1, 0, 0], pa.int8()),
        pa.array([0, 0, 1, 2], pa.int32()),
        [pa.array([1, 2, 3]), pa.array(["a"])],
    ),
    "month_day_nano": pa.array([(1, 2, 3), None, (0, 0, 0), (-1, 0, 0)], pa.month_day_nano_interval()),
    "decimal256": pa.array([decimal.Decimal(10**60), None, decimal.Decimal(1), None], pa.decimal256(70, 2)),
    "string_view": pa.array(["a", None, "c" * 20, ""], pa.string_view()),
    "binary_view": pa.array([b"a", None, b"c" * 20, b""], pa.binary_view()),
    "map": pa.array([[("a", 1)], None, [], []], pa.map_(pa.string(), pa.int64())),
    "null": pa.nulls(4),
    "half_float": pa.array([1.0, 2.0, None, 3.0], pa.float32()).cast(pa.float16()),
    "seconds": pa.array([1, None, 2, 3], pa.timestamp("s", "Asia/Tokyo")),
    "date64": pa.array([86400000, None, 0, 0], pa.date64()),
    "dictionary": pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "uuid": pa.array([b"0" * 16, None, b"1" * 16, b"2" * 16], pa.uuid()),
    "nested_dictionary": pa.array([{"k": "a"}, None, {"k": None}, {"k": "b"}], pa.struct({"k": pa.string()})),
}
X = [1.0, -2.0, None, 4.0]
NAMES = ["", "a.b", 'it\'s "x"\\', "größe 🦀", "*", "^x.*$", "long" * 10_000, "col(x)"]


class Capsule:
    """Anything that speaks Arrow, and nothing else."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def batches_of(table):
    return [table[:1], table[1:3], table[3:3], table[3:]]


KINDS = {
    "Table": lambda table: table,
    "chunked": lambda table: pa.concat_tables(batches_of(table)),
    "RecordBatch": lambda table: table.combine_chunks().to_batches()[0],
    "Reader": lambda table: pa.RecordBatchReader.from_batches(
        table.schema, [b for part in batches_of(table) for b in part.to_batches()]
    ),
    "Capsule": Capsule,
}


def as_table(data):
    if isinstance(data, pa.RecordBatchReader):
        return data.read_all()
    return pa.Table.from_batches([data]) if isinstance(data, pa.RecordBatch) else data


def assert_same(result, wanted, names):
    """Compare columns of unlike chunks: unions and some others can't be compared in several."""
    for name in names:
        assert result.schema.field(name).equals(wanted.schema.field(name), check_metadata=True)
        assert result[name].to_pylist() == wanted[name].to_pylist(), name


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_are_not_read_come_back_as_they_were(kind):
    fields = [pa.field(name, array.type, metadata={"about": name}) for name, array in UNREAD.items()]
    schema = pa.schema([*fields, pa.field("x", pa.float64())], metadata={"source": "a test"})
    table = pa.Table.from_arrays([*UNREAD.values(), pa.array(X)], schema=schema)
    added = as_table(dfv.apply(KINDS[kind](table), HALF))
    assert added.schema.metadata == {b"source": b"a test"}
    assert added["half"].to_pylist() == [0.5, -1.0, None, 2.0]
    assert_same(added, table, table.schema.names)
    if kind == "Table":
        assert all(added[name].chunk(0).equals(table[name].chunk(0)) for name in UNREAD)
    kept = as_table(dfv.apply(KINDS[kind](table), [HALF, POSITIVE]))
    for name in UNREAD:
        assert kept.schema.field(name).type == table.schema.field(name).type
        assert kept[name].to_pylist() == [UNREAD[name][0].as_py(), UNREAD[name][3].as_py()], name
    assert kept["half"].to_pylist() == [0.5, 2.0]
    none = as_table(dfv.apply(KINDS[kind](table), POSITIVE, x=pl.col("x") - 10))
    assert none.num_rows == 0
    assert none.schema.types == table.schema.types
    replaced = as_table(dfv.apply(KINDS[kind](table), HALF, output="sparse_union", replace=True))
    assert replaced.schema.names == table.schema.names
    assert replaced["sparse_union"].to_pylist() == [0.5, -1.0, None, 2.0]
    assert as_table(dfv.apply(KINDS[kind](table), HALF, keep=False)).schema.names == ["half"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_read_all_the_same(kind):
    table = pa.table(
        {
            "text": UNREAD["run_end_encoded"],
            "view": UNREAD["string_view"],
            "list": UNREAD["list_view"],
        }
    )
    result = as_table(dfv.apply(KINDS[kind](table), SIZE))
    assert result["size"].to_pylist() == [1, 1, 1, 1]
    assert as_table(dfv.apply(KINDS[kind](table), SIZE, text="view"))["size"].to_pylist() == [1, None, 20, 0]
    assert as_table(dfv.apply(KINDS[kind](table), SIZE, text="list"))["size"].to_pylist() == [1, 1, None, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["sparse_union", "dense_union", "month_day_nano", "decimal256"])
def test_what_can_not_be_read_is_named(kind, name):
    table = pa.table({name: UNREAD[name]})
    with pytest.raises(dfv.ColumnTypeError, match=f"plugin `same`: column `{name}` has the Arrow type"):
        as_table(dfv.apply(KINDS[kind](table), SAME, x=name))


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_there_twice(kind):
    data = pa.Table.from_arrays(
        [pa.array([1, 2]), pa.array(["a", "b"]), pa.array([1.0, -2.0])], ["y", "y", "x"]
    )
    result = as_table(dfv.apply(KINDS[kind](data), HALF))
    assert result.schema.names == ["y", "y", "x", "half"]
    assert [column.to_pylist() for column in result.columns] == [[1, 2], ["a", "b"], [1.0, -2.0], [0.5, -1.0]]
    assert as_table(dfv.apply(KINDS[kind](data), POSITIVE)).num_rows == 1
    replaced = as_table(dfv.apply(KINDS[kind](data), HALF, output="x", replace=True))
    assert [column.to_pylist() for column in replaced.columns] == [[1, 2], ["a", "b"], [0.5, -1.0]]
    with pytest.raises(dfv.BindingError, match="the data has 2 columns named `y`, so the name is ambiguous"):
        dfv.apply(KINDS[kind](data), HALF, x="y")
    with pytest.raises(dfv.OutputNameError, match="several columns `y`, so none can be replaced"):
        dfv.apply(KINDS[kind](data), HALF, output="y", replace=True)


@pytest.mark.parametrize("kind", [*KINDS, "DataFrame", "LazyFrame", "stream"])
def test_names_of_any_kind(kind):
    table = pa.table({name: pa.array([*X[:3], float(i)]) for i, name in enumerate(NAMES, 4)})
    frame = pl.DataFrame({name: [*X[:3], float(i)] for i, name in enumerate(NAMES, 4)})
    make = {"DataFrame": lambda _: frame, "LazyFrame": lambda _: frame.lazy(), **KINDS}
    for i, name in enumerate(NAMES, 4):
        if kind == "stream":
            result = pl.concat(dfv.stream(frame, [HALF, POSITIVE], x=name))
        else:
            result = dfv.apply(make[kind](table), [HALF, POSITIVE], x=name)
        if isinstance(result, pl.LazyFrame):
            result = result.collect()
        if not isinstance(result, pl.DataFrame):
            result = as_table(result)
            assert result.schema.names == [*NAMES, "half"]
            columns = [column.to_pylist() for column in result.columns]
        else:
            assert result.columns == [*NAMES, "half"]
            columns = [column.to_list() for column in result.get_columns()]
        assert columns == [*([1.0, float(j)] for j, _ in enumerate(NAMES, 4)), [0.5, i / 2]]


@pytest.mark.parametrize("name", NAMES)
def test_output_names_of_any_kind(name):
    frame = pl.DataFrame({"x": X})
    for result in (
        dfv.apply(frame, HALF, output=name, keep=False),
        dfv.apply(frame.lazy(), HALF, output=name, keep=False).collect(),
        dfv.apply(frame.to_arrow(), HALF, output=name, keep=False),
        pl.concat(dfv.stream(frame, HALF, output=name, keep=False)),
        dfv.apply(frame, HALF, output=name),
        dfv.apply(frame.lazy(), HALF, output=name).collect(),
        dfv.apply(frame, [dfv.step(HALF, output=name), POSITIVE]),
    ):
        names = result.columns if isinstance(result, pl.DataFrame) else result.schema.names
        assert names[-1] == name


def test_integers_of_128_bits_become_decimals():
    plugin = define(wide, name="n", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER, returns=pl.Int128)
    table = pa.table({"x": [1, -(2**62), None]})
    for data in (table, table.to_reader()):
        result = as_table(dfv.apply(data, plugin))
        assert result["n"].to_pylist() == [decimal.Decimal(1), decimal.Decimal(-(2**62)), None]
    stream = dfv.stream(pl.DataFrame(table), plugin).to_reader().read_all()
    assert stream["n"].to_pylist() == [decimal.Decimal(1), decimal.Decimal(-(2**62)), None]
    large = pa.table({"x": pa.array([decimal.Decimal(10**37)], pa.decimal128(38, 0))})
    tenfold = dfv.register("tenfold", pl.col("x").cast(pl.Int128) * 16, replace=True)
    with pytest.raises(dfv.KernelResultError, match="column `tenfold` holds integers of more than 38 digits"):
        dfv.apply(large, tenfold)


def test_one_column_is_no_stream():
    with pytest.raises(dfv.UnsupportedDataError, match=r"a stream of record batches, got ChunkedArray"):
        dfv.apply(pa.chunked_array([[1.0]]), HALF)


STREAMED = {
    "Table": lambda table: table,
    "Reader": lambda table: table.to_reader(),
    "Capsule": Capsule,
    "iterator": lambda table: iter(table.to_batches()),
}


@pytest.mark.parametrize("kind", STREAMED)
def test_streams_decode_what_they_can_and_name_what_they_can_not(kind, capfd):
    decoded = {name: UNREAD[name] for name in ("run_end_encoded", "list_view", "string_view")}
    table = pa.table({"x": X, **decoded})
    result = pl.concat(dfv.stream(STREAMED[kind](table), HALF))
    assert result["half"].to_list() == [0.5, -1.0, None, 2.0]
    for name in decoded:
        assert result[name].to_list() == table[name].to_pylist()
    for name in ("sparse_union", "dense_union", "month_day_nano", "decimal256"):
        table = pa.table({"x": X, name: UNREAD[name]})
        with pytest.raises(dfv.ColumnTypeError, match=f"^column `{name}` has the Arrow type .*or drop it"):
            list(dfv.stream(STREAMED[kind](table), HALF))
        alone = pl.concat(dfv.stream(STREAMED[kind](table), HALF, keep=False))
        assert alone.to_dict(as_series=False) == {"half": [0.5, -1.0, None, 2.0]}
    twice = pa.Table.from_arrays([pa.array(X), pa.array(X), pa.array(X)], ["x", "y", "y"])
    with pytest.raises(dfv.BindingError, match="the data has 2 columns named `y`"):
        list(dfv.stream(STREAMED[kind](twice), HALF))
    assert pl.concat(dfv.stream(STREAMED[kind](twice), HALF, keep=False)).columns == ["half"]
    assert "panicked" not in capfd.readouterr().err


def test_streams_of_a_series():
    series = pl.Series("x", X)
    for data in (series, series.to_pandas()):
        assert pl.concat(dfv.stream(data, HALF))["half"].to_list()[:2] == [0.5, -1.0]
