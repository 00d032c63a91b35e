"""None where Numba takes what a value that may be None holds: attributes, bounds of slices, keywords.

Numba raises TypeError for each of them. In Python a bound that is None is one left out, and an attribute that
None doesn't have is an AttributeError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import cgutils, types
from numba.core.imputils import lower_builtin, lower_getattr_generic
from numba.core.typing.templates import AbstractTemplate, ConcreteTemplate, infer_global, signature
from numba.cpython.slicing import get_defaults

if TYPE_CHECKING:
    from llvmlite import ir

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

#: Of templates that are asked before Numba's own.
FIRST = {"target": "cpu"}


# -- attributes -------------------------------------------------------------------------------------------


def check_attribute(context: Context, builder: Builder, kind: Any, value: ir.Value, name: str) -> Any:
    """Raise AttributeError if a value that an attribute is asked of is None; return the optional."""
    optional = context.make_helper(builder, kind, value=value)
    absent = builder.not_(cgutils.as_bool_bit(builder, optional.valid))
    with cgutils.if_unlikely(builder, absent):
        words = f"'NoneType' object has no attribute '{name}'"
        context.call_conv.return_user_exc(builder, AttributeError, (words,))
    return optional


@lower_getattr_generic(types.Optional)  # type: ignore[untyped-decorator]
def _attribute(context: Context, builder: Builder, kind: Any, value: ir.Value, name: str) -> Any:
    optional = check_attribute(context, builder, kind, value, name)
    return context.get_getattr(kind.type, name)(context, builder, kind.type, optional.data, name)


# -- slices -----------------------------------------------------------------------------------------------

_BOUND = types.Optional(types.intp)


@infer_global(slice)
class _Slice(ConcreteTemplate):  # type: ignore[misc]
    metadata = FIRST
    cases = (
        signature(types.slice2_type, _BOUND),
        signature(types.slice2_type, _BOUND, _BOUND),
        signature(types.slice2_type, _BOUND, _BOUND, types.none),
        signature(types.slice3_type, _BOUND, _BOUND, _BOUND),
    )

    def apply(self, args: Any, kws: Any) -> Any:
        """Return the signature of a slice of which a bound may be None."""
        return super().apply(args, kws) if any(isinstance(one, types.Optional) for one in args) else None


@lower_builtin(slice, types.Optional)  # type: ignore[untyped-decorator]
@lower_builtin(slice, types.Optional, types.Optional)  # type: ignore[untyped-decorator]
@lower_builtin(slice, types.Optional, types.Optional, types.NoneType)  # type: ignore[untyped-decorator]
@lower_builtin(slice, types.Optional, types.Optional, types.Optional)  # type: ignore[untyped-decorator]
def _make_slice(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    first, first_back, last, last_back, one = (
        context.get_constant(types.intp, n) for n in get_defaults(context)
    )
    given = [value for kind, value in zip(sig.args, args, strict=True) if isinstance(kind, types.Optional)]
    start, stop, step = [None, given[0], None] if len(args) == 1 else [*given, None][:3]

    def bound(value: ir.Value | None, default: ir.Value) -> ir.Value:
        if value is None:
            return default
        optional = context.make_helper(builder, _BOUND, value=value)
        return builder.select(cgutils.as_bool_bit(builder, optional.valid), optional.data, default)

    made = context.make_helper(builder, sig.return_type)
    made.step = bound(step, one)
    backwards = cgutils.is_neg_int(builder, made.step)
    made.start = bound(start, builder.select(backwards, first_back, first))
    made.stop = bound(stop, builder.select(backwards, last_back, last))
    return made._getvalue()


# -- keywords ---------------------------------------------------------------------------------------------


def _held(ty: types.Type) -> Any:
    return ty.type if isinstance(ty, types.Optional) else ty


_apply = AbstractTemplate.apply


def _applied(template: AbstractTemplate, args: Any, kws: Any) -> Any:
    """Type a call as Numba does, which takes what optional arguments hold only if there are no keywords."""
    if not kws or not any(isinstance(one, types.Optional) for one in (*args, *kws.values())):
        return _apply(template, args, kws)
    found = template.generic(args, kws)
    if found is None:
        found = template.generic(tuple(map(_held, args)), {name: _held(ty) for name, ty in kws.items()})
    return found


AbstractTemplate.apply = _applied
