"""What names say: formats and compression of files that are read and written."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from samples import SHARE, rows

import dataflare_vec as dfv

TYPES = {"schema_overrides": {"s": pl.String}}
#: Names, what their files begin with, and how Polars reads them.
WRITTEN = {
    "out.csv": (b"x,id,s,share\n", lambda path: pl.read_csv(path, **TYPES)),
    "out.CSV": (b"x,id,s,share\n", lambda path: pl.read_csv(path, **TYPES)),
    "out.tsv": (b"x\tid\ts\tshare\n", lambda path: pl.read_csv(path, separator="\t", **TYPES)),
    "out.csv.gz": (b"\x1f\x8b", lambda path: pl.read_csv(path, **TYPES)),
    "out.Tsv.GZ": (b"\x1f\x8b", lambda path: pl.read_csv(path, separator="\t", **TYPES)),
    "out.csv.zst": (b"\x28\xb5\x2f\xfd", lambda path: pl.read_csv(path, **TYPES)),
    "out.jsonl": (b'{"x":1,', pl.read_ndjson),
    "out.ndjson.gz": (b"\x1f\x8b", pl.read_ndjson),
    "out.jsonl.zst": (b"\x28\xb5\x2f\xfd", pl.read_ndjson),
    "out.pq": (b"PAR1", pl.read_parquet),
    "out.PARQUET": (b"PAR1", pl.read_parquet),
    "out.feather": (b"ARROW1", pl.read_ipc),
    "out.IPC": (b"ARROW1", pl.read_ipc),
    "out.arrows": (b"\xff\xff\xff\xff", pl.read_ipc_stream),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_written_as_the_name_says_and_read_again(name, tmp_path):
    begins, read = WRITTEN[name]
    frame = rows(1, 50)
    path = tmp_path / name
    dfv.stream(frame, SHARE).write(path)
    assert path.read_bytes().startswith(begins)
    assert_frame_equal(read(path), dfv.apply(frame, SHARE))
    again = dfv.stream(path, dfv.step(SHARE, output="again"), read_options=_types(name))
    assert_frame_equal(pl.concat(list(again)).drop("again"), dfv.apply(frame, SHARE))


def _types(name: str) -> dict:
    return TYPES if "sv" in name.lower() else {}


@pytest.mark.parametrize(
    "name", ["o.xlsx", "o.json", "o.txt", "o.parquet.gz", "o.arrow.zst", "o.csv.bz2", "o.gz", "folder.v2"]
)
def test_names_that_say_nothing_are_refused(name, tmp_path):
    frame = rows(1, 5)
    with pytest.raises(
        ValueError, match=r"can't infer the output format; the name must end in .*a folder's name"
    ):
        dfv.stream(frame, SHARE).write(tmp_path / name)
    with pytest.raises(ValueError, match="can't infer the output format"):
        dfv.stream(frame, SHARE, on_error="null").write(tmp_path / "o.parquet", errors=tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / name).write_text("x\n1\n")
    with pytest.raises(dfv.SourceError, match=r"the name must end in one of .*; or pass `format`"):
        dfv.stream(tmp_path / name, SHARE)
    if not name.endswith(("gz", "zst", "bz2")):
        assert sum(f.height for f in dfv.stream(tmp_path / name, SHARE, format="csv")) == 1


def test_what_is_a_folder(folder, tmp_path):
    def write(target: object, **options: object) -> None:
        dfv.stream(folder / "part 0.parquet", SHARE, on_error="null").write(target, **options)

    write(tmp_path / "plain")
    write(f"{tmp_path}/with.dot/")
    (tmp_path / "there.csv").mkdir()
    write(tmp_path / "there.csv")
    write(f"{tmp_path}/texts/", format="csv")
    for path in ("plain/part 0.parquet", "with.dot/part 0.parquet", "there.csv/part 0.parquet"):
        assert pl.read_parquet(tmp_path / path).height == 1000
    assert pl.read_csv(tmp_path / "texts" / "part 0.csv").height == 1000
    write(tmp_path / "single", format="csv")
    assert pl.read_csv(tmp_path / "single").height == 1000


def test_a_folder_of_texts_stays_as_it_is(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.tsv").write_text("x\ts\n1\ta\n")
    (tmp_path / "in/b.csv.gz").write_bytes(gzip.compress(b"x,s\n2,b\n"))
    (tmp_path / "in/c.CSV").write_text("x,s\n4,c\n")
    dfv.stream(tmp_path / "in", SHARE).write(tmp_path / "out")
    assert (tmp_path / "out/a.tsv").read_text() == "x\ts\tshare\n1\ta\t100\n"
    assert gzip.decompress((tmp_path / "out/b.csv.gz").read_bytes()) == b"x,s,share\n2,b,50\n"
    assert (tmp_path / "out/c.CSV").read_text() == "x,s,share\n4,c,25\n"
    dfv.stream(tmp_path / "in", SHARE).write(f"{tmp_path}/columns/", format="parquet")
    names = sorted(path.name for path in (tmp_path / "columns").iterdir())
    assert names == ["a.parquet", "b.parquet", "c.parquet"]
    (tmp_path / "in/a.csv").write_text("x,s\n5,a\n")
    with pytest.raises(ValueError, match=r"two input files would be written to `.*a.parquet`"):
        dfv.stream(tmp_path / "in", SHARE).write(f"{tmp_path}/more/", format="parquet")


def test_compression(tmp_path):
    def write(name: str, compression: str, **options: object) -> None:
        dfv.stream(rows(1, 50), SHARE).write(tmp_path / name, compression=compression, **options)

    for name, compression in (
        ("a.parquet", "snappy"),
        ("a.arrow", "lz4"),
        ("a.arrows", "zstd"),
        ("a.arrows", "uncompressed"),
        ("a.csv.gz", "gzip"),
        ("a.csv", "uncompressed"),
    ):
        write(name, compression)
    assert pl.read_ipc_stream(tmp_path / "a.arrows").height == 49
    for name, compression, match in (
        ("b.parquet", "zip", "`compression` must be one of zstd, lz4, snappy"),
        ("b.arrows", "gzip", "`compression` must be one of zstd, lz4, uncompressed"),
        ("b.csv", "gzip", r"`compression=\"gzip\"` needs a name that ends in `.csv.gz`"),
        ("b.csv.gz", "zstd", r"needs a name that ends in `.csv.zst`"),
        ("b.ndjson", "lz4", "`compression` must be one of gzip, zstd"),
    ):
        with pytest.raises(ValueError, match=match):
            write(name, compression)
    with pytest.raises(ValueError, match="`compression`: not available for delta"):
        write("table", "zstd", format="delta")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("b")]


def test_options_are_checked_before_any_row_is_read():
    def never() -> object:
        yield rows(1, 5)
        raise AssertionError

    for target, options in (
        (lambda frame: None, {"partition_by": "s"}),
        (lambda frame: None, {"resume": True}),
        (Path("o"), {"format": "xlsx"}),
        (Path("o.parquet"), {"resume": True}),
        (Path("o"), {"partition_by": "s", "format": "ipc_stream"}),
    ):
        with pytest.raises(ValueError, match=r"partition_by|resume|format"):
            dfv.stream(never(), SHARE).write(target, **options)
    with pytest.raises(ValueError, match=r"`format` must be one of parquet, .*, got 'parque'"):
        dfv.stream("x.parquet", SHARE, format="parque")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"partition_by": 3}, "`partition_by` must be a column's name or a list of them, got 3"),
        ({"errors": 3}, "`errors` must be the path of a file or a folder, got 3"),
        ({"progress": 3}, "`progress` must be a function of the counts, got 3"),
        ({"target": 3}, "the target must be a path, a function or an open binary file, got 3"),
    ],
)
def test_arguments_of_another_kind(arguments, match, tmp_path):
    with pytest.raises(TypeError, match=match):
        dfv.stream(rows(1, 5), SHARE, on_error="null").write(**{"target": tmp_path / "o.csv", **arguments})
