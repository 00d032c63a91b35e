"""Numbers of several kinds in one variable: shown as Python shows them, or refused where the kind would show.

Which kinds a number may have is drawn, and how it comes to have them. What only computes is never refused,
nor is what shows numbers of one kind.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import as_numpy, check, plugin

FRAME = pl.DataFrame(
    {"i": [0, 1, 2, -3], "j": [5, 0, 1, 2], "x": [0.0, 2.0, 2.5, 1e12], "y": [1.0, 0.0, 0.5, 3.0]}
).with_columns(c=pl.Series([True, False, True, False]), d=pl.Series([False, False, True, True]))

#: Terms by kind; none of them fails.
TERMS = {
    "bool": ("c", "d", "i > 1", "not c", "True"),
    "int": ("i", "j", "0", "3", "i + 1", "len(str(j))", "round(y)", "int(c)"),
    "float": ("x", "y", "0.5", "x * 2", "float(i)", "i / 2", "float(c or i)", "(i if c else y) * 0.5"),
}
#: What is a bool or an integer of bools alone.
SUM_OR_START = "v = sum([one for one in [{a}] if c], {b})"
#: How one number is made of two.
CHOICES = (
    "v = {a} or {b}",
    "v = {a} and {b}",
    "v = {a} if c else {b}",
    "v = [{a}, {b}][1 if c else 0]",
    "v = either({a}, {b}, c)",
    "v = kept({a} if c else {b})",
    "v = Pair({a}, 'a').first if c else {b}",
    "v = (Pair({a}, 'a') if c else Pair({b}, 'b')).first",
    "v, w = ({a}, 1) if c else ({b}, 2)",
    "v = {{1: {a}, 0: {b}}}[1 if c else 0]",
    "v = {{1: {a}}}.get(i, {b})",
    "v = next((one for one in [{a}] if c), {b})",
    "v = {a}\n    for one in [{b}]:\n        if c:\n            v = one",
    "v = {a}\n    if c:\n        v = {b}",
    "v = {a}\n    if (w := {b}) and c:\n        v = w",
    "items = [{a}]\n    items.append({b})\n    v = items[1 if c else 0]",
    "v = sum([{a}, {b}])",
    "v = sum([{a}], {b})",
    "v = sum(({a}, {b}, {a}))",
    SUM_OR_START,
    "v = {a} + {b}",
    "v = max({a}, {b})",
    "v = min([{a}, {b}])",
    "v = max(({a}, {b}))",
    "v = max([one for one in [{a}] if c], default={b})",
    "v = min((one for one in [{a}] if c), default={b}, key=lambda one: -one)",
    "v = max(({a},), default={b})",
    "v = max([({a}, 0)], default=({b}, 1))[0]",
)
SHOWN = (
    "str(v)",
    "repr(v)",
    "f'{v}'",
    "f'{v!r}'",
    "f'{v:>9}'",
    "format(v)",
    "'{}'.format(v)",
    "'%s' % v",
    "'%r|%d' % (v, i)",
    "json.dumps(v)",
    "json.dumps({'v': v})",
    "json.dumps([v, i])",
    "text(v)",
    "' '.join([str(one) for one in [v]])",
    "' '.join(map(str, [v]))",
    "isinstance(v, int)",
    "isinstance(v, float)",
    "isinstance(v, bool)",
    "str(abs(v))",
    "str(kept(v))",
    "str(v + 1)",
    "f'{-v}'",
)
#: What is the same of numbers of all kinds.
COMPUTED = (
    "v * 2.5 + 1",
    "str(v / 2)",
    "f'{v:.2f}'",
    "f'{float(v)}'",
    "str(int(v))",
    "v == 2",
    "v > i",
    "str(v > 0)",
    "'%d' % v",
    "isinstance(v, (int, float))",
    "str(0.5 + v)",
    "json.dumps(bool(v))",
    "str(len(f'{v:7.1f}'))",
)


class Pair(NamedTuple):
    first: float
    second: str


def either(a, b, first):
    if first:
        return a
    return b


def kept(value):
    return value


def text(value):
    return str(value)


def defined(lines, result):
    names = {"Pair": Pair, "either": either, "kept": kept, "text": text, "json": json}
    exec(f"def drawn(i, j, x, y, c, d):\n    {lines}\n    return {result}\n", names)
    return plugin(names["drawn"])


def holds(kernel):
    check(kernel, FRAME, rows=as_numpy(FRAME))


@st.composite
def terms(draw):
    """Draw two terms, and their kinds."""
    kinds = draw(st.sampled_from(list(TERMS))), draw(st.sampled_from(list(TERMS)))
    a, b = (f"({draw(st.sampled_from(TERMS[kind]))})" for kind in kinds)
    return a, b, kinds


def shows_several(error):
    """Whether a kernel is refused since a number is of several kinds."""
    return "by the way that a row takes" in str(error)


@settings(max_examples=30, phases=[Phase.generate])  # each example is a compilation
@given(terms(), st.sampled_from(CHOICES), st.sampled_from(SHOWN))
def test_what_is_shown_is_what_python_shows_or_refused(drawn, choice, shown):
    a, b, kinds = drawn
    kernel = defined(choice.format(a=a, b=b), shown)
    try:
        holds(kernel)
    except dfv.KernelCompileError:
        if kinds[0] == kinds[1] and (choice, kinds[0]) != (SUM_OR_START, "bool"):
            raise


@settings(max_examples=15, phases=[Phase.generate])
@given(terms(), st.sampled_from(CHOICES), st.sampled_from(COMPUTED))
def test_what_is_computed_is_never_refused(drawn, choice, computed):
    a, b, _ = drawn
    try:
        holds(defined(choice.format(a=a, b=b), computed))
    except dfv.KernelCompileError as error:
        if shows_several(error):
            raise


def rounded(x, digits: int | None):
    return str(round(x, digits))


def test_digits_that_may_be_none_make_an_integer_or_a_float():
    frame = pl.DataFrame({"x": [1.26, 2.5], "digits": [None, 1]})
    with pytest.raises(dfv.KernelCompileError, match="`int` or `float` by the way that a row takes"):
        dfv.run(frame, plugin(rounded))
