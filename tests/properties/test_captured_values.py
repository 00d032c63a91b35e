"""Law 2 for what a function captures: whatever changes between two calls, compiled = interpreted."""

from __future__ import annotations

import types

import numba
import numpy as np
import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import plain

FRAME = pl.DataFrame({"x": [1.5, -2.0, 4.0, None, 0.25]})
ROWS = [x for x in FRAME["x"] if x is not None]

SOURCE = """
RATE = 2.0
PAIR = (1.0, 2.0)
TABLE = np.array([1.0, 2.0, 3.0])
LARGE = np.full(200_000, 1.0)

def enclosing():
    cell = 2.0
    def inner(x):
        return x + cell
    def change(new):
        nonlocal cell
        cell = new
    return inner, change

closed, set_cell = enclosing()

@numba.njit
def innermost(x):
    return x - cfg.deep.RATE

@numba.njit
def helper(x, by=3.0):
    return innermost(x) * by

def plain(x, by=1.0):
    return helper(x) + by

def replaced(x):
    return x

def row(x):
    return replaced(plain(x)) + RATE * closed(x) + cfg.RATE - TABLE[1] * PAIR[1] + LARGE[7] + cfg.function(x)

def fold(s, x):
    return s + replaced(x) * cfg.RATE

def finish(s):
    return plain(s) + TABLE[0] + RATE

def step(s, x):
    return s + RATE, closed(s) + TABLE[2] * x
"""


def replacing(value):
    return lambda x: x * value


def program(jit):
    """Return the names of the program, its helpers compiled or not."""
    cfg = types.ModuleType("cfg")
    cfg.RATE, cfg.function, cfg.deep = 1.0, replacing(1.0), types.ModuleType("deep")
    cfg.deep.RATE = 1.0
    names = {"__name__": "captured_law", "np": np, "numba": types.SimpleNamespace(njit=jit), "cfg": cfg}
    exec(SOURCE, names)
    return names


#: What can change, and how.
CHANGES = {
    "RATE": lambda names, new: names.update(RATE=new),
    "PAIR": lambda names, new: names.update(PAIR=(1.0, new)),
    "TABLE": lambda names, new: names["TABLE"].__setitem__(slice(None), new),
    "another TABLE": lambda names, new: names.update(TABLE=np.array([new] * 3)),
    "LARGE": lambda names, new: names["LARGE"].__setitem__(7, new),
    "a cell": lambda names, new: names["set_cell"](new),
    "a module": lambda names, new: setattr(names["cfg"], "RATE", new),
    "a module in a module": lambda names, new: setattr(names["cfg"].deep, "RATE", new),
    "a default": lambda names, new: setattr(plain(names["helper"]), "__defaults__", (new,)),
    "a default of a plain function": lambda names, new: setattr(names["plain"], "__defaults__", (new,)),
    "a function": lambda names, new: names.update(replaced=replacing(new)),
    "a compiled function": lambda names, new: names.update(replaced=names["numba"].njit(replacing(new))),
    "a function of a module": lambda names, new: setattr(names["cfg"], "function", replacing(new)),
}
VALUES = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, -1.25, 3.0, -0.0]), st.booleans())
STEPS = st.dictionaries(st.sampled_from(sorted(CHANGES)), VALUES, min_size=1)


@settings(max_examples=4, phases=[Phase.generate])  # each step is three compilations
@given(st.lists(STEPS, min_size=2, max_size=3))
def test_compiled_is_interpreted_whatever_changes(steps):
    names, oracle = program(numba.njit), program(lambda function: function)
    row = dfv.plugin(names["row"], name="captured_row", replace=True)
    fold = dfv.reduce(names["fold"], init=0.0, finish=names["finish"], name="captured_fold", replace=True)
    scan = dfv.scan(names["step"], init=0.5, name="captured_scan", replace=True)
    for changes in [{}, *steps]:
        for what, new in changes.items():
            CHANGES[what](names, new)
            CHANGES[what](oracle, new)
        found = FRAME.pipe(dfv.apply, row)["captured_row"].drop_nulls().to_list()
        assert found == [oracle["row"](x) for x in ROWS]
        state = 0.0
        for x in ROWS:
            state = oracle["fold"](state, x)
        assert FRAME.pipe(dfv.apply, fold).item() == oracle["finish"](state)
        state, values = 0.5, []
        for x in ROWS:
            state, value = oracle["step"](state, x)
            values.append(value)
        assert FRAME.select(dfv.expr(scan, "x")).to_series().drop_nulls().to_list() == values
