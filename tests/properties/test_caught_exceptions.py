"""Exceptions are raised, caught and raised again as the plain function does it, however `try`s are nested."""

from __future__ import annotations

import sys
from textwrap import indent
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from testing.oracle import check, plugin

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="before, only `except Exception` compiles")


class BadError(ValueError):
    """The user's own."""


class WorseError(BadError, KeyError):
    """One of two kinds."""


ITEMS = (5, 6, 7)
TABLE = {0: 1, 3: 4}
SOME = (ValueError, IndexError)


def checked(x):
    if x == 2:
        raise WorseError("two")
    return x


def guarded(s, x):
    try:
        return int(s) + 10 // x
    except BadError:
        return 1000
    except ArithmeticError as error:
        raise BadError(f"of {s}") from error


def going(s, x):
    for i in range(3):
        if i == x:
            raise WorseError("on the way")
        yield i + int(s)


def doubled(s, x):
    for i in going(s, x):
        yield 2 * i


FRAME = pl.DataFrame(
    [(s, x) for s in ("1", "x", "", "-3") for x in (0, 1, 2, 3, 7)],
    schema={"s": pl.String, "x": pl.Int64},
    orient="row",
)

_RAISING = ["int(s)", "{3: 1}[x]", "10 // x", "ITEMS[x]", "TABLE[x]", "checked(x)", "guarded(s, x)"]
#: Functions within the function, whose code is put where they are called.
_INNER = """
def inner(v):
    if v == 2:
        raise WorseError("two")
    return 10 // v
def asserted(v):
    assert v != 3, "three"
    return int(s) + inner(v)
def picked(v):
    for item in ITEMS:
        if item == v + 4:
            return item + len([int(c) for c in s])
    raise KeyError(v)
found = lambda v: TABLE[v]
"""
_RAISING += ["inner(x)", "asserted(x)", "picked(x)", "found(x)", "inner(found(x))", "(lambda v: ITEMS[v])(x)"]
_GENERATING = [
    "next(doubled(s, x))",
    "sum(going(s, x))",
    "sum(i * x for i in doubled(s, x))",
    "max([i for i in going(s, x)])",
    "len(sorted(going(s, x - 1)))",
]
_LOOPS = [
    "for i in range(2)",
    "for i in going(s, x)",
    "for i in doubled(s, x - 1)",
    "for j, i in enumerate(going(s, x))",
    "for i, j in zip(range(3), going(s, x))",
    "for i in map(int, s)",
]
_ERRORS = ["ValueError", "BadError", "WorseError", "ZeroDivisionError", "KeyError", "IndexError"]
_CAUGHT = [*_ERRORS, "LookupError", "ArithmeticError", "(BadError, KeyError)", "SOME", "Exception", ""]


def _raised(error: str) -> str:
    return f'raise {error}(f"{{s}} and {{x}}")'


def _steps(*, handler: bool, loop: bool) -> st.SearchStrategy[str]:
    number = st.integers(0, 3)
    ways = [
        st.builds("n += {}".format, st.sampled_from(_RAISING) | st.sampled_from(_GENERATING)),
        st.builds("n = n * 3 + {}".format, number),
        st.builds("if x == {}:\n    {}".format, number, st.sampled_from(_ERRORS).map(_raised)),
        st.builds("if x == {}:\n    return n".format, number),
    ]
    if handler:
        ways += [st.just("raise"), st.sampled_from(_ERRORS).map(_raised).map("{} from None".format)]
        ways += [st.builds("if x == {}:\n    raise".format, number)]
    if loop:
        ways += [st.builds("if x == {}:\n    {}".format, number, st.sampled_from(["break", "continue"]))]
    return st.one_of(ways)


def _block(depth: int, *, handler: bool = False, loop: bool = False) -> st.SearchStrategy[str]:
    ways = [_steps(handler=handler, loop=loop)]
    if depth:
        ways += [_try(depth - 1, handler=handler, loop=loop)] * 2
        inner = _block(depth - 1, handler=handler, loop=True).map(_in)
        ways += [st.builds("{}:\n{}".format, st.sampled_from(_LOOPS), inner)]
    return st.lists(st.one_of(ways), min_size=1, max_size=2).map("\n".join)


@st.composite
def _try(draw: st.DrawFn, depth: int, *, handler: bool, loop: bool) -> str:
    about: dict[str, Any] = {"handler": handler, "loop": loop}
    parts = [f"try:\n{_in(draw(_block(depth, **about)))}"]
    caught = draw(st.lists(st.sampled_from(_CAUGHT), max_size=2, unique=True))
    for kinds in sorted(caught, key=lambda kinds: kinds == ""):
        named = " as error" if kinds and draw(st.booleans()) else ""
        body = draw(_block(depth, handler=True, loop=loop))
        if named and draw(st.booleans()):
            body = draw(st.sampled_from(["raise error", "raise KeyError(str(error)) from error"]))
        parts.append(f"except {kinds}{named}:".replace(" :", ":") + f"\n{_in(body)}")
    if caught and draw(st.booleans()):
        parts.append(f"else:\n{_in(draw(_block(0, **about)))}")
    if not caught or draw(st.booleans()):
        parts.append(f"finally:\n{_in(draw(st.sampled_from(['n += 1000', _SWALLOWED])))}")
    return "\n".join(parts)


_SWALLOWED = "try:\n    n += int(s)\nexcept ValueError:\n    n += 2000"


def _in(block: str) -> str:
    return indent(block, "    ")


def _function(body: str) -> Any:
    source = (
        f"def function(s: str, x):\n    n = 0\n{_in(_INNER + body)}\n    return sum([n for _ in s]) + n\n"
    )
    scope: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), globals(), scope)
    return scope["function"]


@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
@given(st.tuples(_block(0), _try(2, handler=False, loop=False)).map("\n".join))
@example("n += ITEMS[x]\ntry:\n    n += int(s)\nexcept IndexError:\n    n += 1")
@example(
    "\n".join(f"try:\n    {loop}:\n        n += i\nexcept LookupError:\n    n += 100" for loop in _LOOPS)
)
@example("\n".join(f"try:\n    n += {one}\nexcept ValueError:\n    n += 100" for one in _GENERATING))
@example("\n".join(f"try:\n    n += {one}\nexcept LookupError:\n    n += 100" for one in _RAISING))
def test_exceptions_go_the_way_of_the_plain_function(body):
    check(plugin(_function(body)), FRAME)
