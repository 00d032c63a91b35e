"""The buffer protocol for a class written in Python, before Python had it.

Python 3.12 lets a class export memory with ``__buffer__`` (PEP 688). Python 3.10 and 3.11 know the
protocol in C only, and a Python function in a C slot won't do: it may fail before its first line,
with a `RecursionError` or by a signal, and then leaves a view of random memory behind. They have a
fitting C function, though: that of `pickle.PickleBuffer`, which passes a request on to the object
that a ``Py_buffer`` refers to, or raises.

A class that has something to do when a view is released tells NumPy to keep the view. Without, NumPy
keeps the exporter only, and wouldn't notice that the exporter was returned to its pool.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.version_info >= (3, 12):

    class BufferExporter:
        """Base of a class whose views are those of its attribute `_lease`."""

        __slots__ = ("_lease",)
        _lease: Any

        def __buffer__(self, flags: int, /) -> memoryview:
            return memoryview(self._lease)

        def __release_buffer__(self, view: memoryview, /) -> None:
            """Do nothing; see above why it's here."""

else:
    import ctypes
    import pickle

    _PY_BF_GETBUFFER = 1
    _PY_BF_RELEASEBUFFER = 2
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

    _get_slot = ctypes.pythonapi.PyType_GetSlot
    _get_slot.restype = ctypes.c_void_p
    _get_slot.argtypes = (ctypes.py_object, ctypes.c_int)
    _from_spec = ctypes.pythonapi.PyType_FromSpec
    _from_spec.restype = ctypes.py_object
    _from_spec.argtypes = (ctypes.c_void_p,)

    _slots = (_Slot * 3)(
        *(
            _Slot(slot, _get_slot(pickle.PickleBuffer, slot))
            for slot in (_PY_BF_GETBUFFER, _PY_BF_RELEASEBUFFER)
        )
    )
    # A basic size of 0 is that of `object`: the instance's own fields start right after it.
    _spec = _Spec(f"{__name__}.Forwarder".encode(), 0, 0, _TPFLAGS_DEFAULT | _TPFLAGS_BASETYPE, _slots)

    class BufferExporter(_from_spec(ctypes.byref(_spec))):
        """Base of a class whose views are those of its attribute `_lease`."""

        # A `Py_buffer` starts with the fields buf and obj. Slots lie in alphabetical order, so
        # `_lease` is obj, the only field that the C function reads.
        __slots__ = ("_", "_lease")

        _spec = _spec  # the class's name lies in there
