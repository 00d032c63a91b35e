"""The one table of peers: which libraries say the same as a ready-made kernel, and how they are called.

`tests/kernels/test_peers.py` compares values by it, `asv_benchmarks/races/peers.py` races by it, and
`testing/performance.py` makes the table of peers in `docs/performance.md` of it.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any

import duckdb
import jellyfish
import mmh3
import numpy as np
import polars as pl
import polars_distance as pld
import polars_ds as pds
import polars_hash as plh
import polars_strsim as strsim
import xxhash
from rapidfuzz.distance import OSA, Hamming, Jaro, JaroWinkler, Levenshtein
from scipy import special, stats
from stdnum import iban, luhn

from testing import formulas, inputs
from testing.calls import arrays, duck, each, encoded, expression, fuzz, pandas
from testing.comparison import Comparison, Peer

a, b, x = pl.col("a"), pl.col("b"), pl.col("x")
_NOT_BOTH_EMPTY = (a != "") | (b != "")
_EMPTY = "there two empty strings have nothing in common"
_BYTES = "before 2.0 bytes are compared"  # and 1.5 is the last for Python 3.10
_SAME_IN_DUCKDB = pl.lit(int(duckdb.__version__.partition(".")[0]) >= 2) | (
    (a.str.len_bytes() == a.str.len_chars()) & (b.str.len_bytes() == b.str.len_chars())
)
_QUANTILES: tuple[dict[str, Any], ...] = ({}, *({"q": q} for q in (0.0, 0.01, 0.25, 0.9, 0.999, 1.0)))

TABLE = (
    # text
    Comparison(
        "levenshtein",
        inputs.name_pairs,
        (
            Peer("polars_ds", expression(pds.str_leven("a", "b")), least=0.9),
            Peer("polars_distance", expression(pld.col("a").dist_str.levenshtein("b")), least=1),
            Peer("rapidfuzz", fuzz(Levenshtein.distance), least=2.4),
            Peer("DuckDB", duck("levenshtein"), where=_SAME_IN_DUCKDB, least=5.5, differs=_BYTES),
            Peer("jellyfish", each(jellyfish.levenshtein_distance, pl.Int64)),
        ),
        rows=1_000_000,
    ),
    Comparison(
        "levenshtein_similarity",
        inputs.name_pairs,
        (
            Peer("polars_strsim", expression(strsim.levenshtein("a", "b")), rtol=1e-12, least=2),
            Peer("rapidfuzz", fuzz(Levenshtein.normalized_similarity), rtol=1e-12),
        ),
        rows=1_000_000,
    ),
    Comparison(
        "damerau_levenshtein",
        inputs.name_pairs,
        (
            Peer("polars_ds", expression(pds.str_osa("a", "b")), least=0.7),
            Peer("polars_distance", expression(pld.col("a").dist_str.osa("b")), least=0.85),
            Peer("rapidfuzz", fuzz(OSA.distance), least=2),
        ),
        rows=1_000_000,
    ),
    Comparison(
        "jaro",
        inputs.name_pairs,
        (
            Peer("polars_ds", expression(pds.str_jaro("a", "b")), rtol=1e-12, least=0.65),
            Peer("polars_strsim", expression(strsim.jaro("a", "b")), rtol=1e-12, least=0.7),
            Peer("rapidfuzz", fuzz(Jaro.similarity), rtol=1e-12, least=1.2),
            Peer(
                "DuckDB",
                duck("jaro_similarity"),
                rtol=1e-12,
                where=_NOT_BOTH_EMPTY & _SAME_IN_DUCKDB,
                least=0.6,
                differs=f"{_EMPTY}, and {_BYTES}",
            ),
            Peer(
                "jellyfish",
                each(jellyfish.jaro_similarity, pl.Float64),
                rtol=1e-12,
                where=_NOT_BOTH_EMPTY,
                differs=_EMPTY,
            ),
        ),
        rows=1_000_000,
    ),
    Comparison(
        "jaro_winkler",
        inputs.name_pairs,
        (
            Peer("polars_ds", expression(pds.str_jw("a", "b")), rtol=1e-12, least=0.65),
            Peer("polars_strsim", expression(strsim.jaro_winkler("a", "b")), rtol=1e-12, least=0.75),
            Peer("rapidfuzz", fuzz(JaroWinkler.similarity), rtol=1e-12, least=1.2),
            Peer(
                "DuckDB",
                duck("jaro_winkler_similarity"),
                rtol=1e-12,
                where=_NOT_BOTH_EMPTY & _SAME_IN_DUCKDB,
                least=0.65,
                differs=f"{_EMPTY}, and {_BYTES}",
            ),
            Peer(
                "jellyfish",
                each(jellyfish.jaro_winkler_similarity, pl.Float64),
                rtol=1e-12,
                where=_NOT_BOTH_EMPTY,
                differs=_EMPTY,
            ),
        ),
        rows=1_000_000,
    ),
    Comparison(
        "longest_common_substring",
        inputs.name_pairs,
        (Peer("polars_ds", expression(pds.str_lcs_substr("a", "b").str.len_chars()), least=2.5),),
        rows=200_000,
    ),
    Comparison(
        "hamming",
        inputs.pairs_of_one_length,
        (
            Peer("rapidfuzz", fuzz(Hamming.distance)),
            Peer("jellyfish", each(jellyfish.hamming_distance, pl.Int64)),
        ),
    ),
    Comparison("soundex", inputs.words, (Peer("jellyfish", each(jellyfish.soundex, pl.String)),)),
    Comparison(
        "metaphone",
        inputs.words,
        (
            Peer(
                "jellyfish",
                each(jellyfish.metaphone, pl.String),
                agree=0.98,
                differs="the published rules leave GH, CH and final GN open",
            ),
        ),
    ),
    Comparison(
        "luhn",
        inputs.card_numbers,
        (
            Peer(
                "python-stdnum",
                each(luhn.is_valid, pl.Boolean),
                where=pl.col("number").str.len_bytes() > 1,
                differs="there a single 0 is a number",
            ),
        ),
    ),
    Comparison("iban_check", inputs.bank_accounts, (Peer("python-stdnum", each(iban.is_valid, pl.Boolean)),)),
    # hashing
    Comparison(
        "xxhash64",
        inputs.names,
        (
            Peer("polars_hash", expression(plh.col("data").nchash.xxhash64), least=0.55),
            Peer("xxhash", encoded(xxhash.xxh64_intdigest, pl.UInt64), least=7),
        ),
        rows=2_000_000,
        bindings=({}, {"seed": 2**63 - 1}),
    ),
    Comparison(
        "murmur3",
        inputs.names,
        (
            Peer("polars_hash", expression(plh.col("data").nchash.murmur32), least=0.55),
            Peer("mmh3", encoded(partial(mmh3.hash, signed=False), pl.UInt32)),
        ),
        rows=2_000_000,
        bindings=({}, {"seed": 2**32 - 1}),
    ),
    Comparison(
        "crc32", inputs.names, (Peer("zlib", encoded(zlib.crc32, pl.UInt32), least=4),), rows=2_000_000
    ),
    # series
    Comparison(
        "ewma",
        inputs.prices,
        (
            Peer("Polars", expression(lambda alpha=0.1: x.ewm_mean(alpha=alpha)), rtol=1e-9, least=1.4),
            Peer("pandas", pandas(lambda s, alpha=0.1: s.ewm(alpha=alpha).mean(), "x"), rtol=1e-9, least=2.2),
        ),
        rows=5_000_000,
        bindings=({}, {"alpha": 0.5}),
    ),
    Comparison(
        "ewma",
        inputs.prices,
        (Peer("Polars", expression(x.ewm_mean(alpha=0.1).over("group")), rtol=1e-9, least=2.5),),
        rows=5_000_000,
        by="group",
    ),
    Comparison(
        "rolling_median",
        inputs.prices,
        (
            Peer(
                "Polars",
                expression(lambda window=5: x.rolling_median(window, min_samples=1)),
                rtol=1e-12,
                least=1.4,
            ),
            Peer(
                "pandas",
                pandas(lambda s, window=5: s.rolling(window, min_periods=1).median(), "x"),
                rtol=1e-12,
                least=2.6,
            ),
        ),
        rows=2_000_000,
        bindings=({}, {"window": 64}, {"window": 2}),
    ),
    Comparison(
        "drawdown",
        inputs.prices,
        (
            Peer(
                "Polars",
                expression(pl.col("price") / pl.col("price").cum_max() - 1),
                rtol=1e-12,
                atol=1e-15,
                least=3,
            ),
        ),
        rows=5_000_000,
    ),
    Comparison(
        "sessionise",
        inputs.prices,
        (Peer("Polars", expression(formulas.sessions(pl.col("time")).over("group")), least=3.3),),
        rows=5_000_000,
        by="group",
    ),
    Comparison("hysteresis", inputs.noise, (Peer("Polars", expression(formulas.hysteresis(x))),)),
    Comparison(
        "macd",
        inputs.prices,
        (Peer("Polars", expression(*formulas.macd(pl.col("price"))), rtol=1e-9, atol=1e-12),),
    ),
    # sketches
    Comparison(
        "welford",
        inputs.samples,
        (Peer("Polars", expression(x.count(), x.mean(), x.var()), rtol=1e-12, least=0.6),),
        rows=5_000_000,
    ),
    Comparison(
        "skewness",
        inputs.samples,
        (
            Peer("Polars", expression(x.skew()), rtol=1e-9, least=0.6),
            Peer("SciPy", arrays(stats.skew, "x"), rtol=1e-9),
        ),
        rows=5_000_000,
    ),
    Comparison(
        "kurtosis",
        inputs.samples,
        (
            Peer("Polars", expression(x.kurtosis()), rtol=1e-9, least=0.6),
            Peer("SciPy", arrays(stats.kurtosis, "x"), rtol=1e-9),
        ),
        rows=5_000_000,
    ),
    Comparison(
        "approx_distinct",
        inputs.samples,
        (
            Peer(
                "Polars approx_n_unique",
                expression(pl.col("key").approx_n_unique()),
                rtol=0.05,
                least=0.8,
            ),
            Peer("Polars n_unique, exact", expression(pl.col("key").n_unique()), rtol=0.05, least=2),
        ),
        rows=5_000_000,
    ),
    Comparison(
        "approx_quantile",
        inputs.samples,
        (
            Peer(
                "Polars quantile, exact",
                expression(lambda q=0.5: x.quantile(q)),
                rtol=0.0101,
                least=0.6,
            ),
            Peer(
                "NumPy", arrays(lambda v, q=0.5: np.quantile(v, q, method="inverted_cdf"), "x"), rtol=0.0101
            ),
        ),
        rows=5_000_000,
        bindings=_QUANTILES,
    ),
    Comparison(
        "weighted_median",
        inputs.samples,
        (Peer("NumPy", arrays(formulas.weighted_median, "x", "weight"), rtol=0.0101),),
    ),
    # vectors
    Comparison(
        "cosine",
        inputs.wide_embeddings,
        (
            Peer("polars_distance", expression(1 - pld.col("a").dist_arr.cosine("b")), atol=1e-6, least=6),
            Peer("NumPy", arrays(formulas.cosine), atol=1e-6, least=1.2),
        ),
        rows=200_000,
        threads=True,
    ),
    Comparison(
        "dot",
        inputs.embeddings,
        (
            Peer(
                "NumPy",
                arrays(formulas.dot),
                rtol=1e-3,
                atol=1e-3,
                least=0.5,
                lost="both read at the speed of the memory",
            ),
        ),
        rows=100_000,
    ),
    Comparison(
        "euclidean",
        inputs.embeddings,
        (
            Peer("polars_distance", expression(pld.col("a").dist_arr.euclidean("b")), rtol=1e-5, least=2.7),
            Peer("NumPy", arrays(formulas.euclidean), rtol=1e-5, least=1.7),
        ),
        rows=100_000,
    ),
    Comparison(
        "hamming_bits",
        inputs.codes,
        (Peer("NumPy", arrays(formulas.different_bits), least=3.3),),
        rows=2_000_000,
    ),
    # geo
    Comparison(
        "haversine",
        inputs.coordinates,
        (
            Peer(
                "polars_ds",
                expression(lambda radius: pds.haversine("lat1", "lon1", "lat2", "lon2")),
                rtol=1e-7,
                least=6,
                aim=15,
            ),
            Peer("Polars", expression(formulas.haversine_expression), rtol=1e-7, least=4, aim=10),
            Peer("NumPy", arrays(formulas.haversine), rtol=1e-7, least=9, aim=15),
        ),
        rows=10_000_000,
        bindings=({"radius": 6371.0},),  # that of polars_ds
        threads=True,
    ),
    # finance
    Comparison(
        "black_scholes_call",
        inputs.options,
        (Peer("SciPy", arrays(formulas.black_scholes_call), atol=1e-11, least=2.3, aim=10),),
        rows=10_000_000,
    ),
    # stats
    Comparison("normal_pdf", inputs.reals, (Peer("SciPy", arrays(stats.norm.pdf), rtol=1e-13),)),
    Comparison("normal_cdf", inputs.reals, (Peer("SciPy", arrays(special.ndtr), rtol=1e-12),)),
    Comparison("normal_quantile", inputs.probabilities, (Peer("SciPy", arrays(special.ndtri), rtol=2e-15),)),
    Comparison("expit", inputs.reals, (Peer("SciPy", arrays(special.expit), rtol=1e-15),)),
    Comparison("logit", inputs.probabilities, (Peer("SciPy", arrays(special.logit), rtol=2e-15),)),
    Comparison("softplus", inputs.reals, (Peer("NumPy", arrays(partial(np.logaddexp, 0.0)), rtol=1e-15),)),
    Comparison("gelu", inputs.reals, (Peer("SciPy", arrays(lambda v: v * special.ndtr(v)), rtol=1e-12),)),
)
