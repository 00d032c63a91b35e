"""A tuner's trace as a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.engine.tuner.trace import SCHEMA, trace_frame

if TYPE_CHECKING:
    from dataflare_vec.engine.tuner.base import TracedTuner


def plot_trace(tuner: TracedTuner) -> Any:
    """Draw how a tuner went: size, throughput and latency over the chunks, and the target latency.

    Parameters
    ----------
    tuner
        Any tuner of this package.

    Returns
    -------
    altair.VConcatChart
        Three panels with a common horizontal axis, the number of the chunk.

    Raises
    ------
    ImportError
        If Altair isn't installed; ``pip install "dataflare_vec[plot]"`` does.
    """
    try:
        import altair as alt
    except ImportError as error:
        msg = '`plot_trace` needs Altair: pip install "dataflare_vec[plot]"'
        raise ImportError(msg) from error
    frame = trace_frame(tuner.trace).with_columns(pl.col("latency") * 1e3, pl.col("throughput") / 1e6)
    base = alt.Chart(frame).encode(x=alt.X("index:Q", title="chunk"))

    def panel(column: str, title: str) -> Any:
        # Sizes double, so they are read on a logarithmic axis.
        scale = alt.Scale(type="log", base=2) if column == "size" else alt.Scale(zero=True)
        y = alt.Y(f"{column}:Q", title=title, scale=scale)
        line = base.mark_line(interpolate="step-after", opacity=0.4).encode(y=y)
        points = base.mark_point(filled=True).encode(y=y, color="reason:N", tooltip=list(SCHEMA))
        return (line + points).properties(width=600, height=140)

    limit = alt.Chart(pl.DataFrame({"target": [tuner.target * 1e3]})).mark_rule(strokeDash=[6, 4])
    return alt.vconcat(
        panel("size", "rows asked for"),
        panel("throughput", "million rows/s"),
        panel("latency", "latency, ms") + limit.encode(y="target:Q"),
    )
