"""Built-ins for more types than Numba knows them for: `float`, `int`, `bool` and signs, of bools and None."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, overload, type_callable

from dataflare_vec.compiler.jit.lowering.absent import FIRST

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


def _computes_with_integers(function: Any) -> None:
    """Have an operator take a bool, which may be absent, for the integer that it is."""

    class Template(AbstractTemplate):  # type: ignore[misc]
        metadata = FIRST
        key = function

        def generic(self, args: Any, kws: Any) -> Any:
            """Return the signature for integers where the operand is a bool."""
            held = args[0].type if isinstance(args[0], types.Optional) else args[0]
            return signature(types.int64, types.int64) if isinstance(held, types.Boolean) else None

    infer_global(function)(Template)


for _sign in (operator.pos, operator.neg, operator.invert):
    _computes_with_integers(_sign)


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
