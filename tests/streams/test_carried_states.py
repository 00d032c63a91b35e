"""Scans and reduces over streams: the state is carried over batches and files."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from samples import ordered, rows

import dataflare_vec as dfv


@dfv.scan(init=0, replace=True)
def running_total(state, x):
    state += x
    return state, state


@dfv.reduce(init=0, replace=True)
def grand_total(state, x):
    return state + x


FRAME = rows(0, 1000)


@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=8), by=st.sampled_from([None, "s"]))
def test_how_the_source_is_cut_never_shows(sizes, by):
    for plugin in (running_total, grand_total):
        frame = FRAME.head(sum(sizes))
        slices, start = [], 0
        for size in sizes:
            slices.append(frame[start : start + size])
            start += size
        stream = dfv.stream(iter(slices), plugin, by=by, max_latency=1e-6)
        expected = dfv.run(frame, plugin, by=by)
        assert_frame_equal(pl.concat(list(stream)), expected.frame)
        assert stream.result.output_count == expected.frame.height
        assert stream.state == expected.state


def test_a_stream_goes_on_from_a_state():
    first = dfv.stream(FRAME[:600], running_total, by="s")
    list(first)
    second = dfv.stream(FRAME[600:], running_total, by="s", state=first.state)
    expected = dfv.apply(FRAME, running_total, by="s")[600:]
    assert_frame_equal(pl.concat(list(second)), expected)


def test_files(folder, tmp_path):
    everything = pl.concat(list(dfv.stream(folder, running_total)))
    dfv.stream(folder, running_total).write(tmp_path / "out")
    files = [pl.read_parquet(path) for path in ordered(tmp_path / "out")]
    assert_frame_equal(pl.concat(files), everything)
    dfv.stream(folder, grand_total, by="s").write(tmp_path / "sums.parquet")
    expected = dfv.apply(everything, grand_total, by="s")
    assert_frame_equal(pl.read_parquet(tmp_path / "sums.parquet"), expected)


def test_mistakes(folder, tmp_path):
    with pytest.raises(ValueError, match="a reduce combines the rows of all files; name one file as output"):
        dfv.stream(folder, grand_total).write(tmp_path / "out")
    with pytest.raises(ValueError, match="a scan needs all files in order; leave out `resume`"):
        dfv.stream(folder, running_total).write(tmp_path / "out", resume=True)
