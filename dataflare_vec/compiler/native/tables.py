"""Tables in memory, as compiled code reads them: one block each, which nothing writes to any more.

A block begins with a header of 64-bit words: how many keys or items there are, then what the parts of the
index (`definition.tables.keys`) and the columns (`definition.tables.kinds`) take, in order. Wherever
something lies is counted from the beginning of the block, so that it can lie anywhere, in a library too.

A part has its hash tables (`native.hash_tables`): where the entries begin, their mask, and of bytes where the
keys lie that are too long for an entry. A code in an entry is a row of the table. A tuple is looked up item
by item: the codes of two items are a word, whose code and that of the next item are the next word.

Machine code refers to a block by a symbol with the digest of its content, so that code out of a cache finds
its table again.
"""

from __future__ import annotations

import ctypes
import mmap
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from dataflare_vec._util.forks import wait_for_lock
from dataflare_vec.compiler.cache.loading import TABLE
from dataflare_vec.compiler.llvm import binding
from dataflare_vec.compiler.native.hash_tables import (
    BYTES_ENTRY,
    COUNT,
    HEAP,
    NULL_CODE,
    WORD_ENTRY,
    encode_bytes,
    encode_words,
)
from dataflare_vec.definition.tables.frozen import of_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from dataflare_vec.definition.tables.frozen import Frozen
    from dataflare_vec.definition.tables.keys import Keys

_SYMBOL = re.compile(rf"{re.escape(TABLE)}[0-9a-f]{{64}}")
_ALIGNMENT = 64
#: From how many bytes on pages are to be large ones.
_HUGE = 1 << 21
#: Bytes of a key that an entry holds.
_INLINE = 12
#: Keys whose hash table fits a cache.
_FEW = 1 << 14
_NO_MARKS = np.empty(0, np.uint8)

_lock = threading.RLock()
wait_for_lock(_lock)
_blocks: WeakValueDictionary[str, Block] = WeakValueDictionary()


class Block:
    """The memory of a table; it is there as long as this lives.

    Attributes
    ----------
    address, size
        Where it begins, and its bytes.
    """

    def __init__(self, pieces: Sequence[NDArray[Any]], size: int) -> None:
        self.size = size
        self._memory = _memory(size)
        view = np.frombuffer(self._memory, np.uint8)
        at = 0
        for piece in pieces:
            flat = piece.reshape(-1).view(np.uint8)
            view[at : at + len(flat)] = flat
            at = _aligned(at + len(flat))
        self.address = int(view.ctypes.data)
        _protect(self.address, size)

    def content(self) -> bytes:
        """Return what is in it."""
        return ctypes.string_at(self.address, self.size)


def _memory(size: int) -> mmap.mmap:
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= _HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without; half of the time of a look-up is finding its page
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _protect(address: int, size: int) -> None:
    """Have whoever writes into it end at once, where the system knows how to."""
    protect = getattr(ctypes.CDLL(None), "mprotect", None) if hasattr(mmap, "PROT_READ") else None
    if protect is not None:
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        protect(address, size, mmap.PROT_READ)


def block_of(table: Frozen) -> Block:
    """Return the memory of a table, made at the first call."""
    with _lock:
        block: Block | None = table.memory
        if block is None:
            name = symbol_of(table)
            block = _blocks.get(name)  # of another that is gone, while code that reads it isn't
            if block is None:
                block = _blocks[name] = _Writer(table).block()
            table.memory = block
            table.forget_arrays()
        return block


def symbol_of(table: Frozen) -> str:
    """Return the name by which machine code refers to a table."""
    return TABLE + table.digest


def is_table(symbol: str) -> bool:
    """Whether a symbol is that of a table."""
    return symbol.startswith(TABLE)


def named_in(code: str) -> set[str]:
    """Return the symbols of tables in a text of LLVM IR."""
    return {*_SYMBOL.findall(code)}


def find(symbol: str) -> Block | None:
    """Return the memory of the table that a symbol names; None if this process hasn't got it."""
    with _lock:
        block = _blocks.get(symbol)
        if block is None:
            table = of_digest(symbol.removeprefix(TABLE))
            block = None if table is None else block_of(table)
        return block


def define(table: Frozen) -> Block:
    """Make a table's memory, and tell LLVM where it is."""
    block = block_of(table)
    binding().add_symbol(symbol_of(table), block.address)
    return block


def held(symbols: Iterable[str]) -> tuple[Block, ...]:
    """Return the memory of tables, for those who read them to hold."""
    return tuple(block for symbol in symbols if is_table(symbol) and (block := find(symbol)) is not None)


class _Writer:
    """Lays out a table: what its header says, and what lies behind."""

    def __init__(self, table: Frozen) -> None:
        self._words = [table.count]
        kinds = [kind for kind in (table.key, table.value) if kind is not None]
        count = 1 + table.index.words + sum(kind.words for kind in kinds)
        self._at = _aligned(8 * count)
        self._pieces: list[NDArray[Any]] = []
        for keys in table.keys:
            self._codes(keys)
        self._words += [self._put(column) for column in table.columns]
        assert len(self._words) == count

    def block(self) -> Block:
        """Return the table in memory."""
        return Block([np.array(self._words, np.int64), *self._pieces], self._at)

    def _put(self, piece: NDArray[Any]) -> int:
        """Return where a piece will lie."""
        place = self._at
        self._pieces.append(piece)
        self._at = _aligned(place + piece.nbytes)
        return place

    def _codes(self, keys: Keys) -> NDArray[np.int64]:
        """Put the hash tables of a part; return the code of each key, the first row that has it."""
        name, rows = keys.part.name, keys.rows.astype(np.int64)
        if name == "none":
            self._words.append(int(rows[0]))
            return np.full(len(rows), rows[0])
        if name in ("text", "bytes"):
            places, heap = keys.arrays
            return self._put_bytes(places, heap, rows)
        if name == "wide":
            low, high = np.ascontiguousarray(keys.arrays[0].reshape(-1, 2).T)
            return self._put_chain([self._put_words(half, _local(rows)) for half in (low, high)], rows)
        if name == "tuple":
            return self._put_chain([self._item_codes(item, len(rows)) for item in keys.items], rows)
        return self._put_words(keys.arrays[0], rows)

    def _item_codes(self, parts: Sequence[Keys], count: int) -> NDArray[np.int64]:
        """Return the code of what each tuple has at one position; -1 for what nothing is equal to."""
        codes = np.full(count, -1, np.int64)
        for keys in parts:
            codes[keys.rows] = self._codes(keys)
        return codes

    def _put_chain(self, items: list[NDArray[np.int64]], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put the hash tables of pairs of codes: the first two, these with the third, and so on."""
        items = [*items, *[np.zeros(len(rows), np.int64)] * (2 - len(items))]
        there = np.flatnonzero(np.all([item >= 0 for item in items], axis=0))
        codes = items[0][there]
        for item in items[1:-1]:
            codes = self._put_words(codes << 32 | item[there], _local(there))
        codes = self._put_words(codes << 32 | items[-1][there], rows[there])
        found = np.full(len(rows), -1, np.int64)
        found[there] = codes
        return found

    def _put_words(self, words: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put a hash table of words; return the code of each, the first of its ``rows``."""
        entries, counts, codes, fresh = _room(len(words), WORD_ENTRY)
        encode_words(words.view(np.uint64), _NO_MARKS, 0, entries, counts, codes, fresh)
        return self._named(entries, WORD_ENTRY, codes, rows[fresh[: counts[COUNT]]])

    def _put_bytes(
        self, places: NDArray[Any], heap: NDArray[Any], rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Put a hash table of strings or bytes, and those that are too long for it."""
        views, long = _views(places, heap)
        buffers = np.array([heap.ctypes.data], np.uint64)
        kept = np.empty(long, np.uint8)
        entries, counts, codes, fresh = _room(len(rows), BYTES_ENTRY)
        encode_bytes(views, buffers, _NO_MARKS, 0, entries, counts, kept, codes, fresh)
        found = self._named(entries, BYTES_ENTRY, codes, rows[fresh[: counts[COUNT]]])
        self._words.append(self._put(kept[: counts[HEAP]]))
        return found

    def _named(
        self, entries: NDArray[Any], width: int, codes: NDArray[Any], rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Put a hash table whose codes are rows of the table, in place of numbers in first-seen order."""
        column = entries.reshape(-1, width)[:, 1 if width == WORD_ENTRY else 2]
        used = np.flatnonzero(column)
        column[used] = rows[column[used].astype(np.int64) - 1].astype(np.uint64) + np.uint64(1)
        self._words += [self._put(entries), len(column) - 1]
        found: NDArray[np.int64] = rows[codes]
        return found


def _room(count: int, width: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return entries of a table that will be at most half full, its counts, and what is told of each row.

    One that fits a cache is at most a quarter full: what a look-up takes is mostly a second probe.
    """
    size = 1 << max((4 if count <= _FEW else 2) * count - 1, 1).bit_length()
    counts = np.zeros(3, np.int64)
    counts[NULL_CODE] = -1
    return np.zeros(size * width, np.uint64), counts, np.empty(count, np.int32), np.empty(count, np.int64)


def _views(places: NDArray[Any], heap: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return Arrow's views of strings or bytes, two words each, and how many bytes the long ones have."""
    starts, lengths = places[:-1].astype(np.uint64), np.diff(places).astype(np.uint64)
    padded = np.concatenate([heap, np.zeros(16, np.uint8)])
    words = np.ndarray((len(padded) - 7,), np.uint64, padded, strides=(1,))  # from each byte on
    prefix = np.minimum(lengths, np.uint64(4))
    rest = np.minimum(np.maximum(lengths, np.uint64(4)) - np.uint64(4), np.uint64(8))
    views = np.empty((len(lengths), 2), np.uint64)
    views[:, 0] = lengths | _first_bytes(words[starts], prefix) << np.uint64(32)
    views[:, 1] = _first_bytes(words[starts + prefix], rest)
    is_long = lengths > _INLINE
    views[is_long, 1] = starts[is_long] << np.uint64(32)
    return views.reshape(-1), int(lengths[is_long].sum())


def _first_bytes(words: NDArray[Any], count: NDArray[Any]) -> NDArray[Any]:
    """Return words without the bytes behind the first ``count``, of at most 8."""
    bits = (np.uint64(8) - np.maximum(count, np.uint64(1))) * np.uint64(8)
    return np.where(count == 0, np.uint64(0), words << bits >> bits)


def _local(rows: NDArray[Any]) -> NDArray[np.int64]:
    return np.arange(len(rows), dtype=np.int64)


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT
