"""Memory that states own outside of their records: strings and bytes.

In a record lies a cell of 64-bit words: where the value's bytes are, how many, and where there is room for
the next value; compiled code writes it there, and the two change places. So what a row returns may refer to
the state before it, and a row that fails leaves that as it was. Eight bytes before a value say how many
there is room for: 0 for a value in a block of many, as the initial one and given ones are.

Addresses mean nothing elsewhere. What is pickled, shown or kept by somebody are portable records, which hold
Python's values.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.text_subclasses import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: NumPy's type of a cell, and its words: address of the value, its bytes, address of the room.
CELL, CELL_BYTES = "V24", 24
VALUE, NBYTES, ROOM = range(3)

#: Before a value: how many bytes there is room for.
HEADER_BYTES = 8


@cache
def _libc() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.free.argtypes = [ctypes.c_void_p]
    return library


class OwnedRecords:
    """Memory of records, and all that their cells own, which is freed with it.

    Parameters
    ----------
    nbytes
        Of the records.
    size
        Of one.
    offsets
        Of the cells in a record.
    blocks
        Memory that cells refer to without owning it; it lives as long as this does.
    """

    def __init__(self, nbytes: int, size: int, offsets: Sequence[int], blocks: Sequence[Any]) -> None:
        import numpy as np

        self.memory = np.zeros(nbytes, np.uint8)
        self.blocks = [*blocks]
        self._size, self._offsets = size, offsets
        self._free = _libc().free

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """The memory for NumPy, whose arrays keep this alive."""
        return self.memory.__array_interface__

    def free(self) -> None:
        """Free what the cells own, and empty the records."""
        for offset in self._offsets:
            for addresses in self._addresses(offset):
                for block in self.blocks:
                    start = block.ctypes.data
                    addresses = addresses[(addresses < start) | (addresses >= start + len(block))]
                for address in addresses[addresses != 0].tolist():
                    self._free(address - HEADER_BYTES)
        self.memory.fill(0)

    def _addresses(self, offset: int) -> list[Any]:
        """Return the addresses in the cells at one offset of all records."""
        cells = self.memory.reshape(-1, self._size)[:, offset : offset + CELL_BYTES].copy().view("i8")
        return [cells[:, VALUE], cells[:, ROOM]]

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Free what the cells own, unless all memory is given back anyway."""
        if not is_finalizing():
            self.free()


def lay_out(values: Iterable[str | bytes]) -> tuple[Any, Any]:
    """Return cells for values, as rows of words, and the block in which all of these lie."""
    import numpy as np

    contents = [value.encode() if isinstance(value, str) else value for value in values]
    lengths = np.array([len(content) for content in contents], np.int64)
    ends = np.cumsum(lengths + HEADER_BYTES)
    block = np.frombuffer(b"".join(bytes(HEADER_BYTES) + content for content in contents), np.uint8)
    cells = np.zeros((len(contents), CELL_BYTES // 8), np.int64)
    cells[:, VALUE] = np.where(lengths, block.ctypes.data + ends - lengths, 0)
    cells[:, NBYTES] = lengths
    return cells, block


def read(kind: str, words: Sequence[int]) -> str | bytes:
    """Return the value of a cell, given its words: a string if ``kind`` is "str", or bytes."""
    address, nbytes = int(words[VALUE]), int(words[NBYTES])
    content = ctypes.string_at(address, nbytes) if nbytes else b""
    return content.decode() if kind == "str" else content


def checked(name: str, kind: str, value: Any) -> str | bytes:
    """Return a value of a leaf.

    Raises
    ------
    ValueError
        If it isn't of its kind.
    """
    if not isinstance(value, str if kind == "str" else bytes) or not is_plain(value):
        msg = f"`{name}` must be {kind}, got {type(value).__name__}"
        raise ValueError(msg)
    if not is_text(value):
        msg = f"`{name}` has a surrogate that is no character"
        raise ValueError(msg)
    return str.__str__(value) if isinstance(value, str) else bytes(value)


def is_text(value: str | bytes) -> bool:
    """Whether a string can be written in UTF-8, or it is bytes."""
    return isinstance(value, bytes) or value.encode(errors="ignore").decode() == value


def owner_of(records: Any) -> OwnedRecords:
    """Return what owns the memory of an array."""
    while not isinstance(records, OwnedRecords):
        records = records.base
    return records
