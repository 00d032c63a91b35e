"""`errors=` of `run`, which is for frames of engines."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import plugin


def test_a_frame_in_memory_has_its_failed_rows_in_the_result(tmp_path):
    halved = plugin(lambda part: part / 2.0, name="halved")
    with pytest.raises(dfv.BindingError, match=r"only frames of engines .* `errors`.*`result.errors` has"):
        dfv.run(pl.DataFrame({"part": [1]}), halved, errors=tmp_path / "errors")
    assert list(tmp_path.iterdir()) == []
