"""Loads of several bytes at a time, and the search for bytes that they are for.

A search compares up to 64 bytes with the needle's first byte and, further on, as many with its last (the
two-byte filter of W. Muła, "SIMD-friendly algorithms for substring searching", 2016); only where both agree
it looks between. Too many of those in vain, and libc's `memmem` goes on, whose time is linear.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings import vectorcode
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_most,
    helper,
)
from dataflare_vec.compiler.jit.types.strings import byte_pointer, offset_by

_I64 = ir.IntType(64)

memcmp = types.ExternalFunction("memcmp", types.int32(byte_pointer, byte_pointer, types.int64))
memmem = types.ExternalFunction("memmem", byte_pointer(byte_pointer, types.int64, byte_pointer, types.int64))


def _load(bits, numba_type):
    @intrinsic
    def load(typing_context, data, i):
        def generate(context, builder, signature, arguments):
            address = builder.gep(arguments[0], [arguments[1]])
            pointer = builder.bitcast(address, ir.IntType(bits).as_pointer())
            return builder.load(pointer, align=1)

        return numba_type(byte_pointer, types.int64), generate

    return load


#: A word at any address, in the machine's byte order.
load16, load32, load64 = _load(16, types.uint16), _load(32, types.uint32), _load(64, types.uint64)


@intrinsic
def last_bytes(typing_context, data, nbytes):
    """Return 1 to 8 bytes as a word, the last one its highest; the lowest are 0 where there are fewer."""

    def generate(context, builder, signature, arguments):
        data, nbytes = arguments
        word = builder.call(vectorcode.word(builder.module), [data, nbytes])
        return builder.shl(word, builder.sub(_I64(64), builder.shl(nbytes, _I64(3))))

    return types.uint64(byte_pointer, types.int64), generate


@intrinsic
def most_places(typing_context):
    """Return at how many places a search looks at a time."""

    def generate(context, builder, signature, arguments):
        return _I64(vectorcode.most_places())

    return types.int64(), generate


@intrinsic
def matches(typing_context, data, count, first, behind, last):
    """Return bits, one for each of up to `most_places` places: is ``first`` there, ``last`` so far behind."""

    def generate(context, builder, signature, arguments):
        return builder.call(vectorcode.matches(builder.module), arguments)

    return types.uint64(byte_pointer, types.int64, types.uint8, types.int64, types.uint8), generate


@intrinsic
def leave_out(typing_context, to, source, nbytes, byte):
    """Write all but one byte elsewhere; return how many that are."""

    def generate(context, builder, signature, arguments):
        return builder.call(vectorcode.leave_out(builder.module), arguments)

    return types.int64(byte_pointer, byte_pointer, types.int64, types.uint8), generate


@intrinsic
def few_without(typing_context, data, nbytes, byte):
    """Return what up to `FEW` bytes are without one, and how many that are.

    The last byte is the word's highest; if they are 1 to 7, the lowest are 0, if more than 8, they are lost.
    """

    def generate(context, builder, signature, arguments):
        found = builder.call(vectorcode.few_without(builder.module), arguments)
        items = [builder.extract_value(found, i) for i in range(2)]
        return context.make_tuple(builder, signature.return_type, items)

    returned = types.Tuple((types.uint64, types.int64))
    return returned(byte_pointer, types.int64, types.uint8), generate


def _writer(make):
    @intrinsic
    def write(typing_context, to, source, nbytes, first, second):
        def generate(context, builder, signature, arguments):
            builder.call(make(builder.module), arguments)
            return context.get_dummy_value()

        return types.none(byte_pointer, byte_pointer, types.int64, types.uint8, types.uint8), generate

    return write


#: Write bytes elsewhere, with one in place of another, or with letters in the other case: see `vectorcode`.
exchange, swap_case = _writer(vectorcode.exchange), _writer(vectorcode.swap_case)


def _count_zeros(name):
    @intrinsic
    def count(typing_context, word):
        def generate(context, builder, signature, arguments):
            function = getattr(builder, name)
            return function(arguments[0], ir.IntType(1)(1))

        return types.int64(types.uint64), generate

    return count


#: How many zeros a word that isn't 0 ends, or begins, with.
trailing_zeros, leading_zeros = _count_zeros("cttz"), _count_zeros("ctlz")


@intrinsic
def distance(typing_context, a, b):
    """Return how many bytes ``a`` lies behind ``b``."""

    def generate(context, builder, signature, arguments):
        first, second = (builder.ptrtoint(address, _I64) for address in arguments)
        return builder.sub(first, second)

    return types.int64(byte_pointer, byte_pointer), generate


@intrinsic
def is_null(typing_context, a):
    """Whether an address is none."""

    def generate(context, builder, signature, arguments):
        return builder.icmp_unsigned("==", arguments[0], arguments[0].type(None))

    return types.boolean(byte_pointer), generate


@helper
def same_bytes(a, b, nbytes):
    """Whether two stretches of memory hold the same."""
    if nbytes > 32:
        return memcmp(a, b, nbytes) == 0
    if nbytes > 16:
        first = (load64(a, 0) ^ load64(b, 0)) | (load64(a, 8) ^ load64(b, 8))
        last = (load64(a, nbytes - 16) ^ load64(b, nbytes - 16)) | (
            load64(a, nbytes - 8) ^ load64(b, nbytes - 8)
        )
        return (first | last) == 0
    if nbytes >= 8:
        return load64(a, 0) == load64(b, 0) and load64(a, nbytes - 8) == load64(b, nbytes - 8)
    if nbytes >= 4:
        return load32(a, 0) == load32(b, 0) and load32(a, nbytes - 4) == load32(b, nbytes - 4)
    if nbytes <= 0:
        return True
    middle, last = nbytes >> 1, nbytes - 1
    return a[0] == b[0] and a[middle] == b[middle] and a[last] == b[last]


@helper
def find_byte(data, start, stop, byte):
    """Return the offset of the first ``byte`` from ``start`` on and before ``stop``; -1 if there is none."""
    while start < stop:
        places = at_most(stop - start, most_places())
        found = matches(offset_by(data, start), places, byte, 0, byte)
        if found:
            return start + trailing_zeros(found)
        start += places
    return -1


@helper
def find_bytes(data, start, stop, needle, size):
    """Return the offset of the first ``needle`` that lies between ``start`` and ``stop``; -1 if none does."""
    if size == 1:
        return find_byte(data, start, stop, needle[0])
    if size == 0:
        return start if start <= stop else -1
    first, behind, last = needle[0], size - 1, needle[size - 1]
    wasted = 0
    while stop - start > behind:
        here = offset_by(data, start)
        places = at_most(stop - start - behind, most_places())
        found = matches(here, places, first, behind, last)
        while found:
            at = trailing_zeros(found)
            if size == 2 or memcmp(offset_by(here, at), needle, size) == 0:
                return start + at
            found &= found - np.uint64(1)
            wasted += size
        start += places
        if wasted > 4096 and stop - start > behind:
            address = memmem(offset_by(data, start), stop - start, needle, size)
            return -1 if is_null(address) else distance(address, data)
    return -1


@helper
def find_last_bytes(data, start, stop, needle, size):
    """Return the offset of the last ``needle`` that lies between ``start`` and ``stop``; -1 if none does."""
    if size == 0:
        return stop if start <= stop else -1
    first, behind, last = needle[0], size - 1, needle[size - 1]
    while stop - start > behind:
        places = at_most(stop - start - behind, most_places())
        at = stop - behind - places
        here = offset_by(data, at)
        found = matches(here, places, first, behind, last)
        while found:
            lane = 63 - leading_zeros(found)
            if size <= 2 or memcmp(offset_by(here, lane), needle, size) == 0:
                return at + lane
            found ^= np.uint64(1) << np.uint64(lane)
        stop -= places
    return -1
