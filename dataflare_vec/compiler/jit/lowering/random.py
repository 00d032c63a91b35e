"""The functions of `dataflare_vec.random` in kernels: ten rounds of multiplications, without a branch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import errors, types
from numba.extending import intrinsic, overload

from dataflare_vec import random
from dataflare_vec.bits import word as as_word
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType, word
from dataflare_vec.random import EMPTY, MULTIPLIER, ROUNDS, WEYL

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I64, _I128, _DOUBLE = ir.IntType(64), ir.IntType(128), ir.DoubleType()
_INLINE = {"forceinline": True}
_MASK = (1 << 64) - 1

#: A turn.
_TAU = math.tau


def _product(builder: Builder, a: ir.Value, b: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the upper and the lower word of a product of words."""
    product = builder.mul(builder.zext(a, _I128), builder.zext(b, _I128))
    return builder.trunc(builder.lshr(product, _I128(64)), _I64), builder.trunc(product, _I64)


def _words(builder: Builder, seed: ir.Value, row: ir.Value, draw: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the two words of a counter."""
    left, right = row, draw
    for i in range(ROUNDS):
        key = builder.add(seed, _I64(i * WEYL & _MASK))
        upper, lower = _product(builder, left, _I64(MULTIPLIER))
        left, right = builder.xor(builder.xor(upper, key), right), lower
    return left, right


def _part(builder: Builder, bits: ir.Value, above: int = 0) -> ir.Value:
    """Return the upper 53 bits as a float from 0 to below 1, and so many steps more."""
    steps = builder.add(builder.lshr(bits, _I64(11)), _I64(above))
    return builder.fmul(builder.uitofp(steps, _DOUBLE), _DOUBLE(2.0**-53))


def _of_counter(returned: types.Type, emit: Callable[..., Any]) -> Any:
    """Return an intrinsic of seed, row and draw, all of them words."""

    def generate(context: Context, builder: Builder, sig: Signature, arguments: Values) -> Any:
        values = emit(builder, *_words(builder, *arguments))
        return context.make_tuple(builder, returned, values) if isinstance(values, tuple) else values

    def of_counter(typing_context: TypingContext, seed: Any, row: Any, draw: Any) -> Any:
        return returned(word, word, word), generate

    return intrinsic(of_counter)


_bits = _of_counter(word, lambda builder, left, right: left)
_unit = _of_counter(types.float64, lambda builder, left, right: _part(builder, left))
_pair = _of_counter(
    types.UniTuple(types.float64, 2),
    lambda builder, left, right: (_part(builder, left, above=1), _part(builder, right)),
)


@intrinsic  # type: ignore[untyped-decorator]
def _between(typing_context: TypingContext, bits: Any, low: Any, high: Any) -> Any:
    """Return where random bits fall between two integers."""

    def generate(context: Context, builder: Builder, sig: Signature, arguments: Values) -> ir.Value:
        bits, low, high = arguments
        return builder.add(low, _product(builder, bits, builder.sub(high, low))[0])

    return types.int64(word, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _as_int64(typing_context: TypingContext, value: Any) -> Any:
    """Return an integer in 64 bits, or raise OverflowError."""

    def generate(context: Context, builder: Builder, sig: Signature, arguments: Values) -> ir.Value:
        return context.cast(builder, arguments[0], sig.args[0], types.int64)

    return types.int64(value), generate


def _check(name: str, **arguments: Any) -> None:
    """Raise if one of a function's arguments is no integer.

    Raises
    ------
    TypingError
        Saying which.
    """
    for what, given in arguments.items():
        kind = given.value if isinstance(given, types.Omitted) else types.unliteral(given)
        if not isinstance(kind, (int, types.Integer, types.Boolean, WideIntType)):
            msg = f"`dfv.random.{name}` takes integers as `{what}`, got {kind}"
            raise errors.TypingError(msg)


@overload(random.bits, jit_options=_INLINE)
def _bits_of(seed, row, draw=0):  # type: ignore[no-untyped-def]
    _check("bits", seed=seed, row=row, draw=draw)
    return lambda seed, row, draw=0: _bits(as_word(seed), as_word(row), as_word(draw))


@overload(random.uniform, jit_options=_INLINE)
def _uniform_of(seed, row, draw=0, low=0.0, high=1.0):  # type: ignore[no-untyped-def]
    _check("uniform", seed=seed, row=row, draw=draw)

    def uniform(seed, row, draw=0, low=0.0, high=1.0):  # type: ignore[no-untyped-def]
        part = _unit(as_word(seed), as_word(row), as_word(draw))
        return float(low) + (float(high) - float(low)) * part

    return uniform


@overload(random.normal, jit_options=_INLINE)
def _normal_of(seed, row, draw=0, mean=0.0, deviation=1.0):  # type: ignore[no-untyped-def]
    _check("normal", seed=seed, row=row, draw=draw)

    def normal(seed, row, draw=0, mean=0.0, deviation=1.0):  # type: ignore[no-untyped-def]
        left, right = _pair(as_word(seed), as_word(row), as_word(draw))
        distance = math.sqrt(-2.0 * math.log(left))
        return float(mean) + float(deviation) * (distance * math.cos(right * _TAU))

    return normal


@overload(random.integers, jit_options=_INLINE)
def _integers_of(seed, row, low, high, draw=0):  # type: ignore[no-untyped-def]
    _check("integers", seed=seed, row=row, low=low, high=high, draw=draw)

    def integers(seed, row, low, high, draw=0):  # type: ignore[no-untyped-def]
        first, last = _as_int64(low), _as_int64(high)
        if first >= last:
            raise ValueError(EMPTY)
        return _between(_bits(as_word(seed), as_word(row), as_word(draw)), first, last)

    return integers
