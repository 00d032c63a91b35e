"""The functions of `dataflare_vec.text`, and loads of `dataflare_vec.bits`, in compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dataflare_vec import bits as public_bits
from dataflare_vec import text as public_text
from dataflare_vec.compiler.jit.lowering.strings.base import is_ascii, is_bytes, is_string, operation
from dataflare_vec.compiler.jit.lowering.strings.codepoints import width_at
from dataflare_vec.compiler.jit.types.strings import byte_pointer, bytes_view, make_view

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
#: A vector of bytes that gives one bit each of a word.
_LANES = 64
_PAGE = 4096


@intrinsic
def _equal_bytes(typing_context: TypingContext, data: Any, nbytes: Any, byte: Any) -> Any:
    """Return which of the first 63 bytes are ``byte``, as bits.

    64 bytes are compared at once. They are read past the end of the string, unless that could be on another
    page, which might not be there: then they are copied first.
    """

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> ir.Value:
        data, nbytes, byte = arguments
        vector = ir.VectorType(_I8, _LANES)
        copy = cgutils.alloca_once(builder, vector)
        within = builder.and_(builder.ptrtoint(data, _I64), _I64(_PAGE - 1))
        unsafe = builder.icmp_unsigned(">", within, _I64(_PAGE - _LANES))
        empty = builder.icmp_signed("==", nbytes, _I64(0))
        with builder.if_else(builder.or_(unsafe, empty)) as (copied, direct):
            with copied:
                few = builder.icmp_signed("<", nbytes, _I64(_LANES))
                cgutils.raw_memcpy(
                    builder, copy, data, builder.select(few, nbytes, _I64(_LANES)), itemsize=1, align=1
                )
                of_copy, after_copy = builder.load(copy, align=1), builder.block
            with direct:
                pointer = builder.bitcast(data, vector.as_pointer())
                of_data, after_load = builder.load(pointer, align=1), builder.block
        values = builder.phi(vector)
        values.add_incoming(of_copy, after_copy)
        values.add_incoming(of_data, after_load)
        wanted = builder.insert_element(ir.Constant(vector, ir.Undefined), byte, ir.IntType(32)(0))
        order = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
        wanted = builder.shuffle_vector(wanted, ir.Constant(vector, ir.Undefined), order)
        bits = builder.bitcast(builder.icmp_unsigned("==", values, wanted), _I64)
        fewer = builder.icmp_signed("<", nbytes, _I64(public_text.WORD))
        count = builder.select(fewer, nbytes, _I64(public_text.WORD))
        return builder.and_(bits, builder.sub(builder.shl(_I64(1), count), _I64(1)))

    return types.int64(byte_pointer, types.int64, types.uint8), generate


@operation(public_text.match_bits)
def _match_bits(text, character):
    if not (is_string(text) and is_string(character)):
        return None
    if is_ascii(text):

        def match_ascii(text, character):
            if character._nbytes != 1:
                return 0
            return _equal_bytes(text._data, text._nbytes, character._data[0])

        return match_ascii

    def match_utf8(text, character):
        data, nbytes = text._data, text._nbytes
        wanted, width = character._data, character._nbytes
        bits = at = position = 0
        while at < nbytes and position < public_text.WORD:
            step = width_at(data, at)
            if step == width:
                same = True
                for i in range(step):
                    same &= data[at + i] == wanted[i]
                bits |= np.int64(same) << position
            at += step
            position += 1
        return bits

    return match_utf8


@operation(public_text.utf8)
def _utf8(value):
    if is_bytes(value):
        return lambda value: value
    if is_string(value):
        return lambda value: make_view(bytes_view, value._data, value._nbytes)
    return None


def _load(width: int) -> Any:
    @intrinsic
    def load(typing_context: TypingContext, data: Any, at: Any) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> ir.Value:
            pointer = builder.gep(arguments[0], [arguments[1]])
            word = ir.IntType(width)
            value = builder.load(builder.bitcast(pointer, word.as_pointer()), align=1)
            return builder.zext(value, _I64) if width < _I64.width else value

        return types.uint64(byte_pointer, types.int64), generate

    return load


_load32, _load64 = _load(32), _load(64)


@operation(public_bits.load32)
def _bits_load32(data, at):
    if not is_bytes(data):
        return None

    def load(data, at):
        if at < 0 or at + 4 > data._nbytes:
            raise IndexError("word out of range")
        return public_bits.word(_load32(data._data, at))

    return load


@operation(public_bits.load64)
def _bits_load64(data, at):
    if not is_bytes(data):
        return None

    def load(data, at):
        if at < 0 or at + 8 > data._nbytes:
            raise IndexError("word out of range")
        return public_bits.word(_load64(data._data, at))

    return load
