"""What `run` gives back."""

from __future__ import annotations

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def half(x):
    return x / 2


def picky(x):
    if x % 3 == 0:
        raise ValueError(f"{x} is a multiple of three")
    return x


def even(x):
    return x % 2 == 0


HALF, PICKY, EVEN = (
    define(f, name=None, form=Form.ROW, plugin_type=kind)
    for f, kind in [
        (half, dfv.PluginType.TRANSFORMER),
        (picky, dfv.PluginType.TRANSFORMER),
        (even, dfv.PluginType.FILTER),
    ]
)
CONFIG = dfv.BatchConfig(default_batch_size=64, tuner="fixed", parallelism=2)


def frame(rows: int) -> pl.DataFrame:
    return pl.DataFrame({"x": range(rows)}, schema={"x": pl.Int64})


def test_counts_add_up():
    result = dfv.run(frame(3000), [PICKY, EVEN], config=CONFIG)
    assert result.processed_count == 3000 == result.success_count + result.error_count
    assert result.error_count == 1000
    assert result.frame.height == 3000 - result.error_count - result.filtered_count == 1000
    assert result.throughput_per_second == pytest.approx(3000 / result.processing_time)


def test_details_are_bounded_and_the_lowest():
    config = dfv.BatchConfig(default_batch_size=64, tuner="fixed", parallelism=4, max_error_details=7)
    result = dfv.run(frame(100_000), PICKY, config=config)
    assert result.error_count == 33_334
    assert result.errors["row"].to_list() == [0, 3, 6, 9, 12, 15, 18]
    assert result.errors["message"][2] == "6 is a multiple of three"
    assert result.errors["inputs"].to_list()[1] == {"x": 3}
    assert result.errors["plugin"].unique().to_list() == ["picky"]


def test_all_rows_may_fail():
    result = dfv.run(frame(3000).filter(pl.col("x") % 3 == 0), PICKY, on_error="drop", config=CONFIG)
    assert (result.frame.height, result.error_count) == (0, 1000)


def test_the_trace_says_how_chunks_were_chosen():
    result = dfv.run(frame(3000), HALF, config=CONFIG)
    assert result.trace.columns == ["index", "size", "rows", "latency", "throughput", "reason"]
    assert result.trace["rows"].sum() >= 3000
    assert dfv.run(frame(3), HALF).trace.is_empty()


def test_the_trace_can_be_plotted():
    chart = dfv.run(frame(3000), HALF, config=CONFIG).plot_trace().to_dict()
    assert len(chart["vconcat"]) == 3


def test_html():
    html = dfv.run(frame(3000), PICKY, config=CONFIG)._repr_html_()
    assert "1,000 (33" in html
    assert "rows/s" in html


def test_run_wants_a_frame_in_memory():
    with pytest.raises(TypeError, match="needs an in-memory frame, got LazyFrame"):
        dfv.run(frame(3).lazy(), HALF)
