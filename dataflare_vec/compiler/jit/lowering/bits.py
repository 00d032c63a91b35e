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
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType, word

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature

_I64 = ir.IntType(64)


class _Words(AbstractTemplate):  # type: ignore[misc]
    """Numbers in, a word out, or how many bits of it there are."""

    taken: tuple[type, ...] = (types.Integer, types.Boolean, WideIntType)
    operand: types.Type = types.uint64
    returned: types.Type = word

    def generic(self, args: tuple[types.Type, ...], kws: Any) -> Any:
        if kws or not all(isinstance(arg, self.taken) for arg in args):
            return None
        return signature(self.returned, *map(self._taken, args))

    def _taken(self, ty: types.Type) -> types.Type:
        return ty if isinstance(ty, WideIntType) and ty != word else self.operand


class _Counts(_Words):
    returned = types.int64


class _Floats(_Words):
    taken = (types.Float, types.Integer, WideIntType)
    operand = types.float64


def _offer(
    function: Callable[..., int], arity: int, emit: Callable[..., ir.Value], template: type[_Words] = _Words
) -> None:
    infer_global(function)(type(f"_{function.__name__}", (template,), {"key": function}))

    def lower(context: Context, builder: Builder, sig: Signature, args: list[ir.Value]) -> ir.Value:
        return emit(builder, *(_word(builder, *one) for one in zip(args, sig.args, strict=True)))

    def _word(builder: Builder, value: ir.Value, ty: types.Type) -> ir.Value:
        if not isinstance(ty, WideIntType):
            return value
        return to_float(builder, value, ty) if template is _Floats else builder.trunc(value, _I64)

    for kinds in product((template.operand, WideIntType), repeat=arity):
        lower_builtin(function, *kinds)(lower)


def _rotate_left(builder: Builder, value: ir.Value, count: ir.Value) -> ir.Value:
    function_type = ir.FunctionType(_I64, [_I64] * 3)
    funnel = builder.module.declare_intrinsic("llvm.fshl", [_I64], function_type)
    return builder.call(funnel, [value, value, count])


def _count_ones(builder: Builder, value: ir.Value) -> ir.Value:
    return builder.ctpop(value)


_offer(bits.count_ones, 1, _count_ones, _Counts)
_offer(bits.leading_zeros, 1, lambda builder, value: builder.ctlz(value, ir.IntType(1)(0)), _Counts)
_offer(bits.float_bits, 1, lambda builder, value: builder.bitcast(value, _I64), _Floats)
_offer(bits.word, 1, lambda builder, value: value)
_offer(bits.add, 2, lambda builder, a, b: builder.add(a, b))
_offer(bits.multiply, 2, lambda builder, a, b: builder.mul(a, b))
_offer(bits.rotate_left, 2, _rotate_left)
