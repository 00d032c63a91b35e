"""What handlers of exceptions do at run time: begin, ask for classes, raise again, end."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from llvmlite import ir as llvm_ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.abi.raises import last, tag, variable
from dataflare_vec.compiler.jit.types.caught import CAUGHT, TELLING, CaughtType
from dataflare_vec.compiler.jit.types.raised import DIGEST_BITS, Caught, caught_by

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I1, _I32, _I128 = llvm_ir.IntType(1), llvm_ir.IntType(32), llvm_ir.IntType(128)


def _known(function: Any) -> Any:
    """Return a function that is made while another one is compiled."""
    cpu_target.typing_context.refresh()
    return function


@cache
def begin(depth: int, *, tells: bool = False) -> Any:
    """Return what begins a handler: it returns the exception."""

    @intrinsic  # type: ignore[untyped-decorator]
    def begin_handler(typing_context: TypingContext) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            exception, current = builder.load(last(builder)), variable(builder, "handled")
            context.call_conv.leave_if_uncaught(builder, exception)
            builder.store(builder.load(current), variable(builder, f"handled_at_{depth}"))
            builder.store(exception, current)
            return exception

        return (TELLING if tells else CAUGHT)(), generate

    return _known(begin_handler)


@cache
def end(depth: int) -> Any:
    """Return what ends a handler."""

    @intrinsic  # type: ignore[untyped-decorator]
    def end_handler(typing_context: TypingContext) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            before = builder.load(variable(builder, f"handled_at_{depth}"))
            builder.store(before, variable(builder, "handled"))
            return context.get_dummy_value()

        return types.none(), generate

    return _known(end_handler)


@intrinsic  # type: ignore[untyped-decorator]
def handled(typing_context: TypingContext) -> Any:
    """Return the exception that is handled."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return builder.load(variable(builder, "handled"))

    return CAUGHT(), generate


@intrinsic  # type: ignore[untyped-decorator]
def take_again(typing_context: TypingContext, exception: Any) -> Any:
    """Have an exception be the one that is raised again; of one that has no value it is the last already."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        if isinstance(exception, CaughtType):
            builder.store(arguments[0], last(builder))
        return context.get_dummy_value()

    return types.none(exception), generate


def matcher(kinds: frozenset[type[BaseException]]) -> Any:
    """Return what says whether the exception that is handled is of one of some classes.

    Those have the subclasses of today: a later one is known to what is compiled after it.
    """
    return _matcher(caught_by(kinds))


@cache
def _matcher(caught: Caught) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def is_one_of(typing_context: TypingContext) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            exception = builder.load(variable(builder, "handled"))
            matches = cgutils.alloca_once_value(builder, cgutils.false_bit)
            with builder.if_then(cgutils.is_not_null(builder, exception)):
                found = tag(builder, exception)
                base = builder.lshr(builder.not_(found), _I32(DIGEST_BITS))
                known = builder.icmp_unsigned("<", base, _I32(128))
                shift = builder.zext(builder.and_(base, _I32(127)), _I128)
                result = builder.trunc(builder.lshr(_I128(caught.built_in), shift), _I1)
                result = builder.select(known, result, _I1(caught.unknown))
                for one in sorted(caught.tags):
                    result = builder.or_(result, builder.icmp_signed("==", found, _I32(one)))
                builder.store(result, matches)
            return builder.load(matches)

        return types.boolean(), generate

    return _known(is_one_of)
