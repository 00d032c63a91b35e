"""Keys that expire: the plain function per session, whatever chunks, batches and breaks there are."""

from __future__ import annotations

import pickle
from collections import deque
from datetime import timedelta
from typing import NamedTuple

import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.stateful import stateful
from testing.strategies import configs

no_shrinking = settings(phases=[Phase.explicit, Phase.generate])


class Trail(NamedTuple):
    count: int
    last: deque[int]
    text: str


class Visit(NamedTuple):
    count: int
    first: str
    total: float


def trail(state: Trail, x, word):
    state.last.append(x)
    if len(state.last) > 3:
        state.last.popleft()
    if x > 90:
        raise ValueError("x is large")
    text = word + state.text[:20]
    return Trail(state.count + 1, state.last, text), (sum(state.last), text)


def visit(state, x, word):
    if x > 90:
        raise ValueError("x is large")
    return Visit(state.count + 1, state.first or word, state.total + x)


SCAN = stateful(trail, Form.SCAN, init=Trail(0, deque(), ""))
REDUCE = stateful(visit, Form.REDUCE, init=Visit(0, "", 0.0))
MEAN = stateful(
    visit,
    Form.REDUCE,
    init=Visit(0, "", 0.0),
    finish=lambda s: (s.first, s.total / s.count if s.count else None),
)

ODD = define(lambda x: x % 2 == 1, name="odd", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)

LIMITS = {
    "rows": (3, 3),
    "integers": (("t", 4), 4),
    "datetimes": (("at", "4m"), 4),
    "dates": (("day", timedelta(days=4, hours=20)), 4),
}


@st.composite
def feeds(draw):
    """Return rows whose times mostly grow, with keys, of which some are null."""
    count = draw(st.integers(0, 60))
    steps = st.one_of(st.sampled_from([0, 1, 2]), st.sampled_from([-9, -1, 3, 6, 40]))
    times, now = [], draw(st.sampled_from([0, -50]))
    for step in draw(st.lists(steps, min_size=count, max_size=count)):
        now += step
        times.append(None if draw(st.integers(0, 9)) == 0 else now)

    def column(strategy):
        return draw(st.lists(strategy, min_size=count, max_size=count))

    t = pl.Series("t", times, pl.Int64)
    return pl.DataFrame(
        {
            "k": pl.Series(
                column(st.sampled_from(["a", "b", "a longer name of a key", None])), dtype=pl.String
            ),
            "x": pl.Series(column(st.one_of(st.integers(0, 95), st.none())), dtype=pl.Int64),
            "word": pl.Series(column(st.sampled_from(["", "short", "longer than a view"])), dtype=pl.String),
            "t": t,
            "at": pl.select(pl.from_epoch(t * 60)).to_series().cast(pl.Datetime("ms", "UTC")),
            "day": t.cast(pl.Int32).cast(pl.Date),
        }
    )


class Sessions(NamedTuple):
    """What the plain rule makes of a feed."""

    numbers: list[int]  # of each row
    keys: list  # of each session
    ended: list[int]  # in order
    still: list[int]


def sessions_of(frame, times, limit):
    """Give each row its session by the rule, with a dict."""
    numbers, keys, last, still = [], [], {}, {}
    clock, rows, ended = None, 0, []
    for key, time in zip(frame["k"], times or [None] * frame.height, strict=True):
        rows += 1
        now = rows if times is None else time
        if now is not None and clock is None:
            last = dict.fromkeys(last, now)
        if now is not None:
            clock = now if clock is None else max(clock, now)
        if clock is not None:
            over = [k for k, number in still.items() if clock - last[number] > limit]
            ended += sorted((still.pop(k) for k in over), key=lambda number: (last[number], number))
        if key not in still:
            still[key] = len(keys)
            keys.append(key)
        last[still[key]] = 0 if clock is None else clock
        numbers.append(still[key])
    return Sessions(numbers, keys, ended, list(still.values()))


def expected_of(frame, name):
    """Return the rule's sessions for a way to say the limit, and the frame with their numbers as the key."""
    limit = LIMITS[name][1]
    found = sessions_of(frame, None if name == "rows" else frame["t"].to_list(), limit)
    return found, frame.with_columns(k=pl.Series(found.numbers, dtype=pl.Int64))


def in_order(rows, found):
    """Return the rows of a run by session in the order of a run whose keys expire, with these keys."""
    place = pl.Series([*found.ended, *found.still], dtype=pl.UInt32)
    keys = pl.Series("k", found.keys, pl.String)
    return rows[place].with_columns(keys[place].alias("k"))


ways = st.sampled_from(list(LIMITS))


@no_shrinking
@given(feeds(), ways, configs)
def test_a_scan_begins_anew_with_each_session(frame, way, config):
    found, by_session = expected_of(frame, way)
    wanted = dfv.run(by_session, SCAN, by="k")
    got = dfv.run(frame, SCAN, by="k", expire=LIMITS[way][0], config=config)
    assert_frame_equal(got.frame.drop("k"), wanted.frame.drop("k"))
    assert_frame_equal(got.errors, wanted.errors)
    assert list(got.state) == [found.keys[number] for number in found.still]
    assert [got.state[found.keys[number]] for number in found.still] == [wanted.state[n] for n in found.still]
    assert (got.state_count, got.expired_count) == (len(found.still), len(found.ended))
    assert got.processed_count == got.success_count + got.error_count == frame.height


@no_shrinking
@given(feeds(), ways, st.sampled_from([REDUCE, MEAN]), configs)
def test_a_reduce_gives_a_row_for_each_session(frame, way, plugin, config):
    found, by_session = expected_of(frame, way)
    wanted = dfv.run(by_session, plugin, by="k")
    got = dfv.run(frame, plugin, by="k", expire=LIMITS[way][0], config=config)
    assert_frame_equal(got.frame, in_order(wanted.frame, found))
    assert (got.state_count, got.expired_count) == (len(found.still), len(found.ended))
    assert [repr(state) for state in got.state.values()] == [repr(wanted.state[n]) for n in found.still]


@no_shrinking
@given(feeds(), ways, st.sampled_from([SCAN, MEAN]), st.data())
def test_going_on_is_as_if_there_had_been_no_break(frame, way, plugin, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, frame.height), max_size=3)))
    whole = dfv.run(frame, plugin, by="k", expire=LIMITS[way][0])
    state, parts = None, []
    for start, stop in zip([0, *cuts], [*cuts, frame.height], strict=True):
        part = dfv.run(frame[start:stop], plugin, by="k", expire=LIMITS[way][0], state=state)
        state = pickle.loads(pickle.dumps(part.state))
        last = stop == frame.height and len(parts) == len(cuts)
        is_shown = plugin is SCAN or last  # of the keys that go on there are rows later
        parts.append(part.frame if is_shown else part.frame.head(part.frame.height - part.state_count))
    assert_frame_equal(pl.concat(parts), whole.frame)
    assert repr(state.to_frame()) == repr(whole.state.to_frame())


@no_shrinking
@given(feeds(), ways, st.sampled_from([SCAN, MEAN]), st.integers(1, 20))
def test_streams_readers_and_queries_too(frame, way, plugin, size):
    import pyarrow as pa

    how = {"by": "k", "expire": LIMITS[way][0], "on_error": "null"}
    whole = dfv.run(frame, plugin, **how)
    batches = (frame[i : i + size] for i in range(0, max(frame.height, 1), size))
    stream = dfv.stream(batches, plugin, max_latency=1e-6, **how)
    assert_frame_equal(pl.concat([stream.schema.to_frame(), *stream]), whole.frame)
    assert repr(stream.state.to_frame()) == repr(whole.state.to_frame())
    assert (stream.result.state_count, stream.result.expired_count) == (
        (whole.state_count, whole.expired_count) if frame.height else (0, 0)
    )
    table = frame.to_arrow()
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=size))
    assert_frame_equal(pl.from_arrow(dfv.apply(reader, plugin, **how).read_all()), whole.frame)
    assert_frame_equal(frame.lazy().pipe(dfv.apply, plugin, **how).collect(), whole.frame)
    needed = frame.lazy().pipe(dfv.apply, plugin, **how).select(whole.frame.columns[-1])
    assert_frame_equal(needed.collect(), whole.frame.select(whole.frame.columns[-1]))


@no_shrinking
@given(feeds(), ways, configs)
def test_rows_that_are_filtered_out_arent_there(frame, way, config):
    steps = [ODD, dfv.step(MEAN, by="k", expire=LIMITS[way][0])]
    kept = frame.filter(pl.col("x").fill_null(0) % 2 == 1)
    assert_frame_equal(
        dfv.run(frame, steps, config=config).frame, dfv.run(kept, MEAN, by="k", expire=LIMITS[way][0]).frame
    )
