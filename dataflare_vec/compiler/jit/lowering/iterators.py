"""The next value of generators, ``zip`` and ``enumerate``: who has it, and what becomes of those before it.

A generator gives what it yields away; Numba counts it once more. Of ``zip`` Numba loses what the first ones
gave where a later one has no more, or fails. Its numbers of ``enumerate`` wrap around: here the row fails.
And both have keywords that Numba lacks.
"""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.errors import TypingError
from numba.core.imputils import (
    RefType,
    call_getiter,
    call_iternext,
    impl_ret_new_ref,
    iternext_impl,
    lower_builtin,
)
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.cpython.iterators import make_zip_object

from dataflare_vec.compiler.jit.abi.releases import held_meanwhile
from dataflare_vec.compiler.jit.lowering.absent import FIRST
from dataflare_vec.compiler.jit.types.messages import SAID
from dataflare_vec.compiler.jit.types.raised import DoesNotFit

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_TOO_LARGE = "a number of `enumerate` does not fit a 64-bit integer"


@lower_builtin("iternext", types.Generator)
@iternext_impl(RefType.NEW)
def _next_of_generator(context, builder, signature, arguments, result):  # type: ignore[no-untyped-def]
    go_on = context.get_generator_impl(signature.args[0])
    status, value = go_on(context, builder, signature, arguments)
    with builder.if_else(status.is_stop_iteration, likely=False) as (done, other):
        with done:
            result.set_exhausted()
        with other:
            with builder.if_then(status.is_error, likely=False):
                context.call_conv.return_status_propagate(builder, status)
            result.set_valid(True)
            result.yield_(value)


class StrictZipType(types.ZipType):  # type: ignore[misc]
    """``zip(…, strict=True)``."""

    def __init__(self, iterables: Any) -> None:
        super().__init__(iterables)
        self.name = f"strict {types.ZipType(iterables)}"


register_default(StrictZipType)(models.ZipType)


@infer_global(zip)
class _Zip(AbstractTemplate):  # type: ignore[misc]
    metadata = FIRST

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature of a ``zip`` with ``strict=``."""
        if {*kws} != {"strict"} or not all(isinstance(one, types.IterableType) for one in args):
            return None
        if not isinstance(kws["strict"], types.BooleanLiteral):
            msg = "`strict=` of `zip` is to be `True` or `False`, written so"
            raise TypingError(msg)
        kind = StrictZipType if kws["strict"].literal_value and args else types.ZipType
        names = [f"arg{i}" for i in range(len(args))]
        made = signature(kind(args), *args, kws["strict"])
        return made.replace(pysig=_parameters(*names, "strict"))

    def get_impl_key(self, sig: Any) -> Any:
        """Return under which name the call is lowered."""
        return _make_zip


@infer_global(enumerate)
class _Enumerate(AbstractTemplate):  # type: ignore[misc]
    metadata = FIRST

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature of an ``enumerate`` with ``start=``."""
        if {*kws} != {"start"} or len(args) != 1:
            return None
        given = (*args, kws["start"])
        found = self.context.resolve_function_type(enumerate, given, {})
        return found and found.replace(pysig=_parameters("iterable", "start"))


def _parameters(*names: str) -> inspect.Signature:
    return inspect.Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])


def _make_zip(context, builder, sig, args):  # type: ignore[no-untyped-def]
    """Make what ``zip(…, strict=…)`` gives: the keyword is in its type."""
    own = signature(sig.return_type, *sig.args[:-1])
    return make_zip_object(context, builder, own, args[:-1])


lower_builtin(_make_zip, types.VarArg(types.Any))(_make_zip)


def _check_lengths(context: Context, builder: Builder, kind: Any, zipped: Any, number: int) -> None:
    """Raise ValueError where one of those zipped has no more, and others have."""
    words = "zip() argument {} is {} than argument{}"
    before = f" {number}" if number == 1 else f"s 1-{number}"
    if number:
        with builder.if_then(cgutils.true_bit):
            text = words.format(number + 1, "shorter", before)
            context.call_conv.return_user_exc(builder, ValueError, (SAID, text))
        return
    for i in range(1, len(kind.source_types)):
        following = call_iternext(context, builder, kind.source_types[i], zipped[i])
        with builder.if_then(following.is_valid(), likely=False):
            context.nrt.decref(builder, kind.yield_type.types[i], following.yielded_value())
            text = words.format(i + 1, "longer", " 1" if i == 1 else f"s 1-{i}")
            context.call_conv.return_user_exc(builder, ValueError, (SAID, text))


@lower_builtin("iternext", types.ZipType)
@iternext_impl(RefType.NEW)
def _next_of_zip(context, builder, signature, arguments, result):  # type: ignore[no-untyped-def]
    kind = signature.args[0]
    zipped = context.make_helper(builder, kind, value=arguments[0])
    kinds = kind.yield_type.types

    def go_on(found: list[Any]) -> None:
        if len(found) == len(kinds):
            result.set_valid(True)
            result.yield_(context.make_tuple(builder, kind.yield_type, found))
            return
        number = len(found)
        held = list(zip(kinds, found, strict=False))
        with held_meanwhile(builder, held):
            following = call_iternext(context, builder, kind.source_types[number], zipped[number])
        with builder.if_else(following.is_valid()) as (there, done):
            with there:
                go_on([*found, following.yielded_value()])
            with done:
                for one, value in held:
                    context.nrt.decref(builder, one, value)
                if isinstance(kind, StrictZipType):
                    _check_lengths(context, builder, kind, zipped, number)
                result.set_exhausted()

    if kinds:
        go_on([])
    else:
        result.set_exhausted()


@register_default(types.EnumerateType)
class _EnumerateModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        # One that is less than the least number has wrapped around.
        members = [
            ("number", types.EphemeralPointer(types.int64)),
            ("least", types.int64),
            ("items", kind.source_type),
        ]
        super().__init__(manager, kind, members)


@lower_builtin(enumerate, types.IterableType)
@lower_builtin(enumerate, types.IterableType, types.Integer)
def _enumerate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
    made = context.make_helper(builder, signature.return_type)
    made.items = call_getiter(context, builder, signature.args[0], arguments[0])
    start, made.least = (context.get_constant(types.int64, number) for number in (0, types.int64.minval))
    if len(arguments) == 2:
        start = made.least = context.cast(builder, arguments[1], signature.args[1], types.int64)
    made.number = cgutils.alloca_once_value(builder, start)
    return impl_ret_new_ref(context, builder, signature.return_type, made._getvalue())


@lower_builtin("iternext", types.EnumerateType)
@iternext_impl(RefType.NEW)
def _next_of_enumerate(context, builder, signature, arguments, result):  # type: ignore[no-untyped-def]
    kind = signature.args[0]
    numbered = context.make_helper(builder, kind, value=arguments[0])
    found = call_iternext(context, builder, kind.source_type, numbered.items)
    result.set_valid(found.is_valid())
    with builder.if_then(found.is_valid()):
        number, item = builder.load(numbered.number), found.yielded_value()
        wrapped = builder.icmp_signed("<", number, numbered.least)
        with (
            cgutils.if_unlikely(builder, wrapped),
            held_meanwhile(builder, [(kind.source_type.yield_type, item)]),
        ):
            context.call_conv.return_user_exc(builder, DoesNotFit, (_TOO_LARGE,))
        builder.store(builder.add(number, number.type(1)), numbered.number)
        result.yield_(context.make_tuple(builder, kind.yield_type, [number, item]))
