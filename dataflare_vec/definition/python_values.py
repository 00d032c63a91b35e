"""What a kernel's plain Python function receives for a value of a column."""

from __future__ import annotations

import datetime
import keyword
from collections import namedtuple
from decimal import Context, Decimal
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.annotations import TEMPORAL, FieldOf, fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Where decimals are computed without being rounded: the largest product has 76 digits.
WIDE = Context(prec=80)
#: A span of a kernel has so many microseconds at most, above and below zero: 64 bits hold 292,271 years.
MOST_MICROSECONDS = (1 << 63) - 1
#: What is said of values that Python's `datetime` doesn't have, and of spans that 64 bits don't hold.
OUT_OF_RANGE = "date value out of range"
TOO_LONG = "a timedelta does not fit 64 bits of microseconds, 292,000 years; count days in an integer"
NO_TIME = "the time isn't within a day"
NO_ZONED_TIMES = "a time of day with an offset from UTC has no place in a column: cut the offset off"
#: What is said of decimals and wide integers that end before the result that Python finds.
TOO_LARGE = "a value on the way has more than 38 digits, or 128 bits; round earlier, or take floats"
#: What is said of an integer that Python reads from a string or a decimal, and 64 bits don't hold.
TOO_LARGE_INTEGER = "the integer does not fit the 64 bits that compiled code has; take `float(…)` instead"
#: Ticks of a microsecond, the finest that Python's `datetime` knows, or microseconds of a tick.
_PER_MICROSECOND = {"ns": 1000}
_MICROSECONDS = {"ms": 1000}

_MICROSECOND = datetime.timedelta(microseconds=1)
_EPOCH = datetime.datetime(1970, 1, 1)  # the clock of a column without zone
_DAY = 86_400_000_000


def ticks_of(value: Any) -> int:
    """Return the days of a date, or the microseconds of an instant (since 1970), a span or a time of day.

    Of an instant with a time zone they are those that its clock shows.
    """
    if isinstance(value, datetime.datetime):
        return (value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
    if isinstance(value, datetime.date):
        return value.toordinal() - _EPOCH.toordinal()
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(_EPOCH, value) - _EPOCH
    return int(value // _MICROSECOND)


def clock_parts(value: datetime.datetime) -> tuple[int, int, int, int]:
    """Return what an instant's clock shows, the same in UTC, its fold, and whether it has a time zone."""
    wall, offset = ticks_of(value), value.utcoffset()
    if offset is None:
        return wall, wall, value.fold, 0
    return wall, wall - offset // _MICROSECOND, value.fold, 1


def is_long(value: Any) -> bool:
    """Whether a value is a span that a kernel can't hold."""
    return isinstance(value, datetime.timedelta) and abs(ticks_of(value)) > MOST_MICROSECONDS


def digits_of(value: Decimal) -> tuple[int, int]:
    """Return the integer of a decimal's digits, and how many of them are behind the point."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "not finite"
    number = int("".join(map(str, digits)) or "0") * 10 ** max(exponent, 0)
    return -number if sign else number, max(-exponent, 0)


def is_short_decimal(value: Any) -> bool:
    """Whether a value is a decimal whose digits fit an integer of 64 bits."""
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() > 18:
        return False
    number, scale = digits_of(value)
    return -(1 << 63) <= number < 1 << 63 and scale <= 38


def is_naive(value: Any) -> bool:
    """Whether a value is one of `datetime`'s, without time zone."""
    return type(value) in TEMPORAL and getattr(value, "tzinfo", None) is None


def is_placed(value: Any) -> bool:
    """Whether a value is an instant with a time zone that compiled code knows, or such a zone."""
    tzinfo = value.tzinfo if type(value) is datetime.datetime else value
    if not isinstance(tzinfo, datetime.tzinfo):
        return False
    from dataflare_vec.definition.zones import UnknownZoneError, zone_of

    try:
        zone_of(tzinfo)
    except UnknownZoneError:
        return False
    return True


def moment_key(value: Any) -> Any:
    """Return what a kernel is compiled for of an instant, a time of day or a time zone that it is given."""
    if isinstance(value, datetime.tzinfo):
        return value
    return type(value), value.tzinfo, value.fold


def place_problem(value: Any, dtype: Any) -> str:
    """Return why an instant doesn't fit a column that has a time zone, or has none; empty if it does."""
    zone = getattr(dtype, "time_zone", None)
    if not isinstance(value, datetime.datetime) or dtype.base_type() is not pl.Datetime:
        return ""
    if (value.utcoffset() is None) == (zone is None):
        return ""
    if zone is None:
        return (
            f'{value} has a time zone, and the column has none: declare `returns=pl.Datetime("us", "UTC")`, '
            "or return `….replace(tzinfo=None)`"
        )
    return f"{value} has no time zone, and the column is in {zone}: return `….replace(tzinfo=…)`"


def struct_fields(dtype: Any, expects: type | None) -> tuple[FieldOf, ...]:
    """Return the fields that a kernel reads: those of the annotated class, or all that have a Python name."""
    if expects is not None:
        return fields_of(expects)
    return tuple(FieldOf(f.name, nullable=False, expects=None) for f in dtype.fields if is_field(f.name))


def is_field(name: str) -> bool:
    """Whether a named tuple may have a field of this name."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")


@cache
def tuple_class(names: tuple[str, ...]) -> type:
    """Return the class of named tuples for structs with these fields."""
    return namedtuple("Struct", names)


def checked_category(value: str, dtype: pl.Enum) -> str:
    """Return a string that is a category of an Enum.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if value not in _categories(dtype):
        msg = f"{value!r} is not a category of {dtype}"
        raise ValueError(msg)
    return value


@lru_cache(16)
def _categories(dtype: pl.Enum) -> frozenset[str]:
    return frozenset(dtype.categories)


def ticks_in(value: Any, dtype: Any) -> int:
    """Return one of Python's values as a column of its kind holds it, finer than its unit cut off downwards.

    Raises
    ------
    OverflowError
        If 64 bits don't hold it; or if Python has no such instant in UTC, as columns with a zone are stored.
    TypeError
        If it has a time zone and the column hasn't, or the other way round; if it is a time of day with one.
    """
    if problem := place_problem(value, dtype):
        raise TypeError(problem)
    if isinstance(value, datetime.time) and value.tzinfo is not None:
        raise TypeError(NO_ZONED_TIMES)
    if isinstance(value, datetime.datetime) and value.utcoffset() is not None:
        value = value.astimezone(datetime.timezone.utc)
    ticks = ticks_of(value)
    unit = getattr(dtype, "time_unit", "ns" if dtype == pl.Time else "")
    ticks = ticks * _PER_MICROSECOND.get(unit, 1) // _MICROSECONDS.get(unit, 1)
    if abs(ticks) > MOST_MICROSECONDS:
        msg = f"{value} does not fit {dtype}"
        raise OverflowError(msg)
    return ticks


def converter(dtype: Any, expects: type | None = None) -> Callable[[Any], Any] | None:
    """Return what makes the function's argument of a column's physical value; None if it stays as it is.

    Notes
    -----
    Floats are NumPy scalars, because those follow IEEE 754 as compiled code does: dividing by zero gives an
    infinity instead of an exception.
    """
    import numpy as np

    base = dtype.base_type()
    if base in (pl.Float32, pl.Float64):
        return np.float32 if base is pl.Float32 else np.float64
    if expects in TEMPORAL:
        return _temporal(dtype, expects)
    if base is pl.Decimal:
        return partial(_decimal, dtype.scale)
    if base in (pl.List, pl.Array):
        return list if dtype.inner.base_type() in (pl.String, pl.Binary) else _array(dtype)
    if base is pl.Struct:
        return _struct(dtype, expects)
    if base in (pl.Categorical, pl.Enum) and expects is not int:
        physical = pl.Series(dtype=dtype).to_physical().dtype
        return lambda code: pl.Series([code], dtype=physical).cat.to(dtype).cast(pl.String)[0]
    return None


def _decimal(scale: int, number: int) -> Decimal:
    return Decimal(number).scaleb(-scale, WIDE)


def _temporal(dtype: Any, expects: Any) -> Callable[[int], Any]:
    """Return what makes an object of Python's `datetime`, or raises OverflowError where there is none."""
    if expects is datetime.date:
        return _date
    unit = getattr(dtype, "time_unit", "ns")  # a Time is in nanoseconds
    divisor, factor = _PER_MICROSECOND.get(unit, 1), _MICROSECONDS.get(unit, 1)
    make = {datetime.timedelta: _span, datetime.time: _time, datetime.datetime: _instant}[expects]
    if (zone := getattr(dtype, "time_zone", None)) is not None:
        from dataflare_vec.definition.zones import tzinfo_named

        make = partial(_placed, tzinfo_named(zone))
    return lambda ticks: make(ticks // divisor * factor)


def _date(days: int) -> datetime.date:
    try:
        return datetime.date.fromordinal(days + _EPOCH.toordinal())
    except (ValueError, OverflowError):
        raise OverflowError(OUT_OF_RANGE) from None


def _span(microseconds: int) -> datetime.timedelta:
    if abs(microseconds) > MOST_MICROSECONDS:
        raise OverflowError(TOO_LONG)
    return datetime.timedelta(microseconds=microseconds)


def _time(microseconds: int) -> datetime.time:
    if not 0 <= microseconds < _DAY:
        raise OverflowError(NO_TIME)
    return (_EPOCH + datetime.timedelta(microseconds=microseconds)).time()


def _instant(microseconds: int) -> datetime.datetime:
    try:
        return _EPOCH + datetime.timedelta(microseconds=microseconds)
    except OverflowError:
        raise OverflowError(OUT_OF_RANGE) from None


def _placed(tzinfo: Any, microseconds: int) -> datetime.datetime:
    return _instant(microseconds).replace(tzinfo=datetime.timezone.utc).astimezone(tzinfo)


def _array(dtype: Any) -> Callable[[Any], Any]:
    import numpy as np

    inner, shape = dtype, []
    while isinstance(inner, (pl.List, pl.Array)):
        shape.append(-1 if isinstance(inner, pl.List) else inner.size)
        inner = inner.inner
    item = pl.Series(dtype=inner).to_physical().to_numpy().dtype
    if item.kind in "iu" and item.itemsize < 8:
        item = np.dtype(np.int64)  # in which compiled code computes with its items

    def array(value: Any) -> Any:
        rows = np.array(value, dtype=item)
        sizes = [len(value) if size < 0 else size for size in shape]
        rows = rows.reshape(sizes)
        if item.kind in "iub":
            rows = rows.view(integer_rows())
        rows.flags.writeable = False
        return rows

    return array


@cache
def integer_rows() -> type:
    """Return the class of arrays whose items are Python's integers and bools, which end nowhere."""
    import numpy as np

    class Rows(np.ndarray):
        def __getitem__(self, key: Any) -> Any:
            item = super().__getitem__(key)
            return item.item() if isinstance(item, np.generic) else item

        def __iter__(self) -> Iterator[Any]:
            return iter(self.tolist() if self.ndim == 1 else [self[i] for i in range(len(self))])

        def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
            integers = array.dtype.kind in "iub"
            if array.ndim == 0:
                return array.item() if integers else array[()]
            return array.view(Rows if integers else np.ndarray)

    return Rows


def _struct(dtype: Any, expects: Any) -> Callable[[Any], Any]:
    fields = struct_fields(dtype, expects)
    dtypes = {field.name: field.dtype for field in dtype.fields}
    convert = [converter(dtypes[field.name], field.expects) for field in fields]
    make = expects or tuple_class(tuple(field.name for field in fields))

    def named_tuple(value: dict[str, Any]) -> Any:
        items = []
        for field, to_python in zip(fields, convert, strict=True):
            item = value[field.name]
            if has_hole(item):
                item = None
            elif to_python is not None:
                item = to_python(item)
            if item is None and not field.nullable:
                return None
            items.append(item)
        return make(*items)

    return named_tuple


def has_hole(value: Any) -> bool:
    """Whether a value is None, or a list with None in it, at any depth: what no kernel reads."""
    return value is None or (isinstance(value, list) and any(map(has_hole, value)))
