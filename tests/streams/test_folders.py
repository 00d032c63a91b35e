"""Folders as they are: hidden ones, links, loops, what dead runs left; and keys that come late."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from samples import SHARE, rows

import dataflare_vec as dfv
from dataflare_vec.streams.sources.files import find


def names(folder: Path) -> list[str]:
    return [str(inside) for inside in find([folder]).values()]


def test_hidden_folders_are_none_of_the_data(folder):
    before = names(folder)
    for hidden in (".ipynb_checkpoints", "_temporary/0", ".out.12-ab.partial/s=1", "deep er/_delta_log"):
        (folder / hidden).mkdir(parents=True)
        rows(0, 10).write_parquet(folder / hidden / "part 9.parquet")
    rows(0, 10).write_parquet(folder / ".hidden.parquet")
    rows(0, 10).write_parquet(folder / "_metadata.parquet")
    assert names(folder) == before
    (folder / "_part=1").mkdir()  # a Hive partition of a column whose name begins so
    rows(0, 10).write_parquet(folder / "_part=1" / "a.parquet")
    assert len(names(folder)) == len(before) + 1
    assert names(folder / "_temporary") == ["0/part 9.parquet"]  # it was named


def test_linked_folders_are_read_and_nothing_twice(folder, tmp_path):
    before = names(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    rows(0, 10).write_parquet(elsewhere / "linked.parquet")
    rows(0, 10).write_parquet(tmp_path / "single.parquet")
    os.symlink(elsewhere, folder / "link")
    os.symlink(tmp_path / "single.parquet", folder / "single.parquet")
    assert sorted(names(folder)) == sorted([*before, "link/linked.parquet", "single.parquet"])
    os.symlink(folder, folder / "deep er" / "loop")
    os.symlink("deep er", folder / "again")
    os.symlink("part 0.parquet", folder / "a latest.parquet")
    os.symlink("nowhere", folder / "broken.parquet")
    assert sorted(names(folder)) == sorted([*before, "link/linked.parquet", "single.parquet"])


def test_a_file_that_is_named_twice_is_read_once(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink(folder / "part 0.parquet", tmp_path / "link.parquet")
    same = ["in/part 0.parquet", "./in/../in/part 0.parquet", folder / "part 0.parquet", "link.parquet"]
    assert [str(path) for path in find(same)] == ["in/part 0.parquet"]
    assert len(find(["in/part 0.parquet", "in"])) == len(names(folder))


@pytest.mark.parametrize("name", ["a.csv.bz2", "b.parquet.gz", "c.NDJSON.zip", "d.arrow.zst"])
def test_data_that_cannot_be_read_is_not_passed_over(name, folder):
    (folder / name).write_text("packed")
    with pytest.raises(dfv.SourceError, match=f"{name}`: its compression isn't supported"):
        dfv.stream(folder, SHARE)
    (folder / name).rename(folder / "notes.txt.gz")
    assert len(names(folder)) == 9


def test_a_folder_that_cannot_be_read_is_told(folder, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("deep er"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(dfv.SourceError, match=r"can't read `.*deep er`: Permission denied"):
        dfv.stream(folder, SHARE)


def test_keys_that_come_late(tmp_path):
    """Polars leaves out a key that isn't in the schema; by its first 10,000 rows this one had none."""
    path = tmp_path / "a.ndjson"
    path.write_text('{"x": 1}\n' * 20_000 + '{"x": 2, "late": 7}\n')
    frame = pl.concat(list(dfv.stream(path, SHARE)))
    assert frame["late"].drop_nulls().to_list() == [7]
    assert frame.height == 20_001
    dfv.stream(path, SHARE).write(tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["late"][-1] == 7
    (tmp_path / "b.ndjson").write_text('{"x": 1}\n' * 20_000 + '{"x": 2, "later": 7}\n')
    with pytest.raises(dfv.SourceError, match=r"b.ndjson`: unexpected column `later`, not present in"):
        dfv.stream(str(tmp_path / "*.ndjson"), SHARE)


def test_a_run_that_goes_on_writes_failed_rows_that_are_not_there_yet(folder, tmp_path):
    out, failed = tmp_path / "out", tmp_path / "failed"
    files = len(names(folder))
    dfv.stream(folder, SHARE, on_error="drop").write(f"{out}/")
    result = dfv.stream(folder, SHARE, on_error="drop").write(f"{out}/", errors=f"{failed}/", resume=True)
    assert len(result.finished) == files
    assert len(names(failed)) == files
    result = dfv.stream(folder, SHARE, on_error="drop").write(f"{out}/", errors=f"{failed}/", resume=True)
    assert len(result.skipped) == files


def test_an_empty_path_is_not_the_folder_at_hand(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(dfv.SourceError, match="the path of an input is empty"):
        dfv.stream("", SHARE)
    stream = dfv.stream("part 0.parquet", SHARE, on_error="null")
    for target, errors, what in (("", None, "output"), ("x.parquet", "", "errors")):
        with pytest.raises(ValueError, match=f"the path of the {what} is empty"):
            stream.write(target, errors=errors)
