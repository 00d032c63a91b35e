"""Charts as SVG: bars, ranges on a logarithmic axis, and a tuner's way through chunk sizes.

Colours are CSS variables of the page, so that the charts follow its light or dark scheme.
"""

from __future__ import annotations

from html import escape
from math import ceil, floor, log2, log10
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.html import amount, duration, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH = 600
_LABELS = 150  # room for names, left
_ROW = 26


def _svg(height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _short(name: str, room: int = 19) -> str:
    return name if len(name) <= room else name[: room - 1] + "…"


def bars(rows: Sequence[tuple[str, Sequence[tuple[float, str]], str]], title: str) -> str:
    """Return horizontal bars.

    Parameters
    ----------
    rows
        For each bar its name, the lengths of its parts with their CSS classes, and what is said at its end.
    title
        What it shows, for who can't see it.
    """
    most = max((sum(length for length, _ in parts) for _, parts, _ in rows), default=0.0) or 1.0
    room = _WIDTH - _LABELS - 110
    out = []
    for i, (name, parts, label) in enumerate(rows):
        y = i * _ROW + 5
        out.append(_text(_LABELS - 10, y + 13, _short(name), anchor="end"))
        x = float(_LABELS)
        out.append(f'<rect x="{x}" y="{y}" width="{room}" height="16" rx="3" class="track"/>')
        for length, kind in parts:
            width = length / most * room
            if width:
                shape = f'x="{x:.1f}" y="{y}" width="{max(width, 1.5):.1f}" height="16" rx="3"'
                tip = f"<title>{escape(name)}: {escape(label)}</title>"
                out.append(f'<rect {shape} class="{kind}">{tip}</rect>')
            x += width
        out.append(_text(_LABELS + room + 10, y + 13, label, kind="number"))
    return _svg(len(rows) * _ROW + 6, out, title)


def ranges(rows: Sequence[tuple[str, float, float, float]], target: float, title: str) -> str:
    """Return p50, p95 and p99 by name on a logarithmic axis of seconds, with the target latency."""
    values = [value for _, *quantiles in rows for value in quantiles if value > 0] or [1e-3]
    low, high = floor(log10(min(values))), ceil(log10(max(values)) + 1e-9)
    high = max(high, low + 1)
    room = _WIDTH - _LABELS - 110
    bottom = len(rows) * _ROW + 4

    def at(value: float) -> float:
        return _LABELS + (log10(max(value, 10.0**low)) - low) / (high - low) * room

    out = []
    for power in range(low, high + 1):
        x = at(10.0**power)
        out.append(_line(x, 0, x, bottom, "grid"))
        out.append(
            _text(
                x,
                bottom + 16,
                duration(10.0**power).replace(".00", "").replace(".0", ""),
                anchor="middle",
                kind="axis",
            )
        )
    if low <= log10(target) <= high:
        out.append(_line(at(target), 0, at(target), bottom, "target"))
    for i, (name, p50, p95, p99) in enumerate(rows):
        y = i * _ROW + 14
        shown = " · ".join(duration(q) for q in (p50, p95, p99))
        out.append(_text(_LABELS - 10, y + 4, _short(name), anchor="end"))
        out.append(
            f"<g><title>{escape(name)}: p50 · p95 · p99 = {shown}</title>"
            + _line(at(p50), y, at(p99), y, "range")
            + "".join(
                f'<circle cx="{at(q):.1f}" cy="{y}" r="{r}" class="{kind}"/>'
                for q, r, kind in ((p99, 3.5, "c3"), (p95, 3.5, "c2"), (p50, 5, "c1"))
            )
            + "</g>"
        )
        out.append(_text(_LABELS + room + 10, y + 4, duration(p99), kind="number"))
    return _svg(bottom + 24, out, title)


#: Reasons in a trace, by what they mean to who looks at it.
_KINDS = {
    "explore": "c1",
    "grow": "c1",
    "shrink": "c2",
    "latency": "c2",
    "drift": "c2",
    "outlier ignored": "c2",
    "tail": "faint",
    "stale": "faint",
}


def trace(entries: Sequence[dict[str, Any]], best: int, title: str) -> str:
    """Return the rows of each chunk in their order, on an axis that doubles, and the throughput below."""
    entries = [entry for entry in entries if entry["rows"] > 0]
    left, right, top, middle, bottom = 62, _WIDTH - 14, 8, 118, 176
    count = max(len(entries) - 1, 1)

    def across(i: int) -> float:
        return left + i / count * (right - left)

    sizes = [entry["size"] for entry in entries] + [best]
    low, high = floor(log2(min(sizes))), ceil(log2(max(sizes)))
    high = max(high, low + 1)
    step = max(1, ceil((high - low) / 4))

    def up(rows: float) -> float:
        return middle - (log2(max(rows, 1)) - low) / (high - low) * (middle - top)

    out = []
    for power in range(low, high + 1, step):
        y = up(2.0**power)
        out.append(_line(left, y, right, y, "grid"))
        out.append(_text(left - 8, y + 4, _rows(1 << power), anchor="end", kind="axis"))
    out.append(_line(left, up(best), right, up(best), "target"))
    points = [(across(i), up(entry["size"])) for i, entry in enumerate(entries)]
    path = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(points))
    out.append(f'<path d="{path}" class="path"/>')
    radius = 3 if len(entries) < 120 else 1.8
    for (x, y), entry in zip(points, entries, strict=True):
        kind = _KINDS.get(entry["reason"], "c3")
        took = duration(entry["latency"])
        tip = f"chunk {entry['index']}: {entry['rows']:,} rows, {took}, {entry['reason']}"
        dot = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
        out.append(f'<circle {dot} class="{kind}"><title>{escape(tip)}</title></circle>')
    out += _throughput(entries, across, middle + 14, bottom, left, right)
    return _svg(bottom + 8, out, title)


def _throughput(
    entries: Sequence[dict[str, Any]],
    across: Callable[[int], float],
    top: float,
    bottom: float,
    left: float,
    right: float,
) -> list[str]:
    most = max((entry["throughput"] for entry in entries), default=0.0) or 1.0
    heights = [bottom - entry["throughput"] / most * (bottom - top) for entry in entries]
    if not heights:
        return []
    area = " ".join(f"L{across(i):.1f} {y:.1f}" for i, y in enumerate(heights))
    return [
        f'<path d="M{left} {bottom} {area} L{across(len(heights) - 1):.1f} {bottom} Z" class="area"/>',
        _line(left, bottom, right, bottom, "grid"),
        _text(left - 8, top + 6, f"{amount(most)}/s", anchor="end", kind="axis"),
    ]


def _rows(rows: int) -> str:
    for limit, unit in ((1 << 20, "M"), (1 << 10, "k")):
        if rows >= limit:
            return f"{rows // limit}{unit}"
    return str(rows)


def pool_classes(classes: Sequence[dict[str, Any]]) -> str:
    """Return the memory in use and idle by size class, with the share of requests that were recycled."""
    used = [kind for kind in classes if kind["in_use"] or kind["idle"] or kind["hits"] or kind["misses"]]
    rows = []
    for kind in used:
        asked = kind["hits"] + kind["misses"]
        hits = f"{kind['hits'] / asked:.0%} of {amount(asked)}" if asked else "—"
        name = size(kind["capacity"]) + (f" ({kind['size']})" if kind["size"] else "")
        rows.append((name, ((float(kind["hits"]), "c1"), (float(kind["misses"]), "c2")), hits))
    return bars(rows, "requests by size class, recycled and fresh")
