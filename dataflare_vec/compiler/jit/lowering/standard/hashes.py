"""`hashlib.md5`, `sha1` and `sha256` of bytes, and `zlib.crc32`."""

from __future__ import annotations

import hashlib
import math
import zlib

import numpy as np
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, make_attribute_wrapper, overload_method, register_model

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.standard.binary import in_hex
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, copy_bytes, helper, is_bytes
from dataflare_vec.compiler.jit.types.strings import bytes_view, make_view


class DigestType(types.Type):  # type: ignore[misc]
    """A hash of `hashlib` that was given all its bytes: what came of them."""

    def __init__(self):
        super().__init__("hash")


digest_type = DigestType()


@register_model(DigestType)
class _DigestModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, manager, kind):
        super().__init__(manager, kind, [("digest", bytes_view)])


make_attribute_wrapper(DigestType, "digest", "_digest")


@intrinsic
def _hash_of(typing_context, digest):
    def generate(context, builder, signature, arguments):
        made = cgutils.create_struct_proxy(digest_type)(context, builder)
        made.digest = arguments[0]
        return made._getvalue()

    return digest_type(bytes_view), generate


@overload_method(DigestType, "digest", jit_options=OPTIONS)
def _digest(made):
    return lambda made: made._digest


@overload_method(DigestType, "hexdigest", jit_options=OPTIONS)
def _hexdigest(made):
    return lambda made: in_hex(made._digest)


# -- blocks of 64 bytes -----------------------------------------------------------------------------------


@helper
def _padded(view, is_little):
    """Return the bytes with what is added to them: a bit, zeros, and how many bits they were."""
    nbytes = view._nbytes
    total = (nbytes + 8) // 64 * 64 + 64
    room = allocate(total)
    copy_bytes(room, view._data, nbytes)
    room[nbytes] = np.uint8(128)
    for i in range(nbytes + 1, total):
        room[i] = np.uint8(0)
    for i in range(8):
        room[total - 8 + i if is_little else total - 1 - i] = np.uint8((nbytes * 8) >> (8 * i) & 255)
    return room, total


@helper
def _left(word, count):
    """Return 32 bits, rotated."""
    return np.uint32((np.uint64(word) << np.uint64(count)) | (np.uint64(word) >> np.uint64(32 - count)))


@helper
def _right(word, count):
    return _left(word, 32 - count)


@helper
def _put(room, at, word, is_little):
    for i in range(4):
        shift = 8 * i if is_little else 24 - 8 * i
        room[at + i] = np.uint8((np.int64(word) >> shift) & 255)


@helper
def _word(room, at, is_little):
    found = np.int64(0)
    for i in range(4):
        shift = 8 * i if is_little else 24 - 8 * i
        found |= np.int64(room[at + i]) << shift
    return np.uint32(found)


# -- MD5 --------------------------------------------------------------------------------------------------

_SINES = np.array([int(abs(math.sin(i + 1)) * 2**32) for i in range(64)], np.uint32)
_SHIFTS = np.array([7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21], np.int64)


@helper
def _md5(string):
    room, total = _padded(string, True)
    a0, b0 = np.uint32(0x67452301), np.uint32(0xEFCDAB89)
    c0, d0 = np.uint32(0x98BADCFE), np.uint32(0x10325476)
    for block in range(0, total, 64):
        a, b, c, d = a0, b0, c0, d0
        for i in range(64):
            group = i >> 4
            if group == 0:
                mixed, place = (b & c) | (~b & d), i
            elif group == 1:
                mixed, place = (d & b) | (~d & c), (5 * i + 1) & 15
            elif group == 2:
                mixed, place = b ^ c ^ d, (3 * i + 5) & 15
            else:
                mixed, place = c ^ (b | ~d), (7 * i) & 15
            word = _word(room, block + 4 * place, True)
            total_ = np.uint32(np.uint32(np.uint32(mixed) + a) + np.uint32(_SINES[i] + word))
            a, d, c = d, c, b
            b = np.uint32(b + _left(total_, _SHIFTS[4 * group + (i & 3)]))
        a0, b0 = np.uint32(a0 + a), np.uint32(b0 + b)
        c0, d0 = np.uint32(c0 + c), np.uint32(d0 + d)
    out = allocate(16)
    _put(out, 0, a0, True)
    _put(out, 4, b0, True)
    _put(out, 8, c0, True)
    _put(out, 12, d0, True)
    return _hash_of(make_view(bytes_view, out, 16))


# -- SHA-1 ------------------------------------------------------------------------------------------------


@helper
def _sha1(string):
    room, total = _padded(string, False)
    words = np.empty(80, np.uint32)
    h0, h1, h2 = np.uint32(0x67452301), np.uint32(0xEFCDAB89), np.uint32(0x98BADCFE)
    h3, h4 = np.uint32(0x10325476), np.uint32(0xC3D2E1F0)
    for block in range(0, total, 64):
        for i in range(16):
            words[i] = _word(room, block + 4 * i, False)
        for i in range(16, 80):
            words[i] = _left(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1)
        a, b, c, d, e = h0, h1, h2, h3, h4
        for i in range(80):
            if i < 20:
                mixed, constant = (b & c) | (~b & d), np.uint32(0x5A827999)
            elif i < 40:
                mixed, constant = b ^ c ^ d, np.uint32(0x6ED9EBA1)
            elif i < 60:
                mixed, constant = (b & c) | (b & d) | (c & d), np.uint32(0x8F1BBCDC)
            else:
                mixed, constant = b ^ c ^ d, np.uint32(0xCA62C1D6)
            added = np.uint32(np.uint32(_left(a, 5) + np.uint32(mixed)) + np.uint32(e + constant))
            a, b, c, d, e = np.uint32(added + words[i]), a, _left(b, 30), c, d
        h0, h1, h2 = np.uint32(h0 + a), np.uint32(h1 + b), np.uint32(h2 + c)
        h3, h4 = np.uint32(h3 + d), np.uint32(h4 + e)
    out = allocate(20)
    _put(out, 0, h0, False)
    _put(out, 4, h1, False)
    _put(out, 8, h2, False)
    _put(out, 12, h3, False)
    _put(out, 16, h4, False)
    return _hash_of(make_view(bytes_view, out, 20))


# -- SHA-256 ----------------------------------------------------------------------------------------------


def _primes(count):
    found = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return found


def _root_bits(number, root):
    """Return the first 32 bits behind the point of a square or cube root."""
    scaled = number << (32 * root)
    low, high = 0, 1 << 40
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**root <= scaled else (low, middle - 1)
    return low & 0xFFFFFFFF


_START = np.array([_root_bits(prime, 2) for prime in _primes(8)], np.uint32)
_ROUNDS = np.array([_root_bits(prime, 3) for prime in _primes(64)], np.uint32)


@helper
def _sha256(string):
    room, total = _padded(string, False)
    words, state = np.empty(64, np.uint32), _START.copy()
    for block in range(0, total, 64):
        for i in range(16):
            words[i] = _word(room, block + 4 * i, False)
        for i in range(16, 64):
            one, two = words[i - 15], words[i - 2]
            first = _right(one, 7) ^ _right(one, 18) ^ np.uint32(one >> np.uint32(3))
            second = _right(two, 17) ^ _right(two, 19) ^ np.uint32(two >> np.uint32(10))
            words[i] = np.uint32(words[i - 16] + first + words[i - 7] + second)
        a, b, c, d = state[0], state[1], state[2], state[3]
        e, f, g, h = state[4], state[5], state[6], state[7]
        for i in range(64):
            turned = _right(e, 6) ^ _right(e, 11) ^ _right(e, 25)
            one = np.uint32(h + turned + ((e & f) ^ (~e & g)) + _ROUNDS[i] + words[i])
            turned = _right(a, 2) ^ _right(a, 13) ^ _right(a, 22)
            two = np.uint32(turned + ((a & b) ^ (a & c) ^ (b & c)))
            h, g, f, e = g, f, e, np.uint32(d + one)
            d, c, b, a = c, b, a, np.uint32(one + two)
        for i, word in enumerate((a, b, c, d, e, f, g, h)):
            state[i] = np.uint32(state[i] + word)
    out = allocate(32)
    for i in range(8):
        _put(out, 4 * i, state[i], False)
    return _hash_of(make_view(bytes_view, out, 32))


for _function, _own in ((hashlib.md5, _md5), (hashlib.sha1, _sha1), (hashlib.sha256, _sha256)):
    overlay(_function, "string")(lambda string=None, own=_own: own if is_bytes(string) else None)


# -- CRC-32 -----------------------------------------------------------------------------------------------


def _of_bytes():
    found = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        found = (found >> np.uint32(1)) ^ (np.uint32(0xEDB88320) * (found & np.uint32(1)))
    return found.astype(np.int64)


_CRC = _of_bytes()


@helper
def _crc32(data):
    found = np.int64(0xFFFFFFFF)
    for i in range(data._nbytes):
        found = _CRC[(found ^ np.int64(data._data[i])) & 255] ^ (found >> 8)
    return found ^ np.int64(0xFFFFFFFF)


overlay(zlib.crc32, "data")(lambda data=None: _crc32 if is_bytes(data) else None)
