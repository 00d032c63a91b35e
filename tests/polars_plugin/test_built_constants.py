"""Constants of native libraries, of all kinds: by the library's expression, by hand; values for columns."""

from __future__ import annotations

import datetime
import zoneinfo
from decimal import Decimal
from types import SimpleNamespace
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.plugins import register_plugin_function

import dataflare_vec as dfv
from dataflare_vec.polars_plugin import wheel
from testing.oracle import identical, plugin
from testing.strategies import odd_text, text


class All(NamedTuple):
    tagged: str
    raw: bytes
    day: datetime.date
    when: datetime.datetime
    at: datetime.time
    span: datetime.timedelta
    part: Decimal
    number: float
    flag: bool


def stamp(
    x,
    tag="a",
    raw=b"z",
    day=datetime.date(2020, 2, 29),
    when=datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999),
    at=datetime.time(1, 2, 3, 4),
    span=datetime.timedelta(days=-1, microseconds=5),
    part=Decimal("1.50"),
    number=0.25,
    count=3,
    flag=True,
    nothing=None,
):
    if nothing is not None:
        return All("", raw, day, when, at, span, part, number, flag)
    return All(x + tag, raw + b"!", day, when, at, span, part * 2, number * count, not flag)


def booked(day: datetime.date, at: datetime.datetime, took: datetime.timedelta, price: Decimal, note: bytes):
    return day, at + took, price + 1, len(note)


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


class Limits(NamedTuple):
    low: int
    high: float


LIMITS = Limits(1, 2.5)


class Parts(NamedTuple):
    within: bool
    shown: str
    hour: int
    second: bool
    big: int
    of_pair: str | None
    late: int


def placed(
    x,
    limits=LIMITS,
    pair=("a", (None, True, Decimal("1.50"))),
    at=datetime.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
    zone=datetime.timezone.utc,
    late=datetime.time(1, 2, fold=1),
    shown=datetime.datetime(2020, 1, 1, fold=1),
    big=1 << 63,
):
    there = at.astimezone(zone)
    return Parts(
        limits.low < x < limits.high,
        pair[0] + "!",
        there.hour,
        bool(at.fold) or bool(shown.fold),
        big,
        "yes" if pair[1][1] and pair[1][2] > 1 else None,
        late.hour + late.fold,
    )


STAMP, BOOKED, PLACED = plugin(stamp), plugin(booked), plugin(placed)
COLUMNS = {
    "day": pl.Date(),
    "at": pl.Datetime("ns"),
    "took": pl.Duration("ms"),
    "price": pl.Decimal(10, 2),
    "note": pl.Binary(),
}
FRAME = pl.DataFrame({"x": ["b", "\N{LATIN SMALL LETTER U WITH DIAERESIS}", None, "c" * 30]})

VALUES = {
    "tag": text | odd_text | st.just("x" * 70_000),
    "raw": st.binary(max_size=400),
    "day": st.dates(),
    "when": st.datetimes().map(lambda time: time.replace(fold=0)),
    "at": st.times().map(lambda time: time.replace(fold=0)),
    "span": st.timedeltas(datetime.timedelta(days=-100_000_000), datetime.timedelta(days=100_000_000)),
    "part": st.decimals(-(10**14), 10**14, places=2),
    "number": st.floats(allow_nan=False),
    "count": st.integers(-(1 << 63), (1 << 63) - 1),
    "flag": st.booleans(),
    "nothing": st.none(),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return dfv.build(
        {STAMP: {"x": pl.String}, BOOKED: COLUMNS, PLACED: None}, output=tmp_path_factory.mktemp("library")
    )


def by_hand(library, name, columns, **kwargs):
    return register_plugin_function(
        plugin_path=library.path, function_name=name, args=columns, kwargs=kwargs, is_elementwise=True
    )


def test_defaults(library):
    assert identical(FRAME.select(library.expr("stamp", "x")), FRAME.select(dfv.expr(STAMP, "x")))


@given(given=st.fixed_dictionaries({}, optional=VALUES))
def test_constants_of_all_kinds(library, given):
    """Compared with the plain function: `expr` would compile it for each set of their types."""
    dtype = FRAME.lazy().select(library.expr("stamp", "x")).collect_schema()["stamp"]
    nothing = dict.fromkeys(All._fields)
    rows = [nothing if x is None else stamp(x, **given)._asdict() for x in FRAME["x"]]
    expected = pl.DataFrame({"stamp": pl.Series(rows, dtype=dtype)})
    assert identical(FRAME.select(library.expr("stamp", "x", **given)), expected)
    assert identical(FRAME.select(by_hand(library, "stamp", ["x"], **given).alias("stamp")), expected)


@pytest.mark.parametrize(
    ("given", "digits"), [("7", "14.00"), ("1.5", "3.00"), ("-1E+3", "-2000.00"), ("0.500", "1.00")]
)
def test_decimals_have_the_digits_behind_the_point_that_code_is_compiled_for(library, given, digits):
    found = FRAME.select(library.expr("stamp", "x", part=Decimal(given)))["stamp"][0]
    assert str(found["part"]) == digits


UTC = datetime.timezone.utc
PART = "a decimal of 18 digits, at most 2 of them behind the point"
TOO_LONG = datetime.timedelta(days=200_000_000)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tag": 1}, "text"),
        ({"tag": b"a"}, "text"),
        ({"tag": "a\ud800"}, "text"),
        ({"tag": None}, "text"),
        ({"raw": "a"}, "bytes"),
        ({"raw": bytearray(b"a")}, "bytes"),
        ({"day": datetime.datetime(2020, 1, 1)}, "a date"),
        ({"when": datetime.date(2020, 1, 1)}, "a datetime without time zone or fold"),
        ({"when": datetime.datetime(2020, 1, 1, tzinfo=UTC)}, "a datetime without time zone or fold"),
        ({"when": datetime.datetime(2020, 1, 1, fold=1)}, "a datetime without time zone or fold"),
        ({"at": datetime.time(1, fold=1)}, "a time without time zone or fold"),
        ({"at": datetime.time(1, tzinfo=UTC)}, "a time without time zone or fold"),
        ({"span": TOO_LONG}, "a timedelta of 64 bits of microseconds"),
        ({"span": 3}, "a timedelta of 64 bits of microseconds"),
        ({"part": 1.5}, PART),
        ({"part": Decimal("0.001")}, PART),
        ({"part": Decimal("Infinity")}, PART),
        ({"part": Decimal(10**18)}, PART),
        ({"number": "1"}, "a number"),
        ({"count": 1.0}, "an integer of 64 bits"),
        ({"count": 1 << 63}, "an integer of 64 bits"),
        ({"flag": 1}, "True or False"),
        ({"nothing": 0}, "None"),
        ({"number": {"a": (1, [2, {3}, frozenset(), ()])}}, "a number"),
    ],
    ids=lambda value: "-".join(map(str, value.items())) if isinstance(value, dict) else "",
)
def test_what_is_no_constant_of_its_kind(library, given, expected):
    (name,) = given
    if not isinstance(given[name], (str, dict)) or name == "tag":  # which `expr` says otherwise
        with pytest.raises(dfv.BindingError, match=f"constant `{name}` must be {expected}, got "):
            library.expr("stamp", "x", **given)
    with pytest.raises(
        pl.exceptions.ComputeError, match=f"plugin `stamp`: constant `{name}` must be {expected}"
    ):
        FRAME.select(by_hand(library, "stamp", ["x"], **given))


@given(
    day=VALUES["day"],
    at=st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)),
    took=st.integers(-(10**9), 10**9).map(lambda n: datetime.timedelta(milliseconds=n)),
    price=st.decimals(-(10**6), 10**6, places=2),
    note=st.binary(max_size=20),
)
def test_values_for_columns_are_of_a_dtype_that_it_is_built_for(library, day, at, took, price, note):
    given = {"day": day, "at": at, "took": took, "price": price, "note": note}
    expr = library.expr("booked", **given)
    columns = {name: pl.lit(value, dtype=COLUMNS[name]) for name, value in given.items()}
    assert identical(pl.select(expr), pl.select(dfv.expr(BOOKED, **columns)))


PAIRS = st.tuples(st.integers(-3, 3), st.floats(-3, 3) | st.integers(-3, 3))
PLACED_VALUES = {
    "limits": PAIRS | PAIRS.map(lambda pair: Limits(*pair)),
    "pair": st.tuples(text, st.tuples(st.none(), st.booleans(), st.decimals(-9, 9, places=2))),
    "at": st.datetimes(timezones=st.just(BERLIN), allow_imaginary=True),
    "zone": st.just(datetime.timezone.utc),
    "late": st.times(),
    "shown": st.datetimes(),
    "big": st.integers(0, (1 << 64) - 1),
}
POINTS = pl.DataFrame({"x": [0.5, 1.5, None, 2.75, -1.0]})


@pytest.fixture(scope="module")
def package(library):
    """Return the module of the library's wheel, without one."""
    text = wheel.module(library.path.name, library.plugins, library.schemas)
    namespace = {"__file__": str(library.path), "__name__": "package"}
    exec(compile(text, "package", "exec"), namespace)
    return SimpleNamespace(**{name: namespace[name] for name in namespace["__all__"]})


@given(given=st.fixed_dictionaries({}, optional=PLACED_VALUES))
def test_constants_of_several_values(library, package, given):
    """Tuples, instants with a time zone or a fold, time zones: by the library, and by its wheel."""
    parts = dict(given)
    if "limits" in parts:
        parts["limits"] = Limits(*parts["limits"])
    try:
        rows = [None if x is None else placed(x, **parts) for x in POINTS["x"]]
    except OverflowError:  # an instant before year 1 in UTC
        return
    expected = pl.DataFrame({name: [row and getattr(row, name) for row in rows] for name in Parts._fields})
    for native in (library.expr("placed", "x", **given), package.placed("x", **given)):
        got = POINTS.select(native.alias("it")).unnest("it")
        assert got.cast(dict(expected.schema)).equals(expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"limits": (1,)}, "a tuple of 2: an integer of 64 bits, a number"),
        ({"limits": (1.5, 2.5)}, "a tuple of 2: an integer of 64 bits, a number"),
        ({"limits": 1}, "a tuple of 2"),
        ({"pair": ("a", ())}, "a tuple of 2: text, a tuple of 3: None, True or False, a decimal"),
        ({"at": datetime.datetime(2020, 1, 1)}, "a datetime in Europe/Berlin"),
        ({"at": datetime.datetime(2020, 1, 1, tzinfo=UTC)}, "a datetime in Europe/Berlin"),
        ({"zone": BERLIN}, "the time zone UTC"),
        ({"shown": datetime.datetime(2020, 1, 1, tzinfo=UTC)}, "a datetime without time zone"),
        ({"big": -1}, "an integer of 64 bits without sign"),
        ({"big": 1 << 64}, "an integer of 64 bits without sign"),
    ],
)
def test_what_is_no_constant_of_several_values(library, given, expected):
    (name,) = given
    with pytest.raises(dfv.BindingError, match=f"constant `{name}` must be {expected}.*, got "):
        library.expr("placed", "x", **given)


def test_values_of_constants_by_hand(library):
    it = POINTS.select(by_hand(library, "placed", ["x"], **{"limits.0": 0, "pair.0": "b"}).alias("it"))
    assert it["it"].struct.field("within").to_list() == [True, True, None, False, False]
    assert it["it"].struct.field("shown").to_list() == ["b!", "b!", None, "b!", "b!"]
    with pytest.raises(
        pl.exceptions.ComputeError, match=r"it has no constant `limits`; it has `limits.0`, `li"
    ):
        POINTS.select(by_hand(library, "placed", ["x"], limits=(0, 1)))
