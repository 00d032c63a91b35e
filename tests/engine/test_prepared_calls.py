"""What is made once for calls that say the same: used again while all that it depends on is the same."""

from __future__ import annotations

import logging
import math
import threading

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.compiler.kernel import Kernel
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.engine.execution import execute
from dataflare_vec.engine.tuner import FixedTuner, WholeFrames
from testing.oracle import in_chunks, shared_out

FRAME = pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})


def values(frame, plugin, **bindings):
    return dfv.apply(frame, plugin, keep=False, **bindings).to_series().to_list()


def test_calls_that_say_the_same_are_planned_once(plans, scaled):
    for _ in range(3):
        assert values(FRAME, scaled, factor=3.0, kind="yy") == [5.0, 8.0]
        assert values(FRAME, "scaled", a="b") == [7.0, 9.0]
    assert len(plans) == 2


@pytest.mark.parametrize(
    ("first", "then"), [(1, 1.0), (True, 1), (0.0, -0.0), (-0.0, 0), (math.nan, math.inf), ("a", "b")]
)
def test_calls_that_say_something_else_are_told_apart(first, then):
    @dfv.plugin
    def told(a, given=2.5):
        return a * given

    for given in (first, then, first):
        said = "a" if isinstance(given, str) else "given"
        result = dfv.apply(FRAME, told, **{said: given})["told"]
        expected = FRAME[given] * 2.5 if said == "a" else FRAME["a"] * float(given)
        assert result.dtype == pl.Float64
        assert list(map(repr, result)) == list(map(repr, expected))


def test_a_constants_type_is_part_of_what_is_said():
    @dfv.plugin
    def typed(n, given=1):
        return n * given

    whole = pl.DataFrame({"n": [3]})
    dtypes = [dfv.apply(whole, typed, given=given)["typed"].dtype for given in (1, 1.0, 1, True)]
    assert dtypes[:3] == [pl.Int64, pl.Float64, pl.Int64]


def test_another_schema_is_planned_anew(plans, scaled):
    assert values(FRAME, scaled) == [3.0, 5.0]
    assert values(FRAME.select("b", "a"), scaled) == [3.0, 5.0]
    assert values(FRAME.select("a").with_columns(c=1, d=2), scaled) == [3.0, 5.0]
    assert len(plans) == 1
    assert values(FRAME.cast({"a": pl.Int8}), scaled) == [3.0, 5.0]
    assert len(plans) == 2
    with pytest.raises(dfv.ColumnNotFoundError):
        dfv.apply(FRAME.select("b"), scaled)


@pytest.mark.parametrize("more", [0, 200])
def test_a_name_that_is_taken_is_refused_before_any_work(more, scaled):
    wide = FRAME.with_columns(**{f"c{i}": 0 for i in range(more)})
    assert dfv.apply(wide, scaled)["scaled"].to_list() == [3.0, 5.0]
    manager = dfv.PluginManager()
    dfv.apply(wide, scaled, manager=manager)
    for taken in (wide.with_columns(scaled=1), wide.select(pl.lit(1).alias("scaled"), pl.all())):
        with pytest.raises(dfv.OutputNameError):
            dfv.apply(taken, scaled, manager=manager)
        assert dfv.apply(taken, scaled, replace=True)["scaled"].to_list() == [3.0, 5.0]
    assert manager.get_metrics("scaled").runs == 1


def test_a_pattern_means_the_columns_of_each_frame():
    dfv.register("total", pl.sum_horizontal(pl.all()), replace=True)
    assert values(FRAME, "total") == [4.0, 6.0]
    assert values(FRAME.with_columns(c=10.0), "total") == [14.0, 16.0]


def test_what_changes_is_seen(scaled):
    manager = dfv.PluginManager()
    assert values(FRAME, "scaled", manager=manager) == [3.0, 5.0]
    manager.disable("scaled")
    with pytest.raises(dfv.PluginDisabledError):
        dfv.apply(FRAME, "scaled", manager=manager)
    manager.enable("scaled")
    dfv.register("scaled", lambda a: a - 1.0, replace=True)
    assert values(FRAME, "scaled", manager=manager) == [0.0, 1.0]
    assert values(FRAME, scaled, manager=manager) == [3.0, 5.0]
    manager.runtime.pool.close()
    with pytest.raises(dfv.PoolError):
        dfv.apply(FRAME, "scaled", manager=manager)


LIMIT = 1.0


def test_a_global_that_changes_is_seen(monkeypatch):
    @dfv.plugin
    def above(a):
        return a > LIMIT

    assert values(FRAME, above) == [False, True]
    monkeypatch.setitem(globals(), "LIMIT", 0.0)
    assert values(FRAME, above) == [True, True]


def test_few_calls_are_remembered(scaled):
    for i in range(500):
        assert values(FRAME, scaled, factor=float(i)) == [i + 1.0, 2.0 * i + 1.0]
    assert len(remembered(scaled).calls) <= 64


def test_threads_share_a_prepared_call():
    @dfv.plugin
    def shared(x, y):
        return None if x == 7 else x + y, x < y

    heights = [100 * i + 1 for i in range(8)]
    frames = [
        pl.DataFrame({"x": pl.int_range(i, i + rows, eager=True), "y": pl.int_range(rows, eager=True)})
        for i, rows in enumerate(heights)
    ]
    expected = [dfv.apply(frame, shared) for frame in frames]
    before = dfv.default_manager().get_metrics("shared")
    wrong = []

    def work(i):
        for _ in range(200):
            if not dfv.apply(frames[i], shared).equals(expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    after = dfv.default_manager().get_metrics("shared")
    assert after.runs - before.runs == after.batches - before.batches == 8 * 200
    assert after.total_processed - before.total_processed == 200 * sum(heights)


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 1000, 5000, 16_384, 16_385, 131_072, 131_073])
@pytest.mark.parametrize("nulls", [False, True])
def test_one_chunk_of_any_size(rows, nulls):
    @dfv.plugin
    def several(n, flag):
        return n * 2, not flag, n if flag else None

    frame = pl.DataFrame({"n": (pl.int_range(rows, eager=True) % 9999).cast(pl.Int16)}).with_columns(
        flag=pl.col("n") % 3 == 0
    )
    if nulls:
        frame = frame.with_columns(pl.when(pl.col("n") % 7 != 1).then("n").alias("n"))
    frame = pl.concat([frame[:5], frame], rechunk=True)[5:]  # bits and validity don't begin with a byte
    result = dfv.apply(frame, several, config=dfv.BatchConfig(default_batch_size=1 << 18, tuner="fixed"))
    expected = frame.with_columns(
        several_0=pl.col("n").cast(pl.Int64) * 2,
        several_1=pl.when(pl.col("n").is_not_null()).then(~pl.col("flag")),
        several_2=pl.when("flag").then(pl.col("n")),
    )
    assert_frame_equal(result, expected, check_dtypes=False)
    assert result["several_0"].null_count() == expected["several_0"].null_count()


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 1000, 16_385])
@pytest.mark.parametrize("nulls", [False, True])
def test_a_filter_makes_a_mask(rows, nulls):
    @dfv.filter
    def kept(n, most=50):
        if n == 99_999:
            raise ValueError("too far")
        return n % 64 < most

    frame = pl.DataFrame(
        {"n": pl.int_range(rows, eager=True), "m": pl.Series(["text"] * rows, dtype=pl.String)}
    )
    if nulls:
        frame = frame.with_columns(pl.when(pl.col("n") % 7 != 1).then("n").alias("n"))
    for most in (50, 0, 64):
        result = dfv.run(frame, kept, most=most)
        expected = frame.filter(pl.col("n") % 64 < most)
        assert_frame_equal(result.frame, expected)
        assert result.filtered_count == rows - expected.height
        assert dfv.apply(frame["n"], kept, most=most).to_list() == expected["n"].to_list()
    failing = dfv.run(pl.concat([frame, pl.DataFrame({"n": 99_999, "m": "failing"})]), kept)
    assert failing.error_count == 1
    assert_frame_equal(failing.frame, frame.filter(pl.col("n") % 64 < 50))


def test_pipelines_that_say_the_same_are_planned_once(plans, scaled):
    @dfv.plugin
    def plus(scaled, b, more=1.0):
        return scaled + b + more

    for _ in range(3):
        assert dfv.apply(FRAME, [scaled, plus], keep=False).rows() == [(3.0, 7.0), (5.0, 10.0)]
        steps = [dfv.step(scaled, keep=False, factor=1.0), dfv.step("plus", more=0.0, output="sum")]
        assert dfv.apply(FRAME, steps).columns == ["a", "b", "sum"]
        assert dfv.apply(FRAME, steps)["sum"].to_list() == [5.0, 7.0]
        assert dfv.apply(FRAME, [scaled, plus], more=2.0)["plus"].to_list() == [8.0, 11.0]
    assert len(plans) == 3
    with pytest.raises(dfv.BindingError):
        dfv.apply(FRAME, [scaled, plus], most=2.0)
    dfv.register("plus", lambda scaled: -scaled, replace=True)
    assert dfv.apply(FRAME, ["scaled", "plus"])["plus"].to_list() == [-3.0, -5.0]


@pytest.mark.parametrize("rows", [0, 1, 1000, 5000, 16_385])
def test_a_pipeline_of_any_size(rows):
    @dfv.plugin
    def doubled(n):
        return None if n % 5 == 3 else n * 2

    @dfv.plugin
    def described(n, doubled):
        if n == 777:
            raise ValueError("unlucky")
        return f"{doubled} of {n}", n

    frame = pl.DataFrame({"n": pl.int_range(rows, eager=True)})
    steps = [
        doubled,
        dfv.step(described, output=["text", "n"], replace=True),
        dfv.step(doubled, output="again"),
    ]
    result = dfv.run(frame, steps)
    fine = pl.col("n") != 777
    twice = pl.when(pl.col("n") % 5 != 3).then(pl.col("n") * 2)
    expected = frame.select(
        pl.when(fine & twice.is_not_null()).then("n").alias("n"),
        twice.alias("doubled"),
        pl.when(fine).then(pl.format("{} of {}", twice, "n")).alias("text"),
        pl.when(fine).then(twice).alias("again"),
    )
    assert_frame_equal(result.frame, expected)
    assert result.error_count == (rows > 777)
    manager = dfv.PluginManager()
    manager.process_batch(steps, frame)
    assert manager.get_metrics("described").total_processed == rows
    assert manager.get_metrics("described").error_count == (rows > 777)


def test_a_guard_that_fails_in_a_shared_frame():
    sine = dfv.register("sine", lambda x: math.sin(x), replace=True)
    frame = pl.DataFrame({"x": [*range(5000)], "n": 0}, schema={"x": pl.Float64, "n": pl.Int64})
    for x in (frame["x"], frame["x"].scatter(3000, 1e300), frame["x"]):
        frame = frame.with_columns(x)
        with in_chunks():
            expected = values(frame, sine)
        for _ in range(20):  # the guard is left out for some
            with shared_out():
                assert values(frame, sine) == expected


@pytest.mark.parametrize("on_error", ["null", "drop"])
def test_rows_that_fail_in_a_shared_frame(on_error):
    def inverse(n):
        if n % 1000 == 999:
            raise ValueError(n)
        return 1 / (n + 1)

    plugin = dfv.register("inverse", inverse, replace=True)
    frame = pl.DataFrame({"n": range(20_000)})
    results = []
    for road in (shared_out, in_chunks):
        with road():
            results.append(dfv.run(frame, plugin, on_error=on_error))
    assert_frame_equal(results[0].frame, results[1].frame)
    assert_frame_equal(results[0].errors, results[1].errors)
    assert results[0].error_count == 20


def processed(manager, name):
    metrics = manager.get_metrics(name)
    return 0 if metrics is None else metrics.total_processed


@pytest.mark.parametrize("limit", [None, 1 << 24])
@pytest.mark.parametrize("rows", [0, 1, 64, 1000, 5000, 16_385])
def test_a_pipeline_with_filters_of_any_size(rows, limit):
    """Only what a filter keeps goes on, and is counted."""

    @dfv.filter(replace=True)
    def odd(n):
        return n % 2 == 1

    @dfv.plugin(replace=True)
    def third(n):
        if n == 4444:
            raise ValueError("it isn't there any more")
        return n // 3

    @dfv.filter(replace=True)
    def few(third, most):
        return third < most

    @dfv.plugin(replace=True)
    def told(n, third):
        return f"{n} and {third}"

    config = dfv.PluginManagerConfig(memory_pool_config=dfv.MemoryPoolConfig(max_bytes=limit))
    manager = dfv.PluginManager(config)
    frame = pl.DataFrame(
        {"n": pl.int_range(rows, eager=True), "text": pl.Series(["x"] * rows, dtype=pl.String)}
    )
    steps = [odd, third, few, dfv.step(told, output="text", replace=True)]
    for most in (rows, 100, 0):
        before = [processed(manager, name) for name in ("odd", "third", "few", "told")]
        result = dfv.run(frame, steps, most=most, manager=manager)
        kept = frame.filter(pl.col("n") % 2 == 1).with_columns(third=pl.col("n") // 3)
        left = kept.filter(pl.col("third") < most)
        expected = left.with_columns(text=pl.format("{} and {}", "n", "third"))
        assert_frame_equal(result.frame, expected.select("n", "text", "third"), check_column_order=False)
        assert (result.error_count, result.filtered_count) == (0, rows - left.height)
        after = [processed(manager, name) for name in ("odd", "third", "few", "told")]
        given = [rows, kept.height, kept.height, left.height]
        assert [now - then for now, then in zip(after, before, strict=True)] == given


def test_debugging_tells_of_whole_frames(caplog, scaled):
    frame = pl.DataFrame({"a": [1.0] * 2000})
    with caplog.at_level(logging.DEBUG, logger=execute.__name__.partition(".")[0]):
        dfv.apply(frame, scaled)
    assert any("2000 rows in 1 chunks" in record.getMessage() for record in caplog.records)


def test_a_tuner_sees_one_in_sixteen_of_brief_frames():
    tuner = FixedTuner(dfv.BatchConfig(default_batch_size=4096, tuner="fixed"))
    whole = WholeFrames(tuner, 1)
    for _ in range(160):
        cut = whole.take(4000)
        assert cut == (4000, 1)
        whole.record(4000, cut, 1e-6, 1e-6)
    assert len(tuner.trace) == 10
    for _ in range(5):
        cut = whole.take(4096)
        whole.record(4096, cut, 1.0, 1.0)
    assert len(tuner.trace) == 15
    assert not whole.take(4097)
    assert whole.take(10)


def test_brief_loops_keep_the_gil_until_one_takes_long(monkeypatch):
    def harmonic(n):
        total = 0.0
        for i in range(n):
            total += 1.0 / (i + 1)
        return total

    kept, loop = [], Kernel.loop

    def noted(self, *, is_brief=False, **options):
        kept.append(is_brief)
        return loop(self, is_brief=is_brief, **options)

    plugin = dfv.register("harmonic", harmonic, replace=True)
    monkeypatch.setattr(Kernel, "loop", noted)
    for _ in range(50):
        assert values(pl.DataFrame({"n": [1, 2]}), plugin) == [1.0, 1.5]
    assert not kept[0]
    assert kept[-1]
    values(pl.DataFrame({"n": [100_000_000]}), plugin)
    values(pl.DataFrame({"n": [1]}), plugin)
    assert kept[-2:] == [True, False]
