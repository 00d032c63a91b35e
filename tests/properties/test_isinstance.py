"""`isinstance` of values that come by several ways, and are decided by other tests: answered as in Python.

Programs are drawn statement by statement. Where the class of each value is certain, however it came to be,
none is refused; where it depends on the row, it is Python's or refused.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin

FRAME = pl.DataFrame(
    {
        "c": [True, False, True],
        "i": [0, 5, -3],
        "x": [1.5, 0.0, float("nan")],
        "s": ["a", "é", ""],
        "n": [None, 4, 7],
    }
)
VALUES = {"bool": ("c", "i > 1"), "int": ("i", "7", "len(s)"), "float": ("x", "0.5"), "str": ("s", "'t'")}
OF_KIND = {"bool": bool, "int": int, "float": float, "str": str}
CLASSES = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "(int, float)": (int, float),
    "str | bool": (str, bool),
    "type(None)": type(None),
}


def same(value):
    return value


def defined(lines, result):
    code = "".join(f"    {line}\n" for line in lines)
    names = {"same": same}
    exec(f"def drawn(c, i, x, s, n: int | None):\n{code}    return {result}\n", names)
    return plugin(names["drawn"])


def values(draw, kind=None):
    kind = kind or draw(st.sampled_from(list(VALUES)))
    return draw(st.sampled_from(VALUES[kind])), kind


def asked_of(draw, kinds):
    """Draw a test of a variable, and what it gives."""
    name, classes = draw(st.sampled_from(sorted(kinds))), draw(st.sampled_from(sorted(CLASSES)))
    return f"isinstance({name}, {classes})", issubclass(OF_KIND[kinds[name]], CLASSES[classes])


@st.composite
def programs(draw):
    """Draw statements, and the variables that they leave; the class of each is certain."""
    lines: list[str] = []
    kinds: dict[str, Any] = {"c": "bool", "i": "int", "x": "float", "s": "str"}
    for place in range(draw(st.integers(1, 5))):
        form = draw(
            st.sampled_from(("choice", "branch", "ways", "loop", "helper", "inner", "lambda", "both"))
        )
        target = f"v{place}"
        (a, of_a), (b, of_b) = values(draw), values(draw)
        test, is_so = asked_of(draw, kinds)
        if form == "choice":
            lines.append(f"{target} = {a} if {test} else {b}")
            kinds[target] = of_a if is_so else of_b
        elif form == "branch":
            lines += [f"{target} = {a}", f"if not {test}:", f"    {target} = {b}"]
            kinds[target] = of_a if is_so else of_b
        elif form == "ways":
            alike, _ = values(draw, of_a)
            lines += [f"{target} = {a}", "if c:", f"    {target} = {alike}"]
            kinds[target] = of_a
        elif form == "loop":
            alike, _ = values(draw, of_a)
            lines += [
                f"{target} = {a}",
                "for _ in range(2):",
                f"    if {test}:",
                f"        {target} = {alike}",
            ]
            kinds[target] = of_a
        elif form == "helper":
            held = draw(st.sampled_from(sorted(kinds)))
            lines.append(f"{target} = same({held})")
            kinds[target] = kinds[held]
        elif form == "inner":
            lines += [
                f"def f{place}(one):",
                f"    return isinstance(one, {draw(st.sampled_from(sorted(CLASSES)))})",
            ]
            lines.append(f"{target} = f{place}({draw(st.sampled_from(sorted(kinds)))})")
            kinds[target] = "bool"
        elif form == "lambda":
            classes = draw(st.sampled_from(sorted(CLASSES)))
            lines.append(f"{target} = (lambda one: isinstance(one, {classes}))({a})")
            kinds[target] = "bool"
        else:
            other, _ = asked_of(draw, kinds)
            lines.append(f"{target} = {test} {draw(st.sampled_from(('and', 'or')))} {other}")
            kinds[target] = "bool"
    asked = [f"isinstance({name}, {draw(st.sampled_from(sorted(CLASSES)))})" for name in kinds]
    return lines, f"({', '.join(asked)}, isinstance(n, int), n if isinstance(n, int) else -1)"


@settings(max_examples=30, phases=[Phase.generate])  # each example is a compilation
@given(programs())
def test_what_is_certain_is_answered(program):
    check(defined(*program), FRAME)


@settings(max_examples=20, phases=[Phase.generate])
@given(st.data())
def test_what_depends_on_the_row_is_as_in_python_or_refused(data):
    draw = data.draw
    (a, _), (b, _), (e, _) = values(draw), values(draw), values(draw)
    classes = [draw(st.sampled_from(sorted(CLASSES))) for _ in range(3)]
    lines = [f"v = {a}", "if c:", f"    v = {b}", f"w = {e} if isinstance(v, {classes[0]}) else same(v)"]
    lines += ["for _ in range(2):", f"    if isinstance(w, {classes[1]}):", f"        v = {e}"]
    try:
        check(defined(lines, f"isinstance(v, {classes[2]}), isinstance(w, {classes[0]})"), FRAME)
    except dfv.KernelCompileError:
        pass


def decided_later(c, i, x):
    v = 1
    n = 0
    for _ in range(2):
        if isinstance(v, float):
            n += 1
        w = i if c else n
        if isinstance(w, float):
            v = x
    return n


def test_a_test_that_another_one_behind_it_decides_is_refused():
    with pytest.raises(dfv.KernelCompileError, match="another `isinstance` that comes after it"):
        dfv.run(FRAME, plugin(decided_later))
