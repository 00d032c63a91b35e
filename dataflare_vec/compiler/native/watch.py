"""Compiled functions that call a loop while a signal handler of ours stands for Python's.

For `dataflare_vec._util.interrupts`, which says why; the words are told there.
"""

from __future__ import annotations

import ctypes
import signal
from functools import cache

from dataflare_vec._util.interrupts import provide
from dataflare_vec.compiler.native.support import address_of

_SIGNAL = int(signal.SIGINT)


def _caller(count: int) -> str:
    """Return the function that calls a loop of so many arguments."""
    given = ", ".join(f"i64 %a{i}" for i in range(count))
    return f"""
define internal i64 @watch.{count}(ptr %words, ptr %loop, {given}) {{
  store ptr %words, ptr @words
  call void @begin(ptr %words)
  %result = call i64 %loop({given})
  %pressed = load atomic i64, ptr %words monotonic, align 8
  call void @end(ptr %words)
  %interrupted = icmp ne i64 %pressed, 0
  %returned = select i1 %interrupted, i64 -1, i64 %result
  ret i64 %returned
}}
"""


_CODE = f"""
@words = internal global ptr null

declare ptr @signal(i32, ptr)
declare i32 @siginterrupt(i32, i32)

define internal void @handler(i32 %signal) {{
  %words = load ptr, ptr @words
  store atomic i64 1, ptr %words monotonic, align 8
  %next.at = getelementptr i64, ptr %words, i64 1
  %next = load ptr, ptr %next.at
  %none = icmp eq ptr %next, null
  br i1 %none, label %done, label %on

on:
  call void %next(i32 %signal)
  ret void

done:
  ret void
}}

define internal void @lock(ptr %words) {{
entry:
  %at = getelementptr i64, ptr %words, i64 3
  br label %try

try:
  %was = atomicrmw xchg ptr %at, i64 1 acquire
  %free = icmp eq i64 %was, 0
  br i1 %free, label %done, label %try

done:
  ret void
}}

define internal void @unlock(ptr %words) {{
  %at = getelementptr i64, ptr %words, i64 3
  store atomic i64 0, ptr %at release, align 8
  ret void
}}

define internal void @begin(ptr %words) {{
  call void @lock(ptr %words)
  %running.at = getelementptr i64, ptr %words, i64 2
  %running = load i64, ptr %running.at
  %more = add i64 %running, 1
  store i64 %more, ptr %running.at
  %first = icmp eq i64 %running, 0
  br i1 %first, label %install, label %done

install:
  store atomic i64 0, ptr %words monotonic, align 8
  %next.at = getelementptr i64, ptr %words, i64 1
  store ptr null, ptr %next.at
  %before = call ptr @signal(i32 {_SIGNAL}, ptr @handler)
  %number = ptrtoint ptr %before to i64
  %shifted = add i64 %number, 1
  %special = icmp ult i64 %shifted, 3
  br i1 %special, label %leave, label %keep

leave:
  %again = call ptr @signal(i32 {_SIGNAL}, ptr %before)
  br label %done

keep:
  store ptr %before, ptr %next.at
  %restart = call i32 @siginterrupt(i32 {_SIGNAL}, i32 1)
  br label %done

done:
  call void @unlock(ptr %words)
  ret void
}}

define internal void @end(ptr %words) {{
  call void @lock(ptr %words)
  %running.at = getelementptr i64, ptr %words, i64 2
  %running = load i64, ptr %running.at
  %fewer = sub i64 %running, 1
  store i64 %fewer, ptr %running.at
  %next.at = getelementptr i64, ptr %words, i64 1
  %next = load ptr, ptr %next.at
  %last = icmp eq i64 %fewer, 0
  br i1 %last, label %reset, label %done

reset:
  store atomic i64 0, ptr %words monotonic, align 8
  %installed = icmp ne ptr %next, null
  br i1 %installed, label %restore, label %done

restore:
  %ours = call ptr @signal(i32 {_SIGNAL}, ptr %next)
  %restart = call i32 @siginterrupt(i32 {_SIGNAL}, i32 1)
  br label %done

done:
  call void @unlock(ptr %words)
  ret void
}}

{_caller(2)}
{_caller(5)}

define i64 @dfv.watch(ptr %addresses) {{
  store ptr @watch.2, ptr %addresses
  %second = getelementptr ptr, ptr %addresses, i64 1
  store ptr @watch.5, ptr %second
  ret i64 0
}}
"""


@cache
def _callers() -> tuple[int, int]:
    """Return the addresses of the functions that call a loop of two and of five arguments."""
    addresses = (ctypes.c_uint64 * 2)()
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address_of("dfv.watch", _CODE))
    function(ctypes.addressof(addresses))
    return addresses[0], addresses[1]


provide(_callers)
