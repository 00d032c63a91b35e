"""Law 2 of functions within a kernel: called by place, by name and with defaults, and handed on."""

from __future__ import annotations

from textwrap import indent
from typing import Any

import numba
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin

FRAME = pl.DataFrame({"s": ["a,b", "sep|", "", "c|d,"], "x": [0, 1, 2, 7]})
NAMES = ("p", "q", "r", "t")
# What a text would mean outside of the function.
sep = "|"

values = st.sampled_from(["x", "k", "2", "x + 1", "k * 3"])


@st.composite
def called(draw: st.DrawFn, name: str) -> str:
    """Draw a function, and calls of it which Python takes."""
    positional = draw(st.integers(0, len(NAMES)))
    only = draw(st.integers(0, positional))
    first_default = draw(st.integers(0, positional))
    shown, required = [], set()
    for i, parameter in enumerate(NAMES):
        if i == positional:
            shown.append("*")
        has_default = draw(st.booleans()) if i >= positional else i >= first_default
        shown.append(f"{parameter}={draw(values)}" if has_default else parameter)
        required |= set() if has_default else {parameter}
        if i + 1 == only:
            shown.append("/")
    result = " + ".join(f"{10**i} * {parameter}" for i, parameter in enumerate(NAMES))
    if draw(st.booleans()):
        lines = [f"{name} = lambda {', '.join(shown)}: {result}"]
    else:
        lines = [f"def {name}({', '.join(shown)}):", f"    return {result}"]
    lines.append(f"k += {draw(st.integers(0, 2))}")
    for _ in range(2):
        by_place = draw(st.integers(0, positional))
        named = [one for one in NAMES[max(by_place, only) :] if one in required or draw(st.booleans())]
        if any(one in required for one in NAMES[by_place:only]):
            by_place = only
        given_names = draw(st.permutations(named))
        arguments = [draw(values) for _ in range(by_place)] + [f"{one}={draw(values)}" for one in given_names]
        lines.append(f"n = n * 7 + {name}({', '.join(arguments)})")
    return "\n".join(lines)


def function(body: str) -> Any:
    source = f"def function(s: str, x):\n    n, k = 0, 5\n{indent(body, '    ')}\n    return n\n"
    scope: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), globals(), scope)
    return scope["function"]


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(st.tuples(called("f"), called("g")).map("\n".join))
def test_arguments_are_bound_as_in_python(body):
    check(plugin(function(body)), FRAME)


def of_a_tuple(s: str, x):
    def f(v, w, z=4):
        return v * 100 + w * 10 + z

    both = (x, 2)
    return f(*both) + 2 * f(*both)


def in_each_other(s: str, x):
    def outer(v, k=2):
        def inner(w, z=k):
            return w * z

        return inner(v) + inner(v, z=5)

    return outer(x) + outer(v=3, k=x)


def of_each_turn(s: str, x):
    total = 0
    for i in range(3):
        f = lambda v, i=i: v * i  # noqa: E731
        total = total * 10 + f(x) + f(x, i=1)
    return total


def of_one_name(s: str, x):
    f = lambda v, w=1: v + w  # noqa: E731
    a = f(x)
    f = lambda v, w=3: v * w  # noqa: E731
    return a + f(x) + f(w=x, v=2)


def variable_of_text(s: str, x):
    sep = ","
    return max(["a,b", "c|d", s], key=lambda v: v.find(sep))


def name_of_another(s: str, x):
    mark = "sep"
    return max(["a|b", "x|||||sep", s], key=lambda v: v.find(mark))


def default_of_text(s: str, x):
    return max(["a|b", "sep|d", s], key=lambda v, w="sep": v.find(w))


def without_a_bound(s: str, x):
    bound = 1e400
    return max([1, x], key=lambda v: 0.0 if v > bound else -v)


@numba.njit(inline="always")
def put_in(v, w=3):
    if v == 2:
        raise KeyError("two")
    return v * 10 + w


def by_numba(s: str, x):
    try:
        return put_in(x) + put_in(w=x, v=1)
    except LookupError:
        return -1


FUNCTIONS = (
    *(of_a_tuple, in_each_other, of_each_turn, of_one_name, by_numba),
    *(variable_of_text, name_of_another, default_of_text, without_a_bound),
)


@pytest.mark.parametrize("one", FUNCTIONS, ids=lambda one: one.__name__)
def test_functions_are_called_as_in_python(one):
    check(plugin(one), FRAME)


def too_many(s: str, x):
    def f(v):
        return v

    return f(x, 3)


def too_few(s: str, x):
    def f(v, *, w):
        return v + w

    return f(x)


def starred(s: str, x):
    def f(v, *rest):
        return v

    return f(x, 1)


def keyed(s: str, x):
    def f(v, **rest):
        return v

    return f(x, w=1)


def handed_on(s: str, x):
    return max([1, x], key=lambda v, *, w=2: -v * w)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (too_many, "a call of `f` doesn't fit its parameters: too many positional arguments"),
        (too_few, "a call of `f` doesn't fit its parameters: missing a required"),
        (starred, "no `\\*` and `\\*\\*`"),
        (keyed, "no `\\*` and `\\*\\*`"),
        (handed_on, "no `\\*` and `\\*\\*`"),
    ],
)
def test_calls_that_fit_no_parameters_are_refused(one, reason):
    with pytest.raises(dfv.KernelCompileError, match=reason):
        dfv.run(FRAME, plugin(one))
