"""The buffer protocol for a class written in Python, before Python had it.

Python 3.12 lets a class export memory with ``__buffer__`` (PEP 688). Python 3.10 and 3.11 know the
protocol in C only, so there the base class is made through the stable C API, with a getbuffer slot.
A ctypes array as base class wouldn't do: its views keep the array alive, not the lease, and its
length is fixed by its type.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):

    class BufferExporter:
        """Base of a class with ``__buffer__``; it has nothing to add."""

        __slots__ = ()

else:
    import ctypes

    _PY_BF_GETBUFFER = 1
    _TPFLAGS_DEFAULT = 1 << 18
    _TPFLAGS_BASETYPE = 1 << 10

    class _Slot(ctypes.Structure):
        _fields_ = (("slot", ctypes.c_int), ("function", ctypes.c_void_p))

    class _Spec(ctypes.Structure):
        _fields_ = (
            ("name", ctypes.c_char_p),
            ("basicsize", ctypes.c_int),
            ("itemsize", ctypes.c_int),
            ("flags", ctypes.c_uint),
            ("slots", ctypes.POINTER(_Slot)),
        )

    _fill_info = ctypes.pythonapi.PyBuffer_FillInfo
    _fill_info.restype = ctypes.c_int
    _fill_info.argtypes = (
        ctypes.c_void_p,
        ctypes.py_object,
        ctypes.c_void_p,
        ctypes.c_ssize_t,
        ctypes.c_int,
        ctypes.c_int,
    )

    @ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_int)
    def _getbuffer(exporter: Any, view: int, flags: int) -> int:
        # The view's owner is the lease, not the handle that was asked: a handle can be returned.
        # Nothing here may raise, an exception can't leave a ctypes callback: hence no bytes
        # rather than an error once the handle has been returned.
        lease = exporter._lease
        if lease is None:
            return _fill_info(view, exporter, None, 0, 0, flags)
        return _fill_info(view, lease, lease.address, lease.size, 0, flags)

    _slots = (_Slot * 2)(_Slot(_PY_BF_GETBUFFER, ctypes.cast(_getbuffer, ctypes.c_void_p)))
    _spec = _Spec(
        f"{__name__}.BufferExporter".encode(),
        0,
        0,
        _TPFLAGS_DEFAULT | _TPFLAGS_BASETYPE,
        _slots,
    )
    _from_spec = ctypes.pythonapi.PyType_FromSpec
    _from_spec.restype = ctypes.py_object
    _from_spec.argtypes = (ctypes.c_void_p,)
    BufferExporter = _from_spec(ctypes.byref(_spec))
    # The class outlives this module's names at interpreter exit, and needs these.
    BufferExporter._alive = (_getbuffer, _slots, _spec)
