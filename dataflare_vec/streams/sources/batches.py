"""Whether Arrow IPC files and streams are whole: Polars and PyArrow take them at their word.

The format, of which a few numbers are read here: https://arrow.apache.org/docs/format/Columnar.html
"""

from __future__ import annotations

import mmap
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from dataflare_vec.exceptions import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

#: After the footer of a file: its size, and the format's name.
_TAIL = struct.Struct("<i6s")
#: A block of the footer: where a message is, the size of what describes it, the size of the rest.
_BLOCK = struct.Struct("<qi4xq")
#: A buffer of a batch: where it is in the message's body, and its size.
_BUFFER = struct.Struct("<qq")
#: What a message begins with, but for one of the first versions of the format.
_CONTINUED = b"\xff\xff\xff\xff"
#: What a file begins with, its schema after it.
_HEAD = b"ARROW1\0\0"
#: What a stream ends with; in the first versions of the format with its second half.
_END = _CONTINUED + b"\0\0\0\0"
#: Fields of the tables `Footer`, `Message`, `RecordBatch` and `DictionaryBatch`.
_BATCHES = 3
_KIND, _HEADER, _BODY = 1, 2, 3
_LENGTH, _NODES, _BUFFERS, _COMPRESSION = 0, 1, 2, 3
_VALUES = 1
#: The kinds of messages that hold columns.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
#: A byte of Zstandard stands for 32,768 at most (128 KiB of one value take four), one of LZ4 for 255.
_MOST = 1 << 16


class _Message(NamedTuple):
    """Where one begins, its parts, and where it ends."""

    at: int
    kind: int
    header: int
    body: int
    end: int


def check_lengths(path: Path, columns: int) -> None:
    """Raise if the footer of a file leaves out a batch, or one says other rows than its first column has.

    Also if a buffer can't be as large as it says, once it is unpacked: Polars asks for that much memory, and
    ends the process if there isn't any.

    Parameters
    ----------
    columns
        How many the file has: a batch that leaves some out may say that it has no rows, and isn't looked at.

    Raises
    ------
    SourceError
        Saying which batch; or that the file isn't of the format.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            blocks, end = _blocks(data)
            messages = list(_messages(data, _first_message(data, min(blocks, default=end), end), end))
            batches = [message for message in messages if message.kind == _RECORD_BATCH]
            if blocks != [batch.at for batch in batches]:
                msg = "the record batches in its footer don't match those in the file"
                raise SourceError(msg)
            for index, batch in enumerate(batches):
                _check_rows(data, batch.header, index, columns)
            for message in messages:
                _check_sizes(data, message)
        except struct.error as error:
            msg = "its footer points outside the file"
            raise SourceError(msg) from error


def check_stream(path: Path) -> None:
    """Raise if a message of a stream can't be as large as it says: PyArrow would ask for that much memory.

    Raises
    ------
    SourceError
        Saying which message. What is wrong otherwise PyArrow says.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        with suppress(struct.error):
            for index, message in enumerate(_messages(data, 0, len(data))):
                if message.end > len(data):
                    size, there = message.end - message.body, max(0, len(data) - message.body)
                    msg = f"message {index} should have {size} bytes, but only {there} remain"
                    raise SourceError(msg)
                _check_sizes(data, message)


class WatchedFile:
    """A binary file that remembers the first four and the last eight bytes that were read of it."""

    closed = False  # PyArrow asks

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.first = self.last = b""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes."""
        data = self._file.read(size)
        self.first = (self.first + data[:4])[:4]
        self.last = (self.last + data[-8:])[-8:]
        return data


def check_end_of_stream(first: bytes, last: bytes) -> None:
    """Raise if a stream ends without saying so: whoever wrote it may have been killed between two batches.

    Parameters
    ----------
    first, last
        Its first four and its last eight bytes.

    Raises
    ------
    SourceError
        With what to do if it is whole.
    """
    marker = _END if first == _CONTINUED else _END[4:]
    if not last.endswith(marker):
        msg = "the stream has no end-of-stream marker; its producer may have been interrupted"
        raise SourceError(msg, hint=f"if it is complete, append the bytes {marker.hex(' ')}")


def _blocks(data: mmap.mmap) -> tuple[list[int], int]:
    """Return where the batches are by the footer, and where that begins."""
    size, _ = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    begin = len(data) - _TAIL.size - size
    blocks = _field(data, _target(data, begin), _BATCHES)
    if not blocks:
        return [], begin
    first = _target(data, blocks)
    (count,) = struct.unpack_from("<I", data, first)
    return [_BLOCK.unpack_from(data, first + 4 + i * _BLOCK.size)[0] for i in range(count)], begin


def _first_message(data: mmap.mmap, first: int, end: int) -> int:
    """Return where the messages of a file begin: it is a stream as well.

    Parameters
    ----------
    first, end
        Where the first batch is by the footer, and where that begins.
    """
    at = len(_HEAD)
    is_old = first < end and data[first : first + 4] != _CONTINUED
    if data[at : at + 4] != _CONTINUED and not is_old:
        # The schema, which in files of Polars doesn't begin as a message: on with what comes after it.
        at = max(at, data.find(_CONTINUED, at, end))
    return at


def _messages(data: mmap.mmap, at: int, end: int) -> Iterator[_Message]:
    """Yield the messages between two places."""
    while at < end:
        prefix = 8 if data[at : at + 4] == _CONTINUED else 4
        (size,) = struct.unpack_from("<i", data, at + prefix - 4)
        if size <= 0:
            return
        if size > end - at - prefix:  # what follows says nothing
            yield _Message(at, 0, 0, at + prefix, at + prefix + size)
            return
        message = _target(data, at + prefix)
        kind, length = _field(data, message, _KIND), _field(data, message, _BODY)
        body = at + prefix + size
        (more,) = struct.unpack_from("<q", data, length) if length else (0,)  # a zero may be left out
        if kind:
            (number,) = struct.unpack_from("<B", data, kind)
            yield _Message(at, number, _target(data, _field(data, message, _HEADER)), body, body + more)
        if more < 0:
            return
        at = body + more


def _check_rows(data: mmap.mmap, batch: int, index: int, columns: int) -> None:
    """Raise if a batch leaves out columns, or says other rows than its first one has."""
    length, nodes = _field(data, batch, _LENGTH), _field(data, batch, _NODES)
    (rows,) = struct.unpack_from("<q", data, length) if length else (0,)
    first = _target(data, nodes) if nodes else 0
    (described,) = struct.unpack_from("<I", data, first) if nodes else (0,)
    if described < columns:  # a nested one has more than one node
        msg = f"batch {index} describes {described} of {columns} columns"
        raise SourceError(msg)
    if columns:
        (found,) = struct.unpack_from("<q", data, first + 4)
        if rows != found:
            msg = f"batch {index} should have {rows} rows, but its first column has {found}"
            raise SourceError(msg)


def _check_sizes(data: mmap.mmap, message: _Message) -> None:
    """Raise if a buffer leads out of its message, or a compressed one says more than its bytes can tell."""
    batch = message.header
    if message.kind == _DICTIONARY_BATCH:
        batch = _target(data, _field(data, batch, _VALUES))
    elif message.kind != _RECORD_BATCH:
        return
    buffers = _field(data, batch, _BUFFERS)
    if not buffers:
        return
    is_compressed = _field(data, batch, _COMPRESSION)
    first = _target(data, buffers) + 4
    (count,) = struct.unpack_from("<I", data, first - 4)
    for offset, length in _BUFFER.iter_unpack(data[first : first + count * _BUFFER.size]):
        if not 0 <= offset <= offset + length <= message.end - message.body:
            msg = f"{length} bytes of a column extend beyond the {message.end - message.body} of its message"
            raise SourceError(msg)
        if is_compressed and length >= 8:
            (size,) = struct.unpack_from("<q", data, message.body + offset)  # -1: it isn't compressed
            if not -1 <= size <= length * _MOST:
                msg = f"{length} compressed bytes of a column can't decompress to {size} bytes"
                raise SourceError(msg)


def _field(data: mmap.mmap, table: int, index: int) -> int:
    """Return where a field of a flatbuffer's table is, 0 if it isn't there."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, layout)
    at = 4 + 2 * index
    offset = struct.unpack_from("<H", data, layout + at)[0] if at < size else 0
    return table + offset if offset else 0


def _target(data: mmap.mmap, at: int) -> int:
    return int(at + struct.unpack_from("<I", data, at)[0])
