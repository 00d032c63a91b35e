"""A tuner's trace as a chart, for notebooks and reports."""

from __future__ import annotations

from math import ceil, floor, log2
from typing import TYPE_CHECKING, Any

from dataflare_vec.config.extras import require
from dataflare_vec.engine.tuner.trace import TraceEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dataflare_vec.engine.tuner.base import TracedTuner


#: Of the tuners here, the frequent ones first: in each chart of the same colour.
_REASONS = (
    "hold",
    "explore",
    "fixed",
    "latency",
    "drift",
    "tail",
    "outlier ignored",
    "grow",
    "shrink",
    "review",
    "stale",
    "no measurement",
)


def plot_trace(tuner: TracedTuner) -> Any:
    """Plot the trace of a tuner: size, throughput and latency over the chunks, best size and target latency.

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
    MissingDependencyError
        If Altair isn't installed; ``pip install "dataflare_vec[plot]"`` does.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> tuner = dfv.ChunkTuner(dfv.BatchConfig())
    >>> for _ in range(20):
    ...     rows = tuner.next_size()
    ...     tuner.record(rows, 20e-6 + rows * 1e-8)
    >>> type(dfv.plot_trace(tuner)).__name__
    'VConcatChart'
    """
    require("plot", "`plot_trace`")
    return trace_chart([entry._asdict() for entry in tuner.trace], tuner.best_size, tuner.target)


def trace_chart(entries: Iterable[Mapping[str, Any]], best: float, target: float) -> Any:
    """Return the chart of a trace; colours are those of whoever shows it.

    Parameters
    ----------
    entries
        The chunks, with the fields of `TraceEntry`.
    best
        The best size, rows.
    target
        The target latency, seconds.

    Returns
    -------
    altair.VConcatChart
        See `plot_trace`.
    """
    import altair as alt

    rows = [
        {**entry, "latency": entry["latency"] * 1e3, "throughput": entry["throughput"] / 1e6}
        for entry in entries
    ]
    chunks = alt.Chart(alt.InlineData(values=rows))
    reasons = list(dict.fromkeys(str(row["reason"]) for row in rows))
    colour = alt.Color(
        "reason:N",
        scale=alt.Scale(domain=[*_REASONS, *(one for one in reasons if one not in _REASONS)]),
        legend=alt.Legend(values=reasons),
    )
    tips = [f"{column}:{'N' if column == 'reason' else 'Q'}" for column in TraceEntry._fields]

    def panel(column: str, title: str, limit: float | None = None, **how: Any) -> Any:
        y = alt.Y(f"{column}:Q", title=title, **how)
        is_last = column == "latency"
        axis = alt.Axis(title="chunk" if is_last else None, labels=is_last, tickMinStep=1)
        x = alt.X("index:Q", axis=axis, scale=alt.Scale(nice=False))
        line = chunks.mark_line(interpolate="step-after", opacity=0.4).encode(x, y)
        layers = [line, chunks.mark_point(filled=True, size=20).encode(x, y, color=colour, tooltip=tips)]
        if limit is not None:
            rule = alt.Chart(alt.InlineData(values=[{"limit": limit}])).mark_rule(strokeDash=[6, 4])
            layers.append(rule.encode(y="limit:Q"))
        return alt.layer(*layers).properties(width=500, height=110)

    # Sizes double, so they are read on an axis that does.
    sizes = [float(row["size"]) for row in rows] + [float(best)]
    low, high = floor(log2(min(sizes))), ceil(log2(max(sizes)))
    marks = [2.0**power for power in range(low - (low == high), high + 1 + (low == high))]
    doubling = alt.Scale(type="log", base=2, domain=[marks[0], marks[-1]])
    return alt.vconcat(
        panel("size", "rows asked for", best, scale=doubling, axis=alt.Axis(values=marks)),
        panel("throughput", "million rows/s"),
        panel("latency", "latency, ms", target * 1e3),
    )
