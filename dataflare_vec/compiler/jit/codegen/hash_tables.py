"""Hash tables in compiled code: from the values of a key column to codes in first-seen order.

Open addressing with linear probing, at most half full; keys are compared exactly. A table of words holds
64-bit keys; a table of bytes reads Arrow's string views where they lie and keeps a copy of each distinct key.
When a table has no room left, its function returns where it stopped: Python grows the table and goes on.
`native.hash_tables` calls these functions, which are in the cache as compiled kernels are.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.np.arrayobj import make_array, populate_array

from dataflare_vec.compiler.jit.codegen.driver import compile_lock, object_code
from dataflare_vec.compiler.jit.lowering.strings.memory import same_bytes
from dataflare_vec.compiler.jit.lowering.tables.hashing import (
    INLINE,
    hash_bytes,
    hash_word,
    hash_words,
    pointer_to,
)
from dataflare_vec.compiler.native.hash_tables import (
    ABSENT,
    BYTES_ENTRY,
    CLOCK,
    COUNT,
    HEAP,
    NULL_CODE,
    SESSIONS,
    STARTED,
    WORD_ENTRY,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.cache.loading import ObjectCode
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
    )

_I64 = ir.IntType(64)

# Python calls none of them by itself, and no memory is allocated here: no references are counted.
_compiled = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)


@_compiled
def encode_words(words, marks, start, entries, counts, codes, fresh):  # type: ignore[no-untyped-def]
    """See `native.hash_tables.encode_words`."""
    mask = np.uint64(len(entries) // WORD_ENTRY - 1)
    limit = len(entries) // WORD_ENTRY // 2
    before = counts[COUNT]
    count = before
    marked = len(marks) > 0
    last_word = np.uint64(0)
    last_code = np.int64(-1)
    for row in range(start, len(words)):
        if marked and marks[row] != 0:
            if marks[row] == ABSENT:
                codes[row] = 0
                continue
            if counts[NULL_CODE] < 0:
                counts[NULL_CODE] = count
                fresh[count - before] = row
                count += 1
            codes[row] = counts[NULL_CODE]
            continue
        word = words[row]
        if word == last_word and last_code >= 0:
            codes[row] = last_code
            continue
        at = hash_word(word) & mask
        while True:
            code = entries[2 * at + np.uint64(1)]
            if code == 0:
                if count >= limit:
                    counts[COUNT] = count
                    return row
                entries[2 * at] = word
                fresh[count - before] = row
                count += 1
                code = np.uint64(count)
                entries[2 * at + np.uint64(1)] = code
                break
            if entries[2 * at] == word:
                break
            at = (at + np.uint64(1)) & mask
        last_word = word
        last_code = np.int64(code) - 1
        codes[row] = last_code
    counts[COUNT] = count
    return len(words)


@_compiled
def encode_bytes(views, buffers, marks, start, entries, counts, heap, codes, fresh):  # type: ignore[no-untyped-def]
    """See `native.hash_tables.encode_bytes`."""
    mask = np.uint64(len(entries) // BYTES_ENTRY - 1)
    limit = len(entries) // BYTES_ENTRY // 2
    before = counts[COUNT]
    count = before
    marked = len(marks) > 0
    base = np.uint64(heap.ctypes.data)
    for row in range(start, len(views) // 2):
        if marked and marks[row] != 0:
            if marks[row] == ABSENT:
                codes[row] = 0
                continue
            if counts[NULL_CODE] < 0:
                counts[NULL_CODE] = count
                fresh[count - before] = row
                count += 1
            codes[row] = counts[NULL_CODE]
            continue
        first = views[2 * row]
        second = views[2 * row + 1]
        length = first & np.uint64(0xFFFFFFFF)
        long = length > INLINE
        address = np.uint64(0)
        if long:
            address = buffers[second & np.uint64(0xFFFFFFFF)] + (second >> np.uint64(32))
            second = hash_bytes(pointer_to(address), np.int64(length))
        at = hash_words(first, second) & mask
        while True:
            entry = 4 * at
            code = entries[entry + np.uint64(2)]
            if code == 0:
                place = counts[HEAP]
                if count >= limit or (long and place + np.int64(length) > len(heap)):
                    counts[COUNT] = count
                    return row
                if long:
                    key = pointer_to(address)
                    for i in range(np.int64(length)):
                        heap[place + i] = key[i]
                    counts[HEAP] += np.int64(length)
                fresh[count - before] = row
                count += 1
                code = np.uint64(count)
                entries[entry] = first
                entries[entry + np.uint64(1)] = second
                entries[entry + np.uint64(2)] = code
                entries[entry + np.uint64(3)] = np.uint64(place)
                break
            if entries[entry] == first and entries[entry + np.uint64(1)] == second:
                known = base + entries[entry + np.uint64(3)]
                if not long or same_bytes(pointer_to(address), pointer_to(known), np.int64(length)):
                    break
            at = (at + np.uint64(1)) & mask
        codes[row] = np.int64(code) - 1
    counts[COUNT] = count
    return len(views) // 2


@_compiled
def rehash(old, new, width):  # type: ignore[no-untyped-def]
    """Put the entries of a table, ``width`` words each, into a larger one that is empty."""
    mask = np.uint64(len(new) // width - 1)
    code_at = 1 if width == WORD_ENTRY else 2
    for entry in range(0, len(old), width):
        if old[entry + code_at] != 0:
            if width == WORD_ENTRY:
                at = hash_word(old[entry]) & mask
            else:
                at = hash_words(old[entry], old[entry + 1]) & mask
            while new[np.uint64(width) * at + np.uint64(code_at)] != 0:
                at = (at + np.uint64(1)) & mask
            for i in range(width):
                new[np.int64(at) * width + i] = old[entry + i]


@_compiled
def pair(first, second, words):  # type: ignore[no-untyped-def]
    """Write words that are equal where both codes are."""
    for row in range(len(words)):
        words[row] = (np.uint64(first[row]) << np.uint64(32)) | np.uint64(second[row])


@_compiled
def plain_floats(values, bits, words):  # type: ignore[no-untyped-def]
    """Write the bits of floats, one NaN for all and one zero for both."""
    for row in range(len(values)):
        value = values[row]
        word = bits[row]
        if value != value:
            word = np.uint64(0x7FF8000000000000)
        elif value == 0.0:
            word = np.uint64(0)
        words[row] = word


@_compiled
def open_sessions(codes, times, marks, limit, of_key, keys_of, last, counts):  # type: ignore[no-untyped-def]
    """See `native.hash_tables.open_sessions`."""
    clock = counts[CLOCK]
    started = counts[STARTED] != 0
    sessions = counts[SESSIONS]
    timed = len(times) > 0
    marked = len(marks) > 0
    for row in range(len(codes)):
        mark = marks[row] if marked else 0
        if mark == ABSENT:
            continue
        if not timed:
            clock += 1
        elif mark == 0:
            time = times[row]
            if not started:
                started = True
                clock = time
                for earlier in range(sessions):
                    last[earlier] = clock
            elif time > clock:
                clock = time
        key = codes[row]
        session = np.int64(of_key[key])
        if session >= 0 and started and np.uint64(clock) - np.uint64(last[session]) > np.uint64(limit):
            session = np.int64(-1)
        if session < 0:
            session = sessions
            sessions += 1
            of_key[key] = session
            keys_of[session] = key
        last[session] = clock
        codes[row] = session
    counts[CLOCK] = clock
    counts[STARTED] = started
    counts[SESSIONS] = sessions


# -- as C functions of an argument buffer: address and length of each array, and numbers ---------------------


_BYTES, _INT32S, _INT64S, _WORDS, _FLOATS = (
    types.Array(item, 1, "C") for item in (types.uint8, types.int32, types.int64, types.uint64, types.float64)
)
_INT64 = types.int64
_FUNCTIONS = {
    "encode_words": (encode_words, (_WORDS, _BYTES, _INT64, _WORDS, _INT64S, _INT32S, _INT64S)),
    "encode_bytes": (
        encode_bytes,
        (_WORDS, _WORDS, _BYTES, _INT64, _WORDS, _INT64S, _BYTES, _INT32S, _INT64S),
    ),
    "rehash": (rehash, (_WORDS, _WORDS, _INT64)),
    "open_sessions": (
        open_sessions,
        (_INT32S, _INT64S, _BYTES, _INT64, _INT32S, _INT32S, _INT64S, _INT64S),
    ),
    "pair": (pair, (_INT32S, _INT32S, _WORDS)),
    "plain_floats": (plain_floats, (_FLOATS, _WORDS, _WORDS)),
}


def compile_function(name: str) -> ObjectCode:
    """Return the object code of a function of this file."""
    dispatcher, arguments = _FUNCTIONS[name]
    with compile_lock:
        dispatcher.compile(arguments)
        result = dispatcher.overloads[arguments]
        context = result.target_context
        library = context.codegen().create_library(name)
        library.enable_object_caching()
        library.add_linking_library(result.library)
        module = library.create_ir_module(name)
        function = ir.Function(module, ir.FunctionType(_I64, [_I64.as_pointer(), _I64]), f"dfv.{name}")
        builder = ir.IRBuilder(function.append_basic_block())
        words = _words(builder, function.args[0])
        returns = result.signature.return_type
        _, returned = context.call_conv.call_function(
            builder,
            context.declare_function(module, result.fndesc),
            returns,
            arguments,
            [_argument(context, builder, ty, words) for ty in arguments],
        )
        builder.ret(returned if returns == _INT64 else _I64(0))
        library.add_ir_module(module)
        library.finalize()
        return object_code(library, function.name)


def _words(builder: Builder, buffer: ir.Value) -> Iterator[ir.Value]:
    for i in count():
        yield builder.load(builder.gep(buffer, [_I64(i)]))


def _argument(context: Context, builder: Builder, ty: types.Type, words: Iterator[ir.Value]) -> ir.Value:
    if not isinstance(ty, types.Array):
        return next(words)
    made = make_array(ty)(context, builder)
    width = _I64(ty.dtype.bitwidth // 8)
    data = builder.inttoptr(next(words), context.get_value_type(ty.dtype).as_pointer())
    populate_array(made, data=data, shape=[next(words)], strides=[width], itemsize=width, meminfo=None)
    return made._getvalue()
