"""Powers of integers.

An exponent that is a negative constant gives a float, as in Python. Any other gives an integer, as a column
has one type: where it is negative the row fails, as for a power of more than 64 bits. NumPy's `power` of
integers is an integer that wraps around, and fails for a negative exponent, constant or not.
"""

from __future__ import annotations

import builtins
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.math import emit, values
from dataflare_vec.compiler.jit.lowering.math.table import REPLACED, constant_power
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.types.raised import DoesNotFit, NotAnInteger
from dataflare_vec.definition.uses import TOO_LARGE

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I64 = ir.IntType(64)
_NEGATIVE = "a negative power of an integer is no integer; write `float(x) ** n`"
_OF_ZERO = "0.0 cannot be raised to a negative power"
#: From this exponent on only 0, 1 and -1 have powers of 64 bits.
_BITS = 64


def _kind(base: Any) -> Any:
    """Return the type that an integer or a bool is computed in."""
    return types.uint64 if types.unliteral(base) == types.uint64 else types.int64


def _largest_base(exponent: int, limit: int) -> int:
    """Return the largest integer whose power is at most ``limit``."""
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**exponent <= limit else (low, middle - 1)
    return low


@intrinsic(prefer_literal=True)
def _to_constant(typing_context: TypingContext, base: Any, exp: Any) -> Any:
    """Return a power whose exponent is a constant of 0 or more; the base tells whether it fits."""
    if not isinstance(exp, types.IntegerLiteral):
        return None
    exponent = min(exp.literal_value, _BITS + exp.literal_value % 2)
    kind = _kind(base)
    unsigned = kind == types.uint64

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        x = arguments[0]
        if exponent > 1:
            if unsigned:
                fits = builder.icmp_unsigned("<=", x, _I64(_largest_base(exponent, 2**64 - 1)))
            else:
                most = _largest_base(exponent, 2**63 - 1)
                least = -_largest_base(exponent, 2**63) if exponent % 2 else -most
                above = builder.icmp_signed(">=", x, _I64(least))
                fits = builder.and_(above, builder.icmp_signed("<=", x, _I64(most)))
            with builder.if_then(builder.not_(fits), likely=False):
                context.call_conv.return_user_exc(builder, DoesNotFit, (TOO_LARGE,))
        result, left = _I64(1), exponent
        while left:
            result = builder.mul(result, x) if left & 1 else result
            left >>= 1
            x = builder.mul(x, x)
        return result

    return kind(kind, exp), generate


@intrinsic(prefer_literal=True)
def _fraction(typing_context: TypingContext, base: Any, exp: Any) -> Any:
    """Return a power whose exponent is a negative constant."""
    if not isinstance(exp, types.IntegerLiteral):
        return None
    exponent = exp.literal_value
    fmt = values.F64
    kind = _kind(base)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        x = context.cast(builder, arguments[0], kind, types.float64)
        with builder.if_then(builder.fcmp_ordered("==", x, ir.Constant(fmt.type, 0.0)), likely=False):
            context.call_conv.return_user_exc(builder, ZeroDivisionError, (_OF_ZERO,))
        function = REPLACED[builtins.pow]
        function = constant_power(function, exponent, "int") or function
        y = ir.Constant(fmt.type, float(exponent))
        return emit.call(context, builder, function, fmt, emit.Mode(), [x, y])

    return types.float64(kind, exp), generate


@intrinsic
def _times(typing_context: TypingContext, a: Any, b: Any) -> Any:
    """Return a product of integers, and whether it doesn't fit."""
    unsigned = a == types.uint64

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        multiply = builder.umul_with_overflow if unsigned else builder.smul_with_overflow
        pair = multiply(*arguments)
        parts = [builder.extract_value(pair, i) for i in range(2)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.Tuple((a, types.boolean))(a, a), generate


@helper
def _raised(square, one, exp):
    """Return a power by repeated squaring. What overflows is a factor of the result."""
    result, left, lost = one, np.uint64(exp), False
    while True:
        result, over = _times(result, square if left & np.uint64(1) else one)
        lost |= over
        left >>= np.uint64(1)
        if left == 0:
            break
        square, over = _times(square, square)
        lost |= over
    if lost:
        raise DoesNotFit(TOO_LARGE)
    return result


@helper
def _refuse_negative(base, exp):
    if exp < 0:
        if base == 0:
            raise ZeroDivisionError(_OF_ZERO)
        raise NotAnInteger(_NEGATIVE)


@helper
def _power(base, exp):
    """Return a power of a signed integer or a bool."""
    _refuse_negative(base, exp)
    return _raised(np.int64(base), np.int64(1), exp)


@helper
def _power_or_rest(base, exp, mod):
    """Return a power of a signed integer, or its rest where there is a modulus."""
    return _power(base, exp) if mod is None else pow(base, exp, value_of(mod))


@helper
def _power_unsigned(base, exp):
    """Return a power of an unsigned integer."""
    _refuse_negative(base, exp)
    return _raised(base, np.uint64(1), exp)


@helper
def _numpy_power(x1, x2):
    """Return what NumPy gives: integers that wrap around."""
    if x2 < 0:
        raise ValueError("Integers to negative integer powers are not allowed.")
    result, square, left = np.int64(1), np.int64(x1), np.uint64(x2)
    while left:
        if left & np.uint64(1):
            result *= square
        left >>= np.uint64(1)
        square *= square
    return result


@helper
def _powers(base, exp):
    """Return the powers of an array's items, as NumPy: integers that wrap around. Numba rounds them."""
    result = base.copy()
    for i in range(result.size):
        result.flat[i] = _numpy_power(base.flat[i], exp)
    return result


@helper
def _powers_in_place(base, exp):
    for i in range(base.size):
        base.flat[i] = _numpy_power(base.flat[i], exp)
    return base


@helper
def _powers_to(base, exp):
    result = exp.copy()
    for i in range(result.size):
        result.flat[i] = _numpy_power(base, exp.flat[i])
    return result


@helper
def _powers_of_each(base, exp):
    if base.shape != exp.shape:
        raise ValueError("arrays of integers to the power of one another must be of one shape")
    result = base.copy()
    for i in range(result.size):
        result.flat[i] = _numpy_power(base.flat[i], exp.flat[i])
    return result


def _choose_arrays(base: Any, exp: Any) -> Any:
    """Return what is called for arrays of 64-bit integers; None for others."""
    are_arrays = [isinstance(kind, types.Array) for kind in (base, exp)]
    if not any(are_arrays):
        return None
    kinds = [types.unliteral(getattr(kind, "dtype", kind)) for kind in (base, exp)]
    if not _are_whole(*kinds) or kinds[0] != kinds[1] or kinds[0] not in (types.int64, types.uint64):
        return None
    return _powers_of_each if all(are_arrays) else (_powers if are_arrays[0] else _powers_to)


def _are_whole(*kinds: Any) -> bool:
    return all(isinstance(kind, types.Integer | types.Boolean) for kind in kinds)


def _choose(base: Any, exp: Any = None, mod: Any = None) -> Any:
    if (
        isinstance(mod, types.Optional)
        and _are_whole(base, exp)
        and types.uint64 not in (_kind(base), _kind(exp))
    ):
        return _power_or_rest
    if mod is not None or not _are_whole(base, exp):
        return _choose_arrays(base, exp) if mod is None and exp is not None else None
    if isinstance(exp, types.IntegerLiteral):
        return _to_constant if exp.literal_value >= 0 else _fraction
    return _power_unsigned if _kind(base) == types.uint64 else _power


overlay(operator.pow, "base", "exp")(_choose)


@overlay(operator.ipow, "base", "exp")
def _choose_in_place(base: Any, exp: Any = None) -> Any:
    found = _choose(base, exp)
    return _powers_in_place if found is _powers else found


overlay(builtins.pow, "base", "exp", "mod", nullable=("mod",))(_choose)


@overlay(np.power, "x1", "x2")
def _choose_numpy(x1: Any, x2: Any = None) -> Any:
    unsigned = types.uint64 in (_kind(x1), _kind(x2))
    if not _are_whole(x1, x2):
        return _choose_arrays(x1, x2)
    return None if unsigned else _numpy_power
