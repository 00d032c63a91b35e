"""Kernels of structs and categories that are built."""

from __future__ import annotations

import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from hypothesis import strategies as st

from dataflare_vec.definition.plugin import Form
from testing.oracle import plugin
from testing.stateful import stateful


class Spot(NamedTuple):
    kind: str
    at: float | None


class Place(NamedTuple):
    open: bool
    spot: Spot | None
    number: int
    tags: list[int]


class Ends(NamedTuple):
    first: Spot | None
    tags: list[int]


def moved(x: Place, y):
    if x.number == 90:
        raise ValueError("x is large")
    at = None if x.spot is None else x.spot.at
    spot = None if x.spot is None else Spot(x.spot.kind + "!", None if at is None else at + y)
    return Ends(spot, x.tags[1:]), x.open


def kind_of(x: Place | None, y):
    if x is None:
        return "none"
    return x.spot.kind if x.spot is not None else None


def plain(x, y):
    return x, y


def joined(x, y: str):
    if y == "a":
        raise ValueError("x is large")
    return x + y, y if x == "é" else None


def code(x: int, y):
    return x + y


def narrow(x, y):
    return x * y


def chosen(x: Place, y: str):
    return x.open and y != "a"


def furthest(state, x: Place, y):
    if x.number == 90:
        raise ValueError("x is large")
    at = 0.0 if x.spot is None or x.spot.at is None else x.spot.at
    return max(state, at), (at + y, Spot("seen", state))


def tagged(state, x: Place | None, y):
    if x is None:
        return state[0], state[1] + y
    return state[0] + len(x.tags), state[1]


def summed(state, x, y):
    return state + x.sum() * y


def below(state, x, y):
    return state - x * y


def kinds(state, x, y):
    state[0 if x == "é" else 1] += y
    return state


STRUCT = pl.Struct(
    {
        "number": pl.Int16,
        "unread": pl.Float32,
        "spot": pl.Struct({"at": pl.Float64, "kind": pl.Enum(["a", "é", "b" * 40])}),
        "tags": pl.List(pl.Int8),
        "open": pl.Boolean,
    }
)
ENUM = STRUCT.fields[2].dtype.fields[1].dtype
WORDS = pl.Categorical()
WIDE = plugin(narrow, returns=pl.Int128)
CHOSEN = plugin(chosen, "filter")
SUMS = stateful(summed, Form.REDUCE, init=0.0, merge=lambda a, b: a + b)

#: Plugin to the dtypes that it is built for; of the second ones the state goes from row to row.
BUILT_STRUCTS = {
    plugin(moved): [{"x": STRUCT, "y": pl.Int8}],
    plugin(kind_of): [{"x": STRUCT, "y": pl.Int8}],
    plugin(plain): [{"x": pl.Struct({"open": pl.Boolean, "number": pl.Int8}), "y": pl.Int8}],
    plugin(joined): [{"x": ENUM, "y": WORDS}],
    plugin(code): [{"x": ENUM, "y": pl.Int8}],
    WIDE: [{"x": pl.Int128, "y": pl.Int8}],
    CHOSEN: [{"x": STRUCT, "y": WORDS}],
}
STATES = {
    stateful(furthest, Form.SCAN, init=-1.0): [{"x": STRUCT, "y": pl.Int8}],
    stateful(tagged, Form.REDUCE, init=(0, 0)): [{"x": STRUCT, "y": pl.Int8}],
    SUMS: [{"x": pl.List(pl.Float64), "y": pl.Int8}, {"x": pl.Array(pl.Int16, 2), "y": pl.Int8}],
    stateful(below, Form.REDUCE, init=-1): [{"x": pl.UInt64, "y": pl.UInt8}],
    stateful(kinds, Form.REDUCE, init=np.zeros(2, np.int64)): [{"x": ENUM, "y": pl.Int8}],
}


def values_of(dtype):
    """Values that may be null, and inside of which there may be nulls."""
    dtype = dtype() if isinstance(dtype, type) else dtype
    if isinstance(dtype, pl.Struct):
        fields = {field.name: values_of(field.dtype) for field in dtype.fields}
        some = st.fixed_dictionaries(fields)
    elif isinstance(dtype, pl.List):
        some = st.lists(values_of(dtype.inner), max_size=3)
    elif isinstance(dtype, pl.Array):
        some = st.lists(values_of(dtype.inner), min_size=dtype.size, max_size=dtype.size)
    elif isinstance(dtype, pl.Enum):
        some = st.sampled_from([*dtype.categories])
    elif dtype in (WORDS, pl.String, pl.Binary):
        texts = st.sampled_from(["a", "é", "", "b" * 40])
        some = texts.map(str.encode) if dtype == pl.Binary else texts
    elif dtype == pl.Date:
        some = st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1))
    elif dtype == pl.Boolean:
        some = st.booleans()
    elif dtype == pl.Int128:
        some = st.integers(-(1 << 127) + 1, (1 << 127) - 1)
    else:
        some = st.integers(0 if dtype.is_unsigned_integer() else -3, 9) | st.just(90)
    return st.sampled_from(range(12)).flatmap(lambda n: some if n else st.none())
