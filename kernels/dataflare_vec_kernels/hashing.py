"""Hashes of strings and bytes, equal to those of other systems, and stable buckets of keys."""

from __future__ import annotations

import numpy as np

import dataflare_vec as dfv
from dataflare_vec.bits import add, load32, load64, multiply, rotate_left, word
from dataflare_vec.text import utf8

_XX1, _XX2, _XX3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_XX4, _XX5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_LOW = 0xFFFFFFFF

_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


def _xx_round(lane, value):
    return multiply(rotate_left(add(lane, multiply(value, _XX2)), 31), _XX1)


def _xx_merge(state, lane):
    return add(multiply(state ^ _xx_round(word(0), lane), _XX1), _XX4)


@dfv.plugin(author="dataflare_vec")
def xxhash64(data, seed=0):
    """xxHash, 64 bits (XXH64): the fast one for partitioning, deduplication and checksums.

    Parameters
    ----------
    data : str or bytes
        A string counts as its UTF-8 bytes.
    seed : int
        Other seeds give other hashes.

    Returns
    -------
    int
        An unsigned 64-bit integer.

    Notes
    -----
    Not for secrets: collisions can be made on purpose.

    Source: Y. Collet, xxHash fast digest algorithm, specification 0.1.1.

    Examples
    --------
    >>> hex(xxhash64("abc"))
    '0x44bc2cf5ad770999'
    """
    view = utf8(data)
    size, at = len(view), 0
    state = add(word(seed), _XX5)
    if size >= 32:
        a, b = add(add(word(seed), _XX1), _XX2), add(word(seed), _XX2)
        c, d = word(seed), add(word(seed), word(-_XX1))
        while at + 32 <= size:
            a, b = _xx_round(a, load64(view, at)), _xx_round(b, load64(view, at + 8))
            c, d = _xx_round(c, load64(view, at + 16)), _xx_round(d, load64(view, at + 24))
            at += 32
        state = add(add(rotate_left(a, 1), rotate_left(b, 7)), add(rotate_left(c, 12), rotate_left(d, 18)))
        state = _xx_merge(_xx_merge(_xx_merge(_xx_merge(state, a), b), c), d)
    state = add(state, size)
    while at + 8 <= size:
        state = state ^ _xx_round(word(0), load64(view, at))
        state = add(multiply(rotate_left(state, 27), _XX1), _XX4)
        at += 8
    if at + 4 <= size:
        state = add(multiply(rotate_left(state ^ multiply(load32(view, at), _XX1), 23), _XX2), _XX3)
        at += 4
    while at < size:
        state = multiply(rotate_left(state ^ multiply(view[at], _XX5), 11), _XX1)
        at += 1
    state = multiply(state ^ (state >> 33), _XX2)
    state = multiply(state ^ (state >> 29), _XX3)
    return state ^ (state >> 32)


def _rest(view, at):
    """The last bytes, fewer than eight, as a little-endian word."""
    rest = word(0)
    for i in range(at, len(view)):
        rest = rest | word(int(view[i]) << (8 * (i - at)))
    return rest


def _murmur_scramble(block):
    block = multiply(block, 0xCC9E2D51) & _LOW
    return multiply(_rotate32_left(block, 15), 0x1B873593) & _LOW


def _rotate32_left(block, count):
    return (word(block << count) | (block >> (32 - count))) & _LOW


@dfv.plugin(author="dataflare_vec")
def murmur3(data, seed=0):
    """MurmurHash3 of 32 bits (x86_32), which Kafka, Iceberg and others choose partitions by.

    Parameters
    ----------
    data : str or bytes
        A string counts as its UTF-8 bytes.
    seed : int
        0 to 2^32 - 1.

    Returns
    -------
    int
        0 to 2^32 - 1.

    Notes
    -----
    Source: A. Appleby, MurmurHash3 (2011), public domain.

    Examples
    --------
    >>> murmur3("abc")
    3017643002
    """
    view = utf8(data)
    size = len(view)
    state = word(seed) & _LOW
    at = 0
    while at + 4 <= size:
        state = _rotate32_left(state ^ _murmur_scramble(load32(view, at)), 13)
        state = add(multiply(state, 5), 0xE6546B64) & _LOW
        at += 4
    last = word(0)  # the one to three bytes that are left
    if size >= 4:
        last = load32(view, size - 4) >> (8 * (4 - size + at) & 63)
    else:
        last = _rest(view, 0)
    state = state ^ _murmur_scramble(last) ^ word(size)
    state = multiply(state ^ (state >> 16), 0x85EBCA6B) & _LOW
    state = multiply(state ^ (state >> 13), 0xC2B2AE35) & _LOW
    return int(np.int64(state ^ (state >> 16)))  # a column of Int64


def _sip_round(a, b, c, d):
    a, c = add(a, b), add(c, d)
    b, d = rotate_left(b, 13) ^ a, rotate_left(d, 16) ^ c
    a, c = add(rotate_left(a, 32), d), add(c, b)
    b, d = rotate_left(b, 17) ^ c, rotate_left(d, 21) ^ a
    return a, b, rotate_left(c, 32), d


@dfv.plugin(author="dataflare_vec")
def siphash(data, key0=0, key1=0):
    """SipHash-2-4: a keyed hash, for buckets that nobody without the key can flood.

    Parameters
    ----------
    data : str or bytes
        A string counts as its UTF-8 bytes.
    key0, key1 : int
        The first and the last eight bytes of the key, as little-endian integers.

    Returns
    -------
    int
        An unsigned 64-bit integer.

    Notes
    -----
    Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.

    Examples
    --------
    >>> hex(siphash(bytes(range(15)), 0x0706050403020100, 0x0F0E0D0C0B0A0908))
    '0xa129ca6149be45e5'
    """
    view = utf8(data)
    size = len(view)
    a, b = word(key0) ^ word(0x736F6D6570736575), word(key1) ^ word(0x646F72616E646F6D)
    c, d = word(key0) ^ word(0x6C7967656E657261), word(key1) ^ word(0x7465646279746573)
    at = 0
    while at + 8 <= size:
        block = load64(view, at)
        d = d ^ block
        a, b, c, d = _sip_round(a, b, c, d)
        a, b, c, d = _sip_round(a, b, c, d)
        a = a ^ block
        at += 8
    block = word(word(size & 0xFF) << 56) | _rest(view, at)
    d = d ^ block
    a, b, c, d = _sip_round(a, b, c, d)
    a, b, c, d = _sip_round(a, b, c, d)
    a, c = a ^ block, c ^ word(0xFF)
    for _ in range(4):
        a, b, c, d = _sip_round(a, b, c, d)
    return a ^ b ^ c ^ d


def _crc_table():
    """What each byte does to a CRC, by the reversed polynomial 0xEDB88320."""
    table = np.arange(256, dtype=np.int64)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ 0xEDB88320, table >> 1)
    return table


_CRC = _crc_table()


@dfv.plugin(author="dataflare_vec")
def crc32(data):
    """CRC-32 as in zip, gzip and PNG.

    Parameters
    ----------
    data : str or bytes
        A string counts as its UTF-8 bytes.

    Returns
    -------
    int
        0 to 2^32 - 1.

    Notes
    -----
    Source: ISO 3309 / ITU-T V.42; the same as ``zlib.crc32``.

    Examples
    --------
    >>> hex(crc32("123456789"))
    '0xcbf43926'
    """
    state = _LOW
    for byte in utf8(data):
        state = (state >> 8) ^ int(_CRC[(state ^ int(byte)) & 0xFF])
    return state ^ _LOW


@dfv.plugin(author="dataflare_vec")
def fnv1a(data):
    """Fowler–Noll–Vo hash FNV-1a, 64 bits: simple, and good for short keys.

    Parameters
    ----------
    data : str or bytes
        A string counts as its UTF-8 bytes.

    Returns
    -------
    int
        An unsigned 64-bit integer.

    Notes
    -----
    Source: RFC 9923, "The FNV Non-Cryptographic Hash Algorithm".

    Examples
    --------
    >>> hex(fnv1a("a"))
    '0xaf63dc4c8601ec8c'
    """
    state = word(_FNV_OFFSET)
    for byte in utf8(data):
        state = multiply(state ^ word(byte), _FNV_PRIME)
    return state


@dfv.plugin(author="dataflare_vec")
def jump_bucket(key: int, buckets=16):
    """Bucket of a key by jump consistent hash: few keys move when buckets are added.

    Parameters
    ----------
    key : int
        Hash strings first, with `xxhash64`.
    buckets : int
        How many there are, at least 1.

    Returns
    -------
    int
        0 to ``buckets - 1``.

    Raises
    ------
    ValueError
        If there is no bucket: the row fails.

    Notes
    -----
    From n to n + 1 buckets, 1 of n + 1 keys moves, and to the new bucket only.

    Source: J. Lamping, E. Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm" (2014), arXiv:1406.2294.

    Examples
    --------
    >>> jump_bucket(2**40 + 1, 10), jump_bucket(2**40 + 1, 11)
    (7, 7)
    """
    if buckets < 1:
        raise ValueError("there must be at least one bucket")
    state = word(key)
    bucket, following = -1, 0
    while following < buckets:
        bucket = following
        state = add(multiply(state, 2862933555777941757), 1)
        following = int((bucket + 1) * (float(1 << 31) / float((state >> 33) + 1)))
    return bucket
