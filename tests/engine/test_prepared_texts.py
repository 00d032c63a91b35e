"""Columns of texts that a call makes in memory of its own: any lengths, and more than it had room for."""

from __future__ import annotations

import threading

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.engine.stages import direct
from testing.oracle import plugin


def longer(s: str, times: int):
    if times < 0:
        return None
    return s * times


def two(s: str):
    return s + "!", s.encode() * 2, len(s)


def raising(s: str):
    return s[: int(s[0])] + "."


@pytest.fixture
def pools(monkeypatch):
    """Return the rows of calls, each with whether it took memory of a pool."""
    calls = []
    compute = direct.DirectCall.compute

    def noted(self, known, rows, pool, cut=None):
        calls.append((rows, pool is not None))
        return compute(self, known, rows, pool, cut)

    monkeypatch.setattr(direct.DirectCall, "compute", noted)
    return calls


def run(function, frame, **bindings):
    return dfv.apply(frame, plugin(function), keep=False, **bindings).to_series().to_list()


@pytest.mark.parametrize("rows", [1, 2, 100, 1000, 5000])
@pytest.mark.parametrize("times", [0, 1, 5, 40, 900])
def test_any_lengths(rows, times):
    texts = [None if i % 7 == 3 else "äb"[: i % 3] + "c" * (i % 14) for i in range(rows)]
    frame = pl.DataFrame({"s": texts, "times": [times if i % 5 else -1 for i in range(rows)]})
    wanted = [None if s is None or n < 0 else s * n for s, n in frame.iter_rows()]
    for _ in range(2):
        assert run(longer, frame) == wanted


def test_texts_that_have_no_room_are_made_again_with_more(pools):
    frame = pl.DataFrame({"s": ["abcdefghij"] * 10})
    own = plugin(longer)
    for times, calls in ((30, 2), (30, 1), (1, 1)):
        pools.clear()
        got = dfv.apply(frame, own, keep=False, times=times).to_series()
        assert got.to_list() == ["abcdefghij" * times] * 10
        assert pools == [(10, False)] * calls


def test_many_bytes_come_from_a_pool(pools, monkeypatch):
    monkeypatch.setattr(direct, "_MOST_TEXT", 10_000)
    frame = pl.DataFrame({"s": ["abcdefghij"] * 100})
    own = plugin(longer)
    for pooled in (False, True):
        pools.clear()
        assert dfv.apply(frame, own, keep=False, times=50).to_series().to_list() == ["abcdefghij" * 50] * 100
        assert pools[0] == (100, pooled)


def test_texts_and_bytes_and_numbers():
    both = ("a€", "a long text that lies in no view")
    frame = pl.DataFrame({"s": both})
    got = dfv.apply(frame, plugin(two), keep=False)
    assert got.rows() == [(s + "!", s.encode() * 2, len(s)) for s in both]
    assert [str(dtype) for dtype in got.dtypes] == ["String", "Binary", "Int64"]


def test_a_row_that_fails():
    frame = pl.DataFrame({"s": ["2ab", "x", "1"]})
    result = dfv.run(frame, plugin(raising), on_error="null", keep=False)
    assert result.frame.to_series().to_list() == ["2a.", None, "1."]
    assert result.error_count == 1


def test_columns_outlive_the_call_in_any_thread():
    frame = pl.DataFrame({"s": [f"text number {i} of some" for i in range(200)]})
    own, kept = plugin(longer), []

    def call(times):
        kept.extend((times, dfv.apply(frame, own, keep=False, times=times).to_series()) for _ in range(50))

    threads = [threading.Thread(target=call, args=(times,)) for times in (1, 3, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for times, column in kept:
        assert column.to_list() == [s * times for s in frame["s"]]
