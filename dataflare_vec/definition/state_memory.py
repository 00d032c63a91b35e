"""Memory that states own outside of their records: strings and bytes, lists and deques.

In a record lies a cell of 64-bit words. Of a string it says where its bytes are, how many, and where there is
room for the next value; compiled code writes it there, and the two change places. So what a row returns may
refer to the state before it, and a row that fails leaves that as it was. Of a list it says where its items
are and their text, and how it was before the row; see `compiler.jit.lowering.state_sequences`. Two words
before a value say how many bytes there is room for, 0 in a block of many values, as the initial one and given
ones are; and which block is to be freed after this one.

Addresses mean nothing elsewhere. What is pickled, shown or kept by somebody are portable records, which hold
Python's values.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition import state_containers
from dataflare_vec.definition.state_containers import Items
from dataflare_vec.definition.text_subclasses import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dataflare_vec.definition.state_containers import Container

#: Words of a string's cell: address of the value, its bytes, address of the room.
VALUE, NBYTES, ROOM = range(3)

#: Words of a list's cell. Items: address, place of the first, how many, the places in the block (0 in a block
#: of many values); whether this row has made the block; how many items of before the row are noted that it
#: has overwritten; blocks to be freed; how the items were before the row.
DATA, HEAD, COUNT, LIMIT, FRESH, NOTED, GARBAGE, OLD_HEAD, OLD_COUNT, OLD_DATA = range(10)
#: Text: address and bytes; the same before the row.
TEXT, USED, OLD_TEXT, OLD_USED = range(10, 14)
#: Of a dict or set: a table of places by hash, whether it is right, and how many entries it has. Behind it
#: the items noted: place and words.
INDEX, INDEXED, ENTRIES, NOTES = range(14, 18)
#: How many of those there is room for.
MOST_NOTED = 2

#: Before a value.
HEADER_BYTES = 16

#: What a value that has memory of its own is: "str", "bytes", or a container as it is described.
Owned = Any


def cell_bytes(owned: Owned) -> int:
    """Return the bytes of a cell."""
    if isinstance(owned, str):
        return 24
    return 8 * (NOTES + MOST_NOTED * (1 + Items.of(owned[1]).width))


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
    cells
        Offsets of the cells in a record, and what their values are.
    blocks
        Memory that cells refer to without owning it; it lives as long as this does.
    """

    def __init__(
        self, nbytes: int, size: int, cells: Sequence[tuple[int, Owned]], blocks: Sequence[Any]
    ) -> None:
        import numpy as np

        self.memory = np.zeros(nbytes, np.uint8)
        self.blocks = [*blocks]
        self._size, self._cells = size, cells
        self._free = _libc().free

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """The memory for NumPy, whose arrays keep this alive."""
        return self.memory.__array_interface__

    def free(self) -> None:
        """Free what the cells own, and empty the records."""
        for offset, owned in self._cells:
            cells = self.memory.reshape(-1, self._size)[:, offset : offset + cell_bytes(owned)]
            words = cells.copy().view("i8")
            for word in (VALUE, ROOM) if isinstance(owned, str) else (DATA, TEXT, INDEX):
                addresses = words[:, word]
                for block in self.blocks:
                    start = block.ctypes.data
                    addresses = addresses[(addresses < start) | (addresses >= start + len(block))]
                for address in addresses[addresses != 0].tolist():
                    self._free(address - HEADER_BYTES)
            if not isinstance(owned, str):
                self._free_chains(words[:, GARBAGE])
        self.memory.fill(0)

    def _free_chains(self, addresses: Any) -> None:
        for address in addresses[addresses != 0].tolist():
            while address:
                following = ctypes.c_int64.from_address(address - 8).value
                self._free(address - HEADER_BYTES)
                address = following

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Free what the cells own, unless all memory is given back anyway."""
        if not is_finalizing():
            self.free()


def lay_out(owned: Owned, values: Iterable[Any]) -> tuple[Any, Any]:
    """Return cells for values, as rows of words, and the block in which all of these lie."""
    import numpy as np

    contents: list[tuple[bytes, ...]]
    if isinstance(owned, str):
        contents = [(value.encode() if owned == "str" else value,) for value in values]
    else:
        contents = [*(state_containers.packed(owned, value) for value in values)]
    pieces = [piece for content in contents for piece in content]
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    padded = -(-lengths // 8) * 8 + HEADER_BYTES
    joined = bytearray().join(bytes(HEADER_BYTES) + piece + bytes(-len(piece) % 8) for piece in pieces)
    block = np.frombuffer(joined, np.uint8).copy()
    starts = block.ctypes.data + np.cumsum(padded) - padded + HEADER_BYTES
    starts = np.where(lengths, starts, 0)
    cells = np.zeros((len(contents), cell_bytes(owned) // 8), np.int64)
    if isinstance(owned, str):
        cells[:, VALUE], cells[:, NBYTES] = starts, lengths
    else:
        cells[:, DATA], cells[:, TEXT], cells[:, USED] = starts[::2], starts[1::2], lengths[1::2]
        cells[:, COUNT] = lengths[::2] // (8 * Items.of(owned[1]).width)
    return cells, block


def read(owned: Owned, words: Sequence[int], container: Container | None) -> Any:
    """Return the value of a cell, given its words, and of a list or deque also what is in it."""
    if container is None:
        content = _bytes_at(words[VALUE], words[NBYTES])
        return content.decode() if owned == "str" else content
    item = 8 * container.items.width
    content = _bytes_at(words[DATA] + words[HEAD] * item, words[COUNT] * item)
    return state_containers.unpacked(container, content, _bytes_at(words[TEXT], words[USED]))


def _bytes_at(address: int, nbytes: int) -> bytes:
    return ctypes.string_at(address, nbytes) if nbytes else b""


def empty(owned: Owned) -> Any:
    """Return an empty value."""
    return "" if owned == "str" else b"" if owned == "bytes" else None


def checked(name: str, owned: Owned, value: Any) -> Any:
    """Return a value of a leaf; a list or deque is copied.

    Raises
    ------
    ValueError
        If it isn't of its kind.
    """
    if not isinstance(owned, str):
        return state_containers.checked(name, owned, value)
    if not isinstance(value, str if owned == "str" else bytes) or not is_plain(value):
        msg = f"`{name}` must be {owned}, got {type(value).__name__}"
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
