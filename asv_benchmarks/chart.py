"""The races of the README's table as a chart: python asv_benchmarks/chart.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from math import ceil, log10
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
CHART = Path(__file__).parent / "figures.svg"
_ROW, _LABELS, _WIDTH, _RIGHT = 19, 470, 900, 60
_COLOURS = {"held": "#2f8f5b", "missed": "#d9a521", "lost": "#c8453b"}


@dataclass
class Race:
    """One line of the table that says how many times faster something is."""

    what: str
    ratio: float
    aim: float

    @property
    def kind(self) -> str:
        if self.ratio < 1:
            return "lost"
        return "held" if self.ratio >= self.aim else "missed"


def races(text: str) -> list[Race]:
    """Return the races in the table of figures, by their lead."""
    table = text.partition("<!-- figures -->")[2].partition("<!-- end of figures -->")[0]
    row = re.compile(r"^\| (.+?): times faster than (.+?) \| ([\d.]+) \| ≥ ([\d.]+) \|", re.MULTILINE)
    found = [
        Race(f"{what} · {peer}", float(ratio), float(aim)) for what, peer, ratio, aim in row.findall(table)
    ]
    for race in found:
        race.what = race.what.replace(",000,000 rows", " M rows")
    return sorted(found, key=lambda race: -race.ratio)


def svg(found: list[Race]) -> str:
    """Return the chart: a bar from 1 (as fast as the peer) to the ratio, on a logarithmic axis."""
    low = min(0.5, *(race.ratio for race in found)) if found else 0.5
    high = 10.0 ** ceil(log10(max([10.0, *(max(race.ratio, race.aim) for race in found)])))
    bottom = 44 + len(found) * _ROW

    def at(ratio: float) -> float:
        share = (log10(ratio) - log10(low)) / (log10(high) - log10(low))
        return _LABELS + share * (_WIDTH - _LABELS - _RIGHT)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 26}" role="img" '
        'font-family="system-ui, sans-serif" font-size="11" fill="#444">',
        "<title>Times faster than peers</title>",
        f'<rect width="{_WIDTH}" height="{bottom + 26}" fill="#fff"/>',
        f'<text x="{_LABELS}" y="16" font-size="13" font-weight="600">times faster than the peer</text>',
    ]
    legend = (("held", "aim held"), ("missed", "faster, aim missed"), ("lost", "slower"))
    for i, (kind, label) in enumerate(legend):
        x = 8 + i * 140
        out.append(f'<rect x="{x}" y="7" width="11" height="11" rx="2" fill="{_COLOURS[kind]}"/>')
        out.append(f'<text x="{x + 16}" y="16">{label}</text>')
    out.append('<path d="M428 6V19" stroke="#222" stroke-width="2"/><text x="434" y="16">aim</text>')
    for mark in (tick for power in range(3) for tick in (10**power, 2 * 10**power, 5 * 10**power)):
        if mark <= high:
            width = 1.5 if mark == 1 else 0.5
            out.append(f'<path d="M{at(mark):.1f} 28V{bottom}" stroke="#999" stroke-width="{width}"/>')
            out.append(f'<text x="{at(mark):.1f}" y="{bottom + 16}" text-anchor="middle">{mark}×</text>')
    for i, race in enumerate(found):
        y = 34 + i * _ROW
        left, right = sorted((at(1.0), at(race.ratio)))
        out.append(f'<text x="{_LABELS - 8}" y="{y + 11}" text-anchor="end">{escape(race.what)}</text>')
        out.append(
            f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" height="14" '
            f'fill="{_COLOURS[race.kind]}"/>'
        )
        out.append(f'<path d="M{at(race.aim):.1f} {y - 2}v18" stroke="#222" stroke-width="2"/>')
        end = max(right, at(race.aim)) + 6
        told = f"{race.ratio:,.0f}" if race.ratio >= 10 else f"{race.ratio:.1f}"
        out.append(f'<text x="{end:.1f}" y="{y + 11}">{told}×</text>')
    return "\n".join([*out, "</svg>\n"])


def draw() -> None:
    """Write the chart of the table that the README has."""
    CHART.write_text(svg(races(README.read_text())))


if __name__ == "__main__":
    draw()
