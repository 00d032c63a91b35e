"""Loops of NumPy's functions, of scalars and of arrays, that aren't NumPy's in Numba.

Numba has a table: ufunc → loop by dtypes → what writes one item. There `fmod` of signed integers divides
unsigned ones, floats are divided and then rounded down (of ``1.0 // 0.1`` NumPy makes 9), the smallest
integer modulo -1 ends the process, and shifts by all bits or more do what the processor does. Ours take their
places.

Each is made for one dtype: its function is given NumPy's class of scalars, and returns a function of scalars.
"""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
from numba.cpython import numbers
from numba.np import ufunc_db

from dataflare_vec.compiler.jit.lowering.exact.library import greatest_divisor, scaled

_SIGNED, _UNSIGNED, _REAL = "bhilq", "BHILQ", "fd"


def _compiled(function):
    options = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(error_model="numpy", **options)(function)


def _loop(make, kind):
    """Return what writes one item, for Numba's table."""
    made = cache(lambda: _compiled(make(kind)))

    def write(context, builder, signature, arguments):
        function = context.typing_context.resolve_value_type(made())
        own = function.get_call_type(context.typing_context, signature.args, {})
        call = context.get_function(function, own)
        context.add_linking_libs(getattr(call, "libs", ()))
        return context.cast(builder, call(builder, arguments), own.return_type, signature.return_type)

    return write


def _replace(ufunc, codes, make, after=""):
    """Let what is made for a dtype be its loop, of those that Numba has; ``after`` it are other inputs."""
    loops = ufunc_db.get_ufunc_info(ufunc)
    for code in codes:
        given = code * (ufunc.nin - len(after)) + after
        name = f"{given}->{code * ufunc.nout}"
        if name in loops:
            loops[name] = _loop(make, np.dtype(code).type)


# -- sign, spacing ----------------------------------------------------------------------------------------


def _sign(kind):
    one, zero = kind(1), kind(0)
    return lambda x: one if x > zero else -one if x < zero else zero if x == zero else x


def _sign_of_unsigned(kind):
    return lambda x: kind(x > 0)


def _spacing(kind):
    infinity, zero = kind(np.inf), kind(0)

    def spacing(x):
        if x == zero:
            x = zero
        return np.nextafter(x, -infinity if x < zero else infinity) - x

    return spacing


_replace(np.sign, _REAL, _sign)
_replace(np.sign, _UNSIGNED, _sign_of_unsigned)
_replace(np.spacing, _REAL, _spacing)

# -- divisions of floats ----------------------------------------------------------------------------------


def _real_division(kind):
    """Return quotient and remainder of floats: NumPy takes the quotient from the remainder."""
    zero, half, one = kind(0), kind(0.5), kind(1)

    @_compiled
    def divide(a, b):
        rest = np.fmod(a, b)
        if b == zero:
            return a / b, rest
        exact = (a - rest) / b
        if rest == zero:
            rest = np.copysign(zero, b)
        elif (b < zero) != (rest < zero):
            rest += b
            exact -= one
        if exact == zero:
            return np.copysign(zero, a / b), rest
        # The division may have rounded what is nearly an integer.
        below = np.floor(exact)
        return below + one if exact - below > half else below, rest

    return divide


def _part(division, place):
    """Return a maker of functions that give one part of a division."""

    def make(kind):
        divide = division(kind)
        return lambda a, b: divide(a, b)[place]

    return make


def _both(division):
    def make(kind):
        divide = division(kind)
        return lambda a, b: divide(a, b)

    return make


# -- divisions of integers --------------------------------------------------------------------------------


def _whole_division(kind):
    """Return quotient and remainder of signed integers, 0 for a division by 0."""
    zero, least = kind(0), kind(np.iinfo(kind).min)

    @_compiled
    def divide(a, b):
        if b == 0:
            return zero, zero
        if b == -1:
            return least if a == least else kind(-a), zero
        return kind(a // b), kind(a % b)

    return divide


def _whole_rest(kind):
    """Return `fmod` of signed integers: the remainder has the sign of what is divided."""
    zero = kind(0)

    def rest(a, b):
        if b == 0 or b == -1:
            return zero
        found = a % b
        return kind(found - b if found != 0 and (a < 0) != (b < 0) else found)

    return rest


for _codes, _division in ((_REAL, _real_division), (_SIGNED, _whole_division)):
    _replace(np.floor_divide, _codes, _part(_division, 0))
    _replace(np.remainder, _codes, _part(_division, 1))
    _replace(np.divmod, _codes, _both(_division))
_replace(np.fmod, _SIGNED, _whole_rest)


def _wrapping(divide):
    """Return Numba's division of scalars, as in array expressions, with NumPy's quotients by -1."""

    def divided(context, builder, kind, x, y):
        quotient, rest = divide(context, builder, kind, x, y)
        by_minus_one = builder.icmp_signed("==", y, y.type(-1))
        return builder.select(by_minus_one, builder.neg(x), quotient), rest

    return divided


numbers.int_divmod_signed = _wrapping(numbers.int_divmod_signed)

# -- powers, multiples and shifts -------------------------------------------------------------------------


def _power(kind):
    one, zero = kind(1), kind(0)

    def power(base, exponent):
        result, square, left = one, base, exponent
        while left > zero:
            if left & one:
                result = kind(result * square)
            square = kind(square * square)
            left = kind(left >> one)
        return result

    return power


def _multiple(kind):
    unsigned = np.dtype(kind).str.replace("i", "u")
    word, zero = np.dtype(unsigned).type, kind(0)

    def multiple(a, b):
        x, y = word(abs(a)), word(abs(b))
        if x == 0 or y == 0:
            return zero
        return kind(word(x // greatest_divisor(x, y)) * y)

    return multiple


def _left_shift(kind):
    width = np.dtype(kind).itemsize * 8
    zero = kind(0)
    return lambda a, b: kind(a << b) if 0 <= b and b < width else zero


def _right_shift(kind):
    width = np.dtype(kind).itemsize * 8
    last = width - 1
    if np.dtype(kind).kind == "u":
        zero = kind(0)
        return lambda a, b: kind(a >> b) if b < width else zero
    return lambda a, b: kind(a >> (b if 0 <= b and b < width else last))


_replace(np.power, _UNSIGNED, _power)
_replace(np.lcm, _SIGNED + _UNSIGNED, _multiple)
_replace(np.left_shift, _SIGNED + _UNSIGNED, _left_shift)
_replace(np.right_shift, _SIGNED + _UNSIGNED, _right_shift)
for _code in "lq":
    _replace(np.ldexp, _REAL, lambda kind: scaled, after=_code)
