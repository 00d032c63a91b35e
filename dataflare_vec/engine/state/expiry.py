"""After what a key's state is dropped: how users say it, and what that is in units of the column of times."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.exceptions import BindingError, ColumnTypeError

if TYPE_CHECKING:
    #: A column of times and what may pass between rows of a key, or how many rows.
    Expire = tuple[str, str | timedelta | int] | int | None

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60 * 1_000_000_000,
    "h": 3600 * 1_000_000_000,
    "d": 24 * 3600 * 1_000_000_000,
    "w": 7 * 24 * 3600 * 1_000_000_000,
}
_PIECE = re.compile(r"(\d+)(ns|us|µs|ms|s|m|h|d|w)")
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000}

#: What a number of rows is counted in, where there is no column of times.
ROWS = "rows"

_EXPECTED = 'a column and a time, as `("ts", "30m")`, or a number of rows'


class Span(NamedTuple):
    """A length of time."""

    nanoseconds: int


class Expiry(NamedTuple):
    """What may pass after a key's last row before its state is dropped.

    Attributes
    ----------
    column : str or None
        The column that says when a row was; None if rows are counted.
    after : Span or int
        A length of time, or how many rows or units of an integer column.
    """

    column: str | None
    after: Span | int

    def units(self, plugin: str, dtype: Any) -> tuple[int, str]:
        """Return how many units of a column's values that is, and what these are.

        Raises
        ------
        ColumnTypeError
            If the column says no times, or other ones.
        """
        if self.column is None:
            assert isinstance(self.after, int)
            return self.after, ROWS
        unit = _unit_of(dtype)
        if unit is None:
            raise ColumnTypeError(
                problem=f"`expire` needs times, column `{self.column}` is {dtype}",
                plugin=plugin,
                column=self.column,
                expected="a date, a datetime, a duration or an integer of up to 64 bits with a sign",
                got=dtype,
                hint="cast it, or make it a datetime with `pl.from_epoch`",
            )
        if isinstance(self.after, Span) is (unit == 0):
            is_integer = unit == 0
            raise ColumnTypeError(
                problem=f"`expire` gives {'a time' if is_integer else 'a number'}, "
                f"column `{self.column}` is {dtype}",
                plugin=plugin,
                column=self.column,
                got=dtype,
                hint=f"give {'a number of its units' if is_integer else 'a time'}, as "
                f'`("{self.column}", {1800 if is_integer else chr(34) + "30m" + chr(34)})`',
            )
        if isinstance(self.after, Span):
            return self.after.nanoseconds // unit, str(dtype)
        return self.after, str(dtype)


def _unit_of(dtype: Any) -> int | None:
    """Return the nanoseconds of a column's unit, 0 of plain integers, None of what is no time."""
    if isinstance(dtype, (pl.Datetime, pl.Duration)):
        return _UNITS[dtype.time_unit or "us"]
    if dtype == pl.Date:
        return _NANOSECONDS["d"]
    if dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128):
        return 0
    return None


def expiry_of(plugin: str, expire: Any) -> Expiry | None:
    """Return what a user has said.

    Raises
    ------
    BindingError
        If it means nothing.
    """
    if expire is None or isinstance(expire, Expiry):
        return expire
    if isinstance(expire, int) and not isinstance(expire, bool):
        return Expiry(None, _at_least_0(plugin, expire))
    if not isinstance(expire, (tuple, list)) or len(expire) != 2 or not isinstance(expire[0], str):
        raise BindingError(plugin=plugin, argument="expire", expected=_EXPECTED, got=repr(expire))
    column, after = expire
    if isinstance(after, str):
        return Expiry(column, Span(_parsed(plugin, after)))
    if isinstance(after, timedelta):
        # In whole numbers: a float of seconds hasn't got the microseconds of a century.
        nanoseconds = (after.days * 86_400 + after.seconds) * 1_000_000_000 + after.microseconds * 1_000
        return Expiry(column, Span(_at_least_0(plugin, nanoseconds)))
    if isinstance(after, int) and not isinstance(after, bool):
        return Expiry(column, _at_least_0(plugin, after))
    raise BindingError(plugin=plugin, argument="expire", expected=_EXPECTED, got=repr(expire))


def _at_least_0(plugin: str, number: int) -> int:
    if not 0 <= number < 1 << 63:
        raise BindingError(
            plugin=plugin, argument="expire", expected="0 or more, and below 2**63", got=str(number)
        )
    return number


def _parsed(plugin: str, text: str) -> int:
    """Return the nanoseconds of a duration as Polars writes them, of units that are always as long."""
    pieces = _PIECE.findall(text)
    if not text or "".join(number + unit for number, unit in pieces) != text:
        raise BindingError(
            plugin=plugin,
            argument="expire",
            expected='a time of fixed length, as "30m" or "1h30m" (ns, us, ms, s, m, h, d, w)',
            got=repr(text),
        )
    return _at_least_0(plugin, sum(int(number) * _NANOSECONDS[unit] for number, unit in pieces))
