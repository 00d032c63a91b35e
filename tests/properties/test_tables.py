"""Law 2 for tables: what a dict, a set, a list or a tuple gives for a key is what Python's own gives."""

from __future__ import annotations

import datetime as dt
from functools import cache
from types import FunctionType
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflare_vec.definition.tables.frozen import FEW
from testing.oracle import as_numpy, check, plugin
from testing.strategies import odd_text, text

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
#: Values of each kind, and one that is always there: tables of a kind are of one type, and so compiled once.
VALUES = {
    "float": (FLOATS, 0.5),
    "int": (WHOLE, None),
    "natural": (st.integers(1 << 63, (1 << 64) - 1), 1 << 63),
    "bool": (st.booleans(), True),
    "text": (TEXTS, None),
    "bytes": (st.binary(max_size=20), b"a"),
    "date": (COLUMNS["date"][0], dt.date(2000, 1, 1)),
    "span": (COLUMNS["span"][0], dt.timedelta(1)),
    "pair": (st.tuples(WHOLE, st.none() | TEXTS), (1, None)),
    "named": (st.builds(Place, st.floats(allow_nan=False), st.none() | TEXTS), Place(1.0, None)),
}
#: Text that isn't ASCII: there are two types of strings.
ODD = "\N{LATIN SMALL LETTER E WITH ACUTE}"


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


@cache
def annotated(function, kind, *, nullable=False):
    """Return a kernel whose column is annotated as its kind says."""
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    expects = COLUMNS[kind][2] or object
    copy.__annotations__ = {"key": expects | None if nullable else expects}
    return plugin(copy)


def compare(function, kind, column, *, nullable=False, **constants):
    frame = pl.DataFrame([column])
    rows = as_numpy(frame) if column.dtype.is_float() else None
    return check(annotated(function, kind, nullable=nullable), frame, rows=rows, **constants)


def told(key, table={}, members=frozenset(), items=[]):  # noqa: B006
    return table.get(key), key in table, key not in members, key in items, len(table), len(items), bool(table)


def found(key, table={}, items=[], by_place=False):  # noqa: B006
    return items.index(key) if by_place else table[key]


@pytest.mark.parametrize("kind", [kind for kind in COLUMNS if kind not in ("short", "time")])
@settings(max_examples=25)
@given(data=st.data())
def test_keys_are_found_as_python_finds_them(kind, data):
    """Among keys of all kinds, of which some are equal to what a column of another one holds."""
    keys = data.draw(st.permutations(data.draw(st.lists(COLUMNS[kind][0], max_size=12)) + OTHERS))
    table = {key: i for i, key in enumerate(keys)}
    items = [key for key in keys if not isinstance(key, tuple)]  # which NumPy's floats make arrays of
    column = data.draw(columns(kind, keys))
    compare(told, kind, column, table=table, members=frozenset(keys), items=items, nullable=True)


@pytest.mark.parametrize("kind", ["text", "int", "float"])
@settings(max_examples=25)
@given(data=st.data())
def test_keys_of_one_kind_and_those_that_are_not_there(kind, data):
    known = {"text": ["a", ODD], "int": [1, 2], "float": [0.5, 1.0, 1e300, 2.0**64]}[kind]
    keys = data.draw(st.permutations(data.draw(st.lists(COLUMNS[kind][0], max_size=12)) + known))
    table = {key: i for i, key in enumerate(keys)}
    by_place = data.draw(st.booleans())
    compare(found, kind, data.draw(columns(kind, keys)), table=table, items=keys, by_place=by_place)


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=15)
@given(data=st.data())
def test_values_of_any_kind(kind, data):
    def of_both(key, table={}, items=[], by_place=False):  # noqa: B006
        return items[key] if by_place else table[key]

    values, always = VALUES[kind]
    table = {10: always, 12: data.draw(values), **data.draw(st.dictionaries(st.integers(0, 9), values))}
    if kind in ("text", "pair", "named"):
        table[11] = ODD if kind == "text" else (1, ODD) if kind == "pair" else Place(1.0, ODD)
    by_place = data.draw(st.booleans())
    places = data.draw(st.lists(st.integers(-20, 20)))
    column = pl.Series("key", [*table, 99, None, -1, *places], dtype=pl.Int64)
    compare(of_both, "int", column, table=table, items=list(table.values()), by_place=by_place)


@settings(max_examples=25)
@given(
    st.dictionaries(st.tuples(WHOLE | FLOATS, st.none() | TEXTS), WHOLE, max_size=12),
    st.data(),
)
def test_tuples_as_keys(drawn, data):
    def pairs(n, x, s: str | None, table={}):  # noqa: B006
        return table.get((n, s)), (x, s) in table, (s, n) in table, (n,) in table

    table = {(1, "a"): 1, (0.5, None): 2, (1 << 70, ODD): 3, **drawn}
    all_numbers = [n for n, _ in table if type(n) is int or n == n]
    texts = [s for _, s in table]
    whole = [n for n in all_numbers if abs(n) < 1 << 62 and n == int(n)]
    rows = data.draw(st.integers(0, 12))
    of = {
        "n": pl.Series([int(n) for n in data.draw(some_of(whole, rows))], dtype=pl.Int64),
        "x": pl.Series([float(n) for n in data.draw(some_of(all_numbers, rows))], dtype=pl.Float64),
        "s": pl.Series(data.draw(some_of(texts, rows)), dtype=pl.String),
    }
    frame = pl.DataFrame(of)
    check(plugin(pairs), frame, table=table, rows=as_numpy(frame))


def some_of(values, count):
    return st.lists(st.sampled_from(values), min_size=count, max_size=count)


def over(key, table={}, items=[]):  # noqa: B006
    first = last = total = 0
    for i, one in enumerate(table):
        if one == key:
            first = i + 1
    for i, (one, value) in enumerate(table.items()):
        if one == key:
            last = i + value
    for value in table.values():
        total += value
    count = 0
    for one in items:
        count += one == key
    return first, last, total, count, key in table.keys()


@pytest.mark.parametrize("kind", ["text", "date"])
@settings(max_examples=15)
@given(data=st.data())
def test_going_over_all(kind, data):
    keys = data.draw(st.lists(COLUMNS[kind][0], max_size=12, unique=True))
    keys = list(dict.fromkeys([*keys, *([ODD] if kind == "text" else [dt.date(2000, 1, 1)])]))
    table = {key: i * 7 for i, key in enumerate(keys)}
    compare(over, kind, data.draw(columns(kind, keys)), table=table, items=[*keys, *keys[:2]])


# -- containers within --------------------------------------------------------------------------------------


def of_dicts(key, s: str | None, table={}):  # noqa: B006
    inner, known = table.get(s, {}), table.get(s)
    total = 0
    for one, value in inner.items():
        if one != key:
            total += value
    asked = table[s][key] if key in inner else -1
    return inner.get(key), inner.get(key, 7), len(inner), not inner, known is None, total, asked


def of_a_dict(key, s: str | None, table={}):  # noqa: B006
    return table[s][key]


def of_sets(key, s: str | None, table={}):  # noqa: B006
    return key in table[s], len(table[s]), bool(table.get(s, ()))


def of_all_dicts(key, s: str | None, table={}):  # noqa: B006
    found = count = 0
    for name, inner in table.items():
        if key in inner and name == s:
            found += 1
        for value in inner.values():
            count += value
    return found, count


#: What is always there, so that tables of a kind are of one type, and compiled once.
WITHIN = {
    "text": ["a", ODD],
    "int": [1, 2],
    "float": [0.5, 1.0, 1e300, 2.0**64],
    "single": [0.5, 1.0, 1e30, 2.0**64],
    "date": [dt.date(2000, 1, 1)],
}


@cache
def named(function, kind, name):
    """Return a kernel of a key as its kind says, and of a name."""
    copy = FunctionType(function.__code__, globals(), function.__name__, function.__defaults__)
    copy.__annotations__ = {"key": COLUMNS[kind][2] or object, "s": name}
    return plugin(copy)


@pytest.mark.parametrize("kind", WITHIN)
@settings(max_examples=10)
@given(data=st.data())
def test_dicts_and_sets_within_a_table(kind, data):
    inner = st.dictionaries(COLUMNS[kind][0], st.integers(-9, 9), max_size=5)
    drawn = data.draw(st.dictionaries(st.sampled_from(["a", "b", ODD, None]), inner))
    table = {"a": {}, "kept": dict.fromkeys(WITHIN[kind], 1), ODD: {}, None: {}, **drawn}
    column = data.draw(columns(kind, [key for one in table.values() for key in one]))
    names = data.draw(some_of([*table, "not there"], len(column)))
    frame = pl.DataFrame([column, pl.Series("s", names, pl.String)])
    rows = list(as_numpy(frame)) if column.dtype.is_float() else None
    for function in (of_dicts, of_a_dict, of_all_dicts):
        check(named(function, kind, str | None), frame, rows=rows, table=table)
    sets = {name: frozenset(one) for name, one in table.items()}
    check(named(of_sets, kind, str | None), frame, rows=rows, table=sets)


def of_lists(key, n, s: str, table={}):  # noqa: B006
    items = table.get(s, [])
    place = 0
    for i, one in enumerate(items):
        if one == key:
            place = i + 1
    return key in items, items.count(key), len(items), place, bool(table.get(s))


def of_a_list(key, n, s: str, table={}):  # noqa: B006
    return table[s][n]


def place_in_a_list(key, n, s: str, table={}):  # noqa: B006
    return table[s].index(key)


@pytest.mark.parametrize("kind", ["text", "int", "single", "date"])
@settings(max_examples=10)
@given(data=st.data())
def test_lists_within_a_table(kind, data):
    lists = st.lists(COLUMNS[kind][0], max_size=5)
    drawn = data.draw(st.dictionaries(st.sampled_from(["a", "b", ODD]), lists))
    table = {"a": [], "kept": WITHIN[kind], ODD: [], **drawn}
    column = data.draw(columns(kind, [item for one in table.values() for item in one]))
    count = len(column)
    frame = pl.DataFrame(
        [
            column,
            pl.Series("n", data.draw(some_of(range(-7, 7), count)), pl.Int64),
            pl.Series("s", data.draw(some_of([*table, "not there"], count)), pl.String),
        ]
    )
    rows = list(as_numpy(frame)) if column.dtype.is_float() else None
    for function in (of_lists, of_a_list, place_in_a_list):
        check(named(function, kind, str), frame, rows=rows, table=table)


def three_deep(s: str, n, table=()):
    total = 0
    for one in table[n].get(s, []):
        total = total * 10 + one.get("x", 9) + len(one)
    return total, table[n][s][0]["x"]


THREE_DEEP = plugin(three_deep)


@settings(max_examples=8)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b"]),
            st.lists(st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 9)), max_size=3),
        ),
        max_size=4,
    )
)
def test_containers_three_deep(drawn):
    table = [*drawn, {"a": [{"x": 1}, {}], "c": []}]
    frame = pl.DataFrame([(s, n) for s in "abcd" for n in range(-2, 6)], ["s", "n"], orient="row")
    check(THREE_DEEP, frame, table=table)
    check(THREE_DEEP, frame, table=tuple(table))


@pytest.mark.usefixtures("all_roads")
@settings(max_examples=2)
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
