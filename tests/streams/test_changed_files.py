"""A file that is changed while it is read: told, where it doesn't end the process."""

from __future__ import annotations

import pytest
from samples import SHARE, rows

import dataflare_vec as dfv
from dataflare_vec.streams.sources.files import open_files


def test_a_file_that_is_replaced_is_told(tmp_path):
    path = tmp_path / "a.parquet"
    rows(1, 99).write_parquet(path)
    (file,) = open_files([path])
    batches = file.batches(1 << 16)
    next(batches)
    rows(100, 300).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "b.parquet").rename(path)
    with pytest.raises(dfv.SourceError, match=r"a\.parquet`.*: it was modified while it was read"):
        list(batches)


@pytest.mark.parametrize(("mode", "is_told"), [("a", False), ("r+", True)], ids=["grown", "cut"])
def test_a_log_may_grow_but_not_shrink(mode, is_told, tmp_path):
    path = tmp_path / "a.csv"
    rows(1, 99).write_csv(path)
    (file,) = open_files([path])
    batches = file.batches(1 << 16)
    assert next(batches).height == 98
    with path.open(mode) as log:
        log.write("1,2,3\n") if mode == "a" else log.truncate(30)
    if is_told:
        with pytest.raises(dfv.SourceError, match="was modified while it was read"):
            list(batches)
    else:
        assert list(batches) == []
        assert sum(frame.height for frame in dfv.stream(path, SHARE)) == 99
