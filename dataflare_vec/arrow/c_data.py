"""Arrow's C data interface by hand: where a Series' buffers lie, and a Series over memory of ours.

PyArrow does both, but importing it (and NumPy with it) takes longer than all the rest of a small call in a
new process.

Source: https://arrow.apache.org/docs/format/CDataInterface.html, CDataInterface/PyCapsuleInterface.html.
"""

from __future__ import annotations

import ctypes
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

#: Format strings of values of a fixed width, and of booleans.
FORMATS: dict[Any, bytes] = {
    pl.Int8: b"c",
    pl.Int16: b"s",
    pl.Int32: b"i",
    pl.Int64: b"l",
    pl.UInt8: b"C",
    pl.UInt16: b"S",
    pl.UInt32: b"I",
    pl.UInt64: b"L",
    pl.Float32: b"f",
    pl.Float64: b"g",
    pl.Boolean: b"b",
}

_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_NULLABLE = 2


class _Array(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", _RELEASE),
        ("private_data", ctypes.c_void_p),
    )


class _Stream(ctypes.Structure):
    _fields_ = (
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


_pointer_in: Callable[..., int] = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype = ctypes.c_void_p  # type: ignore[attr-defined]
_pointer_in.argtypes = (ctypes.py_object, ctypes.c_char_p)  # type: ignore[attr-defined]
#: Bytes before an owned column's buffers, which start at multiples of it.
_HEAD = 64

#: Which words of an `ArrowArray` are what.
_LENGTH, _NULL_COUNT, _ARRAY_BUFFERS, _PRIVATE = 0, 1, 5, 9


class Buffer(NamedTuple):
    """Where a buffer starts."""

    address: int


class Borrowed:
    """The Arrow array of a Series; its buffers stay where they are as long as it lives."""

    __slots__ = ("_array", "offset")

    def __init__(self, array: _Array) -> None:
        self._array = array
        self.offset: int = array.offset

    def __len__(self) -> int:
        return int(self._array.length)

    def buffers(self) -> list[Buffer | None]:
        """Return the buffers, the validity bitmap first; None for one that isn't there."""
        array = self._array
        return [None if address is None else Buffer(address) for address in array.buffers[: array.n_buffers]]

    def __del__(self) -> None:
        array = self._array
        if array.release:
            array.release(ctypes.addressof(array))


def borrow(series: pl.Series) -> Borrowed:
    """Return a Series of one chunk as an Arrow array, without a copy."""
    capsule = series.__arrow_c_stream__()  # releases the stream when it goes
    address = _pointer_in(capsule, b"arrow_array_stream")
    array = _Array()
    if _Stream.from_address(address).get_next(address, ctypes.addressof(array)):
        msg = f"Polars can't export a column of type {series.dtype}"
        raise RuntimeError(msg)
    return Borrowed(array)


class Allocator(NamedTuple):
    """Compiled functions for memory of new columns: two addresses, and two to call.

    Attributes
    ----------
    end_array, end_schema
        Addresses: they end the life of an array and of a schema.
    allocate
        Returns the address of memory of so many bytes, with the addresses of its two buffers in front: that
        of the values is so many bytes behind, the validity bitmap between, if there is room for one.
    discard
        Frees such memory.
    export
        Returns the capsules of a schema and of the array before it, at an address.
    """

    end_array: int
    end_schema: int
    allocate: Callable[[int, int], int | None]
    discard: Callable[[int], int]
    export: Callable[[int], tuple[object, object]]


class OwnedKind:
    """What new columns of a name and a dtype have in common.

    Parameters
    ----------
    name
        The name.
    dtype
        The Polars dtype in which they are written, one of `FORMATS`.
    width
        Bytes of a value, 0 for bits.
    to
        The dtype that they get back, None for the same.
    allocator
        Makes and frees memory.
    """

    __slots__ = ("_strings", "allocate", "discard", "export", "exported", "name", "to", "width")

    def __init__(self, name: str, dtype: Any, width: int, to: Any, allocator: Allocator) -> None:
        self.name = name
        self.to = to
        self.width = width
        _, _, self.allocate, self.discard, self.export = allocator
        # The structures `ArrowArray` and `ArrowSchema`, as Polars gets them but for what an `Owned` puts in.
        form = FORMATS[type(dtype)] + b"\0"
        strings = self._strings = ctypes.create_string_buffer(form + name.encode() + b"\0")
        at = ctypes.addressof(strings)
        self.exported = array("q", [0, 0, 0, 2, 0, 0, 0, 0, allocator.end_array, 0])
        self.exported.extend([at, at + len(form), 0, _NULLABLE, 0, 0, 0, allocator.end_schema, 0])


class Owned:
    """Memory of a new column: written by compiled code, then handed to Polars.

    Parameters
    ----------
    kind
        What it is.
    rows
        How many values.
    nulls
        Whether there is a validity bitmap.

    Attributes
    ----------
    arguments
        Where a loop writes it.
    """

    # One piece of memory: two addresses of buffers, then the buffers.
    __slots__ = ("_exported", "_kind", "_memory", "_rows", "arguments")

    def __init__(self, kind: OwnedKind, rows: int, *, nulls: bool) -> None:
        bits = _round(rows // 8 + 1)
        before = _HEAD + bits if nulls else _HEAD
        width = kind.width
        memory = kind.allocate(before, before + (rows * width if width else bits))
        if not memory:
            self._memory = 0
            raise MemoryError
        self._memory = memory
        self._kind = kind
        self._rows = rows
        self.arguments = (memory + before, 0, memory + _HEAD if nulls else 0, 0)

    def to_series(self) -> pl.Series:
        """Hand the memory to Polars; only once."""
        series, kind = pl.Series(self), self._kind
        if "\0" in kind.name:
            series = series.alias(kind.name)
        return series if kind.to is None else series.cast(kind.to)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Export it; see the PyCapsule interface."""
        kind = self._kind
        exported = self._exported = kind.exported[:]  # Polars moves the structures out of here
        exported[_LENGTH] = self._rows
        exported[_NULL_COUNT] = -1 if self.arguments[2] else 0  # unknown, or none
        exported[_ARRAY_BUFFERS] = exported[_PRIVATE] = self._memory
        self._memory = 0  # Polars' from here on
        return kind.export(exported.buffer_info()[0])

    def __del__(self) -> None:
        if self._memory:
            self._kind.discard(self._memory)


def _round(size: int) -> int:
    return -(-size // _HEAD) * _HEAD
