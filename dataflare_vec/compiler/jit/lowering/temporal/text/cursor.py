"""A place in a text that goes on, in LLVM IR: bytes and digits that lie ahead of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.compiler.jit.lowering.strings.viewcode import load
from dataflare_vec.compiler.jit.lowering.temporal.text.characters import NOWHERE, number_of_any_digits
from dataflare_vec.compiler.jit.types.strings import byte_pointer

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.temporal.text.directives import Digits
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Values

_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))


class Cursor:
    """Writes how a text is gone through.

    Attributes
    ----------
    failed
        The block that code goes to where something doesn't fit.
    left
        The bytes that there are from the beginning of the element on, at least.
    values
        Where the value of each directive is kept.
    """

    left: int

    def __init__(self, context: Context, builder: Builder, arguments: Values, *, is_ascii: bool) -> None:
        self.context, self.builder = context, builder
        self.data, self.nbytes = arguments
        self.is_ascii = is_ascii
        self.cursor = cgutils.alloca_once_value(builder, _I64(0))
        self.values: dict[str, ir.Value] = {}
        self.failed = builder.append_basic_block("no date")

    # -- where it is ----------------------------------------------------------------------------------------

    def _at(self) -> ir.Value:
        return self.builder.load(self.cursor)

    def _rest(self) -> ir.Value:
        return self.builder.sub(self.nbytes, self._at())

    def _go(self, distance: int | ir.Value) -> None:
        step = distance if isinstance(distance, ir.Value) else _I64(distance)
        self.builder.store(self.builder.add(self._at(), step), self.cursor)

    def _go_to(self, place: ir.Value) -> None:
        """Go on at a place, unless it is none."""
        self._unless(self.builder.icmp_signed("!=", place, _I64(NOWHERE)))
        self.builder.store(place, self.cursor)

    def _unless(self, fits: ir.Value) -> None:
        """Go back, or end, unless something fits."""
        goes_on = self.builder.append_basic_block("fits")
        self.builder.cbranch(fits, goes_on, self.failed)
        self.builder.position_at_end(goes_on)

    def _byte(self, ahead: int) -> ir.Value:
        """Return the byte so far ahead, 0 behind the end."""
        place = self.builder.add(self._at(), _I64(ahead))
        if ahead < self.left:
            return load(self.builder, self.data, place, _I8)
        there = self.builder.icmp_signed("<", place, self.nbytes)
        byte = load(self.builder, self.data, self.builder.select(there, place, _I64(0)), _I8)
        return self.builder.select(there, byte, _I8(0))

    def _keep(self, directive: str, value: ir.Value) -> None:
        if directive not in self.values:
            self.values[directive] = cgutils.alloca_once(self.builder, _I64, zfill=True)
        self.builder.store(value, self.values[directive])

    def _called(self, function: Any, returned: types.Type, *more: ir.Value) -> ir.Value:
        arguments = [self.data, self.nbytes, self._at(), *more]
        signature = returned(byte_pointer, *[types.int64] * (len(arguments) - 1))
        return self.context.compile_internal(self.builder, function, signature, arguments)

    # -- digits --------------------------------------------------------------------------------------------

    def _digit(self, ahead: int) -> tuple[ir.Value, ir.Value]:
        """Return the value of a digit of ASCII, and whether it is one."""
        value = self.builder.sub(self._byte(ahead), _I8(ord("0")))
        return self.builder.zext(value, _I64), self.builder.icmp_unsigned("<", value, _I8(10))

    def _digits(self, digits: Digits) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Return a number of so many digits, whether there is one within the bounds, and where it ends."""
        builder = self.builder
        if digits.length == 4 and self.left >= 4:
            value, fits = self._four_digits()
        else:
            value, fits = _I64(0), cgutils.true_bit
            for ahead in range(digits.length):
                one, is_digit = self._digit(ahead)
                value = builder.add(builder.mul(value, _I64(10)), one) if ahead else one
                fits = builder.and_(fits, is_digit)
        above = builder.sub(value, _I64(digits.low))
        fits = builder.and_(fits, builder.icmp_unsigned("<=", above, _I64(digits.high - digits.low)))
        place = builder.add(self._at(), _I64(digits.length))
        if self.is_ascii:
            return value, fits, place
        return self._of_any_digits(digits, value, fits, place)

    def _four_digits(self) -> tuple[ir.Value, ir.Value]:
        """Return the same of four digits of ASCII, which lie in one word."""
        builder = self.builder
        word = load(builder, self.data, self._at(), _I32)
        high = _I32(0xF0F0F0F0)
        carried = builder.lshr(builder.and_(builder.add(word, _I32(0x06060606)), high), _I32(4))
        fits = builder.icmp_unsigned("==", builder.or_(builder.and_(word, high), carried), _I32(0x33333333))
        numbers = builder.and_(word, _I32(0x0F0F0F0F))
        pairs = builder.add(builder.mul(numbers, _I32(10)), builder.lshr(numbers, _I32(8)))
        first = builder.mul(builder.and_(pairs, _I32(0xFF)), _I32(100))
        second = builder.and_(builder.lshr(pairs, _I32(16)), _I32(0xFF))
        return builder.zext(builder.add(first, second), _I64), fits

    def _of_any_digits(
        self, digits: Digits, value: ir.Value, fits: ir.Value, place: ir.Value
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Return the same, also of other digits of Unicode, where those of ASCII aren't it."""
        builder, before = self.builder, self.builder.block
        with builder.if_then(builder.not_(fits), likely=False):
            bounds = [_I64(number) for number in digits]
            result = self._called(number_of_any_digits, types.UniTuple(types.int64, 2), *bounds)
            other, behind = cgutils.unpack_tuple(builder, result, 2)
            found, there = builder.icmp_signed("!=", behind, _I64(NOWHERE)), builder.block

        def merged(ascii_one: ir.Value, other_one: ir.Value) -> ir.Value:
            phi = builder.phi(ascii_one.type)
            phi.add_incoming(ascii_one, before)
            phi.add_incoming(other_one, there)
            return phi

        return merged(value, other), merged(fits, found), merged(place, behind)
