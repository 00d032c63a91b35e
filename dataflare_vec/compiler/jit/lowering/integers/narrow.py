"""From integers of 128 bits to what NumPy's number classes and our own code take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.imputils import impl_ret_borrowed
from numba.extending import box, intrinsic
from numba.np.numpy_support import from_dtype

from dataflare_vec.compiler.jit.types.wide_integers import WideIntType, WordType

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )


@intrinsic  # type: ignore[untyped-decorator]
def low_word(typing_context: TypingContext, value: Any) -> Any:
    """Return the low 64 bits of an integer of 128."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return builder.trunc(arguments[0], ir.IntType(64))

    return types.uint64(value), generate


def _fitting(wanted: types.Type) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def fitting(typing_context: TypingContext, value: Any) -> Any:
        """Return an integer of 128 bits as one of a class of NumPy's, which it must fit; else the value."""
        held = value.type if isinstance(value, types.Optional) else value
        kind = wanted if isinstance(held, WideIntType) else value

        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            result = context.cast(builder, arguments[0], value, kind)
            return impl_ret_borrowed(context, builder, kind, result)  # also of lists, which are counted

        return kind(value), generate

    return fitting


#: NumPy's number classes → what makes their arguments of integers of 128 bits.
FITTING = {
    kind: _fitting(from_dtype(np.dtype(kind)))
    for kind in (
        *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float32, np.float64, np.bool_),
    )
}


@box(WordType)  # type: ignore[untyped-decorator]
def _word_as_object(ty: WordType, value: ir.Value, c: Any) -> ir.Value:
    return c.pyapi.long_from_ulonglong(value)


@box(WideIntType)  # type: ignore[untyped-decorator]
def _as_object(ty: WideIntType, value: ir.Value, c: Any) -> ir.Value:
    """Return Python's integer: where a dictionary raises a KeyError, Numba wants the key."""
    word = ir.IntType(64)
    high = c.builder.trunc(c.builder.ashr(value, value.type(64)), word)
    parts = [
        c.pyapi.long_from_longlong(high),
        c.pyapi.long_from_longlong(word(64)),
        c.pyapi.long_from_ulonglong(c.builder.trunc(value, word)),
    ]
    parts.append(c.pyapi.number_lshift(*parts[:2]))
    result = c.pyapi.number_or(parts[3], parts[2])
    for part in parts:
        c.pyapi.decref(part)
    return result
