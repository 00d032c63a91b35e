"""`int.to_bytes` and `int.from_bytes`: integers of 64 bits, or the row fails."""

from __future__ import annotations

import sys

import numpy as np
from numba.core import types
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.exact.overlay import OVERLAYS
from dataflare_vec.compiler.jit.lowering.standard.integers import TOO_LARGE, is_whole
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, is_bytes, known_value, operation
from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.compiler.jit.types.strings import StringConstant, bytes_view, make_view

_BIG = StringConstant("big")
#: Whether Python has defaults for length and order.
_HAS_DEFAULTS = sys.version_info >= (3, 11)
#: Whether no bytes hold -1, as some versions of Python have it.
try:
    _NONE_HOLD_MINUS_ONE = (-1).to_bytes(0, "big", signed=True) == b""
except OverflowError:
    _NONE_HOLD_MINUS_ONE = False


def _is_flag(kind):
    return isinstance(known_value(kind), bool) or isinstance(types.unliteral(kind), types.Boolean)


@helper
def _written(number, length, is_big, signed):
    if length < 0:
        raise ValueError("length argument must be non-negative")
    if number < 0 and not signed:
        raise OverflowError("can't convert negative int to unsigned")
    if length < 8:
        bits = 8 * length - np.int64(signed)
        above = number >> max(bits, 0)
        if above != 0 and not (signed and above == -1 and (bits > 0 or _NONE_HOLD_MINUS_ONE)):
            raise OverflowError("int too big to convert")
    room = allocate(length)
    for i in range(length):
        byte = (number >> min(8 * i, 63)) & 255
        room[length - 1 - i if is_big else i] = np.uint8(byte)
    return make_view(bytes_view, room, length)


def _to_bytes(number, length=1, byteorder=_BIG, signed=False):
    order = known_value(byteorder)
    if order not in ("big", "little") or not (is_whole(number) and _is_flag(signed)):
        return None
    if not (type(known_value(length)) is int or isinstance(types.unliteral(length), types.Integer)):
        return None
    if not _HAS_DEFAULTS and (type(length) is int or isinstance(byteorder, StringConstant | types.Omitted)):
        return None
    is_big = order == "big"

    def to_bytes(number, length=1, byteorder=_BIG, signed=False):
        return _written(np.int64(number), np.int64(length), is_big, signed)

    return to_bytes


for _kind in (types.Integer, types.Boolean):
    overload_method(_kind, "to_bytes", jit_options=OPTIONS, prefer_literal=True)(_to_bytes)


@helper
def _byte(view, i, is_big):
    """Return a byte, counted from the last one in value."""
    return view._data[view._nbytes - 1 - i if is_big else i]


@helper
def _read(view, is_big, signed):
    count = view._nbytes
    negative = signed and count > 0 and _byte(view, count - 1, is_big) > 127
    filled = np.uint8(255 if negative else 0)
    number = np.int64(-1 if negative else 0)
    for i in range(count - 1, -1, -1):
        byte = _byte(view, i, is_big)
        if i >= 8 and byte != filled:
            raise DoesNotFit(TOO_LARGE)
        number = (number << 8) | np.int64(byte)
    if count >= 8 and (number < 0) != negative:
        raise DoesNotFit(TOO_LARGE)
    return number


def from_bytes(bytes, byteorder=_BIG, signed=False):
    """Stand for `int.from_bytes` in kernels."""
    return int.from_bytes(bytes, byteorder, signed=signed)


OVERLAYS[int.from_bytes] = from_bytes


@operation(from_bytes, prefer_literal=True)
def _from_bytes(bytes, byteorder=_BIG, signed=False):
    order = known_value(byteorder)
    if order not in ("big", "little") or not (is_bytes(bytes) and _is_flag(signed)):
        return None
    if not _HAS_DEFAULTS and isinstance(byteorder, StringConstant | types.Omitted):
        return None
    is_big = order == "big"
    return lambda bytes, byteorder=_BIG, signed=False: _read(bytes, is_big, signed)
