"""Hash tables that keys are looked up in: how they lie in memory, and what fills them.

The functions are called without Numba: they come from the cache, or are compiled. Kernels look up in such
tables, too (`jit.lowering.tables`).
"""

from __future__ import annotations

from array import array
from functools import cache
from typing import TYPE_CHECKING, Any

from dataflare_vec.compiler.kernel import PROTOTYPE
from dataflare_vec.compiler.native.numba import module_of_compiler
from dataflare_vec.compiler.native.support import address_of_compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    #: uint64, of keys, entries and views.
    Words = NDArray[np.uint64]
    #: uint8, of marks and copies of keys.
    Bytes = NDArray[np.uint8]
    #: int32, one for each row.
    Codes = NDArray[np.int32]
    #: int64, of counts and rows.
    Counts = NDArray[np.int64]

#: What a mark says of a row: its key is null, or it isn't there at all. No mark is 0.
NULL, ABSENT = 1, 2

#: Indices into a table's counts: how many keys, the null's code or -1, bytes of the heap in use.
COUNT, NULL_CODE, HEAP = 0, 1, 2

#: Indices into what is counted of sessions: the latest time, whether there was one, how many have begun.
CLOCK, STARTED, SESSIONS = 0, 1, 2

#: Words of an entry: of words (key, code + 1), of bytes (two words that tell keys apart, code + 1, place in
#: the heap). A code of 0 is a free entry.
WORD_ENTRY, BYTES_ENTRY = 2, 4


def encode_words(
    words: Words, marks: Bytes, start: int, entries: Words, counts: Counts, codes: Codes, fresh: Counts
) -> int:
    """Write the code of each row from ``start`` on; return the row that there was no room for.

    Parameters
    ----------
    words
        uint64: equal where the keys are.
    marks
        uint8, `NULL`, `ABSENT` or 0; empty if all are 0.
    entries
        uint64 entries of the table, a power of two of them.
    counts
        int64: see `COUNT`.
    codes
        int32, one a row: written.
    fresh
        int64: the row of each new key is written, in order.
    """
    return _call("encode_words", words, marks, start, entries, counts, codes, fresh)


def encode_bytes(
    views: Words,
    buffers: Words,
    marks: Bytes,
    start: int,
    entries: Words,
    counts: Counts,
    heap: Bytes,
    codes: Codes,
    fresh: Counts,
) -> int:
    """Write the code of each row from ``start`` on; return the row that there was no room for.

    Parameters as in `encode_words`, and:

    Parameters
    ----------
    views
        uint64, two a row: Arrow's string views.
    buffers
        uint64: addresses of the buffers that longer strings lie in.
    heap
        uint8: copies of the keys that are longer than a view holds.
    """
    return _call("encode_bytes", views, buffers, marks, start, entries, counts, heap, codes, fresh)


def open_sessions(
    codes: Codes,
    times: Counts,
    marks: Bytes,
    limit: int,
    of_key: Codes,
    keys_of: Codes,
    last: Counts,
    counts: Counts,
) -> None:
    """Write the session of each row instead of its key's code: a new one where the key has expired.

    Parameters
    ----------
    codes
        int32, one a row: read and written.
    times
        int64, one a row; empty if rows are counted.
    marks
        As in `encode_words`, of the times. At a null the clock stands still.
    limit
        By how much the clock goes on until a key expires.
    of_key, keys_of
        int32: the session of each key, or -1, and the key of each session, with room for one a row.
    last
        int64: the clock at the last row of each session.
    counts
        int64: see `CLOCK`.
    """
    _call("open_sessions", codes, times, marks, limit, of_key, keys_of, last, counts)


def rehash(old: Words, new: Words, width: int) -> None:
    """Put the entries of a table, ``width`` words each, into a larger one that is empty."""
    _call("rehash", old, new, width)


def pair(first: Codes, second: Codes, words: Words) -> None:
    """Write words that are equal where both codes are."""
    _call("pair", first, second, words)


def plain_floats(bits: Words, words: Words) -> None:
    """Write the bits of 64-bit floats, one NaN for all and one zero for both."""
    _call("plain_floats", bits, bits, words)


def _call(name: str, *arguments: Any) -> int:
    words: list[int] = []
    for argument in arguments:
        words += (argument,) if isinstance(argument, int) else (argument.ctypes.data, len(argument))
    argument_buffer = array("q", words)
    return _function(name)(argument_buffer.buffer_info()[0], 0)


@cache
def _function(name: str) -> Callable[[int, int], int]:
    def compile_() -> Any:
        return module_of_compiler("codegen.hash_tables").compile_function(name)

    return PROTOTYPE(address_of_compiled(f"keys.{name}", compile_))
