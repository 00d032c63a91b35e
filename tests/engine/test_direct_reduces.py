"""Reduces over all rows at once: the same bits as by chunks, whatever the columns are; the same errors."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.arrow import columns
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.execution import fast_path
from dataflare_vec.engine.stages import direct_reduce, partitioned
from dataflare_vec.engine.stages.direct_reduce import DirectReduce

ROWS = 64 * 21 + 5

CHUNKS = dfv.BatchConfig(default_batch_size=64, max_batch_size=64, tuner="fixed", parallelism=1)


class Seen(NamedTuple):
    """What the kernels below keep."""

    total: float
    rows: int


def both(a, b):
    return Seen(a.total + b.total, a.rows + b.rows)


def reduce(function, merge=both):
    return define(
        function,
        name="r",
        form=Form.REDUCE,
        plugin_type=dfv.PluginType.AGGREGATOR,
        init=Seen(0.0, 0),
        merge=merge,
    )


def optional(s: Seen, x: float | None) -> Seen:
    return Seen(s.total + (0.5 if x is None else x), s.rows + 1)


OPTIONAL = reduce(optional)
ADD = reduce(lambda s, x: Seen(s.total + x, s.rows + 1))
SCALED = reduce(lambda s, x, factor=0.1: Seen(s.total + x * factor, s.rows + 1))
LENGTHS = reduce(lambda s, t: Seen(s.total / 3 + len(t), s.rows + 1))
LISTS = reduce(lambda s, a: Seen(s.total / 3 + a.sum(), s.rows + 1))
PAIRS = reduce(lambda s, x, t: Seen(s.total / 3 + x * len(t), s.rows + 1))


def by_chunks(frame, plugin, **bindings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_path, "reduce", lambda *arguments: None)
        return dfv.apply(frame, plugin, config=CHUNKS, **bindings)


@pytest.fixture
def df():
    random = np.random.default_rng(1)
    x = pl.Series(random.normal(size=ROWS), dtype=pl.Float64)
    t = pl.Series(["", "a", "more than twelve bytes", "ß"] * ROWS)[:ROWS]
    return pl.DataFrame(
        {
            "x": x,
            "t": t,
            "c": t.cast(pl.Categorical),
            "e": t.cast(pl.Enum(t.unique().to_list())),
            "a": pl.Series(random.normal(size=(ROWS, 3)), dtype=pl.Array(pl.Float64, 3)),
            "l": pl.Series([[1.0] * (i % 4) for i in range(ROWS)]),
            "i": pl.Series(random.integers(-100, 100, ROWS), dtype=pl.Int8),
            "b": x > 0,
        }
    )


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Partitions of 128 rows, and states of three of them at once."""
    monkeypatch.setattr(partitioned, "PARTITION_ROWS", 128)
    monkeypatch.setattr(direct_reduce, "_MOST_BYTES", 3 * 16)


@pytest.fixture
def direct(monkeypatch):
    """What became of calls: whether each was computed directly."""
    found = []
    compute = DirectReduce.compute

    def look(*arguments):
        found.append(compute(*arguments))
        return found[-1]

    monkeypatch.setattr(DirectReduce, "compute", look)
    return found


CASES = {
    "floats": (ADD, {"x": "x"}),
    "constant": (SCALED, {"x": "x", "factor": 0.25}),
    "texts": (LENGTHS, {"t": "t"}),
    "arrays": (LISTS, {"a": "a"}),
    "lists": (LISTS, {"a": "l"}),
    "integers": (ADD, {"x": "i"}),
    "booleans": (ADD, {"x": "b"}),
    "None": (OPTIONAL, {"x": "x"}),
    "two columns": (PAIRS, {"x": "i", "t": "t"}),
    "categories": (LENGTHS, {"t": "c"}),
    "members of an enumeration": (LENGTHS, {"t": "e"}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_as_by_chunks(df, direct, case):
    plugin, bindings = CASES[case]
    holes = df.with_columns(pl.when(pl.int_range(ROWS) % 7 > 0).then(pl.all()).name.keep())
    for frame in (df, holes, df[:127], df[:128], df[1:258], holes[3:1000]):
        wanted = by_chunks(frame, plugin, **bindings)
        before = len(direct)
        for threads in (1, 3):
            got = dfv.apply(frame, plugin, config=dfv.BatchConfig(parallelism=threads), **bindings)
            assert_frame_equal(got, wanted, check_exact=True)
        assert len(direct) == before + 2
        assert all(direct)


def test_columns_of_several_pieces(df, monkeypatch):
    pieces = pl.concat([df, df], rechunk=False)
    wanted = dfv.apply(pieces.rechunk(), ADD)
    assert_frame_equal(dfv.apply(pieces, ADD), wanted, check_exact=True)
    monkeypatch.setattr(columns, "joined", lambda series: series)  # as if each were long
    assert_frame_equal(dfv.apply(pieces, ADD), wanted, check_exact=True)


def test_the_state_goes_on(df):
    first = dfv.run(df, ADD)
    second = dfv.run(df, ADD, state=first.state)
    assert second.frame["rows"].item() == 2 * ROWS
    assert first.state == Seen(*first.frame.row(0))


def test_a_failed_row_is_named_as_it_is_by_chunks(df):
    def fail(s, x):
        if x > 99.5:
            raise ValueError("x is large")
        return Seen(s.total + x, s.rows + 1)

    plugin = reduce(fail)
    frame = df.with_columns(x=pl.when(pl.int_range(ROWS) == 700).then(100.0).otherwise("x"))
    for apply in (dfv.apply, by_chunks):
        with pytest.raises(dfv.RowError, match=r"row 700.*x is large"):
            apply(frame, plugin)
    left = dfv.run(frame, plugin, on_error="drop")
    assert left.frame["rows"].item() == ROWS - 1
    assert left.error_count == 1


def test_without_merge_there_is_one_state(df, direct):
    plugin = reduce(lambda s, x: Seen(s.total / 3 + x, s.rows + 1), merge=None)
    wanted = by_chunks(df, plugin)
    assert_frame_equal(dfv.apply(df, plugin), wanted, check_exact=True)
    assert len(direct) == 1


def test_metrics_count_each_row(df):
    manager = dfv.PluginManager()
    manager.register_plugin("r", ADD)
    for _ in range(3):
        dfv.apply(df, "r", manager=manager)
    counts = manager.get_system_status().metrics["r"]
    assert (counts.total_processed, counts.error_count, counts.runs) == (3 * ROWS, 0, 3)


def test_whoever_wants_to_see_chunks_does(df, direct, caplog):
    with caplog.at_level(logging.DEBUG, logger="dataflare_vec"):
        dfv.apply(df, ADD)
    assert not direct
    assert "chunks" in caplog.text
