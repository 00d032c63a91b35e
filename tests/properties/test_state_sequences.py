"""The laws for states that hold lists and deques."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import deque
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

once = settings(phases=[Phase.explicit, Phase.generate])


class Layer(NamedTuple):
    quantity: float
    price: float
    sold: bool


class Queue(NamedTuple):
    stock: deque[Layer]
    recent: deque[int]
    count: int


class Pages(NamedTuple):
    pages: list[str]
    tagged: deque[tuple[int, str]]
    last: str


class Tables(NamedTuple):
    counts: dict[int, float]
    names: dict[str, str]
    tags: set[str]
    pairs: set[tuple[int, float]]


def queue(s, op, x):
    """Each method of deques, some rows of which fail after it, or within it."""
    stock, recent = s.stock, s.recent
    value = 0.0
    times = 1 if op < 20 else 3
    for _ in range(times):
        kind = op % 10
        if kind <= 2:
            stock.append(Layer(x, x + 0.5, op > 3))
            recent.append(op)
        elif kind == 3:
            value += stock.popleft().price
        elif kind == 4:
            value += stock.pop().quantity
            recent.appendleft(op)
        elif kind == 5:
            stock.appendleft(Layer(x, x, False))
        elif kind == 6:
            first = stock[0]
            stock[0] = Layer(first.quantity - 1, first.price, True)
            stock[-1] = Layer(first.quantity, x, False)
        elif kind == 7:
            recent.rotate(op)
            recent[0] = recent[-1] + 1
        elif kind == 8 and x > 2:
            stock.reverse()
            recent.clear()
        elif stock:
            value += recent.count(op) + len(recent)
    if x > 8:
        raise ValueError("late")
    total = 0.0
    for i, layer in enumerate(stock):
        total += i * layer.quantity + layer.price * (1 + layer.sold)
    for one in reversed(recent):
        total = total / 2 + one
    return Queue(stock, recent, s.count + 1), (value, total, len(stock), op in recent, s.count)


def pages(s, op, text):
    """Lists of strings, which are changed in place or replaced."""
    made, taken = s.pages, ""
    kind = op % 8
    if kind <= 2:
        made.append(text + s.last)
    elif kind == 3:
        taken = made.pop(0)
        made.insert(1, taken + "!")
    elif kind == 4:
        made[op % 3] = made[0][:9]
        s.tagged.append((op, text))
    elif kind == 5:
        made.remove(text)
    elif kind == 6:
        made.extend(s.pages)
        del made[0]
    else:
        s.tagged.appendleft((len(text), made[-1]))
    if text.startswith("x"):
        raise ValueError(text)
    shown = "|".join(made) + taken
    seen = text in made
    after = made[-4:] if len(made) > 6 else [*made, taken]
    return Pages(after, s.tagged, text), (shown, seen, len(s.tagged), s.tagged[0][1] if s.tagged else None)


def tables(s, op, x, text):
    """Dicts and sets, which become large enough for an index; parts of them are taken off again."""
    counts, names, tags, value = s.counts, s.names, s.tags, 0.0
    kind = op % 9
    if kind <= 1:
        counts[op] = counts.get(op, 0.0) + x
        for i in range(3 if kind else 12):
            counts.setdefault(op * i, x + i)
    elif kind == 2:
        value = counts.pop(op * 2)
    elif kind == 3:
        del counts[next(iter(counts))]
        tags.discard(text)
    elif kind == 4:
        names[text] = names.get(text, "") + text[:2]
        tags.add(text)
        names[f"{op}{text}"] = text
    elif kind == 5:
        for i in range(op):
            tags.add(f"{text}{i}")
            s.pairs.add((i % 5, x))
    elif kind == 6:
        tags.remove(text)
        value = counts.pop(op, 0.5)
    elif kind == 7 and x > 6:
        counts.clear()
        tags.clear()
    elif names:
        value += len(names[text])
    if x > 8:
        raise ValueError("late")
    for i, (key, one) in enumerate(counts.items()):
        value += (key + one) * (i + 1)
    shown = ",".join(sorted(tags)) + "|".join(names) + "/".join(names.values())
    return s, (value, shown, len(tags), text in tags, (1, x) in s.pairs, len(s.pairs))


SCANS = {
    "tables": stateful(tables, Form.SCAN, init=Tables({3: 1.0, 4: 2.0}, {"é": "x"}, {"ü"}, set())),
    "queue": stateful(queue, Form.SCAN, init=Queue(deque([Layer(1.0, 2.0, False)]), deque(maxlen=3), 0)),
    "pages": stateful(pages, Form.SCAN, init=Pages(["é" * 9], deque(maxlen=2), "")),
}
texts = st.text(st.sampled_from("axü "), max_size=4) | st.sampled_from(["x", "long " * 9, "ÿ" * 40])
rows = st.tuples(st.sampled_from("aaab"), st.integers(0, 29), st.none() | st.integers(0, 9).map(float), texts)
frames_of_rows = st.lists(rows, max_size=80).map(
    lambda rows: pl.DataFrame(
        rows, {"k": pl.String, "op": pl.Int64, "x": pl.Float64, "text": pl.String}, orient="row"
    )
)
names, keys = st.sampled_from(list(SCANS)), st.sampled_from([None, ["k"]])


def folded(plugin, frame, by):
    reads = [parameter.name for parameter in plugin.parameters if parameter.is_column]
    each = None if by is None else map(key_of, frame.select(by).rows())
    return fold(plugin, frame.select(reads).iter_rows(), each)


@once
@given(frames_of_rows, keys, names, configs, configs)
def test_scan_is_the_plain_function_row_by_row_for_any_chunks(frame, by, name, config, other):
    scan = SCANS[name]
    values, failed, states = folded(scan, frame, by)
    result = dfv.run(frame, scan, by=by, config=config)
    new = result.frame.drop(frame.columns)
    assert new.rows() == [value or (None,) * new.width for value in values]
    assert result.errors["row"].to_list() == failed[: result.max_error_details]
    assert set(result.errors["error"]) <= {"ValueError", "IndexError", "KeyError", "StopIteration"}
    if by is None:
        assert result.state == states.get((), scan.stateful.init)
    else:
        assert list(result.state.values()) == list(states.values())
    assert_frame_equal(dfv.run(frame, scan, by=by, config=other).frame, result.frame)


@once
@given(frames_of_rows, keys, names, st.data())
def test_going_on_is_as_if_there_had_been_no_break(frame, by, name, data):
    scan = SCANS[name]
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
        assert dict(state) == dict(whole.state)


class Moving(NamedTuple):
    lots: deque[tuple[int, str]]
    counts: dict[int, int]


def moving(s, adds, drops, fails):
    """A window that moves on, row by row, so that its items move to the front of their block."""
    for i in range(adds):
        s.lots.append((i, "lot" * i))
        s.counts[i + drops] = i
    for i in range(drops):
        if s.lots:
            number, text = s.lots.popleft()
            if i == 1:
                s.lots.appendleft((number + 1, text[1:]))
        if s.counts:
            del s.counts[next(iter(s.counts))]
    if fails > 3 and s.lots:
        s.lots[-1] = (fails, "changed")
        s.lots[0] = (fails, "first")
    if fails > 4:
        raise ValueError("late")
    total = 0
    for i, (number, text) in enumerate(s.lots):
        total += (i + 1) * (number + len(text))
    for key, count in s.counts.items():
        total = total * 3 % 1009 + key * count
    return s, (total, len(s.lots))


MOVING = stateful(moving, Form.SCAN, init=Moving(deque(), {}))
moves = st.tuples(st.sampled_from("aaab"), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))


@once
@given(st.lists(moves, min_size=30, max_size=200), keys, configs)
def test_a_window_moves_within_its_block_and_back_where_a_row_fails(rows, by, config):
    schema = {"k": pl.String, "adds": pl.Int64, "drops": pl.Int64, "fails": pl.Int64}
    frame = pl.DataFrame(rows, schema, orient="row")
    values, failed, states = folded(MOVING, frame, by)
    result = dfv.run(frame, MOVING, by=by, config=config)
    assert result.frame.drop(frame.columns).rows() == [value or (None, None) for value in values]
    assert result.error_count == len(failed)
    state = {(): result.state} if by is None else dict(zip(states, result.state.values(), strict=True))
    assert state == states


def latest(q: deque[float], x):
    q.append(x)
    return q


def joined(a, b):
    a.extend(b)
    b.clear()
    return a


def oldest(q):
    return q.popleft(), len(q)


LATEST = stateful(latest, Form.REDUCE, init=deque(maxlen=4), merge=joined, finish=oldest)
HELD = stateful(latest, Form.REDUCE, init=deque(maxlen=4))


def test_a_reduce_merges_and_finishes_and_its_state_stays(monkeypatch):
    from dataflare_vec.engine.stages import partitioned

    monkeypatch.setattr(partitioned, "PARTITION_ROWS", 3)
    frame = pl.DataFrame({"k": ["a", "b"] * 50, "x": [float(i) for i in range(100)]})
    result = dfv.run(frame, LATEST)
    assert result.frame.row(0) == (96.0, 3)
    assert result.state == deque([96.0, 97.0, 98.0, 99.0])
    first = dfv.run(frame[:50], LATEST)
    assert dfv.run(frame[50:], LATEST, state=first.state).state == result.state
    keyed = dfv.run(frame, LATEST, by="k")
    assert keyed.frame.rows() == [("a", 92.0, 3), ("b", 93.0, 3)]
    assert keyed.state["b"] == deque([93.0, 95.0, 97.0, 99.0])
    assert dfv.run(frame, HELD, by="k").frame.rows() == [
        ("a", [92.0, 94.0, 96.0, 98.0]),
        ("b", [93.0, 95.0, 97.0, 99.0]),
    ]


def test_memory_stays_what_the_states_take():
    script = """
import resource, polars as pl, dataflare_vec as dfv
from collections import deque
from typing import NamedTuple
class S(NamedTuple):
    pages: list[str]
    xs: deque[float]
    seen: dict[str, float]
    page: str
def last(s, page, x):
    s.pages.append(page)
    for _ in range(9): s.xs.append(x)
    s.seen[page] = x
    if x > 990: raise ValueError("x")
    if len(s.pages) > 3: s.pages.pop(0)
    while len(s.xs) > 3: s.xs.popleft()
    if len(s.seen) > 20: s.seen.clear()
    return S(s.pages, s.xs, s.seen, s.page[-9:] + page), len(s.pages)
scan = dfv.scan(last, init=S([], deque(), {}, "first"))
frame = pl.DataFrame({"k": [i % 300 for i in range(2000)], "page": ["p" * (i % 300) for i in range(2000)]})
frame = frame.with_columns(x=pl.int_range(pl.len()) % 1000 * 1.0)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def rounds(n):
    for _ in range(n):
        state = None
        for by in ("k", None):
            for i in range(5):
                state = dfv.run(frame, scan, by=by, state=state if i else None).state
rounds(8)
before = peak()
rounds(20)
print(peak() - before)
"""
    grown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 4_000, "kilobytes"  # the rows make 200 MB of strings


DF = pl.DataFrame({"x": [1.0, 2.0], "text": ["a", "b"]})


def exchange(s, x):
    return (s[1], s[0]), x


def test_a_deque_stays_where_it_is():
    scan = stateful(exchange, Form.SCAN, init=(deque([1.0]), deque([2.0])))
    with pytest.raises(dfv.RowError, match="`0` must be the deque that it was, changed in place"):
        dfv.apply(DF, scan)


def doubled(s, x):
    new = [*s[0], x]
    return (new, new if x > 1 else [x]), x


def test_a_list_is_at_one_place():
    result = dfv.run(DF, stateful(doubled, Form.SCAN, init=([1.0], [2.0])))
    assert result.frame["doubled"].to_list() == [1.0, None]
    assert result.errors["message"].str.contains("`0` must be a list of its own").to_list() == [True]
    assert result.state == ([1.0, 1.0], [1.0])
    one = [1.0]
    with pytest.raises(dfv.PluginDefinitionError, match="one list is at two places of the state"):
        stateful(doubled, Form.SCAN, init=(one, one))


def add_text(q: deque[float], text):
    q.append(text)
    return q, 1


def add_any(q, x):
    q.append(x)
    return q, 1


def add_date(q: list[pl.Date], x):
    q.append(x)
    return q, 1


def go_over(tags, text):
    seen = ""
    for tag in tags:
        seen += tag
    return tags, seen


def test_dicts_and_sets_are_lists_in_a_frame():
    state = dfv.run(
        pl.DataFrame({"k": [1], "op": [4], "x": [1.0], "text": ["b"]}), SCANS["tables"], by="k"
    ).state
    shown = state.to_frame().row(0, named=True)
    assert shown["names"] == [
        {"key": "é", "value": "x"},
        {"key": "b", "value": "b"},
        {"key": "4b", "value": "b"},
    ]
    assert shown["tags"] == ["b", "ü"]
    assert shown["pairs"] == []


def test_what_does_not_fit_is_said():
    with pytest.raises(dfv.KernelCompileError, match="an item of type str in a deque of float64"):
        dfv.apply(DF, stateful(add_text, Form.SCAN, init=deque()))
    with pytest.raises(dfv.PluginDefinitionError, match=r"`state` is an empty deque, .* `deque\[float\]`"):
        stateful(add_any, Form.SCAN, init=deque())
    with pytest.raises(dfv.PluginDefinitionError, match="`state` can't hold items of Date"):
        stateful(add_date, Form.SCAN, init=[])
    with pytest.raises(dfv.PluginDefinitionError, match="`state` is annotated as deque, and is a list"):
        stateful(latest, Form.REDUCE, init=[])
    with pytest.raises(dfv.StateError, match="must be a deque with maxlen=4, got None"):
        dfv.run(DF, HELD, state=deque())
    with pytest.raises(dfv.StateError, match="items of `state` must be float, got 'a'"):
        dfv.run(DF, HELD, state=deque("a", 4))
    with pytest.raises(dfv.KernelCompileError, match="in which order a set has its items"):
        dfv.apply(DF, stateful(go_over, Form.SCAN, init={"a"}))
    with pytest.raises(dfv.PluginDefinitionError, match=r"`init` must be a number, .*, got frozenset"):
        stateful(add_any, Form.SCAN, init=frozenset())


def test_lists_are_not_built(tmp_path):
    with pytest.raises(dfv.BuildError, match="`state` of its state has memory of its own"):
        dfv.build(LATEST, {"x": pl.Float64}, output=tmp_path / "dist")
