"""Law 2 for tables: what a dict, a set, a list or a tuple gives for a key is what Python's own gives."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflare_vec.definition.tables.frozen import FEW
from testing.oracle import as_numpy, check, plugin
from testing.strategies import odd_text, text

pytestmark = pytest.mark.usefixtures("all_roads")

INSTANTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))
WHOLE = (
    st.integers(-3, 3) | st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from([1 << 53, (1 << 53) + 1])
)
NATURAL = st.integers(0, 3) | st.integers(0, (1 << 64) - 1)
#: Also integers as floats, two zeros, and what no integer of 64 bits is.
FLOATS = (
    st.floats()
    | st.integers(-3, 3).map(float)
    | st.sampled_from([-0.0, 0.1, 2.0**53, 2.0**63, -(2.0**63), 2.0**64, 1e30, -(2.0**127), 1e300])
)
SINGLES = st.floats(width=32) | st.integers(-3, 3).map(float) | st.sampled_from([0.5, 16777216.0])
TEXTS = text | odd_text


class Place(NamedTuple):
    lat: float
    name: str | None


#: What a column holds, its dtype, and what its parameter is annotated with.
COLUMNS = {
    "text": (TEXTS, pl.String, None),
    "bytes": (st.binary(max_size=30), pl.Binary, None),
    "int": (WHOLE, pl.Int64, None),
    "short": (st.integers(-128, 127), pl.Int8, None),
    "natural": (NATURAL, pl.UInt64, None),
    "wide": (st.integers(-3, 3) | st.integers(-(1 << 100), 1 << 100), pl.Int128, None),
    "float": (FLOATS, pl.Float64, None),
    "single": (SINGLES, pl.Float32, None),
    "bool": (st.booleans(), pl.Boolean, None),
    "date": (st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)), pl.Date, dt.date),
    "instant": (INSTANTS, pl.Datetime("us"), dt.datetime),
    "span": (st.timedeltas(dt.timedelta(-9), dt.timedelta(9)), pl.Duration("us"), dt.timedelta),
    "time": (st.times(), pl.Time, dt.time),
}
#: Keys of other kinds, of which some are equal to what a column holds.
OTHERS = [
    None,
    "a",
    b"a",
    1,
    0.5,
    -0.0,
    1 << 70,
    1e300,
    dt.date(2000, 1, 1),
    dt.datetime(2000, 1, 1),
    dt.timedelta(1),
]
OTHERS += [dt.time(1), (), (1,), (1, "a")]
VALUES = {
    "float": FLOATS,
    "int": WHOLE,
    "natural": NATURAL.filter(lambda value: value >= 1 << 63),
    "bool": st.booleans(),
    "text": TEXTS,
    "bytes": st.binary(max_size=20),
    "date": COLUMNS["date"][0],
    "span": COLUMNS["span"][0],
    "pair": st.tuples(WHOLE, st.none() | TEXTS),
    "named": st.builds(Place, st.floats(allow_nan=False), st.none() | TEXTS),
}


@st.composite
def keys_in(draw, kind, mixed):
    """Draw keys of the kind of a column, and if they are mixed with those of others, in any order."""
    keys = draw(st.lists(COLUMNS[kind][0], min_size=1, max_size=12))
    return draw(st.permutations(keys + OTHERS)) if mixed else keys


@st.composite
def columns(draw, kind, known):
    """Draw a column: some of the known keys, what is near them, and others."""
    values, dtype, _ = COLUMNS[kind]
    fit = []
    for key in known:
        try:
            one = pl.Series([key], dtype=dtype, strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            continue
        fit += one.to_list() if one.dtype == dtype else []
    drawn = draw(st.lists(st.none() | values | (st.sampled_from(fit) if fit else values), max_size=20))
    return pl.Series("key", drawn, dtype=dtype)


def annotated(function, kind, *, nullable=False):
    """Return a kernel whose column is annotated as its kind says."""
    expects = COLUMNS[kind][2]
    function.__annotations__["key"] = (expects or object) | None if nullable else expects or object
    return plugin(function)


def compare(function, kind, column, *, nullable=False, **constants):
    frame = pl.DataFrame([column])
    rows = as_numpy(frame) if column.dtype.is_float() else None
    return check(annotated(function, kind, nullable=nullable), frame, rows=rows, **constants)


each_kind = pytest.mark.parametrize("kind", COLUMNS)
each_mixture = pytest.mark.parametrize("mixed", [False, True], ids=["alike", "mixed"])


@each_mixture
@each_kind
@given(data=st.data())
def test_a_dict(kind, mixed, data):
    def told(key, table={}):  # noqa: B006
        return table.get(key), key in table, key not in table, len(table), bool(table)

    def found(key, table={}):  # noqa: B006
        return table[key]

    keys = data.draw(keys_in(kind, mixed))
    table = {key: i for i, key in enumerate(keys)}
    column = data.draw(columns(kind, keys))
    compare(told, kind, column, table=table, nullable=True)
    compare(found, kind, column, table=table)


@each_mixture
@each_kind
@given(data=st.data())
def test_a_set_and_a_list(kind, mixed, data):
    def member(key, members=frozenset(), items=[]):  # noqa: B006
        return key in members, key not in members, key in items, len(members), len(items)

    def place(key, table=[]):  # noqa: B006
        return table.index(key)

    keys = data.draw(keys_in(kind, mixed))
    column = data.draw(columns(kind, keys))
    items = [key for key in keys if not isinstance(key, tuple)]  # which NumPy's floats make arrays of
    compare(member, kind, column, members=frozenset(keys), items=items, nullable=True)
    compare(place, kind, column, table=items)


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_values_of_any_kind(kind, data):
    def found(key, table={}):  # noqa: B006
        return table[key]

    def item(key, table=[]):  # noqa: B006
        return table[key]

    table = data.draw(st.dictionaries(st.integers(0, 9), VALUES[kind], min_size=1))
    if kind in ("pair", "named"):  # a column of nothing but None has no dtype
        table[11] = (1, "a") if kind == "pair" else Place(1.0, "a")
    if data.draw(st.booleans()):
        table[10] = None
    compare(found, "int", pl.Series("key", [*table, 99, None, -1], dtype=pl.Int64), table=table)
    places = data.draw(st.lists(st.integers(-20, 20)))
    compare(item, "int", pl.Series("key", places, dtype=pl.Int64), table=list(table.values()))


@given(
    st.dictionaries(st.tuples(WHOLE | FLOATS, st.none() | TEXTS), WHOLE, min_size=1, max_size=12),
    st.data(),
)
def test_tuples_as_keys(table, data):
    def found(n, s: str | None, table={}):  # noqa: B006
        return table.get((n, s)), (n, s) in table, (s, n) in table, (n,) in table, () in table

    def told(x, s, table={}):  # noqa: B006
        return table[x, s]

    numbers = [n for n, _ in table if type(n) is int or n == n]
    texts = [s for _, s in table]
    whole = [n for n in numbers if n == int(n if abs(n) < 1 << 62 else 0)] or [0]
    rows = data.draw(st.integers(0, 12))
    of = {
        "n": pl.Series([int(n) for n in data.draw(some_of(whole, rows))], dtype=pl.Int64),
        "x": pl.Series([float(n) for n in data.draw(some_of(numbers or [0], rows))], dtype=pl.Float64),
        "s": pl.Series(data.draw(some_of(texts, rows)), dtype=pl.String),
    }
    frame = pl.DataFrame(of)
    check(plugin(found), frame, table=table)
    check(plugin(told), frame, table=table, rows=as_numpy(frame.select("x", "s")))


def some_of(values, count):
    return st.lists(st.sampled_from(values), min_size=count, max_size=count)


@settings(max_examples=10)
@given(st.data())
def test_from_outside_of_a_kernel(data):
    keys = data.draw(st.lists(TEXTS, min_size=FEW + 1, max_size=3 * FEW, unique=True))
    table = {key: i * 0.5 for i, key in enumerate(keys)}
    members, items, names = frozenset(keys), tuple(keys), [*keys]

    def captured(key):
        rate = 0.0
        for one in items:
            rate += len(one)
        return (
            table.get(key, rate),
            key in members,
            key in items,
            key in names,
            items[len(key) % 7],
            names[-1],
        )

    compare(captured, "text", data.draw(columns("text", keys)))
