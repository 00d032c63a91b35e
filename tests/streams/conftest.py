"""Folders of files to read."""

from __future__ import annotations

import pytest
from samples import rows


@pytest.fixture
def folder(tmp_path):
    """Nine files of 1,000 rows each, in row groups of 100; with a name that isn't plain ASCII."""
    folder = tmp_path / "in"
    (folder / "deep er").mkdir(parents=True)
    for index in range(9):
        name = f"deep er/täil {index}.parquet" if index > 6 else f"part {index}.parquet"
        rows(index * 1000, (index + 1) * 1000).write_parquet(folder / name, row_group_size=100)
    return folder
