"""Key columns of any dtype as codes in first-seen order, over chunk after chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from dataflare_vec._util.names import named, unnamed
from dataflare_vec.compiler.native.hash_tables import (
    ABSENT,
    BYTES_ENTRY,
    COUNT,
    HEAP,
    NULL,
    NULL_CODE,
    WORD_ENTRY,
    encode_bytes,
    encode_words,
    pair,
    plain_floats,
    rehash,
)
from dataflare_vec.exceptions import ColumnTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    #: One code for each row.
    Codes = NDArray[np.int32]

_SMALLEST = 1 << 10  # entries of a new table
_LONG = (pl.Int128, pl.UInt128)
_NO_MARKS = np.empty(0, np.uint8)


def check_key_types(plugin: str, schema: Mapping[str, Any]) -> None:
    """Raise if a key is of a dtype that isn't hashable.

    Raises
    ------
    ColumnTypeError
        Saying which dtypes are.
    """
    for name, dtype in schema.items():
        if not (_is_word(dtype) or dtype in (pl.String, pl.Binary, *_LONG) or dtype.is_decimal()):
            raise ColumnTypeError(
                problem=f"key column `{name}` is {dtype}, which can't be a key",
                plugin=plugin,
                column=name,
                expected="a number, bool, string, binary, category, date, time or decimal",
                got=dtype,
                hint="a key is a number, bool, string, binary, category, date, time or decimal",
            )


def _is_word(dtype: Any) -> bool:
    if dtype in _LONG:
        return False
    plain = dtype.is_integer() or dtype.is_float() or dtype.is_temporal()
    return plain or dtype in (pl.Boolean, pl.Categorical, pl.Enum, pl.Null)


class Keys:
    """The distinct keys of some columns, with a code for each.

    NaN equals NaN, -0.0 equals 0.0, a null is a key of its own.

    Parameters
    ----------
    schema
        Names and dtypes of the key columns.
    known
        Keys that have the first codes already, distinct and in order.
    """

    def __init__(self, schema: Mapping[str, Any], known: pl.DataFrame | None = None) -> None:
        self.schema = dict(schema)
        self._columns = [_encoder_for(dtype) for dtype in schema.values()]
        self._pairs = [_Words() for _ in self._columns[1:]]
        self._seen: list[pl.DataFrame] = []
        self.count = 0
        if known is not None and known.height:
            self.encode(known.get_columns(), None)

    def frame(self) -> pl.DataFrame:
        """Return the keys, one row each, in first-seen order."""
        if len(self._seen) != 1:
            empty = pl.DataFrame(schema=self.schema)
            self._seen = [pl.concat([empty, *self._seen]) if self._seen else empty]
        return self._seen[0]

    def encode(self, columns: Sequence[pl.Series], selected: pl.Series | None) -> Codes:
        """Return the code of each row; rows that aren't selected have any, and aren't seen."""
        columns = [unnamed(column) for column in columns]
        absent = None if selected is None or selected.all() else ~selected
        codes, fresh = self._columns[0].encode(columns[0], absent)
        marks = _NO_MARKS if absent is None else marks_of(None, absent)
        for encoder, column, pairs in zip(self._columns[1:], columns[1:], self._pairs, strict=True):
            others, _ = encoder.encode(column, absent)
            words = np.empty(len(codes), np.uint64)
            pair(codes, others, words)
            codes, fresh = pairs.encode(words, marks)
        if len(fresh):
            # `gather` is a query of Polars', as is a frame of some columns with a schema.
            rows = pl.Series(fresh.astype(np.uint32))
            keys = [column if len(fresh) == len(column) else column[rows] for column in columns]
            self._seen.append(
                named([column.alias(name) for column, name in zip(keys, self.schema, strict=True)])
            )
            self.count += len(fresh)
        return codes


def marks_of(series: pl.Series | None, absent: pl.Series | None) -> NDArray[np.uint8]:
    """Return the marks of rows: of those with a null in ``series``, and of those that aren't there."""
    if series is None or not series.null_count():
        return _NO_MARKS if absent is None else absent.cast(pl.UInt8).to_numpy() * np.uint8(ABSENT)
    marks = series.is_null().cast(pl.UInt8).to_numpy() * np.uint8(NULL)
    if absent is not None:
        marks[absent.to_numpy()] = ABSENT
    return marks


class _Table:
    """Entries of a compiled hash table, which grow."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._entries = np.zeros(_SMALLEST * width, np.uint64)
        self._counts = np.zeros(3, np.int64)
        self._counts[NULL_CODE] = -1

    @property
    def _is_full(self) -> bool:
        return bool(self._counts[COUNT] >= len(self._entries) // self._width // 2)

    def _grow(self) -> None:
        larger = np.zeros(len(self._entries) * 4, np.uint64)
        rehash(self._entries, larger, self._width)
        self._entries = larger


class _Words(_Table):
    """A table of 64-bit keys."""

    def __init__(self) -> None:
        super().__init__(WORD_ENTRY)

    def encode(self, words: NDArray[np.uint64], marks: NDArray[np.uint8]) -> tuple[Codes, NDArray[np.int64]]:
        """Return the code of each row, and the rows of new keys."""
        codes = np.empty(len(words), np.int32)
        fresh = np.empty(len(words), np.int64)
        before, row = int(self._counts[COUNT]), 0
        while True:
            new = fresh[int(self._counts[COUNT]) - before :]
            row = encode_words(words, marks, row, self._entries, self._counts, codes, new)
            if row >= len(words):
                return codes, fresh[: int(self._counts[COUNT]) - before]
            self._grow()


class _WordColumn(_Words):
    """A column whose values are 64 bits or fewer."""

    def encode(  # type: ignore[override]
        self, series: pl.Series, absent: pl.Series | None
    ) -> tuple[Codes, NDArray[np.int64]]:
        """Return the code of each row, and the rows of new keys."""
        return super().encode(words_of(series), marks_of(series, absent))


def words_of(series: pl.Series) -> NDArray[np.uint64]:
    """Return 64 bits for each row: the same for equal values, anything for nulls."""
    if series.dtype == pl.Null:
        return np.zeros(len(series), np.uint64)
    # `to_physical` is a query of Polars', which takes longer than a thousand keys.
    physical = series if series.dtype.is_numeric() else series.to_physical()
    is_float = physical.dtype.is_float()
    if is_float:
        physical = physical.cast(pl.Float64)
    elif physical.dtype != pl.UInt64:
        physical = physical.cast(pl.Int64)
    if physical.null_count():
        array = physical.rechunk().to_arrow()
        values = np.frombuffer(array.buffers()[1] or b"", np.uint64)
        values = values[array.offset : array.offset + len(array)]
    else:
        values = physical.rechunk().to_numpy().view(np.uint64)
    if is_float:
        words = np.empty(len(values), np.uint64)
        plain_floats(values, words)
        return words
    return values


class _BytesColumn(_Table):
    """A column of strings or bytes, or of what becomes one."""

    def __init__(self) -> None:
        super().__init__(BYTES_ENTRY)
        self._heap = np.empty(1 << 12, np.uint8)

    def encode(self, series: pl.Series, absent: pl.Series | None) -> tuple[Codes, NDArray[np.int64]]:
        """Return the code of each row, and the rows of new keys."""
        if series.dtype.is_integer():
            series = series.cast(pl.String)  # of 128 bits: Arrow hasn't got them
        array = series.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())  # as views
        _, held, *more = array.buffers()
        views = np.frombuffer(held or b"", np.uint64)[2 * array.offset : 2 * (array.offset + len(array))]
        buffers = np.array([buffer.address for buffer in more], np.uint64)
        marks = marks_of(series, absent)
        codes = np.empty(len(series), np.int32)
        fresh = np.empty(len(series), np.int64)
        before, row = int(self._counts[COUNT]), 0
        while True:
            new = fresh[int(self._counts[COUNT]) - before :]
            row = encode_bytes(
                views, buffers, marks, row, self._entries, self._counts, self._heap, codes, new
            )
            if row >= len(series):
                return codes, fresh[: int(self._counts[COUNT]) - before]
            if self._is_full:
                self._grow()
            else:
                length = int(views[2 * row] & np.uint64(0xFFFFFFFF))
                used = int(self._counts[HEAP])
                larger = np.empty(2 * len(self._heap) + length, np.uint8)
                larger[:used] = self._heap[:used]
                self._heap = larger


class _WideColumn:
    """A column of decimals: two words, each with a code of its own."""

    def __init__(self) -> None:
        self._halves = (_Words(), _Words())
        self._both = _Words()

    def encode(self, series: pl.Series, absent: pl.Series | None) -> tuple[Codes, NDArray[np.int64]]:
        """Return the code of each row, and the rows of new keys."""
        array = series.rechunk().to_arrow()
        words = np.frombuffer(array.buffers()[1] or b"", np.uint64)
        words = words[2 * array.offset : 2 * (array.offset + len(array))]
        marks = marks_of(series, absent)
        low, _ = self._halves[0].encode(np.ascontiguousarray(words[::2]), marks)
        high, _ = self._halves[1].encode(np.ascontiguousarray(words[1::2]), marks)
        both = np.empty(len(series), np.uint64)
        pair(low, high, both)
        return self._both.encode(both, marks)


def _encoder_for(dtype: Any) -> _WordColumn | _BytesColumn | _WideColumn:
    if _is_word(dtype):
        return _WordColumn()
    return _WideColumn() if dtype.is_decimal() else _BytesColumn()
