"""Pipelines over columns of numbers, as Hypothesis draws them: of all forms, some fail, some filter."""

from __future__ import annotations

import polars as pl
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from testing.strategies import frames

TRANSFORMER, FILTER = dfv.PluginType.TRANSFORMER, dfv.PluginType.FILTER


def define_plugin(target, form=Form.ROW, kind=TRANSFORMER, **options):
    return define(target, name=target.__name__, form=form, plugin_type=kind, **options)


def add(a, b):
    return a + b


def picky(a, b):
    if b > 900:
        raise ValueError("b is large")
    return a * 0.5


def known(a: float | None, b):
    if a is None:
        return -1.0
    return a if b > 0 else None


def both(a, b):
    return a - b, b < 100


def above(a, b):
    return a > b


def choosy(a, b):
    if a > 1000:
        raise ArithmeticError("a is huge")
    return b < 700


def risen(a, b):
    return a[0] - a[-1] + b


def negated(a, b):
    return -a


def separable(a, b):
    return a * 2 + b


def filled(a, b):
    return a.fill_null(7.0) + b.fill_null(1.0)


def whole(a, b):
    return a - a.max() + b


def small(a, b):
    return a < 500


def upper(a, b):
    return b * 2 >= b.max()


KERNELS = [
    *map(define_plugin, (add, picky, known, both)),
    define_plugin(above, kind=FILTER),
    define_plugin(choosy, kind=FILTER),
]
PLUGINS = [
    *KERNELS,
    define_plugin(risen, lookback={"a": 1}),
    define_plugin(negated, Form.COLUMN),
    *(define_plugin(one, Form.EXPRESSION) for one in (separable, filled, whole)),
    *(define_plugin(one, Form.EXPRESSION, FILTER) for one in (small, upper)),
]

# Whole numbers, so that sums are exact in whatever order.
numbers = st.integers(-200, 1200).map(float), pl.Float64
numbered = frames(st.integers(0, 200), x=numbers, y=numbers).map(lambda frame: frame.with_row_index("row"))
small_ints = st.integers(0, 40)


def numeric(frame):
    return [name for name, dtype in frame.lazy().collect_schema().items() if dtype == pl.Float64]


def pick(names, index):
    return names[index % len(names)] if names else None


def bound_to(name):
    """Return what a parameter may be bound to."""
    column = pl.col(name)
    return [name, name, column * 2, column.shift(1), column.cum_sum()]


def _keys(name, how):
    return [None, name, pl.col(name) % 3, [pl.col(name).rank("dense") % 2]][how % 4]


def apply(frame, drawn, sources=bound_to, **options):
    """Apply a pipeline whose steps read any column that is there, and name theirs by their place.

    A reduce is its last step. ``sources`` gives what a step's `a` may be bound to for a column.
    """
    picked, on_error, keep = drawn
    names, taken = numeric(frame), set(frame.lazy().collect_schema().names())
    if not names:
        return frame
    steps = []
    for i, (plugin, a, b, how, kept, replacing) in enumerate(picked):
        bindings = {"a": pick(sources(pick(names, a)), how), "b": pick(names, b)}
        if plugin.form is Form.EXPRESSION:
            bindings["a"] = pick(names, a)
        if plugin.form in (Form.SCAN, Form.REDUCE):
            bindings["by"] = _keys(bindings["b"], how)
        if plugin.form is Form.REDUCE:
            output = f"{plugin.name} of {len(taken)}"
            while output in taken:
                output += "'"  # its key may be an earlier one's
            steps.append(dfv.step(plugin, output=output, **bindings))
            break
        output = None
        if not plugin.is_filter:
            output = f"{plugin.name}{len(taken)}.{i}"
            while output in taken or f"{output}!" in taken:
                output += "'"  # an earlier pipeline has named one so
            if replacing and kept and plugin.name != "both" and bindings["b"] in taken:
                output = bindings["b"]
            kept_names = [output, f"{output}!"] if plugin.name == "both" else output
            names = [*names, *([output] if output not in names else [])]
            steps.append(dfv.step(plugin, output=kept_names, keep=kept, replace=output in taken, **bindings))
            continue
        steps.append(dfv.step(plugin, **bindings))
    return frame.pipe(dfv.apply, steps, on_error=on_error, keep=keep, **options)
