"""Optionals where Python takes None as any other value: whether they are true, and whether they are equal.

Numba takes what they hold, and raises where that is nothing.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import cgutils, types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from dataflare_vec.jit.decimals.types import WideIntType
from dataflare_vec.jit.integers.exact import are_equal

if TYPE_CHECKING:
    from llvmlite import ir

#: Such templates are asked before Numba's own, which are of any target.
_FIRST = {"target": "cpu"}


class _Truth(AbstractTemplate):  # type: ignore[misc]
    """Whether an optional is something that is true: None isn't."""

    metadata = _FIRST

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature for an optional whose value has a truth."""
        if kws or len(args) != 1 or not isinstance(args[0], types.Optional):
            return None
        function = self.context.resolve_value_type(bool)
        found = function.get_call_type(self.context, (args[0].type,), {})
        return signature(types.boolean, *args) if found.return_type == types.boolean else None


def _truth(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    (optional,) = sig.args
    held = context.make_helper(builder, optional, value=args[0])
    result = cgutils.alloca_once_value(builder, cgutils.false_bit)
    builder.store(cgutils.false_bit, result)
    with builder.if_then(cgutils.as_bool_bit(builder, held.valid)):
        function = context.typing_context.resolve_value_type(bool)
        found = function.get_call_type(context.typing_context, (optional.type,), {})
        value = context.cast(builder, held.data, optional.type, found.args[0])
        truth = context.get_function(function, found)(builder, [value])
        builder.store(cgutils.as_bool_bit(builder, truth), result)
    return builder.load(result)


def _untruth(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.not_(_truth(context, builder, sig, args))


for _function, _code in ((bool, _truth), (operator.not_, _untruth), (operator.truth, _truth)):
    infer_global(_function)(type(f"_{_function.__name__}", (_Truth,), {"key": _function}))
    lower_builtin(_function, types.Optional)(_code)


class _Equality(AbstractTemplate):  # type: ignore[misc]
    """Whether two values are equal, of which one at least may be None."""

    metadata = _FIRST

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature for values that can be compared; None where another template knows it."""
        if kws or len(args) != 2 or not any(isinstance(arg, types.Optional) for arg in args):  # noqa: PLR2004
            return None
        kinds = tuple(types.unliteral(_held(arg)) for arg in args)
        if not all(isinstance(kind, types.Number | types.Boolean | WideIntType) for kind in kinds):
            return None
        return signature(types.boolean, *map(types.unliteral, args))


def _held(ty: types.Type) -> types.Type:
    return ty.type if isinstance(ty, types.Optional) else ty


def _parts(context: Any, builder: Any, ty: types.Type, value: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return whether there is a value, and it."""
    if not isinstance(ty, types.Optional):
        return cgutils.true_bit, value
    held = context.make_helper(builder, ty, value=value)
    return cgutils.as_bool_bit(builder, held.valid), held.data


def _equal(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    parts = [_parts(context, builder, *pair) for pair in zip(sig.args, args, strict=True)]
    there, values = zip(*parts, strict=True)
    neither = builder.not_(builder.or_(*there))
    result = cgutils.alloca_once_value(builder, neither)
    builder.store(neither, result)
    with builder.if_then(builder.and_(*there)):
        kinds = tuple(_held(ty) for ty in sig.args)
        equal = are_equal(context, builder, *zip(values, kinds, strict=True))
        builder.store(cgutils.as_bool_bit(builder, equal), result)
    return builder.load(result)


def _unequal(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.not_(_equal(context, builder, sig, args))


for _sign, _code in ((operator.eq, _equal), (operator.ne, _unequal)):
    infer_global(_sign)(type(f"_{_sign.__name__}", (_Equality,), {"key": _sign}))
    for _kinds in (
        (types.Optional, types.Any),
        (types.Any, types.Optional),
        (types.Optional, types.Optional),
    ):
        lower_builtin(_sign, *_kinds)(_code)
