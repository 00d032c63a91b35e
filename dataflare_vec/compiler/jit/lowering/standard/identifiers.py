"""`uuid.UUID` of a string: its bytes, and how they are written."""

from __future__ import annotations

import operator
import uuid

import numpy as np
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, make_attribute_wrapper, overload_attribute, register_model

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.standard.binary import digit_of, in_hex, put_hex
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    OPTIONS,
    helper,
    is_string,
    known_value,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.memory import same_bytes
from dataflare_vec.compiler.jit.lowering.strings.text import format_of, text_of
from dataflare_vec.compiler.jit.types.raised import DoesNotFit
from dataflare_vec.compiler.jit.types.strings import StringConstant, ascii_string, bytes_view, make_view

_URN, _UUID, _BRACES, _DASH, _EMPTY = (StringConstant(text) for text in ("urn:", "uuid:", "{}", "-", ""))
#: Where a dash is written behind a byte.
_DASHES = 1 << 3 | 1 << 5 | 1 << 7 | 1 << 9


class UuidType(types.Type):  # type: ignore[misc]
    """A UUID: its 16 bytes."""

    def __init__(self):
        super().__init__("UUID")


uuid_type = UuidType()


@register_model(UuidType)
class _UuidModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("bytes", bytes_view)])


make_attribute_wrapper(UuidType, "bytes", "bytes")


@intrinsic
def _uuid_of(typing_context, data):
    def generate(context, builder, signature, arguments):
        made = cgutils.create_struct_proxy(uuid_type)(context, builder)
        made.bytes = arguments[0]
        return made._getvalue()

    return uuid_type(bytes_view), generate


@helper
def _may_be_read(byte):
    """Whether Python's `int` may take a byte: a sign, underscore, space, foreign digit, the x of `0x`."""
    if byte >= 128 or byte == 43 or byte == 95 or byte | np.uint8(32) == 120:
        return True
    return (byte >= 9 and byte <= 13) or (byte >= 28 and byte <= 32)


@helper
def _uuid(hex):
    digits = text_of(hex).replace(_URN, _EMPTY).replace(_UUID, _EMPTY).strip(_BRACES).replace(_DASH, _EMPTY)
    if len(digits) != 32:
        raise ValueError("badly formed hexadecimal UUID string")
    room = allocate(16)
    odd = False
    for i in range(digits._nbytes):
        digit = digit_of(digits._data[i])
        if digit < 0:
            if not _may_be_read(digits._data[i]):
                raise ValueError("invalid literal for int() with base 16")
            odd = True
        if not odd:
            room[i // 2] = np.uint8(room[i // 2] | digit) if i % 2 else np.uint8(digit << 4)
    if odd:
        raise DoesNotFit("compiled code takes UUIDs of 32 hexadecimal digits only")
    return _uuid_of(make_view(bytes_view, room, 16))


overlay(uuid.UUID, "hex")(lambda hex=None: _uuid if is_string(hex) else None)


@overload_attribute(UuidType, "hex", jit_options=OPTIONS)
def _hex(made):
    return lambda made: in_hex(made.bytes)


@helper
def _text(made):
    room = allocate(36)
    written = 0
    for i in range(16):
        put_hex(room, written, made.bytes._data[i])
        written += 2
        if _DASHES >> i & 1:
            room[written] = np.uint8(45)
            written += 1
    return make_view(ascii_string, room, 36)


@operation(text_of)
def _text_of(value=_EMPTY):
    return (lambda value=_EMPTY: _text(value)) if isinstance(value, UuidType) else None


@operation(format_of, prefer_literal=True)
def _format_of(value, spec=_EMPTY):
    if not isinstance(value, UuidType) or known_value(spec) != "":
        return None
    return lambda value, spec=_EMPTY: _text(value)


def _register_comparison(function, negated):
    @operation(function)
    def compare(a, b):
        if not (isinstance(a, UuidType) and isinstance(b, UuidType)):
            return None
        return lambda a, b: same_bytes(a.bytes._data, b.bytes._data, 16) != negated


_register_comparison(operator.eq, False)
_register_comparison(operator.ne, True)
