"""What annotations of parameters and results say, and what happens to those that say nothing."""

from __future__ import annotations

# ruff: noqa: UP006, UP007, UP045, E741  # the older forms are among what is tested
import __future__

import collections.abc
import datetime as dt
import enum
import sys
import typing
import warnings
from decimal import Decimal

import annotated
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.annotation_scope import AnnotationScope
from dataflare_vec.definition.annotations import mismatch, read, read_parameters
from dataflare_vec.definition.plugin import Form, define

HOUR = dt.timedelta(hours=1)
FRAME = pl.DataFrame(
    {
        "x": [1.5, None],
        "s": [0.5, 2.5],
        "span": [HOUR, HOUR],
        "d": [dt.date(2020, 1, 2), dt.date(1999, 1, 1)],
        "p": pl.Series([Decimal("1.25"), Decimal(2)], dtype=pl.Decimal(10, 2)),
        "n": [[1, 2], [3]],
        "l": [[1.0, 2.0], [3.0]],
        "t": [{"start": dt.datetime(2020, 1, 1, 5), "fare": fare, "stops": [2]} for fare in (None, 2.5)],
        "born": [None, dt.date(1990, 1, 1)],
        "pair": [{"left": HOUR, "right": 3}] * 2,
        "more": [None, HOUR],
    }
)


def made(function, **about):
    kind = dfv.PluginType.TRANSFORMER
    return define(function, name=function.__name__, form=Form.ROW, plugin_type=kind, **about)


def values(plugin, frame=FRAME, **bindings):
    return dfv.apply(frame, plugin, keep=False, **bindings).rows()


# -- each by itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (annotated.union, [(1.5,), (-1.0,)]),
        (annotated.span, [(2 * HOUR,)] * 2),
        (annotated.day, [(2020,), (1999,)]),
        (annotated.price, [(Decimal("2.25"),), (Decimal("5.00"),)]),
        (annotated.array, [(3.0,), (3.0,)]),
        (annotated.alias, [(1.5,), (2.5,)]),
        (annotated.trip, [(7, None), (7, 2.5)]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_names_for_type_checkers(function, expected):
    assert values(made(function)) == expected


def test_classes_and_local_names():
    manager = dfv.PluginManager()
    manager.register_plugin("ages", annotated.Ages())
    assert values("ages", manager=manager) == [(-1,), (30,)]
    assert values(annotated.local(dfv.register)) == [(3 * HOUR,), (HOUR,)]


def test_a_name_that_is_nowhere_is_said():
    with pytest.warns(
        dfv.AnnotationWarning, match=r"`unknown`: .* parameter `x` .* `Frame` isn't defined"
    ) as caught:
        plugin = made(annotated.unknown)
    assert caught[0].filename == annotated.__file__
    assert values(plugin) == [(0,), (0,)]
    assert values(plugin, x="born") == [(0,), (0,)]  # a union that has None in it still has


def test_a_field_that_says_nothing_leaves_the_others():
    with pytest.warns(dfv.AnnotationWarning, match="`Config` isn't defined at run time"):
        plugin = made(annotated.partly)
    frame = FRAME.select(p=pl.struct(pl.lit(dt.datetime(2020, 1, 1, 5)).alias("start"), config=1))
    assert values(plugin, frame) == [(6,)]


def test_constants_and_columns_of_arrays_may_be_annotated_as_anything():
    def scaled(x: float, by: annotated.Ages = 2):
        return x * by

    assert values(made(scaled)) == [(3.0,), (None,)]

    def whole(x: np.ndarray) -> np.ndarray:
        return x * 2

    plugin = define(whole, name="whole", form=Form.COLUMN, plugin_type="transformer")
    assert values(plugin, x="s") == [(1.0,), (5.0,)]


# -- parameters -------------------------------------------------------------------------------------------


class Color(enum.Enum):
    RED = 1


class Level(str, enum.Enum):
    HIGH = "high"


class Meters(float):
    pass


class Point(typing.NamedTuple):
    a: int


class Typed(typing.TypedDict):
    a: int


T, Real = typing.TypeVar("T"), typing.TypeVar("Real", bound=float)

KINDS = [
    # annotation, what it expects, a dtype that suits, one that doesn't and what is said then
    (int, int, pl.Int8, pl.Float64, "an integer"),
    (float, float, pl.Int64, pl.String, "a number"),
    (bool, bool, pl.Boolean, pl.Int64, "a bool"),
    (bytes, bytes, pl.Binary, pl.String, "bytes"),
    (Decimal, Decimal, pl.Decimal(10, 2), pl.Float64, "Decimal"),
    (dt.date, dt.date, pl.Date, pl.Datetime("us"), "Date"),
    (np.float64, float, pl.Float64, pl.String, "a number"),
    (np.int16, int, pl.Int16, pl.Float64, "an integer"),
    (Level, str, pl.String, pl.Int64, "a string"),
    (Meters, float, pl.Float64, pl.String, "a number"),
    (typing.NewType("Id", int), int, pl.Int64, pl.Float64, "an integer"),
    (typing.Annotated[int, "m"], int, pl.Int64, pl.Float64, "an integer"),
    (typing.Literal["a", "b"], str, pl.String, pl.Int64, "a string"),
    (typing.Union[int, float], float, pl.Float64, pl.String, "a number"),
    (Real, float, pl.Float64, pl.String, "a number"),
    (Point, Point, pl.Struct({"a": pl.Int64}), pl.Int64, "Struct"),
    (Point, Point, pl.Struct({"a": pl.Int64}), pl.Struct({"a": pl.String}), "field `a` is an integer"),
    (list, list, pl.List(pl.Int64), pl.Int64, "a list"),
    (list[int], list[int], pl.List(pl.Int64), pl.List(pl.String), "a list of integers"),
    (typing.List[str], list[str], pl.List(pl.String), pl.String, "a list of strings"),
    (typing.Sequence[float], list[float], pl.List(pl.Float32), pl.List(pl.String), "a list of numbers"),
    (collections.abc.Iterable, list, pl.Array(pl.Int64, 2), pl.Int64, "a list"),
    (collections.abc.Sequence[bool], list[bool], pl.List(pl.Boolean), pl.List(pl.Int64), "a list of bools"),
    (tuple[float, ...], list[float], pl.List(pl.Float64), pl.Float64, "a list of numbers"),
    (np.ndarray, list, pl.List(pl.Int64), pl.Int64, "a list"),
    (npt.NDArray[np.float64], list[float], pl.List(pl.Float64), pl.List(pl.String), "a list of numbers"),
    (npt.NDArray[np.int64], list[int], pl.List(pl.Int64), pl.List(pl.Float64), "a list of integers"),
    (list[list[int]], list[list[int]], pl.Array(pl.Int64, (2, 2)), pl.List(pl.Int64), "a list of lists of"),
    (typing.Any, None, pl.Int64, None, ""),
    (object, None, pl.Int64, None, ""),
    (T, None, pl.Int64, None, ""),
    (typing.SupportsFloat, None, pl.Int64, None, ""),
    (typing.Union[str, int], None, pl.Int64, None, ""),
]


@pytest.mark.parametrize(("annotation", "expects", "suits", "other", "said"), KINDS, ids=str)
def test_kinds(annotation, expects, suits, other, said):
    for given, nullable in ((annotation, False), (typing.Optional[annotation], True)):
        reading = read(given, AnnotationScope())
        assert (reading.expects, reading.nullable, reading.problem) == (expects, nullable, "")
    assert mismatch(expects, pl.Series(dtype=suits).dtype) is None
    if other is not None:
        assert said in mismatch(expects, pl.Series(dtype=other).dtype)


def aliases():
    """Return what `type` makes, in the Pythons that have it."""
    names = {"typing": typing, "np": np}
    source = """
type Whole = int
type Maybe[T] = T | None
type Itself[T] = T
type Second[A, B] = tuple[B, ...]
type Array[T] = np.ndarray[typing.Any, np.dtype[T]]
type Nested = Maybe[Array[np.int64]]
type Lost = Missing | None
"""
    exec(source, names)
    return names


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` is from Python 3.12 on")
@pytest.mark.parametrize(
    ("text", "expects", "nullable"),
    [
        ("Whole", int, False),
        ("Maybe[str]", str, True),
        ("Maybe", None, True),
        ("Itself[bytes]", bytes, False),
        ("Second[str, int]", list[int], False),
        ("Array[np.float64]", list[float], False),
        ("Nested", list[int], True),
        ("Maybe[Maybe[Whole]]", int, True),
    ],
)
def test_aliases_with_arguments(text, expects, nullable):
    reading = read(text, AnnotationScope((aliases(),)))
    assert (reading.expects, reading.nullable, reading.problem, reading.unknown) == (
        expects,
        nullable,
        "",
        "",
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` is from Python 3.12 on")
def test_an_alias_of_what_only_type_checkers_know_says_nothing():
    reading = read("Lost", AnnotationScope((aliases(),)))
    assert (reading.expects, reading.unknown, reading.problem) == (None, "Missing", "")


REFUSED = [
    (Color, "members"),
    (Typed, "no column has such values"),
    (dict, "no column has such values"),
    (complex, "no column has such values"),
    (pl.Series, "no column has such values"),
    (typing.Callable, "no column has such values"),
    (list[typing.Optional[str]], "without None"),
    (list[dt.date], r"`list\[int\]`"),
    (typing.Union[dt.date, dt.datetime], "values of one type"),
]


@pytest.mark.parametrize(("annotation", "said"), REFUSED, ids=str)
def test_what_no_column_is_is_refused_at_definition(annotation, said):
    def kernel(v):
        return v

    kernel.__annotations__["v"] = annotation
    with pytest.raises(
        dfv.PluginDefinitionError, match=f"plugin `kernel`: parameter `v` is annotated .*{said}"
    ):
        made(kernel)


def test_lists_are_checked_and_read():
    def first(n: list[int], l: collections.abc.Sequence[float]):
        return n[0] + l[-1]

    plugin = made(first)
    assert values(plugin) == [(3.0,), (6.0,)]
    said = r"plugin `first`: column `l` must be a list of integers, got List\(Float64\); bind another .* `n="
    with pytest.raises(dfv.ColumnTypeError, match=said):
        values(plugin, n="l")


def test_neighbours_may_be_annotated_as_a_tuple():
    def rise(x: tuple[float | None, ...]):
        return 0.0 if x[-1] is None else x[0]

    plugin = made(rise, lookback=1)
    (parameter,) = plugin.parameters
    assert (parameter.nullable, parameter.expects) == (True, float)
    assert values(plugin, x="s") == [(0.0,), (2.5,)]


def test_kinds_by_name_are_read_where_the_function_is():
    def kernel(a: "int | None", b: "dt.date", c: "typing.Optional['dt.time']"):  # noqa: UP037
        return 1

    found = {name: (one.nullable, one.expects) for name, one in read_parameters(kernel).items()}
    assert found == {"a": (True, int), "b": (False, dt.date), "c": (True, dt.time)}


# -- results ----------------------------------------------------------------------------------------------


class Both(typing.NamedTuple):
    a: float
    b: int


class Other(typing.NamedTuple):
    c: float
    d: int


NUMBERS = pl.DataFrame(
    {
        "i": [3, 4],
        "x": [0.5, 1.0],
        "f": pl.Series([0.5, 1.0], dtype=pl.Float32),
        "b": [True, False],
        "u": pl.Series([(1 << 63) + 5, 1], dtype=pl.UInt64),
        "day": [dt.date(2020, 1, 1)] * 2,
        "s": ["a", "b"],
        "p": pl.Series([Decimal("1.25"), Decimal(2)], dtype=pl.Decimal(10, 2)),
    }
)


def integer_as_float(i) -> float:
    return i + 1


def single_as_float(f) -> float:
    return f


def bool_as_int(b) -> int:
    return b


def two(i) -> tuple[float, int]:
    return i, i


def named(i) -> Both:
    return Both(i, i)


def plain_as_named(i) -> Both:
    return i, i


def sometimes(i) -> float | None:
    return i if i > 3 else None


def moved(day: dt.date) -> dt.date:
    return day + dt.timedelta(days=1)


def text(s) -> str:
    return s + "!"


def exact(p) -> Decimal:
    return p + 1


def single(i) -> np.float32:
    return i


def open_(i) -> typing.Any:
    return i


RESULTS = {
    integer_as_float: [pl.Float64],
    single_as_float: [pl.Float64],
    bool_as_int: [pl.Int64],
    two: [pl.Float64, pl.Int64],
    named: [pl.Float64, pl.Int64],
    plain_as_named: [pl.Float64, pl.Int64],
    sometimes: [pl.Float64],
    moved: [pl.Date],
    text: [pl.String],
    exact: [pl.Decimal(38, 2)],
    single: [pl.Float32],
    open_: [pl.Int64],
}


def slowed(function):
    """Return the function with a call that Numba doesn't know."""
    import inspect

    source = inspect.getsource(function).replace("    return ", "    assert id(None)\n    return ", 1)
    names = dict(globals())
    exec(compile(source, __file__, "exec", flags=__future__.annotations.compiler_flag), names)
    return names[function.__name__]


@pytest.mark.parametrize("function", RESULTS, ids=lambda f: f.__name__)
def test_the_result_is_what_its_annotation_says(function):
    plugin = made(function)
    got = dfv.apply(NUMBERS, plugin, keep=False)
    assert got.dtypes == RESULTS[function]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dfv.InterpretedWarning)
        assert_frame_equal(dfv.apply(NUMBERS, made(slowed(function), fallback="python"), keep=False), got)
    assert_frame_equal(NUMBERS.lazy().pipe(dfv.apply, plugin, keep=False).collect(), got)
    if got.width == 1:
        arguments = [parameter.name for parameter in plugin.parameters]
        expression = dfv.expr(plugin, *arguments).alias(got.columns[0])
        assert_frame_equal(NUMBERS.select(expression), got)


def test_duckdb_gets_what_the_annotation_says():
    import duckdb

    with duckdb.connect() as connection:
        dfv.duckdb.register(connection, made(integer_as_float), types={"i": pl.Int64})
        assert connection.execute("select integer_as_float(2)").fetchone() == (3.0,)
        assert connection.execute("select typeof(integer_as_float(2))").fetchone() == ("DOUBLE",)


def test_what_an_int64_does_not_hold_stays_what_it_is():
    def same(u) -> int:
        return u

    assert dfv.apply(NUMBERS, made(same), keep=False).to_series().to_list() == NUMBERS["u"].to_list()


def float_as_int(x) -> int:
    return x * 2


def int_as_text(i) -> str:
    return i


def int_as_bool(i) -> bool:
    return i


def days_as_date(day) -> dt.date:
    return day


def int_as_decimal(i) -> Decimal:
    return i


def three(i) -> tuple[int, int, int]:
    return i, i


def another(i) -> Both:
    return Other(i, i)


MISMATCHES = {
    float_as_int: "it returns Float64, but is annotated `-> int`",
    int_as_text: "it returns Int64, but is annotated `-> str`",
    int_as_bool: "it returns Int64, but is annotated `-> bool`",
    days_as_date: "it returns Int32, but is annotated `-> date`",
    int_as_decimal: "it returns Int64, but is annotated `-> Decimal`",
    three: "it returns 2 values, but its annotation says 3",
    another: "it returns a named tuple of c, d, but is annotated as a named tuple of a, b",
}


@pytest.mark.parametrize("function", MISMATCHES, ids=lambda f: f.__name__)
def test_another_result_than_its_annotation_says(function):
    with pytest.raises(dfv.KernelResultError, match=f"`{function.__name__}`: {MISMATCHES[function]}"):
        dfv.apply(NUMBERS, made(function), keep=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dfv.InterpretedWarning)
        slow = made(slowed(function), fallback="python")
        if function is int_as_decimal:
            with pytest.raises(dfv.KernelResultError, match=MISMATCHES[function]):
                dfv.apply(NUMBERS, slow, keep=False)
        else:
            assert dfv.run(NUMBERS, slow, keep=False, on_error="null").error_count == NUMBERS.height


def test_returns_wins():
    plugin = made(integer_as_float, returns=pl.Int16)
    assert dfv.apply(NUMBERS, plugin, keep=False).dtypes == [pl.Int16]
