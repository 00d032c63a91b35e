"""Whether batches of an Arrow IPC file have as many rows as their columns: Polars takes them at their word.

The format, of which a few numbers are read here: https://arrow.apache.org/docs/format/Columnar.html
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: After the footer of a file: its size, and the format's name.
_TAIL = struct.Struct("<i6s")
#: A block of the footer: where a message is, the size of what describes it, the size of the rest.
_BLOCK = struct.Struct("<qi4xq")
#: What a message begins with, but for one of the first versions of the format.
_CONTINUED = b"\xff\xff\xff\xff"
#: Fields of the tables `Footer`, `Message` and `RecordBatch`.
_BATCHES, _HEADER, _LENGTH, _NODES = 3, 2, 0, 1


def check_lengths(path: Path) -> None:
    """Raise if a batch says another number of rows than its first column has.

    Raises
    ------
    ValueError
        Saying which batch; or that the file isn't of the format.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            for index, (rows, found) in enumerate(_lengths(data)):
                if rows != found:
                    msg = f"batch {index} should have {rows} rows, its first column has {found}"
                    raise ValueError(msg)
        except struct.error as error:
            msg = "its footer leads out of the file"
            raise ValueError(msg) from error


def _lengths(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield the rows of each batch, by itself and by its first column."""
    size, _ = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    footer = _target(data, len(data) - _TAIL.size - size)
    blocks = _field(data, footer, _BATCHES)
    if not blocks:
        return
    first = _target(data, blocks)
    (count,) = struct.unpack_from("<I", data, first)
    for index in range(count):
        at, *_ = _BLOCK.unpack_from(data, first + 4 + index * _BLOCK.size)
        message = _target(data, at + (8 if data[at : at + 4] == _CONTINUED else 4))
        batch = _target(data, _field(data, message, _HEADER))
        length = _field(data, batch, _LENGTH)
        rows = struct.unpack_from("<q", data, length)[0] if length else 0  # a zero may be left out
        nodes = _field(data, batch, _NODES)
        if nodes and struct.unpack_from("<I", data, _target(data, nodes))[0]:  # there is a column
            yield rows, struct.unpack_from("<q", data, _target(data, nodes) + 4)[0]


def _field(data: mmap.mmap, table: int, index: int) -> int:
    """Return where a field of a flatbuffer's table is, 0 if it isn't there."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, layout)
    at = 4 + 2 * index
    offset = struct.unpack_from("<H", data, layout + at)[0] if at < size else 0
    return table + offset if offset else 0


def _target(data: mmap.mmap, at: int) -> int:
    return int(at + struct.unpack_from("<I", data, at)[0])
