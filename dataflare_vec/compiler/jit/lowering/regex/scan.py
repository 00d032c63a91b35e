"""Where the next byte is that isn't passed over: up to 64 bytes at a time, in LLVM IR.

An automaton stays in a state for as long as the bytes are of some set, such as all but a space. No byte
outside of a text is ever read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils

from dataflare_vec.compiler.jit.lowering.strings.vectorcode import (
    LANES,
    bits_below,
    fewer,
    has,
    lane_bits,
    load_some,
)
from dataflare_vec.compiler.jit.lowering.strings.viewcode import define, load

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.regex.charsets import Set
    from dataflare_vec.compiler.jit.types.numba_types import Builder

#: A set of bytes is looked for if it is so few ranges, or all but so few.
MOST_RANGES = 4

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_BYTES = _I8.as_pointer()
#: Of processors without masks.
_FEW_LANES = 16


def scannable(stops: Set) -> Set | None:
    """Return the ranges to compare with where a scan stops at a set of bytes: its own, or all others'.

    None if they are too many, or nothing is to be told apart.
    """
    ranges = min(stops, _others(stops), key=len)
    return ranges if 0 < len(ranges) <= MOST_RANGES else None


def _others(stops: Set) -> Set:
    ends = [-1, *(end for first, last in stops for end in (first - 1, last)), 0xFF]
    return tuple((ends[i] + 1, ends[i + 1]) for i in range(0, len(ends), 2) if ends[i] < ends[i + 1])


def scan(module: ir.Module, stops: Set) -> ir.Function:
    """Return ``i64 scan(i8* data, i64 at, i64 end)``: the first offset of a byte of a set, or the end."""
    ranges = scannable(stops)
    assert ranges is not None
    name = "dfv.regex.scan." + ".".join(f"{first:02x}{last:02x}" for first, last in stops)
    function, builder = define(module, name, _I64, [_BYTES, _I64, _I64])
    if builder is None:
        return function
    function.attributes.add("noinline")  # many states scan: each with its own code takes long to compile
    (_masked if has("avx512bw") else _unmasked)(builder, ranges, stops == ranges)
    return function


def _inside(builder: Builder, values: ir.Value, ranges: Set) -> ir.Value:
    """Return whether bytes, one or a vector, are in ranges."""

    def constant(number: int) -> ir.Constant:
        if isinstance(values.type, ir.VectorType):
            return ir.Constant(values.type, [_I8(number)] * values.type.count)
        return _I8(number)

    found = None
    for first, last in ranges:
        if first == last:
            here = builder.icmp_unsigned("==", values, constant(first))
        elif (first, last) == (0x80, 0xFF):
            here = builder.icmp_signed("<", values, constant(0))
        else:
            moved = builder.sub(values, constant(first)) if first else values
            here = builder.icmp_unsigned("<=", moved, constant(last - first))
        found = here if found is None else builder.or_(found, here)
    return found


def _stops(builder: Builder, values: ir.Value, ranges: Set, is_stop: bool) -> ir.Value:
    inside = _inside(builder, values, ranges)
    return inside if is_stop else builder.not_(inside)


def _masked(builder: Builder, ranges: Set, is_stop: bool) -> None:
    data, start, end = builder.function.args
    at = cgutils.alloca_once_value(builder, start)
    loop, more = (builder.append_basic_block(name) for name in ("loop", "more"))
    found_block, done = (builder.append_basic_block(name) for name in ("found", "done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    here = builder.load(at)
    there = bits_below(builder, fewer(builder, builder.sub(end, here)))
    values = load_some(builder, builder.gep(data, [here]), there)
    stops = builder.and_(lane_bits(builder, _stops(builder, values, ranges, is_stop)), there)
    builder.cbranch(builder.icmp_unsigned("!=", stops, _I64(0)), found_block, more).set_weights([9, 1])
    builder.position_at_end(more)
    following = builder.add(here, _I64(LANES))
    builder.store(following, at)
    builder.cbranch(builder.icmp_signed("<", following, end), loop, done)
    builder.position_at_end(found_block)
    builder.ret(builder.add(here, builder.cttz(stops, ir.IntType(1)(1))))
    builder.position_at_end(done)
    builder.ret(end)


def _unmasked(builder: Builder, ranges: Set, is_stop: bool) -> None:
    data, start, end = builder.function.args
    vector, lanes = ir.VectorType(_I8, _FEW_LANES), ir.IntType(_FEW_LANES)
    at = cgutils.alloca_once_value(builder, start)

    def stops_at(offset: ir.Value) -> ir.Value:
        values = load(builder, data, offset, vector)
        return builder.bitcast(_stops(builder, values, ranges, is_stop), lanes)

    def first(offset: ir.Value, stops: ir.Value) -> ir.Value:
        return builder.add(offset, builder.zext(builder.cttz(stops, ir.IntType(1)(1)), _I64))

    loop, body, tail = (builder.append_basic_block(name) for name in ("loop", "body", "tail"))
    builder.branch(loop)
    builder.position_at_end(loop)
    here = builder.load(at)
    left = builder.sub(end, here)
    builder.cbranch(builder.icmp_signed(">=", left, _I64(_FEW_LANES)), body, tail)
    builder.position_at_end(body)
    stops = stops_at(here)
    builder.store(builder.add(here, _I64(_FEW_LANES)), at)
    with builder.if_then(builder.icmp_unsigned("!=", stops, lanes(0))):
        builder.ret(first(here, stops))
    builder.branch(loop)
    builder.position_at_end(tail)
    with builder.if_then(builder.icmp_signed(">=", end, _I64(_FEW_LANES))):
        # The last ones overlap those that were looked at.
        last = builder.sub(end, _I64(_FEW_LANES))
        behind = builder.trunc(builder.sub(_I64(_FEW_LANES), left), ir.IntType(32))
        stops = builder.zext(stops_at(last), ir.IntType(32))
        stops = builder.shl(builder.lshr(stops, behind), behind)
        with builder.if_then(builder.icmp_unsigned("==", stops, stops.type(0))):
            builder.ret(end)
        builder.ret(first(last, stops))
    with cgutils.for_range_slice(builder, here, end, _I64(1), _I64) as (index, _):
        with builder.if_then(_stops(builder, load(builder, data, index, _I8), ranges, is_stop)):
            builder.ret(index)
    builder.ret(end)
