"""Built-ins for more types than Numba knows them for: `float`, `int` and `bool` of bools and optionals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.extending import intrinsic, lower_builtin, overload, type_callable

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )


@intrinsic  # type: ignore[untyped-decorator]
def value_of(typing_context: TypingContext, optional: Any) -> Any:
    """Return what an optional holds; raise TypeError if it is None."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return context.cast(builder, arguments[0], optional, optional.type)

    return optional.type(optional), generate


def _implement(convert: type, one: object, zero: object) -> None:
    """Let Numba call ``convert`` on a bool and on an optional."""

    @overload(convert)
    def converted(x):  # type: ignore[no-untyped-def]  # Numba compares the two signatures, annotations too
        if isinstance(x, types.Boolean):
            return lambda x: one if x else zero
        if isinstance(x, types.Optional):
            return lambda x: convert(value_of(x))
        return None


_implement(float, 1.0, 0.0)
_implement(int, 1, 0)


@overload(bool)
def _true(x):  # type: ignore[no-untyped-def]
    if isinstance(x, types.Optional) and isinstance(x.type, types.Number | types.Boolean):
        return lambda x: x is not None and bool(value_of(x))
    return None


def true_unless_zero(kind: type[types.Type]) -> None:
    """Let Numba call `bool` on the values of a type that are integers to the machine."""

    @type_callable(bool)  # type: ignore[untyped-decorator]
    def truth(context: TypingContext) -> Any:
        return lambda value: types.boolean if isinstance(value, kind) else None

    @lower_builtin(bool, kind)  # type: ignore[untyped-decorator]
    def is_true(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return builder.icmp_signed("!=", arguments[0], arguments[0].type(0))


@overload(any)
def _any(items):  # type: ignore[no-untyped-def]
    if not isinstance(items, types.IterableType | types.UniTuple):
        return None

    def any_of(items):  # type: ignore[no-untyped-def]
        for item in items:  # compiled as it stands
            if item:
                return True
        return False

    return any_of


@overload(all)
def _all(items):  # type: ignore[no-untyped-def]
    if not isinstance(items, types.IterableType | types.UniTuple):
        return None

    def all_of(items):  # type: ignore[no-untyped-def]
        for item in items:  # compiled as it stands
            if not item:
                return False
        return True

    return all_of
