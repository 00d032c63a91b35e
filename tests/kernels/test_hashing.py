"""Hashes against published vectors."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec import bits


def compiled(name, values, dtype=pl.Binary, **bindings):
    df = pl.DataFrame({"data": values}, schema={"data": dtype})
    return df.pipe(dfv.apply, name, output="out", **bindings)["out"].to_list()


@given(st.lists(st.text(max_size=40), min_size=1, max_size=6))
def test_strings_count_as_their_bytes(values):
    data = [value.encode() for value in values]
    for name in ("xxhash64", "murmur3", "siphash", "crc32", "fnv1a"):
        assert compiled(name, values, pl.String) == compiled(name, data)


def test_siphash_vectors_of_its_paper():
    # Appendix A and the reference code's table: key 00 … 0f, messages of growing length 00 01 02 …
    keys = {"key0": 0x0706050403020100, "key1": 0x0F0E0D0C0B0A0908}
    values = [bytes(range(n)) for n in (0, 1, 8, 15)]
    expected = [0x726FDB47DD0E0E31, 0x74F839C593DC67FD, 0x93F5F5799A932462, 0xA129CA6149BE45E5]
    assert compiled("siphash", values, **keys) == expected


def test_fnv1a_vectors():
    # RFC 9923, appendix C
    assert compiled("fnv1a", [b"", b"a", b"foobar"]) == [
        0xCBF29CE484222325,
        0xAF63DC4C8601EC8C,
        0x85944171F73967E8,
    ]


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 200))
def test_jump_bucket_moves_keys_to_the_new_bucket_only(key, buckets):
    df = pl.DataFrame({"key": [key]})
    before = df.pipe(dfv.apply, "jump_bucket", buckets=buckets)["jump_bucket"][0]
    after = df.pipe(dfv.apply, "jump_bucket", buckets=buckets + 1)["jump_bucket"][0]
    assert 0 <= before < buckets
    assert after in (before, buckets)


def test_jump_bucket_spreads_evenly():
    df = pl.DataFrame({"key": pl.int_range(20_000, eager=True)})
    sizes = df.pipe(dfv.apply, "jump_bucket", buckets=8)["jump_bucket"].value_counts()["count"]
    assert sizes.min() > 2300
    assert sizes.max() < 2700


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(1, 63))
def test_words_are_the_same_compiled(a, b, count):
    df = pl.DataFrame({"a": [a], "b": [b]})
    low = 2**64 - 1
    expected = {"add": (a + b) & low, "multiply": (a * b) & low}
    for name, value in expected.items():
        function = getattr(bits, name)
        assert function(a, b) == value
        assert (
            df.pipe(dfv.apply, dfv.register("words_op", _KERNELS[name], replace=True))["words_op"][0] == value
        )
    for function, kernel in ((bits.leading_zeros, _leading), (bits.float_bits, _bits)):
        value = a / 7 if function is bits.float_bits else a
        got = pl.DataFrame({"a": [value]}).pipe(dfv.apply, dfv.register("words_op", kernel, replace=True))
        assert got["words_op"][0] == function(value)
    rotated = df.pipe(dfv.apply, dfv.register("words_op", _rotated, replace=True), count=count)["words_op"][0]
    assert rotated == bits.rotate_left(bits.word(a), count)


def _added(a, b):
    return bits.add(a, b)


def _multiplied(a, b):
    return bits.multiply(a, b)


def _leading(a):
    return bits.leading_zeros(a)


def _bits(a):
    return bits.float_bits(a)


def _rotated(a, count=1):
    return bits.rotate_left(bits.word(a), count)


_KERNELS = {"add": _added, "multiply": _multiplied}


@pytest.mark.parametrize("at", [-1, 1, 8])
def test_words_are_loaded_within_the_data_only(at):
    with pytest.raises(IndexError, match="word out of range"):
        bits.load64(b"12345678", at)
