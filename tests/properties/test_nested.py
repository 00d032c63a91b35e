"""The laws for List, Array and Struct columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import as_numpy, check, plugin, plugins
from testing.strategies import configs, frames, text


def walk(a, b):
    total = 0.0
    for i in range(min(len(a), len(b))):
        if a[i] == 3:
            raise ValueError("a three")
        total += float(a[i]) * float(b[i])
    return total, len(a), a.size


def last(a, b):
    total = 0.0
    for x in a[1:]:
        total = total - float(x)
    return b[-1] if len(b) > 0 else None, total


def lanes(a, b):
    first, second, third, fourth = dfv.vectors.power_sums(a, 1.5)
    return dfv.vectors.dot(a, b), dfv.vectors.squared_distance(a, b), first, second, third, fourth


def alone(a, b: object | None):
    if b is None:
        return dfv.vectors.total(a)
    return dfv.vectors.total(b)


KERNELS = plugins(walk, last, lanes, alone)


def items(dtype):
    if dtype is pl.Boolean:
        return st.booleans()
    if dtype in (pl.Float32, pl.Float64):
        return st.floats(-1e6, 1e6, width=32 if dtype is pl.Float32 else 64) | st.just(float("nan"))
    return st.integers(-100 if dtype.is_signed_integer() else 0, 100)


# Each kernel with some types, and all types with some kernel: it is compiled for each.
TYPES = {
    "walk": [pl.Float64, pl.Int8],
    "last": [pl.Float32, pl.Boolean],
    "lanes": [pl.Float32, pl.UInt16],
    "alone": [pl.Int64],
}


@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data(), config=configs)
def test_lists(name, data, config):
    dtype = data.draw(st.sampled_from(TYPES[name]))
    values = st.lists(items(dtype), max_size=40) | st.lists(st.none() | items(dtype), max_size=3)
    kind = pl.List(dtype)
    frame = data.draw(frames(a=(values, kind), b=(values, kind)))
    check(KERNELS[name], frame, rows=as_numpy(frame), config=config)


@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data(), config=configs)
def test_arrays(name, data, config):
    dtype, width = data.draw(st.sampled_from(list(zip(TYPES[name], [33, 3], strict=False))))
    item = items(dtype)
    values = st.lists(item, min_size=width, max_size=width)
    holes = st.lists(st.none() | item, min_size=width, max_size=width)
    kind = pl.Array(dtype, width)
    frame = data.draw(frames(a=(values | holes, kind), b=(values, kind)))
    check(KERNELS[name], frame, rows=as_numpy(frame), config=config)


def grid(a):
    return a.shape[0], a.shape[1], a[0, 0] if a.shape[0] > 0 else None, a[-1, -1] if a.shape[0] > 0 else None


GRID = plugins(grid)["grid"]


@pytest.mark.parametrize(
    "kind", [pl.Array(pl.Array(pl.Int64, 2), 3), pl.List(pl.Array(pl.Int64, 2))], ids=str
)
@given(data=st.data(), config=configs)
def test_two_dimensions(kind, data, config):
    size = 3 if isinstance(kind, pl.Array) else None
    pair = st.lists(st.integers(-9, 9), min_size=2, max_size=2)
    frame = data.draw(frames(a=(st.lists(pair, min_size=size or 0, max_size=size or 5), kind)))
    arrays = [[None if v is None else np.array(v, np.int64).reshape(-1, 2)] for (v,) in frame.iter_rows()]
    check(GRID, frame, rows=arrays, config=config)


class Place(NamedTuple):
    lat: float
    floor: int | None


class Named(NamedTuple):
    lat: float
    lon: float
    open: bool
    floor: int
    tags: np.ndarray


DTYPE = pl.Struct(
    {"lat": pl.Float64, "lon": pl.Float32, "open": pl.Boolean, "floor": pl.Int16, "tags": pl.List(pl.Int8)}
)


def all_fields(p):
    if p.floor == 3:
        raise ValueError("the third floor")
    return p.lat + p.lon, p.open, len(p.tags), p[3]


def annotated(p: Place):
    if p.floor is None:
        return -p.lat
    return p.lat + p.floor


def whole(p: Place | None):
    return p is None


STRUCTS = plugins(all_fields, annotated, whole)
PLACES = st.fixed_dictionaries(
    {
        "lat": st.none() | st.floats(-90, 90),
        "lon": st.none() | st.floats(-180, 180, width=32),
        "open": st.none() | st.booleans(),
        "floor": st.none() | st.integers(-3, 4),
        "tags": st.none() | st.lists(st.integers(0, 9), max_size=3),
    }
)


def as_named(value):
    if value is None or None in value.values():
        return None
    converted = np.float64(value["lat"]), np.float32(value["lon"]), value["open"], value["floor"]
    return Named(*converted, np.array(value["tags"], np.int8))


def as_place(value):
    return None if value is None or value["lat"] is None else Place(value["lat"], value["floor"])


@pytest.mark.parametrize("name", STRUCTS)
@given(frame=frames(p=(PLACES, DTYPE)), config=configs)
def test_structs(name, frame, config):
    make = as_named if name == "all_fields" else as_place
    rows = [[make(value)] for (value,) in frame.iter_rows()]
    check(STRUCTS[name], frame, rows=rows, config=config)


class Room(NamedTuple):
    place: Place
    beds: list[int] | None
    above: Place | None


def within(room: Room):
    beds = -1 if room.beds is None else len(room.beds)
    return annotated(room.place), beds, None if room.above is None else annotated(room.above)


WITHIN = plugin(within)
POINT = pl.Struct({"lat": pl.Float64, "floor": pl.Int8, "unread": pl.Int8})
ROOM = pl.Struct({"above": POINT, "beds": pl.List(pl.Int16), "place": POINT})
POINTS = st.none() | st.fixed_dictionaries(
    {
        "lat": st.sampled_from([None, 1.5, -0.0]),
        "floor": st.none() | st.integers(-3, 4),
        "unread": st.sampled_from([None, 1]),
    }
)
BEDS = st.none() | st.lists(st.sampled_from([None, 1, 2]), max_size=3)
ROOMS = st.fixed_dictionaries({"place": POINTS, "above": POINTS, "beds": BEDS})


def as_room(value):
    place = None if value is None else as_place(value["place"])
    if place is None:
        return None
    beds = value["beds"]
    return Room(place, None if beds is None or None in beds else np.array(beds), as_place(value["above"]))


@given(frame=frames(room=(ROOMS, ROOM)), config=configs)
def test_structs_of_structs(frame, config):
    """A field that is null and may not be is no value of the nearest one around it that may be None."""
    check(WITHIN, frame, rows=[[as_room(value)] for (value,) in frame.iter_rows()], config=config)


class Found(NamedTuple):
    whole: float
    name: str
    sure: bool
    count: int | None
    place: Place | None


def searched(x, s, n: int | None):
    if x > 50:
        raise ValueError("too far")
    if x < -50:
        return None
    return Found(x * 2, s + "!", x > 0, n, Place(x, n))


def renamed(x, s, n: int | None):
    return Found(x, s, x > 1, n, Place(x, n))


STRUCTS_OUT = {
    "searched": plugin(searched, returns=pl.Struct),
    "renamed": plugin(
        renamed,
        returns=pl.Struct(
            {
                "count": pl.Int8,
                "place": pl.Struct({"floor": pl.Int64, "lat": pl.Float32}),
                "sure": pl.Boolean,
                "name": pl.String,
                "whole": pl.Float64,
            }
        ),
    ),
}


@pytest.mark.parametrize("name", STRUCTS_OUT)
@given(
    frame=frames(
        x=(st.floats(-100, 100, width=16), pl.Float64),
        s=(text, pl.String),
        n=(st.integers(-128, 127), pl.Int64),
    ),
    config=configs,
)
def test_structs_out(name, frame, config):
    check(STRUCTS_OUT[name], frame, config=config)


def test_structs_out_that_do_not_fit():
    frame = pl.DataFrame({"x": [1.0, 2.0], "s": ["a", "b"], "n": [1, 300]})
    result = dfv.run(frame, STRUCTS_OUT["renamed"], keep=False, on_error="null")
    assert result.errors["message"].to_list() == ["300 does not fit Int8"]
    assert result.frame["renamed"].null_count() == 1


def doubled(a, b):
    return a + a, b


def picked(a, b):
    found = [0.0]
    for x in a:
        if x == 3:
            raise ValueError("a three")
        if x > 0:
            found.append(float(x))
    if len(found) > 4:
        return None
    return found


WRITTEN = plugins(doubled, picked)


@pytest.mark.parametrize("name", WRITTEN)
@given(data=st.data(), dtype=st.sampled_from([pl.Float32, pl.Int64]), config=configs)
def test_lists_out(name, data, dtype, config):
    values = st.lists(items(dtype), max_size=9)
    frame = data.draw(frames(a=(values, pl.List(dtype)), b=(values, pl.List(dtype))))
    check(WRITTEN[name], frame, rows=as_numpy(frame), config=config)


@given(data=st.data(), config=configs)
def test_a_list_is_read_by_the_next_step(data, config):
    values = st.lists(items(pl.Int64), max_size=9)
    frame = data.draw(frames(a=(values, pl.List(pl.Int64)), b=(values, pl.List(pl.Int64))))
    steps = [dfv.step(WRITTEN["doubled"], output=["c", "d"]), dfv.step(KERNELS["alone"], a="c", b="d")]
    got = dfv.apply(frame, steps, config=config)
    there = frame["a"].is_not_null() & frame["b"].is_not_null()
    assert got["alone"].to_list() == [sum(b) if ok else None for ok, b in zip(there, frame["b"], strict=True)]
