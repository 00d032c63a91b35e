"""CSV as it comes: separators, quotes, encodings, headers, nulls, and the types of columns."""

from __future__ import annotations

import datetime
import gzip

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def plugin(function, name="out"):
    return define(function, name=name, form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)


def place(zip: str):
    return zip[:2]


PLACE = plugin(place)


def read(path, **options):
    return pl.concat(list(dfv.stream(path, PLACE, read_options=options)))


def test_leading_zeros_are_kept(tmp_path):
    """`zip: str` is what the column is, and not what its first rows look like."""
    path = tmp_path / "a.csv"
    path.write_text("zip,n\n01067,01\n00501,2\n")
    frame = read(path)
    assert frame.rows() == [("01067", 1, "01"), ("00501", 2, "00")]
    (tmp_path / "b.csv").write_text("zip,n\n00777,x\n")
    with pytest.raises(dfv.SourceError, match=r"could not parse `x`"):
        read(str(tmp_path / "*.csv"))
    (tmp_path / "b.csv").write_text("zip,n\n00777,5\n")
    assert read(str(tmp_path / "*.csv"))["zip"].to_list() == ["01067", "00501", "00777"]
    # Bound to another column; and what is said outright goes before it.
    path.write_text("code,n\n01067,1\n")
    assert dfv.stream(path, PLACE, zip="code").schema == {"code": pl.String, "n": pl.Int64, "out": pl.String}
    with pytest.raises(dfv.ColumnTypeError, match="must be a string, got Int64"):
        dfv.stream(path, PLACE, zip="code", read_options={"schema_overrides": {"code": pl.Int64}})


def test_each_annotation_is_the_type(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("i,f,b,s,d,t,h,y\n7,1,true,1,2024-01-31,2024-01-31,10:30:00,0a\n")

    def f(i: int, f: float, b: bool, s: str, d: datetime.date, t: datetime.datetime):
        return len(s) + i

    dtypes = dict(dfv.stream(path, plugin(f)).input_schema)
    assert dtypes == {
        "i": pl.Int64,
        "f": pl.Float64,
        "b": pl.Boolean,
        "s": pl.String,
        "d": pl.Date,
        "t": pl.Datetime("us"),
        "h": pl.Time,  # which has no annotation, and looks so
        "y": pl.String,
    }

    def g(f: float | None, i: "str | None"):  # noqa: UP037
        return f

    dtypes = dfv.stream(path, plugin(g)).input_schema
    assert (dtypes["f"], dtypes["i"]) == (pl.Float64, pl.String)
    # Annotated in two ways: the text decides.
    pair = [plugin(lambda s: s, name="p"), plugin(f, name="q")]
    assert dfv.stream(path, pair).input_schema["s"] == pl.String

    def as_int(s: int):
        return s

    assert dfv.stream(path, plugin(as_int)).input_schema["s"] == pl.Int64
    # An empty first file has the annotated types too.
    path.write_text("i,f,b,s,d,t\n")
    assert dfv.stream(path, plugin(f)).input_schema["d"] == pl.Date


def test_options(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("zip;v\n01;1,5\nNA;?\n")
    frame = read(path, separator=";", decimal_comma=True, null_values=["NA", "?"])
    assert frame.rows() == [("01", 1.5, "01"), (None, None, None)]
    frame = read(path, separator=";", null_values={"zip": "NA"}, schema_overrides={"v": pl.String})
    assert frame.rows() == [("01", "1,5", "01"), (None, "?", None)]
    path.write_text("# made by hand\n01,'a,b'\n02,c\n")
    frame = read(path, has_header=False, new_columns=["zip", "v"], quote_char="'", comment_prefix="#")
    assert frame.rows() == [("01", "a,b", "01"), ("02", "c", "02")]
    path.write_text("made by hand\nzip,v\n01,a\n")
    assert read(path, skip_lines=1).rows() == [("01", "a", "01")]


@pytest.mark.parametrize("encoding", ["utf8", "utf-8", "utf-8-sig", "latin1", "cp1252", "utf16", "utf-16-le"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings(encoding, packed, tmp_path):
    path = tmp_path / ("a.csv.gz" if packed else "a.csv")
    content = ('zip,v\nMünchen,"Straße\n1"\n' * 1).encode(encoding)
    path.write_bytes(gzip.compress(content) if packed else content)
    assert read(path, encoding=encoding).rows() == [("München", "Straße\n1", "Mü")]


def test_another_encoding_than_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("zip\nMünchen\n".encode("latin1"))
    with pytest.raises(dfv.SourceError, match="if it isn't UTF-8, pass `encoding`"):
        read(path)
    with pytest.raises(dfv.SourceError, match=r"can't read `.*a.csv` as csv: 'ascii' codec can't decode"):
        read(path, encoding="ascii")
    assert read(path, encoding="utf8-lossy")["zip"].to_list() == ["M�nchen"]


def test_mistakes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("zip\n1\n")
    for options, match in (
        ({"seperator": ";"}, "`read_options`: unknown option `seperator`; did you mean `separator`"),
        ({"separator": ";;"}, r"`separator=\";;\"`: it has to be one ASCII character"),
        ({"encoding": "klingon"}, r"`encoding=\"klingon\"`: unknown encoding"),
    ):
        with pytest.raises(ValueError, match=match):
            read(path, **options)
    with pytest.raises(dfv.SourceError, match="column `zpi` not found; did you mean `zip`"):
        read(path, schema_overrides={"zpi": pl.String})
    pl.DataFrame({"zip": ["1"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(dfv.SourceError, match=r"is parquet, which doesn't take `separator=\";\"`"):
        read(tmp_path / "a.parquet", separator=";")
    with pytest.raises(ValueError, match="`separator`: applies only to files, got DataFrame"):
        read(pl.DataFrame({"zip": ["1"]}), separator=";")


def test_ndjson_takes_types(tmp_path):
    path = tmp_path / "a.ndjson"
    path.write_text('{"zip": "01", "n": 1}\n')
    frame = read(path, schema_overrides={"n": pl.Float64})
    assert frame.rows() == [("01", 1.0, "01")]
    assert frame.schema["n"] == pl.Float64


def test_an_annotation_after_a_column_was_replaced_says_nothing_of_the_file(tmp_path):
    def twice(x):
        return f"{x + x}"

    def first(x: str):
        return x[0]

    path = tmp_path / "a.csv"
    path.write_text("x\n42\n")
    steps = [dfv.step(plugin(twice), output="x"), plugin(first, "first")]
    (frame,) = dfv.stream(path, steps, replace=True)
    assert frame.rows() == [("84", "8")]


def test_no_text_is_read_as_bytes(tmp_path):
    def raw(x: bytes):
        return x

    path = tmp_path / "a.csv"
    path.write_text("x\na\n")
    with pytest.raises(dfv.ColumnTypeError, match="column `x` must be bytes, got String"):
        list(dfv.stream(path, plugin(raw)))
