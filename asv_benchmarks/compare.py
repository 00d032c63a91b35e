"""Every figure of the README, side by side in one run, as ratios.

    python asv_benchmarks/compare.py              # all, some minutes
    python asv_benchmarks/compare.py --quick      # small data, to see that it runs
    python asv_benchmarks/compare.py --short      # a fifth of the rows
    python asv_benchmarks/compare.py --only rows  # one topic
    python asv_benchmarks/compare.py --write      # and put the table into the README, with its chart

Machines are noisy, so each race alternates its contenders and takes medians; results are compared for
equality before anything is timed. A race that is lost stays in the table, with the reason as its note.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# What is measured as compiled must not come from an earlier run.
_cache = tempfile.TemporaryDirectory()
os.environ["DATAFLARE_VEC_CACHE_DIR"] = _cache.name

import chart
import numba
import polars as pl
from races import (
    batches,
    bounds,
    keys,
    manager,
    math,
    memory,
    peers,
    rows,
    start,
    streams,
    strings,
    tuning,
    vectors,
)
from races.common import Figure, Size

README = Path(__file__).parent.parent / "README.md"
TOPICS = {
    "rows": rows,
    "math": math,
    "strings": strings,
    "vectors": vectors,
    "keys": keys,
    "batches": batches,
    "memory": memory,
    "bounds": bounds,
    "tuning": tuning,
    "manager": manager,
    "streams": streams,
    "start": start,
    "peers": peers,
}


def write(figures: list[Figure], machine: str) -> None:
    """Replace the table in the README, and its chart."""
    text = README.read_text()
    begin, end = "<!-- figures -->\n", "<!-- end of figures -->"
    lines = ["| figure | ratio | aim | note |", "|---|--:|---|---|"]
    lines += [f"| {f.what} | {f.ratio:.2f} | {f.bar} | {f.note} |" for f in figures]
    head, rest = text.split(begin)
    tail = rest.partition(end)[2]
    README.write_text(f"{head}{begin}\n{machine}.\n\n" + "\n".join(lines) + f"\n\n{end}{tail}")
    chart.draw()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small data: does it run?")
    parser.add_argument("--short", action="store_true", help="a fifth of the rows, three repeats")
    parser.add_argument("--only", choices=TOPICS, help="one topic")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    size = Size(scale=1, repeats=7)
    if arguments.short or arguments.quick:
        size = Size(scale=5, repeats=3) if arguments.short else Size(scale=50, repeats=1)
    machine = f"Polars {pl.__version__}, Numba {numba.__version__}, {pl.thread_pool_size()} threads"
    print(machine + (", quick: the figures mean nothing" if arguments.quick else ""), flush=True)
    figures = []
    broken = False
    for name, topic in TOPICS.items():
        if arguments.only in (None, name):
            for race in topic.RACES:
                try:
                    for figure in race(size):
                        print(figure, flush=True)
                        figures.append(figure)
                except Exception:  # one race that breaks down doesn't lose the others' figures
                    traceback.print_exc()
                    broken = True
    if arguments.write:
        write(figures, machine)
    if broken:
        sys.exit(1)


if __name__ == "__main__":
    main()
