"""`int`, `math.floor`, `math.ceil` and `math.trunc` of a float: an integer, or an exception.

NaN, infinities and what has more than 64 bits are no integers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.math import values as v
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.types.raised import DoesNotFit

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

#: What is rounded, and what is an integer already.
FLOATS = (types.float64, types.float32)
WHOLE = (types.Integer, types.Boolean)
_TOO_LARGE = "the number does not fit a 64-bit integer; keep it a float"


def _whole(name: str) -> Any:
    """Return what makes an integer of a float by one of the roundings of `math.values`."""
    function = getattr(v, name)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        fmt = v.F32 if signature.args[0] == types.float32 else v.F64
        x = function(v.Value(builder, arguments[0], fmt))
        limit = 2.0**63

        def fail(exception: type[Exception], message: str) -> None:
            context.call_conv.return_user_exc(builder, exception, (message,))

        with builder.if_then((~((x >= -limit) & (x < limit))).raw, likely=False):
            with builder.if_then(v.is_nan(x).raw):
                fail(ValueError, "cannot convert float NaN to integer")
            with builder.if_then((v.fabs(x) == math.inf).raw):
                fail(OverflowError, "cannot convert float infinity to integer")
            fail(DoesNotFit, _TOO_LARGE)
        return x.to_int(ir.IntType(64)).raw

    @intrinsic
    def whole(typing_context: TypingContext, number: Any) -> Any:
        return types.int64(number), generate

    return whole


_floor, _ceil, truncated, nearest = (_whole(name) for name in ("floor", "ceil", "trunc", "rint"))


@helper
def _same(number):
    """Return an integer or a bool as an integer of 64 bits."""
    return np.int64(number)


@helper
def _same_unsigned(number):
    return number


def same(kind: Any) -> Any:
    """Return what makes an integer of an integer or a bool of this type."""
    return _same_unsigned if types.unliteral(kind) == types.uint64 else _same


def _register(original: Any, implementation: Any) -> None:
    @overlay(original, "x")
    def choose(x: Any) -> Any:
        if isinstance(x, WHOLE):
            return same(x)
        return implementation if x in FLOATS else None


_register(math.floor, _floor)
_register(math.ceil, _ceil)
_register(math.trunc, truncated)


@overlay(int, "x", "base")
def _choose_int(x: Any = None, base: Any = None) -> Any:
    return truncated if x in FLOATS and base is None else None
