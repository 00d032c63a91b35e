"""``d[key]`` of a dict that a kernel makes: the KeyError is a constant, as all exceptions of compiled code.

Numba's own has the key with it, in memory of its own, and no tag, so that no `except KeyError` would know it.
And a method of what may be None: Numba raises TypeError, where None has no such attribute.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from numba.core import types, typing
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering
from numba.typed.dictobject import _cast, _dict_lookup, _nonoptional

from dataflare_vec.compiler.jit.abi.releases import ReleasingLower
from dataflare_vec.compiler.jit.lowering.absent import check_attribute

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def _lookup(key_type: types.Type) -> Callable[..., Any]:
    def look_up(d, key):  # type: ignore[no-untyped-def]
        own = _cast(key, key_type)
        index, value = _dict_lookup(d, own, hash(own))
        if index < 0:
            raise KeyError
        return _nonoptional(value)

    return look_up


class OwnLower(ReleasingLower):
    """The lowering of kernels, and of functions that they call."""

    def lower_expr(self, resty: types.Type, expr: Any) -> Any:
        """Write an expression."""
        if expr.op == "getattr" and isinstance(resty, types.BoundFunction):
            kind = self.typeof(expr.value.name)
            if isinstance(kind, types.Optional):
                check_attribute(self.context, self.builder, kind, self.loadvar(expr.value.name), expr.attr)
        return super().lower_expr(resty, expr)

    def lower_getitem(self, resty: types.Type, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        """Write ``value[index]``."""
        kind = self.typeof(value.name)
        if not isinstance(kind, types.DictType):
            return super().lower_getitem(resty, expr, value, index, signature)
        context, builder = self.context, self.builder
        given, key_type = self.typeof(index.name), signature.args[1]
        key = context.cast(builder, self.loadvar(index.name), given, key_type)
        called = typing.signature(signature.return_type, kind, key_type)
        arguments = (self.loadvar(value.name), key)
        found = context.compile_internal(builder, _lookup(kind.key_type), called, arguments)
        return context.cast(builder, found, signature.return_type, resty)


@register_pass(mutates_CFG=True, analysis_only=False)
class OwnLowering(NativeLowering):  # type: ignore[misc]
    """Numba's pass, with our lowering."""

    _name = "dfv_lowering"
    lowering_class = OwnLower
