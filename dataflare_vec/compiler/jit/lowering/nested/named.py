"""Named tuples of one class, whose fields are of unlike types on different paths, have a type in common.

Numba knows that of plain tuples: ``(1, "a")`` here and ``(1, None)`` there. Its named tuples are of one type
or of none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import cgutils, types
from numba.extending import lower_cast

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, TypingContext


def _unify(self: Any, typing_context: TypingContext, other: Any) -> Any:
    """Return the type that holds values of both."""
    if not isinstance(other, types.BaseNamedTuple) or other.instance_class is not self.instance_class:
        return None
    items = [typing_context.unify_pairs(one, another) for one, another in zip(self, other, strict=True)]
    return None if None in items else types.BaseTuple.from_types(items, self.instance_class)


def _can_convert_to(self: Any, typing_context: TypingContext, other: Any) -> Any:
    """Return the worst of its items' conversions."""
    if not isinstance(other, types.BaseNamedTuple) or other.instance_class is not self.instance_class:
        return None
    kinds = [typing_context.can_convert(one, another) for one, another in zip(self, other, strict=True)]
    return None if None in kinds else max(kinds)


for _kind in (types.NamedTuple, types.NamedUniTuple):
    _kind.unify, _kind.can_convert_to = _unify, _can_convert_to


@lower_cast(types.BaseNamedTuple, types.BaseNamedTuple)  # type: ignore[untyped-decorator]
def _cast(context: Context, builder: Builder, given: Any, wanted: Any, value: Any) -> Any:
    items = [
        context.cast(builder, item, one, another)
        for item, one, another in zip(cgutils.unpack_tuple(builder, value), given, wanted, strict=True)
    ]
    return context.make_tuple(builder, wanted, items)
