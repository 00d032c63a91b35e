"""The races of the documentation's table as a chart: python asv_benchmarks/chart.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import altair as alt

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
CHART = Path(__file__).parent / "figures.svg"
_COLOURS = {"aim held": "#2f8f5b", "faster, aim missed": "#d9a521", "slower": "#c8453b"}


@dataclass
class Race:
    """One line of the table that says how many times faster something is."""

    what: str
    ratio: float
    aim: float

    @property
    def kind(self) -> str:
        if self.ratio < 1:
            return "slower"
        return "aim held" if self.ratio >= self.aim else "faster, aim missed"


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


def chart(found: list[Race]) -> alt.LayerChart:
    """Return a bar for each race, from 1 (as fast as the peer) to the ratio, and a mark at its aim."""
    rows = [
        {"race": race.what, "kind": race.kind, "ratio": race.ratio, "aim": race.aim, "told": told(race.ratio)}
        for race in found
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "race:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=500, ticks=False, domain=False, labelPadding=8),
        )
    )
    marks = [mark * 10.0**power for power in range(-1, 3) for mark in (1, 2, 5)]
    axis = alt.Axis(values=marks, labelExpr="datum.value + '×'", labelOverlap=False, orient="top")
    scale = alt.Scale(type="log", nice=False)
    x = alt.X("ratio:Q", scale=scale, axis=axis, title="times faster than the peer")
    kinds = alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values()))
    colour = alt.Color("kind:N", scale=kinds, legend=alt.Legend(title="bar of the ratio, mark at the aim"))
    bars = base.mark_bar(height=14).encode(x=x, x2=alt.datum(1), color=colour)
    aims = base.mark_tick(color="#222", thickness=2, height=18).encode(x="aim:Q")
    ends = base.transform_calculate(end="max(datum.ratio, datum.aim, 1)").mark_text(align="left", dx=6)
    layers = alt.layer(bars, aims, ends.encode(x="end:Q", text="told:N"))
    return layers.properties(width=360, height=alt.Step(19), background="white").configure(
        axis={"labelFontSize": 11}, legend={"orient": "top"}, text={"fontSize": 11}, view={"stroke": None}
    )


def told(ratio: float) -> str:
    return f"{ratio:,.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def draw() -> None:
    """Write the chart of the table that the README has."""
    chart(races(PAGE.read_text())).save(CHART)


if __name__ == "__main__":
    draw()
