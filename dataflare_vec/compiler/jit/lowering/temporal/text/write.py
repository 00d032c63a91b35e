"""Pieces of a date written one behind the other, as straight-line LLVM IR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings.viewcode import load, store
from dataflare_vec.compiler.jit.lowering.temporal.civil import (
    SECOND,
    days_of,
    iso_week,
    weekday,
    year_month_day,
)
from dataflare_vec.compiler.jit.lowering.temporal.text.pieces import Name, Number, Offset, Piece, ZoneName
from dataflare_vec.compiler.jit.types.strings import byte_pointer

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I8, _I16, _I64 = ir.IntType(8), ir.IntType(16), ir.IntType(64)
_DIGITS = b"".join(b"%02d" % number for number in range(100))
#: Bytes in which a name of a table lies, a power of two.
_STRIDE = 16
#: What an offset takes at most, `+hh:mm:ss.ffffff`.
_LONGEST_OFFSET = 16


def room_for(pieces: tuple[Piece, ...]) -> int:
    """Return how many bytes pieces take at most, but for the names of zones; names are written as a whole."""
    longest = 0
    for piece in pieces:
        if isinstance(piece, str):
            longest += len(piece.encode())
        elif isinstance(piece, Number):
            longest += piece.digits
        elif isinstance(piece, Name):
            longest += max(map(len, piece.names))
        elif isinstance(piece, Offset):
            longest += _LONGEST_OFFSET
    return longest + _STRIDE


def writer(pieces: tuple[Piece, ...]) -> Any:
    """Return a function of Numba code that writes pieces of an instant, and returns where they end.

    Its arguments are the address, the days since 1970, the microseconds of the day, those that the clock is
    before UTC, and the name of its zone.
    """

    @intrinsic
    def write(
        typing_context: TypingContext, room: Any, days: Any, microseconds: Any, offset: Any, zone: Any
    ) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> ir.Value:
            return _Writer(context, builder, arguments, zone).write(pieces)

        return types.int64(byte_pointer, types.int64, types.int64, types.int64, zone), generate

    return write


class _Writer:
    def __init__(self, context: Context, builder: Builder, arguments: Values, zone: types.Type) -> None:
        self.context, self.builder = context, builder
        self.room, self.days, self.microseconds, self.offset, self.zone = arguments
        self.zone_type = zone
        self.at: ir.Value = _I64(0)
        self.known: dict[str, ir.Value] = {}

    def write(self, pieces: tuple[Piece, ...]) -> ir.Value:
        """Write all of them, and return where they end."""
        for piece in pieces:
            if isinstance(piece, str):
                self._text(piece.encode())
            elif isinstance(piece, Number):
                self._number(piece)
            elif isinstance(piece, Name):
                self._name(piece)
            elif isinstance(piece, Offset):
                self._offset(piece)
            elif isinstance(piece, ZoneName):
                self._zone_name()
        return self.at

    def _go(self, distance: int | ir.Value) -> None:
        self.at = self.builder.add(self.at, distance if isinstance(distance, ir.Value) else _I64(distance))

    def _text(self, text: bytes) -> None:
        number = int.from_bytes(text, "little")
        store(self.builder, ir.IntType(8 * len(text))(number), self.room, self.at)
        self._go(len(text))

    def _table(self, name: str, content: bytes) -> ir.Value:
        array = ir.Constant(ir.ArrayType(_I8, len(content)), bytearray(content))
        module = self.builder.module
        known = module.globals.get(name) or cgutils.global_constant(module, name, array)
        return self.builder.bitcast(known, _I8.as_pointer())

    # -- pieces ---------------------------------------------------------------------------------------------

    def _number(self, piece: Number) -> None:
        value = self._field(piece.field)
        digits = piece.digits
        if piece.fill != "0":
            self._unpadded(value, digits, spaces=piece.fill == " ")
            return
        for left in range(digits - 2, -1, -2):
            pair = self.builder.udiv(value, _I64(10**left)) if left else value
            self._pair(self.builder.urem(pair, _I64(100)) if left < digits - 2 else pair)
        if digits % 2:
            last = self.builder.urem(value, _I64(10)) if digits > 1 else value
            store(self.builder, self._digit(last), self.room, self.at)
            self._go(1)

    def _digit(self, value: ir.Value) -> ir.Value:
        return self.builder.add(self.builder.trunc(value, _I8), _I8(ord("0")))

    def _pair(self, value: ir.Value) -> None:
        table = self._table(".dfv.digits", _DIGITS)
        pair = load(self.builder, table, self.builder.shl(value, _I64(1)), _I16)
        store(self.builder, pair, self.room, self.at)
        self._go(2)

    def _unpadded(self, value: ir.Value, most: int, *, spaces: bool) -> None:
        """Write a number without the zeros before it, or with spaces instead."""
        for left in range(most - 1, -1, -1):
            digit = self.builder.urem(self.builder.udiv(value, _I64(10**left)), _I64(10))
            text = self._digit(digit)
            shown = self.builder.icmp_unsigned(">=", value, _I64(10**left)) if left else cgutils.true_bit
            if spaces:
                text = self.builder.select(shown, text, _I8(ord(" ")))
            store(self.builder, text, self.room, self.at)
            self._go(1 if spaces else self.builder.zext(shown, _I64))

    def _name(self, piece: Name) -> None:
        number = self._field(piece.field)
        same = {*map(len, piece.names)}
        content = b"".join(name.encode().ljust(_STRIDE, b"\0") for name in piece.names)
        table = self._table(f".dfv.names.{'.'.join(piece.names)}", content)
        ty = ir.IntType(8 * _STRIDE)
        name = load(self.builder, table, self.builder.shl(number, _I64(_STRIDE.bit_length() - 1)), ty)
        if len(same) == 1:
            (length,) = same
            store(self.builder, self.builder.trunc(name, ir.IntType(8 * length)), self.room, self.at)
            self._go(length)
            return
        store(self.builder, name, self.room, self.at)
        lengths = self._table(f".dfv.lengths.{'.'.join(piece.names)}", bytes(map(len, piece.names)))
        self._go(self.builder.zext(load(self.builder, lengths, number, _I8), _I64))

    def _offset(self, piece: Offset) -> None:
        """Write an offset, if it is to be shown."""
        if not piece.omits_zero:
            self._whole_offset(piece)
            return
        end = cgutils.alloca_once_value(self.builder, self.at)
        self.builder.store(self.at, end)
        with self.builder.if_then(self.builder.icmp_signed("!=", self.offset, _I64(0))):
            self._whole_offset(piece)
            self.builder.store(self.at, end)
        self.at = self.builder.load(end)

    def _whole_offset(self, piece: Offset) -> None:
        """Write an offset: seconds and their fraction only if there are some."""
        builder = self.builder
        negative = builder.icmp_signed("<", self.offset, _I64(0))
        sign = builder.select(negative, _I8(ord("-")), _I8(ord("+")))
        store(builder, sign, self.room, self.at)
        self._go(1)
        size = builder.select(negative, builder.neg(self.offset), self.offset)
        self._pair(builder.udiv(size, _I64(3600 * SECOND)))
        self._separated(piece, builder.urem(builder.udiv(size, _I64(60 * SECOND)), _I64(60)))
        end = cgutils.alloca_once_value(builder, self.at)
        builder.store(self.at, end)
        rest = builder.urem(size, _I64(60 * SECOND))
        with builder.if_then(builder.icmp_unsigned("!=", rest, _I64(0)), likely=False):
            self._separated(piece, builder.udiv(rest, _I64(SECOND)))
            builder.store(self.at, end)
            fraction = builder.urem(rest, _I64(SECOND))
            with builder.if_then(builder.icmp_unsigned("!=", fraction, _I64(0)), likely=False):
                self._text(b".")
                for left in (10_000, 100, 1):
                    self._pair(builder.urem(builder.udiv(fraction, _I64(left)), _I64(100)))
                builder.store(self.at, end)
        self.at = builder.load(end)

    def _separated(self, piece: Offset, number: ir.Value) -> None:
        if piece.separator:
            self._text(piece.separator.encode())
        self._pair(number)

    def _zone_name(self) -> None:
        view = cgutils.create_struct_proxy(self.zone_type)(self.context, self.builder, value=self.zone)
        to = self.builder.gep(self.room, [self.at])
        cgutils.raw_memcpy(self.builder, to, view.data, view.nbytes, 1)
        self._go(view.nbytes)

    # -- fields ---------------------------------------------------------------------------------------------

    def _field(self, name: str) -> ir.Value:
        if name not in self.known:
            self.known[name] = self._computed(name)
        return self.known[name]

    def _computed(self, name: str) -> ir.Value:
        builder, of_day = self.builder, self.microseconds
        units = {
            "hour": 3600 * SECOND,
            "minute": 60 * SECOND,
            "second": SECOND,
            "millisecond": 1000,
            "microsecond": 1,
        }
        if name in units:
            whole = builder.udiv(of_day, _I64(units[name]))
            within = {"minute": 60, "second": 60, "millisecond": 1000, "microsecond": SECOND}
            return builder.urem(whole, _I64(within[name])) if name in within else whole
        if name == "half":
            return builder.udiv(self._field("hour"), _I64(12))
        if name == "hour of the half":
            before = builder.urem(builder.add(self._field("hour"), _I64(11)), _I64(12))
            return builder.add(before, _I64(1))
        if name == "month from 0":
            return builder.sub(self._field("month"), _I64(1))
        if name in ("century", "year of the century", "iso year of the century"):
            year = self._field("iso year" if name.startswith("iso") else "year")
            return (builder.udiv if name == "century" else builder.urem)(year, _I64(100))
        if name in ("year", "month", "day"):
            self._all_of(year_month_day, "year", "month", "day")
            return self.known[name]
        if name in ("iso year", "iso week", "iso weekday"):
            self._all_of(iso_week, "iso year", "iso week", "iso weekday")
            return self.known[name]
        return self._called({"weekday": weekday, **_OF_DAYS}[name], types.int64)

    def _all_of(self, function: Callable[..., Any], *names: str) -> None:
        result = self._called(function, types.UniTuple(types.int64, len(names)))
        self.known.update(zip(names, cgutils.unpack_tuple(self.builder, result, len(names)), strict=True))

    def _called(self, function: Callable[..., Any], returned: types.Type) -> ir.Value:
        return self.context.compile_internal(self.builder, function, returned(types.int64), [self.days])


def _day_of_year(days):
    year, _, _ = year_month_day(days)
    return days - days_of(year, 1, 1) + 1


def _weekday_from_sunday(days):
    return (weekday(days) + 1) % 7


def _week_from_sunday(days):
    year, _, _ = year_month_day(days)
    return (days - days_of(year, 1, 1) + 7 - (weekday(days) + 1) % 7) // 7


def _week_from_monday(days):
    year, _, _ = year_month_day(days)
    return (days - days_of(year, 1, 1) + 7 - weekday(days)) // 7


_OF_DAYS = {
    "day of the year": _day_of_year,
    "weekday from Sunday": _weekday_from_sunday,
    "week from Sunday": _week_from_sunday,
    "week from Monday": _week_from_monday,
}
