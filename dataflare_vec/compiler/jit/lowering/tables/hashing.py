"""The hash of a word and of bytes, by which hash tables are filled and read.

What is read is compiled into a kernel (`find.py`), what fills is no kernel (`codegen.hash_tables`).
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings import vectorcode
from dataflare_vec.compiler.jit.lowering.strings.base import at_least, helper, inlined_helper
from dataflare_vec.compiler.jit.lowering.strings.memory import load64
from dataflare_vec.compiler.jit.types.strings import byte_pointer

#: Bytes that an Arrow view holds itself, and an entry of a hash table: in two words, with their number.
INLINE = 12

_I32, _I64, _I128 = ir.IntType(32), ir.IntType(64), ir.IntType(128)


@intrinsic
def _folded(typing_context, a, b):
    """Return the upper and the lower half of a product of two words, one into the other."""

    def generate(context, builder, signature, arguments):
        product = builder.mul(*(builder.zext(one, _I128) for one in arguments))
        upper = builder.trunc(builder.lshr(product, _I128(64)), _I64)
        return builder.xor(upper, builder.trunc(product, _I64))

    return types.uint64(types.uint64, types.uint64), generate


@inlined_helper
def hash_words(first, second):
    """Hash two words: a multiplication spreads each bit over all (as in Wang Yi's wyhash)."""
    return _folded(first ^ np.uint64(0xA0761D6478BD642F), second ^ np.uint64(0xE7037ED1A0B428DB))


@inlined_helper
def hash_word(word):
    """Hash a word."""
    return hash_words(word, np.uint64(0))


@helper
def hash_bytes(data, nbytes):
    """Hash more than 8 bytes, 16 at a time; the last may be some of those before."""
    result = np.uint64(nbytes)
    at = 0
    while at < nbytes - 16:
        result = hash_words(load64(data, at) ^ result, load64(data, at + 8))
        at += 16
    return hash_words(load64(data, at_least(nbytes - 16, 0)) ^ result, load64(data, nbytes - 8))


@intrinsic
def pointer_to(typing_context, address):
    """Return an address as that of a byte."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return byte_pointer(types.uint64), generate


@intrinsic
def as_words(typing_context, data, nbytes):
    """Return up to `INLINE` bytes as an Arrow view has them: their number and the first four; the rest."""

    def generate(context, builder, signature, arguments):
        data, nbytes = arguments
        whole = builder.call(vectorcode.few(builder.module), [data, nbytes])
        first = builder.shl(builder.zext(builder.trunc(whole, _I32), _I64), _I64(32))
        second = builder.trunc(builder.lshr(whole, _I128(32)), _I64)
        items = [builder.or_(first, nbytes), second]
        return context.make_tuple(builder, signature.return_type, items)

    return types.UniTuple(types.uint64, 2)(byte_pointer, types.int64), generate
