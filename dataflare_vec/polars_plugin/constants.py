"""Constants of plugins in a library: which kinds there are, and their defaults in tables and in Python."""

from __future__ import annotations

import datetime
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec.compiler.specialise import is_constant
from dataflare_vec.definition.python_values import digits_of, ticks_of
from dataflare_vec.definition.tables.kinds import shown
from dataflare_vec.exceptions import BindingError

if TYPE_CHECKING:
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
    datetime.datetime: Kind("DATETIME", "a datetime without time zone"),
    datetime.time: Kind("TIME", "a time without time zone"),
    datetime.timedelta: Kind("TIMEDELTA", "a timedelta of 64 bits of microseconds"),
    Decimal: Kind("DECIMAL", "a decimal of 18 digits"),
}

#: All that a constant may be, in words.
KNOWN = "numbers of 64 bits, bools, strings, bytes, dates, times without zone, decimals of 18 digits, None"


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
    is_wide = type(value) is int and not -(1 << 63) <= value < 1 << 63
    has_zone = getattr(value, "tzinfo", None) is not None
    return type(value) in _KINDS and is_constant(value) and not is_wide and not has_zone


def kind_of(parameter: Parameter) -> Kind:
    """Return the kind of a constant: that of its default, which code is compiled for."""
    kind = _KINDS[type(parameter.default)]
    if kind.name != "DECIMAL":
        return kind
    scale = digits_of(parameter.default)[1]
    return Kind(kind.name, f"{kind.expected}, at most {scale} of them behind the point")


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
    if type(value) is type(parameter.default) and is_known(value) and _fits(parameter.default, value):
        return
    name, expected = parameter.name, kind_of(parameter).expected
    msg = f"constant `{name}` must be {expected}, got {shown(value)}"
    raise BindingError(msg, plugin=plugin.name, parameter=name, expected=expected, got=shown(value))


def _fits(default: Any, value: Any) -> bool:
    """Whether a decimal has as many digits behind the point as its default, or can have."""
    if not isinstance(value, Decimal):
        return True
    digits, scale = digits_of(value)
    wanted = digits_of(default)[1]
    fewer = 10 ** max(scale - wanted, 0)
    rescaled = digits // fewer * 10 ** max(wanted - scale, 0)
    return bool(digits % fewer == 0 and -(1 << 63) <= rescaled < 1 << 63)


def type_name(kind: type) -> str:
    """Return a type as the module of a wheel names it.

    Examples
    --------
    >>> type_name(int), type_name(datetime.date), type_name(type(None))
    ('int', '_datetime.date', 'None')
    """
    if kind is type(None):
        return "None"
    return kind.__name__ if kind.__module__ == "builtins" else f"_{kind.__module__}.{kind.__name__}"


def literal(value: Any) -> str:
    """Return a constant as the module of a wheel writes it: infinities and NaN have no literal.

    Examples
    --------
    >>> print(literal(float("inf")), literal(datetime.date(2026, 1, 2)), literal(Decimal("1.50")))
    float("inf") _datetime.date(2026, 1, 2) _decimal.Decimal('1.50')
    """
    shown = repr(value)
    if isinstance(value, float) and not shown[-1].isdigit():
        return f'float("{shown}")'
    if isinstance(value, Decimal):
        return f"_decimal.{shown}"
    return f"_{shown}" if shown.startswith("datetime.") else shown
