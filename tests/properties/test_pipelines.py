"""A pipeline is its plugins one after the other, however its rows are cut into chunks."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.stages import fused
from testing.strategies import configs, frames

pytestmark = pytest.mark.usefixtures("all_roads")


def add(a, b):
    return a + b


def picky(a, b):
    if b > 100:
        raise ValueError("b is large")
    return a * 0.5


def known(a: float | None, b):
    if a is None:
        return -1.0
    return float(a) if b > 0 else None


def above(a, b):
    return a > b


def choosy(a, b):
    if a > 1000:
        raise ArithmeticError("a is huge")
    return b < 50


def negated(a, b):
    return -a


def _plugin(target, name, form=Form.ROW, kind=dfv.PluginType.TRANSFORMER):
    return define(target, name=name, form=form, plugin_type=kind)


FILTER = dfv.PluginType.FILTER
ROW_ONLY = [
    _plugin(add, "add"),
    _plugin(picky, "picky"),
    _plugin(known, "known"),
    _plugin(above, "above", kind=FILTER),
    _plugin(choosy, "choosy", kind=FILTER),
]
PLUGINS = [
    *ROW_ONLY,
    _plugin(negated, "negated", Form.COLUMN),
    _plugin(lambda a, b: a * 2 + b, "separable", Form.EXPRESSION),
    _plugin(lambda a, b: a - a.mean() + b, "whole", Form.EXPRESSION),
    _plugin(lambda a, b: a < 500, "small", Form.EXPRESSION, FILTER),
    _plugin(lambda a, b: b >= b.mean(), "upper", Form.EXPRESSION, FILTER),
]


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Let even small frames go through the fused pipeline in several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_SMALLEST", "_LARGEST", "_BLOCK_BYTES"):
            patch.setattr(fused, name, 64)
        yield


# Whole numbers, so that sums are exact in whatever order.
numbers = st.integers(-200, 1200).map(float), pl.Float64
numbered = frames(st.integers(0, 300), x=numbers, y=numbers).map(lambda frame: frame.with_row_index("row"))


@st.composite
def pipelines(draw):
    """Up to five steps, each reading the data's columns or those of steps before it, or replacing them."""
    steps, names = [], ["x", "y"]
    # Row kernels alone are fused.
    some = draw(st.sampled_from([PLUGINS, ROW_ONLY]))
    for i, plugin in enumerate(draw(st.lists(st.sampled_from(some), min_size=1, max_size=5))):
        bindings = {name: draw(st.sampled_from(names)) for name in ("a", "b")}
        if some is PLUGINS and draw(st.booleans()) and plugin.form is Form.ROW:
            bindings["a"] = pl.col(bindings["a"]) + pl.col("x")
        output = None if plugin.is_filter else draw(st.sampled_from([f"o{i}", f"o{i}", *names]))
        steps.append(dfv.step(plugin, output=output, replace=output in names, **bindings))
        names += [output] if output and output not in names else []
    return steps


@given(frame=numbered, steps=pipelines(), config=configs)
def test_a_pipeline_is_its_steps_one_after_the_other(frame, steps, config):
    """Laws 1 and 4, with failed rows dropped."""
    got = dfv.run(frame, steps, on_error="drop", config=config)
    expected, failed, filtered = frame, {}, 0
    for step in steps:
        result = dfv.run(expected, step, on_error="drop")
        rows = expected["row"].gather(result.errors["row"])
        failed |= dict(zip(rows, result.errors.select("plugin", "message").rows(), strict=True))
        filtered += result.filtered_count
        expected = result.frame
    assert_frame_equal(got.frame, expected, check_exact=True)
    assert got.error_count == len(failed)
    assert got.filtered_count == filtered
    assert got.frame.height + filtered + len(failed) == frame.height
    named = zip(got.errors["row"], got.errors.select("plugin", "message").rows(), strict=True)
    assert dict(named) == failed
    assert got.errors["row"].is_sorted()


@given(frame=numbered, steps=pipelines(), config=configs)
def test_a_failed_row_is_null_from_there_on(frame, steps, config):
    """With `null`, the other rows are as with `drop`, and a failed one is there unless a filter follows."""
    separate = [step for step in steps if step.plugin.name not in ("whole", "upper")] or [PLUGINS[1]]
    if separate == [PLUGINS[1]]:
        separate = [dfv.step(PLUGINS[1], a="x", b="y", output="o0")]
    usable = _closed(separate)
    nulled = dfv.run(frame, usable, on_error="null", config=config)
    dropped = dfv.run(frame, usable, on_error="drop")
    failed = dict(nulled.errors.select("row", "plugin").rows())
    assert nulled.errors.equals(dropped.errors)
    assert nulled.filtered_count == dropped.filtered_count
    went_through = nulled.frame.filter(~pl.col("row").is_in(list(failed)))
    assert_frame_equal(went_through, dropped.frame, check_exact=True)
    for row in nulled.frame.filter(pl.col("row").is_in(list(failed))).iter_rows(named=True):
        at = [i for i, step in enumerate(usable) if step.plugin.name == failed[row["row"]]]
        assert row[usable[at[-1]].output] is None
    last_filter = max([i for i, step in enumerate(usable) if step.plugin.is_filter], default=-1)
    for row, plugin in failed.items():
        places = [i for i, step in enumerate(usable) if step.plugin.name == plugin]
        if places[0] > last_filter:
            assert row in nulled.frame["row"]
        if places[-1] <= last_filter:
            assert row not in nulled.frame["row"]


def _closed(steps):
    """Leave out what reads a column that isn't there any more."""
    names, kept = {"x", "y"}, []
    for step in steps:
        roots = {
            root
            for value in step.bindings.values()
            for root in ([value] if isinstance(value, str) else value.meta.root_names())
        }
        if roots <= names:
            kept.append(step)
            names |= {step.output} - {None}
    return kept or [dfv.step(PLUGINS[1], a="x", b="y", output="o0")]


def test_raise_names_the_plugin_and_all_rows():
    frame = pl.DataFrame({"x": [1.0, 2000.0, 3.0], "y": [1.0, 2.0, 200.0]})
    steps = [dfv.step(PLUGINS[0], a="x", b="y", output="sum"), dfv.step(PLUGINS[4], a="x", b="y")]
    message = "plugin `choosy`: 1 of 3 rows failed, row 1; the first with ArithmeticError: a is huge"
    with pytest.raises(dfv.RowError, match=message) as caught:
        dfv.apply(frame, steps)
    assert isinstance(caught.value.__cause__, ArithmeticError)


def test_temporary_columns_do_not_come_back():
    frame = pl.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    steps = [
        dfv.step(PLUGINS[0], a="x", b="y", output="sum", keep=False),
        dfv.step(PLUGINS[0], a="sum", b="sum", output="twice"),
    ]
    assert dfv.apply(frame, steps).columns == ["x", "y", "twice"]
    assert dfv.apply(frame.lazy(), steps).collect().equals(dfv.apply(frame, steps))
    assert dfv.apply(frame, steps[:1]).columns == ["x", "y"]


def test_what_is_made_of_nulls_that_a_step_makes_is_null():
    """Also where no column of the data has any, and whether or not the columns between come back."""
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0] * 50, "y": [1.0, -1.0, 2.0] * 50})
    for keep in (True, False):
        steps = [
            dfv.step(PLUGINS[2], a="x", b="y", output="known", keep=keep),
            dfv.step(PLUGINS[0], a="known", b="known", output="sum", keep=keep),
            dfv.step(PLUGINS[0], a="sum", b="x", output="last"),
        ]
        for data in (frame, frame.lazy()):
            last = dfv.apply(data, steps).lazy().collect()["last"]
            assert last.to_list() == [3.0, None, 9.0] * 50
