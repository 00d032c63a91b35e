"""Scans and reduces with `native=True`: as `apply` has them over frames; what their libraries depend on."""

from __future__ import annotations

import logging
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.binding import bind
from dataflare_vec.definition.plugin import Form
from dataflare_vec.polars_plugin import per_machine
from testing.oracle import identical, plugin
from testing.stateful import REDUCES, SCANS, frames_of, stateful


def halved(x):
    if x > 60:
        raise ValueError("x is large")
    return x * 0.5


def positive(x):
    return x > 0


HALVED, POSITIVE = plugin(halved), plugin(positive, "filter")
TRACK, SMOOTH = SCANS["track"], SCANS["smooth"]
MERGED, STATE = REDUCES["merged"], REDUCES["state"]
before = st.lists(st.sampled_from(["halved", "positive", "smooth"]), max_size=2, unique=True)
STEPS = {
    "halved": dfv.step(HALVED, output="half", keep=False),
    "positive": POSITIVE,
    "smooth": dfv.step(SMOOTH, output="even"),
}


def pipeline(names, last):
    """Steps that the last one reads from, and that may fail before it."""
    x = "half" if "halved" in names else "even" if "smooth" in names else "x"
    return [*(STEPS[name] for name in names), dfv.step(last, x=x)]


@pytest.mark.parametrize("last", [TRACK, MERGED, STATE], ids=lambda plugin: plugin.name)
@given(frame=frames_of(90), names=before, on_error=st.sampled_from(["null", "drop", "raise"]))
def test_as_over_frames(last, frame, names, on_error):
    """A row that has failed before leaves the state as it was."""
    steps = pipeline(names, last)
    query = frame.lazy().pipe(dfv.apply, steps, on_error=on_error, native=True)
    assert "PYTHON" not in query.explain()
    try:
        wanted = frame.pipe(dfv.apply, steps, on_error=on_error)
    except dfv.RowError as failed:
        with pytest.raises(pl.exceptions.ComputeError, match=f"plugin `{failed.plugin}`: row"):
            query.collect()
        return
    assert query.collect_schema() == wanted.schema
    for engine in ("in-memory", "streaming"):
        assert identical(query.collect(engine=engine), wanted)
    some = query.select(wanted.columns[-1:]).slice(1, 20)
    assert identical(some.collect(), wanted.select(wanted.columns[-1:]).slice(1, 20))


@given(frame=frames_of(90))
def test_expressions(frame):
    """Whole, in groups and over them, as those by Python."""
    key = pl.int_range(pl.len()) % 3
    for one in (TRACK, MERGED):
        native, ours = (dfv.expr(one, on_error="null", native=how, schema=frame) for how in (True, False))
        if one is TRACK:
            assert identical(frame.select(native.over(key)), frame.select(ours.over(key)))
        else:
            assert identical(frame.select(native), frame.select(ours))
        grouped = frame.group_by(key.alias("key"), maintain_order=True)
        assert identical(grouped.agg(native), grouped.agg(ours))


def total(s, x):
    return s + x


def doubled(s):
    return s * 2


def tripled(s):
    return s * 3


def both(a, b):
    return a + b


def either(a, b):
    return max(a, b)


def of_block(s, x):
    return s + x.sum()


def last_of_block(s, x):
    return s + x[-1]


def test_all_that_a_reduce_is_made_of_is_part_of_its_key():
    """The function is the same in all."""
    about = {"init": 0.0, "merge": both, "finish": doubled, "block": of_block}
    others = [{"init": 1.0}, {"merge": either}, {"finish": tripled}, {"block": last_of_block}]
    keys = [
        per_machine._key(bind(stateful(total, Form.REDUCE, **{**about, **other}), {}), [pl.Float64()])
        for other in ({}, {}, *others)
    ]
    assert keys[0] == keys[1]
    assert len({*keys}) == 1 + len(others)
    assert None not in keys


def test_an_initial_array_that_has_changed():
    import numpy as np

    init = np.zeros(3)
    window = replace(SCANS["window"], stateful=replace(SCANS["window"].stateful, init=init))
    frame = pl.DataFrame({"x": [1.0, 2.0]})
    for first in (0.0, 5.0):
        init[:] = first
        got = frame.lazy().pipe(dfv.apply, window, native=True).collect()
        assert got["window"].to_list()[0] == 2 * first + first + 3.0


def test_the_setting_leaves_them_to_batches(caplog):
    """Polars would hold whole columns, which nobody has asked for."""
    caplog.set_level(logging.DEBUG, "dataflare_vec.api")
    frame = pl.DataFrame({"x": [1.0, 2.0]})
    with dfv.PluginManager(dfv.PluginManagerConfig(native=True)) as manager:
        query = frame.lazy().pipe(dfv.apply, MERGED, manager=manager)
        assert "PYTHON" in query.explain()
        assert query.collect().equals(frame.pipe(dfv.apply, MERGED))
    (message,) = caplog.messages
    assert message.startswith(
        "`moments` doesn't run natively: plugin `moments`: Polars would hold the columns of"
    )


def test_keys_need_python():
    frame = pl.LazyFrame({"x": [1.0], "key": ["a"]})
    with pytest.raises(dfv.BuildError, match="`by` needs Python; a native expression has `over`"):
        frame.pipe(dfv.apply, MERGED, by="key", native=True)
