"""How a table is laid out in memory: its header, its hash tables, its columns, one behind the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dataflare_vec.compiler.native.hash_tables import (
    BYTES_ENTRY,
    COUNT,
    HEAP,
    NULL_CODE,
    WORD_ENTRY,
    encode_bytes,
    encode_words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataflare_vec.definition.tables.frozen import Frozen
    from dataflare_vec.definition.tables.keys import Keys

#: Wherever something lies is a multiple of it.
_ALIGNMENT = 64
#: Bytes of a key that an entry holds.
_INLINE = 12
#: Keys whose hash table fits a cache.
_FEW = 1 << 14
_NO_MARKS = np.empty(0, np.uint8)


def laid_out(table: Frozen) -> tuple[list[tuple[int, NDArray[Any]]], int]:
    """Return the pieces of a table, each with its place, and how many bytes it takes."""
    return _Writer(table).pieces()


class _Writer:
    """Lays out a table: what its header says, and what lies behind."""

    def __init__(self, table: Frozen) -> None:
        self._words = [table.count]
        kinds = [kind for kind in (table.key, table.value) if kind is not None]
        count = 1 + table.index.words + sum(kind.words for kind in kinds)
        self._at = _aligned(8 * count)
        self._pieces: list[tuple[int, NDArray[Any]]] = []
        for keys in table.keys:
            self._codes(keys)
        self._words += [self._put(_bytes_of(column)) for column in table.columns]
        assert len(self._words) == count

    def pieces(self) -> tuple[list[tuple[int, NDArray[Any]]], int]:
        """Return all that there is, the header first, and how many bytes it takes."""
        return [(0, np.array(self._words, np.int64)), *self._pieces], self._at

    def _put(self, piece: NDArray[Any]) -> int:
        """Return where a piece will lie."""
        place = self._at
        self._pieces.append((place, np.ascontiguousarray(piece)))
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


def _bytes_of(column: NDArray[Any] | Frozen) -> NDArray[Any]:
    """Return a column as it lies in memory; a table lies there as it would anywhere."""
    if isinstance(column, np.ndarray):
        return column
    pieces, size = laid_out(column)
    block = np.zeros(size, np.uint8)
    for place, piece in pieces:
        block[place : place + piece.nbytes] = piece.reshape(-1).view(np.uint8)
    return block


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
