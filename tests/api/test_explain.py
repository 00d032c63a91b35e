"""`explain`: what it says of loops that are vector code, of those that are not, and of other plugins."""

from __future__ import annotations

import math
import platform

import numba
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def plugin(function, form=Form.ROW, kind=dfv.PluginType.TRANSFORMER, **options):
    return define(function, name="kernel", form=form, plugin_type=kind, **options)


def only(target, data=None, **bindings):
    (stage,) = dfv.explain(target, data, **bindings).stages
    return stage


def halvings(x):
    count = 0
    while x > 1.0:
        x = x / 2.0
        count += 1
    return count


@numba.njit(inline="never")
def summed(x):
    total = 0.0
    while x > 1.0:
        x = x / 2.0
        total += x
    return total


def refusing(x):
    if x < 0.0:
        raise ValueError("negative")
    return x * 2.0


VECTORISED = {
    "arithmetic": lambda x: x * 2.0 + 1.0,
    "own mathematics": lambda x: math.exp(math.sin(x)),
    "a comparison": lambda x: x > 1.0,
    "a kernel that raises": refusing,
}


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("name", VECTORISED)
@pytest.mark.parametrize("nulls", [False, True])
def test_vectorised(name, nulls):
    frame = pl.DataFrame({"x": [1.0, None if nulls else 2.0]})
    loop = only(plugin(VECTORISED[name]), frame).loop
    assert loop.vectorised
    assert loop.lanes * loop.lane_bits >= 128
    assert loop.lane_bits == 64
    assert loop.registers
    assert loop.reasons == loop.remarks == loop.calls == ()
    assert not loop.branches_on_null
    assert loop.can_raise == (name == "a kernel that raises")


@pytest.mark.usefixtures("usual_processor")
def test_lanes_are_those_of_the_widest_type():
    double = only(plugin(lambda x: x * x), {"x": pl.Float64}).loop
    single = only(plugin(lambda x: x * x), {"x": pl.Float32}).loop
    assert single.lane_bits == 32
    assert single.lanes == 2 * double.lanes


SCALAR = {
    "loop": (halvings, pl.Float64, "there is a loop inside the kernel"),
    "helper": (lambda x: summed(x) + 1.0, pl.Float64, "there is a loop inside the kernel"),
    "division": (lambda x: 1000 // x, pl.Int64, "it divides integers"),
    "table": (lambda x: (1.0, 2.0, 3.0)[x], pl.Int64, "it reads memory by an index"),
}


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("name", SCALAR)
def test_not_vectorised(name):
    function, dtype, reason = SCALAR[name]
    loop = only(plugin(function), {"x": dtype}).loop
    assert not loop.vectorised
    assert any(text.startswith(reason) for text in loop.reasons), loop.reasons
    assert len(loop.reasons) == 1


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="processors of x86-64")
@pytest.mark.parametrize(
    ("processor", "lanes", "registers"), [("x86-64", 1, ""), ("haswell", 1, ""), ("skylake-avx512", 4, "ymm")]
)
def test_a_table_is_read_by_vectors_of_indexes_where_the_processor_can(
    processor, lanes, registers, compile_for
):
    """AVX-512 gathers under a mask; with less the loop stays scalar."""
    compile_for(processor)
    function, dtype, reason = SCALAR["table"]
    loop = only(plugin(function), {"x": dtype}).loop
    assert (loop.vectorised, loop.lanes, loop.registers) == (lanes > 1, lanes, registers)
    assert [text[: len(reason)] for text in loop.reasons] == ([] if loop.vectorised else [reason])


@pytest.mark.parametrize("name", ["gamma", "sin"])
def test_a_call_of_libm_is_named(name):
    function = getattr(math, name)
    kernel = plugin(lambda x: function(x), math="libm")
    loop = only(kernel, {"x": pl.Float64}).loop
    assert not loop.vectorised
    (reason,) = loop.reasons
    assert reason.startswith(f"it calls `math.{name}` row by row")


def test_llvm_is_quoted():
    stage = only(plugin(halvings), {"x": pl.Float64})
    assert "could not determine number of loop iterations" in stage.loop.remarks
    assert "LLVM says" in dict(stage.lines())


def test_a_kernel_with_a_loop_is_not_run_on_what_lies_under_nulls():
    """It might run on for ever: `halvings` of infinity does."""
    assert only(plugin(halvings), {"x": pl.Float64}).loop.branches_on_null
    frame = pl.DataFrame({"x": [8.0, math.inf, 2.0]}).with_columns(pl.when(pl.col("x").is_finite()).then("x"))
    assert dfv.apply(frame, plugin(halvings), keep=False)["kernel"].to_list() == [3, None, 1]


def test_signature_and_bytes():
    frame = pl.DataFrame({"a": [1, None], "b": [True, False], "c": [1.0, 2.0]})
    stage = only(plugin(lambda a, b, c: c if b else a * 1.0), frame)
    assert stage.lines()[0] == ("row kernel", "kernel(a: Int64, b: Boolean, c: Float64) → kernel: Float64")
    assert stage.bytes_read == 8 + 1 / 8 + 8 + 3 / 8
    assert stage.bytes_written == 8 + 1 / 8


def test_types_are_assumed_without_data():
    def mixed(x, n: int):
        return x * n

    explained = dfv.explain(plugin(mixed))
    assert explained.assumed
    assert explained.stages[0].reads == {"x": pl.Float64, "n": pl.Int64}
    assert "types: assumed" in str(explained)


def test_times_are_of_data_only():
    frame = pl.DataFrame({"x": np.arange(20_000.0)})
    stage = only(plugin(lambda x: x + 1.0), frame)
    assert 0.0 < stage.nanoseconds < 10_000.0
    assert stage.bandwidth is None, "it is in a cache"
    assert only(plugin(lambda x: x + 1.0), frame.schema).nanoseconds is None
    assert only(plugin(lambda x: x + 1.0), frame.lazy()).nanoseconds is None


def test_share_of_bandwidth():
    frame = pl.DataFrame({"x": np.zeros(4_500_000)})
    stage = only(plugin(lambda x: x + 1.0), frame)
    assert stage.bandwidth > 0.0
    assert "of memory bandwidth" in dict(stage.lines())["time"]


@pytest.mark.parametrize("separable", [True, False])
def test_expressions(separable):
    def doubled(x):
        return x * 2 if separable else x - x.mean()

    stage = only(plugin(doubled, Form.EXPRESSION), {"x": pl.Float64})
    assert (stage.kind, stage.loop, stage.row_separable) == ("expression", None, separable)
    text = dict(stage.lines())["loop"]
    assert text.startswith("Polars' own; row-separable" if separable else "Polars' own; not row-separable")


def test_column_kernels():
    stage = only(plugin(lambda x: x * 2, Form.COLUMN), {"x": pl.Float64})
    assert (stage.kind, stage.loop) == ("column kernel", None)
    assert dict(stage.lines())["loop"] == "the function's own, over the arrays of a chunk"


def test_pipelines_and_bound_expressions():
    keep = plugin(lambda x: x > 0.0, kind=dfv.PluginType.FILTER)
    steps = [keep, dfv.step(plugin(lambda a: a + 1.0), a=pl.col("x") * 2.0, output="y")]
    explained = dfv.explain(steps, {"x": pl.Float64})
    assert [stage.kind for stage in explained.stages] == ["filter", "expression", "row kernel"]
    assert str(explained).startswith("filter kernel(x: Float64) → rows to keep\n")


def test_html_is_escaped():
    frame = pl.DataFrame({"<b>": [1.0]})
    html = dfv.explain(plugin(lambda x: x), frame, x="<b>")._repr_html_()
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_a_notebook_shows_queries_and_expressions_as_text():
    lazy = pl.LazyFrame({"<i>": [1.0]})
    query = dfv.explain(lazy.pipe(dfv.apply, plugin(lambda x: x), x="<i>"))._repr_html_()
    expressions = dfv.explain([pl.col("<i>") + 1], lazy, always=True)._repr_html_()
    for html, title in ((query, "lazy query"), (expressions, "expressions")):
        assert title in html
        assert "&lt;i&gt;" in html
        assert "<i>" not in html


def test_errors_are_those_of_apply():
    with pytest.raises(dfv.ColumnNotFoundError, match=r"column `x` \(for parameter `x`\) not found"):
        dfv.explain(plugin(lambda x: x), {"y": pl.Float64})


def test_the_function_is_not_hidden_by_its_module():
    import importlib

    importlib.import_module("dataflare_vec.api.explain")
    assert callable(dfv.explain)
