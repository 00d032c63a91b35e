"""Kernels of all kinds that are built: what they return, what may be null, how they fail."""

from __future__ import annotations

import datetime
import math
from typing import NamedTuple

import polars as pl

from testing.oracle import plugin


class Both(NamedTuple):
    low: float
    inside: bool


def first(x, y):
    return x


def pick(x, y):
    if y > 3:
        return None
    return x


def named(x, y, limit=1.5):
    low = float(x) if x < y else float(y)
    return Both(low, low < limit)


def filled(x: object | None, y):
    if x is None:
        return -1.0
    return x * 0.5


def maybe(x: object | None, y: object | None):
    if x is None or y is None:
        return None
    return x <= y


def half(x, y, strict=True):
    if strict and y > 100:
        raise ValueError("y is large")
    return x * 0.5


def wave(x, y):
    return math.sin(x) * math.atan2(x, y)


def ratio(x, y, add=0):
    return x // y + add, x % y


def steps(x, y):
    count = 0
    while x > 1 and count < 40:
        x = x * 0.5
        count += 1
    return count


def both_true(x, y):
    return x and not y


def next_day(x: datetime.date, y: datetime.date):
    return x + datetime.timedelta(days=1) if x < y else y


def clock(x: datetime.datetime, y: datetime.timedelta):
    return x + y, x.hour


def tame(x, y):
    if y > 100:
        raise ValueError("y is large")
    return x < 50


def _of(*dtypes):
    return [{"x": x, "y": y} for x, y in dtypes]


#: Plugin to the dtypes that it is built for: all that there are, and each with others.
BUILT = {
    plugin(first): _of(
        (pl.Boolean(), pl.Int8()),
        (pl.Time(), pl.UInt8()),
        (pl.Datetime("us", "Europe/Paris"), pl.Boolean()),
    ),
    plugin(pick): _of((pl.UInt16(), pl.Int64()), (pl.Duration("ms"), pl.Float32())),
    plugin(named): _of((pl.Float64(), pl.Int32())),
    plugin(filled): _of((pl.Float32(), pl.UInt32())),
    plugin(maybe): _of((pl.Int16(), pl.Int64())),
    plugin(half): _of((pl.Float64(), pl.Float64()), (pl.UInt64(), pl.Int16())),
    plugin(wave): _of((pl.Float64(), pl.Float64()), (pl.Float32(), pl.Float32())),
    plugin(ratio): _of((pl.Int64(), pl.Int64())),
    plugin(steps): _of((pl.Float64(), pl.Int8())),
    plugin(both_true): _of((pl.Boolean(), pl.Boolean())),
    plugin(next_day): _of((pl.Date(), pl.Date())),
    plugin(clock): _of((pl.Datetime("ns"), pl.Duration("us"))),
    plugin(tame, "filter"): _of((pl.Int64(), pl.Float64())),
}
