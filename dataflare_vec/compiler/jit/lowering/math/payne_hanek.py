"""The reduction of large angles: x - n·π/2 for any x, in integers.

M. Payne & R. Hanek, Radian reduction for trigonometric functions (SIGNUM Newsletter 18, 1983). A large
double is m·2^e with whole numbers m and e. Of the bits of 2/π those that make m·2^e·(2/π) a multiple of 4
can be left out; the 256 bits after them give the quadrant (2 bits) and 254 - 53 bits of the fraction that
are right. No double comes nearer to a multiple of π/2 than about 2^-61 (J.-M. Muller, Elementary
Functions, 3rd edition, section 11.3), so 140 of them are significant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir

from dataflare_vec.compiler.jit.lowering.math.coefficients import F64, TWO_OVER_PI, TWO_OVER_PI_SCALE

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder

NAME = "dfv.math.payne_hanek"

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_WIDE = ir.IntType(256)
_DOUBLE = ir.DoubleType()
_FRACTION = 254  # bits behind the quadrant
_TABLE_BYTES = TWO_OVER_PI_SCALE // 8 + 48
#: high, low, quadrant
RESULT = ir.LiteralStructType([_DOUBLE, _DOUBLE, _I64])


def define(module: ir.Module) -> ir.Function:
    """Return the function ``(double) -> {high, low, quadrant}``, defined in ``module``, never inlined."""
    if NAME in module.globals:
        return module.globals[NAME]
    table = _table(module)
    function = ir.Function(module, ir.FunctionType(RESULT, [_DOUBLE]), NAME)
    function.attributes.add("noinline")
    b = ir.IRBuilder(function.append_basic_block("entry"))
    bits = b.bitcast(function.args[0], _I64)
    mantissa = b.or_(b.and_(bits, _I64((1 << 52) - 1)), _I64(1 << 52))
    exponent = b.sub(b.and_(b.lshr(bits, _I64(52)), _I64(0x7FF)), _I64(1023 + 52))
    window = _window(b, table, exponent)
    product = b.mul(window, b.zext(mantissa, _WIDE))
    rounded = b.add(product, _WIDE(1 << (_FRACTION - 1)))
    quadrant = b.trunc(b.lshr(rounded, _WIDE(_FRACTION)), _I64)
    whole = b.and_(rounded, _WIDE(3 << _FRACTION))
    fraction = b.sub(product, whole)  # signed: between -1/2 and 1/2 of a quadrant
    high, low = _to_doubles(b, fraction)
    high, low = _times_half_pi(b, high, low)
    negative = b.icmp_signed("<", bits, _I64(0))
    high, low = (b.select(negative, b.fneg(part), part) for part in (high, low))
    quadrant = b.select(negative, b.neg(quadrant), quadrant)
    result = ir.Constant(RESULT, ir.Undefined)
    for i, part in enumerate((high, low, quadrant)):
        result = b.insert_value(result, part, i)
    b.ret(result)
    return function


def _table(module: ir.Module) -> ir.GlobalVariable:
    data = bytearray(TWO_OVER_PI.to_bytes(_TABLE_BYTES, "little"))
    constant = ir.Constant(ir.ArrayType(_I8, len(data)), data)
    table = ir.GlobalVariable(module, constant.type, NAME + ".table")
    table.initializer = constant
    table.global_constant = True
    table.linkage = "internal"
    return table


def _window(b: Builder, table: ir.GlobalVariable, exponent: ir.Value) -> ir.Value:
    """256 bits: (2/π)·2^exponent mod 4, in units of 2^-254."""
    start = b.sub(_I64(TWO_OVER_PI_SCALE - _FRACTION), exponent)
    address = b.gep(table, [_I64(0), b.lshr(start, _I64(3))])
    wider = ir.IntType(320)
    loaded = b.load(b.bitcast(address, ir.PointerType(wider)), align=1)
    shifted = b.lshr(loaded, b.zext(b.and_(start, _I64(7)), wider))
    return b.trunc(shifted, _WIDE)


def _to_doubles(b: Builder, fraction: ir.Value) -> tuple[Any, Any]:
    """Return the fraction in two doubles: its first 53 significant bits, and the 53 after them."""
    negative = b.icmp_signed("<", fraction, _WIDE(0))
    size = b.select(negative, b.neg(fraction), fraction)
    zeros = _leading_zeros(b, size)
    normal = b.shl(size, b.zext(zeros, _WIDE))
    parts = []
    for taken in (53, 106):
        piece = b.trunc(b.lshr(normal, _WIDE(256 - taken)), _I64)
        piece = b.uitofp(b.and_(piece, _I64((1 << 53) - 1)), _DOUBLE)
        # The piece counts in units of 2^(256 - taken - zeros - 254).
        power = b.shl(b.sub(_I64(256 - taken - _FRACTION + 1023), zeros), _I64(52))
        value = b.fmul(piece, b.bitcast(power, _DOUBLE))
        parts.append(b.select(negative, b.fneg(value), value))
    return parts[0], parts[1]


def _leading_zeros(b: Builder, size: ir.Value) -> ir.Value:
    """Leading zeros of 256 bits that aren't all 0, word by word (a rare path needn't be fast)."""
    result = _I64(0)
    found = ir.Constant(ir.IntType(1), 0)
    for word in (3, 2, 1, 0):
        value = b.trunc(b.lshr(size, _WIDE(64 * word)), _I64)
        count = b.ctlz(value, ir.Constant(ir.IntType(1), 0))
        result = b.select(found, result, b.add(_I64(64 * (3 - word)), count))
        found = b.or_(found, b.icmp_unsigned("!=", value, _I64(0)))
    return result


def _times_half_pi(b: Builder, high: ir.Value, low: ir.Value) -> tuple[Any, Any]:
    first, second = (ir.Constant(_DOUBLE, part) for part in F64["HALF_PI"][:2])
    product = b.fmul(high, first)
    lost = b.fma(high, first, b.fneg(product))
    lost = b.fadd(lost, b.fadd(b.fmul(high, second), b.fmul(low, first)))
    total = b.fadd(product, lost)
    return total, b.fsub(lost, b.fsub(total, product))
