"""How often a range counts, and what is in it, at the ends of integers: Numba's differences wrap there."""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.extending import register_jitable
from numba.core.imputils import impl_ret_untracked, lower_builtin
from numba.core.registry import cpu_target
from numba.cpython import rangeobj
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.types.json import SAY_WHAT, JsonType
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType, has_point, widened

_ZERO_STEP = "range() arg 3 must not be zero"
_TOO_LONG = "Python int too large to convert to C ssize_t"


def _counted(context, builder, kind, state):
    """Return how often a range counts, without sign."""
    start, stop, step = state.start, state.stop, state.step
    zero, one = start.type(0), start.type(1)
    with cgutils.if_unlikely(builder, builder.icmp_unsigned("==", step, zero)):
        context.call_conv.return_user_exc(builder, ValueError, (_ZERO_STEP,))
    compared = builder.icmp_signed if kind.signed else builder.icmp_unsigned
    is_up = compared(">", step, zero)
    has_some = builder.select(is_up, compared("<", start, stop), compared(">", start, stop))
    size = builder.select(is_up, step, builder.neg(step))
    # In a handler what follows is computed, too, and divided by.
    size = builder.select(builder.icmp_unsigned("==", step, zero), one, size)
    apart = builder.select(is_up, builder.sub(stop, start), builder.sub(start, stop))
    whole = builder.add(builder.udiv(builder.sub(apart, one), size), one)
    return builder.select(has_some, whole, zero)


def _has_sign(builder, count):
    return builder.icmp_signed("<", count, count.type(0))


def _register(kind, state_type, iterator_type):
    state_of = cgutils.create_struct_proxy(state_type)
    iterator_of = cgutils.create_struct_proxy(iterator_type)

    @lower_builtin(len, state_type)
    def length(context, builder, sig, args):
        count = _counted(context, builder, kind, state_of(context, builder, args[0]))
        with cgutils.if_unlikely(builder, _has_sign(builder, count)):
            context.call_conv.return_user_exc(builder, OverflowError, (_TOO_LONG,))
        return impl_ret_untracked(context, builder, kind, count)

    @lower_builtin("getiter", state_type)
    def iterator(context, builder, sig, args):
        state = state_of(context, builder, args[0])
        count = _counted(context, builder, kind, state)
        most = count.type((1 << count.type.width - 1) - 1)  # which no loop comes to the end of
        made = iterator_of(context, builder)
        made.iter = cgutils.alloca_once_value(builder, state.start)
        made.stop, made.step = state.stop, state.step
        made.count = cgutils.alloca_once_value(
            builder, builder.select(_has_sign(builder, count), most, count)
        )
        return impl_ret_untracked(context, builder, iterator_type, made._getvalue())


for _kind, _types in rangeobj.range_impl_map.items():
    _register(_kind, *_types)


@register_jitable
def _contains(robj, val):  # as Numba names them
    start, stop, step = robj.start, robj.stop, robj.step
    if step > 0:
        if not start <= val < stop:
            return False
        return (np.uint64(val) - np.uint64(start)) % np.uint64(step) == np.uint64(0)
    if not stop < val <= start:
        return False
    return (np.uint64(start) - np.uint64(val)) % (np.uint64(0) - np.uint64(step)) == np.uint64(0)


@intrinsic
def _narrowed(typing_context, number):
    """Return an integer of 128 bits that 64 hold, as the caller knows."""

    def generate(context, builder, signature, arguments):
        return builder.trunc(widened(builder, arguments[0], signature.args[0]), ir.IntType(64))

    return types.int64(number), generate


def _is_in(robj, val):
    """Return what says whether a value is in a range: by ``==``, as Python does for all but integers."""
    if not isinstance(robj, types.RangeType):
        return None
    if isinstance(val, types.Optional):
        return lambda robj, val: val is not None and value_of(val) in robj
    low, high = robj.dtype.minval, robj.dtype.maxval
    if isinstance(val, JsonType):
        msg = f"a value of JSON in a range: {SAY_WHAT}"
        raise TypingError(msg)
    if has_point(val):
        return lambda robj, val: val == int(val) and int(val) in robj
    if isinstance(val, WideIntType):
        return lambda robj, val: low <= val and val <= high and _contains(robj, _narrowed(val))
    if isinstance(val, types.Integer | types.Boolean):
        return lambda robj, val: _contains(robj, val)
    if isinstance(val, types.Float):
        return lambda robj, val: (
            -9223372036854775808.0 <= val < 9223372036854775808.0
            and val % 1 == 0
            and _contains(robj, np.int64(val))
        )
    return lambda robj, val: False


def _replace_overload():
    for template in cpu_target.typing_context.resolve_value_type(operator.contains).templates:
        if getattr(template, "_overload_func", None) is rangeobj.impl_contains:
            template._overload_func = staticmethod(_is_in)


# Numba's own has no value in a range that it doesn't know.
_replace_overload()
