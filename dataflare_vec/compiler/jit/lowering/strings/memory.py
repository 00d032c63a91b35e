"""Loads of several bytes at a time, and the search for bytes that they are for.

A search compares 16 bytes with the needle's first byte and, further on, 16 with its last (the two-byte filter
of W. Muła, "SIMD-friendly algorithms for substring searching", 2016); only where both agree it looks between.
Too many of those in vain, and libc's `memmem` goes on, whose time is linear.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings.base import helper
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


def _matches(lanes):
    @intrinsic
    def matches(typing_context, data, i, byte):
        def generate(context, builder, signature, arguments):
            data, i, byte = arguments
            vector = ir.VectorType(ir.IntType(8), lanes)
            address = builder.bitcast(builder.gep(data, [i]), vector.as_pointer())
            one = builder.insert_element(ir.Constant(vector, ir.Undefined), byte, ir.IntType(32)(0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
            wanted = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)
            same = builder.icmp_unsigned("==", builder.load(address, align=1), wanted)
            return builder.zext(builder.bitcast(same, ir.IntType(lanes)), _I64)

        return types.uint64(byte_pointer, types.int64, types.uint8), generate

    return matches


#: For the 16 (8) bytes at ``data + i`` a bit each, the first byte's lowest: whether it is ``byte``.
matches16, matches8 = _matches(16), _matches(8)


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
    if nbytes >= 8:
        for i in range(0, nbytes - 8, 8):
            if load64(a, i) != load64(b, i):
                return False
        return load64(a, nbytes - 8) == load64(b, nbytes - 8)
    if nbytes >= 4:
        return load32(a, 0) == load32(b, 0) and load32(a, nbytes - 4) == load32(b, nbytes - 4)
    for i in range(nbytes):
        if a[i] != b[i]:
            return False
    return True


@helper
def find_byte(data, start, stop, byte):
    """Return the offset of the first ``byte`` from ``start`` on and before ``stop``; -1 if there is none."""
    i = start
    while i + 16 <= stop:
        found = matches16(data, i, byte)
        if found:
            return i + trailing_zeros(found)
        i += 16
    # What is left is looked at together with bytes before it, where it isn't.
    if i < stop and stop - start >= 16:
        found = matches16(data, stop - 16, byte)
        return stop - 16 + trailing_zeros(found) if found else -1
    if stop - i >= 8:
        found = matches8(data, i, byte)
        if found:
            return i + trailing_zeros(found)
        found = matches8(data, stop - 8, byte)
        return stop - 8 + trailing_zeros(found) if found else -1
    while i < stop:
        if data[i] == byte:
            return i
        i += 1
    return -1


@helper
def find_bytes(data, start, stop, needle, size):
    """Return the offset of the first ``needle`` that lies between ``start`` and ``stop``; -1 if none does."""
    if size == 1:
        return find_byte(data, start, stop, needle[0])
    last_start = stop - size
    if start > last_start:
        return -1
    if size == 0:
        return start
    first, last = needle[0], needle[size - 1]
    i = start
    wasted = 0
    while i <= last_start:
        # The last lanes may be those of before again, where nothing was found.
        if last_start - start >= 15:
            lanes = 16
            i = min(i, last_start - 15)
            found = matches16(data, i, first) & matches16(data, i + size - 1, last)
        elif last_start - start >= 7:
            lanes = 8
            i = min(i, last_start - 7)
            found = matches8(data, i, first) & matches8(data, i + size - 1, last)
        else:
            lanes = 1
            found = np.uint64(data[i] == first and data[i + size - 1] == last)
        while found:
            here = i + trailing_zeros(found)
            if same_bytes(offset_by(data, here), needle, size):
                return here
            found &= found - np.uint64(1)
            wasted += size
        i += lanes
        if wasted > 4096 and i <= last_start:
            address = memmem(offset_by(data, i), stop - i, needle, size)
            return -1 if is_null(address) else distance(address, data)
    return -1


@helper
def find_last_bytes(data, start, stop, needle, size):
    """Return the offset of the last ``needle`` that lies between ``start`` and ``stop``; -1 if none does."""
    i = stop - size
    if size == 0:
        return max(i, -1) if start <= stop else -1
    first, last = needle[0], needle[size - 1]
    while i - 15 >= start:
        found = matches16(data, i - 15, first) & matches16(data, i - 16 + size, last)
        while found:
            lane = 63 - leading_zeros(found)
            here = i - 15 + lane
            if same_bytes(offset_by(data, here), needle, size):
                return here
            found ^= np.uint64(1) << np.uint64(lane)
        i -= 16
    while i >= start:
        if data[i] == first and same_bytes(offset_by(data, i), needle, size):
            return i
        i -= 1
    return -1
