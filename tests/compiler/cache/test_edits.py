"""Five hundred edits of a program, one after the other: no key stands for two programs that differ."""

from __future__ import annotations

import math
import random
import types
from datetime import timedelta

import numba
import numpy as np
import polars as pl

import dataflare_vec as dfv
from dataflare_vec.compiler.cache.key import key_of
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.binding import bind
from dataflare_vec.definition.plugin import Form, PluginType, define

#: What can be edited, and what it can be.
CHOICES = {
    "body": ["x * f + c", "x * f - c", "x / f + c", "c - x * f", "x * f + c + c"],
    "condition": ["x > 0", "x >= 0", "x < 0", "x > 1"],
    "literal": [1, 1.0, 2.0, -0.5, 1e300],
    "called": ["math.sin", "math.cos", "math.floor"],
    "helper": ["v + 1.0", "v + 2.0", "v * 2.0", "1.0 - v"],
    "innermost": ["v * 3.0", "v * 4.0", "-v"],
    "plain": ["v - 1.0", "v - 2.0", "v * v"],
    "below_plain": ["v + 0.5", "v + 0.25", "-v"],
    "plugin": ["v * 0.5", "v * 0.125", "v - 0.5"],
    "below_plugin": ["v + 7.0", "v + 8.0"],
    "moment": [1, 2],
    "constant": [1.5, 2.5, 3, -0.0, 0.0],
    "attribute": [6371.0, 6378.1, 3958.8],
    "table": [(1.0, 2.0), (2.0, 1.0), (1, 2.0), (1.0, 2.0, 3.0)],
    "array": [(1.0, 2.0), (3.0, 2.0), (1.0, 2.5)],
    "cell": [0.25, 0.5, 7],
    "default": [1.0, 10.0],
    "options": [{}, {"error_model": "numpy"}, {"fastmath": True}, {"fastmath": {"nsz"}}],
    "helper_options": [{}, {"error_model": "numpy"}, {"fastmath": {"contract"}}],
    "math": ["precise", "fast", "libm"],
    # Edits that change nothing.
    "comment": ["", "# a comment", "# another\n\n"],
    "file": ["a.py", "b.py"],
}  # fmt: skip
WITHOUT_EFFECT = ("comment", "file")


def build(state):
    """Return the plugin of a program, as if each of its files had just been read."""
    constants = types.ModuleType("constants")
    constants.RADIUS = state["attribute"]
    scope = {"numba": numba, "math": math, "constants": constants, "np": np}
    scope |= {"K": state["constant"], "TABLE": state["table"], "ARRAY": np.array(state["array"])}
    scope |= {"options": state["options"], "helper_options": state["helper_options"]}
    scope |= {"dfv": dfv, "define": define, "Form": Form, "MOMENT": timedelta(days=state["moment"])}
    helpers = f"""{state["comment"]}
def below_plain(v):
    return {state["below_plain"]}

def plain(v):
    return ({state["plain"]}) + below_plain(v)

def below_plugin(v):
    return {state["below_plugin"]}

def called_plugin(v):
    return ({state["plugin"]}) * below_plugin(v)

called_plugin = define(
    called_plugin, name="called", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER
)

@numba.njit
def innermost(v):
    return {state["innermost"]}

@numba.njit(**helper_options)
def helper(v, k={state["default"]}):
    return ({state["helper"]}) * k + innermost(v)
"""
    kernel = f"""{state["comment"]}
def make(cell):
    @numba.njit(**options)
    def kernel(x):
        c = cell + K + TABLE[1] + ARRAY[0] + constants.RADIUS
        f = helper(x) + plain(x) + called_plugin(x) + MOMENT.days
        if {state["condition"]}:
            return {state["called"]}(x) + {state["body"]}
        return {state["literal"]} * x
    return kernel
"""
    for name, source in (("helpers", helpers), ("kernel", kernel)):
        exec(compile(source, f"{name}_{state['file']}", "exec"), scope)
    function = scope["make"](state["cell"])
    kind = PluginType.TRANSFORMER
    return define(function, name="edited", form=Form.ROW, plugin_type=kind, math=state["math"])


def program(state):
    """What decides about the result."""
    return repr({name: value for name, value in state.items() if name not in WITHOUT_EFFECT})


def edits(count, seed):
    random_ = random.Random(seed)
    state = {name: choices[0] for name, choices in CHOICES.items()}
    yield dict(state)
    for _ in range(count):
        name = random_.choice(list(CHOICES))
        state[name] = random_.choice([value for value in CHOICES[name] if repr(value) != repr(state[name])])
        yield dict(state)
        if random_.random() < 0.2:  # and back again
            state = {name: choices[0] for name, choices in CHOICES.items()}


def test_five_hundred_edits_leave_no_stale_key():
    programs, keys = {}, {}
    for state in edits(500, seed=8):
        key = key_of(bind(build(state), {}), [pl.Float64()])
        assert programs.setdefault(key, program(state)) == program(state), "a stale hit"
        assert keys.setdefault(program(state), key) == key, "compiled again for nothing"
    assert len(programs) > 250


def test_edited_programs_give_the_results_of_python():
    """With real compilations: each program twice, so that the second one comes from the cache."""
    x = [-2.0, -0.5, 0.0, 0.5, 1.0, 3.0]
    frame = pl.DataFrame({"x": x})
    hits = 0
    random_ = random.Random(9)
    states = random_.sample(list(edits(120, seed=9)), 10)
    for state in [*states, *reversed(states)]:
        state = state | {
            "comment": random_.choice(CHOICES["comment"]),
            "file": random_.choice(["a.py", "b.py"]),
        }
        plugin = build(state)
        with np.errstate(all="ignore"):
            expected = [float(plugin.function.py_func(np.float64(value))) for value in x]
        got = frame.pipe(dfv.apply, plugin)["edited"].to_list()
        assert np.allclose(got, expected, rtol=1e-12, atol=1e-12, equal_nan=True), state
        (prepared,) = remembered(plugin).derived.kernels.values()
        hits += prepared.kernel.from_cache
    assert hits >= len(states) - 2  # a program may come twice
