"""LLVM values that read like numbers: the language that the mathematical functions are written in.

A function over `Value` objects runs once, in Python, and leaves LLVM instructions behind. Nothing is
inferred, so a function of fifty operations costs microseconds to compile. Two rules hold for all that is
written here:

- no fast-math flags, and fused multiplications only where `fma` says so. A row that is computed in the vector
  body of one chunk and in the scalar tail of another must have the same bits, and what a rounding lost can
  only be computed where nothing is reassociated;
- no branches and no calls. A choice is a `select`, so that a loop around it vectorises.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llvmlite import ir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.compiler.jit.types.numba_types import Builder

Number = float | int


@dataclass(frozen=True)
class Format:
    """A binary floating-point format of IEEE 754, and the integer type of the same width."""

    name: str  # "f64", "f32"
    type: ir.Type
    integer: ir.IntType
    mantissa: int  # stored bits of the significand
    bias: int  # of the exponent

    @property
    def width(self) -> int:
        """Bits of the whole."""
        return int(self.integer.width)

    @property
    def smallest_normal(self) -> float:
        """Smallest number that isn't subnormal."""
        return math.ldexp(1.0, 1 - self.bias)

    @property
    def largest(self) -> float:
        """Largest finite number."""
        return math.ldexp(2.0 - math.ldexp(1.0, -self.mantissa), self.bias)

    @property
    def shifter(self) -> float:
        """1.5 · 2^mantissa: adding it rounds to an integer and leaves that integer in the low bits.

        AVX2 has no conversion between doubles and 64-bit integers; this is one addition on any machine.
        """
        return math.ldexp(1.5, self.mantissa)

    def bits_of(self, number: float) -> int:
        """Return the bits of ``number`` as a signed integer."""
        return _bits(self, number)


F64 = Format("f64", ir.DoubleType(), ir.IntType(64), 52, 1023)
F32 = Format("f32", ir.FloatType(), ir.IntType(32), 23, 127)


def _bits(fmt: Format, number: float) -> int:
    import struct

    code = ("<d", "<q") if fmt.width == 64 else ("<f", "<i")
    return int(struct.unpack(code[1], struct.pack(code[0], number))[0])


class Value:
    """One LLVM value with Python's operators.

    Parameters
    ----------
    builder
        Where instructions go.
    raw
        The LLVM value.
    fmt
        The format of the function being written; a float has its type, an integer its width.
    """

    __hash__ = None  # type: ignore[assignment]  # `==` makes an instruction
    __slots__ = ("builder", "fmt", "raw")

    def __init__(self, builder: Builder, raw: ir.Value, fmt: Format) -> None:
        self.builder = builder
        self.raw = raw
        self.fmt = fmt

    # -- making values ------------------------------------------------------------------------------------

    def _new(self, raw: ir.Value) -> Value:
        return Value(self.builder, raw, self.fmt)

    def constant(self, number: Number) -> Value:
        """Return ``number`` as a float of the format."""
        return self._new(ir.Constant(self.fmt.type, float(number)))

    def whole(self, number: int) -> Value:
        """Return ``number`` as an integer of the format's width."""
        return self._new(ir.Constant(self.fmt.integer, number))

    def _like(self, other: Value | Number) -> ir.Value:
        if isinstance(other, Value):
            return other.raw
        kind = self.raw.type
        return ir.Constant(kind, float(other) if self.is_float else int(other))

    @property
    def is_float(self) -> bool:
        """Whether this is a float (and not an integer or a truth value)."""
        return isinstance(self.raw.type, (ir.DoubleType, ir.FloatType))

    def _binary(self, other: Value | Number, of_float: str, of_int: str, *, swap: bool = False) -> Value:
        left, right = self.raw, self._like(other)
        if swap:
            left, right = right, left
        if self.is_float:
            return self._new(getattr(self.builder, of_float)(left, right))
        return self._new(getattr(self.builder, of_int)(left, right))

    def __add__(self, other: Value | Number) -> Value:
        return self._binary(other, "fadd", "add")

    __radd__ = __add__

    def __sub__(self, other: Value | Number) -> Value:
        return self._binary(other, "fsub", "sub")

    def __rsub__(self, other: Value | Number) -> Value:
        return self._binary(other, "fsub", "sub", swap=True)

    def __mul__(self, other: Value | Number) -> Value:
        return self._binary(other, "fmul", "mul")

    __rmul__ = __mul__

    def __truediv__(self, other: Value | Number) -> Value:
        return self._binary(other, "fdiv", "")

    def __rtruediv__(self, other: Value | Number) -> Value:
        return self._binary(other, "fdiv", "", swap=True)

    def __neg__(self) -> Value:
        return self._new(self.builder.fneg(self.raw) if self.is_float else self.builder.neg(self.raw))

    # -- bits ---------------------------------------------------------------------------------------------

    def __and__(self, other: Value | int) -> Value:
        return self._new(self.builder.and_(self.raw, self._like(other)))

    def __or__(self, other: Value | int) -> Value:
        return self._new(self.builder.or_(self.raw, self._like(other)))

    def __xor__(self, other: Value | int) -> Value:
        return self._new(self.builder.xor(self.raw, self._like(other)))

    def __invert__(self) -> Value:
        return self._new(self.builder.not_(self.raw))

    def __lshift__(self, other: Value | int) -> Value:
        return self._new(self.builder.shl(self.raw, self._like(other)))

    def __rshift__(self, other: Value | int) -> Value:
        """Shift in zeros (AVX2 has no arithmetic shift of 64-bit lanes)."""
        return self._new(self.builder.lshr(self.raw, self._like(other)))

    def bits(self) -> Value:
        """Return the float's bits as an integer of its width."""
        return self._new(self.builder.bitcast(self.raw, self.fmt.integer))

    def as_float(self) -> Value:
        """Return the integer's bits as a float of its width."""
        return self._new(self.builder.bitcast(self.raw, self.fmt.type))

    # -- comparisons (false where an operand is NaN) --------------------------------------------------------

    def _compare(self, sign: str, other: Value | Number) -> Value:
        compare = self.builder.fcmp_ordered if self.is_float else self.builder.icmp_signed
        return self._new(compare(sign, self.raw, self._like(other)))

    def __lt__(self, other: Value | Number) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Value | Number) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Value | Number) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Value | Number) -> Value:
        return self._compare(">=", other)

    def __eq__(self, other: Value | Number) -> Value:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: Value | Number) -> Value:  # type: ignore[override]
        return ~self._compare("==", other)

    # -- conversions --------------------------------------------------------------------------------------

    def to_int(self, kind: ir.IntType | None = None) -> Value:
        """Return the float cut off to a signed integer (of the format's width by default)."""
        return self._new(self.builder.fptosi(self.raw, kind or self.fmt.integer))

    def intrinsic(self, name: str, *others: Value) -> Value:
        """Call the LLVM intrinsic ``llvm.<name>`` of this value's type."""
        kind = self.raw.type
        suffix = self.fmt.name if self.is_float else f"i{kind.width}"
        full = f"llvm.{name}.{suffix}"
        module = self.builder.module
        function = module.globals.get(full)
        if function is None:
            function = ir.Function(module, ir.FunctionType(kind, [kind] * (1 + len(others))), full)
        return self._new(self.builder.call(function, [self.raw, *(other.raw for other in others)]))


# -- functions --------------------------------------------------------------------------------------------


def fma(a: Value | Number, b: Value | Number, c: Value | Number) -> Value:
    """Return a·b + c, rounded once."""
    first = next(item for item in (a, b, c) if isinstance(item, Value))
    x, y, z = (item if isinstance(item, Value) else first.constant(item) for item in (a, b, c))
    return x.intrinsic("fma", y, z)


def select(condition: Value, yes: Value | Number, no: Value | Number) -> Value:
    """Return ``yes`` where the condition holds, else ``no``. Both are computed."""
    first = yes if isinstance(yes, Value) else no
    if not isinstance(first, Value):  # two numbers are floats
        first = condition.constant(first)
    left, right = (v.raw if isinstance(v, Value) else first._like(v) for v in (yes, no))
    return condition._new(condition.builder.select(condition.raw, left, right))


def fabs(x: Value) -> Value:
    """Return |x|."""
    return x.intrinsic("fabs")


def copysign(x: Value, sign: Value) -> Value:
    """Return |x| with the sign of ``sign``."""
    return x.intrinsic("copysign", sign)


def sqrt(x: Value) -> Value:
    """Return the square root, correctly rounded."""
    return x.intrinsic("sqrt")


def floor(x: Value) -> Value:
    """Return the largest integer that isn't above x, as a float."""
    return x.intrinsic("floor")


def ceil(x: Value) -> Value:
    """Return the smallest integer that isn't below x, as a float."""
    return x.intrinsic("ceil")


def trunc(x: Value) -> Value:
    """Return x without its fraction, as a float."""
    return x.intrinsic("trunc")


def rint(x: Value) -> Value:
    """Return the nearest integer, ties to even, as a float."""
    return x.intrinsic("rint")


def is_nan(x: Value) -> Value:
    """Whether x is NaN."""
    return x._new(x.builder.fcmp_unordered("uno", x.raw, x.raw))


def is_finite(x: Value) -> Value:
    """Whether x is neither infinite nor NaN.

    Not ``|x| < inf``: LLVM turns that into ``llvm.is.fpclass``, and leaves a loop with it scalar.
    """
    return fabs(x) <= x.fmt.largest


def horner(x: Value, coefficients: Sequence[float]) -> Value:
    """Return Σ coefficients[i]·x^i, one fma after the other from the highest power down."""
    result = x.constant(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = fma(result, x, c)
    return result


def estrin(x: Value, coefficients: Sequence[float]) -> Value:
    """Return Σ coefficients[i]·x^i by pairs, in log₂(n) steps: for long polynomials, where Horner waits."""
    terms: list[Value | float] = list(coefficients)
    power = x
    while len(terms) > 1:
        pairs: list[Value | float] = [fma(power, terms[i + 1], terms[i]) for i in range(0, len(terms) - 1, 2)]
        if len(terms) % 2:
            pairs.append(terms[-1])
        terms = pairs
        if len(terms) > 1:
            power = power * power
    last = terms[0]
    return last if isinstance(last, Value) else x.constant(last)


def two_sum(a: Value, b: Value) -> tuple[Value, Value]:
    """Return a + b rounded, and what the rounding lost (Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def fast_two_sum(a: Value, b: Value) -> tuple[Value, Value]:
    """Return a + b rounded, and what the rounding lost; where |a| ≥ |b| or a = 0 (Dekker, 1971)."""
    total = a + b
    return total, b - (total - a)


def round_to_int(x: Value) -> tuple[Value, Value]:
    """Return the nearest integer of x as a float, and as an integer (|x| < 2^(mantissa - 1))."""
    shifter = x.fmt.shifter
    shifted = x + shifter
    return shifted - shifter, shifted.bits() - x.fmt.bits_of(shifter)
