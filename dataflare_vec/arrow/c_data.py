"""Arrow's C data interface by hand: where a Series' buffers lie.

PyArrow says it too, but importing it (and NumPy with it) takes longer than all the rest of a small call in a
new process. New columns are handed to Polars by compiled code: see `compiler.native.columns`.

Source: https://arrow.apache.org/docs/format/CDataInterface.html, CDataInterface/PyCapsuleInterface.html.
"""

from __future__ import annotations

import ctypes
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

#: The same of columns of views.
VIEW_FORMATS: dict[Any, bytes] = {pl.String: b"vu", pl.Binary: b"vz"}

_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


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


class Exported:
    """A new column, by its capsules of schema and array; see the PyCapsule interface."""

    __slots__ = ("_capsules",)

    def __init__(self, capsules: tuple[object, object]) -> None:
        self._capsules = capsules

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Return its capsules; once only, as Polars moves what is in them."""
        return self._capsules


def _importer() -> Callable[[Any], pl.Series]:
    """Return what makes a Series of an object that exports one by ``__arrow_c_array__``.

    `polars.Series` does, after a dozen questions about what it was given. They take longer than the import,
    so it is called past them where Polars still has these names.
    """
    import_array = getattr(type(getattr(pl.Series(), "_s", None)), "from_arrow_c_array", None)
    wrap = getattr(pl.Series, "_from_pyseries", None)
    if import_array is None or wrap is None:
        return pl.Series
    return lambda exported: wrap(import_array(exported))


#: Makes a Series of an object with ``__arrow_c_array__``.
import_series = _importer()
