"""Kernels of lists and arrays that are built."""

from __future__ import annotations

import polars as pl

from testing.oracle import plugin


def ends(x, y):
    if len(x) > 4:
        raise ValueError("x is large")
    return (x[0], x[-1], len(x)) if len(x) > 1 else (None, None, 0)


def scaled(x, y):
    return x * y, x.sum()


def matrix(x, y):
    return x[0, 1] - x[1, 0], x.sum() + y, x[1] * y


def points(x, y):
    total = 0.0
    for i in range(len(x)):
        total += x[i, 0] * x[i, 1]
    return total + y


def marked(x, y):
    if y > 90:
        return None
    return ~x


def fixed(x, y):
    return x[: int(y)] * 0.5


def many(x, y):
    return [i * y for i in range(len(x))], [i % 2 == 0 for i in range(len(x))]


def words(x, y):
    if y == "a":
        raise ValueError(f"{len(x)} are large")
    return ",".join(x) + y, y in x, x[1:]


def louder(x: object | None, y):
    if x is None:
        return None
    return [item.upper() + y for item in x if item != y]


def items(x, y):
    return list(x)


L, A = pl.List, pl.Array
FIXED = plugin(fixed, returns=pl.Array(pl.Float64, 2))

#: Plugin to the dtypes that it is built for.
BUILT_LISTS = {
    plugin(ends): [{"x": L(pl.Float64()), "y": pl.Int8()}, {"x": L(pl.Date()), "y": pl.Int8()}],
    plugin(scaled): [{"x": L(pl.Int16()), "y": pl.Int8()}, {"x": A(pl.Float32(), 3), "y": pl.Float32()}],
    plugin(matrix): [{"x": A(pl.Float64(), (2, 2)), "y": pl.Int8()}],
    plugin(points): [{"x": L(A(pl.Float64(), 2)), "y": pl.Float64()}],
    plugin(marked): [{"x": L(pl.Boolean()), "y": pl.Int8()}, {"x": A(pl.Boolean(), 3), "y": pl.Int8()}],
    FIXED: [{"x": L(pl.Float64()), "y": pl.Float64()}],
    plugin(many): [{"x": L(pl.UInt8()), "y": pl.Int32()}],
    plugin(words): [{"x": L(pl.String()), "y": pl.String()}],
    plugin(louder): [{"x": L(pl.String()), "y": pl.String()}],
    plugin(items): [{"x": L(pl.Binary()), "y": pl.Int8()}, {"x": A(pl.String(), 2), "y": pl.Int8()}],
}
