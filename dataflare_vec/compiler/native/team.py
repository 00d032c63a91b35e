"""Rows of one call shared out by compiled code: threads that wait in it take chunks, without the GIL.

A helper is a thread of Python's that has called `serve`, in which it stays. It waits there for a lock of
Python's, which needs no GIL and is there on each system. Whoever has rows to share takes helpers that are
idle, wakes them, and computes chunks himself until none is left. A helper that hasn't begun by then isn't
waited for: on a busy machine it may come late. So two threads aren't slower than one by more than it takes to
wake one.

A program of words says what is to be done; a helper finds it in the state of its record:

- 0: it is idle;
- the address of a program: it has been woken, and may begin;
- the same + 1: it computes chunks;
- the same + 3: it does, and the caller waits for the lock `done`; then the caller makes it idle.
"""

from __future__ import annotations

import ctypes
import platform
import threading
from array import array
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from dataflare_vec._util import forks
from dataflare_vec._util.interrupts import watched, words
from dataflare_vec.compiler.kernel import PROTOTYPE
from dataflare_vec.compiler.native.support import address_in_python, address_of, keep_for_ever

if TYPE_CHECKING:
    from collections.abc import Callable

#: Helpers there may be, and words of the record of each: two lines of the cache, so that none writes where
#: another one reads.
_MOST, _RECORD = 256, 16

#: How often a caller looks whether a helper is done before it sleeps: some ten microseconds.
_LOOKS = 400

# Tells the processor that it waits in a loop.
_DECLARED, _PAUSE = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}.get({"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine()), ("", ""))

# The words of a program: the next row that nobody has taken, and 1 if a row failed or -1 if Ctrl-C ended all,
# both changed by all threads; rows of a chunk; address of the loop, of its arguments, of their strides, and
# how many; of the helpers' records, and how many may be woken; how many rows there are, and how many the
# caller computed; the address of a word that isn't 0 if Ctrl-C was pressed.
#
# The words of a record: the state; the locks `wake` and `done`; addresses of the functions that take and
# release a lock. In place of the first record is the number of helpers.
_CODE = f"""
declare i64 @llvm.smin.i64(i64, i64)
{_DECLARED}

define internal i64 @take(ptr %program, i64 %rows) noinline {{
entry:
  %failed.at = getelementptr i64, ptr %program, i64 1
  %chunk.at = getelementptr i64, ptr %program, i64 2
  %loop.at = getelementptr i64, ptr %program, i64 3
  %arguments.at = getelementptr i64, ptr %program, i64 4
  %strides.at = getelementptr i64, ptr %program, i64 5
  %size.at = getelementptr i64, ptr %program, i64 6
  %pressed.at.at = getelementptr i64, ptr %program, i64 11
  %chunk = load i64, ptr %chunk.at
  %loop = load ptr, ptr %loop.at
  %arguments = load ptr, ptr %arguments.at
  %strides = load ptr, ptr %strides.at
  %size = load i64, ptr %size.at
  %pressed.at = load ptr, ptr %pressed.at.at
  %own = alloca i64, i64 %size, align 8
  br label %next

next:
  %done = phi i64 [ 0, %entry ], [ %done.now, %computed ]
  %start = atomicrmw add ptr %program, i64 %chunk monotonic, align 8
  %left = sub i64 %rows, %start
  %some = icmp sgt i64 %left, 0
  br i1 %some, label %look, label %finished

look:
  %failed = load atomic i64, ptr %failed.at monotonic, align 8
  %go.on = icmp eq i64 %failed, 0
  br i1 %go.on, label %listen, label %finished

listen:
  %pressed = load atomic i64, ptr %pressed.at monotonic, align 8
  %quiet = icmp eq i64 %pressed, 0
  br i1 %quiet, label %argument, label %interrupted

argument:
  %j = phi i64 [ 0, %listen ], [ %j.next, %argument ]
  %argument.at = getelementptr i64, ptr %arguments, i64 %j
  %stride.at = getelementptr i64, ptr %strides, i64 %j
  %own.at = getelementptr i64, ptr %own, i64 %j
  %first = load i64, ptr %argument.at
  %stride = load i64, ptr %stride.at
  %far = mul i64 %stride, %start
  %here = add i64 %first, %far
  store i64 %here, ptr %own.at
  %j.next = add i64 %j, 1
  %more = icmp slt i64 %j.next, %size
  br i1 %more, label %argument, label %compute

compute:
  %count = call i64 @llvm.smin.i64(i64 %left, i64 %chunk)
  %result = call i64 %loop(ptr %own, i64 %count)
  %right = icmp eq i64 %result, 0
  br i1 %right, label %computed, label %wrong

wrong:
  store atomic i64 1, ptr %failed.at monotonic, align 8
  br label %computed

; Whoever looks at the word later may find that it has been let go.
interrupted:
  store atomic i64 -1, ptr %failed.at monotonic, align 8
  br label %finished

computed:
  %done.now = add i64 %done, %count
  br label %next

finished:
  ret i64 %done
}}

; Do what a helper is woken for, again and again.
define internal i64 @serve(ptr %record, i64 %unused) {{
entry:
  %wake.at = getelementptr i64, ptr %record, i64 1
  %done.at = getelementptr i64, ptr %record, i64 2
  %acquire.at = getelementptr i64, ptr %record, i64 3
  %release.at = getelementptr i64, ptr %record, i64 4
  %wake = load ptr, ptr %wake.at
  %done = load ptr, ptr %done.at
  %acquire = load ptr, ptr %acquire.at
  %release = load ptr, ptr %release.at
  br label %sleep

sleep:
  %woken = call i32 %acquire(ptr %wake, i32 1)
  %state = load atomic i64, ptr %record monotonic, align 8
  %idle = icmp eq i64 %state, 0
  %flags = and i64 %state, 7
  %flagged = icmp ne i64 %flags, 0
  %late = or i1 %idle, %flagged
  br i1 %late, label %sleep, label %begin

begin:
  %begun = or i64 %state, 1
  %pair = cmpxchg ptr %record, i64 %state, i64 %begun acquire monotonic, align 8
  %mine = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %mine, label %work, label %sleep

work:
  %program = inttoptr i64 %state to ptr
  %rows.at = getelementptr i64, ptr %program, i64 9
  %rows = load i64, ptr %rows.at
  %rows.done = call i64 @take(ptr %program, i64 %rows)
  %pair.end = cmpxchg ptr %record, i64 %begun, i64 0 release monotonic, align 8
  %unawaited = extractvalue {{ i64, i1 }} %pair.end, 1
  br i1 %unawaited, label %sleep, label %awaited

awaited:
  call void %release(ptr %done)
  br label %sleep
}}

; Compute all rows, with helpers; returns 1 if some failed, -1 if Ctrl-C was pressed.
define internal i64 @share(ptr %program, i64 %rows) {{
entry:
  %failed.at = getelementptr i64, ptr %program, i64 1
  %team.at = getelementptr i64, ptr %program, i64 7
  %wanted.at = getelementptr i64, ptr %program, i64 8
  %rows.at = getelementptr i64, ptr %program, i64 9
  %own.at = getelementptr i64, ptr %program, i64 10
  %team = load ptr, ptr %team.at
  %wanted = load i64, ptr %wanted.at
  %size = load atomic i64, ptr %team acquire, align 8
  %me = ptrtoint ptr %program to i64
  %begun = or i64 %me, 1
  %waiting = or i64 %me, 3
  store i64 %rows, ptr %rows.at
  br label %each

each:
  %i = phi i64 [ 0, %entry ], [ %i.next, %on ]
  %left = phi i64 [ %wanted, %entry ], [ %left.now, %on ]
  %there = icmp slt i64 %i, %size
  %needed = icmp sgt i64 %left, 0
  %more = and i1 %there, %needed
  br i1 %more, label %one, label %work

one:
  %i.next = add i64 %i, 1
  %at = mul i64 %i.next, {_RECORD}
  %record = getelementptr i64, ptr %team, i64 %at
  %now = load atomic i64, ptr %record monotonic, align 8
  %idle = icmp eq i64 %now, 0
  br i1 %idle, label %try, label %on

try:
  %pair = cmpxchg ptr %record, i64 0, i64 %me acq_rel monotonic, align 8
  %mine = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %mine, label %call, label %on

call:
  %wake.at = getelementptr i64, ptr %record, i64 1
  %release.at = getelementptr i64, ptr %record, i64 4
  %wake = load ptr, ptr %wake.at
  %release = load ptr, ptr %release.at
  call void %release(ptr %wake)
  %fewer = sub i64 %left, 1
  br label %on

on:
  %left.now = phi i64 [ %left, %one ], [ %left, %try ], [ %fewer, %call ]
  br label %each

work:
  %own = call i64 @take(ptr %program, i64 %rows)
  store i64 %own, ptr %own.at
  br label %leave

leave:
  %k = phi i64 [ 0, %work ], [ %k.next, %next ]
  %k.more = icmp slt i64 %k, %size
  br i1 %k.more, label %look, label %finished

look:
  %k.next = add i64 %k, 1
  %k.at = mul i64 %k.next, {_RECORD}
  %helper = getelementptr i64, ptr %team, i64 %k.at
  br label %again

again:
  %looks = phi i64 [ 0, %look ], [ %looks.next, %pause ]
  %state = load atomic i64, ptr %helper acquire, align 8
  %rest = and i64 %state, -8
  %of.mine = icmp eq i64 %rest, %me
  br i1 %of.mine, label %took, label %next

took:
  %not.begun = icmp eq i64 %state, %me
  br i1 %not.begun, label %withdraw, label %busy

withdraw:
  %pair.back = cmpxchg ptr %helper, i64 %me, i64 0 acquire monotonic, align 8
  %back = extractvalue {{ i64, i1 }} %pair.back, 1
  br i1 %back, label %next, label %busy

busy:
  %looks.next = add i64 %looks, 1
  %patient = icmp slt i64 %looks.next, {_LOOKS}
  br i1 %patient, label %pause, label %await

pause:
  {_PAUSE}
  br label %again

await:
  %pair.wait = cmpxchg ptr %helper, i64 %begun, i64 %waiting acquire acquire, align 8
  %waits = extractvalue {{ i64, i1 }} %pair.wait, 1
  br i1 %waits, label %wait, label %next

wait:
  %done.at = getelementptr i64, ptr %helper, i64 2
  %acquire.at = getelementptr i64, ptr %helper, i64 3
  %done = load ptr, ptr %done.at
  %acquire = load ptr, ptr %acquire.at
  %awaited = call i32 %acquire(ptr %done, i32 1)
  store atomic i64 0, ptr %helper release, align 8
  br label %next

next:
  br label %leave

finished:
  %failed = load atomic i64, ptr %failed.at monotonic, align 8
  ret i64 %failed
}}

define i64 @dfv.team(ptr %addresses) {{
  store ptr @share, ptr %addresses
  %second = getelementptr ptr, ptr %addresses, i64 1
  store ptr @serve, ptr %second
  ret i64 0
}}
"""


class _Team:
    """Helpers of this process; threads that end with it.

    Attributes
    ----------
    address : int
        Of their records.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._size = 0
        self._records = (ctypes.c_int64 * (_RECORD * (_MOST + 1)))()
        keep_for_ever(self._records)
        self.address = ctypes.addressof(self._records)

    def grow(self, helpers: int) -> None:
        """Have so many helpers, or as many as there may be."""
        if self._size >= helpers:
            return
        with self._lock, suppress(RuntimeError):  # the interpreter ends, or the system has no more threads
            while self._size < min(helpers, _MOST):
                self._start(self._size + 1)
                self._size += 1
                self._records[0] = self._size

    def _start(self, number: int) -> None:
        first = number * _RECORD
        acquire, release = map(address_in_python, ("PyThread_acquire_lock", "PyThread_release_lock"))
        self._records[first : first + 5] = [0, _taken_lock(), _taken_lock(), acquire, release]
        address = self.address + first * ctypes.sizeof(ctypes.c_int64)
        name = f"dataflare_vec_helper_{number}"
        threading.Thread(target=PROTOTYPE(functions()[1]), args=(address, 0), name=name, daemon=True).start()


def _taken_lock() -> int:
    """Return the address of a lock of Python's that is taken."""
    allocate = ctypes.pythonapi.PyThread_allocate_lock
    allocate.restype = ctypes.c_void_p
    lock: int | None = allocate()
    if lock is None:
        raise MemoryError
    ctypes.pythonapi.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
    return lock


@cache
def functions() -> tuple[int, int]:
    """Return the addresses of what shares the rows of a program out, and of what a helper calls."""
    found = (ctypes.c_uint64 * 2)()
    ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address_of("dfv.team", _CODE))(ctypes.addressof(found))
    return found[0], found[1]


@cache
def _share() -> Callable[[int, int], int]:
    """Return what shares the rows of a program out, until Ctrl-C is pressed."""
    return watched(functions()[0], 2)


_team = _Team()


def _after_fork() -> None:
    # The child has none of the threads.
    global _team
    _team = _Team()


forks.call_in_child(_after_fork)


def have_helpers(threads: int) -> None:
    """Compile what they call, and start them, if there aren't enough for so many threads."""
    functions()
    _team.grow(threads - 1)


def compute_shared(
    loop: int,
    arguments: array[int],
    strides: array[int],
    rows: int,
    chunk: int,
    threads: int,
) -> tuple[int, int]:
    """Call a loop for chunk after chunk, on this thread and on helpers that are idle.

    Ctrl-C ends it between two chunks, and within one if the loop looks.

    Parameters
    ----------
    loop
        Its address.
    arguments
        Those for all rows.
    strides
        By how much each of them changes from row to row.
    rows
        How many there are.
    chunk
        Rows of a chunk, a multiple of 64.
    threads
        How many there may be at work.

    Returns
    -------
    tuple of int
        Whether some row failed; then not all are computed. How many rows this thread has computed.
    """
    have_helpers(threads)
    addresses = [one.buffer_info()[0] for one in (arguments, strides)]
    told = [0, 0, chunk, loop, *addresses, len(strides), _team.address, threads - 1, rows, 0]
    program = array("q", [*told, ctypes.addressof(words)])
    failed = _share()(program.buffer_info()[0], rows)
    return failed, program[10]
