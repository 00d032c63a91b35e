"""Vector kernels over Array and List columns, and in numbers of other widths."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from testing import formulas

WIDTH = 37  # not a multiple of any register


@pytest.fixture(scope="module")
def vectors():
    a, b = np.random.default_rng(4).normal(size=(2, 300, WIDTH))
    b[7] = 0.0
    return a, b


def frame(a, b, dtype):
    inner = {pl.Array: pl.Array(pl.Float64, WIDTH), pl.List: pl.List(pl.Float64)}[dtype]
    return pl.DataFrame({"a": pl.Series(a.tolist(), dtype=inner), "b": pl.Series(b.tolist(), dtype=inner)})


def apply(df, name, **bindings):
    return dfv.apply(df, name, keep=False, **bindings).to_series().to_numpy()


@pytest.mark.parametrize("dtype", [pl.Array, pl.List])
def test_lists_are_as_good_as_arrays(vectors, dtype):
    a, b = vectors
    df = frame(a, b, dtype)
    for name in ("cosine", "dot", "euclidean"):
        expected = getattr(formulas, name)(a, b)
        np.testing.assert_allclose(apply(df, name), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "hamming_bits"])
def test_vectors_of_different_lengths_fail(name):
    inner = pl.List(pl.UInt8) if name == "hamming_bits" else pl.List(pl.Float64)
    df = pl.DataFrame({"a": [[1, 2]], "b": [[1]]}, schema={"a": inner, "b": inner})
    with pytest.raises(dfv.RowError, match="length"):
        dfv.apply(df, name)


@pytest.mark.parametrize("inner", [pl.UInt8, pl.Int8, pl.Int32, pl.UInt64, pl.Int64])
def test_hamming_bits(inner):
    bytes_a, bytes_b = np.random.default_rng(5).integers(0, 256, (2, 50, 32), np.uint8)
    expected = np.unpackbits(bytes_a ^ bytes_b, axis=1).sum(axis=1)
    numpy = pl.Series([], dtype=inner).to_numpy().dtype
    a, b = bytes_a.view(numpy), bytes_b.view(numpy)
    df = pl.DataFrame({"a": a, "b": b})
    assert apply(df, "hamming_bits").tolist() == expected.tolist()
    plain = next(p for p in dfv.plugins() if p.name == "hamming_bits")
    assert plain(a[0], b[0]) == expected[0]


def test_quantise(vectors):
    a, _ = vectors
    df = pl.DataFrame({"a": np.vstack([a, np.zeros(WIDTH)])})
    got = np.array(dfv.apply(df, "quantise")["quantise"].to_list())
    assert not got[-1].any()
    expected = np.rint(a / np.abs(a).max(axis=1, keepdims=True) * 127)
    np.testing.assert_array_equal(got[:-1], expected)


def test_cosine_of_quantised_vectors_is_near(vectors):
    a, b = vectors
    df = frame(a, b, pl.Array).with_columns(qa=dfv.expr("quantise", "a"), qb=dfv.expr("quantise", "b"))
    floats = df.with_columns(pl.col("qa", "qb").cast(pl.List(pl.Float64)))
    near, exact = apply(floats, "cosine", a="qa", b="qb"), apply(df, "cosine")
    there = ~np.isnan(exact)
    np.testing.assert_allclose(near[there], exact[there], atol=0.01)


@pytest.mark.parametrize("k", [1, 10, 64])
def test_nearest(vectors, k):
    a, b = vectors
    rows = np.arange(len(b))
    dtype = pl.Array(pl.Float64, WIDTH)
    df = pl.DataFrame({"key": rows, "a": b})
    got = dfv.apply(df, "nearest", b=pl.lit(pl.Series([a[0]], dtype=dtype)), k=k)
    with np.errstate(invalid="ignore"):
        similar = b @ a[0] / np.linalg.norm(b, axis=1) / np.linalg.norm(a[0])
    order = np.argsort(np.where(np.isnan(similar), math.inf, -similar))[:k]
    assert got["keys"].item().to_list() == rows[order].tolist()
    np.testing.assert_allclose(got["similarities"].item().to_numpy(), similar[order], rtol=1e-12)


def test_nearest_by_key_and_in_blocks(vectors):
    _, b = vectors
    many = pl.DataFrame({"key": np.arange(90_000), "a": np.tile(b, (300, 1))})
    query = pl.lit(pl.Series([b[3]], dtype=many["a"].dtype))
    got = dfv.apply(many, "nearest", b=query, k=3)
    assert got["keys"].item().to_list() == [3, 303, 603]  # equal ones in the order of rows
    alternating = many.with_columns(side=pl.col("key") // 300 % 2)
    by_side = dfv.apply(alternating, "nearest", b=query, k=2, by="side")
    assert by_side.sort("side")["keys"].to_list() == [[3, 603], [303, 903]]


def test_nearest_of_too_many():
    df = pl.DataFrame({"key": [1], "a": [[1.0]]})
    with pytest.raises(dfv.RowError, match="k must be 1 to 64"):
        dfv.apply(df, "nearest", b="a", k=65)
