"""The next value of generators and of ``zip``: who has it, and what becomes of those before it.

A generator gives what it yields away; Numba counts it once more. Of ``zip`` Numba loses what the first ones
gave where a later one has no more, or fails.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.imputils import RefType, call_iternext, iternext_impl, lower_builtin

from dataflare_vec.compiler.jit.abi.releases import held_meanwhile


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
