"""Arrow's C data interface by hand: where a Series' buffers lie, and a Series over memory of ours.

PyArrow does both, but importing it (and NumPy with it) takes longer than all the rest of a small call in a
new process.

Source: https://arrow.apache.org/docs/format/CDataInterface.html, CDataInterface/PyCapsuleInterface.html.
"""

from __future__ import annotations

import ctypes
import struct
import sys
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
_capsule: Callable[..., object] = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object  # type: ignore[attr-defined]
_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)  # type: ignore[attr-defined]


_libc = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
_malloc = _libc.malloc
_malloc.restype = ctypes.c_void_p
_malloc.argtypes = (ctypes.c_size_t,)
_free = _libc.free
_free.argtypes = (ctypes.c_void_p,)

#: Bytes before an owned column's buffers, which start at multiples of it.
_HEAD = 64

# The structures `ArrowArray` and `ArrowSchema`, and the two buffers' addresses.
_ARRAY, _SCHEMA, _BUFFERS = struct.Struct("=5q5Q"), struct.Struct("=3Q2q4Q"), struct.Struct("=2Q")


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


class Owned:
    """Memory of a new column: written by compiled code, then handed to Polars.

    Parameters
    ----------
    dtype
        Its Polars dtype, one of `FORMATS`.
    rows
        How many values.
    width
        Bytes of a value, 0 for bits.
    nulls
        Whether there is a validity bitmap.
    releases
        Addresses of the functions that end the life of an array and of a schema.
    """

    # One piece of memory: two addresses of buffers, then the buffers.
    __slots__ = (
        "_exported",
        "_format",
        "_memory",
        "_name",
        "_releases",
        "_size",
        "rows",
        "validity",
        "values",
    )

    def __init__(self, dtype: Any, rows: int, *, width: int, nulls: bool, releases: tuple[int, int]) -> None:
        bits = _round(rows // 8 + 1)
        before = _HEAD + bits if nulls else _HEAD
        memory = self._memory = _malloc(before + (_round(rows * width) if width else bits))
        if not memory:
            raise MemoryError
        self._format = FORMATS[type(dtype)]
        self._releases = releases
        self.rows = rows
        self.validity = memory + _HEAD if nulls else 0
        self.values = memory + before

    def to_series(self, name: str) -> pl.Series:
        """Hand the memory to Polars; only once."""
        self._name = name.encode()
        series = pl.Series(self)
        return series.alias(name) if "\0" in name else series

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Export it; see the PyCapsule interface."""
        release_array, release_schema = self._releases
        memory, name = self._memory, self._name
        _BUFFERS.pack_into((ctypes.c_char * _HEAD).from_address(memory), 0, self.validity, self.values)
        at_schema, at_format = _ARRAY.size, _ARRAY.size + _SCHEMA.size
        # Polars moves the structures out of here, and copies the name.
        strings = self._format + b"\0" + name + b"\0"
        exported = self._exported = ctypes.create_string_buffer(at_format + len(strings))
        start = ctypes.addressof(exported)
        nulls = -1 if self.validity else 0  # unknown, or none
        _ARRAY.pack_into(exported, 0, self.rows, nulls, 0, 2, 0, memory, 0, 0, release_array, memory)
        at_name = start + at_format + 2
        schema = (start + at_format, at_name, 0, _NULLABLE, 0, 0, 0, release_schema, 0)
        _SCHEMA.pack_into(exported, at_schema, *schema)
        ctypes.memmove(start + at_format, strings, len(strings))
        self._memory = 0  # Polars' from here on
        return _capsule(start + at_schema, b"arrow_schema", None), _capsule(start, b"arrow_array", None)

    def __del__(self) -> None:
        if self._memory:
            _free(self._memory)


def _round(size: int) -> int:
    return -(-size // _HEAD) * _HEAD
