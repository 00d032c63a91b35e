"""The next value of generators, ``zip`` and ``enumerate``: who has it, and what becomes of those before it.

A generator gives what it yields away; Numba counts it once more. Of ``zip`` Numba loses what the first ones
gave where a later one has no more, or fails. Its numbers of ``enumerate`` wrap around: here the row fails.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.imputils import (
    RefType,
    call_getiter,
    call_iternext,
    impl_ret_new_ref,
    iternext_impl,
    lower_builtin,
)

from dataflare_vec.compiler.jit.abi.releases import held_meanwhile
from dataflare_vec.compiler.jit.types.raised import DoesNotFit

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
