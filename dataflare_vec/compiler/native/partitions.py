"""A loop over one partition of the rows after the other, each with a state of its own, in compiled code.

Threads take partitions as they take chunks of any frame (see `team`), where each argument changes by a fixed
number from row to row. The address of a state doesn't: this makes it of the number of the partition's first
row, which does.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from dataflare_vec.compiler.native.support import address_of
from dataflare_vec.compiler.native.team import compute_shared

if TYPE_CHECKING:
    from collections.abc import Sequence

# The arguments: the loop's address; the number of the first row; the address of the first state, the bytes of
# one, and the rows of a partition; then those of the loop, of which the state is the first.
_CODE = """
define i64 @dfv.partitions(ptr %arguments, i64 %rows) {
  %row.at = getelementptr i64, ptr %arguments, i64 1
  %states.at = getelementptr i64, ptr %arguments, i64 2
  %size.at = getelementptr i64, ptr %arguments, i64 3
  %each.at = getelementptr i64, ptr %arguments, i64 4
  %own = getelementptr i64, ptr %arguments, i64 5
  %loop = load ptr, ptr %arguments
  %row = load i64, ptr %row.at
  %states = load i64, ptr %states.at
  %size = load i64, ptr %size.at
  %each = load i64, ptr %each.at
  %partition = udiv i64 %row, %each
  %far = mul i64 %partition, %size
  %state = add i64 %states, %far
  store i64 %state, ptr %own
  %failed = call i64 %loop(ptr %own, i64 %rows)
  ret i64 %failed
}
"""


def compute_partitions(
    loop: int,
    states: tuple[int, int],
    arguments: Sequence[int],
    strides: Sequence[int],
    rows: int,
    each: int,
    threads: int,
) -> tuple[int, int]:
    """Call a loop for one partition after the other, on some threads; see `compute_shared`.

    Parameters
    ----------
    loop
        Its address.
    states
        Where the states of the partitions lie, one after the other, and the bytes of one.
    arguments, strides
        Those of the loop, and by how much each changes from row to row; the first is the state's address,
        whatever is given.
    rows, each, threads
        How many rows there are, how many a partition has, a multiple of 64, and how many threads there may be
        at work.

    Returns
    -------
    tuple of int
        Whether some row failed; then not all are computed. How many rows this thread has computed.
    """
    words = array("q", [loop, 0, *states, each, *arguments])
    steps = array("q", [0, 1, 0, 0, 0, *strides])
    return compute_shared(address_of("dfv.partitions", _CODE), words, steps, rows, each, threads)
