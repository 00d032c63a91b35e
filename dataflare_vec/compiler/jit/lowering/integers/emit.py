"""Operations of integers as LLVM code: signs apart, divisions of 128 bits, comparisons with floats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.compiler.jit.types.wide_integers import I128, NaturalType, WideIntType, wide_int, widened

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I1, _I32, _I64, _F64 = ir.IntType(1), ir.IntType(32), ir.IntType(64), ir.DoubleType()
#: Integers up to here, and below zero down to here, are floats.
EXACT = 1 << 53
_MASK = (1 << 64) - 1
#: Values of an operation, and their types.
Operands = tuple[tuple[ir.Value, types.Type], ...]

TOO_LARGE_FOR_64 = "the result does not fit a 64-bit integer; compute with floats, or with Int128 columns"


def fail(context: Context, builder: Builder, when: ir.Value, kind: type[Exception], message: str) -> None:
    """Raise an exception where a condition holds."""
    with builder.if_then(when, likely=False):
        context.call_conv.return_user_exc(builder, kind, (message,))


def is_integer(ty: types.Type) -> bool:
    """Whether values of a type are integers or bools, of any width."""
    return isinstance(ty, (types.Integer, types.Boolean, WideIntType))


def is_signed(ty: types.Type) -> bool:
    """Whether values of such a type may be negative."""
    if isinstance(ty, WideIntType):
        return not isinstance(ty, NaturalType)
    return isinstance(ty, types.Integer) and bool(ty.signed)


def apart(builder: Builder, value: ir.Value, ty: types.Type) -> tuple[ir.Value, ir.Value]:
    """Return an integer's absolute value, of 128 bits, and whether it is negative.

    That of 64 bits is taken in 64, so that LLVM sees that nothing is above them.
    """
    if not is_signed(ty):
        return widened(builder, value, ty), cgutils.false_bit
    zero = value.type(0)
    negative = builder.icmp_signed("<", value, zero)
    magnitude = builder.select(negative, builder.sub(zero, value), value)
    return (magnitude if isinstance(ty, WideIntType) else builder.zext(magnitude, I128)), negative


def fits_64(builder: Builder, *magnitudes: ir.Value) -> ir.Value:
    """Whether absolute values are all below 2^64."""
    both = magnitudes[0]
    for other in magnitudes[1:]:
        both = builder.or_(both, other)
    return builder.icmp_unsigned("==", builder.lshr(both, I128(64)), I128(0))


def divided(
    context: Context,
    builder: Builder,
    operands: Operands,
    message: str,
) -> tuple[ir.Value, ir.Value]:
    """Return quotient and remainder, of 128 bits, as Python's ``divmod``; raise where it does."""
    (x, x_type), (y, y_type) = operands
    a, a_negative = apart(builder, x, x_type)
    b, b_negative = apart(builder, y, y_type)
    fail(context, builder, builder.icmp_unsigned("==", b, I128(0)), ZeroDivisionError, message)
    quotient, rest = _divide(builder, a, b)
    if not is_signed(x_type) and not is_signed(y_type):
        return quotient, rest
    differ = builder.xor(a_negative, b_negative)
    inexact = builder.and_(differ, builder.icmp_unsigned("!=", rest, I128(0)))
    if isinstance(x_type, WideIntType) and is_signed(y_type):
        too_large = builder.and_(builder.not_(differ), builder.icmp_signed("<", quotient, I128(0)))
        fail(context, builder, too_large, DoesNotFit, TOO_LARGE_FOR_64.replace("64-bit", "128-bit"))
    quotient = builder.add(quotient, builder.zext(inexact, I128))
    quotient = builder.select(differ, builder.sub(I128(0), quotient), quotient)
    rest = builder.select(inexact, builder.sub(b, rest), rest)
    return quotient, builder.select(b_negative, builder.sub(I128(0), rest), rest)


def _divide(builder: Builder, a: ir.Value, b: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return quotient and remainder of absolute values: by one instruction where they have 64 bits."""
    with builder.if_else(fits_64(builder, a, b), likely=True) as (short, long):
        with short:
            x, y = builder.trunc(a, _I64), builder.trunc(b, _I64)
            few = [builder.zext(builder.udiv(x, y), I128), builder.zext(builder.urem(x, y), I128)]
            few_from = builder.block
        with long:
            quotient = builder.call(_division(builder.module), [a, b])
            many = [quotient, builder.sub(a, builder.mul(quotient, b))]
            many_from = builder.block
    results = []
    for one, other in zip(few, many, strict=True):
        phi = builder.phi(I128)
        phi.add_incoming(one, few_from)
        phi.add_incoming(other, many_from)
        results.append(phi)
    return results[0], results[1]


def _define(module: ir.Module, name: str, kind: ir.FunctionType) -> tuple[ir.Function, bool]:
    """Return a function of the module's own, and whether its code is still to be written."""
    found = module.globals.get(name)
    if found is not None:
        return found, False
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    return function, True


def _division(module: ir.Module) -> ir.Function:
    """Return the function that divides absolute values of 128 bits, one bit after the other.

    The compiler's library has one, but isn't linked.
    """
    function, new = _define(module, "dfv.divide.i128", ir.FunctionType(I128, [I128, I128]))
    if not new:
        return function
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    a, b = function.args
    left, quotient, rest = (cgutils.alloca_once_value(builder, value) for value in (a, I128(0), I128(0)))
    with cgutils.for_range(builder, _I64(128), intp=_I64):
        _next_bit(builder, left, quotient, rest, b)
    builder.ret(builder.load(quotient))
    return function


def _next_bit(builder: Builder, left: ir.Value, quotient: ir.Value, rest: ir.Value, b: ir.Value) -> None:
    """Bring the highest bit that is left down to the rest, and write the quotient's next one."""
    bits = builder.load(left)
    builder.store(builder.shl(bits, I128(1)), left)
    lower = builder.or_(builder.shl(builder.load(rest), I128(1)), builder.lshr(bits, I128(127)))
    enough = builder.icmp_unsigned(">=", lower, b)
    builder.store(builder.select(enough, builder.sub(lower, b), lower), rest)
    one = builder.zext(enough, I128)
    builder.store(builder.or_(builder.shl(builder.load(quotient), I128(1)), one), quotient)


def ratio(
    context: Context,
    builder: Builder,
    operands: Operands,
) -> ir.Value:
    """Return the float nearest to the quotient of two integers. A division by 0 is the floats' own."""
    (x, x_type), (y, y_type) = operands
    quick, numbers = short_ratio(context, builder, operands)
    with builder.if_else(quick, likely=True) as (short, long):
        with short:
            usual = builder.fdiv(*numbers)
            usual_from = builder.block
        with long:
            a, a_negative = apart(builder, x, x_type)
            b, b_negative = apart(builder, y, y_type)
            found = builder.call(_ratio(builder.module), [a, b])
            rare = builder.select(builder.xor(a_negative, b_negative), builder.fneg(found), found)
            rare_from = builder.block
    result = builder.phi(_F64)
    result.add_incoming(usual, usual_from)
    result.add_incoming(rare, rare_from)
    return result


def short_ratio(
    context: Context,
    builder: Builder,
    operands: Operands,
) -> tuple[ir.Value, list[ir.Value]]:
    """Return whether two integers are floats, so that those only need to be divided, and these."""
    quick, numbers = cgutils.true_bit, []
    for i, (value, ty) in enumerate(operands):
        quick = builder.and_(quick, _is_exact(builder, value, ty))
        number = _short_float(builder, value, ty)
        if i:
            zero = builder.icmp_unsigned("==", value, value.type(0))
            with builder.if_then(zero, likely=False):
                context.error_model.fp_zero_division(builder, ("division by zero",))
        numbers.append(number)
    return quick, numbers


def _is_exact(builder: Builder, value: ir.Value, ty: types.Type) -> ir.Value:
    if isinstance(ty, types.Boolean) or value.type.width <= 32:
        return cgutils.true_bit
    kind = value.type
    shifted = builder.add(value, kind(EXACT)) if is_signed(ty) else value
    return builder.icmp_unsigned("<=", shifted, kind(2 * EXACT if is_signed(ty) else EXACT))


def _short_float(builder: Builder, value: ir.Value, ty: types.Type) -> ir.Value:
    """Return an integer as a float, of those of 128 bits only one of the lower 64."""
    if isinstance(ty, WideIntType):
        value = builder.trunc(value, _I64)
    return (builder.sitofp if is_signed(ty) else builder.uitofp)(value, _F64)


def _ratio(module: ir.Module) -> ir.Function:
    """Return the function that divides absolute values, rounding once.

    One bit after the other, until the quotient has its 64 highest; that there are more makes the lowest 1.
    """
    function, new = _define(module, "dfv.ratio.i128", ir.FunctionType(_F64, [I128, I128]))
    if not new:
        return function
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    a, b = function.args
    with builder.if_then(builder.icmp_unsigned("==", a, I128(0))):
        builder.ret(builder.fdiv(_F64(0.0), builder.uitofp(builder.trunc(b, _I64), _F64)))
    with builder.if_then(builder.icmp_unsigned("==", b, I128(0))):
        builder.ret(_F64(float("inf")))
    left, quotient, rest = (cgutils.alloca_once_value(builder, value) for value in (a, I128(0), I128(0)))
    exponent = cgutils.alloca_once_value(builder, _I64(128))
    head, done = builder.append_basic_block("head"), builder.append_basic_block("done")
    builder.branch(head)
    builder.position_at_end(head)
    _next_bit(builder, left, quotient, rest, b)
    power = builder.sub(builder.load(exponent), _I64(1))
    builder.store(power, exponent)
    full = builder.icmp_unsigned(">=", builder.load(quotient), I128(1 << 63))
    builder.cbranch(full, done, head)
    builder.position_at_end(done)
    remains = builder.or_(builder.load(left), builder.load(rest))
    more = builder.zext(builder.icmp_unsigned("!=", remains, I128(0)), _I64)
    digits = builder.or_(builder.trunc(builder.load(quotient), _I64), more)
    scale = builder.bitcast(builder.shl(builder.add(power, _I64(1023)), _I64(52)), _F64)
    builder.ret(builder.fmul(builder.uitofp(digits, _F64), scale))
    return function


def to_float(builder: Builder, value: ir.Value, ty: types.Type) -> ir.Value:
    """Return the float nearest to an integer."""
    if not isinstance(ty, WideIntType):
        return (builder.sitofp if is_signed(ty) else builder.uitofp)(value, _F64)
    magnitude, negative = apart(builder, value, ty)
    # Its highest 64 bits; that there are more below makes the lowest 1.
    high = builder.trunc(builder.lshr(magnitude, I128(64)), _I64)
    shift = builder.sub(_I64(64), builder.ctlz(high, _I1(0)))
    top = builder.lshr(magnitude, builder.zext(shift, I128))
    below = builder.icmp_unsigned("!=", builder.shl(top, builder.zext(shift, I128)), magnitude)
    digits = builder.or_(builder.trunc(top, _I64), builder.zext(below, _I64))
    scale = builder.bitcast(builder.shl(builder.add(shift, _I64(1023)), _I64(52)), _F64)
    number = builder.fmul(builder.uitofp(digits, _F64), scale)
    return builder.select(negative, builder.fneg(number), number) if is_signed(ty) else number


def compared(builder: Builder, sign: str, x: tuple[ir.Value, types.Type], y: Any) -> ir.Value:
    """Return whether a comparison of two integers of any types holds."""
    (a, a_type), (b, b_type) = x, y
    if isinstance(a_type, WideIntType) and not isinstance(b_type, WideIntType) and not is_signed(a_type):
        return _compared_natural(builder, sign, a, (b, b_type))
    if isinstance(b_type, WideIntType) and not isinstance(a_type, WideIntType) and not is_signed(b_type):
        return _compared_natural(builder, MIRRORED[sign], b, (a, a_type))
    return builder.icmp_signed(sign, widened(builder, a, a_type), widened(builder, b, b_type))


MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def _compared_natural(
    builder: Builder, sign: str, natural: ir.Value, other: tuple[ir.Value, types.Type]
) -> ir.Value:
    """Compare with an integer of at most 64 bits, so that LLVM can do so in 64 bits too."""
    value, ty = other
    if not is_signed(ty):
        return builder.icmp_unsigned(sign, natural, widened(builder, value, ty))
    negative = builder.icmp_signed("<", value, value.type(0))
    holds = builder.icmp_unsigned(sign, natural, builder.zext(value, I128))
    if sign in (">", ">=", "!="):
        return builder.or_(negative, holds)
    return builder.and_(builder.not_(negative), holds)


def compared_with_float(
    builder: Builder, sign: str, x: tuple[ir.Value, types.Type], number: ir.Value
) -> ir.Value:
    """Return whether a comparison of an integer with a float holds, exactly.

    Rounding keeps the order. So only where the rounded integer is the float the integers are to be compared,
    and those are the same below 2^53.
    """
    value, ty = x
    if isinstance(ty, NaturalType):  # LLVM knows of a column's values that they have 64 bits
        with builder.if_else(fits_64(builder, value), likely=True) as (short, long):
            with short:
                word = builder.trunc(value, _I64), types.uint64
                usual = compared_with_float(builder, sign, word, number)
                usual_from = builder.block
            with long:
                rare = compared_with_float(builder, sign, (value, wide_int), number)
                rare_from = builder.block
        result = builder.phi(_I1)
        result.add_incoming(usual, usual_from)
        result.add_incoming(rare, rare_from)
        return result
    compare = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
    if not isinstance(ty, WideIntType) and value.type.width <= 32:
        return compare(sign, to_float(builder, value, ty), number)
    if isinstance(ty, WideIntType):
        rounded = to_float(builder, value, ty)
        exact = builder.icmp_signed(sign, widened(builder, value, ty), _whole(builder, number))
    else:
        # Both halves are floats; where their sum is the other one, so is what is left without the upper half.
        upper, lower = _halves(builder, value, ty)
        rounded = builder.fadd(upper, lower)
        left = builder.fadd(builder.fsub(upper, number), lower)
        exact = compare(sign, left, _F64(0.0))
    usual = compare(sign, rounded, number)
    size = builder.call(_intrinsic(builder.module, "llvm.fabs.f64", _F64, [_F64]), [number])
    equal = builder.fcmp_ordered("==", rounded, number)
    large = builder.and_(equal, builder.fcmp_ordered(">=", size, _F64(float(EXACT))))
    return builder.select(large, exact, usual)


def _halves(builder: Builder, value: ir.Value, ty: types.Type) -> tuple[ir.Value, ir.Value]:
    """Return floats of the upper and of the lower 32 bits, whose sum is an integer of 64."""
    upper = builder.trunc(builder.lshr(value, _I64(32)), _I32)
    number = (builder.sitofp if is_signed(ty) else builder.uitofp)(upper, _F64)
    lower = builder.uitofp(builder.trunc(value, _I32), _F64)
    return builder.fmul(number, _F64(float(1 << 32))), lower


def _whole(builder: Builder, number: ir.Value) -> ir.Value:
    """Return a float of 2^53 to 2^127, or as far below zero, as an integer."""
    bits = builder.bitcast(number, _I64)
    digits = builder.or_(builder.and_(bits, _I64(EXACT // 2 - 1)), _I64(EXACT // 2))
    power = builder.and_(builder.lshr(bits, _I64(52)), _I64(0x7FF))
    shift = builder.and_(builder.sub(power, _I64(1075)), _I64(127))
    whole = builder.shl(builder.zext(digits, I128), builder.zext(shift, I128))
    return builder.select(builder.icmp_signed("<", bits, _I64(0)), builder.sub(I128(0), whole), whole)


def _intrinsic(module: ir.Module, name: str, returned: ir.Type, arguments: list[ir.Type]) -> ir.Function:
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(returned, arguments), name)


def shift_count(context: Context, builder: Builder, count: ir.Value, ty: types.Type, most: int) -> ir.Value:
    """Return by how much to shift, of ``count``'s width and at most ``most``; raise if it is negative."""
    kind = count.type
    if isinstance(ty, types.Boolean):
        return builder.zext(count, _I64)
    if is_signed(ty):
        negative = builder.icmp_signed("<", count, kind(0))
        fail(context, builder, negative, ValueError, "negative shift count")
    far = builder.icmp_unsigned(">", count, kind(most))
    return builder.select(far, kind(most), count)


def resized(builder: Builder, value: ir.Value, kind: ir.IntType) -> ir.Value:
    """Return an integer that isn't negative, and fits, in another width."""
    if value.type.width > kind.width:
        return builder.trunc(value, kind)
    return builder.zext(value, kind) if value.type.width < kind.width else value


def shifted_left(context: Context, builder: Builder, value: ir.Value, count: Any) -> tuple[Any, Any]:
    """Return ``value << count`` in the width of ``value``, and whether it doesn't fit."""
    kind = value.type
    amount, ty = count
    last = kind.width - 1
    amount = resized(builder, shift_count(context, builder, amount, ty, kind.width), kind)
    far = builder.icmp_unsigned(">", amount, kind(last))
    amount = builder.select(far, kind(last), amount)
    result = builder.shl(value, amount)
    lost = builder.icmp_signed("!=", builder.ashr(result, amount), value)
    # Of all values only 0 can be shifted by the width or more.
    lost = builder.or_(lost, builder.and_(far, builder.icmp_signed("!=", value, kind(0))))
    return result, lost


def shifted_right(context: Context, builder: Builder, value: ir.Value, count: Any) -> ir.Value:
    """Return ``value >> count`` in the width of ``value``."""
    amount, ty = count
    amount = shift_count(context, builder, amount, ty, value.type.width - 1)
    return builder.ashr(value, resized(builder, amount, value.type))
