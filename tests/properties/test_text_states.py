"""The laws for states that hold strings and bytes: scans and reduces, with keys and without."""

from __future__ import annotations

import pickle
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from testing.oracle import fold, key_of
from testing.stateful import stateful
from testing.strategies import configs

KEYS = {"none": None, "one": ["k"], "several": ["k", "page"]}
keys = st.sampled_from(list(KEYS))
once = settings(phases=[Phase.explicit, Phase.generate])


class Visit(NamedTuple):
    page: str
    before: str | None
    raw: bytes
    count: int
    trail: str


def visit(s, page, raw):
    """Parts of texts change places, are cut, grow, and shrink again."""
    if page.startswith("x"):
        raise ValueError(page)
    trail = (s.trail + page)[-70:] if len(page) < 5 else s.page[1:]
    after = Visit(page, s.page if s.count else None, s.raw[:3] + raw, s.count + 1, trail)
    return after, (s.before, s.page + "|" + s.trail, s.raw, s.count)


def last(s, page):
    return page, s


def longest(s, page, raw):
    if page.startswith("x"):
        raise ValueError(page)
    return (s[0] + page[:1], max(s[1], raw))


SCANS = {
    "visit": stateful(visit, Form.SCAN, init=Visit("home", None, b"\0", 0, "é" * 9)),
    "last": stateful(last, Form.SCAN, init=None),
}
REDUCES = {
    "longest": stateful(
        longest, Form.REDUCE, init=("", b""), merge=lambda a, b: (a[0] + b[0], max(a[1], b[1]))
    )
}
texts = st.text(st.sampled_from("axÜ漢 "), max_size=6) | st.sampled_from(["x", "long " * 9, "ÿ" * 40])
frames_of_text = st.lists(
    st.tuples(st.sampled_from("abc"), st.none() | texts, st.none() | st.binary(max_size=30)), max_size=60
).map(lambda rows: pl.DataFrame(rows, {"k": pl.String, "page": pl.String, "raw": pl.Binary}, orient="row"))


def folded(plugin, frame, by):
    reads = [parameter.name for parameter in plugin.parameters if parameter.is_column]
    return fold(
        plugin, frame.select(reads).iter_rows(), None if by is None else map(key_of, frame.select(by).rows())
    )


@once
@given(frames_of_text, keys, st.sampled_from(list(SCANS)), configs, configs)
def test_scan_is_the_plain_function_row_by_row_for_any_chunks(frame, key, name, config, other):
    by, scan = KEYS[key], SCANS[name]
    values, failed, states = folded(scan, frame, by)
    result = dfv.run(frame, scan, by=by, config=config)
    new = result.frame.drop(frame.columns)
    rows = [value if isinstance(value, tuple) else (value,) * new.width for value in values]
    assert new.rows() == rows
    assert result.errors["row"].to_list() == failed[: result.max_error_details]
    assert set(result.errors["error"]) <= {"ValueError"}
    if by is None:
        assert result.state == states.get((), scan.stateful.init)
    else:
        assert list(result.state.values()) == list(states.values())
    assert_frame_equal(dfv.run(frame, scan, by=by, config=other).frame, result.frame)


@once
@given(frames_of_text, keys, st.sampled_from(list(SCANS)), st.data())
def test_going_on_is_as_if_there_had_been_no_break(frame, key, name, data):
    by, scan = KEYS[key], SCANS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, frame.height), max_size=3)))
    whole = dfv.run(frame, scan, by=by)
    state, parts = None, []
    for start, stop in zip([0, *cuts], [*cuts, frame.height], strict=True):
        part = dfv.run(frame[start:stop], scan, by=by, state=state)
        state = pickle.loads(pickle.dumps(part.state))
        parts.append(part.frame)
    assert_frame_equal(pl.concat(parts), whole.frame)
    streamed = dfv.apply(frame.to_arrow().to_reader(7), scan, by=by, on_error="null").read_all()
    assert_frame_equal(pl.from_arrow(streamed), whole.frame)
    if by is not None:
        assert_frame_equal(state.to_frame(), whole.state.to_frame())


@once
@given(frames_of_text, keys, configs)
def test_reduce_is_the_plain_function_row_by_row(frame, key, config):
    by, reduce = KEYS[key], REDUCES["longest"]
    _, failed, states = folded(reduce, frame, by)
    result = dfv.run(frame, reduce, by=by, config=config)
    assert result.error_count == len(failed)
    wanted = list(states.values()) if by else [states.get((), reduce.stateful.init)]
    assert result.frame[:, -2:].rows() == wanted


def test_a_merged_reduce_goes_on(monkeypatch):
    from dataflare_vec.engine.stages import partitioned

    monkeypatch.setattr(partitioned, "PARTITION_ROWS", 3)
    frame = pl.DataFrame(
        {
            "page": [chr(65 + i % 26) * (i % 20) for i in range(100)],
            "raw": [b"%d" % (i * 7) for i in range(100)],
        }
    )
    reduce = REDUCES["longest"]
    wanted = dfv.run(frame, reduce).frame
    first = dfv.run(frame[:50], reduce)
    assert_frame_equal(dfv.run(frame[50:], reduce, state=first.state).frame, wanted)
    streamed = dfv.apply(frame.to_arrow().to_reader(7), reduce).read_all()
    assert_frame_equal(pl.from_arrow(streamed), wanted)


def test_a_state_of_another_kind_is_refused():
    frame = pl.DataFrame({"k": [1], "page": ["a"], "raw": [b"b"]})
    state = dfv.run(frame, SCANS["last"], by="k").state
    other = stateful(last, Form.SCAN, init=b"")
    with pytest.raises(dfv.StateError, match="holds"):
        dfv.run(frame, other, by="k", state=state, page="raw")
    with pytest.raises(dfv.StateError, match="`state` must be bytes, got str"):
        dfv.run(frame, other, page="raw", state="text")
    with pytest.raises(dfv.KernelResultError, match="it returns"):
        dfv.run(frame, stateful(last, Form.SCAN, init=0))


def test_what_has_memory_of_its_own_is_not_built(tmp_path):
    scan = SCANS["visit"]
    with pytest.raises(dfv.BuildError, match="`page`, `before`, `raw`, `trail` of its state"):
        dfv.build(scan, {"page": pl.String, "raw": pl.Binary}, output=tmp_path / "dist")


def test_a_block_is_for_numbers():
    with pytest.raises(dfv.PluginDefinitionError, match="`block` is for states of numbers"):
        stateful(
            longest,
            Form.REDUCE,
            init=("", b""),
            merge=lambda a, b: a,
            finish=lambda s: s,
            block=lambda s, a, b: s,
        )
