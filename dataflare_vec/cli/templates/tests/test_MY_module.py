"""The plugins against values worked out by hand, and through the registry as users find them."""

from __future__ import annotations

import dataflare_vec as dfv
import polars as pl
import pytest

FRAME = pl.DataFrame({"before": [10.0, 4.0, None], "after": [11.0, 3.0, 1.0]})


@pytest.mark.parametrize(("scale", "expected"), [(1.0, [0.1, -0.25, None]), (100.0, [10.0, -25.0, None])])
def test_values_and_nulls(scale, expected):
    assert FRAME.pipe(dfv.apply, "MY_kernel", scale=scale)["MY_kernel"].to_list() == pytest.approx(expected)


def test_rows_that_fail_are_reported():
    result = dfv.run(pl.DataFrame({"before": [0.0, 1.0], "after": [1.0, 2.0]}), "MY_kernel")
    assert result.frame["MY_kernel"].to_list() == [None, 1.0]
    assert result.errors.select("row", "message").rows() == [(0, "before is zero")]


def test_compiled_as_written():
    from MY_module import MY_kernel

    rows = FRAME.drop_nulls()
    by_hand = [MY_kernel(before, after) for before, after in rows.rows()]
    assert rows.pipe(dfv.apply, "MY_kernel")["MY_kernel"].to_list() == by_hand
