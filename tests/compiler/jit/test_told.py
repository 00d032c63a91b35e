"""`except E as e`: what the exception says, in the words of Python, or not at all."""

from __future__ import annotations

import sys

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.types.messages import shows_argument
from testing.oracle import check, plugin

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="before, only `except Exception` compiles")

FRAME = pl.DataFrame(
    {
        "s": ["1", "x", "-3", None, "'\"é\n", "", "ten", "1e5", "a" * 300],
        "x": [1, 0, 3, 4, 7, -2, 0, 5, 2],
    }
)
RATES = {"x": 1.5, "-3": 2.0, "": 0.0}
NUMBERS = {1: 10, 3: 30}


class BadError(ValueError):
    """The user's own."""


class CodedError(Exception):
    """One that says something else than its argument."""

    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code


def _checked(s, x):
    if x < 0:
        raise BadError(f"{s!r} with {x:+d}")
    if x == 0:
        raise KeyError(s)
    if x == 7:
        raise LookupError(s, x, 2.5)
    if x == 5:
        raise BadError
    if x == 4:
        raise ValueError(x)
    return 12 // (x - 2)


def by_helpers(s: str, x):
    try:
        return f"{_checked(s, x)}"
    except (ValueError, LookupError) as e:
        return f"{e}|{e!r}|{type(e).__name__}"
    except ArithmeticError as error:
        return "no: " + str(error)


def of_builtins(s: str, x):
    try:
        return f"{int(s, 8)}"
    except ValueError as e:
        first = str(e)
    try:
        return f"{RATES[s] + x % (x - 2)}"
    except Exception as e:
        return f"{first}, {e}, {e!r}"


def of_indexes(s: str, x):
    try:
        if x > 3:
            return s[x]
        return [s, s][x] + s.split(",")[x - 1] + str(NUMBERS[x])
    except (IndexError, KeyError) as e:
        return repr(e)


def of_bytes_and_lists(s: str, x):
    values = [x, x + 1]
    try:
        values[x] = values.pop(x)
        return str({s: x}["x"]) + str(s.encode().index(b"x"))
    except (IndexError, ValueError, KeyError) as e:
        return f"{e!r}"


def first_argument(s: str, x):
    try:
        if x > 2:
            raise BadError(s)
        return str(float(s))
    except ValueError as e:
        return e.args[0].upper()


def within_and_again(s: str, x):
    said = ""
    try:
        try:
            return str(int(s))
        except ValueError as e:
            said += str(e)
            try:
                raise BadError(f"about {x}")
            except BadError as inner:
                said += f" ({inner})"
            raise
    except ValueError as e:
        return said + " again " + str(e)


def with_a_cause(s: str, x):
    try:
        return float(s) / x
    except ValueError as e:
        raise BadError(f"row {x}: {e}") from e


@pytest.mark.parametrize(
    "function",
    [by_helpers, of_builtins, of_indexes, of_bytes_and_lists, first_argument, within_and_again, with_a_cause],
)
def test_exceptions_say_what_they_do_in_python(function):
    check(plugin(function), FRAME)


def unknown(s: str, x):
    try:
        if x > 3:
            raise CodedError(x)
        a, b = s.split("x")
        return a + b
    except Exception as e:
        return type(e).__name__ + str(e)


def test_words_that_are_not_known_fail_the_row():
    found = dfv.run(FRAME.select("s", x="x"), plugin(unknown), on_error="null")
    assert found.errors["message"][0].startswith("what a caught exception says isn't known to compiled code")
    assert found.frame["unknown"].drop_nulls().to_list() == [""]
    longer = pl.DataFrame({"s": ["1" * 5000 + "x"], "x": [1]})  # more digits than Python reads
    found = dfv.run(longer, plugin(within_and_again), on_error="null")
    assert found.errors["message"][0].startswith("what a caught exception says isn't known to compiled code")


@pytest.mark.parametrize(
    ("shown", "options"), [("isinstance(e, KeyError)", {}), ("e.args[1]", {}), ("str(e)", {"math": "libm"})]
)
def test_what_is_not_known_is_refused(shown, options):
    scope = {}
    body = f"try:\n  raise ValueError(s)\n except ValueError as e:\n  return str({shown})"
    exec(f"def refused(s: str):\n {body}", scope)
    with pytest.raises(dfv.KernelCompileError, match=r"of a caught exception|what a caught exception says"):
        dfv.run(FRAME.select("s"), plugin(scope["refused"], **options))


class ShownError(ValueError):
    """Shown in its own way."""

    def __repr__(self):
        return "shown"


class FormattedError(ValueError):
    """Written in its own way."""

    def __format__(self, how):
        return "formatted"


class KeptError(ValueError):
    """With arguments of its own."""

    args = ("its own",)


@pytest.mark.parametrize("kind", [CodedError, ShownError, FormattedError, KeptError])
def test_classes_that_show_themselves_are_not_known(kind):
    assert not shows_argument(kind)
    assert shows_argument(BadError)
