"""Files as they come: damaged, cut, empty, of other columns than the one before."""

from __future__ import annotations

import os
import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from samples import SHARE, rows

import dataflare_vec as dfv


def write(folder: Path, target: Path) -> None:
    dfv.stream(folder, SHARE, on_error="null").write(target)


def refused(folder: Path, match: str) -> None:
    """Writing says what is wrong, and leaves nothing."""
    target = folder.parent / "out.parquet"
    with pytest.raises(dfv.SourceError, match=match):
        write(folder, target)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_column_that_is_missing_in_the_seventh_file_of_nine(folder):
    rows(0, 10).drop("s").write_parquet(folder / "part 4.parquet")
    refused(folder, r"part 4.parquet`: column `s` is missing, but present in `.*täil 7.parquet`")


def test_a_column_that_changes_its_type(folder):
    rows(0, 10).with_columns(pl.col("x").cast(pl.Float64)).write_parquet(folder / "part 6.parquet")
    refused(folder, r"part 6.parquet`: column `x` is Float64, but Int64 in `.*täil 7.parquet`")


def test_a_column_too_many(folder):
    rows(0, 10).with_columns(more=1).write_parquet(folder / "part 6.parquet")
    refused(folder, "part 6.parquet`: unexpected column `more`, not present in")


def test_columns_in_another_order_are_the_same(folder, tmp_path):
    path = folder / "part 0.parquet"
    pl.read_parquet(path).select("s", "id", "x").write_parquet(path)
    write(folder, tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet").columns == ["x", "id", "s", "share"]
    assert pl.read_parquet(tmp_path / "out.parquet")["id"].sort().to_list() == list(range(9000))


def test_an_empty_file(folder):
    (folder / "part 3.parquet").write_bytes(b"")
    refused(folder, r"can't read `.*part 3.parquet` as parquet: the file is empty \(0 bytes\)")


def test_files_and_batches_without_rows(folder, tmp_path):
    rows(0, 0).write_parquet(folder / "part 3.parquet")
    write(folder, tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet").height == 8000


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_file_that_is_cut(folder, share):
    path = folder / "part 3.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(folder, r"can't read `.*part 3.parquet` as parquet")


def test_a_row_group_that_is_damaged(folder):
    """Its header is overwritten: the message says which one it is."""
    path = folder / "part 3.parquet"
    start = pq.read_metadata(path).row_group(6).column(0)
    offset = min(o for o in (start.dictionary_page_offset, start.data_page_offset) if o)
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(content)
    refused(folder, r"can't read `.*part 3.parquet`, row group 6 of 10: ")


@pytest.mark.parametrize("seed", range(12))
def test_garbled_bytes_never_crash_and_never_leave_half_a_file(seed, folder, tmp_path):
    """A change may go unnoticed, as Parquet needs no checksums; else it is told as what it is."""
    numbers = random.Random(seed)
    path = folder / "part 3.parquet"
    content = bytearray(path.read_bytes())
    for _ in range(numbers.choice([1, 5, 50])):
        content[numbers.randrange(4, len(content) - 8)] = numbers.randrange(256)
    path.write_bytes(content)
    target = tmp_path / "out.parquet"
    try:
        write(folder, target)
    except dfv.SourceError as error:
        assert "part 3.parquet" in str(error)  # noqa: PT017
        assert not target.exists()
    else:
        assert pl.read_parquet(target).height == 9000
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("cut", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["arrow", "arrows"])
def test_arrow_files_that_are_cut(kind, cut, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    frame = rows(1, 50_000)
    path = folder / f"a.{kind}"
    frame.write_ipc(path) if kind == "arrow" else frame.write_ipc_stream(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    refused(folder, f"can't read `.*a.{kind}`")


def test_csv(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("x,s\n1,a\n2,\n")
    (folder / "b.csv").write_text("x,s\n3,7\n4,8\n")  # by itself `s` would be a number
    (folder / "c.csv").write_text("x,s\n")
    write(folder, tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet").rows() == [
        (1, "a", 100),
        (2, None, 50),
        (3, "7", 33),
        (4, "8", 25),
    ]
    (tmp_path / "out.parquet").unlink()
    (folder / "b.csv").write_text("x,s\n3,c\nmany,d\n")
    refused(folder, "can't read `.*b.csv`, after row 0: could not parse `many`")
    (folder / "b.csv").write_text("x,t\n3,c\n")
    refused(folder, "b.csv`: column `s` is missing")
    (folder / "b.csv").write_text("")
    refused(folder, "b.csv` as csv: the file is empty")


def test_ndjson(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.ndjson").write_text('{"x": 1, "s": "a"}\n{"x": 2}\n')
    (folder / "b.jsonl").write_text('{"x": 4}\n')
    write(folder, tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["share"].to_list() == [100, 50, 25]
    (tmp_path / "out.parquet").unlink()
    (folder / "b.jsonl").write_text('{"x": 4}\n{"x": \n')
    refused(folder, "b.jsonl`")


def test_names_with_signs_of_patterns(tmp_path):
    for name in ("a [1].parquet", "b*.parquet", "c?.ndjson", "d [x].csv", "e {y}.arrow"):
        path = tmp_path / name
        dfv.stream(rows(1, 5), SHARE).write(path)
        again = dfv.stream(path, dfv.step(SHARE, output="again"))
        assert sum(frame.height for frame in again) == 4


def test_which_files(folder):
    (folder / "_SUCCESS").write_text("")
    (folder / ".part 0.parquet.123-abc.partial").write_text("half")
    (folder / "notes.txt").write_text("")
    assert dfv.stream(folder, SHARE, on_error="null").result.total_count == 9000
    with pytest.raises(dfv.SourceError, match=r"part 10.parquet`: no such file; did you mean `part "):
        dfv.stream(folder / "part 10.parquet", SHARE)
    with pytest.raises(dfv.SourceError, match=r"can't read `.*nothing.*`: no file matches"):
        dfv.stream(str(folder / "nothing*.parquet"), SHARE)
    with pytest.raises(dfv.SourceError, match=r"notes.txt`: the name must end in one of \.parquet"):
        dfv.stream(folder / "notes.txt", SHARE)
    os.rename(folder / "part 0.parquet", folder / "part 0.dat")
    named = dfv.stream(folder / "part 0.dat", SHARE, on_error="null", format="parquet")
    assert sum(frame.height for frame in named) == 1000


def test_a_damaged_arrow_stream_of_somebody_elses(tmp_path):
    content = pa.BufferOutputStream()
    table = rows(1, 1000).to_arrow()
    with pa.ipc.new_stream(content, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=100):
            writer.write_batch(batch)
    cut = content.getvalue()[:10_000]
    with pytest.raises((OSError, pa.ArrowInvalid)):
        dfv.stream(pa.ipc.open_stream(cut), SHARE, on_error="null").write(tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_the_same_file_twice_is_read_once(folder):
    path = folder / "part 1.parquet"
    frames = dfv.stream([path, str(path)], SHARE, on_error="null")
    assert_frame_equal(pl.concat(list(frames)).drop("share"), pl.read_parquet(path))
