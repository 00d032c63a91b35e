"""What is written is compared with what is read and with each other, by what it is, not by its name."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from samples import SHARE, rows

import dataflare_vec as dfv
from dataflare_vec.files import paths


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with two input files, links to them, and a file of its own."""
    monkeypatch.chdir(tmp_path)
    Path("in/deep").mkdir(parents=True)
    rows(0, 100).write_parquet("in/a.parquet")
    rows(100, 200).write_parquet("in/deep/b.parquet")
    os.symlink("in", "linked")
    os.symlink("in/a.parquet", "soft.parquet")
    os.link("in/a.parquet", "hard.parquet")
    Path("p/s=1").mkdir(parents=True)
    rows(0, 100).write_parquet("p/s=1/c.parquet")
    return tmp_path


def contents(folder: Path) -> dict:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("source", "target", "options", "match"),
    [
        ("in", "out", {"errors": "in"}, "is also an input"),
        ("in", "out", {"errors": "linked"}, "is also an input"),
        ("linked", "in", {}, "is also an input"),
        ("in/../in", "./in/", {}, "is also an input"),
        ("in/*.parquet", "in", {}, "is also an input"),
        ("in/**/*.parquet", "in/deep/b.parquet", {}, "is also an input"),
        ("in", "soft.parquet", {}, "is also an input"),
        ("in", "hard.parquet", {}, "is also an input"),
        ("soft.parquet", "in/a.parquet", {}, "is also an input"),
        ("hard.parquet", "o.parquet", {"errors": "soft.parquet"}, "is also an input"),
        ("in", "e.parquet", {"errors": "e.parquet"}, "failed rows and the output would both be written"),
        ("in", "e.parquet", {"errors": "in/../e.parquet"}, "which is `"),
        ("in", "linked/new.parquet", {"errors": "in/new.parquet"}, "would both be written"),
        ("in", "out", {"errors": "out"}, "output and the failed rows would both be written"),
        ("in", "out", {"errors": "./out/"}, "would both be written"),
        (
            "in",
            "new",
            {"partition_by": "s", "errors": "new/e.parquet"},
            "would be inside `new`, which is replaced",
        ),
        ("in", "new", {"partition_by": "s", "errors": "new/x/e.csv"}, "would be inside `new`"),
        ("in", "p", {"partition_by": "s", "errors": "p/s=1/e.csv", "overwrite": True}, "would be inside `p`"),
        (
            "p/s=1",
            "p",
            {"partition_by": "s", "overwrite": True},
            "the input `.*c.parquet` is inside the output folder `p`",
        ),
        ("in", "table", {"format": "delta", "errors": "table/e.parquet"}, "would be inside `table`"),
    ],
)
def test_nothing_is_overwritten(source, target, options, match, here):
    before = contents(here)
    with pytest.raises(ValueError, match=match):
        dfv.stream(source, SHARE, on_error="null").write(target, **options)
    assert contents(here) == before


def test_what_is_apart_is_written(here):
    def write(target: str, **options: object) -> None:
        dfv.stream("in", SHARE, on_error="drop").write(target, **options)

    write("o.parquet", errors="e.parquet")
    write("out", errors="failed")
    write("out", errors="failed")  # again, over what is there
    write("q", partition_by="s", errors="q e.parquet")
    write("q", partition_by="s", errors="q e.parquet", overwrite=True)
    assert pl.read_parquet("o.parquet").height + pl.read_parquet("e.parquet").height == 200
    assert pl.read_parquet("q").height + pl.read_parquet("q e.parquet").height == 200


def test_names_that_differ_in_case(here, monkeypatch):
    monkeypatch.setattr(paths, "_ignores_case", lambda folder: True)  # as macOS and Windows do
    with pytest.raises(ValueError, match="would both be written"):
        dfv.stream("in", SHARE, on_error="drop").write("New.parquet", errors="nEW.PARQUET")
    monkeypatch.setattr(paths, "_ignores_case", lambda folder: False)
    dfv.stream("in", SHARE, on_error="drop").write("New.parquet", errors="nEW.PARQUET")


def test_whether_case_matters_is_found_out(here):
    (here / "Case").mkdir()
    assert paths._ignores_case(here / "Case") == (here / "cASE").exists()
    assert paths._ignores_case(here / "Case" / "not yet") == (here / "cASE").exists()
