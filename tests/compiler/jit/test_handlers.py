"""`except` of classes: which it catches, what is raised again, and what nothing catches."""

from __future__ import annotations

import builtins
import sys
from datetime import timedelta

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.types import raised
from testing.oracle import check, plugin

FRAME = pl.DataFrame({"s": ["1", "x", "-3", None], "x": [1, 0, 3, 4]})


pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="before, only `except Exception` compiles")


class BadError(ValueError):
    """The user's own."""


class OddError(BadError, LookupError):
    """One of two kinds."""


def _picky(x):
    if x == 3:
        raise OddError("three")
    return 10 // x


def _again(x):
    try:
        return _picky(x)
    except ArithmeticError as error:
        raise error


def of_helpers(x):
    try:
        return _again(x)
    except LookupError:
        return -3
    except ZeroDivisionError:
        return -1


def within_handlers(s: str, x):
    n = 0
    for i in range(3):
        try:
            n += 10 // (x - i)
        except ZeroDivisionError:
            try:
                n += int(s) * 100
            except (BadError, KeyError):
                n += 1
            except ValueError as error:
                if i == 1:
                    raise BadError("one") from error
                try:
                    raise
                except ValueError:
                    n += 7
            finally:
                n += 1000
            if i == 2:
                raise
        else:
            n += 10
    return n


def fails_behind_a_raise(s: str, x):
    try:
        if x == 0:
            raise BadError("zero")
    except ValueError:
        x = 5
    return x + int(s)


def not_caught(x):
    try:
        return (5, 6)[x] // x
    except (KeyError, ZeroDivisionError):
        return -1


@pytest.mark.parametrize("function", [of_helpers, within_handlers, fails_behind_a_raise, not_caught])
def test_handlers_catch_what_pythons_do(function):
    check(plugin(function), FRAME)


def test_handlers_in_scans_and_their_states():
    def step(total, x):
        try:
            return total + 1, of_helpers(x) + 10 // (x - 1)
        except ArithmeticError:
            return total + 100, total

    result = dfv.apply(FRAME, dfv.scan(step, init=0, name="steps", replace=True), keep=False)
    state, wanted = 0, []
    for x in FRAME["x"]:
        state, value = step(state, x)
        wanted.append(value)
    assert result.to_series(-1).to_list() == wanted


def large(x):
    try:
        return x**2
    except Exception:
        return -1
    finally:
        x += 1


def large_at_last(x):
    try:
        return int(str(x) + "0") * x
    except:  # noqa: E722
        return -1


def surrogate(x):
    try:
        return ord(chr(x % 65000 if x < 9 else 0xD800))
    except ValueError:
        return -1


def long_span(x):
    try:
        return int((timedelta(days=min(x, 200_000)) * 1000).total_seconds())
    except OverflowError:
        return -1


@pytest.mark.parametrize("function", [large, large_at_last, surrogate, long_span])
def test_nothing_catches_what_python_has_no_failure_for(function):
    frame = pl.DataFrame({"x": [3, 2**62]})
    result = dfv.apply(frame, plugin(function), keep=False, on_error="null")
    assert result.to_series(-1).to_list() == [function(3), None]


def test_tags_are_caught_as_their_classes_are():
    kinds = [
        one for one in vars(builtins).values() if isinstance(one, type) and issubclass(one, BaseException)
    ]
    kinds += [BadError, OddError]
    assert len({raised.tag_of(one) for one in kinds}) == len(set(kinds))
    for catching in kinds:
        caught = raised.caught_by(frozenset({catching}))
        for one in kinds:
            tag = raised.tag_of(one)
            found = bool(caught.built_in >> raised.base_of(tag) & 1) or tag in caught.tags
            assert found == issubclass(one, catching)
        assert not caught.built_in >> raised.base_of(raised.UNCAUGHT) & 1


def test_classes_that_come_later_are_caught():
    class EarlyError(ValueError):
        pass

    def early(x):
        try:
            if x == 0:
                raise EarlyError
        except EarlyError:
            return -1
        return x

    check(plugin(early), FRAME)

    class LateError(EarlyError):
        pass

    def late(x):
        try:
            if x == 0:
                raise LateError
        except EarlyError:
            return -1
        return x

    check(plugin(late), FRAME)
    assert dfv.apply(FRAME, plugin(late))["late"].to_list() == [1, -1, 3, 4]
