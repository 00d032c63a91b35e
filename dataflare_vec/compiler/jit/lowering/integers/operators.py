"""Operators of integers of 128 bits: what a UInt64 column's values are computed with, and Int128's.

What is certainly not negative stays so in its type. With floats they are floats, with NumPy's own unsigned
integers (``np.uint64(…)``) these; whatever else is combined with an integer gets it in 64 bits.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_cast

from dataflare_vec.compiler.jit.lowering.integers import emit
from dataflare_vec.compiler.jit.lowering.integers.emit import is_integer, is_signed
from dataflare_vec.compiler.jit.lowering.integers.words import stays_word, taken
from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.compiler.jit.types.wide_integers import (
    I128,
    WideIntType,
    checked,
    has_point,
    is_natural,
    natural,
    overflowing,
    wide_int,
    widened,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

NEGATIVE_EXPONENT = "a negative exponent makes a float; write `float(x) ** n`"

_I64 = ir.IntType(64)
Args = tuple[types.Type, ...]

_OTHERS = (types.Integer, types.Boolean)
#: Kinds of operands of which one is of 128 bits.
PAIRS = [(WideIntType, WideIntType)]
PAIRS += [pair for kind in _OTHERS for pair in ((WideIntType, kind), (kind, WideIntType))]


def is_wide(ty: types.Type) -> bool:
    """Whether a type is one of integers of 128 bits."""
    return isinstance(ty, WideIntType)


def own(ty: types.Type) -> types.Type:
    """Return the type in which an operand is taken: a natural one's of a word, or a constant from 0 on."""
    if ty == word or (isinstance(ty, types.IntegerLiteral) and is_natural(ty)):
        return natural
    return types.unliteral(ty)


def narrowed(
    context: TypingContext, function: Any, args: Args, kws: Any, ty: types.Type = types.int64
) -> Any:
    """Return the signature for integers of 64 bits where ``args`` has some of 128, and the key of its code.

    Numba casts the arguments; one that doesn't fit raises.
    """
    found = context.resolve_value_type(function) if callable(function) else function
    few = tuple(_narrow(arg, ty) for arg in args)
    return found.get_call_type(context, few, kws) if few != args else None


def _narrow(given: types.Type, ty: types.Type) -> types.Type:
    """Return the type in place of one of 128 bits, or of a tuple with such."""
    if isinstance(given, types.BaseTuple) and any(map(is_wide, given)):
        return types.BaseTuple.from_types([_narrow(item, ty) for item in given])
    return ty if is_wide(given) else given


class WideTemplate(AbstractTemplate):  # type: ignore[misc]
    """Types calls that have an integer of 128 bits among their arguments."""

    prefer_literal = True
    #: Whether words stay such.
    keeps_words = False

    def typed(self, args: Args) -> Any:
        """Return the signature for integers and floats; None where there is none."""
        raise NotImplementedError

    def generic(self, args: Args, kws: Any) -> Any:
        """Return the signature; None where another template knows it."""
        if kws or not any(is_wide(arg) for arg in args) or any(isinstance(a, types.Optional) for a in args):
            return None
        if any(map(has_point, args)):
            return None
        if stays_word(self.key, args):
            return signature(word, *map(taken, args))
        if all(is_integer(arg) or isinstance(arg, types.Float) for arg in args):
            return self.typed(args if self.keeps_words else tuple(map(own, args)))
        arrays = [arg.dtype for arg in args if isinstance(arg, types.Array)]
        ty = arrays[0] if arrays and arrays[0] in (types.uint64, types.float64) else types.int64
        return narrowed(self.context, self.key, args, kws, ty)

    def get_impl_key(self, sig: Any) -> Any:
        """Return what the code is registered under: another's, if that is what is called in the end."""
        if any(is_wide(arg) for arg in sig.args):
            return self.key
        known = self.context.resolve_value_type(self.key)._impl_keys
        return known.get(sig.args, self.key)


class _Arithmetic(WideTemplate):
    """Two operands. ``result`` names the type for integers."""

    result: Callable[[Args], types.Type]

    def typed(self, args: Args) -> Any:
        if any(isinstance(arg, types.Float) for arg in args):
            return narrowed(self.context, self.key, args, {}, types.float64)
        if types.uint64 in args:
            return narrowed(self.context, self.key, args, {}, types.uint64)
        return signature(type(self).result(args), *args)


def _if_both(args: Args) -> types.Type:
    return natural if all(map(is_natural, args)) else wide_int


def _if_any(args: Args) -> types.Type:
    return natural if any(map(is_natural, args)) else wide_int


def _as_first(args: Args) -> types.Type:
    return args[0] if is_wide(args[0]) or args[0] == types.int64 else types.int64


def _never(args: Args) -> types.Type:
    return wide_int


def _quotient(args: Args) -> types.Type:
    return _if_both(args) if is_wide(args[0]) else types.int64


def _remainder(args: Args) -> types.Type:
    if is_natural(args[1]):
        return natural
    return wide_int if is_wide(args[1]) else types.int64


def _float(args: Args) -> types.Type:
    return types.float64


def returned(builder: Builder, value: ir.Value, ty: types.Type) -> ir.Value:
    """Return a result of 128 bits as one of its type, which it fits."""
    return value if is_wide(ty) else builder.trunc(value, _I64)


def _of_wide(body: Callable[..., ir.Value]) -> Any:
    """Return code that has both operands in 128 bits; a pair is checked for an overflow."""

    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
        a, b = (widened(builder, arg, ty) for arg, ty in zip(args, sig.args, strict=True))
        value = body(builder, a, b)
        if isinstance(value.type, ir.LiteralStructType):
            value = checked(context, builder, value, wide_int)
        return returned(builder, value, sig.return_type)

    return lower


def _division(position: int, message: str) -> Any:
    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
        operands = tuple(zip(args, sig.args, strict=True))
        return returned(builder, emit.divided(context, builder, operands, message)[position], sig.return_type)

    return lower


def _ratio(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    return emit.ratio(context, builder, tuple(zip(args, sig.args, strict=True)))


def _left(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    value = args[0] if is_wide(sig.return_type) or sig.args[0] == types.int64 else None
    if value is None:
        value = builder.trunc(widened(builder, args[0], sig.args[0]), _I64)
    result, lost = emit.shifted_left(context, builder, value, (args[1], sig.args[1]))
    emit.fail(context, builder, lost, DoesNotFit, emit.TOO_LARGE_FOR_64)
    return result


def _right(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    value = args[0]
    if not is_wide(sig.args[0]):
        value = builder.trunc(widened(builder, value, sig.args[0]), _I64)
    return emit.shifted_right(context, builder, value, (args[1], sig.args[1]))


def _power(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    def power(base, exponent, result):  # type: ignore[no-untyped-def]
        if exponent < 0:
            raise ValueError(NEGATIVE_EXPONENT)
        while True:
            if exponent & 1:
                result = result * base
            exponent >>= 1
            if exponent == 0:
                return result
            base = base * base

    kinds = (sig.return_type, types.int64, sig.return_type)
    values = [
        context.cast(builder, arg, ty, kind) for arg, ty, kind in zip(args, sig.args, kinds, strict=False)
    ]
    return context.compile_internal(builder, power, signature(sig.return_type, *kinds), [*values, I128(1)])


def _power_of(args: Args) -> types.Type:
    return natural if is_natural(args[0]) else wide_int


def _offer(function: Any, result: Callable[[Args], types.Type], lower: Any) -> None:
    name = f"_{getattr(function, '__name__', 'function')}"
    infer_global(function)(type(name, (_Arithmetic,), {"key": function, "result": staticmethod(result)}))
    for kinds in PAIRS:
        lower_builtin(function, *kinds)(lower)


for _name, _result, _lower in (
    ("add", _if_both, _of_wide(lambda builder, a, b: builder.sadd_with_overflow(a, b))),
    ("sub", _never, _of_wide(lambda builder, a, b: builder.ssub_with_overflow(a, b))),
    ("mul", _if_both, _of_wide(lambda builder, a, b: builder.smul_with_overflow(a, b))),
    ("and_", _if_any, _of_wide(lambda builder, a, b: builder.and_(a, b))),
    ("or_", _if_both, _of_wide(lambda builder, a, b: builder.or_(a, b))),
    ("xor", _if_both, _of_wide(lambda builder, a, b: builder.xor(a, b))),
    ("floordiv", _quotient, _division(0, "integer division by zero")),
    ("mod", _remainder, _division(1, "integer modulo by zero")),
    ("truediv", _float, _ratio),
    ("lshift", _as_first, _left),
    ("rshift", _as_first, _right),
):
    _offer(getattr(operator, _name), _result, _lower)
    _offer(getattr(operator, "i" + _name.rstrip("_")), _result, _lower)
for _function in (operator.pow, operator.ipow, pow):
    _offer(_function, _power_of, _power)


# -- comparisons ------------------------------------------------------------------------------------------


class _Comparison(WideTemplate):
    def typed(self, args: Args) -> Any:
        return signature(types.boolean, *(types.float64 if isinstance(a, types.Float) else a for a in args))


def comparison(sign: str) -> Any:
    """Return the code of a comparison of two integers, or of one with a float."""

    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
        (a, a_type), (b, b_type) = zip(args, sig.args, strict=True)
        if isinstance(b_type, types.Float):
            b = context.cast(builder, b, b_type, types.float64)
            return emit.compared_with_float(builder, sign, (a, a_type), b)
        if isinstance(a_type, types.Float):
            a = context.cast(builder, a, a_type, types.float64)
            return emit.compared_with_float(builder, emit.MIRRORED[sign], (b, b_type), a)
        return emit.compared(builder, sign, (a, a_type), (b, b_type))

    return lower


#: Operators and their signs.
COMPARISONS = {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
}
for _function, _sign in COMPARISONS.items():
    infer_global(_function)(type(f"_{_function.__name__}", (_Comparison,), {"key": _function}))
    for _kinds in (*PAIRS, (WideIntType, types.Float), (types.Float, WideIntType)):
        lower_builtin(_function, *_kinds)(comparison(_sign))


# -- one operand ------------------------------------------------------------------------------------------


class _Unary(WideTemplate):
    result: Callable[[Args], types.Type]

    def typed(self, args: Args) -> Any:
        return signature(type(self).result(args), *args)


def _same(args: Args) -> types.Type:
    return args[0]


def _minus(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    return checked(context, builder, builder.ssub_with_overflow(I128(0), args[0]), wide_int)


def _absolute(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    magnitude, _ = emit.apart(builder, args[0], sig.args[0])
    if not is_signed(sig.args[0]):
        return magnitude
    wrong = builder.icmp_signed("<", magnitude, I128(0))
    return checked(context, builder, overflowing(builder, magnitude, wrong), wide_int)


def offer_unary(function: Any, result: Callable[[Args], types.Type], lower: Any) -> None:
    """Register a function of one integer of 128 bits."""
    attributes = {"key": function, "result": staticmethod(result), "keeps_words": lower is itself}
    infer_global(function)(type(f"_{function.__name__}", (_Unary,), attributes))
    lower_builtin(function, WideIntType)(lower)


def itself(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    """Return the one argument as it is."""
    return args[0]


offer_unary(operator.neg, _never, _minus)
offer_unary(operator.pos, _same, itself)
offer_unary(operator.invert, _never, lambda context, builder, sig, args: builder.not_(args[0]))
offer_unary(
    operator.not_,
    lambda args: types.boolean,
    lambda context, builder, sig, args: builder.icmp_unsigned("==", args[0], I128(0)),
)
offer_unary(abs, _same, _absolute)
offer_unary(float, _float, lambda context, builder, sig, args: emit.to_float(builder, args[0], sig.args[0]))
offer_unary(int, _same, itself)


# -- casts ------------------------------------------------------------------------------------------------


@lower_cast(WideIntType, types.Integer)  # type: ignore[untyped-decorator]
def _to_integer(
    context: Context, builder: Builder, given: WideIntType, wanted: types.Integer, value: ir.Value
) -> Any:
    wrong = beyond(builder, value, wanted)
    emit.fail(context, builder, wrong, DoesNotFit, f"the integer does not fit {wanted.bitwidth} bits")
    return builder.trunc(value, ir.IntType(wanted.bitwidth))


def beyond(builder: Builder, value: ir.Value, wanted: types.Integer) -> ir.Value:
    """Whether an integer of 128 bits doesn't fit a type of fewer."""
    narrow = builder.trunc(value, ir.IntType(wanted.bitwidth))
    return builder.icmp_unsigned("!=", widened(builder, narrow, wanted), value)


@lower_cast(WideIntType, types.Float)  # type: ignore[untyped-decorator]
def _to_float(
    context: Context, builder: Builder, given: WideIntType, wanted: types.Float, value: ir.Value
) -> Any:
    return context.cast(builder, emit.to_float(builder, value, given), types.float64, wanted)


@lower_cast(WideIntType, types.Boolean)  # type: ignore[untyped-decorator]
def _to_bool(
    context: Context, builder: Builder, given: WideIntType, wanted: types.Boolean, value: ir.Value
) -> Any:
    return builder.icmp_unsigned("!=", value, I128(0))
