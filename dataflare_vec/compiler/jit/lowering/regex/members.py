"""How methods of patterns and matches are registered: written in LLVM IR, they cost no compilation each."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import (
    AbstractTemplate,
    AttributeTemplate,
    fold_arguments,
    infer_getattr,
    signature,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

#: By type of the receiver and name of a method: its template.
_methods: dict[tuple[type[types.Type], str], type[AbstractTemplate]] = {}


def methods_of(kind: type[types.Type]) -> Callable[..., Any]:
    """Return a decorator that registers methods of values of a type.

    What is decorated gets the receiver's type and the arguments' types, constants as literals, and returns
    the type of the result, the types that the arguments are cast to, and what writes the code: it is called
    with context, builder, the signature's types, and the values.
    """

    @infer_getattr
    class Methods(AttributeTemplate):  # type: ignore[misc]
        key = kind

        def generic_resolve(self, value: Any, name: str) -> Any:
            """Return the method."""
            template = _methods.get((kind, name))
            return None if template is None else types.BoundFunction(template, value)

    def register(*names: str) -> Callable[..., Any]:
        def registered(function: Callable[..., Any]) -> Callable[..., Any]:
            for name in names:
                _register(kind, name, function)
            return function

        return registered

    return register


def call_helper(
    context: Context, builder: Builder, function: Any, kinds: Sequence[types.Type], values: Sequence[Any]
) -> Any:
    """Return what one of our helpers returns: it is linked, and compiled once per machine."""
    called = context.typing_context.resolve_value_type(function)
    found = called.get_call_type(context.typing_context, tuple(kinds), {})
    return context.get_function(called, found)(builder, values)


def _register(kind: type[types.Type], name: str, function: Callable[..., Any]) -> None:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    own = inspect.Signature([one.replace(annotation=one.empty) for one in parameters])
    key = f"dfv.{kind.__name__}.{name}"

    class Method(AbstractTemplate):  # type: ignore[misc]
        prefer_literal = True

        def generic(self, args: Any, kws: Any) -> Any:
            """Return the signature for some arguments."""
            given = _folded(own, args, dict(kws))
            returned, wanted, _ = function(self.this, *given)
            found = signature(returned, *wanted, recvr=self.this)
            return found if _is_variadic(own) else found.replace(pysig=own)

    Method.key = key
    _methods[kind, name] = Method

    @lower_builtin(key, types.VarArg(types.Any))
    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        _, _, write = function(*sig.args)
        return write(context, builder, sig, args)


def _is_variadic(own: inspect.Signature) -> bool:
    return any(one.kind is one.VAR_POSITIONAL for one in own.parameters.values())


def _folded(own: inspect.Signature, args: Any, kws: dict[str, Any]) -> tuple[Any, ...]:
    if _is_variadic(own):
        return tuple(args)
    folded: tuple[Any, ...] = fold_arguments(
        own,
        args,
        kws,
        lambda index, parameter, value: value,
        lambda index, parameter, default: types.none if default is None else types.int64,
        None,
    )
    return folded
