"""String and binary columns that loops write: views allocated once, data buffers as they are needed.

Each thread writes into data buffers of its own, through a `DataBuilder`; their indexes are the column's.
Nothing that is written moves: a full buffer stays, and the thread goes on in another.
"""

from __future__ import annotations

import ctypes
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any

from dataflare_vec.arrow.columns import ColumnBuilder
from dataflare_vec.arrow.layouts.list_result import ListResults, lists_of_bytes
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    import polars as pl

    from dataflare_vec.arrow.layouts import Arguments, Layout
    from dataflare_vec.memory import MemoryPool, PooledBuffer

#: Data buffers that a column can have. Their table never moves: loops of later stages hold its address.
_TABLE = 1024
#: A thread's data buffers get larger from one to the next: sizes of which the pool wastes nothing.
_SIZES = (1 << 8, 1 << 12, 1 << 16, 1 << 20, 1 << 22, 1 << 24)
#: The first is as large as rows of so many bytes would need, if they aren't many.
_FIRST_BYTES, _MOST_AT_FIRST = 32, 1 << 16
#: With each so many buffers of a column the largest size doubles, so that their table is never full.
_DOUBLES_EACH, _LARGEST = 64, 1 << 30
_LONGEST = (1 << 31) - 1  # of a string, by Arrow's format

_NEXT, _END, _START, _INDEX, _RESTART = range(5)
_Words = ctypes.c_int64 * 7


class DataBuilder:
    """One thread's place in the data buffers of a column.

    Attributes
    ----------
    words
        What compiled code sees of it, in the order of the names above; ``address`` is theirs.
    error
        What went wrong when it was to have more room.
    """

    __slots__ = ("_column", "_size", "address", "error", "words")

    def __init__(self, column: DataBuffers, size: int) -> None:
        self._column = column
        self._size = size
        self.error: BaseException | None = None
        # `room` gets this very object back: whoever runs the loop holds it.
        self.words = _Words(0, 0, 0, 0, 0, id(self), _ROOM_ADDRESS)
        self.address = ctypes.addressof(self.words)

    def move_on(self, nbytes: int) -> None:
        """Go on in a new buffer, with room for ``nbytes`` at least."""
        self.close()
        index, buffer = self._column.add(max(nbytes, self._size))
        self._size = self._column.size_after(self._size)
        words = self.words
        words[_NEXT] = words[_START] = buffer.address
        words[_END] = buffer.address + buffer.size
        words[_INDEX] = index

    def close(self) -> None:
        """Say how much of its buffer holds data."""
        words = self.words
        if words[_START]:
            self._column.close(words[_INDEX], words[_NEXT] - words[_START])


class DataBuffers:
    """The data buffers of a column, in the order of their indexes.

    Attributes
    ----------
    table
        Their addresses, for loops that read the column.
    """

    __slots__ = ("_buffers", "_lock", "_pool", "_used", "table")

    def __init__(self, pool: MemoryPool) -> None:
        self._pool = pool
        self._lock = Lock()
        self._buffers: list[PooledBuffer] = []
        self._used: list[int] = []  # bytes of those that are full; of the others all there are
        self.table = (ctypes.c_int64 * _TABLE)()

    def add(self, nbytes: int) -> tuple[int, PooledBuffer]:
        """Return another buffer and its index."""
        if nbytes > _LONGEST:
            msg = f"a string of {nbytes:,} bytes doesn't fit a column"
            raise KernelResultError(msg, hint=f"the limit is {_LONGEST:,}")
        buffer = self._pool.get_buffer(nbytes)
        with self._lock:
            index = len(self._buffers)
            self.table[index] = buffer.address
            self._buffers.append(buffer)
            self._used.append(buffer.size)
        return index, buffer

    def size_after(self, size: int) -> int:
        """Return the size of a thread's next buffer, after one of ``size``."""
        larger = next((one for one in _SIZES if one > size), _SIZES[-1])
        return (
            larger if larger < _SIZES[-1] else min(larger << (len(self._buffers) // _DOUBLES_EACH), _LARGEST)
        )

    def close(self, index: int, used: int) -> None:
        """Say how much of a buffer holds data."""
        self._used[index] = used

    def to_arrow(self) -> list[Any]:
        """Return the buffers, without the room that isn't used."""
        with self._lock:
            pairs = list(zip(self._buffers, self._used, strict=True))
        return [buffer.to_arrow().slice(0, used) for buffer, used in pairs]


def _room(builder: DataBuilder, nbytes: int) -> int:
    """Give a builder room, called by a loop; return 0 if it has it now."""
    if builder.error is not None:
        return 1
    try:
        builder.move_on(nbytes)
    except BaseException as error:  # there are no exceptions in a compiled loop: `check` raises it
        builder.error = error.with_traceback(None)  # which holds the builder
        return 1
    return 0


_ROOM = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.py_object, ctypes.c_int64)(_room)
_ROOM_ADDRESS = ctypes.cast(_ROOM, ctypes.c_void_p).value or 0


class StringBuilder(ColumnBuilder):
    """A column of views, in memory from the pool."""

    __slots__ = ("_data", "_data_builders", "restarts")

    def __init__(
        self, pool: MemoryPool, stored: Any, dtype: Any, rows: int, *, layout: Layout, nulls: bool
    ) -> None:
        super().__init__(pool, stored, dtype, rows, layout=layout, nulls=nulls)
        self._data = DataBuffers(pool)
        self._data_builders: dict[int, DataBuilder] = {}
        views, _, *validity = self.arguments
        self.arguments = (views, ctypes.addressof(self._data.table), *validity)

    def for_writing(self, row: int, *, restarts: bool = False) -> Arguments:
        """Return the arguments of a loop on this thread that writes from ``row`` on."""
        me = get_ident()
        builder = self._data_builders.get(me)
        if builder is None:
            wanted = min(_FIRST_BYTES * self.rows, _MOST_AT_FIRST)
            first = next(size for size in _SIZES if size >= wanted)
            builder = self._data_builders[me] = DataBuilder(self._data, first)
        builder.words[_RESTART] = restarts
        views, _, *validity = self.at(row)
        return (views, builder.address, *validity)

    def check(self) -> None:
        """Raise what went wrong while loops wrote."""
        for builder in list(self._data_builders.values()):
            error, builder.error = builder.error, None
            try:
                if error is not None:
                    raise error
            finally:
                del error  # it holds this frame, and the buffers with it

    def _buffers(self) -> list[Any]:
        for builder in list(self._data_builders.values()):
            builder.close()
        return [*super()._buffers(), *self._data.to_arrow()]


class ListBuilder(StringBuilder):
    """A column of lists: the bytes of each row as a view, put together when it is read."""

    __slots__ = ()

    def slice(self, start: int, stop: int, name: str = "") -> pl.Series:
        """Return some of its rows."""
        assert isinstance(self.layout, ListResults)
        rows = self._stored_slice(start, stop, name)
        return lists_of_bytes(rows, self.layout.width, self.dtype, self._data.to_arrow)
