"""Law 2 for the words of `dataflare_vec.bits`: integers of Python's, whatever they are computed with.

Functions are drawn: expressions of a few operators over words, columns and literals.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec import bits
from testing.oracle import check, fold, plugin, plugins
from testing.strategies import configs, frames

EDGES = sorted({s * ((1 << k) + d) for s in (1, -1) for k in (0, 7, 31, 32, 53, 63, 64) for d in (-1, 0, 1)})


def integers(low, high):
    """Any of a dtype's, mostly those next to a limit."""
    return st.sampled_from([edge for edge in EDGES if low <= edge <= high]) | st.integers(low, high)


COLUMNS = {
    "u": (integers(0, (1 << 64) - 1), pl.UInt64),
    "i": (integers(-(1 << 63), (1 << 63) - 1), pl.Int64),
    "a": (integers(-128, 127), pl.Int8),
}

words = st.sampled_from(["w", "w", "v", "bits.add(w, i)", "bits.multiply(v, i)", "mixed(w)", "(w ^ v)"])
#: Kept words by what is next to them.
kept = st.one_of(
    st.builds("({} {} {})".format, words, st.sampled_from("&|^"), words | st.sampled_from(["255", "7"])),
    st.builds("({} >> {})".format, words, st.sampled_from(["3", "33", "(a & 127)", "64", "(v & 127)"])),
    st.builds("({} & {})".format, words, st.sampled_from(["i", "u", "a", "(i > 0)", "-2"])),
)
some = words | kept
others = some | st.sampled_from(["i", "u", "a", "0", "7", "-1", "9223372036854775809", "(i > 0)"])
divisors = st.sampled_from(["10", "(w | 1)", "7", "(i or 1)", "(u or 1)"])
numbers = st.one_of(
    some,
    st.builds("({} {} {})".format, some, st.sampled_from(["+", "-", "|", "^", "&"]), others),
    st.builds("({} {} {})".format, others, st.sampled_from(["+", "-", "|", "^", "&"]), some),
    st.builds("({} {} {})".format, some, st.sampled_from(["//", "%"]), divisors),
    st.builds("({} % ({} or 1))".format, others, some),
    st.builds("({} * {})".format, some, st.sampled_from(["2", "a", "-3", "(v >> 40)"])),
    st.builds("({} << {})".format, some, st.sampled_from(["1", "7", "(a & 31)"])),
    st.builds("({} ** 2)".format, st.sampled_from(["(w >> 40)", "(v & 255)"])),
    st.builds("({}{})".format, st.sampled_from("-~+"), some),
    st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), some, others),
    st.builds("({} if a > 0 else {})".format, some, others),
    st.builds("divmod({}, {})[{}]".format, some, divisors, st.sampled_from("01")),
    st.builds("sum(({}, {}))".format, some, others),
    st.builds("{}({})".format, st.sampled_from(["abs", "int", "round", "hash", "bits.word", "bucket"]), some),
    st.builds("({}, {})[{}]".format, some, others, st.sampled_from("01")),
    st.builds("({} {} {})".format, some, st.sampled_from(["<", "<=", "==", "!="]), others),
    st.builds("({} in (5, {}, i))".format, some, others),
    st.builds("{}({})".format, st.sampled_from(["float", "str", "bool"]), some),
    st.builds("({} / 3)".format, some),
)
LOOP = "t = {}\n    for _ in range(3):\n        {}{}\n    return t"
bodies = st.one_of(
    numbers.map("return {}".format),
    st.builds("return {}, {}".format, numbers, numbers),
    st.builds("if a > 0:\n        return {}\n    return {}".format, some, others),
    st.builds(LOOP.format, others, st.sampled_from("^|+-").map("t {}= ".format), some),
    st.builds(LOOP.format, words, st.sampled_from("^|&").map("t {}= ".format), words),
    st.builds(LOOP.format, st.just("0"), st.just("t = bits.add(t, "), others.map("{})".format)),
    st.builds("t = {}\n    if a > 0:\n        t = {}\n    return t % 7".format, some, others),
)


def mixed(word):
    return bits.multiply(word ^ (word >> 31), 0x9E3779B97F4A7C15)


def bucket(hashed):
    return hashed % 10


def defined(body):
    """Return a kernel whose function has this body."""
    names = {"bits": bits, "mixed": mixed, "bucket": bucket}
    exec(f"def drawn(u, i, a):\n    w, v = bits.word(u), bits.word(i)\n    {body}\n", names)
    return plugin(names["drawn"])


@settings(max_examples=30, phases=[Phase.generate])  # each example is a compilation or two
@given(body=bodies, frame=frames(**COLUMNS), config=configs)
def test_compiled_is_interpreted(body, frame, config):
    check(defined(body), frame, config=config)


# -- containers, and states -------------------------------------------------------------------------------

TABLE = np.arange(16.0)
SQUARE = np.arange(12.0).reshape(3, 4)


class Pair(NamedTuple):
    first: int
    second: int


def looked_up(u, i):
    w = bits.word(u)
    return TABLE[w & 15], TABLE[w % 16], TABLE[w >> 60], SQUARE[w % 3, i & 3], (1, 2, 3, 4)[w & 3]


def stored(u):
    w, counts = bits.word(u), np.zeros((2, 4), np.uint64)
    counts[w & 1, 2] += 5
    counts[0, w >> 62] = w
    return counts[0, 2], counts[1, 2], counts[0, 0]


def gathered(u, i):
    w, v = bits.word(u), bits.word(i)
    return max([w, v]), sum([w, v]), sorted([w, v])[0], len({w, v, w}), {w: 1}.get(v, 0), w in [v, w]


def listed(u, i):
    return [bits.word(i), bits.word(u) >> 1]


def in_array(u, i):
    return np.array([bits.word(u), bits.word(i)])


def absent(u, i):
    w = bits.word(u) if i > 0 else None
    return w, (w or 7) % 5, None if w is None else w - 1


def named(u, i):
    pair = Pair(bits.word(u), i)
    return pair.first % 7, pair.first - pair.second


def shown(u):
    w = bits.word(u)
    return f"{w:x}|{w:>22}|{w:,}", str(w), repr(w), chr(97 + bucket(w)), "ab" * (w & 3)


def of_bits(u, f):
    return 64 - bits.leading_zeros(u), bits.count_ones(u) - 65, (bits.float_bits(f) >> 52) - 1023


def loaded(y):
    return bits.load64(y, 0) + 1, bits.load32(y, 4) - 2**32, -bits.load64(y, 1) % 10


def converted(u):
    w = bits.word(u)
    return float(w), bool(w), w / 3, math.sqrt(w), np.float64(w), isinstance(w, int), w < 0.5


KERNELS = plugins(looked_up, stored, gathered, listed, absent, named, shown, of_bits, loaded, converted)
ALL = {
    **COLUMNS,
    "f": (st.floats(allow_nan=False), pl.Float64),
    "y": (st.binary(min_size=9, max_size=12), pl.Binary),
}


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=20)
@given(data=st.data())
def test_kernels(name, data):
    columns = {parameter.name: ALL[parameter.name] for parameter in KERNELS[name].parameters}
    check(KERNELS[name], data.draw(frames(**columns)), config=data.draw(configs))


def hashed(state, u):
    return bits.multiply(state ^ u, 0x100000001B3)


def counted(state, u):
    w = mixed(bits.word(u))
    return state[0] + w % 3, bits.add(state[1], w), max(state[2], w)


@pytest.mark.parametrize(("function", "init"), [(hashed, 0), (hashed, 2**64 - 1), (counted, (0, 0, 0))])
@settings(max_examples=20)
@given(frame=frames(u=COLUMNS["u"]), config=configs)
def test_states(function, init, frame, config):
    kernel = dfv.reduce(function, init=init, name=f"{function.__name__} {init}", replace=True)
    _, failed, states = fold(kernel, frame.iter_rows())
    result = dfv.run(frame, kernel, keep=False, config=config, on_error="null")
    assert result.errors["row"].to_list() == failed == []
    state = states.get((), init)
    assert result.frame.row(0) == (state if isinstance(state, tuple) else (state,))


def test_a_list_of_words_is_an_array_of_numpys():
    frame = pl.DataFrame({"u": [2**63 + 1, 3], "i": [5, -2]}, schema={"u": pl.UInt64, "i": pl.Int64})
    made = dfv.apply(frame, plugin(in_array))["in_array"]
    assert made.to_list() == [[2**63 + 1, 5], [3, 2**64 - 2]]
