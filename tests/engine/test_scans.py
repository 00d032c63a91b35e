"""Scans: what a state may be, what becomes of it, and what is said of mistakes."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.oracle import fold


def scan(function, init, **about):
    return define(
        function,
        name=function.__name__.strip("<>"),
        form=Form.SCAN,
        plugin_type=dfv.PluginType.TRANSFORMER,
        init=init,
        **about,
    )


@pytest.fixture
def df():
    return pl.DataFrame({"k": ["a", "b", "a", None, None], "x": [8.0, 2.0, None, 4.0, 6.0]})


def total(s, x):
    if x > 100:
        raise ValueError("x is large")
    return s + x, s + x


TOTAL = scan(total, 0)


class Pair(NamedTuple):
    n: int
    mean: float


STATES = {
    "bool": (lambda s, x: (not s, s), False, [False, True, None, False, True], False),
    "int becomes float": (lambda s, x: (s + x, s), 0, [0.0, 8.0, None, 10.0, 14.0], 20.0),
    "int stays int": (lambda s, x: (s + 1, s), 0, [0, 1, None, 2, 3], 4),
    "float32": (lambda s, x: (np.float32(s + x), s), np.float32(0), [0.0, 8.0, None, 10.0, 14.0], 20.0),
    "none": (lambda s, x: (x, s), None, [None, 8.0, None, 2.0, 4.0], 6.0),
    "tuple": (lambda s, x: ((s[0] + 1, s[1] + x), s[0]), (0, 0.0), [0, 1, None, 2, 3], (4, 20.0)),
    "nested": (
        lambda s, x: ((s[0], (s[1][0] + 1, x)), s[1][0]),
        (True, (0, None)),
        [0, 1, None, 2, 3],
        (True, (4, 6.0)),
    ),
    "named tuple": (
        lambda s, x: (Pair(s.n + 1, s.mean + (x - s.mean) / (s.n + 1)), s.mean),
        Pair(0, 0.0),
        [0.0, 8.0, None, 5.0, 14 / 3],
        Pair(4, 5.0),
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_state_of_each_kind(df, name):
    function, init, values, state = STATES[name]
    result = dfv.run(df, scan(function, init))
    assert result.frame["lambda"].to_list() == pytest.approx(values)
    assert result.state == pytest.approx(state) if not isinstance(state, tuple) else result.state == state
    assert type(result.state) is type(state)


def test_array_state_is_changed_in_place_or_returned(df):
    def in_place(s, x):
        s[0, 1] += x
        s[1, 0] += 1
        return s, s.sum()

    def copied(s, x):
        t = s.copy()
        t[0, 1] += x
        t[1, 0] += 1
        return t, t.sum()

    init = np.zeros((2, 2))
    for function in (in_place, copied):
        result = dfv.run(df, scan(function, init))
        assert result.frame[function.__name__].to_list() == [9.0, 12.0, None, 17.0, 24.0]
        np.testing.assert_array_equal(result.state, [[0, 20], [4, 0]])
    assert not init.any()


def test_failed_row_leaves_an_array_as_it_was(df):
    def careless(s, x):
        s[0] += x
        if x > 7:
            raise ValueError("too late")
        return s, s[0]

    for by in (None, "k"):
        result = dfv.run(df, scan(careless, np.zeros(1)), by=by)
        assert result.frame["careless"].to_list() == [
            None,
            2.0,
            None,
            6.0 if by is None else 4.0,
            12.0 - 2 * bool(by),
        ]
        assert result.errors["message"].to_list() == ["too late"]


def test_errors_show_the_state(df):
    df = pl.DataFrame({"x": [1.0, 2.0, 200.0, 3.0, 300.0]})
    result = dfv.run(df, TOTAL)
    assert result.frame["total"].to_list() == [1.0, 3.0, None, 6.0, None]
    assert result.errors["inputs"].to_list() == [{"s": 3.0, "x": 200.0}, {"s": 6.0, "x": 300.0}]
    with pytest.raises(dfv.RowError, match=r"2 of 5 rows failed, rows 2, 4; the first with ValueError: x is"):
        dfv.apply(df, TOTAL)
    assert dfv.apply(df, TOTAL, on_error="drop")["total"].to_list() == [1.0, 3.0, 6.0]


def test_more_failed_rows_than_details():
    df = pl.DataFrame({"x": [1.0, 200.0] * 500})
    result = dfv.run(df, TOTAL, config=dfv.BatchConfig(max_error_details=3))
    assert result.error_count == 500
    assert result.errors["row"].to_list() == [1, 3, 5]
    assert result.frame["total"].drop_nulls().to_list() == [float(i) for i in range(1, 501)]


def test_array_that_grows_is_a_failed_row(df):
    def grow(s, x):
        return np.append(s, x), s[0]

    result = dfv.run(df, scan(grow, np.zeros(2)))
    assert result.frame["grow"].null_count() == 5
    (message,) = set(result.errors["message"])
    assert (
        message == "the next state isn't like the one before: `state` must be of shape (2,), got shape (3,)"
    )


def numbered(n, text):
    if text == "bad":
        raise ValueError(text)
    return n + 1, text.upper() + f" {n}"


@pytest.mark.parametrize("by", [None, "k"])
def test_values_that_are_made_texts(by):
    texts = ["ab", None, "é" * 20, "bad", "", "long enough for memory of its own"] * 300
    frame = pl.DataFrame({"k": [i % 7 for i in range(len(texts))], "text": texts})
    plugin = scan(numbered, 0)
    keys = frame["k"] if by else None
    wanted = fold(plugin, frame.select("text").iter_rows(), keys)
    for size in (64, 1 << 17):
        config = dfv.BatchConfig(default_batch_size=size)
        result = dfv.run(frame, plugin, by=by, keep=False, on_error="null", config=config)
        assert result.frame.to_series().to_list() == wanted.values
        assert result.error_count == len(wanted.failed)


def test_mathematics_is_exact_for_large_angles():
    def turn(s, x):
        s += math.sin(x)
        return s, s

    got = dfv.apply(pl.DataFrame({"x": [8e9, 1e15]}), scan(turn, 0.0))["turn"].to_list()
    assert got == pytest.approx([math.sin(8e9), math.sin(8e9) + math.sin(1e15)], rel=1e-14)


def test_types_of_results(df):
    df = df.with_columns(d=pl.date(2020, 1, pl.int_range(1, 6)))
    before = scan(lambda s, d: (d, s), None, returns="d")
    got = dfv.apply(df, before, by="k")["lambda"]
    assert got.dtype == pl.Date
    assert [None if d is None else d.day for d in got] == [None, None, 1, None, 4]


def test_pipelines_have_a_state_for_each_scan(df):
    steps = [
        TOTAL,
        dfv.step(TOTAL, x="total", output="twice"),
        dfv.step(scan(lambda s, x: (s + 1, s), 0), by="k"),
    ]
    result = dfv.run(df, steps)
    assert result.state["total"] == 20.0
    assert result.state["total (2)"] == 8 + 10 + 14 + 20
    assert dict(result.state["lambda"]) == {"a": 1, "b": 1, None: 2}
    both = dfv.run(pl.concat([df, df]), steps)
    after = dfv.run(df, steps, state=result.state)
    assert after.frame.equals(both.frame[5:])
    assert repr(after.state) == repr(both.state)


def test_a_scan_may_replace_its_key():
    def added(state, x):
        return state + x, state + x

    scan = define(added, name="added", form=Form.SCAN, plugin_type=dfv.PluginType.TRANSFORMER, init=0)
    frame = pl.DataFrame({"x": [1, 2] * 2000})
    replaced = frame.pipe(dfv.apply, scan, by="x", output="x", replace=True)
    assert replaced["x"].to_list() == frame.pipe(dfv.apply, scan, by="x")["added"].to_list()


def test_after_columns_and_expressions_of_all_rows(df):
    half = define(lambda x: x / 2, name="half", form=Form.COLUMN, plugin_type=dfv.PluginType.TRANSFORMER)
    mean = define(
        pl.col("half") - pl.col("half").mean(),
        name="centred",
        form=Form.EXPRESSION,
        plugin_type=dfv.PluginType.TRANSFORMER,
    )
    got = dfv.apply(df, [half, mean, dfv.step(TOTAL, x="centred")])
    assert got["total"].to_list() == [1.5, 0.0, None, -0.5, 0.0]


def test_a_column_plugin_that_fails_wakes_the_threads_that_wait():
    def break_down(x):
        if len(x) and x[-1] > 900_000:
            raise RuntimeError("broken")
        return x

    broken = define(break_down, name="broken", form=Form.COLUMN, plugin_type=dfv.PluginType.TRANSFORMER)
    df = pl.DataFrame({"x": pl.int_range(1_000_000, eager=True)})
    counted = scan(lambda s, x: (s + 1, s), 0)
    config = dfv.BatchConfig(default_batch_size=4096, parallelism=4)
    with pytest.raises(dfv.RowError, match="broken"):
        dfv.apply(df, [broken, dfv.step(counted, x="broken")], config=config)


@pytest.mark.parametrize("by", [None, "k", ["k", "x"]])
def test_other_kinds_of_data(df, by):
    wanted = dfv.apply(df, TOTAL, by=by)["total"].to_list()
    assert dfv.apply(df.to_arrow(), TOTAL, by=by)["total"].to_pylist() == wanted
    there = df.drop_nulls("x")  # pandas would make NaN of it
    pandas = dfv.apply(there.to_pandas(), TOTAL, by=by)["total"]
    assert pandas.to_list() == dfv.apply(there, TOTAL, by=by)["total"].to_list()
    records = dfv.default_manager().process_batch(TOTAL, df.to_dicts(), by=by)
    assert records.frame["total"].to_list() == wanted


def test_keyed_state_is_a_mapping_and_a_frame(df):
    state = dfv.run(df, TOTAL, by="k").state
    assert (len(state), list(state), state[None], "c" in state) == (3, ["a", "b", None], 10.0, False)
    assert state.to_frame().rows() == [("a", 8.0), ("b", 2.0), (None, 10.0)]
    assert repr(state) == "<state of `total` for 3 keys of `k`>"
    nan = dfv.run(pl.DataFrame({"k": [float("nan")], "x": [1.0]}), TOTAL, by="k").state
    assert nan[float("nan")] == 1.0
    several = dfv.run(df, TOTAL, by=["k", pl.col("x") > 3]).state
    assert several["a", True] == 8.0


def test_a_state_goes_on_in_another_process(df, tmp_path):
    state = dfv.run(df, scan(STATES["nested"][0], (True, (0, None))), by="k").state
    (tmp_path / "state").write_bytes(pickle.dumps(state))
    code = f"import pickle; s = pickle.load(open({str(tmp_path / 'state')!r}, 'rb')); print(dict(s))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(dict(state))


def test_a_given_state_is_not_changed(df):
    state = dfv.run(df, TOTAL, by="k").state
    before = state.to_frame()
    dfv.run(df, TOTAL, by="k", state=state)
    assert state.to_frame().equals(before)


DEFINITIONS = {
    "an object": (
        lambda: scan(lambda s, x: (s, x), object()),
        "`init` must be a number, a bool, a string, bytes, None, a NumPy array",
    ),
    "a surrogate": (
        lambda: scan(lambda s, x: (s, x), ("\ud800", 0)),
        r"`init`\[0\] has a surrogate that is no character",
    ),
    "a date": (
        lambda: scan(lambda s, x: (s, x), (1, date(2026, 1, 1))),
        r"`init`\[1\] must be a number, .* got date",
    ),
    "an empty tuple": (lambda: scan(lambda s, x: (s, x), ()), "`init` is an empty tuple"),
    "no column": (lambda: scan(lambda s: (s, s), 0), "reads no column; .* after the state"),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_wrong_definitions(name):
    make, message = DEFINITIONS[name]
    with pytest.raises(dfv.PluginDefinitionError, match=message):
        make()


RESULTS = {
    "value only": (lambda s, x: s + x, 0, "a scan returns .state, value., it returns `float64`"),
    "sometimes None": (lambda s, x: (s, x) if x > 1 else None, 0.0, "it returns None on some path"),
    "another structure": (lambda s, x: ((s, x), x), 0, "its state is `int64`, and it returns `Tuple"),
    "more dimensions": (lambda s, x: (s.reshape(2, 1), x), np.zeros(2), "of the same number of dimensions"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_wrong_results(df, name):
    function, init, message = RESULTS[name]
    with pytest.raises(dfv.KernelResultError, match=message):
        dfv.apply(df, scan(function, init))


CALLS = {
    "plain plugin": (lambda df: dfv.apply(df, "haversine", by="k"), "doesn't take `by`"),
    "no column": (lambda df: dfv.apply(df, TOTAL, by="kk"), "key column `kk` not found; did you mean `k`"),
    "a number": (lambda df: dfv.apply(df, TOTAL, by=3), "`by` must be a column name, .* got int"),
    "nothing": (lambda df: dfv.apply(df, TOTAL, by=[]), "`by` is an empty list"),
    "twice": (lambda df: dfv.apply(df, TOTAL, by=["k", "k"]), "two keys have the same name"),
    "a list column": (
        lambda df: dfv.apply(df.with_columns(l=pl.concat_list("x")), TOTAL, by="l"),
        "key column `l` is List.Float64., which can't be a key",
    ),
    "pipeline": (lambda df: dfv.apply(df, [TOTAL], by="k"), "in a pipeline write `dfv.step"),
    "series": (lambda df: dfv.apply(df["x"], TOTAL, by="k"), "`by` needs a frame"),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_keys(df, name):
    call, message = CALLS[name]
    with pytest.raises(dfv.PluginError, match=message):
        call(df)


def other(s, x):
    return s + x, s


STATE_MISTAKES = {
    "plain plugin": (
        lambda df: dfv.apply(
            df, "haversine", **dict.fromkeys(["lat1", "lon1", "lat2", "lon2"], "x"), state=1
        ),
        "`state` was given, but `haversine` has none",
    ),
    "structure": (
        lambda df: dfv.run(df, TOTAL, state=(1, 2)),
        "must be a single value, got a tuple; it must be like `init`, 0",
    ),
    "keys missing": (
        lambda df: dfv.run(df, TOTAL, state=dfv.run(df, TOTAL, by="k").state),
        "pass the same `by=`",
    ),
    "not by key": (
        lambda df: dfv.run(df, TOTAL, by="k", state=1.0),
        "must be the `state` of a result .* got float",
    ),
    "other keys": (
        lambda df: dfv.run(df, TOTAL, by="x", state=dfv.run(df, TOTAL, by="k").state),
        r"is by \['k'\], this run by \['x'\]",
    ),
    "other dtype": (
        lambda df: dfv.run(
            df.with_columns(pl.col("k").cast(pl.Categorical)),
            TOTAL,
            by="k",
            state=dfv.run(df, TOTAL, by="k").state,
        ),
        "those of this run .k: Categorical.; cast them",
    ),
    "other plugin": (
        lambda df: dfv.run(df, scan(other, 0), by="k", state=dfv.run(df, TOTAL, by="k").state),
        "`state` is of plugin `total`",
    ),
    "several": (
        lambda df: dfv.run(df, [TOTAL, dfv.step(scan(other, 0))], state=1.0),
        "must be a dict by name of the plugin, of total, other, got float",
    ),
    "unknown name": (
        lambda df: dfv.run(df, [TOTAL, dfv.step(scan(other, 0))], state={"totl": 1.0}),
        "`state` has an entry for `totl`, which is not a scan or reduce of this run; did you mean `total`",
    ),
    "lazily": (lambda df: dfv.apply(df.lazy(), TOTAL, state=(1, 2)), "must be a single value"),
}


@pytest.mark.parametrize("name", STATE_MISTAKES)
def test_wrong_states(df, name):
    call, message = STATE_MISTAKES[name]
    with pytest.raises(dfv.StateError, match=message):
        call(df)


def test_a_stream_of_files_carries_the_state(tmp_path):
    df = pl.DataFrame({"k": pl.int_range(100_000, eager=True) % 7, "x": 1.0})
    for i, part in enumerate(df.iter_slices(30_000)):
        part.write_parquet(tmp_path / f"{i}.parquet")
    (tmp_path / "out").mkdir()
    steps = [dfv.step(TOTAL, by="k")]
    dfv.stream(str(tmp_path / "*.parquet"), steps).write(tmp_path / "out" / "all.parquet")
    assert pl.read_parquet(tmp_path / "out" / "all.parquet").equals(dfv.apply(df, steps))
    counted = define(
        lambda s, x: s + 1, name="n", form=Form.REDUCE, plugin_type=dfv.PluginType.AGGREGATOR, init=0
    )
    (result,) = dfv.stream(str(tmp_path / "*.parquet"), counted)
    assert result.to_dicts() == [{"n": 100_000}]


def test_duckdb_gets_no_scan():
    import duckdb

    with pytest.raises(dfv.BindingError, match="`total`: it carries a state from row to row"):
        dfv.duckdb.register(duckdb.connect(), TOTAL)


class TwoArrays(NamedTuple):
    a: np.ndarray
    b: np.ndarray


def test_arrays_of_a_state_change_places():
    def swapping(s, x):
        s.a[0] += x
        return TwoArrays(s.b, s.a), s.a[0]

    plugin = scan(swapping, TwoArrays(np.zeros(3), np.full(3, 100.0)))
    df = pl.DataFrame({"x": [1.0, 2.0, 4.0, 8.0], "k": [1, 1, 1, 2]})
    assert dfv.apply(df, plugin)["swapping"].to_list() == [1.0, 102.0, 5.0, 110.0]
    assert dfv.apply(df, plugin, by="k")["swapping"].to_list() == [1.0, 102.0, 5.0, 8.0]


@pytest.mark.parametrize("by", [None, "k"])
def test_a_row_that_changes_an_array_and_raises_leaves_the_state_as_it_was(by):
    def counting(s, x):
        s[0] += 1
        if x < 0:
            raise ValueError("negative")
        return s, s[0]

    plugin = scan(counting, np.zeros(2, np.int64))
    df = pl.DataFrame({"x": [1.0, -1.0, 1.0, -1.0, 1.0], "k": 1})
    got = dfv.apply(df, plugin, by=by, on_error="null")
    assert got["counting"].to_list() == [1, None, 2, None, 3]


def test_a_row_that_raises_far_into_a_chunk_leaves_the_state_as_it_was():
    """Nulls are unpacked for some rows at a time, and the loop begins anew with each of these blocks."""

    def counting(s, x):
        s[0] += 1
        if x < 0:
            raise ValueError("negative")
        return s, s[0]

    rows, failed = 5000, (2500, 2501, 4900)
    x = pl.int_range(rows, eager=True)
    x = pl.select(pl.when(x.is_in(failed)).then(-1.0).when(x > 0).then(1.0)).to_series()
    got = dfv.apply(pl.DataFrame({"x": x}), scan(counting, np.zeros(2, np.int64)), on_error="null")
    assert got["counting"].equals(
        pl.select(pl.when(x > 0).then((x > 0).cum_sum())).to_series(), null_equal=True
    )


def test_a_constant_in_the_state():
    started = scan(lambda s, x: ((x, True), s[1]), (0.0, False))
    assert dfv.apply(pl.DataFrame({"x": [1.0, 2.0]}), started, output="out")["out"].to_list() == [False, True]
