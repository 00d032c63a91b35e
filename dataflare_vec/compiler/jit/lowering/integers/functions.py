"""Functions of integers of 128 bits: Python's built-ins, `math`'s and NumPy's."""

from __future__ import annotations

import builtins
import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import cgutils, types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import infer_global, signature
from numba.extending import overload, overload_method, typeof_impl

from dataflare_vec.compiler.jit.lowering.integers import emit
from dataflare_vec.compiler.jit.lowering.integers.narrow import low_word
from dataflare_vec.compiler.jit.lowering.integers.operators import (
    Args,
    WideTemplate,
    comparison,
    is_wide,
    itself,
    narrowed,
    offer_unary,
    own,
    returned,
)
from dataflare_vec.compiler.jit.types.tables import TableType
from dataflare_vec.compiler.jit.types.wide_integers import (
    WideIntType,
    is_natural,
    natural,
    wide_int,
    widened,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from llvmlite import ir

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_INLINE = {"forceinline": True}


class Large(int):
    """A constant in a kernel that doesn't fit 64 bits with a sign."""


@typeof_impl.register(Large)  # type: ignore[untyped-decorator]
def _typeof_large(value: Large, context: Any) -> types.Type:
    return natural if value >= 0 else wide_int


# -- min and max ------------------------------------------------------------------------------------------


class _Choice(WideTemplate):
    """``min`` or ``max`` of some numbers; with a float among them it is a float."""

    def typed(self, args: Args) -> Any:
        if len(args) == 1:
            return None
        if any(isinstance(arg, types.Float) for arg in args):
            return narrowed(self.context, self.key, args, {}, types.float64)
        return signature(self.result(args), *args)

    def result(self, args: Args) -> types.Type:
        """Return the type of the result: that holds each that it may be."""
        if any(is_wide(arg) and not is_natural(arg) for arg in args):
            return wide_int
        if self.key is max or all(map(is_natural, args)):
            return natural
        return types.int64


def _choice(sign: str) -> Any:
    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
        best, best_type = args[0], sig.args[0]
        wide = widened(builder, best, best_type)
        for value, ty in zip(args[1:], sig.args[1:], strict=True):
            other = widened(builder, value, ty)
            better = emit.compared(builder, sign, (value, ty), (best, best_type))
            wide = builder.select(better, other, wide)
            best, best_type = wide, natural if is_natural(best_type) and is_natural(ty) else wide_int
        return returned(builder, wide, sig.return_type)

    return lower


for _function, _sign in ((min, "<"), (max, ">")):
    infer_global(_function)(type(f"_{_function.__name__}", (_Choice,), {"key": _function}))
    lower_builtin(_function, types.VarArg(types.Any))(_choice(_sign))


@overload(max)
def _largest_of(numbers):  # type: ignore[no-untyped-def]
    return (lambda numbers: max(*numbers)) if _is_tuple(numbers) else None


@overload(min)
def _smallest_of(numbers):  # type: ignore[no-untyped-def]
    return (lambda numbers: min(*numbers)) if _is_tuple(numbers) else None


def _is_tuple(ty: types.Type) -> bool:
    return isinstance(ty, types.BaseTuple) and len(ty) > 1 and any(map(is_wide, ty))


@infer_global(operator.contains)
class _Contains(WideTemplate):
    """``x in (a, b)`` with numbers of several types, or an integer of 128 bits on either side."""

    key = operator.contains

    def generic(self, args: Args, kws: Any) -> Any:
        """Return the signature for a tuple of numbers."""
        items, sought = args
        if not isinstance(items, types.BaseTuple):
            return None
        if not isinstance(items, types.Tuple) and not any(map(is_wide, (*items, sought))):
            return None
        numbers = all(emit.is_integer(ty) or isinstance(ty, types.Float) for ty in (*items, sought))
        return signature(types.boolean, items, sought) if numbers else None

    def get_impl_key(self, sig: Any) -> Any:
        """Return a key of ours: under the operator Numba has code for any sequence."""
        return _Contains


@lower_builtin(_Contains, types.BaseTuple, types.Any)  # type: ignore[untyped-decorator]
def _contains(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    found = cgutils.false_bit
    for item, ty in zip(cgutils.unpack_tuple(builder, args[0]), sig.args[0], strict=True):
        kinds = own(ty), own(sig.args[1])
        if all(isinstance(kind, types.Float) for kind in kinds):
            kinds = types.float64, types.float64
        pairs = zip((item, args[1]), (ty, sig.args[1]), kinds, strict=True)
        values = [context.cast(builder, value, given, kind) for value, given, kind in pairs]
        if isinstance(kinds[0], types.Float) and kinds[0] == kinds[1]:
            equal = builder.fcmp_ordered("==", *values)
        else:
            equal = comparison("==")(context, builder, signature(types.boolean, *kinds), values)
        found = builder.or_(found, equal)
    return found


# -- what divides and rounds ------------------------------------------------------------------------------


@overload(divmod, jit_options=_INLINE)
def _divmod(a, b):  # type: ignore[no-untyped-def]
    return (lambda a, b: (a // b, a % b)) if is_wide(a) or is_wide(b) else None


@overload(round, jit_options=_INLINE)
def _round(number, ndigits=None):  # type: ignore[no-untyped-def]
    if not is_wide(number) or not (ndigits is None or isinstance(ndigits, (types.NoneType, types.Omitted))):
        return None
    return lambda number, ndigits=None: number


@overload_method(WideIntType, "__hash__")
def _hash(number):  # type: ignore[no-untyped-def]
    modulus = (1 << 61) - 1

    def hash_of(number):  # type: ignore[no-untyped-def]
        rest = np.int64(low_word(abs(number) % modulus))
        if number < 0:
            rest = -rest
        return -2 if rest == -1 else rest

    return hash_of


# -- what takes integers of 64 bits -----------------------------------------------------------------------


class _Narrowing(WideTemplate):
    def generic(self, args: Args, kws: Any) -> Any:
        """Return the signature with integers of 64 bits in place of those of 128."""
        if isinstance(args[0], types.DictType | TableType):  # whose keys may be any integers
            return None
        return narrowed(self.context, self.key, args, kws)


for _taking in (range, slice, operator.getitem):
    infer_global(_taking)(type(f"_{_taking.__name__}", (_Narrowing,), {"key": _taking}))


@infer_global(operator.setitem)
class _SetItem(WideTemplate):
    key = operator.setitem

    def generic(self, args: Args, kws: Any) -> Any:
        """Return the signature for an index of 64 bits, and an array's own items."""
        target, index, value = args
        if not isinstance(target, types.Array):
            return None
        if not is_wide(value):
            return narrowed(self.context, self.key, args, kws)
        found = self.context.resolve_value_type(self.key)
        return found.get_call_type(self.context, (target, index, target.dtype), kws)


# -- math and NumPy ---------------------------------------------------------------------------------------


@overload(np.array)
def _array(values):  # type: ignore[no-untyped-def]
    if not isinstance(values, types.List) or values.dtype != word:
        return None

    def array(values):  # type: ignore[no-untyped-def]
        made = np.empty(len(values), np.uint64)
        for i, value in enumerate(values):
            made[i] = low_word(value)
        return made

    return array


for _rounding in (math.floor, math.ceil, math.trunc):
    offer_unary(_rounding, lambda args: args[0], itself)

#: NumPy's functions, and the operators that they are of scalars.
_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "true_divide": operator.truediv,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "mod": operator.mod,
    "remainder": operator.mod,
    "power": operator.pow,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "left_shift": operator.lshift,
    "right_shift": operator.rshift,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "minimum": builtins.min,
    "maximum": builtins.max,
    "fmin": builtins.min,
    "fmax": builtins.max,
}
_UNARY: dict[str, Callable[..., Any]] = {
    "negative": lambda a: -a,
    "positive": lambda a: a,
    "invert": lambda a: ~a,
    "bitwise_not": lambda a: ~a,
    "absolute": lambda a: abs(a),
    "abs": lambda a: abs(a),
    "square": lambda a: a * a,
    "sign": lambda a: np.int64(a > 0) - np.int64(a < 0),
    "floor": lambda a: a,
    "ceil": lambda a: a,
    "trunc": lambda a: a,
    "rint": lambda a: float(a),
    "round": lambda a: a,
    "around": lambda a: a,
    "isnan": lambda a: False,
    "isfinite": lambda a: True,
    "isinf": lambda a: False,
}


def _stand(function: Any, meant: Any, arguments: int) -> None:
    """Let Numba call a function of NumPy's on scalars of 128 bits, as what it means of them."""
    if arguments == 1:

        @overload(function, jit_options=_INLINE)
        def of_one(a):  # type: ignore[no-untyped-def]
            return meant if is_wide(a) else None

    else:

        @overload(function, jit_options=_INLINE)
        def of_two(a, b):  # type: ignore[no-untyped-def]
            scalar = all(isinstance(x, (types.Number, types.Boolean, WideIntType)) for x in (a, b))
            return (lambda a, b: meant(a, b)) if scalar and (is_wide(a) or is_wide(b)) else None


for _name, _meant in {**_OPERATORS, **_UNARY}.items():
    if hasattr(np, _name):
        _stand(getattr(np, _name), _meant, 1 if _name in _UNARY else 2)
