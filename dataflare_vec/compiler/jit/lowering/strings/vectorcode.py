"""Up to 64 bytes at a time, in LLVM IR: where two of them are; all but one; in another case.

With AVX-512 a mask says which lanes are read, so that strings of any length up to 64 bytes take the same few
instructions. Else lanes that overlap come to the same. No byte outside of a value is ever read; behind what
is written there has to be room for `SLACK` bytes more.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils
from numba.core.registry import cpu_target

from dataflare_vec.compiler.jit.lowering.strings.viewcode import define, load, payload, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import Builder

LANES = 64
#: Of so many bytes two vectors are made at once, without a branch that lengths could mislead.
_TWO = 2 * LANES
#: Bytes of short ones.
FEW = 16
#: Bytes that may be written behind the last one of a result.
SLACK = _TWO

_I1, _I8, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
_BYTES = _I8.as_pointer()


def has(feature: str) -> bool:
    """Whether the processor that code is made for has a feature."""
    return f"+{feature}" in cpu_target.target_context.codegen()._tm_features.split(",")


def all_lanes(builder: Builder, byte: ir.Value, lanes: int) -> ir.Value:
    """Return a vector with a byte in all lanes."""
    vector = ir.VectorType(_I8, lanes)
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, byte, _I32(0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(_I32, lanes), None))


def load_some(builder: Builder, address: ir.Value, there: ir.Value) -> ir.Value:
    """Return as many bytes as ``there`` has bits; those whose bit isn't set aren't read, and are 0."""
    lanes = there.type.width
    vector, mask = ir.VectorType(_I8, lanes), ir.VectorType(_I1, lanes)
    pointer = builder.bitcast(address, vector.as_pointer())
    function = ir.FunctionType(vector, [pointer.type, _I32, mask, vector])
    masked = cgutils.get_or_insert_function(builder.module, function, f"llvm.masked.load.v{lanes}i8.p0")
    arguments = [pointer, _I32(1), builder.bitcast(there, mask), ir.Constant(vector, None)]
    return builder.call(masked, arguments)


def lane_bits(builder: Builder, lanes: ir.Value) -> ir.Value:
    """Return a bool of each lane as the bits of a word."""
    count = lanes.type.count
    bits = builder.bitcast(lanes, ir.IntType(count))
    return bits if count == LANES else builder.zext(bits, _I64)


def _first(builder: Builder, count: ir.Value) -> ir.Value:
    """Return a word whose ``count`` lowest bits are set, of 1 to 64."""
    return builder.lshr(_I64(-1), builder.sub(_I64(LANES), count))


def bits_below(builder: Builder, count: ir.Value) -> ir.Value:
    """Return a word whose ``count`` lowest bits are set, of 0 to 255: from 64 on all are."""
    function = ir.FunctionType(_I64, [_I64, _I64])
    first = cgutils.get_or_insert_function(builder.module, function, "llvm.x86.bmi.bzhi.64")
    return builder.call(first, [_I64(-1), count])


def _load_two(builder: Builder, data: ir.Value, nbytes: ir.Value) -> list[ir.Value]:
    """Return up to 128 bytes as two vectors; behind them are zeros."""
    function = ir.FunctionType(_I64, [_I64, _I64])
    less = cgutils.get_or_insert_function(builder.module, function, "llvm.usub.sat.i64")
    second = builder.call(less, [nbytes, _I64(LANES)])
    return [
        load_some(builder, builder.gep(data, [_I64(at)]), bits_below(builder, count))
        for at, count in ((0, nbytes), (LANES, second))
    ]


def _compress(builder: Builder, bytes_: ir.Value, kept: ir.Value) -> ir.Value:
    """Return the lanes that are kept, one behind the other; behind them are zeros."""
    vector, mask = bytes_.type, ir.VectorType(_I1, bytes_.type.count)
    function = ir.FunctionType(vector, [vector, mask, vector])
    name = f"llvm.experimental.vector.compress.v{vector.count}i8"
    compress = cgutils.get_or_insert_function(builder.module, function, name)
    return builder.call(compress, [bytes_, builder.bitcast(kept, mask), ir.Constant(vector, None)])


def is_ascii(module: ir.Module) -> ir.Function:
    """Return ``i1 dfv.is_ascii(address, bytes)``, of at least 8 bytes."""
    function, builder = define(module, "dfv.is_ascii", _I1, [_BYTES, _I64])
    if builder is None:
        return function
    data, nbytes = function.args

    def answer(bytes_: ir.Value) -> None:
        width = ir.IntType(bytes_.type.count)
        high = builder.icmp_signed("<", bytes_, ir.Constant(bytes_.type, None))
        builder.ret(builder.icmp_unsigned("==", builder.bitcast(high, width), width(0)))

    lanes = 16
    if has("avx512bw"):
        lanes = LANES
        # A branch that is known early: by it the processor predicts what a search of the text will do.
        with builder.if_then(builder.icmp_unsigned("<=", nbytes, _I64(LANES))):
            answer(load_some(builder, data, bits_below(builder, nbytes)))
        with builder.if_then(builder.icmp_unsigned("<=", nbytes, _I64(_TWO))):
            answer(builder.or_(*_load_two(builder, data, nbytes)))
    else:
        with builder.if_then(builder.icmp_unsigned("<", nbytes, _I64(lanes))):
            half = ir.VectorType(_I8, lanes // 2)
            last = builder.sub(nbytes, _I64(lanes // 2))
            answer(builder.or_(load(builder, data, 0, half), load(builder, data, last, half)))
    vector = ir.VectorType(_I8, lanes)
    last = builder.sub(nbytes, _I64(lanes))
    seen = cgutils.alloca_once_value(builder, load(builder, data, last, vector))
    with cgutils.for_range_slice(builder, _I64(0), last, _I64(lanes), _I64) as (at, _):
        builder.store(builder.or_(builder.load(seen), load(builder, data, at, vector)), seen)
    answer(builder.load(seen))
    return function


def word(module: ir.Module) -> ir.Function:
    """Return ``i64 dfv.word(address, bytes)``: 1 to 8 bytes as a number, the first one the lowest."""
    function, builder = define(module, "dfv.word", _I64, [_BYTES, _I64])
    if builder is None:
        return function
    if has("avx512bw") and has("avx512vl"):
        there = builder.trunc(_first(builder, function.args[1]), _I8)
        builder.ret(builder.bitcast(load_some(builder, function.args[0], there), _I64))
    else:
        builder.ret(builder.trunc(builder.call(payload(module), function.args), _I64))
    return function


def few(module: ir.Module) -> ir.Function:
    """Return ``i128 dfv.few(address, bytes)``: up to 12 bytes as a number, the first one the lowest."""
    if not (has("avx512bw") and has("avx512vl")):
        return payload(module)
    function, builder = define(module, "dfv.few", ir.IntType(128), [_BYTES, _I64])
    if builder is not None:
        there = builder.trunc(bits_below(builder, function.args[1]), ir.IntType(FEW))
        builder.ret(builder.bitcast(load_some(builder, function.args[0], there), ir.IntType(128)))
    return function


def most_places() -> int:
    """Return how many places `matches` looks at at a time."""
    return LANES if has("avx512bw") else LANES // 2


def matches(module: ir.Module) -> ir.Function:
    """Return ``i64 dfv.matches(address, places, first, behind, last)``.

    It gives a bit for each of up to `most_places` places: is ``first`` there, and ``last`` so far behind?
    """
    function, builder = define(module, "dfv.matches", _I64, [_BYTES, _I64, _I8, _I64, _I8])
    if builder is None:
        return function
    function.attributes.add("alwaysinline")
    data, places, first, behind, last = function.args

    def found(at: ir.Value, lanes: int, read: Callable[[ir.Value], ir.Value]) -> ir.Value:
        here = builder.gep(data, [at])
        same = [
            builder.icmp_unsigned("==", read(address), all_lanes(builder, byte, lanes))
            for address, byte in ((here, first), (builder.gep(here, [behind]), last))
        ]
        return lane_bits(builder, builder.and_(*same))

    if most_places() == LANES:
        there = _first(builder, places)
        some = found(_I64(0), LANES, lambda address: load_some(builder, address, there))
        builder.ret(builder.and_(some, there))
        return function
    for lanes in (most_places(), 16, 8, 4, 1):
        with builder.if_then(builder.icmp_unsigned(">=", places, _I64(lanes))):
            starts = [_I64(0)]
            if lanes < most_places():
                starts.append(builder.sub(places, _I64(lanes)))
            if lanes == 1:  # up to three places
                starts.append(builder.lshr(places, _I64(1)))
            bits = _I64(0)
            for start in starts:
                some = found(start, lanes, partial(load, builder, offset=0, ty=ir.VectorType(_I8, lanes)))
                bits = builder.or_(bits, builder.shl(some, start))
            builder.ret(bits)
    builder.unreachable()
    return function


def _change(
    module: ir.Module,
    name: str,
    options: int,
    changed: Callable[[Builder, ir.Value, list[ir.Value]], ir.Value],
) -> ir.Function:
    """Return ``void name(to, from, bytes, options…)``, which writes what ``changed`` makes of each byte.

    That gets vectors: of bytes, and for each option one with it in all lanes.
    """
    arguments = [_BYTES, _BYTES, _I64, *[_I8] * options]
    function, builder = define(module, name, ir.VoidType(), arguments)
    if builder is None:
        return function
    to, data, nbytes, *given = function.args

    def write(at: ir.Value, lanes: int, bytes_: ir.Value) -> None:
        vectors = [all_lanes(builder, byte, lanes) for byte in given]
        store(builder, changed(builder, bytes_, vectors), to, at)

    if has("avx512bw"):
        with builder.if_then(builder.icmp_unsigned("<=", nbytes, _I64(_TWO))):
            for i, bytes_ in enumerate(_load_two(builder, data, nbytes)):
                write(_I64(i * LANES), LANES, bytes_)
            builder.ret_void()
        with cgutils.for_range_slice(builder, _I64(0), nbytes, _I64(LANES), _I64) as (at, _):
            there = _first(builder, fewer(builder, builder.sub(nbytes, at)))
            write(at, LANES, load_some(builder, builder.gep(data, [at]), there))
        builder.ret_void()
        return function
    for lanes in (16, 1):
        vector = ir.VectorType(_I8, lanes)
        with builder.if_then(builder.icmp_unsigned(">=", nbytes, _I64(lanes))):
            last = builder.sub(nbytes, _I64(lanes))
            with cgutils.for_range_slice(builder, _I64(0), last, _I64(lanes), _I64) as (at, _):
                write(at, lanes, load(builder, data, at, vector))
            write(last, lanes, load(builder, data, last, vector))
            builder.ret_void()
    builder.ret_void()
    return function


def fewer(builder: Builder, left: ir.Value) -> ir.Value:
    """Return ``left``, but not more than a vector has lanes."""
    return builder.select(builder.icmp_unsigned("<", left, _I64(LANES)), left, _I64(LANES))


def copy_some(builder: Builder, to: ir.Value, data: ir.Value, nbytes: ir.Value, room: ir.Value) -> None:
    """Copy at least 8 bytes, which may overlap, to where there is ``room`` for as many or more; return.

    All of a few are read before the first is written; a call takes longer than the copy.
    """
    if has("avx512bw"):
        few = builder.icmp_unsigned("<=", nbytes, _I64(_TWO))
        fits = builder.icmp_unsigned(">=", room, _I64(_TWO))
        with builder.if_then(builder.and_(few, fits)):
            for i, bytes_ in enumerate(_load_two(builder, data, nbytes)):
                store(builder, bytes_, to, i * LANES)
            builder.ret_void()
    for lanes in (8, 16, 32):
        vector = ir.VectorType(_I8, lanes)
        with builder.if_then(builder.icmp_unsigned("<=", nbytes, _I64(2 * lanes))):
            last = builder.sub(nbytes, _I64(lanes))
            head, tail = load(builder, data, 0, vector), load(builder, data, last, vector)
            store(builder, head, to, 0)
            store(builder, tail, to, last)
            builder.ret_void()
    cgutils.raw_memmove(builder, to, data, nbytes, itemsize=1)
    builder.ret_void()


def swap_case(module: ir.Module) -> ir.Function:
    """Return ``void dfv.swap_case(to, from, bytes, first letter, ignored)``: ASCII letters in the other case.

    Those are swapped that are letters from the first one on, the bits ``ignored`` being set or not.
    """

    def changed(builder: Builder, bytes_: ir.Value, options: list[ir.Value]) -> ir.Value:
        first, ignored = options
        all_26, case = (ir.Constant(bytes_.type, [_I8(n)] * bytes_.type.count) for n in (26, 32))
        letter = builder.sub(builder.or_(bytes_, ignored), first)
        swapped = builder.xor(bytes_, case)
        return builder.select(builder.icmp_unsigned("<", letter, all_26), swapped, bytes_)

    return _change(module, "dfv.swap_case", 2, changed)


def exchange(module: ir.Module) -> ir.Function:
    """Return ``void dfv.exchange(to, from, bytes, old, new)``: one byte in place of another."""

    def changed(builder: Builder, bytes_: ir.Value, options: list[ir.Value]) -> ir.Value:
        old, new = options
        return builder.select(builder.icmp_unsigned("==", bytes_, old), new, bytes_)

    return _change(module, "dfv.exchange", 2, changed)


def leave_out(module: ir.Module) -> ir.Function:
    """Return ``i64 dfv.leave_out(to, from, bytes, byte)``: write all but that; return how many they are."""
    function, builder = define(module, "dfv.leave_out", _I64, [_BYTES, _BYTES, _I64, _I8])
    if builder is None:
        return function
    to, data, nbytes, byte = function.args
    written = cgutils.alloca_once_value(builder, _I64(0))
    # Neither way has a branch that text could mislead.
    if has("avx512vbmi2"):
        with cgutils.for_range_slice(builder, _I64(0), nbytes, _I64(LANES), _I64) as (at, _):
            there = _first(builder, fewer(builder, builder.sub(nbytes, at)))
            bytes_ = load_some(builder, builder.gep(data, [at]), there)
            other = builder.icmp_unsigned("!=", bytes_, all_lanes(builder, byte, LANES))
            kept = builder.and_(lane_bits(builder, other), there)
            packed = _compress(builder, bytes_, kept)
            before = builder.load(written)
            store(builder, packed, to, before)
            builder.store(builder.add(before, builder.ctpop(kept)), written)
    else:
        with cgutils.for_range(builder, nbytes, intp=_I64) as loop:
            one, before = load(builder, data, loop.index, _I8), builder.load(written)
            store(builder, one, to, before)
            other = builder.zext(builder.icmp_unsigned("!=", one, byte), _I64)
            builder.store(builder.add(before, other), written)
    builder.ret(builder.load(written))
    return function


def few_without(module: ir.Module) -> ir.Function:
    """Return ``{i64, i64} dfv.few_without(address, bytes, byte)``: up to `FEW` bytes, all but one.

    It gives them as a word, the last one the highest, and how many they are. 1 to 7 have zeros below; of more
    than 8 only the number counts.
    """
    pair = ir.LiteralStructType([_I64, _I64])
    function, builder = define(module, "dfv.few_without", pair, [_BYTES, _I64, _I8])
    if builder is None:
        return function
    data, nbytes, byte = function.args
    if has("avx512vbmi2") and has("avx512vl"):
        there = builder.trunc(bits_below(builder, nbytes), ir.IntType(FEW))
        bytes_ = load_some(builder, data, there)
        other = builder.icmp_unsigned("!=", bytes_, all_lanes(builder, byte, FEW))
        kept = builder.and_(builder.bitcast(other, there.type), there)
        packed = _compress(builder, bytes_, kept)
        low = builder.bitcast(packed, ir.VectorType(_I64, 2))
        count = builder.zext(builder.ctpop(kept), _I64)
        unused = builder.and_(builder.shl(builder.neg(count), _I64(3)), _I64(63))
        word = builder.shl(builder.extract_element(low, _I32(0)), unused)
    else:
        words, counts = (cgutils.alloca_once_value(builder, _I64(0)) for _ in range(2))
        with cgutils.for_range(builder, nbytes, intp=_I64) as loop:
            one, word, count = load(builder, data, loop.index, _I8), builder.load(words), builder.load(counts)
            other = builder.icmp_unsigned("!=", one, byte)
            longer = builder.lshr(word, _I64(8))
            longer = builder.or_(longer, builder.shl(builder.zext(one, _I64), _I64(56)))
            builder.store(builder.select(other, longer, word), words)
            builder.store(builder.add(count, builder.zext(other, _I64)), counts)
        word, count = builder.load(words), builder.load(counts)
    found = builder.insert_value(ir.Constant(pair, ir.Undefined), word, 0)
    builder.ret(builder.insert_value(found, count, 1))
    return function
