"""`fallback="python"`: a kernel that can't be compiled runs row by row, and only says so."""

from __future__ import annotations

import math
import re
import threading
import warnings
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

FRAME = pl.DataFrame({"x": [1.0, None, 3.0, -4.0], "n": [1, 2, None, 4]})


class Both(NamedTuple):
    low: float
    inside: bool


def uncompiled(value):
    """Compiled code has no built-in `id`."""
    return id(None) and value


def interpreted(function, plugin_type="transformer", **about):
    return define(
        function,
        name=None,
        form=Form.ROW,
        plugin_type=dfv.PluginType(plugin_type),
        fallback="python",
        **about,
    )


def quietly(call, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dfv.InterpretedWarning)
        return call(*args, **kwargs)


# -- the same kernels, once compiled and once, by a call that Numba doesn't know, interpreted -------------


def half(x, n, limit=3.0):
    if x > limit:
        raise ValueError("x is large")
    return x * 0.5 + n


def half_slow(x, n, limit=3.0):
    if id(None) and x > limit:
        raise ValueError("x is large")
    return x * 0.5 + n


def filled(x: float | None, n):
    return -1.0 if x is None else x / n


def filled_slow(x: float | None, n) -> float:
    id(None)
    return -1.0 if x is None else x / n


def both(x, n):
    low = float(x) if x < n else float(n)
    return Both(low, low < 1.5)


def both_slow(x, n) -> Both:
    id(None)
    low = float(x) if x < n else float(n)
    return Both(low, low < 1.5)


def maybe(x, n: object | None):
    if n is None or n > 3:
        return None
    return n % 3


def maybe_slow(x, n: object | None):
    id(None)
    if n is None or n > 3:
        return None
    return n % 3


def pair(x, n):
    return x + n, n // 2


def pair_slow(x, n) -> tuple[float, int]:
    id(None)
    return x + n, n // 2


def positive(x, n):
    if n == 2:
        raise ValueError("two")
    return x > 0


def positive_slow(x, n):
    if id(None) and n == 2:
        raise ValueError("two")
    return x > 0


def pair_of(compiled, slow, plugin_type="transformer", **about):
    made = define(compiled, name="kernel", form=Form.ROW, plugin_type=dfv.PluginType(plugin_type))
    run = define(
        slow,
        name="kernel",
        form=Form.ROW,
        plugin_type=dfv.PluginType(plugin_type),
        fallback="python",
        **about,
    )
    return made, run


PAIRS = [
    pair_of(half, half_slow, returns=pl.Float64),
    pair_of(filled, filled_slow),
    pair_of(both, both_slow),
    pair_of(maybe, maybe_slow, returns="n"),
    pair_of(pair, pair_slow),
    pair_of(positive, positive_slow, "filter"),
]

configs = st.builds(
    dfv.BatchConfig,
    default_batch_size=st.sampled_from([1, 64, 128, 1 << 17]),
    parallelism=st.sampled_from([1, 2, 5]),
)
values = st.none() | st.floats(-5, 5) | st.just(float("nan"))


@pytest.mark.parametrize(("compiled", "slow"), PAIRS, ids=[c.function.__name__ for c, _ in PAIRS])
@given(
    rows=st.lists(st.tuples(values, st.none() | st.integers(-5, 5)), max_size=200),
    config=configs,
    on_error=st.sampled_from(["null", "drop"]),
)
@pytest.mark.usefixtures("all_roads")
def test_interpreted_is_compiled(compiled, slow, rows, config, on_error):
    """The laws hold: the same values, nulls, failed rows and counts, whatever the chunks and threads."""
    frame = pl.DataFrame(rows, schema={"x": pl.Float64, "n": pl.Int64}, orient="row")
    before = frame.clone()
    expected = dfv.run(frame, compiled, on_error=on_error)
    got = quietly(dfv.run, frame, slow, on_error=on_error, config=config)
    assert_frame_equal(got.frame, expected.frame, check_exact=True)
    assert_frame_equal(got.errors, expected.errors, check_exact=True)
    counts = ("processed_count", "success_count", "error_count", "filtered_count")
    assert [getattr(got, name) for name in counts] == [getattr(expected, name) for name in counts]
    assert_frame_equal(frame, before)


@given(rows=st.lists(st.tuples(values, st.none() | st.integers(-5, 5)), max_size=200), config=configs)
def test_in_pipelines(rows, config):
    frame = pl.DataFrame(rows, schema={"x": pl.Float64, "n": pl.Int64}, orient="row")
    (keep, keep_slow), (both_, both_slow_) = PAIRS[5], PAIRS[2]
    after = define(
        lambda low, inside: low * 2.0 if inside else 0.0,
        name="after",
        form=Form.ROW,
        plugin_type=dfv.PluginType.TRANSFORMER,
    )
    expected = dfv.run(frame, [keep, both_, after])
    got = quietly(dfv.run, frame, [keep_slow, both_slow_, after], config=config)
    assert_frame_equal(got.frame, expected.frame, check_exact=True)
    assert got.errors["row"].to_list() == expected.errors["row"].to_list()
    assert got.filtered_count == expected.filtered_count


def test_lazily_and_as_expression():
    plugin = interpreted(half_slow, returns=pl.Float64)
    query = FRAME.lazy().pipe(dfv.apply, plugin, on_error="null")
    assert query.collect_schema()["half_slow"] == pl.Float64
    assert quietly(query.collect)["half_slow"].to_list() == [1.5, None, None, 2.0]
    assert quietly(FRAME.select, dfv.expr(plugin, limit=9.0))["half_slow"].to_list() == [1.5, None, None, 2.0]


# -- never silently ---------------------------------------------------------------------------------------


def test_one_warning_says_how_slow_it_was_and_why():
    plugin = interpreted(filled_slow)
    with pytest.warns(dfv.InterpretedWarning) as caught:
        FRAME.pipe(dfv.apply, plugin)
    (warning,) = caught
    assert re.fullmatch(
        r"plugin `filled_slow` ran in the Python interpreter at [\d,]+ rows/s, [\d,]+ ns a row; compiled "
        r"kernels take 1 to 10 ns, so that is about [\d,]+ to [\d,]+ times slower\. It isn't compiled: the "
        r"built-in `id` isn't supported in compiled code",
        str(warning.message),
    )
    assert warning.filename == __file__
    FRAME.pipe(dfv.apply, plugin)  # warnings are errors here
    FRAME.with_columns(pl.col("n").cast(pl.Int8)).pipe(dfv.apply, plugin)


def test_a_kernel_that_can_be_compiled_is():
    plugin = interpreted(half, returns=pl.Float64)
    FRAME.pipe(dfv.apply, plugin, on_error="null")
    assert dfv.explain(plugin, FRAME).stages[0].loop is not None


def test_metrics_status_and_explain_show_it():
    with dfv.PluginManager() as manager:
        plugin = manager.register_plugin("slow", filled_slow, fallback="python")
        quietly(manager.process_batch, "slow", FRAME)
        metrics = manager.get_metrics("slow")
        assert metrics.interpreted == metrics.total_processed == 4
        assert "interpreted" in metrics._repr_html_()
        status = manager.get_system_status()
        assert "slow: ready, 4 rows" in str(status)
        assert str(status).endswith(", interpreted")
        assert "ready, interpreted" in status._repr_html_()
    explained = dfv.explain(plugin, FRAME)
    assert "loop      none: runs in the Python interpreter, row by row" in str(explained)
    assert "because   the built-in `id` isn't supported in compiled code" in str(explained)
    assert explained.stages[0].interpreted == "the built-in `id` isn't supported in compiled code"


def test_no_rows_no_warning():
    plugin = interpreted(filled_slow)
    assert FRAME.clear().pipe(dfv.apply, plugin).schema["filled_slow"] == pl.Float64


# -- what it returns --------------------------------------------------------------------------------------


def undeclared(x):
    return uncompiled(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda plugin: FRAME.lazy().pipe(dfv.apply, plugin),
        lambda plugin: FRAME.pipe(dfv.apply, ["haversine", plugin], lat1="x", lon1="x", lat2="x", lon2="x"),
        lambda plugin: FRAME.clear().pipe(dfv.apply, plugin),
        lambda plugin: FRAME.pipe(dfv.apply, plugin, x=pl.col("x") * 2),
        lambda plugin: dfv.apply(FRAME.to_arrow().to_reader(), plugin),
    ],
    ids=["lazy", "later step", "no rows", "bound expression", "stream"],
)
def test_what_it_returns_must_be_declared(call):
    with pytest.raises(dfv.KernelCompileError, match=r"declare it, as `returns=pl\.Float64`") as caught:
        call(interpreted(undeclared))
    assert "the built-in `id` isn't supported" in str(caught.value)


def test_as_expression_it_must_be_declared_too():
    with pytest.raises(dfv.KernelCompileError, match="needs to know what the kernel returns"):
        FRAME.select(dfv.expr(interpreted(undeclared)))


@given(
    rows=st.lists(values, min_size=1, max_size=200),
    config=configs,
    kind=st.sampled_from([int, float, str, bool, "mixed", "both", "none"]),
)
def test_undeclared_types_are_those_of_all_rows(rows, config, kind):
    calls = []

    def kernel(x):
        calls.append(x)
        if x > 4:
            raise ValueError("x is large")
        if x == 0 or kind == "none":
            return None
        if kind == "mixed":
            return 1 if x < 0 else 0.5
        if kind == "both":
            return Both(float(x), bool(x > 0))
        return kind(x > 0) if kind is bool else kind(x > 1)

    frame = pl.DataFrame({"x": rows}, schema={"x": pl.Float64})
    got = quietly(dfv.run, frame, interpreted(kernel), config=config)
    called = [x for x in rows if x is not None]
    failed = [i for i, x in enumerate(rows) if x is not None and x > 4]
    assert got.errors["row"].to_list() == failed
    results = [kernel(x) for x in called if not x > 4]
    known = [one for one in results if one is not None]
    names = ["low", "inside"] if kind == "both" and known else ["kernel"]
    assert got.frame.columns == ["x", *names]
    expected = {"float": pl.Float64, "int": pl.Int64, "str": pl.String, "bool": pl.Boolean}
    if known and kind in (int, float, str, bool):
        assert got.frame.schema["kernel"] == expected[kind.__name__]
    if kind == "mixed" and any(isinstance(one, float) for one in known):
        assert got.frame.schema["kernel"] == pl.Float64
    if not known:
        assert got.frame.schema["kernel"] == pl.Null


def test_each_row_is_called_once_where_nothing_is_declared():
    calls = []

    def kernel(x):
        calls.append(x)
        return x

    plugin = interpreted(kernel)
    for _ in range(2):
        assert quietly(FRAME.pipe, dfv.apply, plugin)["kernel"].to_list() == FRAME["x"].to_list()
    assert calls == [1.0, 3.0, -4.0] * 2


def test_values_of_different_types_are_refused():
    def kernel(x):
        id(None)
        return "a" if x > 1 else 1

    with pytest.raises(dfv.KernelResultError, match="returns values of different types: int and str"):
        FRAME.pipe(dfv.apply, interpreted(kernel))


@pytest.mark.parametrize(
    ("returns", "value", "error"),
    [
        (pl.Int8, 200, "OverflowError: 200 does not fit Int8"),
        (pl.Int64, 1.5, r"TypeError: it returned 1.5 \(float\), Int64 is declared"),
        (pl.Float64, "a", r"TypeError: it returned 'a' \(str\), Float64 is declared"),
        (pl.Boolean, 1, r"TypeError: it returned 1 \(int\), Boolean is declared"),
        (pl.String, 1, r"TypeError: it returned 1 \(int\), String is declared"),
        ((pl.Int64, pl.Int64), (1, 2, 3), "TypeError: it returned 3 values, 2 are declared"),
    ],
)
def test_a_row_whose_value_does_not_fit_fails(returns, value, error):
    def kernel(x):
        id(None)
        return value if x > 2 else None

    with pytest.raises(dfv.RowError, match=f"`kernel`: 1 of 4 rows failed, row 2; the first with {error}"):
        quietly(FRAME.pipe, dfv.apply, interpreted(kernel, returns=returns))


@pytest.mark.parametrize(
    ("returns", "value"),
    [
        (pl.Date, 19000),
        (pl.Duration("ms"), 5),
        (pl.String, "text"),
        (pl.List(pl.Int64), [1, 2]),
        (pl.Struct({"a": pl.Int64}), {"a": 1}),
        (pl.Float32, 1),
        (pl.UInt8, np.int64(3)),
        (pl.Boolean, np.True_),
    ],
)
def test_declared_types(returns, value):
    def kernel(x):
        id(None)
        return value

    got = quietly(FRAME.pipe, dfv.apply, interpreted(kernel, returns=returns))["kernel"]
    assert got.dtype == returns
    assert got.null_count() == 1
    physical = got.to_physical()[0]
    assert (physical.to_list() if isinstance(physical, pl.Series) else physical) == value


def test_columns_and_constants_that_no_kernel_reads():
    def coded(data, codes={b"a": {"n": 1}}) -> int:  # noqa: B006
        return codes.get(data, {"n": 0})["n"]

    frame = pl.DataFrame({"data": [b"a", b"b", None]})
    with pytest.warns(dfv.InterpretedWarning):
        assert frame.pipe(dfv.apply, interpreted(coded))["coded"].to_list() == [1, 0, None]

    def whole(x: int) -> int:
        id(None)
        return x

    with pytest.raises(dfv.ColumnTypeError, match="must be an integer, got Float64"):
        FRAME.pipe(dfv.apply, interpreted(whole))


def test_a_filter_that_returns_no_bool_is_refused_as_ever():
    with pytest.raises(dfv.KernelResultError, match="must return a bool"):
        FRAME.pipe(dfv.apply, interpreted(doubled, "filter"))


def doubled(x):
    return x * 2.5


def test_one_thread_at_a_time():
    busy = threading.Lock()

    def careful(x) -> float:
        assert busy.acquire(blocking=False)
        try:
            return x + 1
        finally:
            busy.release()

    frame = pl.DataFrame({"x": np.arange(5000.0)})
    config = dfv.BatchConfig(default_batch_size=64, parallelism=4)
    result = quietly(dfv.run, frame, interpreted(careful), config=config)
    assert result.error_count == 0
    assert result.frame["careful"].to_list() == [x + 1 for x in range(5000)]


def test_a_row_that_fails_only_sometimes():
    calls = []

    def sometimes(x) -> float:
        calls.append(x)
        if len(calls) == 1:
            raise ValueError("first call")
        return x

    result = quietly(dfv.run, FRAME, interpreted(sometimes))
    assert result.errors["message"].to_list() == [
        "it failed when it was run, and not when it was called again to say why"
    ]


def test_the_option_itself():
    with pytest.raises(dfv.PluginDefinitionError, match="`fallback` must be None or \"python\", got 'numpy'"):
        define(half, name=None, form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER, fallback="numpy")
    plugin = dfv.register("fallback_registered", half, math="libm", fallback="python", replace=True)
    assert (plugin.math, plugin.fallback) == ("libm", "python")


def test_rounding_is_pythons_in_the_interpreter_too():
    """NumPy's own scalars round in another way, those of 32 bits can't be truncated."""

    def helper(value):
        return round(value, 2)

    def rounded(x):
        uncompiled(x)
        return helper(x * 1), round(x), math.trunc(x)

    values = [2.675, 1.115, 0.005, -2.5, 1.2345678901234568e17]
    for dtype in (pl.Float64, pl.Float32):
        frame = pl.DataFrame({"x": values}, schema={"x": dtype})
        plugin = define(
            rounded,
            name="rounded",
            form=Form.ROW,
            plugin_type=dfv.PluginType.TRANSFORMER,
            fallback="python",
        )
        with pytest.warns(dfv.InterpretedWarning):
            result = dfv.apply(frame, plugin, keep=False)
        near = np.float64 if dtype == pl.Float64 else np.float32
        exact = [float(near(round(x, 2))) for x in frame["x"].to_list()]
        assert result.to_series(0).to_list() == exact
        assert result.to_series(1).to_list() == [round(x) for x in frame["x"].to_list()]
        assert result.to_series(2).to_list() == [int(x) for x in frame["x"].to_list()]
