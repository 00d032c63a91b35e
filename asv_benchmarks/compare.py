"""Every figure of the documentation, side by side in one run, as ratios.

    python asv_benchmarks/compare.py                     # all, some minutes
    python asv_benchmarks/compare.py --quick             # small data, to see that it runs
    python asv_benchmarks/compare.py --short             # a fifth of the rows
    python asv_benchmarks/compare.py --only rows         # one topic
    python asv_benchmarks/compare.py --only levenshtein  # one race, or the peers of one kernel
    python asv_benchmarks/compare.py --write             # and put tables and chart into the documentation
    python asv_benchmarks/compare.py --only engines --write  # the table of engines, on their page
    python asv_benchmarks/compare.py --only with_ray --write  # the lines of one of its races

Machines are noisy, so each race alternates its contenders and takes medians; results are compared for
equality before anything is timed. A race that is lost stays in the table, with the reason as its note.

Each figure has an aim, which may be missed, and a limit, which may not. A race with a figure beyond its limit
is run once more, since a neighbour may have disturbed it; what is beyond it again is shown at the end, and
the exit code is 1. With `--quick` neither counts: so few rows, run once, say that races work and that results
are the same, but nothing about time; the exit code is 1 if a race breaks down.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

# `testing` is found in the checkout. Appended: where the library is installed, that is what is measured.
sys.path.append(str(Path(__file__).parent.parent))
# What is measured as compiled must not come from an earlier run.
_cache = tempfile.TemporaryDirectory()
os.environ["DATAFLARE_VEC_CACHE_DIR"] = _cache.name

import chart
import numba
import polars as pl
from races import (
    batches,
    bounds,
    calls,
    dates,
    engines,
    expressions,
    keys,
    manager,
    math,
    memory,
    native,
    native_queries,
    ordered,
    patterns,
    peers,
    queries,
    rows,
    rules,
    start,
    streams,
    strings,
    tables,
    tuning,
    vectors,
)
from races.common import Figure, Size

from testing import performance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Race = Callable[[Size], Iterator[Figure]]

TOPICS = {
    "rows": rows,
    "calls": calls,
    "rules": rules,
    "math": math,
    "strings": strings,
    "patterns": patterns,
    "dates": dates,
    "tables": tables,
    "expressions": expressions,
    "vectors": vectors,
    "keys": keys,
    "batches": batches,
    "ordered": ordered,
    "memory": memory,
    "bounds": bounds,
    "tuning": tuning,
    "manager": manager,
    "queries": queries,
    "streams": streams,
    "native": native,
    "native queries": native_queries,
    "engines": engines,
    "start": start,
    "peers": peers,
}
HEADER = ["| figure | ratio | aim | limit | note |", "|---|--:|---|---|---|"]


def chosen(only: str | None) -> list[Race]:
    """Return all races, those of a topic, or those of a name."""
    return [
        race
        for topic, module in TOPICS.items()
        for race in module.RACES
        if only in (None, topic, race.__name__)
    ]


def is_of_engines(only: str) -> bool:
    return only == "engines" or any(race.__name__ == only for race in engines.RACES)


def measure(race: Race, size: Size) -> list[Figure]:
    """Run a race, and once more if a figure is beyond its limit: instead of those the new ones count."""
    figures = list(race(size))
    print(*figures, sep="\n", flush=True)
    if all(figure.within_limit for figure in figures):
        return figures
    again = list(race(size))
    print("Once more:", *again, sep="\n", flush=True)
    return [a if a.within_limit else b for a, b in zip(figures, again, strict=True)]


def try_out(race: Race, size: Size) -> list[Figure]:
    """Run a race, whatever the figures are."""
    figures = list(race(size))
    print(*(f"{figure.what}: {figure.ratio:.2f}" for figure in figures), sep="\n", flush=True)
    return figures


def table(figures: list[Figure]) -> list[str]:
    return [*HEADER, *map(line, figures)]


def line(figure: Figure) -> str:
    return f"| {' | '.join(figure.cells)} |"


#: Figures that the README has, as patterns, with the words that it says them in.
HEADLINES = {
    "a * 2.5 + b, 1,000 rows: time / Polars' *": "`a * 2.5 + b` on 1,000 rows: time / Polars' own expression",
    "haversine, * rows, * threads: times faster than polars_ds": "haversine: times faster than a Rust plugin",
    "haversine, * rows, * threads: times faster than map_elements": "the same, than `map_elements`",
    "black_scholes_call, *: times faster than SciPy": "Black–Scholes, one thread: times faster than SciPy",
    "number out of *: times faster than a Polars expression on all threads": (
        "a number out of text, one thread: times faster than Polars on all threads"
    ),
    "EWMA, * rows × * int keys: times faster than *": "EWMA by key: times faster than `ewm_mean().over()`",
    "scan Parquet → haversine → sum, *: added time / the Rust plugin's": (
        "haversine between Parquet and a sum, streaming: time added / a Rust plugin's"
    ),
    "* → 2 plugins → Parquet: time / Polars copying the result": (
        "two plugins from Parquet to Parquet: time / Polars copying the result"
    ),
}


def headlines(figures: list[Figure]) -> list[str]:
    """Return the few figures of the README, as a table."""
    lines = ["| | |", "|---|--:|"]
    for pattern, words in HEADLINES.items():
        found = (one for one in figures if fnmatchcase(one.what, pattern))
        lines += [f"| {words} | {figure.cells[1]} |" for figure in found]
    return lines


def write(figures: list[Figure], machine: str) -> None:
    """Replace the tables in the documentation and in the README, and the chart."""
    performance.put(performance.PAGE, "figures", [f"{machine}.", "", *table(figures)])
    performance.put(performance.PAGE, "peers", performance.peers())
    performance.put(performance.README, "headlines", [f"{machine}.", "", *headlines(figures)])
    chart.draw()


def write_engines(figures: list[Figure], machine: str, *, whole: bool) -> None:
    """Replace the table of engines, or the lines of it that there are figures for."""
    lines = {figure.what: line(figure) for figure in figures}
    if not whole:
        there = performance.section(performance.ENGINES, "figures")
        rows = [row for row in there if row.startswith("| ")][len(HEADER) - 1 :]
        lines = {row.split(" | ")[0].removeprefix("| "): row for row in rows} | lines
    head = f"{machine}, {engines.versions()}."
    performance.put(performance.ENGINES, "figures", [head, "", *HEADER, *lines.values()])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_mutually_exclusive_group()
    data.add_argument("--quick", action="store_true", help="small data: does it run? limits don't count")
    data.add_argument("--short", action="store_true", help="a fifth of the rows, three repeats")
    data.add_argument("--write", action="store_true", help="put the tables into documentation and README")
    parser.add_argument("--only", metavar="NAME", help=f"one race, or one topic: {', '.join(TOPICS)}")
    given = parser.parse_args()
    if given.write and given.only and not is_of_engines(given.only):
        parser.error("--write: the table has all races, not those of --only")
    if not chosen(given.only):
        names = {race.__name__: None for race in chosen(None)}
        parser.error(f"--only: there is no topic or race {given.only!r}, but {', '.join([*TOPICS, *names])}")
    return given


def main() -> int:
    given = arguments()
    size = Size(scale=1, repeats=7)
    if given.short or given.quick:
        size = Size(scale=5, repeats=3) if given.short else Size(scale=50, repeats=1)
    machine = f"Polars {pl.__version__}, Numba {numba.__version__}, {pl.thread_pool_size()} threads"
    print(machine + (", quick: the figures mean nothing" if given.quick else ""), flush=True)
    figures, of_engines, broken = [], [], []
    for race in chosen(given.only):
        found = of_engines if race in engines.RACES else figures
        try:
            found += try_out(race, size) if given.quick else measure(race, size)
        except Exception:  # one race that breaks down doesn't lose the others' figures
            traceback.print_exc()
            broken.append(race.__name__)
    if given.write and not given.only:
        write(figures, machine)
    if given.write and of_engines:
        write_engines(of_engines, machine, whole=given.only in (None, "engines"))
    return report(figures + of_engines, broken, quick=given.quick)


def report(figures: list[Figure], broken: list[str], *, quick: bool) -> int:
    """Say what broke down and what is beyond its limit; return the exit code."""
    beyond = [] if quick else [figure for figure in figures if not figure.within_limit]
    if broken:
        print(f"\nBroken down: {', '.join(broken)}.")
    if quick:
        print(f"\n{len(figures)} figures; with --quick their aims and limits don't count.")
    else:
        short = sum(not figure.at_aim for figure in figures)
        print(f"\n{len(figures)} figures: {short} short of the aim, {len(beyond)} beyond the limit.")
    if beyond:
        print("", *table(beyond), sep="\n")
    return 1 if broken or beyond else 0


if __name__ == "__main__":
    sys.exit(main())
