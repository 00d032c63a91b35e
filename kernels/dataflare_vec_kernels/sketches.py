"""Statistics of many rows from a state of fixed size, one row out or one for each key."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

import dataflare_vec as dfv
from dataflare_vec.bits import add, float_bits, leading_zeros, multiply, word


class Moments(NamedTuple):
    """Count, mean, and sums of powers of the distances from the mean."""

    n: float
    mean: float
    m2: float
    m3: float
    m4: float


class Sums(NamedTuple):
    """Moments of most rows; of the last ones, sums of powers of the distances from ``shift``."""

    before: Moments
    shift: float
    n: float
    s1: float
    s2: float
    s3: float
    s4: float


NO_ROWS = Sums(Moments(0.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

#: Rows whose sums are kept before they go into the moments: divisions take longer than all the rest, and
#: the fewer rows, the less of the sums' digits can cancel.
_FEW = 64


def _with(s, x):
    """Sums with one more value."""
    shift = s.shift
    if s.n == 0.0:
        near = s.before.mean if s.before.n > 0.0 else x * 1.0
        shift = near if math.isfinite(near) else 0.0
    d = x - shift
    square = d * d
    s = Sums(s.before, shift, s.n + 1.0, s.s1 + d, s.s2 + square, s.s3 + square * d, s.s4 + square * square)
    return s if s.n < _FEW else Sums(_moments(s), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def _with_block(s, x):
    """Moments with an array of values.

    Sums are taken around the first one: if it is far from the others, that makes most of the moments, too.
    """
    first = float(x[0])
    shift = first if math.isfinite(first) else 0.0
    s1, s2, s3, s4 = dfv.vectors.power_sums(x, shift)
    both = _moments(Sums(_moments(s), shift, float(len(x)), s1, s2, s3, s4))
    return Sums(both, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def _moments(s):
    """Moments of all rows."""
    if s.n == 0.0:
        return s.before
    m = s.s1 / s.n
    m2 = s.s2 - m * s.s1
    m3 = s.s3 - 3.0 * m * s.s2 + 2.0 * m * m * s.s1
    m4 = s.s4 - 4.0 * m * s.s3 + 6.0 * m * m * s.s2 - 3.0 * m * m * m * s.s1
    return _of_both(s.before, Moments(s.n, s.shift + m, m2, m3, m4))


def _of_both(a, b):
    """Moments of two parts of the rows."""
    if a.n == 0.0:
        return b
    if b.n == 0.0:
        return a
    n = a.n + b.n
    delta = b.mean - a.mean
    part = delta / n
    m2 = a.m2 + b.m2 + delta * part * a.n * b.n
    m3 = a.m3 + b.m3 + delta * part * part * a.n * b.n * (a.n - b.n) + 3.0 * part * (a.n * b.m2 - b.n * a.m2)
    m4 = (
        a.m4
        + b.m4
        + delta * part**3 * a.n * b.n * (a.n * a.n - a.n * b.n + b.n * b.n)
        + 6.0 * part * part * (a.n * a.n * b.m2 + b.n * b.n * a.m2)
        + 4.0 * part * (a.n * b.m3 - b.n * a.m3)
    )
    mean = a.mean + part * b.n if math.isfinite(a.mean) else a.mean + b.mean
    return Moments(n, mean, m2, m3, m4)


def _together(a, b):
    return Sums(_of_both(_moments(a), _moments(b)), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Spread(NamedTuple):
    """Mean and spread of a column."""

    count: int
    mean: float
    variance: float


def _spread(sums):
    s = _moments(sums)
    mean = s.mean if s.n > 0.0 else math.nan
    return Spread(int(s.n), mean, s.m2 / (s.n - 1.0) if s.n > 1.0 else math.nan)


@dfv.reduce(init=NO_ROWS, merge=_together, finish=_spread, block=_with_block, author="dataflare_vec")
def welford(state, x):
    """Count, mean and variance in one pass, without the cancellation of sums of squares.

    Parameters
    ----------
    x : float
        Nulls are passed over.

    Returns
    -------
    Spread
        ``count``, ``mean``, ``variance`` (of a sample: divided by count - 1); NaN for too few rows.

    Notes
    -----
    Many rows at a time, of which sums are taken around the first, or around the mean so far.

    Source: B. P. Welford, Technometrics 4 (1962); T. Chan, G. Golub, R. LeVeque (1979) for more than one row.

    Examples
    --------
    >>> import polars as pl
    >>> pl.DataFrame({"x": [1.0, 2.0, 6.0]}).pipe(dfv.apply, "welford").row(0)
    (3, 3.0, 7.0)
    """
    return _with(state, x)


def _skewness(sums):
    s = _moments(sums)
    return math.sqrt(s.n) * s.m3 / (s.m2 * math.sqrt(s.m2))


@dfv.reduce(init=NO_ROWS, merge=_together, finish=_skewness, block=_with_block, author="dataflare_vec")
def skewness(state, x):
    """Skewness: how much longer one tail is than the other.

    Parameters
    ----------
    x : float
        Nulls are passed over.

    Returns
    -------
    float
        Third standardised moment, as Polars' ``skew()``; NaN if all values are equal or there are none.

    Notes
    -----
    Source: P. Pébay, Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order
    Statistical Moments, Sandia report SAND2008-6212.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": [1.0, 1.0, 1.0, 5.0]})
    >>> round(frame.pipe(dfv.apply, "skewness").item(), 4)
    1.1547
    """
    return _with(state, x)


def _kurtosis(sums):
    s = _moments(sums)
    return s.n * s.m4 / (s.m2 * s.m2) - 3.0


@dfv.reduce(init=NO_ROWS, merge=_together, finish=_kurtosis, block=_with_block, author="dataflare_vec")
def kurtosis(state, x):
    """Excess kurtosis: how heavy the tails are, 0 for a normal distribution.

    Parameters
    ----------
    x : float
        Nulls are passed over.

    Returns
    -------
    float
        Fourth standardised moment less 3, as Polars' ``kurtosis()``; NaN if all values are equal or there are
        none.

    Notes
    -----
    Source: P. Pébay, Sandia report SAND2008-6212, as for `skewness`.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})
    >>> round(frame.pipe(dfv.apply, "kurtosis").item(), 2)
    -1.36
    """
    return _with(state, x)


#: Registers of `approx_distinct`: 2^12, one byte each.
_INDEX_BITS = 12
#: Set below the bits of a hash that are ranked: so many zeros stand before it at most.
_LAST_BIT = word(1 << (_INDEX_BITS - 1))


def _mixed(key):
    """A key's bits, well mixed (the finaliser of SplitMix64: G. Steele and others, OOPSLA 2014)."""
    state = add(word(key), 0x9E3779B97F4A7C15)
    state = multiply(state ^ (state >> 30), 0xBF58476D1CE4E5B9)
    state = multiply(state ^ (state >> 27), 0x94D049BB133111EB)
    return state ^ (state >> 31)


def _larger(a, b):
    for i in range(len(a)):
        a[i] = max(a[i], b[i])
    return a


def _estimate(registers):
    size = len(registers)
    total, empty = 0.0, 0
    for rank in registers:
        total += 2.0 ** -float(rank)
        if rank == 0:
            empty += 1
    estimate = 0.7213 / (1.0 + 1.079 / size) * size * size / total
    if estimate <= 2.5 * size and empty > 0:
        return size * math.log(size / empty)  # linear counting
    return estimate


@dfv.reduce(
    init=np.zeros(1 << _INDEX_BITS, np.uint8), merge=_larger, finish=_estimate, author="dataflare_vec"
)
def approx_distinct(state, key: int):
    """Approximate number of distinct keys, by HyperLogLog in 4 KiB.

    Parameters
    ----------
    key : int
        Hash strings first, with ``key=dfv.expr("xxhash64", "name")``.

    Returns
    -------
    float
        The count, with a standard error of 1.6 %.

    Notes
    -----
    Source: P. Flajolet and others, "HyperLogLog", AofA 2007; 64-bit hashes instead of corrections for large
    counts, as S. Heule and others, EDBT 2013.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"key": [1, 2, 2, 3, 1]})
    >>> round(frame.pipe(dfv.apply, "approx_distinct").item())
    3
    """
    mixed = _mixed(key)
    index = mixed >> (64 - _INDEX_BITS)
    rank = leading_zeros((mixed << _INDEX_BITS) | _LAST_BIT) + 1
    state[index] = max(state[index], rank)  # a branch would be mispredicted until registers are full
    return state


#: Buckets to each power of two, all of one width: the bounds of one differ by 1 part in 64 at most, and what
#: stands for its values by 1 in 129 from each.
_STEP_BITS = 6
#: Buckets to values of one sign. Those from 2^-30 to 2^30 have buckets of their own.
_BUCKETS = 60 << _STEP_BITS
#: By how much the leading bits of a float exceed the number of its bucket, counted from 1.
_BIAS = ((1023 - 30) << _STEP_BITS) - 1


class Sketch(NamedTuple):
    """Weights of values by bucket, from the smallest value to the largest, and the quantile asked for."""

    weights: np.ndarray
    quantile: float


NO_SKETCH = Sketch(np.zeros(2 * _BUCKETS + 1), 0.0)
#: The same for values that all weigh 1.
NO_COUNTS = Sketch(np.zeros(2 * _BUCKETS + 1, np.int64), 0.0)


def _bucket(x):
    """Return the bucket of a value; that of 0, and of what is next to it, is in the middle."""
    leading = int(float_bits(math.fabs(x)) >> (52 - _STEP_BITS))
    size = min(max(leading - _BIAS, 0), _BUCKETS)
    return _BUCKETS - size if x < 0.0 else _BUCKETS + size


def _middle(bucket):
    """Return the value that stands for a bucket, as near to its bounds as to each other's."""
    leading = abs(bucket - _BUCKETS) + _BIAS
    power = 2.0 ** ((leading >> _STEP_BITS) - 1023)
    steps = 1 << _STEP_BITS
    low = steps + (leading & (steps - 1))
    size = power * (2.0 * low * (low + 1) / ((2 * low + 1) * steps))
    return size if bucket > _BUCKETS else -size if bucket < _BUCKETS else 0.0


def _count(s, x, weight, quantile):
    if x == x:
        s.weights[_bucket(x)] += weight
    return Sketch(s.weights, quantile)


def _added(a, b):
    for i in range(len(a.weights)):
        a.weights[i] += b.weights[i]
    return Sketch(a.weights, max(a.quantile, b.quantile))  # one may have seen no row


def _quantile(s):
    total = 0.0
    for weight in s.weights:
        total += weight
    wanted = s.quantile * total
    below, last = 0.0, math.nan
    for i in range(len(s.weights)):
        if s.weights[i] > 0.0:
            below += s.weights[i]
            last = _middle(i)
            if below >= wanted:
                return last
    return last


@dfv.reduce(init=NO_COUNTS, merge=_added, finish=_quantile, author="dataflare_vec")
def approx_quantile(state, x, q=0.5):
    """Quantile within 1 % of its value, by DDSketch in 60 KiB.

    Parameters
    ----------
    x : float
        Nulls and NaN are passed over; sizes below 9.4e-10 count as 0, those above 1.07e9 as that.
    q : float
        0 to 1; 0.5 is the median.

    Returns
    -------
    float
        NaN if there are no values.

    Notes
    -----
    Source: C. Masson, J. E. Rim, H. K. Lee, "DDSketch", VLDB 12 (2019), with linear interpolation in place of
    the logarithm: the leading bits of a float are the number of its bucket.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": [float(x) for x in range(101)]})
    >>> abs(frame.pipe(dfv.apply, "approx_quantile", q=0.9).item() / 90 - 1) < 0.02
    True
    """
    return _count(state, x, 1, q)


@dfv.reduce(init=NO_SKETCH, merge=_added, finish=_quantile, author="dataflare_vec")
def weighted_median(state, x, weight):
    """The value below and above which half of the weight lies, within 1 % of its value.

    Parameters
    ----------
    x : float
        As in `approx_quantile`.
    weight : float
        At least 0.

    Returns
    -------
    float
        NaN if there is no weight.

    Raises
    ------
    ValueError
        If a weight is negative or NaN: the row fails.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": [1.0, 5.0, 9.0], "weight": [1.0, 1.0, 5.0]})
    >>> abs(frame.pipe(dfv.apply, "weighted_median").item() / 9 - 1) < 0.02
    True
    """
    if not weight >= 0.0:
        raise ValueError("negative weight" if weight < 0.0 else "a weight is NaN")
    return _count(state, x, weight, 0.5)


#: Items that `reservoir`, and `vectors.nearest`, hold at most.
PLACES = 64


def keep_smallest(items, ranks, count, size, item, rank):
    """Put an item in if its rank is among the smallest, which are in order; return how many are there."""
    if count == size and not rank < ranks[size - 1]:
        return count
    i = min(count, size - 1)
    while i > 0 and ranks[i - 1] > rank:
        items[i], ranks[i] = items[i - 1], ranks[i - 1]
        i -= 1
    items[i], ranks[i] = item, rank
    return min(count + 1, size)


class Reservoir(NamedTuple):
    """Values with the lots they drew, how many there are, and how many there were."""

    values: np.ndarray
    lots: np.ndarray
    count: int
    seen: int


NO_VALUES = Reservoir(np.zeros(PLACES), np.zeros(PLACES), 0, 0)


def _drawn(s):
    return s.values[: s.count].copy()


@dfv.reduce(init=NO_VALUES, finish=_drawn, author="dataflare_vec")
def reservoir(state, x, size=10, seed=0):
    """A random sample: each value has the same chance to be in it, however many come.

    Parameters
    ----------
    x : float
        Nulls are passed over.
    size : int
        1 to 64 values.
    seed : int
        Other seeds give other samples; the same rows and seed, the same.

    Returns
    -------
    list of float
        The sample, in random order; all values if there are no more.

    Raises
    ------
    ValueError
        If the sample is to have another size: the row fails.

    Notes
    -----
    Each value draws a lot, and those with the smallest stay.

    Source: C. T. Fan, M. E. Muller, I. Rezucha, "Development of Sampling Plans by Using Sequential (Item by
    Item) Selection Techniques and Digital Computers", Journal of the American Statistical Association 57
    (1962).

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> frame = pl.DataFrame({"x": [float(x) for x in range(1000)]})
    >>> sample = frame.pipe(dfv.apply, "reservoir", size=3).item()
    >>> len(sample), sample.is_in(frame["x"].implode()).all()
    (3, True)
    """
    if size < 1 or size > PLACES:
        raise ValueError("the sample must have 1 to 64 values")
    lot = int(_mixed(multiply(seed, 0xD1342543DE82EF95) ^ word(state.seen)) >> 11)
    count = keep_smallest(state.values, state.lots, state.count, size, x, lot * 2.0**-53)
    return Reservoir(state.values, state.lots, count, state.seen + 1)
