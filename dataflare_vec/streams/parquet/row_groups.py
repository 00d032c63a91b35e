"""Row groups of Parquet files, without their values: cut at the borders of pages, and joined to a file.

The format, of which a few fields are named here: https://parquet.apache.org/docs/file-format/metadata/
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any

from dataflare_vec.streams.parquet.thrift import I32, I64, LIST, STRUCT, Decoder, Struct, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAGIC = b"PAR1"
#: Bytes of a value of each physical type, in memory; of a text what refers to it.
_WIDTHS = {0: 1 / 8, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8, 6: 16, 7: 16}
#: Bytes in which the header of a page is looked for first.
_HEADER = 1 << 10
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_DELTA_TEXT = 7

#: What comes of bytes that aren't what they should be.
MALFORMED = (AttributeError, IndexError, KeyError, OSError, RuntimeError, TypeError, ValueError)

# Fields of `FileMetaData`.
_SCHEMA, _ROWS, _GROUPS = 2, 3, 4
# Of `SchemaElement`.
_REPETITION, _NAME, _CHILDREN = 3, 4, 5
# Of `RowGroup`.
_CHUNKS, _GROUP_BYTES, _GROUP_ROWS, _GROUP_OFFSET, _ORDINAL = 1, 2, 3, 5, 7
# Of `ColumnChunk`, and of the `ColumnMetaData` in it.
_CHUNK_OFFSET, _META, _INDEX_OFFSETS = 2, 3, (4, 6)
_TYPE, _ENCODINGS, _VALUES, _UNCOMPRESSED, _COMPRESSED, _FIRST_PAGE, _FIRST_DICTIONARY = 1, 2, 5, 6, 7, 9, 11
_OFFSETS = (_FIRST_PAGE, 10, _FIRST_DICTIONARY, 14)
#: What a reader of values needs of the metadata of a column chunk.
_NEEDED = (1, 2, 3, 4, _VALUES, _UNCOMPRESSED, _COMPRESSED, _FIRST_PAGE, _FIRST_DICTIONARY)


def footer_of(data: bytes | memoryview) -> tuple[Struct, int]:
    """Return the metadata at the end of a file's bytes, and how many bytes they are with what follows.

    The row groups in it are left encoded: of many columns, objects would take twenty times as much.
    """
    size = int.from_bytes(data[-8:-4], "little") + 8
    return Decoder(bytes(data[-size:])).struct(kept=_GROUPS), size


@dataclass(frozen=True)
class Page:
    """A page of values, and which rows of its row group they are."""

    at: int
    size: int
    decoded: float
    first: int
    rows: int

    @property
    def end(self) -> int:
        """The row after its last."""
        return self.first + self.rows


@dataclass
class ColumnChunk:
    """A top-level column of a row group: its chunks, one for each leaf."""

    name: str
    chunks: list[Struct]
    is_nested: bool

    @property
    def metas(self) -> list[Struct]:
        """What is said of each chunk."""
        return [chunk[_META][1] for chunk in self.chunks]

    @cached_property
    def compressed(self) -> int:
        """Bytes in the file."""
        return sum(meta[_COMPRESSED][1] for meta in self.metas)

    @cached_property
    def decoded(self) -> float:
        """Bytes in memory, about: what is encoded may be less than the values that it stands for."""
        values: float = sum(
            max(meta[_UNCOMPRESSED][1], meta[_VALUES][1] * _WIDTHS[meta[_TYPE][1]]) for meta in self.metas
        )
        return values

    @property
    def is_known(self) -> bool:
        """Whether that can be told: not of texts that repeat the beginning of the one before."""
        return all(_DELTA_TEXT not in meta[_ENCODINGS][1][1] for meta in self.metas)


@dataclass(frozen=True)
class Span:
    """Some pages of a column, or all of a nested one: which rows, and where their bytes are."""

    first: int
    end: int
    ranges: tuple[tuple[int, int], ...]  # of each leaf
    dictionary: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        """Bytes in the file, but for the dictionary."""
        return sum(size for _, size in self.ranges)


@dataclass
class RowGroup:
    """One of a file: where it begins, and its columns."""

    start: int
    rows: int
    columns: list[ColumnChunk]

    @cached_property
    def compressed(self) -> int:
        """Bytes in the file."""
        return sum(column.compressed for column in self.columns)

    @cached_property
    def decoded(self) -> float:
        """Bytes in memory, about."""
        return max(1.0, sum(column.decoded for column in self.columns))

    @cached_property
    def is_known(self) -> bool:
        """Whether that can be told."""
        return all(column.is_known for column in self.columns)


class FileLayout:
    """Where the row groups of a file are, and their pages.

    Attributes
    ----------
    footer_bytes : int
        The size of the metadata at its end.

    Raises
    ------
    OSError, IndexError, KeyError, ValueError
        If the file is no Parquet file, is encrypted, or leads elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            file.seek(-8, 2)
            end = file.read()
            if end[4:] != MAGIC:
                msg = "it doesn't end with Parquet's magic bytes"
                raise ValueError(msg)
            self.footer_bytes = int.from_bytes(end[:4], "little")
            file.seek(-8 - self.footer_bytes, 2)
            self._footer, _ = footer_of(file.read())
        self._leaves = list(self._find_leaves())

    def groups(self) -> Iterator[RowGroup]:
        """Yield the row groups in order, each of which is decoded when it is asked for."""
        start = 0
        for data in self._footer[_GROUPS][1][1]:
            group = Decoder(data).struct()
            columns: list[ColumnChunk] = []
            chunks = group[_CHUNKS][1][1]
            for chunk, (index, name, is_nested) in zip(chunks, self._leaves, strict=True):
                if index == len(columns):
                    columns.append(ColumnChunk(name, [], is_nested))
                columns[index].chunks.append(chunk)
            rows = group[_GROUP_ROWS][1]
            yield RowGroup(start, rows, columns)
            start += rows

    def row_counts(self) -> list[int]:
        """Return how many rows each row group has."""
        return [Decoder(data).struct()[_GROUP_ROWS][1] for data in self._footer[_GROUPS][1][1]]

    def _find_leaves(self) -> Iterator[tuple[int, str, bool]]:
        """Yield for each leaf the index and the name of the top-level column, and whether that is nested."""
        elements = iter(self._footer[_SCHEMA][1][1])

        def below(element: Struct) -> int:
            count = element.get(_CHILDREN, (I32, 0))[1]
            return sum(below(next(elements)) for _ in range(count)) if count else 1

        root = next(elements)
        for index in range(root[_CHILDREN][1]):
            element = next(elements)
            is_nested = _CHILDREN in element or element.get(_REPETITION, (I32, 0))[1] == 2
            for _ in range(below(element)):
                yield index, element[_NAME][1].decode(), is_nested

    def pages(self, group: RowGroup, column: ColumnChunk) -> Pages:
        """Return the pages of a column."""
        if column.is_nested:  # whose rows may go over the borders of pages
            begin, _ = _range(column.metas[0])
            return Pages(None, [Page(begin, column.compressed, column.decoded, 0, group.rows)])
        (meta,) = column.metas
        begin, size = _range(meta)
        width = _WIDTHS[meta[_TYPE][1]]
        dictionary = None
        found: list[Page] = []
        row, at = 0, begin
        with self.path.open("rb") as file:
            while at < begin + size and row < group.rows:
                try:
                    header, length = _page_header(file, at)
                    length += header[3][1]
                    kind, is_data = header[1][1], header[1][1] in (_DATA, _DATA_V2)
                    rows = header[5 if kind == _DATA else 8][1][1][1] if is_data else 0
                    if rows < 0 or not 0 < length <= begin + size - at:
                        raise ValueError
                    decoded = max(header[2][1], rows * width)
                except MALFORMED as error:
                    msg = f"column `{column.name}` has a malformed page"
                    raise ValueError(msg) from error
                if kind == _DICTIONARY:
                    dictionary = at, length
                elif is_data and rows:
                    found.append(Page(at, length, decoded, row, rows))
                    row += rows
                at += length
        if row != group.rows:
            msg = f"the pages of column `{column.name}` have {row} rows, but their row group has {group.rows}"
            raise ValueError(msg)
        return Pages(dictionary, found)

    def part(self, group: RowGroup, spans: Mapping[str, Span]) -> bytes:
        """Return a file of one row group: of the columns that are named the rows that their spans have.

        What it says of other columns leads nowhere. All spans have to be of the same rows.
        """
        content = bytearray(MAGIC)
        rows = 0
        chunks: list[Struct] = []
        with self.path.open("rb") as file:
            for column in group.columns:
                span = spans.get(column.name)
                if span is None:
                    chunks += column.chunks
                    continue
                rows = span.end - span.first
                for meta, (begin, size) in zip(column.metas, span.ranges, strict=True):
                    at = len(content)
                    new = {number: meta[number] for number in _NEEDED if number in meta}
                    if column.is_nested:
                        _shift(new, at - begin)
                    else:
                        new[_VALUES] = I64, rows
                        new.pop(_FIRST_DICTIONARY, None)
                        if span.dictionary is not None:
                            new[_FIRST_DICTIONARY] = I64, at
                            content += _read(file, *span.dictionary)
                        new[_FIRST_PAGE] = I64, len(content)
                    content += _read(file, begin, size)
                    new[_COMPRESSED] = I64, len(content) - at
                    chunks.append({_CHUNK_OFFSET: (I64, at), _META: (STRUCT, dict(sorted(new.items())))})
        one = {_CHUNKS: (LIST, (STRUCT, chunks)), _GROUP_BYTES: (I64, len(content)), _GROUP_ROWS: (I64, rows)}
        footer = {**self._footer, _ROWS: (I64, rows), _GROUPS: (LIST, (STRUCT, [one]))}
        return bytes(content) + _ending(footer)


def file_layout(path: Path, rows: int) -> FileLayout | None:
    """Return the layout of a file that has so many rows by Polars' count; None if it contradicts itself.

    Raises
    ------
    ValueError
        If its row groups have others: Polars would leave out those that the count doesn't know of.
    """
    try:
        layout = FileLayout(path)
        size = path.stat().st_size
        found = 0
        for group in layout.groups():
            found += group.rows
            needed = group.decoded, group.compressed, group.is_known
            if group.rows < 0 or min(needed) < 0:
                return None
            for begin, length in (_range(meta) for column in group.columns for meta in column.metas):
                if not 0 <= begin <= begin + length <= size:
                    return None
    except MALFORMED:
        return None
    if found != rows:
        msg = f"expected {rows} rows, found {found}"
        raise ValueError(msg)
    return layout


@dataclass(frozen=True)
class Pages:
    """The pages of a column in a row group."""

    dictionary: tuple[int, int] | None
    pages: list[Page]

    def span(self, column: ColumnChunk, first: int, end: int) -> Span:
        """Return the pages in which some rows are."""
        if column.is_nested:
            return Span(0, self.pages[0].rows, tuple(_range(meta) for meta in column.metas))
        begin = bisect_right(self.pages, first, key=lambda page: page.end)
        last = bisect_left(self.pages, end, key=lambda page: page.first) - 1
        at, end_of_last = self.pages[begin].at, self.pages[last].at + self.pages[last].size
        ranges = ((at, end_of_last - at),)
        return Span(self.pages[begin].first, self.pages[last].end, ranges, self.dictionary)


def _range(meta: Struct) -> tuple[int, int]:
    """Return where a column chunk begins, and its size."""
    begin = meta[_FIRST_PAGE][1]
    dictionary = meta.get(_FIRST_DICTIONARY, (I64, 0))[1]
    return (min(begin, dictionary) if dictionary > 0 else begin), meta[_COMPRESSED][1]


def _read(file: Any, at: int, size: int) -> bytes:
    file.seek(at)
    data: bytes = file.read(size)
    return data


def _page_header(file: Any, at: int) -> tuple[Struct, int]:
    size = _HEADER
    while True:
        file.seek(at)
        data = file.read(size)
        decoder = Decoder(data)
        try:
            return decoder.struct(), decoder.at
        except IndexError:  # it may have long statistics
            if len(data) < size:
                raise
            size *= 16


def _shift(fields: Struct, by: int, numbers: Sequence[int] = _OFFSETS) -> None:
    for number in numbers:
        kind, value = fields.get(number, (I64, 0))
        if value > 0:  # some writers say zero where there is none
            fields[number] = kind, value + by


def _ending(footer: Struct) -> bytes:
    data = encoded(footer)
    return data + len(data).to_bytes(4, "little") + MAGIC


#: Bytes of a footer that are held in memory: with thousands of columns and many row groups it grows large.
_SPOOLED = 1 << 20


class Concatenated:
    """A file that is made of others of the same columns, one row group after the other."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = file.write(MAGIC)
        self._footer: Struct | None = None
        self._rows = 0
        self._groups = SpooledTemporaryFile(max_size=_SPOOLED)  # encoded, one after the other
        self._count = 0

    def add(self, content: memoryview) -> None:
        """Append the row groups of a Parquet file."""
        footer, size = footer_of(content)
        self._file.write(content[len(MAGIC) : -size])
        by = self._at - len(MAGIC)
        self._at += len(content) - size - len(MAGIC)
        for data in footer.pop(_GROUPS)[1][1]:
            group = Decoder(data).struct()
            group.pop(_ORDINAL, None)
            _shift(group, by, (_GROUP_OFFSET,))
            for chunk in group[_CHUNKS][1][1]:
                _shift(chunk, by, (_CHUNK_OFFSET, *_INDEX_OFFSETS))
                _shift(chunk[_META][1], by)
            self._groups.write(encoded(group))
            self._count += 1
        self._rows += footer[_ROWS][1]
        self._footer = self._footer or footer

    def close(self) -> None:
        """Let go of what was noted of the row groups."""
        self._groups.close()

    def finish(self) -> None:
        """End the file, which nothing can read before."""
        assert self._footer is not None
        footer = {**self._footer, _ROWS: (I64, self._rows), _GROUPS: (LIST, (STRUCT, [b""] * self._count))}
        begin = encoded({number: footer[number] for number in sorted(footer) if number <= _GROUPS})[:-1]
        end = encoded({number: footer[number] for number in sorted(footer) if number > _GROUPS}, _GROUPS)
        size = 0
        self._groups.seek(0)
        groups = iter(lambda: self._groups.read(_SPOOLED), b"")
        for part in chain([begin], groups, [end]):
            size += self._file.write(part)
        self._file.write(size.to_bytes(4, "little") + MAGIC)
