"""What a kernel's plain Python function receives for a value of a column."""

from __future__ import annotations

import datetime
import keyword
import typing
from collections import namedtuple
from decimal import Context, Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What a parameter may be annotated with so that it is what Python's `datetime` makes of it, not an integer.
TEMPORAL: dict[Any, Any] = {
    datetime.datetime: pl.Datetime,
    datetime.date: pl.Date,
    datetime.time: pl.Time,
    datetime.timedelta: pl.Duration,
}
#: Where decimals are computed without being rounded: the largest product has 76 digits.
WIDE = Context(prec=80)
#: What is said of decimals and wide integers that end before the result that Python finds.
TOO_LARGE = "a value on the way has more than 38 digits, or 128 bits; round earlier, or take floats"
#: What is said of an integer that Python reads from a string or a decimal, and 64 bits don't hold.
TOO_LARGE_INTEGER = "the integer does not fit the 64 bits that compiled code has; take `float(…)` instead"
#: What a column most likely is whose parameter is annotated so.
LIKELY: dict[Any, Any] = {
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
    str: pl.String(),
    bytes: pl.Binary(),
    datetime.datetime: pl.Datetime("us"),
    datetime.date: pl.Date(),
    datetime.time: pl.Time(),
    datetime.timedelta: pl.Duration("us"),
}
#: Ticks of a microsecond, the finest that Python's `datetime` knows, or microseconds of a tick.
_PER_MICROSECOND = {"ns": 1000}
_MICROSECONDS = {"ms": 1000}

_MICROSECOND = datetime.timedelta(microseconds=1)
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001  # the clock of a column without zone


def ticks_of(value: Any) -> int:
    """Return the days of a date, or the microseconds of an instant (since 1970), a span or a time of day."""
    if isinstance(value, datetime.datetime):
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, datetime.date):
        return value.toordinal() - _EPOCH.toordinal()
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(_EPOCH, value) - _EPOCH
    return int(value // _MICROSECOND)


def digits_of(value: Decimal) -> tuple[int, int]:
    """Return the integer of a decimal's digits, and how many of them are behind the point."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "not finite"
    number = int("".join(map(str, digits)) or "0") * 10 ** max(exponent, 0)
    return -number if sign else number, max(-exponent, 0)


def is_short_decimal(value: Any) -> bool:
    """Whether a value is a decimal whose digits fit an integer of 64 bits."""
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() > 18:  # noqa: PLR2004
        return False
    number, scale = digits_of(value)
    return -(1 << 63) <= number < 1 << 63 and scale <= 38  # noqa: PLR2004


def is_naive(value: Any) -> bool:
    """Whether a value is one of `datetime`'s, without time zone."""
    return type(value) in TEMPORAL and getattr(value, "tzinfo", None) is None


def is_named_tuple(annotation: Any) -> bool:
    """Whether an annotation is a class of named tuples."""
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def read_annotation(annotation: Any) -> tuple[bool, type | None]:
    """Return whether None is allowed, and which type is expected, where it is one that the library knows."""
    known = (bool, int, float, str, bytes, Decimal, *TEMPORAL)
    if isinstance(annotation, str):  # could not be evaluated
        parts = {part.strip() for part in annotation.split("|")}
        nullable = "None" in parts or annotation.startswith(("Optional[", "typing.Optional["))
        named = [t for t in known if t.__name__ in parts]
        return nullable, named[0] if len(named) == 1 else None
    arguments = typing.get_args(annotation) or (annotation,)
    nullable = type(None) in arguments
    rest = [a for a in arguments if a is not type(None)]
    expects = rest[0] if len(rest) == 1 and (rest[0] in known or is_named_tuple(rest[0])) else None
    return nullable, expects


class FieldOf(typing.NamedTuple):
    """One field of a struct as a kernel sees it."""

    name: str
    nullable: bool
    expects: type | None


def struct_fields(dtype: Any, expects: type | None) -> tuple[FieldOf, ...]:
    """Return the fields that a kernel reads: those of the annotated class, or all that have a Python name."""
    if expects is not None:
        hints = typing.get_type_hints(expects)
        return tuple(FieldOf(n, *read_annotation(hints.get(n))) for n in expects._fields)  # type: ignore[attr-defined]
    return tuple(FieldOf(f.name, nullable=False, expects=None) for f in dtype.fields if is_field(f.name))


def is_field(name: str) -> bool:
    """Whether a named tuple may have a field of this name."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")


@cache
def tuple_class(names: tuple[str, ...]) -> type:
    """Return the class of named tuples for structs with these fields."""
    return namedtuple("Struct", names)  # noqa: PYI024


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
    if expects is datetime.date:
        return lambda days: datetime.date.fromordinal(days + _EPOCH.toordinal())
    unit = getattr(dtype, "time_unit", "ns")  # a Time is in nanoseconds
    divisor, factor = _PER_MICROSECOND.get(unit, 1), _MICROSECONDS.get(unit, 1)

    def span(ticks: int) -> datetime.timedelta:
        return datetime.timedelta(microseconds=ticks // divisor * factor)

    if expects is datetime.timedelta:
        return span
    if expects is datetime.time:
        return lambda ticks: (_EPOCH + span(ticks)).time()
    return lambda ticks: _EPOCH + span(ticks)


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

        def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:  # noqa: FBT001, FBT002  # NumPy's
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
        items = [value[field.name] for field in fields]
        return make(*(x if x is None or c is None else c(x) for x, c in zip(items, convert, strict=True)))

    return named_tuple
