"""Scans and reduces that tests of several rooms have in common, and frames for them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.strategies import frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

    from dataflare_vec.definition.plugin import Plugin


class Track(NamedTuple):
    count: int
    level: float
    last: float | None


def smooth(level, x, alpha=0.25):
    level += alpha * (x - level)
    return level, level


def track(t, x, y: float | None):
    if x > 90:
        raise ValueError("x is large")
    step = None if t.last is None else x - t.last
    level = t.level * 0.5 + (0.0 if y is None else y)
    return Track(t.count + 1, level, x), (t.count, step)


def window(buffer, x):
    buffer[0] = buffer[1]
    buffer[1] = buffer[2]
    buffer[2] = x
    if x > 90:
        raise ValueError("x is large")
    return buffer, buffer[0] + 2 * buffer[1] + 3 * buffer[2]


def stateful(function: Callable[..., Any], form: Form, **about: Any) -> Plugin:
    """Return a scan or a reduce that isn't registered."""
    kind = dfv.PluginType.AGGREGATOR if form is Form.REDUCE else dfv.PluginType.TRANSFORMER
    return define(function, name=function.__name__, form=form, plugin_type=kind, **about)


SCANS = {
    "smooth": stateful(smooth, Form.SCAN, init=0),
    "track": stateful(track, Form.SCAN, init=Track(0, 0.0, None)),
    "window": stateful(window, Form.SCAN, init=np.zeros(3)),
}


class Moments(NamedTuple):
    count: int
    mean: float
    square: float


def moments(m, x):
    if x > 90:
        raise ValueError("x is large")
    count = m.count + 1
    mean = m.mean + (x - m.mean) / count
    return Moments(count, mean, m.square + (x - m.mean) * (x - mean))


def merged(a, b):
    count = a.count + b.count
    if count == 0:
        return a
    d = b.mean - a.mean
    return Moments(
        count, a.mean + d * b.count / count, a.square + b.square + d * d * a.count * b.count / count
    )


def deviation(m):
    return math.sqrt(m.square / (m.count - 1)) if m.count > 1 else None


REDUCES = {
    "state": stateful(moments, Form.REDUCE, init=Moments(0, 0.0, 0.0)),
    "finished": stateful(moments, Form.REDUCE, init=Moments(0, 0.0, 0.0), finish=deviation),
    "merged": stateful(moments, Form.REDUCE, init=Moments(0, 0.0, 0.0), finish=deviation, merge=merged),
}


# -- by blocks


class Sums(NamedTuple):
    count: int
    blocks: int
    first: float
    last: float
    total: float
    cubes: float


START = Sums(0, 0, 0.0, 0.0, 0.0, 0.0)


def summed(s, x):
    return Sums(s.count + 1, 0, x if s.count == 0 else s.first, x, s.total + x, s.cubes + x * x * x)


def sums_of(s, x):
    first = float(x[0]) if s.count == 0 else s.first
    around, _, cubes, _ = dfv.vectors.power_sums(x, first)
    return Sums(
        s.count + len(x),
        s.blocks + 1,
        first,
        float(x[-1]),
        s.total + around + first * len(x),
        s.cubes + cubes,
    )


def joined(a, b):
    if a.count == 0 or b.count == 0:
        return a if b.count == 0 else b
    return Sums(a.count + b.count, a.blocks + b.blocks, a.first, b.last, a.total + b.total, a.cubes + b.cubes)


def weighed(s, x, weight):
    return s[0] + x * weight, max(s[1], weight)


def weights_of(s, x, weight):
    total, largest = s
    for i in range(len(x)):
        if weight[i] > 90:
            raise ValueError("a large weight")
        total += x[i] * weight[i]
        largest = max(largest, weight[i])
    return total, largest


SUMMED = stateful(summed, Form.REDUCE, init=START, merge=joined, finish=lambda s: s, block=sums_of)
WEIGHED = stateful(
    weighed,
    Form.REDUCE,
    init=(0.0, 0),
    merge=lambda a, b: (a[0] + b[0], max(a[1], b[1])),
    finish=lambda s: s,
    block=weights_of,
)


# -- frames


TEXTS = ["", "a", "twelve bytes", "thirteen more", "thirteen less", "é" * 30]


def frames_of(size: int = 300) -> SearchStrategy[pl.DataFrame]:
    """Return frames of values, and keys with NaN and both zeros."""
    x = st.builds(lambda n, much: n * 0.5 + much * 45.5, st.integers(0, 99), st.integers(0, 1))
    return frames(
        st.integers(0, size),
        x=(x, pl.Float64),
        y=(st.sampled_from([1.5, -2.0]), pl.Float64),
        i=(st.sampled_from([1, 2, -7, 1 << 40]), pl.Int64),
        s=(st.sampled_from(TEXTS), pl.String),
        f=(st.sampled_from([0.0, -0.0, math.nan, 2.5]), pl.Float64),
    )
