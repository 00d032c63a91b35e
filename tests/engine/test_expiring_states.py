"""What keys that expire leave behind: a bounded number of states; and what is refused."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.state import expiring
from testing.stateful import stateful


def visits(count, x):
    return count + 1, count + 1


def last_three(seen: deque[int], x):
    seen.append(x)
    if len(seen) > 3:
        seen.popleft()
    return seen, sum(seen)


def total(count, x):
    return count + x


COUNT = stateful(visits, Form.SCAN, init=0)
LAST = stateful(last_three, Form.SCAN, init=deque())
TOTAL = stateful(total, Form.REDUCE, init=0)


def feed(batches, rows):
    """Yield rows each of which has a key of its own, but every 100th, whose key is always the same."""
    for batch in range(batches):
        row = np.arange(batch * rows, (batch + 1) * rows)
        key = np.where(row % 100, row, -1)
        yield pl.DataFrame({"key": key, "t": row, "x": row % 7})


@pytest.mark.parametrize("plugin", [COUNT, LAST, TOTAL], ids=lambda one: one.name)
def test_the_number_of_states_is_bounded(plugin, monkeypatch):
    held = []
    compact = expiring.ExpiringStates._compact

    def watched(self, live):
        held.append((len(self.records), self.keys.count, len(self._last)))
        compact(self, live)

    monkeypatch.setattr(expiring.ExpiringStates, "_compact", watched)
    rows, limit = 1_000, 500
    stream = dfv.stream(feed(40, rows), plugin, by="key", expire=("t", limit), max_latency=1e-6)
    most = out = 0
    for frame in stream:
        out += frame.height
        most = max(most, stream.result.state_count)
    result = stream.result
    # Batches may be joined, up to 16,384 rows.
    assert most <= limit + 2
    assert len(held) >= 2
    assert max(map(max, held)) <= 4 * (2 * limit + (1 << 14) + 1024)
    assert result.expired_count + result.state_count == 40 * rows - 400 + 1
    assert out == (result.expired_count + result.state_count if plugin is TOTAL else 40 * rows)
    assert (
        stream.state[-1]
        == {
            "visits": 400,
            "last_three": deque([(39_700 + i) % 7 for i in (0, 100, 200)]),
            "total": sum(row % 7 for row in range(0, 40_000, 100)),
        }[plugin.name]
    )


def test_a_state_without_times_begins_with_the_clock():
    frame = pl.DataFrame({"key": [1, 2], "t": [10, 20], "x": [0, 0]})
    before = dfv.run(frame, COUNT, by="key").state
    later = pl.DataFrame({"key": [1, 2, 1], "t": [100, 105, 107], "x": [0, 0, 0]})
    got = dfv.run(later, COUNT, by="key", expire=("t", 5), state=before)
    assert got.frame["visits"].to_list() == [2, 2, 1]
    assert dfv.run(frame, COUNT, by="key", state=got.state).frame["visits"].to_list() == [2, 3]


def test_a_shorter_time_holds_from_the_next_run_on():
    frame = pl.DataFrame({"key": [1, 2], "t": [10, 20], "x": [0, 0]})
    state = dfv.run(frame, COUNT, by="key", expire=("t", 50)).state
    assert len(state) == 2
    nothing = dfv.run(frame.clear(), COUNT, by="key", expire=("t", 5), state=state)
    assert dict(nothing.state) == {2: 1}


def test_times_of_the_whole_range():
    far = [-(1 << 63), (1 << 63) - 1]
    frame = pl.DataFrame({"key": [1, 1], "t": far, "x": [0, 0]})
    for limit, values in [((1 << 63) - 1, [1, 1]), (0, [1, 1])]:
        got = dfv.run(frame, COUNT, by="key", expire=("t", limit))
        assert got.frame["visits"].to_list() == values


def test_results_show_it():
    frame = pl.DataFrame({"key": [1, 2, 3], "t": [0, 0, 100], "x": [0, 0, 0]})
    result = dfv.run(frame, COUNT, by="key", expire=("t", 5))
    assert (result.state_count, result.expired_count) == (1, 2)
    assert "expired" in result._repr_html_()
    stream = dfv.stream(frame, COUNT, by="key", expire=("t", 5))
    list(stream)
    assert (stream.result.state_count, stream.result.expired_count) == (1, 2)
    assert "expired" in stream.result._repr_html_()


FRAME = pl.DataFrame(
    {
        "key": [1],
        "x": [1],
        "f": [1.0],
        "n": [1],
        "u": pl.Series([1], dtype=pl.UInt64),
        "at": [datetime(2026, 1, 1)],
    }
)


@pytest.mark.parametrize(
    ("expire", "kind", "message"),
    [
        (("at", "1mo"), dfv.BindingError, "fixed length"),
        (("at", ""), dfv.BindingError, "fixed length"),
        (("at", "-3m"), dfv.BindingError, "fixed length"),
        (("at", timedelta(-1)), dfv.BindingError, "0 or more"),
        (-1, dfv.BindingError, "0 or more"),
        (1 << 64, dfv.BindingError, "0 or more"),
        (True, dfv.BindingError, "a column and a time"),
        ("30m", dfv.BindingError, "a column and a time"),
        (("at", 1.5), dfv.BindingError, "a column and a time"),
        (("at", 30), dfv.ColumnTypeError, "give a time"),
        (("n", "30m"), dfv.ColumnTypeError, "a number of its units"),
        (("f", 30), dfv.ColumnTypeError, "needs times, column `f` is Float64"),
        (("u", 30), dfv.ColumnTypeError, "needs times, column `u` is UInt64"),
        (("when", 30), dfv.ColumnNotFoundError, "`when` not found"),
    ],
)
def test_what_means_nothing_is_refused(expire, kind, message):
    with pytest.raises(kind, match=message):
        dfv.run(FRAME, COUNT, by="key", expire=expire)


def test_where_it_means_nothing_it_is_refused():
    with pytest.raises(dfv.BindingError, match="drops the states of keys"):
        dfv.run(FRAME, COUNT, expire=5)
    with pytest.raises(dfv.BindingError, match=r"dfv\.step"):
        dfv.run(FRAME, [dfv.step(COUNT, by="key")], expire=5)
    with pytest.raises(dfv.BuildError, match="needs Python"):
        FRAME.lazy().pipe(dfv.apply, COUNT, by="key", expire=5, native=True)
    state = dfv.run(FRAME, COUNT, by="key", expire=5).state
    with pytest.raises(dfv.StateError, match="pass the same `expire=`"):
        dfv.run(FRAME, COUNT, by="key", expire=("n", 5), state=state)


def test_calls_that_differ_in_it_are_told_apart():
    frame = pl.DataFrame({"key": [1, 1, 1], "t": [0, 10, 30], "x": [0, 0, 0]})
    for expire, values in [
        (("t", 10), [1, 2, 1]),
        (("t", 20), [1, 2, 3]),
        (None, [1, 2, 3]),
        (("t", 1), [1, 1, 1]),
    ]:
        assert dfv.run(frame, COUNT, by="key", expire=expire).frame["visits"].to_list() == values
        steps = [dfv.step(COUNT, by="key", expire=expire)]
        assert dfv.run(frame, steps).frame["visits"].to_list() == values


def test_a_column_of_an_earlier_step_may_hold_the_times():
    frame = pl.DataFrame({"key": [1, 1, 1], "x": [0, 1, 3]})
    later = dfv.register("times_of_rows", pl.col("x") * 10, replace=True)
    steps = [dfv.step(later, output="t", keep=False), dfv.step(COUNT, by="key", expire=("t", 10))]
    got = frame.lazy().pipe(dfv.apply, steps).collect()
    assert got["visits"].to_list() == [1, 2, 1]
    assert got.columns == ["key", "x", "visits"]
