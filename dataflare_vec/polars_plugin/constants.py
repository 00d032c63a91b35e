"""Constants of plugins in a library: which kinds there are, and their defaults in tables and in Python."""

from __future__ import annotations

import datetime
import re
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec.compiler.specialise import is_constant
from dataflare_vec.definition.python_values import clock_parts, digits_of, ticks_of
from dataflare_vec.definition.tables.kinds import shown
from dataflare_vec.definition.zones import zone_of
from dataflare_vec.exceptions import BindingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.definition.plugin import Parameter, Plugin


class Kind(NamedTuple):
    """A kind of constant: what the runtime calls it, and what is said of values that aren't of it."""

    name: str
    expected: str


_KINDS: dict[type, Kind] = {
    type(None): Kind("NONE", "None"),
    bool: Kind("BOOLEAN", "True or False"),
    int: Kind("INTEGER", "an integer of 64 bits"),
    float: Kind("FLOAT", "a number"),
    str: Kind("TEXT", "text"),
    bytes: Kind("BYTES", "bytes"),
    datetime.date: Kind("DATE", "a date"),
    datetime.datetime: Kind("DATETIME", "a datetime without time zone or fold"),
    datetime.time: Kind("TIME", "a time without time zone or fold"),
    datetime.timedelta: Kind("TIMEDELTA", "a timedelta of 64 bits of microseconds"),
    Decimal: Kind("DECIMAL", "a decimal of 18 digits"),
}

#: All that a constant may be, in words.
KNOWN = (
    "numbers of 64 bits, bools, strings, bytes, dates, datetimes, times without zone, time zones, decimals "
    "of 18 digits, None, and tuples of these"
)
#: What an instant is made of that is more than what a clock shows: see `compiler.jit.types.clocks`.
_CLOCK = ("wall", "utc", "fold", "aware")
_TIME = ("wall", "fold")
_MODULE = re.compile(r"\b(datetime|zoneinfo)\.(?=[A-Za-z])(?!datetime\.)")


class Leaf(NamedTuple):
    """One value of a constant, as keyword arguments and tables have it.

    Attributes
    ----------
    name
        Of the constant; of one that has several, with its place behind it: ``limits.0``, ``at.utc``.
    value
        Of a kind that the runtime knows.
    """

    name: str
    value: Any


class TableValue(NamedTuple):
    """A constant as the tables have it.

    Attributes
    ----------
    bits
        Of a number.
    content
        Of text and bytes.
    scale
        Digits behind the point of a decimal: code is compiled for so many.
    """

    bits: int
    content: bytes
    scale: int


def is_known(value: Any) -> bool:
    """Whether a constant can be one of a library's."""
    if isinstance(value, tuple):
        return len(value) > 0 and all(map(is_known, value))
    if isinstance(value, datetime.tzinfo):
        return is_constant(value)
    return type(value) in _KINDS and is_constant(value)


def leaves(name: str, value: Any, like: Any) -> Iterator[Leaf]:
    """Yield the values that a constant is made of, in the order in which loops have them.

    Parameters
    ----------
    like
        The default: code is compiled for what it is made of.
    """
    if isinstance(like, tuple):
        for i, (item, one) in enumerate(zip(value, like, strict=True)):
            yield from leaves(f"{name}.{i}", item, one)
    elif isinstance(like, datetime.tzinfo):
        return  # it is part of the code
    elif isinstance(like, datetime.datetime) and (like.tzinfo is not None or like.fold):
        yield from (Leaf(f"{name}.{part}", n) for part, n in zip(_CLOCK, clock_parts(value), strict=True))
    elif isinstance(like, datetime.time) and like.fold:
        yield from (
            Leaf(f"{name}.{part}", n) for part, n in zip(_TIME, (ticks_of(value), value.fold), strict=True)
        )
    elif _is_natural(like):
        yield Leaf(name, value if value < 1 << 63 else value - (1 << 64))  # the same bits
    else:
        yield Leaf(name, float(value) if isinstance(like, float) else value)


def leaves_of(parameter: Parameter) -> Iterator[Leaf]:
    """Yield the values that the default of a constant is made of."""
    yield from leaves(parameter.name, parameter.default, parameter.default)


def kind_of(value: Any) -> Kind:
    """Return the kind of a constant, or of one of its values."""
    if isinstance(value, tuple):
        return Kind(
            "TUPLE", f"a tuple of {len(value)}: {', '.join(kind_of(item).expected for item in value)}"
        )
    if isinstance(value, datetime.tzinfo):
        return Kind("OTHER", f"the time zone {value}")
    if getattr(value, "tzinfo", None) is not None:
        return Kind("OTHER", f"a datetime in {value.tzinfo}")
    if _is_natural(value):
        return Kind("INTEGER", "an integer of 64 bits without sign")
    kind = _KINDS[type(value)]
    if kind.name != "DECIMAL":
        return kind
    return Kind(kind.name, f"{kind.expected}, at most {digits_of(value)[1]} of them behind the point")


def _is_natural(value: Any) -> bool:
    return type(value) is int and value >= 1 << 63


def table_value(value: Any) -> TableValue:
    """Return a constant as the tables have it."""
    bits, content, scale = 0, b"", 0
    if isinstance(value, (str, bytes)):
        content = value.encode() if isinstance(value, str) else value
    elif isinstance(value, float):
        (bits,) = struct.unpack("<q", struct.pack("<d", value))
    elif isinstance(value, Decimal):
        bits, scale = digits_of(value)
    elif value is not None:
        bits = int(value) if isinstance(value, int) else ticks_of(value)
    return TableValue(bits, content, scale)


def check_constant(plugin: Plugin, parameter: Parameter, value: Any) -> None:
    """Raise if a constant isn't of the kind of its default.

    Raises
    ------
    BindingError
        Saying what it may be.
    """
    if is_known(value) and _fits(parameter.default, value):
        return
    name, expected = parameter.name, kind_of(parameter.default).expected
    msg = f"constant `{name}` must be {expected}, got {shown(value)}"
    raise BindingError(msg, plugin=plugin.name, parameter=name, expected=expected, got=shown(value))


def _fits(default: Any, value: Any) -> bool:
    """Whether code that was compiled for one value takes another one."""
    if isinstance(default, tuple):
        return isinstance(value, tuple) and len(value) == len(default) and all(map(_fits, default, value))
    if isinstance(default, datetime.tzinfo):
        return isinstance(value, datetime.tzinfo) and _same_zone(default, value)
    if type(default) is float and type(value) is int:
        return True
    if type(value) is not type(default):
        return False
    if isinstance(default, datetime.datetime) and not _same_zone(default.tzinfo, value.tzinfo):
        return False
    if isinstance(default, (datetime.datetime, datetime.time)):
        return getattr(default, "tzinfo", None) is not None or default.fold >= value.fold
    if type(default) is int:
        return bool(0 <= value < 1 << 64 if _is_natural(default) else value < 1 << 63)
    return not isinstance(default, Decimal) or _has_digits(default, value)


def _same_zone(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return zone_of(a).identity == zone_of(b).identity


def _has_digits(default: Decimal, value: Decimal) -> bool:
    """Whether a decimal has as many digits behind the point as its default, or can have."""
    digits, scale = digits_of(value)
    wanted = digits_of(default)[1]
    fewer = 10 ** max(scale - wanted, 0)
    rescaled = digits // fewer * 10 ** max(wanted - scale, 0)
    return bool(digits % fewer == 0 and -(1 << 63) <= rescaled < 1 << 63)


def type_name(value: Any) -> str:
    """Return the type of a constant as the module of a wheel names it.

    Examples
    --------
    >>> type_name(1), type_name(datetime.date(2026, 1, 2)), type_name((None, 1.5))
    ('int', '_datetime.date', 'tuple[None, float]')
    """
    if value is None:
        return "None"
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(type_name, value))}]"
    if isinstance(value, datetime.tzinfo):
        return "_datetime.tzinfo"
    return kind_name(type(value))


def kind_name(kind: type) -> str:
    """Return a class as the module of a wheel names it."""
    return kind.__name__ if kind.__module__ == "builtins" else f"_{kind.__module__}.{kind.__name__}"


def literal(value: Any) -> str:
    """Return a constant as the module of a wheel writes it: infinities and NaN have no literal.

    Examples
    --------
    >>> print(literal(float("inf")), literal(datetime.date(2026, 1, 2)), literal((Decimal("1.50"),)))
    float("inf") _datetime.date(2026, 1, 2) (_decimal.Decimal('1.50'),)
    >>> print(literal(datetime.timezone.utc))
    _datetime.timezone.utc
    """
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    written = repr(value)
    if isinstance(value, float) and not written[-1].isdigit():
        return f'float("{written}")'
    if isinstance(value, Decimal):
        return f"_decimal.{written}"
    written = _MODULE.sub(r"_\1.", written)
    return written.replace("_zoneinfo.ZoneInfo(key=", "_zoneinfo.ZoneInfo(")
