"""`math`'s functions of integers, ``pow`` with a modulus, and methods of `int`: exact, or the row fails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import overload_method

from dataflare_vec import bits
from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.lowering.exact.library import greatest_divisor
from dataflare_vec.compiler.jit.lowering.exact.whole import WHOLE
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, operation
from dataflare_vec.compiler.jit.lowering.strings.numbers.write import magnitude
from dataflare_vec.compiler.jit.types.raised import DoesNotFit

_MOST = np.uint64(0x7FFFFFFFFFFFFFFF)
TOO_LARGE = "the result does not fit a 64-bit integer"


def is_whole(*kinds: Any) -> bool:
    """Whether all are integers of at most 64 bits, or bools."""
    kinds = tuple(getattr(kind, "literal_type", kind) for kind in kinds)
    return all(isinstance(kind, WHOLE) and kind != types.uint64 for kind in kinds)


def _is_absent(kind: Any) -> bool:
    return getattr(kind, "value", kind) is None or isinstance(kind, types.NoneType)


@helper
def _times(a, b):
    """Return a product of unsigned integers that has 63 bits at most."""
    if b != 0 and a > _MOST // b:
        raise DoesNotFit(TOO_LARGE)
    return a * b


@helper
def _signed(found):
    if found > _MOST:
        raise DoesNotFit(TOO_LARGE)
    return np.int64(found)


@helper
def _multiple(a, b):
    """Return the least common multiple of unsigned integers that aren't 0."""
    return _times(a // greatest_divisor(a, b), b)


def _folding(function, step, start, ends_with_zero):
    """Let a function of any number of integers be called; ``step`` takes one more into account.

    ``ends_with_zero``: the result is 0 if one of them is, even where the others' doesn't fit.
    """

    @operation(function)
    def folded(*numbers):
        # Numba gives the types, or one tuple of them.
        kinds = numbers[0] if len(numbers) == 1 and isinstance(numbers[0], types.BaseTuple) else numbers
        if not is_whole(*kinds):
            return None
        names = [f"magnitude(np.int64(numbers[{i}]))" for i in range(len(kinds))]
        text = f"np.uint64({start})"
        for name in names:
            text = f"step({text}, {name})"
        if ends_with_zero:
            zeros = " or ".join(f"numbers[{i}] == 0" for i in range(len(kinds)))
            text = f"{text} if not ({zeros or False}) else np.uint64(0)"
        scope = {"np": np, "magnitude": magnitude, "step": step, "signed": _signed}
        return eval(f"lambda *numbers: signed({text})", scope)


_folding(math.gcd, greatest_divisor, 0, ends_with_zero=False)
_folding(math.lcm, _multiple, 1, ends_with_zero=True)


@operation(math.isqrt)
def _isqrt(n):
    if not is_whole(n):
        return None

    def isqrt(n):
        number = np.int64(n)
        if number < 0:
            raise ValueError("isqrt() argument must be nonnegative")
        root = np.int64(math.sqrt(np.float64(number)))
        while root > 3037000499 or root * root > number:
            root -= 1
        while root < 3037000499 and (root + 1) * (root + 1) <= number:
            root += 1
        return root

    return isqrt


@operation(math.factorial)
def _factorial(n):
    if not is_whole(n):
        return None

    def factorial(n):
        if n < 0:
            raise ValueError("factorial() not defined for negative values")
        found = np.uint64(1)
        for i in range(2, np.int64(n) + 1):
            found = _times(found, np.uint64(i))
        return np.int64(found)

    return factorial


@operation(math.comb)
def _comb(n, k):
    if not is_whole(n, k):
        return None

    def comb(n, k):
        if n < 0:
            raise ValueError("n must be a non-negative integer")
        if k < 0:
            raise ValueError("k must be a non-negative integer")
        if k > n:
            return np.int64(0)
        total, chosen = np.uint64(n), np.uint64(k)
        if chosen > total - chosen:
            chosen = total - chosen
        found, i = np.uint64(1), np.uint64(1)
        while i <= chosen:
            shared = greatest_divisor(found, i)
            found = _times(found // shared, (total - chosen + i) // (i // shared))
            i += np.uint64(1)
        return np.int64(found)

    return comb


@operation(math.perm)
def _perm(n, k=None):
    if _is_absent(k):
        return (lambda n, k=None: math.factorial(n)) if is_whole(n) else None
    if isinstance(k, types.Optional):
        return lambda n, k=None: math.factorial(n) if k is None else math.perm(n, value_of(k))
    if not is_whole(n, k):
        return None

    def perm(n, k=None):
        if n < 0:
            raise ValueError("n must be a non-negative integer")
        if k < 0:
            raise ValueError("k must be a non-negative integer")
        if k > n:
            return np.int64(0)
        found = np.uint64(1)
        for i in range(np.int64(k)):
            found = _times(found, np.uint64(np.int64(n) - i))
        return np.int64(found)

    return perm


# -- with a modulus ---------------------------------------------------------------------------------------


@helper
def _product(a, b, modulus):
    """Return the rest of a product of unsigned integers, which are less than the modulus."""
    if modulus <= np.uint64(0xFFFFFFFF):
        return a * b % modulus
    found = np.uint64(0)
    while b != 0:
        if b & np.uint64(1):
            found = (found + a) % modulus
        a = (a + a) % modulus
        b >>= np.uint64(1)
    return found


@helper
def _inverse(value, modulus):
    """Return what gives 1 with a value, modulo an integer."""
    old, rest = np.int64(value), np.int64(modulus)
    factor, following = np.int64(1), np.int64(0)
    while rest != 0:
        quotient = old // rest
        old, rest = rest, old - quotient * rest
        factor, following = following, factor - quotient * following
    if old != 1:
        raise ValueError("base is not invertible for the given modulus")
    return np.uint64(factor + np.int64(modulus) if factor < 0 else factor)


@operation(pow)
def _pow(base, exp, mod):
    if not is_whole(base, exp, mod):
        return None

    def power(base, exp, mod):
        if mod == 0:
            raise ValueError("pow() 3rd argument cannot be 0")
        if mod == -_MOST - 1 or exp == -_MOST - 1:
            raise DoesNotFit(TOO_LARGE)
        modulus = magnitude(np.int64(mod))
        value = magnitude(np.int64(base)) % modulus
        if base < 0 and value != 0:
            value = modulus - value
        left = magnitude(np.int64(exp))
        if exp < 0:
            value = _inverse(value, modulus) % modulus
        found = np.uint64(1) % modulus
        while left != 0:
            if left & np.uint64(1):
                found = _product(found, value, modulus)
            value = _product(value, value, modulus)
            left >>= np.uint64(1)
        result = np.int64(found)
        if mod < 0 and result != 0:
            result += np.int64(mod)
        return result

    return power


# -- methods ----------------------------------------------------------------------------------------------


def _method(name):
    """Register a method of integers and of bools."""

    def register(function):
        for kind in (types.Integer, types.Boolean):
            overload_method(kind, name, jit_options=OPTIONS)(function)
        return function

    return register


@_method("bit_count")
def _bit_count(number):
    return (lambda number: bits.count_ones(magnitude(np.int64(number)))) if is_whole(number) else None


@_method("bit_length")
def _bit_length(number):
    if not is_whole(number):
        return None
    return lambda number: 64 - bits.leading_zeros(magnitude(np.int64(number)))
