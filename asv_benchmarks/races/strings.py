"""Strings: ordinary Python code on them, against the same by row in Python and by Polars' own expressions."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import dataflare_vec as dfv

from .common import ONE_THREAD, Figure, Size, at_least, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .common import Bar

#: Of the rows, the share that `map_elements` is timed on.
_SHARE = 20


def square_feet(s: str):
    """Return the number before "sqft"."""
    end = s.find(" sqft")
    if end < 0:
        return None
    return int(s[s.rfind(" ", 0, end) + 1 : end].replace(",", ""))


def titled(s: str):
    """Return a name in title case, but for a prefix that stays as it is."""
    if s.startswith("de "):
        return s
    return s.title()


def word(line: str):
    """Return the words of a line, each a row of its own."""
    return line.split(" ")


def has_error(line: str):
    return "error" in line


def upper(line: str):
    return line.upper()


def _plugin(function: Callable[..., Any], kind: str = "transformer") -> Any:
    return dfv.register(f"race_{function.__name__}", function, plugin_type=kind, replace=True)


def homes(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(3)
    beds, baths, feet = (random.integers(1, most, rows) for most in (9, 5, 9999))
    parts = zip(beds.tolist(), baths.tolist(), (feet + 300).tolist(), strict=True)
    return pl.DataFrame({"s": [f"{bed} bds , {bath} ba , {size:,} sqft" for bed, bath, size in parts]})


def names(rows: int) -> pl.DataFrame:
    random = np.random.default_rng(4)
    first = np.array(["john", "MARY", "de", "van", "o'neil", "anna-lena"])[random.integers(0, 6, rows)]
    last = np.array(["smith", "JONES", "berg", "garcia marquez"])[random.integers(0, 4, rows)]
    return pl.DataFrame({"a": first, "b": last}).select(s=pl.col("a") + " " + pl.col("b"))


def log_lines(rows: int) -> pl.DataFrame:
    texts = (
        "connection established from 10.0.0.1 port 22",
        "an error occurred while reading block",
        "request handled in 12 ms",
    )
    kinds = np.random.default_rng(5).integers(0, len(texts), rows).tolist()
    return pl.DataFrame(
        {
            "line": [
                f"2026-01-{i % 28 + 1:02d} host{i % 9} service[{i % 997}]: {texts[k]}"
                for i, k in enumerate(kinds)
            ]
        }
    )


def by_element(frame: pl.DataFrame, function: Callable[..., Any], dtype: Any) -> pl.Series:
    """Call a function with each value of a frame's first column, as `map_elements` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pl.exceptions.PolarsInefficientMapWarning)
        return frame.select(pl.col(frame.columns[0]).map_elements(function, return_dtype=dtype)).to_series()


def against(
    size: Size,
    what: str,
    frame: pl.DataFrame,
    function: Callable[..., Any],
    expression: pl.Expr,
    bars: tuple[Bar, Bar],
) -> Iterator[Figure]:
    """Race a kernel on one thread with `map_elements`, and with a Polars expression on all threads."""
    plugin = _plugin(function)
    dtype = frame.lazy().select(expression).collect_schema().dtypes()[0]
    part = frame[: max(frame.height // _SHARE, 1000)]
    own = dfv.run(frame, plugin, keep=False, config=ONE_THREAD).frame.to_series()
    assert own.equals(frame.select(expression).to_series())
    assert own[: part.height].equals(by_element(part, function, dtype))
    taken, theirs, in_python = timed(
        [
            lambda: dfv.run(frame, plugin, keep=False, config=ONE_THREAD),
            lambda: frame.select(expression),
            lambda: by_element(part, function, dtype),
        ],
        size.repeats,
    )
    in_python *= frame.height / part.height
    nanoseconds = 1e9 / frame.height
    note = f"{taken * nanoseconds:.1f} ns a row against"
    rows = f"{what}, {frame.height:,} rows, one thread"
    yield Figure(
        f"{rows}: times faster than map_elements",
        in_python / taken,
        bars[0],
        f"{note} {in_python * nanoseconds:.0f}",
    )
    yield Figure(
        f"{rows}: times faster than a Polars expression on all threads",
        theirs / taken,
        bars[1],
        f"{note} {theirs * nanoseconds:.1f}",
    )


def number_out_of_text(size: Size) -> Iterator[Figure]:
    expression = (
        pl.col("s").str.extract(r"([\d,]+) sqft").str.replace_all(",", "", literal=True).cast(pl.Int64)
    )
    yield from against(
        size,
        "number out of “… 1,560 sqft”",
        homes(size.rows(2_000_000)),
        square_feet,
        expression,
        (at_least(14, aim=40), at_least(3.2, aim=8)),
    )


def title_case_with_a_rule(size: Size) -> Iterator[Figure]:
    s = pl.col("s")
    expression = pl.when(s.str.starts_with("de ")).then(s).otherwise(s.str.to_titlecase())
    yield from against(
        size,
        "title case with a rule",
        names(size.rows(2_000_000)),
        titled,
        expression,
        (at_least(7, aim=10), at_least(2)),
    )


def upper_case(size: Size) -> Iterator[Figure]:
    expression = pl.col("line").str.to_uppercase()
    yield from against(
        size,
        "upper case of log lines",
        log_lines(size.rows(2_000_000)),
        upper,
        expression,
        (at_least(7), at_least(1.6, aim=3)),
    )


def filter_times(rows: int, repeats: int, config: dfv.BatchConfig | None = None) -> list[float]:
    """Return the seconds of a filter of lines, and those of Polars."""
    frame = log_lines(rows)
    plugin = _plugin(has_error, "filter")
    expression = pl.col("line").str.contains("error", literal=True)
    assert dfv.run(frame, plugin, config=config).frame.equals(frame.filter(expression))
    return timed([lambda: dfv.run(frame, plugin, config=config), lambda: frame.filter(expression)], repeats)


def _filter_times_of_one_thread(rows: int, repeats: int) -> list[float]:
    """Return the same of a process in which Polars has one thread."""
    code = f"from races.strings import *; print(*filter_times({rows}, {repeats}, ONE_THREAD))"
    variables = {
        **os.environ, "POLARS_MAX_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, check=True)
    return [float(word) for word in done.stdout.split()]


def filter_of_lines(size: Size) -> Iterator[Figure]:
    rows = size.rows(2_000_000)
    for threads, times in (("one thread", _filter_times_of_one_thread), ("all threads", filter_times)):
        taken, theirs = times(rows, size.repeats)
        yield Figure(
            f"lines with “error”, {rows:,} rows: times faster than Polars, both on {threads}",
            theirs / taken,
            at_least(0.8, aim=1.2),
            f"{taken / rows * 1e9:.1f} ns a row against {theirs / rows * 1e9:.1f}",
        )


def words_of_lines(size: Size) -> Iterator[Figure]:
    """Race an explode, with the other columns repeated, with Polars' expressions and with plain Python."""
    frame = log_lines(size.rows(500_000)).with_row_index("id")
    plugin = _plugin(word, "exploder")
    part = frame[: max(frame.height // _SHARE, 1000)]

    def of_polars() -> pl.DataFrame:
        return frame.with_columns(pl.col("line").str.split(" ").alias("word")).explode("word")

    def of_python() -> pl.DataFrame:
        rows = [(i, line, one) for i, line in part.iter_rows() for one in word(line)]
        return pl.DataFrame(rows, schema={**part.schema, "word": pl.String}, orient="row")

    def own() -> pl.DataFrame:
        return dfv.run(frame, plugin, output="word", config=ONE_THREAD).frame

    assert own().equals(of_polars())
    taken, theirs, in_python = timed([own, of_polars, of_python], size.repeats)
    in_python *= frame.height / part.height
    nanoseconds = 1e9 / frame.height
    rows = f"words of log lines, {frame.height:,} rows, one thread"
    note = f"{taken * nanoseconds:.0f} ns a line against"
    yield Figure(
        f"{rows}: times faster than Python, row by row",
        in_python / taken,
        at_least(6, aim=10),
        f"{note} {in_python * nanoseconds:.0f}",
    )
    yield Figure(
        f"{rows}: times faster than Polars' split and explode on all threads",
        theirs / taken,
        at_least(0.4, aim=1),
        f"{note} {theirs * nanoseconds:.0f}",
    )


RACES = (number_out_of_text, title_case_with_a_rule, upper_case, filter_of_lines, words_of_lines)
