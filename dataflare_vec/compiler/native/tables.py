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

from dataflare_vec._util.forks import wait_for_lock
from dataflare_vec.compiler.cache.loading import TABLE
from dataflare_vec.compiler.llvm import binding
from dataflare_vec.definition.tables.frozen import of_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from dataflare_vec.definition.tables.frozen import Frozen

_SYMBOL = re.compile(rf"{re.escape(TABLE)}[0-9a-f]{{64}}")
#: From how many bytes on pages are to be large ones.
_HUGE = 1 << 21

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

    def __init__(self, pieces: Iterable[tuple[int, NDArray[Any]]], size: int) -> None:
        self.size = size
        self._memory = (ctypes.c_char * size).from_buffer(_memory(size))
        self.address = ctypes.addressof(self._memory)
        for place, piece in pieces:
            ctypes.memmove(self.address + place, piece.ctypes.data, piece.nbytes)
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
            from dataflare_vec.compiler.native.table_layout import laid_out  # with NumPy

            name = symbol_of(table)
            block = _blocks.get(name)  # of another that is gone, while code that reads it isn't
            if block is None:
                block = _blocks[name] = Block(*laid_out(table))
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
