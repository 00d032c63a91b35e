"""Bools of NumPy's: `~` of them is a bool; what else differs from Python's is as NumPy has it, or refused."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import as_numpy, check, plugin

FRAME = pl.DataFrame(
    {
        "x": [0.0, math.nan, math.inf, -2.5],
        "y": [math.nan, math.nan, 1.0, 3.0],
        "c": [True, False, True, False],
        "i": [0, 1, 2, -3],
        "flags": [[True, False], [False, False], [True, True], [False, True]],
    }
)
NUMPYS = st.sampled_from(
    (
        "np.isnan(x)",
        "np.isfinite(y)",
        "np.isinf(x)",
        "np.signbit(x)",
        "np.bool_(c)",
        "np.logical_and(c, np.isnan(y))",
        "np.greater(x, y)",
        "np.isclose(x, y)",
        "flags[0]",
        "flags[i]",
        "flags.any()",
        "np.all(flags)",
        "[one for one in flags][1]",
        "YES",
    )
)
PYTHONS = st.sampled_from(("c", "(i > 1)", "(not c)", "math.isnan(x)", "True"))
YES = np.bool_(1)


def joined(bools):
    pair = st.tuples(bools, bools | PYTHONS, st.sampled_from("&|^"))
    chosen = st.tuples(bools, bools).map(lambda two: f"({two[0]} if c else {two[1]})")
    return (
        pair.map(lambda parts: f"({parts[0]} {parts[2]} {parts[1]})")
        | pair.map(lambda parts: f"({parts[1]} {parts[2]} {parts[0]})")
        | bools.map(lambda one: f"(~{one})")
        | bools.map(lambda one: f"({one}, 1)[0]")
        | chosen
    )


BOOLS = st.recursive(NUMPYS, joined, max_leaves=4)
SHOWN = ("v", "1 if v else 0", "str(v)", "int(v)", "not v", "v == c", "(v, i)[0] is not None and bool(v)")


def defined(lines, result):
    names = {"np": np, "math": math, "YES": YES}
    exec(f"def drawn(x, y, c, i, flags):\n    {lines}\n    return {result}\n", names)
    return plugin(names["drawn"])


def holds(kernel):
    check(kernel, FRAME, rows=list(as_numpy(FRAME)))


@settings(max_examples=40, phases=[Phase.generate])  # each example is a compilation
@given(BOOLS, st.sampled_from(SHOWN))
def test_what_is_inverted_is_a_bool(bools, shown):
    holds(defined(f"v = ~{bools}", shown))


COUNTED = (
    "a + b",
    "a - b",
    "a * b",
    "-a",
    "np.subtract(c, i > 1)",
    "np.negative(c)",
    "np.sign(a)",
    "1 + a",
    "a / 2",
)


@settings(max_examples=25, phases=[Phase.generate])
@given(BOOLS, BOOLS | PYTHONS, st.sampled_from(COUNTED), st.sampled_from(("{}", "str({})", "int({})")))
def test_what_is_counted_is_as_numpy_counts_or_refused(a, b, counted, shown):
    try:
        holds(defined(f"a = {a}\n    b = {b}", shown.format(counted)))
    except dfv.KernelCompileError as error:
        if counted in ("1 + a", "a / 2") or "NumPy's bools" not in str(error):
            raise


EITHER = ("~(c if i > 1 else np.isnan(x))", "~[c, np.isnan(x)][i]", "~[one for one in (c, np.isnan(x))][i]")


@pytest.mark.parametrize("inverted", ["~(x > 1)", "~(x == y)", "~(i < y)", *EITHER])
def test_what_may_be_of_either_kind_is_not_inverted(inverted):
    with pytest.raises(dfv.KernelCompileError, match="write `not"):
        dfv.run(FRAME, defined("pass", inverted))


def test_rows_are_kept_by_what_is_inverted():
    keeps = dfv.filter(lambda x: ~np.isnan(x), name="numpy_bools_keep", replace=True)
    assert FRAME.pipe(dfv.apply, keeps)["x"].to_list() == [0.0, math.inf, -2.5]
