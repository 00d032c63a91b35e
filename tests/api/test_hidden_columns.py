"""Columns that a lazy query has for itself: no pattern of the user's means them."""

from __future__ import annotations

import polars as pl
import pytest
from polars import selectors as cs
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

FRAME = pl.DataFrame({"x": [1, 2000, 3, 4], "y": [1.5, 2.5, None, 4.5], "is": [True, False, None, True]})
ENGINES = pytest.mark.parametrize("engine", ["streaming", "in-memory"])


def _plugin(target, name, form=Form.EXPRESSION, kind="transformer", **about):
    return define(target, name=name, form=form, plugin_type=kind, **about)


def at_most_1000(x):
    if x > 1000:
        raise ValueError("x is large")
    return x


def plus(a, b):
    return a + b


SMALL, PLUS = _plugin(at_most_1000, "small", Form.ROW), _plugin(plus, "plus", Form.ROW)
RUNNING = _plugin(lambda state, x: (state + x, state), "running", Form.SCAN, init=0.0)
ADDED = _plugin(lambda state, x: state + x, "added", Form.REDUCE, "aggregator", init=0.0)

PATTERNS = {
    "all": pl.sum_horizontal(pl.all().cast(pl.Float64)),
    "booleans": pl.sum_horizontal(cs.boolean()),
    "regex": pl.max_horizontal(pl.col("^.*$").is_null()),
    "exclude": pl.struct(pl.exclude("x")),
    "difference": pl.struct(cs.all() - cs.first()),
    "last": pl.last() if hasattr(pl, "last") else pl.nth(-1),
    "position": pl.nth(-1),
    "renamed": pl.struct(pl.all().name.suffix("!")),
    "count": pl.concat_list(pl.all().is_null()).list.len(),
    "over": pl.col("y").sum().over(cs.boolean()),
    "function": pl.struct(pl.all()).map_batches(
        lambda column: pl.Series([len(column.struct.fields)] * len(column)), return_dtype=pl.Int64
    ),
    "plugin": pl.struct(pl.all()).struct[-1].cast(pl.Float64) + dfv.expr(SMALL, "x", on_error="null"),
}


@ENGINES
@pytest.mark.parametrize("on_error", ["null", "drop"])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_means_columns_of_the_user(name, on_error, engine):
    pattern = _plugin(PATTERNS[name], "pattern")
    again = dfv.step(PLUS, a="x", b="small")
    for steps in (
        [SMALL, pattern],
        [SMALL, dfv.step(pattern, output="small", replace=True), dfv.step(SMALL, output="again")],
        [SMALL, again, pattern, RUNNING],
        [dfv.step(SMALL, keep=False), RUNNING, pattern, dfv.step(SMALL, output="at the end")],
        [dfv.step(SMALL, x=pl.col("x").shift(1)), pattern],
    ):
        expected = FRAME.pipe(dfv.apply, steps, on_error=on_error)
        query = FRAME.lazy().pipe(dfv.apply, steps, on_error=on_error)
        assert query.collect_schema() == expected.schema
        assert_frame_equal(query.collect(engine=engine), expected)


@ENGINES
@pytest.mark.parametrize(
    "pattern",
    [
        pl.all_horizontal(cs.boolean() | pl.lit(value=True)),
        pl.any_horizontal(cs.boolean()),
        pl.any_horizontal(pl.nth(-1).is_null()),
        pl.struct(pl.all()).map_batches(
            lambda column: pl.Series([len(column.struct.fields) == 4] * len(column)), return_dtype=pl.Boolean
        ),
    ],
)
def test_a_filter_by_a_pattern(pattern, engine):
    steps = [SMALL, _plugin(pattern, "pattern", kind="filter"), dfv.step(PLUS, a="x", b="small")]
    for on_error in ("null", "drop"):
        query = FRAME.lazy().pipe(dfv.apply, steps, on_error=on_error)
        assert_frame_equal(query.collect(engine=engine), FRAME.pipe(dfv.apply, steps, on_error=on_error))


@ENGINES
def test_parameters_and_keys_that_are_patterns(engine):
    count = pl.sum_horizontal(pl.all().is_not_null())
    keys = pl.sum_horizontal(cs.boolean()).alias("keys")
    for steps in (
        [dfv.step(PLUS, a=count, b=count * 10)],
        [SMALL, dfv.step(PLUS, a=count, b=count * 10)],
        [SMALL, dfv.step(RUNNING, x=count, by=[keys, pl.col("x").rank().alias("rank")])],
        [SMALL, dfv.step(ADDED, x=count, by=keys)],
    ):
        query = FRAME.lazy().pipe(dfv.apply, steps, on_error="null")
        assert_frame_equal(query.collect(engine=engine), FRAME.pipe(dfv.apply, steps, on_error="null"))


@ENGINES
def test_what_an_earlier_call_has_left_out_is_gone(engine):
    frame = FRAME.head(1)
    pattern = _plugin(pl.struct(pl.all()), "pattern")
    for first in (
        {"plugin": dfv.step(SMALL, keep=False)},
        {"plugin": [dfv.step(SMALL, keep=False), dfv.step(PLUS, a="x", b="small")]},
        {"plugin": SMALL, "keep": False},
    ):
        eager = frame.pipe(dfv.apply, **first).pipe(dfv.apply, pattern)
        lazy = frame.lazy().pipe(dfv.apply, **first).pipe(dfv.apply, pattern)
        assert_frame_equal(lazy.collect(engine=engine), eager)


@ENGINES
def test_patterns_in_what_is_done_with_the_result(engine):
    frame = FRAME.filter(pl.col("x") < 1000)
    lazy, eager = (data.pipe(dfv.apply, [SMALL, RUNNING]) for data in (frame.lazy(), frame))
    for done in (
        lambda data: data.select(pl.all().name.suffix("!")),
        lambda data: data.filter(pl.all_horizontal(pl.all().is_not_null())),
        lambda data: data.with_columns(pl.struct(cs.all()).alias("whole")),
        lambda data: data.group_by(cs.boolean(), maintain_order=True).agg(pl.all().last()),
        lambda data: data.unique(cs.numeric(), maintain_order=True).drop(cs.first()),
    ):
        assert_frame_equal(done(lazy).collect(engine=engine), done(eager))
