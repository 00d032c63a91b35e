"""A kernel over many values at once, beside its plain function on each of them."""

from __future__ import annotations

import polars as pl

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

FAILED = object()


def run(function, frame, **options):
    plugin = define(function, name="kernel", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER, **options)
    return dfv.run(frame, plugin, keep=False, on_error="null")


def computed(function, frame, **options):
    """Return the column and which of its rows failed."""
    return _values(run(function, frame, **options))


def _values(result):
    failed = set(result.errors["row"])
    assert len(failed) == result.error_count
    column = result.frame.to_series()
    return column.dtype, [FAILED if i in failed else value for i, value in enumerate(column.to_list())]


def plain(function, rows):
    """Return what Python gives, with integers of more than 64 bits as failed."""
    found = []
    for row in rows:
        try:
            value = function(*row)
        except (ArithmeticError, ValueError):
            value = FAILED
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            value = FAILED
        found.append(value)
    return found


def check(function, frame, dtype=None, **options):
    """Compare each row, -0.0 and NaN too."""
    result = run(function, frame, **options)
    found, got = _values(result)
    assert dtype is None or found == dtype
    wanted = plain(function, frame.iter_rows())
    wrong = [(row, g, w) for row, g, w in zip(frame.rows(), got, wanted, strict=True) if repr(g) != repr(w)]
    assert not wrong, (wrong[:5], result.errors.head(5).rows())


def floats(*values, dtype=pl.Float64):
    return pl.DataFrame({"x": values}, schema={"x": dtype})
