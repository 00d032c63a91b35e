"""Files that are damaged, cut or of another kind: never fewer rows than there are without a word."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import SHARE, rows

import dataflare_vec as dfv


def read(path: Path, memory: str | None = None) -> int:
    stream = dfv.stream(path, SHARE, on_error="null", memory=memory)
    return sum(frame.height for frame in stream)


def overfull(path: Path, group: int) -> None:
    """Let a page say that it has 20 values more than its row group: Polars 2.1 panics over it."""
    rows(0, 10_000).write_parquet(path, row_group_size=1000)
    column = pq.read_metadata(path).row_group(group).column(1)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x2c\x15", column.dictionary_page_offset or column.data_page_offset)
    content[at + 2] += 20
    path.write_bytes(content)


@pytest.mark.parametrize("memory", [None, "128MiB"])
def test_a_page_over_which_polars_panics(memory, tmp_path):
    """`collect_batches` gives the rows before it and ends."""
    path = tmp_path / "bad.parquet"
    overfull(path, 8)
    with pytest.raises(dfv.SourceError, match=r"can't read `.*bad.parquet`, row group 8 of 10: "):
        read(path, memory)
    stream = dfv.stream(path, SHARE, on_error="null", memory=memory)
    with pytest.raises(dfv.SourceError, match="row group 8 of 10"):
        stream.write(tmp_path / "out.parquet")
    assert [each.name for each in tmp_path.iterdir()] == ["bad.parquet"]


def test_a_query_over_which_polars_panics(tmp_path):
    overfull(tmp_path / "bad.parquet", 8)
    with pytest.raises(dfv.SourceError, match="the query can't be read: "):
        list(dfv.stream(pl.scan_parquet(tmp_path / "bad.parquet"), SHARE, on_error="null"))


def test_fewer_rows_than_the_footer_says(tmp_path, monkeypatch):
    """Whatever the reason: what was read is counted."""
    from dataflare_vec.streams.sources import scanners

    rows(0, 1000).write_parquet(tmp_path / "a.parquet", row_group_size=100)
    rows(0, 1000).write_ipc(tmp_path / "a.arrow")
    monkeypatch.setattr(scanners, "rows_of", lambda query, size: iter([query.head(300).collect()]))
    with pytest.raises(dfv.SourceError, match=r"a.parquet`, .*: expected 1000 rows, found 300"):
        read(tmp_path / "a.parquet")
    with pytest.raises(dfv.SourceError, match=r"a.arrow`, after row 300: expected 1000 rows, found 300"):
        read(tmp_path / "a.arrow")


def test_cut_texts(tmp_path):
    frame = rows(1, 5000)
    for name, write in (("a.csv", frame.write_csv), ("a.ndjson", frame.write_ndjson)):
        path = tmp_path / name
        write(path)
        content = path.read_bytes()
        middle = content.index(b"\n", len(content) // 2)
        for cut in (1, 3):  # within a row
            path.write_bytes(content[: middle + 1 + cut])
            with pytest.raises(dfv.SourceError, match=f"can't read `.*{name}`"):
                read(path)
        for packed, level in ((gzip.compress(content), "gz"),):
            zipped = path.with_name(f"{name}.{level}")
            zipped.write_bytes(packed)
            assert read(zipped) == 4999
            for cut in (len(packed) // 2, len(packed) - 4):
                zipped.write_bytes(packed[:cut])
                with pytest.raises(dfv.SourceError, match=f"can't read `.*{name}.gz`"):
                    read(zipped)


def test_an_end_that_only_looks_cut(tmp_path):
    path = tmp_path / "a.csv"
    for text, height in (
        ("x,s\n1,a", 1),  # no line feed, but whole
        ('x,s\n1,"a\nb"', 1),  # in quotes
        ("x\n1", 1),
        ("x,s\n1\n", 1),  # Polars fills it up; its line has an end
    ):
        path.write_text(text)
        assert read(path) == height, text
    path.write_text("x,s\n1,a\n2")
    with pytest.raises(dfv.SourceError, match="it is truncated: the last line has 1 of 2 values"):
        read(path)


@pytest.mark.parametrize("memory", [None, "128MiB"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("encoding", ["utf8", "utf16"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x,s\n1,a\n2", "1 of 2 values"),
        ('x,s\n1,a\n2,"b', "an unclosed quote"),
        ('x,s\n1,a\n2,"b, ""c', "an unclosed quote"),
        ('x,s\n1,"a"\n2,"b"', None),
        ('x,s\n1,a\n2,5"', None),
        ('x,s\n1,a\n2,"b\nc"', None),
        ("x,s\n1,a\n2,", None),
    ],
)
def test_a_csv_text_that_is_cut(text, problem, encoding, pack, memory, tmp_path):
    """Also where whoever compressed it was handed no more, so that the compressed file is whole."""
    path = tmp_path / f"a.csv{'' if pack is bytes else '.gz'}"
    path.write_bytes(pack(text.encode(encoding)))
    options = {"memory": memory, "read_options": {"encoding": encoding}}
    if problem is None:
        assert sum(frame.height for frame in dfv.stream(path, SHARE, **options)) == 2
    else:
        with pytest.raises(dfv.SourceError, match=f"a.csv.*it is truncated: the last line has {problem}"):
            list(dfv.stream(path, SHARE, **options))


@pytest.mark.parametrize("line", ['{"x": 2', '{"x": 2, "s', "{", '{"x": 2, "s": "}'])
def test_an_ndjson_text_that_is_cut(line, tmp_path):
    path = tmp_path / "a.ndjson"
    path.write_text('{"x": 1, "s": "a"}\n' + line)
    with pytest.raises(
        dfv.SourceError, match=rf"a\.ndjson.*its last line, of {len(line)} bytes, is not a complete"
    ):
        read(path)
    path.write_text('{"x": 1, "s": "a"}\n{"x": 2, "s": "b"}')
    assert read(path) == 2


def test_memory_changes_no_value(tmp_path):
    """One reader for all row groups: PyArrow's made 1816-03-29 of the year 9999, and refused Int128."""
    path = tmp_path / "times.parquet"
    count = 200_000
    days = pl.Series("day", [253_402_214_400_000_000] * count).cast(pl.Datetime("us"))
    table = pa.table({"x": pa.array([1] * count), "day": days.to_arrow()})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    wide = tmp_path / "wide.parquet"
    frame = pl.DataFrame({"x": pl.int_range(1, count, eager=True)})
    frame.with_columns(w=pl.lit(2**100).cast(pl.Int128), pad=pl.lit("x" * 100)).write_parquet(wide)
    for file in (path, wide):
        frames = [
            pl.concat(list(dfv.stream(file, SHARE, memory=memory))) for memory in (None, "128MiB", "1GiB")
        ]
        assert frames[0].equals(frames[1])
        assert frames[0].equals(frames[2])
        assert frames[0].drop("share").equals(pl.read_parquet(file))


@pytest.mark.parametrize("kind", ["arrow", "arrows"])
def test_garbled_arrow_bytes(kind, tmp_path):
    """All rows or an error: 120 files, of which some crashed the process."""
    numbers = random.Random(3)
    frame = rows(0, 3000).with_columns(l=pl.concat_list("x", "id"))
    good, bad = tmp_path / f"good.{kind}", tmp_path / f"bad.{kind}"
    table = frame.to_arrow()
    new = pa.ipc.new_stream if kind == "arrows" else pa.ipc.new_file
    with pa.OSFile(str(good), "wb") as sink, new(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=300):
            writer.write_batch(batch)
    refused = 0
    for _ in range(60):
        content = bytearray(good.read_bytes())
        for _ in range(numbers.choice([1, 1, 4])):
            content[numbers.randrange(len(content))] = numbers.choice([0, 1, 255, numbers.randrange(256)])
        bad.write_bytes(content)
        try:
            assert read(bad) == 3000
        except dfv.SourceError:
            refused += 1
    assert 5 < refused < 55


@pytest.mark.parametrize("kind", ["arrow", "arrows"])
def test_a_batch_that_says_fewer_rows_than_it_has(kind, tmp_path):
    """Polars leaves out what is beyond the length that a batch says."""
    path = tmp_path / f"a.{kind}"
    table = rows(1, 2000).to_arrow()
    new = pa.ipc.new_stream if kind == "arrows" else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as sink, new(sink, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=777):
            writer.write_batch(batch)
    good = path.read_bytes()
    length = (777).to_bytes(8, "little")
    at, refused = good.find(length), 0
    while at >= 0:
        path.write_bytes(good[:at] + (77).to_bytes(8, "little") + good[at + 8 :])
        try:
            assert read(path) == 1999
        except dfv.SourceError:
            refused += 1
        at = good.find(length, at + 1)
    assert refused > 5


@pytest.mark.parametrize("where", ["offsets", "text"])
def test_an_arrow_stream_that_leads_out_of_its_bytes(where, tmp_path):
    """PyArrow looks at neither; a kernel would read on, into memory that is somebody else's."""
    path = tmp_path / "a.arrows"
    texts = pa.array(["first", "second", "third"])
    table = pa.table({"x": [1, 2, 3], "t": texts})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content = bytearray(path.read_bytes())
    if where == "offsets":
        at = content.index((5).to_bytes(4, "little") + (11).to_bytes(4, "little"))
        content[at + 4 : at + 8] = (1 << 30).to_bytes(4, "little")
    else:
        content[content.index(b"second") + 5] = 0xF0
    path.write_bytes(content)
    with pytest.raises(dfv.SourceError, match=r"can't read `.*a.arrows`, after row 0: "):
        read(path)
