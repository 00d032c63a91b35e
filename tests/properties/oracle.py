"""Law 1 to 3 against a kernel's plain function, for values that aren't numbers."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import polars as pl
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

configs = st.builds(
    dfv.BatchConfig,
    default_batch_size=st.sampled_from([1, 64, 1 << 17]),
    parallelism=st.sampled_from([1, 2, 5]),
)


def plugins(*functions):
    kind = dfv.PluginType.TRANSFORMER
    return {f.__name__: define(f, name=None, form=Form.ROW, plugin_type=kind) for f in functions}


@st.composite
def frames(draw, **columns):
    """Frames of values and nulls, sliced and in several chunks; a column is (strategy, dtype)."""
    rows = draw(st.integers(0, 70))
    data = {}
    for name, (values, dtype) in columns.items():
        column = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        data[name] = pl.Series(name, column, dtype=dtype)
    frame = pl.DataFrame(data)
    frame = frame[draw(st.integers(0, max(0, rows - 1))) :]
    if draw(st.booleans()):
        cut = draw(st.integers(0, frame.height))
        frame = pl.concat([frame[cut:], frame[:cut]], rechunk=False)
    return frame


def check(frame, plugin, config, expected, compare):
    """Compare a run with what the plain function gave: (value, exception or None) for each row."""
    result = dfv.run(frame, plugin, keep=False, config=config)
    failed = [i for i, (_, error) in enumerate(expected) if error is not None]
    assert result.errors["row"].to_list() == failed
    assert result.errors["message"].to_list() == [str(expected[i][1]) for i in failed]
    columns = result.frame.columns
    for i, name in enumerate(columns):
        wanted = [None if v is None else (v[i] if len(columns) > 1 else v) for v, _ in expected]
        compare(result.frame[name], wanted)
    whole = dfv.BatchConfig(default_batch_size=1 << 20, enable_parallel=False)
    again = dfv.run(frame.rechunk(), plugin, keep=False, config=whole)
    assert_frame_equal(result.frame, again.frame, check_exact=True)


def call(plugin, rows):
    """Call the plain function for each row of arguments; None in one of them that isn't nullable skips it."""
    outcomes = []
    with np.errstate(all="ignore"):
        for row in rows:
            pairs = zip(plugin.parameters, row, strict=False)
            if any(value is None and not p.nullable for p, value in pairs):
                outcomes.append((None, None))
                continue
            try:
                outcomes.append((plugin.function(*row), None))
            except Exception as error:  # whatever it raises is what is to be seen
                outcomes.append((None, error))
    return outcomes


def exact_or_failed(frame, plugin, may_fail=None, *, context=None):
    """Compare a run with the plain function: the same values, and failed rows where it raises.

    Where ``may_fail(*row)`` says so, a row may fail of which Python has the value.
    """
    result = dfv.run(frame, plugin, keep=False, on_error="null")
    failed = 0
    with context or nullcontext():
        for row, got in zip(frame.rows(), result.frame.rows(), strict=True):
            try:
                expected = plugin.function(*row)
            except Exception:  # whatever it raises
                expected = None
            else:
                expected = expected if isinstance(expected, tuple) else (expected,)
            is_null = all(value is None for value in got)
            failed += is_null
            if expected is None or (is_null and may_fail is not None and may_fail(*row)):
                assert is_null, (row, got)
            else:
                assert got == expected, row
                assert [type(v) for v in got] == [type(v) for v in expected], row
    assert result.error_count == failed
