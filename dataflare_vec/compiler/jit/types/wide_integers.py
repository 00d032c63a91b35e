"""The Numba types of decimals: an integer of 128 bits, and how many of its digits are behind the point.

The scale is part of the type, as it is part of a column's dtype: sums take the larger of two scales, products
their sum. Nothing is rounded; what has more than 38 digits is an OverflowError. Integers of 128 bits are a
kind of their own: they have no point, and end where 128 bits do (`jit.lowering.integers` has their
operators).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import lower_constant
from numba.core.typeconv import Conversion
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic, lower_cast, register_model

from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.definition.python_values import TOO_LARGE, digits_of

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, TypingContext

I128 = ir.IntType(128)
NEGATIVE = "a negative integer where only others can be; begin with one that is negative, as -1, not with 0"
#: Digits of the largest decimal.
PRECISION = 38
LIMIT = 10**PRECISION


class DecimalType(types.Type):  # type: ignore[misc]
    """A decimal with ``scale`` digits behind the point."""

    def __init__(self, scale: int, name: str | None = None) -> None:
        self.scale = scale
        super().__init__(name=name or f"decimal({scale})")

    def can_convert_to(self, typing_context: TypingContext, other: types.Type) -> Conversion | None:
        """More digits behind the point hold the same value."""
        if not isinstance(other, DecimalType) or isinstance(other, WideIntType):
            return None
        return Conversion.promote if other.scale >= self.scale else None

    def can_convert_from(self, typing_context: TypingContext, other: types.Type) -> Conversion | None:
        """Integers are decimals without a point: a sum may begin with 0."""
        return Conversion.promote if isinstance(other, (types.Integer, types.Boolean)) else None

    def unify(self, typing_context: TypingContext, other: types.Type) -> types.Type | None:
        """Return the type that holds values of both."""
        other = types.unliteral(other)
        if isinstance(other, types.Integer):
            return self
        if isinstance(other, DecimalType):
            return other if isinstance(self, WideIntType) or other.scale > self.scale else self
        return None


class WideIntType(DecimalType, types.Hashable):  # type: ignore[misc]
    """An integer of 128 bits."""

    def __init__(self, name: str = "int128") -> None:
        super().__init__(0, name)

    def can_convert_from(self, typing_context: TypingContext, other: types.Type) -> Conversion | None:
        """Any integer is one."""
        if isinstance(other, NaturalType):
            return Conversion.promote
        return super().can_convert_from(typing_context, other)

    def unify(self, typing_context: TypingContext, other: types.Type) -> types.Type | None:
        """Return the type that holds values of both: a float with a float, as for any integer."""
        if isinstance(types.unliteral(other), (types.Boolean, WideIntType)):
            return wide_int
        if isinstance(other, types.Float):
            return types.float64
        return super().unify(typing_context, other)


class NaturalType(WideIntType):
    """An integer that isn't negative: a value of a UInt64 column, and what is certainly not below zero.

    It is computed with in 128 bits. A column of such results is UInt64, and larger ones are failed rows.
    """

    def __init__(self) -> None:
        super().__init__("natural")

    def can_convert_from(self, typing_context: TypingContext, other: types.Type) -> Conversion | None:
        """Integers are that are known not to be negative."""
        return Conversion.promote if is_natural(other) else None

    def can_convert_to(self, typing_context: TypingContext, other: types.Type) -> Conversion | None:
        """Return that it is an integer of 128 bits."""
        if other == wide_int:
            return Conversion.promote
        return super().can_convert_to(typing_context, other)

    def unify(self, typing_context: TypingContext, other: types.Type) -> types.Type | None:
        """Return the type that holds values of both: with an integer that may be negative one of 128 bits."""
        if is_natural(other):
            return self
        if isinstance(types.unliteral(other), types.Integer):
            return wide_int
        return super().unify(typing_context, other)


class WordType(NaturalType):
    """A natural number held in 64 bits: what the functions of `dataflare_vec.bits` return.

    Whatever may give another number than a word takes it as `natural`.
    """

    def __init__(self) -> None:
        WideIntType.__init__(self, "natural64")

    def can_convert_from(self, typing_context: TypingContext, other: types.Type) -> Conversion | None:
        """Nothing becomes one by itself."""
        return None

    def unify(self, typing_context: TypingContext, other: types.Type) -> types.Type | None:
        """Return the type that holds values of both, as for a natural number."""
        return natural.unify(typing_context, other)


wide_int = WideIntType()
natural = NaturalType()
word = WordType()


def is_natural(ty: types.Type) -> bool:
    """Whether the values of a type are integers that can't be negative."""
    if isinstance(ty, types.IntegerLiteral):
        return bool(ty.literal_value >= 0)
    ty = types.unliteral(ty)
    return isinstance(ty, (NaturalType, types.Boolean)) or (isinstance(ty, types.Integer) and not ty.signed)


@register_model(NaturalType)
@register_model(WideIntType)
@register_model(DecimalType)
class _Wide(models.PrimitiveModel):  # type: ignore[misc]
    """An integer of 128 bits."""

    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, I128)


@register_model(WordType)
class _Word(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        super().__init__(dmm, fe_type, ir.IntType(64))


@typeof_impl.register(Decimal)
def _typeof(value: Decimal, context: Any) -> DecimalType | None:
    if not value.is_finite() or value.adjusted() >= PRECISION:
        return None
    digits, scale = digits_of(value)
    return DecimalType(scale) if abs(digits) < LIMIT and scale <= PRECISION else None


@lower_constant(DecimalType)
def _constant(context: Context, builder: Builder, ty: DecimalType, value: Decimal | int) -> ir.Constant:
    return I128(value if isinstance(value, int) else digits_of(value)[0])


@lower_cast(DecimalType, DecimalType)
def _cast(
    context: Context, builder: Builder, given: DecimalType, wanted: DecimalType, value: ir.Value
) -> Any:
    if isinstance(wanted, NaturalType) and not isinstance(given, NaturalType):
        return not_negative(context, builder, value)
    if isinstance(given, WideIntType):
        if isinstance(wanted, WideIntType):
            return value
        value = checked(context, builder, overflowing(builder, value, cgutils.false_bit))
    return rescaled(context, builder, value, given.scale, wanted.scale)


@lower_cast(WordType, DecimalType)
@lower_cast(WordType, types.Boolean)
def _cast_word(
    context: Context, builder: Builder, given: WordType, wanted: types.Type, value: ir.Value
) -> Any:
    return context.cast(builder, widened(builder, value, given), natural, wanted)


@lower_cast(WordType, types.Float)
def _cast_word_to_float(
    context: Context, builder: Builder, given: WordType, wanted: types.Float, value: ir.Value
) -> Any:
    return context.cast(builder, builder.uitofp(value, ir.DoubleType()), types.float64, wanted)


@lower_cast(WordType, types.Integer)
def _cast_word_to_integer(
    context: Context, builder: Builder, given: WordType, wanted: types.Integer, value: ir.Value
) -> Any:
    return value if wanted == types.uint64 else _cast_word(context, builder, given, wanted, value)


@lower_cast(types.Integer, DecimalType)
@lower_cast(types.Boolean, DecimalType)
def _cast_integer(
    context: Context, builder: Builder, given: types.Type, wanted: DecimalType, value: ir.Value
) -> Any:
    value = rescaled(context, builder, widened(builder, value, given), 0, wanted.scale)
    if isinstance(wanted, NaturalType) and not is_natural(given):
        return not_negative(context, builder, value)
    return value


@lower_cast(types.IntegerLiteral, DecimalType)
def _cast_literal(
    context: Context, builder: Builder, given: Any, wanted: DecimalType, value: ir.Value
) -> Any:
    return rescaled(context, builder, I128(given.literal_value), 0, wanted.scale)


def not_negative(context: Context, builder: Builder, value: ir.Value) -> ir.Value:
    """Return an integer of 128 bits, if it is no negative one; else raise."""
    with builder.if_then(builder.icmp_signed("<", value, I128(0)), likely=False):
        context.call_conv.return_user_exc(builder, DoesNotFit, (NEGATIVE,))
    return value


def rescaled(context: Context, builder: Builder, value: ir.Value, given: int, wanted: int) -> ir.Value:
    """Return the digits of a decimal at a larger scale."""
    if wanted == given:
        return value
    return checked(context, builder, builder.smul_with_overflow(value, I128(10 ** (wanted - given))))


def checked(context: Context, builder: Builder, pair: ir.Value, kind: DecimalType | None = None) -> ir.Value:
    """Return a result of 128 bits, if it didn't overflow and a decimal has at most 38 digits; else raise."""
    value, wrong = builder.extract_value(pair, 0), builder.extract_value(pair, 1)
    if not isinstance(kind, WideIntType):
        wrong = builder.or_(wrong, outside(builder, value, LIMIT))
    with builder.if_then(wrong, likely=False):
        context.call_conv.return_user_exc(builder, DoesNotFit, (TOO_LARGE,))
    return value


def overflowing(builder: Builder, value: ir.Value, wrong: ir.Value) -> ir.Value:
    """Return what `checked` takes: a value, and whether it overflowed."""
    pair = ir.Constant(ir.LiteralStructType([I128, ir.IntType(1)]), ir.Undefined)
    return builder.insert_value(builder.insert_value(pair, value, 0), wrong, 1)


def outside(builder: Builder, value: ir.Value, limit: int) -> ir.Value:
    """Whether digits are ``limit`` or more, or as far below zero."""
    shifted = builder.add(value, I128(limit - 1))
    return builder.icmp_unsigned(">", shifted, I128(2 * (limit - 1)))


def operation(make: Any) -> Any:
    """Return an intrinsic for decimals and integers: ``make(context, builder, scales, *digits)``.

    ``make`` is given by ``(scales) -> (result type, generator)``; an integer has the scale 0. What a
    generator returns that may have overflowed (`overflowing`) is checked.
    """

    @intrinsic
    def function(typing_context: TypingContext, arguments: Any) -> Any:
        scales = [ty.scale if isinstance(ty, DecimalType) else 0 for ty in arguments]
        result, body = make(*scales)

        def generate(context: Context, builder: Builder, signature: Signature, values: Any) -> Any:
            items = cgutils.unpack_tuple(builder, values[0], len(arguments))
            digits = [widened(builder, v, ty) for v, ty in zip(items, arguments, strict=True)]
            value = body(context, builder, *digits)
            return checked(context, builder, value, result) if _is_pair(value) else value

        return result(arguments), generate

    return function


def has_point(ty: types.Type) -> bool:
    """Whether a type is one of decimals, and not of integers."""
    return isinstance(ty, DecimalType) and not isinstance(ty, WideIntType)


def _is_pair(value: ir.Value) -> bool:
    return isinstance(value.type, ir.LiteralStructType)


def widened(builder: Builder, value: ir.Value, ty: types.Type) -> ir.Value:
    """Return the digits of a decimal or an integer."""
    if isinstance(ty, DecimalType) and not isinstance(ty, WordType):
        return value
    signed = isinstance(ty, types.Integer) and ty.signed
    return (builder.sext if signed else builder.zext)(value, I128)
