"""Several compiled loops over small blocks of rows: what one writes, the next reads from the nearest cache.

The fused loop is a C function ``int64 fused(program, stages, skip, rows, step)``. It moves each stage's
argument buffer (see `jit.abi.arguments`) on by ``skip`` rows. Then, for each ``step`` of ``rows``, it calls
the loop of each stage and moves its arguments on to the next rows. It returns how many rows went through all
stages: fewer than ``rows`` if a loop said that one of the next ``step`` failed.

``program`` holds seven words for each stage: addresses of the loop, of its argument buffer and of the
arguments' strides, how many arguments there are, and a counter of the ticks it took; for a filter also the
address of the selection (else 0), and a counter of the rows that were selected.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from typing import TYPE_CHECKING

from dataflare_vec._util.interrupts import watched
from dataflare_vec.compiler.native.support import address_of

if TYPE_CHECKING:
    from collections.abc import Callable

#: Words of the program for each stage.
PROGRAM_WORDS = 7

_PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, *[ctypes.c_int64] * 4)

# Elsewhere reading the cycle counter may be forbidden to user programs; then the ticks stay 0.
_CLOCK = "call i64 @llvm.readcyclecounter()" if platform.machine() in ("x86_64", "AMD64") else "add i64 0, 0"

_CODE = f"""
declare i64 @llvm.readcyclecounter()
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.ctpop.i64(i64)

define internal void @move(ptr %arguments, ptr %strides, i64 %size, i64 %rows) {{
entry:
  br label %argument

argument:
  %j = phi i64 [ 0, %entry ], [ %j.next, %argument ]
  %argument.at = getelementptr i64, ptr %arguments, i64 %j
  %stride.at = getelementptr i64, ptr %strides, i64 %j
  %old = load i64, ptr %argument.at
  %stride = load i64, ptr %stride.at
  %far = mul i64 %stride, %rows
  %new = add i64 %old, %far
  store i64 %new, ptr %argument.at
  %j.next = add i64 %j, 1
  %more = icmp slt i64 %j.next, %size
  br i1 %more, label %argument, label %done

done:
  ret void
}}

define i64 @dfv.fused(ptr %program, i64 %stages, i64 %skip, i64 %rows, i64 %step) {{
entry:
  br label %begin

begin:
  %b = phi i64 [ 0, %entry ], [ %b.next, %begun ]
  %b.at = mul i64 %b, {PROGRAM_WORDS}
  %b.words = getelementptr i64, ptr %program, i64 %b.at
  %b.arguments.at = getelementptr i64, ptr %b.words, i64 1
  %b.strides.at = getelementptr i64, ptr %b.words, i64 2
  %b.size.at = getelementptr i64, ptr %b.words, i64 3
  %b.ticks.at = getelementptr i64, ptr %b.words, i64 4
  %b.selection.at = getelementptr i64, ptr %b.words, i64 5
  %b.selected.at = getelementptr i64, ptr %b.words, i64 6
  %b.arguments = load ptr, ptr %b.arguments.at
  %b.strides = load ptr, ptr %b.strides.at
  %b.size = load i64, ptr %b.size.at
  call void @move(ptr %b.arguments, ptr %b.strides, i64 %b.size, i64 %skip)
  store i64 0, ptr %b.ticks.at
  store i64 0, ptr %b.selected.at
  %b.selection = load ptr, ptr %b.selection.at
  %b.filters = icmp ne ptr %b.selection, null
  br i1 %b.filters, label %begin.filter, label %begun

begin.filter:
  %b.bytes = ashr i64 %skip, 3
  %b.selection.next = getelementptr i8, ptr %b.selection, i64 %b.bytes
  store ptr %b.selection.next, ptr %b.selection.at
  br label %begun

begun:
  %b.next = add i64 %b, 1
  %b.more = icmp slt i64 %b.next, %stages
  br i1 %b.more, label %begin, label %start

start:
  %some = icmp sgt i64 %rows, 0
  br i1 %some, label %rows.next, label %done

rows.next:
  %row = phi i64 [ 0, %start ], [ %row.end, %stage.last ]
  %left = sub i64 %rows, %row
  %count = call i64 @llvm.smin.i64(i64 %left, i64 %step)
  %row.end = add i64 %row, %count
  br label %stage

stage:
  %i = phi i64 [ 0, %rows.next ], [ %i.next, %on ]
  %at = mul i64 %i, {PROGRAM_WORDS}
  %words = getelementptr i64, ptr %program, i64 %at
  %arguments.at = getelementptr i64, ptr %words, i64 1
  %strides.at = getelementptr i64, ptr %words, i64 2
  %size.at = getelementptr i64, ptr %words, i64 3
  %ticks.at = getelementptr i64, ptr %words, i64 4
  %selection.at = getelementptr i64, ptr %words, i64 5
  %selected.at = getelementptr i64, ptr %words, i64 6
  %loop = load ptr, ptr %words
  %arguments = load ptr, ptr %arguments.at
  %strides = load ptr, ptr %strides.at
  %size = load i64, ptr %size.at
  %began = {_CLOCK}
  %failed = call i64 %loop(ptr %arguments, i64 %count)
  %ended = {_CLOCK}
  %ticks.before = load i64, ptr %ticks.at
  %ticks.taken = sub i64 %ended, %began
  %ticks = add i64 %ticks.before, %ticks.taken
  store i64 %ticks, ptr %ticks.at
  %ok = icmp eq i64 %failed, 0
  br i1 %ok, label %passed, label %stopped

passed:
  %selection = load ptr, ptr %selection.at
  %filters = icmp ne ptr %selection, null
  br i1 %filters, label %word, label %on

word:
  %k = phi i64 [ 0, %passed ], [ %k.next, %word ]
  %word.at = getelementptr i64, ptr %selection, i64 %k
  %bits = load i64, ptr %word.at
  %bits.before = mul i64 %k, 64
  %bits.left = sub i64 %count, %bits.before
  %partial = icmp slt i64 %bits.left, 64
  %shift = and i64 %bits.left, 63
  %one = shl i64 1, %shift
  %ones = sub i64 %one, 1
  %mask = select i1 %partial, i64 %ones, i64 -1
  %wanted = and i64 %bits, %mask
  %some.wanted = call i64 @llvm.ctpop.i64(i64 %wanted)
  %selected.before = load i64, ptr %selected.at
  %selected = add i64 %selected.before, %some.wanted
  store i64 %selected, ptr %selected.at
  %k.next = add i64 %k, 1
  %seen = mul i64 %k.next, 64
  %more.words = icmp slt i64 %seen, %count
  br i1 %more.words, label %word, label %counted

counted:
  %bytes = lshr i64 %count, 3
  %selection.next = getelementptr i8, ptr %selection, i64 %bytes
  store ptr %selection.next, ptr %selection.at
  br label %on

on:
  call void @move(ptr %arguments, ptr %strides, i64 %size, i64 %count)
  %i.next = add i64 %i, 1
  %more.stages = icmp slt i64 %i.next, %stages
  br i1 %more.stages, label %stage, label %stage.last

stage.last:
  %more.rows = icmp slt i64 %row.end, %rows
  br i1 %more.rows, label %rows.next, label %done

stopped:
  ret i64 %row

done:
  ret i64 %rows
}}
"""


@cache
def fused_loop(*, looks: bool = False) -> Callable[[int, int, int, int, int], int]:
    """Return ``fused(address of the program, stages, skip, rows, step) -> rows that went through``.

    Parameters
    ----------
    looks
        Whether Ctrl-C is to end the loops.
    """
    address = address_of("dfv.fused", _CODE)
    return watched(address, 5) if looks else _PROTOTYPE(address)
