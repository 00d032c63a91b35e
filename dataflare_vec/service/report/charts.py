"""The report's charts, drawn by Altair and turned into SVG by vl-convert: no script is left to run or load.

Colours are CSS variables of the page, so that the charts follow its light or dark scheme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec._util.formatting import amount, duration, percent, printable, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Pixels of a chart without its labels, and of a row in it.
_WIDTH, _ROW = 330, 26
#: Pixels for names, left.
_NAMES = 150

_CONFIG = {
    "aria": False,  # the page says what a chart shows
    "background": None,
    "padding": {"left": 5, "right": 15, "top": 5, "bottom": 5},
    "view": {"stroke": None},
    "range": {"category": [f"var(--c{i})" for i in range(1, 11)]},
    "axis": {
        "domain": False,
        "gridColor": "var(--grid)",
        "labelColor": "var(--ink)",
        "labelFlush": False,
        "labelFontSize": 12,
        "labelPadding": 8,
        "ticks": False,
        "titleColor": "var(--soft)",
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
    },
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "orient": "top",
        "symbolOpacity": 1,
        "symbolStrokeWidth": 0,
        "title": None,
    },
    "bar": {"color": "var(--c1)"},
    "line": {"color": "var(--soft)", "strokeWidth": 1.3},
    "point": {"opacity": 1, "size": 20},
    "rule": {"color": "var(--soft)"},
    "text": {"align": "left", "color": "var(--soft)", "fontSize": 12},
}


def svg(chart: Any) -> str:
    """Return an Altair chart as SVG, to be put into a page that has the variables."""
    import vl_convert

    # What can't be in XML, such as a control character in a plugin's name, would end the process.
    spec: dict[str, Any] = _printable(chart.to_dict())
    drawn: str = vl_convert.vegalite_to_svg({**spec, "config": _CONFIG})  # and no theme of the user's
    return drawn


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {name: _printable(item) for name, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


def throughput(plugins: Iterable[Mapping[str, Any]]) -> Any:
    """Return bars with the rows a second of each plugin."""
    import altair as alt

    rows = [
        {
            "plugin": str(one["plugin"]),
            "throughput": float(one["average_throughput"]),
            "text": f"{amount(one['average_throughput'])} rows/s",
        }
        for one in plugins
    ]
    base = _by_name(rows, "plugin")
    return _sized(base.mark_bar(size=16).encode(x=alt.X("throughput:Q", axis=None)), _at_the_end(base))


def latency(plugins: Iterable[Mapping[str, Any]], target: float) -> Any:
    """Return p50, p95 and p99 of each plugin's chunks on a logarithmic axis of seconds, and the target."""
    import altair as alt

    rows = [
        {
            "plugin": str(one["plugin"]),
            # A clock that stands still has no place on the axis.
            **{name: max(float(one[name]), 1e-9) for name in ("p50", "p95", "p99")},
            "text": duration(one["p99"]),
        }
        for one in plugins
    ]
    labels = "replace(format(datum.value, '~s'), /[^0-9.]?$/, ' $&s')"
    axis = alt.Axis(labelExpr=labels, tickCount=4)
    scale = alt.Scale(type="log")
    base = _by_name(rows, "plugin")
    x = alt.X("p50:Q", scale=scale, axis=axis, title="time for a chunk")
    span = base.mark_rule(strokeWidth=3, opacity=0.35, strokeCap="round").encode(x=x, x2="p99:Q")
    quantiles = base.transform_fold(["p99", "p95", "p50"], as_=["quantile", "seconds"])
    points = quantiles.mark_point(filled=True, size=45).encode(
        x=alt.X("seconds:Q", scale=scale),
        color=alt.Color("quantile:N", sort=["p50", "p95", "p99"]),
    )
    limit = alt.Chart(alt.InlineData(values=[{"target": float(target)}]))
    line = limit.mark_rule(strokeDash=[5, 4]).encode(x=alt.X("target:Q", scale=scale))
    return _sized(line, span, points, _at_the_end(base))


def pool(classes: Iterable[Mapping[str, Any]]) -> Any:
    """Return bars with the requests for buffers by size class, recycled and fresh."""
    import altair as alt

    rows = []
    for kind in classes:
        asked = kind["hits"] + kind["misses"]
        rows.append(
            {
                "class": size(kind["capacity"]) + (f" ({kind['size']})" if kind["size"] else ""),
                "recycled": float(kind["hits"]),
                "fresh": float(kind["misses"]),
                "text": f"{percent(kind['hits'] / asked)} of {amount(asked)}" if asked else "—",
            }
        )
    base = _by_name(rows, "class")
    bars = base.transform_fold(["recycled", "fresh"], as_=["kind", "requests"]).mark_bar(size=16)
    bars = bars.encode(
        x=alt.X("requests:Q", axis=None),
        color=alt.Color("kind:N", sort=["recycled", "fresh"]),
        order=alt.Order("kind:N", sort="descending"),
    )
    return _sized(bars, _at_the_end(base))


def _by_name(rows: list[dict[str, Any]], name: str) -> Any:
    """Return a chart of rows that are named on the left, in their order."""
    import altair as alt

    axis = alt.Axis(labelLimit=_NAMES - 15, minExtent=_NAMES, title=None)
    return alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y(f"{name}:N", sort=None, axis=axis))


def _at_the_end(base: Any) -> Any:
    import altair as alt

    return base.mark_text().encode(x=alt.value(_WIDTH + 10), text="text:N")


def _sized(*layers: Any) -> Any:
    import altair as alt

    return alt.layer(*layers).properties(width=_WIDTH, height=alt.Step(_ROW))
