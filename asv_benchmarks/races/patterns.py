"""Regular expressions: the same by Polars' own engine on all threads, and by Python's `re` row by row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

import dataflare_vec as dfv

from .common import ONE_THREAD, Figure, Size, at_least, timed
from .strings import against, by_element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE = re.compile(r'^(\S+) \S+ \S+ \[([^\]]+)\] "([A-Z]+) ')

#: Patterns of public benchmarks of regular expressions (rebar's, by A. Gallant), and one that takes
#: backtracking engines exponential time.
PATTERNS = {
    "a literal": "Sherlock Holmes",
    "in any case": "(?i)sherlock holmes",
    "names": "Sherlock Holmes|John Watson|Irene Adler|Inspector Lestrade|Professor Moriarty",
    "a word before": r"\w+\s+Holmes",
    "long words": r"\b\w{12,}\b",
    "a suffix": "[a-z]shing",
    "quotes": r"[\"'][^\"']{0,30}[?!.][\"']",
    "addresses": r"[\w.+-]+@[\w.-]+\.[\w.-]+",
    "URIs": r"\w+://[^/\s?#]+[^\s?#]+(?:\?[^\s#]*)?(?:#[^\s]*)?",
    "numbers of hosts": r"(?:(?:25[0-5]|2[0-4]\d|[01]?\d\d)\.){3}(?:25[0-5]|2[0-4]\d|[01]?\d\d)",
    "evil": "(?:x+x+)+y",
}

_WORDS = (
    *("the man whom Sherlock met said nothing of John Watson nor of any street near Baker Street".split()),
    *("fishing establishments incomprehensible 'Never!' \"who?\" xxxxxxxxxxxxxxxxxxxx 10.2.3 7 at".split()),
)
_RARE = (
    *("Sherlock Holmes", "sherlock holmes", "Irene Adler", "write to mail@example.org", "127.255.10.20"),
    *("see https://example.org/a?b=c#d", "\"What?\"", "washing", "xxxxy"),
)  # fmt: skip


def requests(rows: int) -> pl.DataFrame:
    """Lines of an nginx server's log."""
    random = np.random.default_rng(11)
    hosts, sizes, minutes = (random.integers(1, most, rows).tolist() for most in (255, 99_999, 60))
    paths = random.choice(["/", "/apache_pb.gif", "/search?q=compiled+kernels", "/a/long/path/to/page"], rows)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"
    return pl.DataFrame(
        {
            "line": [
                f"10.0.{a}.7 - frank [10/Oct/2000:13:{c:02d}:36 -0700] "
                f'"GET {path} HTTP/1.1" 200 {b} "-" "{agent}"'
                for a, b, c, path in zip(hosts, sizes, minutes, paths, strict=True)
            ]
        }
    )


def prose(rows: int) -> pl.DataFrame:
    """Lines of words, a few of which hold what is looked for."""
    random = np.random.default_rng(12)
    words = [" ".join(random.choice(_WORDS, 14)) for _ in range(1000)]
    rare = random.choice(_RARE, rows)
    chosen = zip(random.integers(0, 1000, rows).tolist(), rare, random.random(rows), strict=True)
    return pl.DataFrame({"s": [f"{words[i]} {one if r < 0.05 else ''} {words[-i]}" for i, one, r in chosen]})


def host_time_and_verb(line: str):
    m = LINE.search(line)
    return None if m is None else m.groups()


def three_groups(size: Size) -> Iterator[Figure]:
    frame = requests(size.rows(300_000))
    part = frame[: max(frame.height // 20, 1000)]
    kernel = dfv.register("race_three_groups", host_time_and_verb, replace=True)
    dtype = pl.List(pl.String)

    def own() -> Any:
        return dfv.run(frame, kernel, keep=False, config=ONE_THREAD).frame

    def theirs() -> pl.DataFrame:
        return frame.select(pl.col("line").str.extract_groups(LINE.pattern)).unnest("line")

    def in_python() -> pl.Series:
        return by_element(part, lambda line: list(host_time_and_verb(line)), dtype)

    assert own().rows() == theirs().rows()
    assert list(map(list, own()[: part.height].rows())) == in_python().to_list()
    taken, polars, python = timed([own, theirs, in_python], size.repeats)
    python *= frame.height / part.height
    ns = 1e9 / frame.height
    name = f"three groups of a log line, {frame.height:,} rows, one thread: times faster than"
    for other, their, aim in ((polars, "extract_groups on all threads", 2), (python, "map_elements", 15)):
        note = f"{taken * ns:.0f} ns a row against {other * ns:.0f}"
        yield Figure(f"{name} {their}", other / taken, at_least(aim), note)


def _found(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)

    def found(s: str):
        return compiled.search(s) is not None

    return found


def public_patterns(size: Size) -> Iterator[Figure]:
    frame = prose(size.rows(200_000))
    ratios = {}
    for name, pattern in PATTERNS.items():
        kernel = dfv.register("race_" + re.sub(r"\W", "_", name), _found(pattern), replace=True)
        expression = pl.col("s").str.contains(pattern)

        def own(kernel: Any = kernel) -> pl.Series:
            return dfv.apply(frame, kernel, keep=False).to_series()

        def theirs(expression: pl.Expr = expression) -> pl.Series:
            return frame.select(expression).to_series()

        assert own().equals(theirs())
        taken, polars = timed([own, theirs], size.repeats)
        ratios[name] = polars / taken
    yield Figure(
        f"{len(PATTERNS)} public patterns looked for in {frame.height:,} rows: least times faster than "
        "Polars' regex",
        min(ratios.values()),
        at_least(0.7),
        ", ".join(f"{name} {ratio:.1f}" for name, ratio in sorted(ratios.items(), key=lambda one: one[1])),
    )


def one_space(s: str):
    return re.sub(r"\s+", " ", s)


def swapped(line: str):
    return re.sub(r"(\d+)/(\w+)/(\d+)", r"\3-\2-\1", line)


def substitution(size: Size) -> Iterator[Figure]:
    frame = prose(size.rows(200_000))
    expression = pl.col("s").str.replace_all(r"\s+", " ")
    bars = at_least(6, aim=10), at_least(1.5)
    yield from against(size, 're.sub(r"\\s+", " ", s)', frame, one_space, expression, bars)
    frame = requests(size.rows(200_000))
    expression = pl.col("line").str.replace_all(r"(\d+)/(\w+)/(\d+)", "${3}-${2}-${1}")
    bars = at_least(8, aim=10), at_least(0.5)
    yield from against(size, "re.sub with groups", frame, swapped, expression, bars)


RACES = (three_groups, public_patterns, substitution)
