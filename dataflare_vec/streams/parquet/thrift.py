"""Thrift's compact protocol, as far as Parquet uses it: structs as dictionaries, nothing lost.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

import struct
from typing import Any

#: A struct: by the number of each field its type and value. A list is the type of its items, and them.
Struct = dict[int, tuple[int, Any]]

_TRUE, _FALSE, _BYTE, _I16, I32, I64, _DOUBLE, BINARY, LIST, _SET, _MAP, STRUCT = range(1, 13)
_DOUBLES = struct.Struct("<d")


class Decoder:
    """Reads structs from bytes; an `IndexError` says that there are too few."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    def struct(self, kept: int = 0) -> Struct:
        """Return the struct that is next.

        Parameters
        ----------
        kept
            The number of a field that is a list of structs, which are left encoded.
        """
        found: Struct = {}
        number = 0
        while header := self._byte():
            kind = header & 15
            number = number + (header >> 4) if header >> 4 else self._integer()
            if kind <= _FALSE:
                found[number] = kind, kind == _TRUE
            elif number == kept and kind == LIST:
                inner, count = self._list()
                found[number] = kind, (inner, [self._skipped() for _ in range(count)])
            else:
                found[number] = kind, self._value(kind)
        return found

    def _skipped(self) -> bytes:
        at = self.at
        self.struct()
        return self._data[at : self.at]

    def _byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte

    def _unsigned(self) -> int:
        byte = self._byte()
        value, shift = byte & 127, 7
        while byte & 128:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
        return value

    def _integer(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _bytes(self, size: int) -> bytes:
        if self.at + size > len(self._data):
            raise IndexError
        self.at += size
        return self._data[self.at - size : self.at]

    def _list(self) -> tuple[int, int]:
        """Return the type of the items of a list, and how many there are."""
        header = self._byte()
        return header & 15, header >> 4 if header >> 4 < 15 else self._unsigned()

    def _value(self, kind: int) -> Any:
        if kind in (_I16, I32, I64):
            return self._integer()
        if kind == BINARY:
            return self._bytes(self._unsigned())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, _SET):
            inner, count = self._list()
            return inner, [self._value(inner) for _ in range(count)]
        if kind <= _BYTE:  # of a list; booleans too are bytes there
            return self._byte()
        if kind == _DOUBLE:
            return _DOUBLES.unpack(self._bytes(8))[0]
        msg = f"its metadata has a field of unknown type {kind}"
        raise ValueError(msg)


def encoded(value: Struct, last: int = 0) -> bytes:
    """Return a struct in bytes, or its end: the fields after the one of the number ``last``."""
    out = bytearray()
    _write_struct(out, value, last)
    return bytes(out)


def _write_struct(out: bytearray, fields: Struct, last: int = 0) -> None:
    for number, (kind, value) in fields.items():
        if 0 < number - last < 16:
            out.append((number - last) << 4 | _kind(kind, value))
        else:
            out.append(_kind(kind, value))
            _write_integer(out, number)
        if kind > _FALSE:
            _write(out, kind, value)
        last = number
    out.append(0)


def _kind(kind: int, value: Any) -> int:
    return (_TRUE if value else _FALSE) if kind <= _FALSE else kind


def _write_unsigned(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _write_integer(out: bytearray, value: int) -> None:
    _write_unsigned(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _write(out: bytearray, kind: int, value: Any) -> None:
    if kind in (_I16, I32, I64):
        _write_integer(out, value)
    elif kind == BINARY:
        _write_unsigned(out, len(value))
        out += value
    elif kind == STRUCT and isinstance(value, bytes):  # encoded already
        out += value
    elif kind == STRUCT:
        _write_struct(out, value)
    elif kind in (LIST, _SET):
        inner, items = value
        count = len(items)
        out.append(min(count, 15) << 4 | inner)
        if count >= 15:
            _write_unsigned(out, count)
        for item in items:
            _write(out, inner, item)
    elif kind <= _BYTE:
        out.append(value)
    else:
        out += _DOUBLES.pack(value)
