"""The laws for lists of strings and of bytes, in and out."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.runtime import rtsys
from numba.core.runtime._nrt_python import memsys_disable_stats, memsys_enable_stats

import dataflare_vec as dfv
from testing.oracle import as_numpy, check, plugins
from testing.strategies import configs, frames
from testing.strategies import text as texts


def read(items, s):
    total = 0
    for item in items:
        total += len(item)
    return len(items), s in items, items.count(s), not items, bool(items), ",".join(items), total


def picked(items, s):
    return items[0], items[-2], items[len(s)]


def found(items, s):
    return items.index(s)


def parts(items, s):
    return items, items[1:], items[-3:-1], items[len(s) :]


def made(items, s):
    if s == "":
        return None
    return [item.upper() + s for item in items if item != s]


def split(items, s):
    return list(s.split("a")), [s, s + "and no short one", ""]


KERNELS = plugins(read, picked, found, parts, made, split)


@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data(), config=configs)
def test_lists(name, data, config):
    few = st.sampled_from(["", "a", "ab", "é", "a string of more than twelve"])
    lists = st.lists(few | texts, max_size=5) | st.lists(st.none() | few, max_size=3)
    frame = data.draw(frames(items=(lists, pl.List(pl.String)), s=(few | texts, pl.String)))
    check(KERNELS[name], frame, rows=as_numpy(frame), config=config)


@given(frame=frames(items=(st.lists(st.binary(max_size=20), max_size=4), pl.List(pl.Binary))), config=configs)
def test_bytes(frame, config):
    check(BYTES["backwards"], frame, config=config)


def backwards(items):
    return [item + b"-" for item in items], b"/".join(items)


BYTES = plugins(backwards)


@given(frame=frames(items=(st.lists(texts, min_size=2, max_size=2), pl.Array(pl.String, 2))), config=configs)
def test_arrays(frame, config):
    check(PAIR, frame, config=config)


def joined(items):
    return items[0] + items[1], len(items)


PAIR = plugins(joined)["joined"]


def test_a_list_of_strings_is_read_by_the_next_step():
    frame = pl.DataFrame({"items": [["a", "b"], [], None], "s": ["x", "y", "z"]})
    steps = [dfv.step(KERNELS["made"], output="more"), dfv.step(KERNELS["found"], items="more")]
    got = dfv.apply(frame, steps, on_error="null")
    assert got["more"].to_list() == [["Ax", "Bx"], [], None]
    assert got["found"].to_list() == [None, None, None]


def word_count(s):
    count = 0
    for _ in s.split("a"):
        count += 1
    return count


def handed_on(s):
    pieces = [piece + "-" for piece in s.split("a") if piece]
    longer = [piece + s for piece in pieces if piece in pieces]
    return "|".join(pieces), word_count(s), ",".join(longer), pieces


def test_lists_are_given_back():
    """Each list's memory is freed once: freed twice, it would be another's."""
    kernel, frame = plugins(handed_on)["handed_on"], pl.DataFrame({"s": ["abcabacbc", "é", ""]})
    check(kernel, frame)
    memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        for _ in range(3):
            dfv.apply(frame, kernel)
        after = rtsys.get_allocation_stats()
    finally:
        memsys_disable_stats()
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free > 0
    assert after.alloc - before.alloc == after.free - before.free


def test_nothing_is_copied():
    from dataflare_vec.arrow.layouts import StringLists

    series = pl.Series([["a", "b" * 20], ["c" * 30]])
    array = series.to_arrow(compat_level=pl.CompatLevel.newest())
    slots = StringLists().arguments(StringLists().to_arrow(series), nulls=False)
    _, offsets = array.buffers()[:2]
    _, views, *_ = array.values.buffers()
    assert (slots[0], slots[4]) == (offsets.address, views.address)
