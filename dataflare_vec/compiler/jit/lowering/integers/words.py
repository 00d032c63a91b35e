"""Operators whose result is a word where an operand is: ``& | ^ >>``, as hash functions have them.

Whatever else is computed with the words of `dataflare_vec.bits` takes them as natural numbers, in 128 bits.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import lower_builtin
from numba.extending import lower_cast

from dataflare_vec.compiler.jit.lowering.integers import emit
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType, WordType, is_natural, widened, word

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I64 = ir.IntType(64)
_AND = {operator.and_, operator.iand}
_SHIFT = {operator.rshift, operator.irshift}
_OTHERS = (types.Integer, types.Boolean, WideIntType)


def stays_word(function: Any, args: tuple[types.Type, ...]) -> bool:
    """Whether the result of a function is a word for arguments of these types.

    With NumPy's own unsigned integers (``np.uint64(…)``) the result is one of these.
    """
    if function not in _BODIES or len(args) != 2 or word not in args:
        return False
    other = args[1] if args[0] == word else args[0]
    if other == types.uint64 or not isinstance(other, _OTHERS):
        return False
    if function in _SHIFT:
        return args[0] == word and (other == word or not isinstance(other, WideIntType))
    if function in _AND or other == word or isinstance(other, types.Boolean):
        return True
    return isinstance(other, types.IntegerLiteral) and is_natural(other)


def taken(ty: types.Type) -> types.Type:
    """Return the type in which such an operand is taken.

    That of a constant not below zero is a word's: without its value, which Numba forgets before it writes the
    code, the result would be of another type.
    """
    return word if isinstance(ty, types.IntegerLiteral) and is_natural(ty) else types.unliteral(ty)


@lower_cast(types.IntegerLiteral, WordType)  # type: ignore[untyped-decorator]
def _constant(
    context: Context, builder: Builder, given: types.IntegerLiteral, wanted: WordType, value: ir.Value
) -> ir.Value:
    return _I64(given.literal_value)


def _bitwise(body: Callable[..., ir.Value]) -> Any:
    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
        values = (widened(builder, value, ty) for value, ty in zip(args, sig.args, strict=True))
        return body(builder, *(builder.trunc(value, _I64) for value in values))

    return lower


def _shifted(context: Context, builder: Builder, sig: Signature, args: Values) -> ir.Value:
    """Shift to the right; all bits of a word are gone after 64."""
    count = emit.shift_count(context, builder, args[1], sig.args[1], 64)
    count = emit.resized(builder, count, _I64)
    far = builder.icmp_unsigned(">", count, _I64(63))
    moved = builder.lshr(args[0], builder.select(far, _I64(0), count))
    return builder.select(far, _I64(0), moved)


_BODIES = {
    function: lower
    for names, lower in (
        (("and_", "iand"), _bitwise(lambda builder, a, b: builder.and_(a, b))),
        (("or_", "ior"), _bitwise(lambda builder, a, b: builder.or_(a, b))),
        (("xor", "ixor"), _bitwise(lambda builder, a, b: builder.xor(a, b))),
        (("rshift", "irshift"), _shifted),
    )
    for function in (getattr(operator, name) for name in names)
}
for _function, _lower in _BODIES.items():
    lower_builtin(_function, WordType, WordType)(_lower)
    for _kind in _OTHERS:
        lower_builtin(_function, WordType, _kind)(_lower)
        lower_builtin(_function, _kind, WordType)(_lower)
