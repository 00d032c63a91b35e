"""The functions of `dataflare_vec.bits` in compiled code: one or two instructions each."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from dataflare_vec import bits
from dataflare_vec.compiler.jit.lowering.integers.emit import to_float
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature

_I64 = ir.IntType(64)


class _Words(AbstractTemplate):  # type: ignore[misc]
    """Numbers in, a word out."""

    taken: tuple[type, ...] = (types.Integer, types.Boolean, WideIntType)
    word: types.Type = types.uint64

    def generic(self, args: tuple[types.Type, ...], kws: Any) -> Any:
        if kws or not all(isinstance(arg, self.taken) for arg in args):
            return None
        return signature(types.uint64, *(a if isinstance(a, WideIntType) else self.word for a in args))


class _Floats(_Words):
    taken = (types.Float, types.Integer, WideIntType)
    word = types.float64


def _offer(
    function: Callable[..., int], arity: int, emit: Callable[..., ir.Value], template: type[_Words] = _Words
) -> None:
    infer_global(function)(type(f"_{function.__name__}", (template,), {"key": function}))

    def lower(context: Context, builder: Builder, sig: Signature, args: list[ir.Value]) -> ir.Value:
        return emit(builder, *(_word(builder, *one) for one in zip(args, sig.args, strict=True)))

    def _word(builder: Builder, value: ir.Value, ty: types.Type) -> ir.Value:
        if not isinstance(ty, WideIntType):
            return value
        return builder.trunc(value, _I64) if template.word == types.uint64 else to_float(builder, value, ty)

    for kinds in product((template.word, WideIntType), repeat=arity):
        lower_builtin(function, *kinds)(lower)


def _rotate_left(builder: Builder, value: ir.Value, count: ir.Value) -> ir.Value:
    function_type = ir.FunctionType(_I64, [_I64] * 3)
    funnel = builder.module.declare_intrinsic("llvm.fshl", [_I64], function_type)
    return builder.call(funnel, [value, value, count])


def _count_ones(builder: Builder, value: ir.Value) -> ir.Value:
    return builder.ctpop(value)


_offer(bits.count_ones, 1, _count_ones)
_offer(bits.leading_zeros, 1, lambda builder, value: builder.ctlz(value, ir.IntType(1)(0)))
_offer(bits.float_bits, 1, lambda builder, value: builder.bitcast(value, _I64), _Floats)
_offer(bits.word, 1, lambda builder, value: value)
_offer(bits.add, 2, lambda builder, a, b: builder.add(a, b))
_offer(bits.multiply, 2, lambda builder, a, b: builder.mul(a, b))
_offer(bits.rotate_left, 2, _rotate_left)
