"""Which class a character beyond ASCII is of, in LLVM IR: a table of tables, among the constants."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils

from dataflare_vec.compiler.jit.lowering.strings.viewcode import define, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.compiler.jit.lowering.regex.charsets import Classes
    from dataflare_vec.compiler.jit.types.numba_types import Builder

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_BYTES = _I8.as_pointer()

#: Characters of a block of the table, as a power of two.
BLOCK_BITS = 7


def width_of(builder: Builder, lead: ir.Value, *, is_utf8: bool) -> ir.Value:
    """Return how many bytes a character takes that begins with a byte."""
    if not is_utf8:
        return _I64(1)
    return builder.select(builder.icmp_signed("<", lead, _I8(0)), width(builder, lead), _I64(1))


def width(builder: Builder, lead: ir.Value) -> ir.Value:
    """Return how many bytes a character beyond ASCII takes that begins with a byte."""
    three, four = (builder.icmp_unsigned(">=", lead, _I8(first)) for first in (0xE0, 0xF0))
    return builder.add(_I64(2), builder.add(builder.zext(three, _I64), builder.zext(four, _I64)))


def start_before(module: ir.Module) -> ir.Function:
    """Return ``i64 dfv.regex.start_before(i8* data, i64 at)``: where the character begins that ends there."""
    function, builder = define(module, "dfv.regex.start_before", _I64, [_BYTES, _I64])
    if builder is None:
        return function
    data, end = function.args
    at = cgutils.alloca_once_value(builder, end)
    loop, done = (builder.append_basic_block(name) for name in ("loop", "done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    here = builder.sub(builder.load(at), _I64(1))
    builder.store(here, at)
    continues = builder.icmp_unsigned(
        "==", builder.and_(load(builder, data, here, _I8), _I8(0xC0)), _I8(0x80)
    )
    builder.cbranch(continues, loop, done)
    builder.position_at_end(done)
    builder.ret(here)
    return function


def start_from(module: ir.Module) -> ir.Function:
    """Return ``i64 dfv.regex.start_from(i8* data, i64 at)``: where the next character begins, here or behind.

    There must be one.
    """
    function, builder = define(module, "dfv.regex.start_from", _I64, [_BYTES, _I64])
    if builder is None:
        return function
    data, start = function.args
    at = cgutils.alloca_once_value(builder, start)
    loop, more, done = (builder.append_basic_block(name) for name in ("loop", "more", "done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    here = builder.load(at)
    byte = builder.and_(load(builder, data, here, _I8), _I8(0xC0))
    builder.cbranch(builder.icmp_unsigned("==", byte, _I8(0x80)), more, done)
    builder.position_at_end(more)
    builder.store(builder.add(here, _I64(1)), at)
    builder.branch(loop)
    builder.position_at_end(done)
    builder.ret(here)
    return function


def classify(module: ir.Module, classes: Classes) -> ir.Function:
    """Return ``i16 classify(i8* data, i64 at)``: the class of the character beyond ASCII at an offset."""
    digest = hashlib.sha256(repr(classes.ranges).encode()).hexdigest()[:16]
    function, builder = define(module, f"dfv.regex.classify.{digest}", _I16, [_BYTES, _I64])
    if builder is None:
        return function
    point = _decode(builder, *function.args)
    blocks, numbers = tables_of(classes)
    index = constant_table(module, f".dfv.regex.blocks.{digest}", numbers, _I16)
    table = constant_table(module, f".dfv.regex.classes.{digest}", blocks, _I16)
    block = builder.zext(
        builder.load(builder.gep(index, [_I64(0), builder.lshr(point, _I64(BLOCK_BITS))])), _I64
    )
    start = builder.shl(block, _I64(BLOCK_BITS))
    offset = builder.and_(point, _I64((1 << BLOCK_BITS) - 1))
    builder.ret(builder.load(builder.gep(table, [_I64(0), builder.add(start, offset)])))
    return function


def _decode(builder: Builder, data: ir.Value, at: ir.Value) -> ir.Value:
    """Return the character beyond ASCII at an offset."""

    def bits(offset: int, kept: int) -> ir.Value:
        byte = load(builder, data, builder.add(at, _I64(offset)), _I8)
        return builder.zext(builder.and_(byte, _I8(kept)), _I64)

    def joined(parts: list[ir.Value]) -> ir.Value:
        point = parts[0]
        for part in parts[1:]:
            point = builder.or_(builder.shl(point, _I64(6)), part)
        return point

    point = cgutils.alloca_once(builder, _I64)
    lead = load(builder, data, at, _I8)
    with builder.if_else(builder.icmp_unsigned("<", lead, _I8(0xE0))) as (two, more):
        with two:
            builder.store(joined([bits(0, 0x1F), bits(1, 0x3F)]), point)
        with more, builder.if_else(builder.icmp_unsigned("<", lead, _I8(0xF0))) as (three, four):
            with three:
                builder.store(joined([bits(0, 0x0F), bits(1, 0x3F), bits(2, 0x3F)]), point)
            with four:
                builder.store(joined([bits(0, 0x07), *(bits(i, 0x3F) for i in (1, 2, 3))]), point)
    return builder.load(point)


def tables_of(classes: Classes) -> tuple[list[int], list[int]]:
    """Return blocks of the classes of characters, no two alike, and which block is whose."""
    every: list[int] = []
    ends = [*(first for first, _ in classes.ranges), classes.alphabet.last + 1]
    for (first, behind), (_, number) in zip(pairwise(ends), classes.ranges, strict=True):
        every += [number] * (behind - first)
    size = 1 << BLOCK_BITS
    found: dict[tuple[int, ...], int] = {}
    numbers = [
        found.setdefault(tuple(every[start : start + size]), len(found))
        for start in range(0, len(every), size)
    ]
    return [number for block in found for number in block], numbers


def constant_table(
    module: ir.Module, name: str, values: Sequence[int], kind: ir.IntType
) -> ir.GlobalVariable:
    """Return a table in the constants of a module."""
    if name in module.globals:
        return module.globals[name]
    array = ir.Constant(ir.ArrayType(kind, len(values)), [kind(value) for value in values])
    return cgutils.global_constant(module, name, array)
