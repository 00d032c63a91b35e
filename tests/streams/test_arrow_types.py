"""Columns of each of Arrow's types in a stream: read as Polars reads them, or refused before a row is out.

What goes out as an Arrow stream is read by PyArrow and by Polars, with the dtypes that it had.
"""

from __future__ import annotations

import datetime
import decimal
import io

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.cli import main
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.definition.registry import default_registry


def inc(n: int) -> int:
    return n + 1


INC = define(inc, name="inc", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
OFFSETS = pa.array([0, 1, 2, 2, 4], pa.int32())
CODES = pa.array([0, 1, None, 0], pa.uint8())
WORDS = pa.DictionaryArray.from_arrays(CODES, pa.array(["a", "b"]))


def coded(values, codes=CODES):
    return pa.DictionaryArray.from_arrays(codes, values)


def of(values, kind):
    return pa.array(values, kind)


class Own(pa.ExtensionType):
    def __init__(self):
        super().__init__(pa.int64(), "tests.own")

    def __arrow_ext_serialize__(self):
        return b"about"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()


def read_by_polars() -> dict[str, pa.Array]:
    lists = pa.ListArray.from_arrays(OFFSETS, WORDS)
    structs = pa.StructArray.from_arrays([WORDS, pa.array([1, 2, 3, 4])], ["d", ""])
    halves = pa.array(np.array([1.5, 2, 0, 3], np.float16))
    uuids = of([b"0123456789abcdef", None, b"0123456789abcdeg", b"0123456789abcdeh"], pa.uuid())
    number = decimal.Decimal("1.25")
    cases = {
        **{
            f"codes {kind}": WORDS.cast(pa.dictionary(kind, pa.string())) for kind in (pa.int8(), pa.uint64())
        },
        "views by codes": coded(pa.array(["a", "b"], pa.string_view())),
        "integers by codes": coded(pa.array([10, 20])),
        "bytes by codes": coded(pa.array([b"\xff", b"b"])),
        "null by codes": coded(pa.array(["a", None])),
        "twice by codes": coded(pa.array(["a", "a"])),
        "lists by codes": coded(pa.array([[1], [2, 3]])),
        "structs by codes": coded(pa.array([{"a": 1}, {"a": 2}])),
        "list of codes": lists,
        "large list of codes": pa.LargeListArray.from_arrays(OFFSETS.cast(pa.int64()), WORDS),
        "array of codes": pa.FixedSizeListArray.from_arrays(pa.concat_arrays([WORDS, WORDS]), 2),
        "struct of codes": structs,
        "struct of list of codes": pa.StructArray.from_arrays([lists], ["d"]),
        "list of struct of codes": pa.ListArray.from_arrays(OFFSETS, structs),
        "map to codes": pa.MapArray.from_arrays(OFFSETS, pa.array(list("wxyz")), WORDS),
        "decimal32": of([number, None, number, 0], pa.decimal32(7, 2)),
        "decimal128": of([number, None, number, 0], pa.decimal128(38, 2)),
        "string views": of([["a"], None, [], ["a long, long, long text", None]], pa.list_(pa.string_view())),
        "binary views": of([b"\xff" * 20, None, b"", b"a"], pa.binary_view()),
        "fixed bytes": of([b"abc", None, b"def", b"ghi"], pa.binary(3)),
        "null": pa.nulls(4),
        "list of null": of([[None], None, [], [None]], pa.list_(pa.null())),
        "struct of nothing": of([{}, None, {}, {}], pa.struct([])),
        **{f"duration {u}": of([1, None, -3, 4], pa.duration(u)) for u in ("s", "ms", "us", "ns")},
        **{f"times {u}": of([[1], None, [], [4]], pa.list_(pa.timestamp(u, "UTC"))) for u in ("s", "ns")},
        "offset": of([1, None, -3, 4], pa.timestamp("us", "+02:00")),
        "time of day": of([1, None, 3, 4], pa.time32("s")),
        "date64": of([86_400_000, None, 0, -86_400_000], pa.date64()),
        "half": halves,
        "list of half": pa.ListArray.from_arrays(OFFSETS, halves),
        "uuid": uuids,
        "list of uuid": pa.ListArray.from_arrays(OFFSETS, uuids),
        "own": pa.ExtensionArray.from_storage(Own(), of([1, None, 2, 3], pa.int64())),
    }
    return cases


def refused() -> dict[str, tuple[pa.Array, str]]:
    runs = pc.run_end_encode(pa.array([1, 1, None, 3]))
    union = pa.UnionArray.from_dense(
        of([0, 1, 0, 1], pa.int8()),
        of([0, 0, 1, 1], pa.int32()),
        [of([1, 2], pa.int64()), pa.array(["a", "b"])],
    )
    wide = of([decimal.Decimal(10) ** 60, None, decimal.Decimal(3), None], pa.decimal256(70, 2))
    twice = pa.StructArray.from_arrays([pa.array([1, 2, 3, 4]), pa.array(list("abcd"))], ["a", "a"])
    span = of([(1, 2, 3), None, (0, 0, 0), (1, 1, 1)], pa.month_day_nano_interval())
    return {
        "decimal256": wide,
        "narrow decimal256": wide.slice(2).cast(pa.decimal256(60, 2)),
        "list of decimal256": pa.ListArray.from_arrays(OFFSETS, wide),
        "codes of codes": coded(coded(pa.array(["x", "y"]), pa.array([0, 1], pa.int8()))),
        "list of runs": pa.ListArray.from_arrays(OFFSETS, runs),
        "struct of runs": pa.StructArray.from_arrays([runs], ["a"]),
        "list of list_view": of([[[1]], None, [], [[2]]], pa.list_(pa.list_view(pa.int64()))),
        "union": union,
        "struct of union": pa.StructArray.from_arrays([union], ["a"]),
        "interval": span,
        "list of intervals": pa.ListArray.from_arrays(OFFSETS, span),
        "a field twice": twice,
        "no bytes": of([b"", None, b"", b""], pa.binary(0)),
        "no such zone": of([1, None, 2, 3], pa.timestamp("us", "Mars/Base")),
        "seconds beyond": of([[2**62], None, [], [4]], pa.list_(pa.timestamp("s"))),
    }


def of_polars() -> dict[str, pl.Series]:
    words = pl.Enum(["x", "y"])
    own = pl.Categorical(pl.Categories("tests own"))
    lists, structs = [["x"], None, [], ["y", None]], [{"a": "x"}, None, {"a": None}, {"a": "y"}]
    cases = {}
    for name, kind in {"category": pl.Categorical(), "enum": words, "own category": own}.items():
        cases[name] = pl.Series(["x", "y", None, "x"], dtype=kind)
        cases[f"list of {name}"] = pl.Series(lists, dtype=pl.List(kind))
        cases[f"struct of {name}"] = pl.Series(structs, dtype=pl.Struct({"a": kind}))
        cases[f"array of {name}"] = pl.Series([["x"], None, ["y"], ["y"]], dtype=pl.Array(kind, 1))
    cases["time"] = pl.Series([datetime.time(1), None, datetime.time(2), datetime.time(3)])
    return cases


def table(column) -> pa.Table:
    numbers = pa.array(range(1, len(column) + 1), pa.int64())
    return pa.table({"n": numbers, "": column})


def written(data) -> bytes:
    target = io.BytesIO()
    with pa.ipc.new_stream(target, data.schema) as writer:
        writer.write_table(data)
    return target.getvalue()


def passed(content: bytes, tmp_path, monkeypatch) -> bytes:
    """Return what the command makes of an Arrow stream on its standard input."""
    (tmp_path / "inc.py").write_text("import dataflare_vec as dfv\n@dfv.plugin\ndef inc(n): return n + 1\n")
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        arguments = ["-", "-o", str(tmp_path / "out.arrows"), "-q", "--replace"]
        code = main(["run", "inc", *arguments, "--plugins", str(tmp_path / "inc.py")])
    default_registry.remove("inc")
    return (tmp_path / "out.arrows").read_bytes() if code == 0 else code


def polars_names(frame: pl.DataFrame) -> pl.DataFrame:
    """Take back the name that Polars gives a column without one."""
    return frame.rename({"column_1": ""}, strict=False)


def check(frame: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert_frame_equal(frame.drop("inc"), expected.rename({expected.columns[1]: ""}))
    assert frame["inc"].to_list() == [n + 1 for n in frame["n"]]


def check_out(stream, expected: pl.DataFrame, tmp_path) -> None:
    """What comes out is read with the same dtypes by Polars, by PyArrow, and by a stream again."""
    path = tmp_path / "out.arrows"
    stream().write(path)
    check(polars_names(pl.read_ipc_stream(path)), expected)
    read = pa.ipc.open_stream(path).read_all()
    read.validate(full=True)
    check(polars_names(pl.from_arrow(read)), expected)
    check(pl.concat(list(dfv.stream(path, INC, replace=True))), expected)
    check(pl.concat(list(dfv.stream(stream().to_reader(), INC, replace=True))), expected)


@pytest.mark.parametrize("name", read_by_polars())
def test_as_polars_reads_it(name, tmp_path):
    data = table(read_by_polars()[name])
    expected = pl.from_arrow(data)
    check_out(lambda: dfv.stream(data.to_reader(), INC), expected, tmp_path)
    (tmp_path / "in.arrows").write_bytes(written(data))
    check(pl.concat(list(dfv.stream(tmp_path / "in.arrows", INC))), expected)


@pytest.mark.parametrize("name", of_polars())
def test_dtypes_of_polars(name, tmp_path):
    frame = pl.DataFrame({"n": [1, 2, 3, 4], "": of_polars()[name]})

    def parts():
        return dfv.stream(iter([frame[:2], frame[2:]]), INC)

    check_out(parts, frame, tmp_path)
    assert pl.DataFrame(parts()).schema == parts().schema
    assert pl.from_arrow(dfv.apply(frame.rename({"": "c"}).to_arrow(), INC))["c"].dtype == frame[""].dtype


@pytest.mark.parametrize("name", ["runs", "list_view"])
def test_what_polars_cannot_read_in_other_words(name, tmp_path):
    column = {
        "runs": pc.run_end_encode(pa.array(["a", "a", None, "b"])),
        "list_view": of([[1], None, [], [2, 3]], pa.list_view(pa.int64())),
    }[name]
    expected = pl.DataFrame({"n": [1, 2, 3, 4], "": pl.Series(column.to_pylist())})
    data = table(column)
    check_out(lambda: dfv.stream(data.to_reader(), INC), expected, tmp_path)
    (tmp_path / "in.arrows").write_bytes(written(data))
    check(pl.concat(list(dfv.stream(tmp_path / "in.arrows", INC))), expected)


@pytest.mark.parametrize("name", refused())
def test_refused_before_a_row_is_out(name, tmp_path, monkeypatch, capsys):
    data = table(refused()[name]).rename_columns(["n", "the column"])
    target = io.BytesIO()
    with pytest.raises((dfv.SourceError, dfv.ColumnTypeError), match="column `the column` "):
        dfv.stream(data.to_reader(), INC).write(target, format="ndjson")
    assert target.getvalue() == b""
    try:
        content = written(data)
    except pa.ArrowNotImplementedError:
        return
    (tmp_path / "in.arrows").write_bytes(content)
    with pytest.raises(dfv.SourceError, match=r"can't read `.*in\.arrows`"):
        list(dfv.stream(tmp_path / "in.arrows", INC))
    assert passed(content, tmp_path, monkeypatch) in (2, 3)
    text = capsys.readouterr().err
    assert text.startswith("dataflare-vec: ")
    assert text.count("\n") == 1
    assert not (tmp_path / "out.arrows").exists()


def of_many_dictionaries(*, replaced: bool) -> pa.Table:
    first, second = ["a", "b"], ["c", "b"] if replaced else ["a", "b", "c"]
    batches = [
        pa.record_batch({"n": pa.array([1, 2]), "": coded(pa.array(words), pa.array(codes, pa.uint8()))})
        for words, codes in ((first, [0, 1]), (second, [0, len(second) - 1]), (first, [1, 0]))
    ]
    return pa.Table.from_batches(batches)


@pytest.mark.parametrize("replaced", [True, False], ids=["replaced", "delta"])
def test_dictionaries_that_change_between_batches(replaced, tmp_path, monkeypatch):
    data = of_many_dictionaries(replaced=replaced)
    words = ["a", "b", *("cb" if replaced else "ac"), "b", "a"]
    expected = pl.DataFrame({"n": [1, 2] * 3, "": pl.Series(words, dtype=pl.Categorical)})
    check_out(lambda: dfv.stream(data.to_reader(), INC, max_latency=1e-6), expected, tmp_path)
    target = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(target, data.schema, options=options) as writer:
        for batch in data.to_batches():
            writer.write_batch(batch)
    (tmp_path / "in.arrows").write_bytes(target.getvalue())
    check(pl.concat(list(dfv.stream(tmp_path / "in.arrows", INC))), expected)
    check(polars_names(pl.read_ipc_stream(passed(target.getvalue(), tmp_path, monkeypatch))), expected)


@pytest.mark.parametrize("kind", [pl.Int128, pl.UInt128], ids=["signed", "unsigned"])
def test_integers_of_128_bits_are_decimals_in_arrow(kind, tmp_path):
    """Arrow has no such integers: PyArrow can't read what Polars writes of them."""
    values, decimals = [1, None, 2**100, 3], pl.Decimal(38, 0)
    for wrap, as_dtype in (
        (lambda v: v, lambda t: t),
        (lambda v: [v], pl.List),
        (lambda v: [v], lambda t: pl.Array(t, 1)),
        (lambda v: {"a": [v]}, lambda t: pl.Struct({"a": pl.List(t)})),
    ):
        column = pl.Series([wrap(value) for value in values], dtype=as_dtype(kind))
        frame = pl.DataFrame({"n": [1, 2, 3, 4], "": column})
        expected = pl.DataFrame({"n": frame["n"], "": column.cast(as_dtype(decimals))})
        check_out(lambda frame=frame: dfv.stream(iter([frame]), INC), expected, tmp_path)
    frame = pl.DataFrame({"n": [1], "": pl.Series([10**38], dtype=kind)})
    with pytest.raises(dfv.DataFlareError, match="column `` holds integers of more than 38 digits"):
        dfv.stream(frame, INC).write(tmp_path / "wide.arrows")
    assert not (tmp_path / "wide.arrows").exists()


def test_a_stream_of_what_only_polars_has():
    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            column = pl.Series([1], dtype=pl.Int128)
            return pl.DataFrame({"n": [1], "c": column}).__arrow_c_stream__(requested_schema)

    with pytest.raises(
        dfv.UnsupportedDataError, match=r"`pl\.DataFrame\(data\)` reads types that only Polars"
    ):
        dfv.stream(Stream(), INC)
