"""CPython's own tests of strings and bytes as an oracle: their calls on plain values, compiled.

A run takes the signatures with the most calls, the profile ``deep`` all of them.
"""

from __future__ import annotations

import random
from contextlib import suppress
from unittest import SkipTest, TestCase

import polars as pl
import pytest
from hypothesis import settings

from testing.oracle import check, plugin

string_tests = pytest.importorskip("test.string_tests", reason="the interpreter has no tests of its own")

#: Methods that raise for some arguments; in a kernel of their own, as a row fails as a whole.
RAISING = {"index", "rindex", "split", "rsplit", "partition", "rpartition"}
PIECES = {"split", "rsplit", "splitlines", "partition", "rpartition"}
TEXTS = (str, bytes)
TYPES = {"str": pl.String, "bytes": pl.Binary, "int": pl.Int64}


def is_plain(value):
    if type(value) is str:
        return all(not "\ud800" <= character <= "\udfff" for character in value)
    return type(value) is bytes or value is None or (type(value) is int and -(2**63) <= value < 2**63)


def is_slow(text, args):
    """Whether a search that begins anew at each place takes hours: CPython's, from 3.12 on, skips ahead."""
    return len(text) * max((len(one) for one in args if isinstance(one, TEXTS)), default=0) > 10**8


class Harvest:
    """What the tests would have checked, written down."""

    found: dict

    def checkequal(self, result, obj, methodname, *args, **kwargs):
        self.note(self.fixtype(obj), methodname, self.fixtype(args), kwargs)

    def checkraises(self, exc, obj, methodname, *args, **kwargs):
        self.note(self.fixtype(obj), methodname, self.fixtype(args), {})

    def checkcall(self, obj, methodname, *args):
        self.note(self.fixtype(obj), methodname, self.fixtype(args), {})

    def note(self, obj, name, args, kwargs):
        if (
            kwargs
            or name.startswith("_")
            or type(obj) is not self.type2test
            or not all(map(is_plain, (obj, *args)))
            or is_slow(obj, args)
        ):
            return
        try:
            result = getattr(obj, name)(*args)
        except ValueError:
            result = ""  # the row has to fail
        except Exception:  # a call that no type checker lets pass
            return
        if isinstance(result, (str, bytes, int)) or name in PIECES:
            kinds = tuple(type(value).__name__ for value in args)
            names, rows = self.found.setdefault((kinds, name in RAISING), ({}, {}))
            names[name] = rows[(obj, *args)] = None


def harvest(kind, bases, **more):
    """Run CPython's tests; return for each signature the methods, and all that they were called with."""
    found, done = {}, set()
    random.seed(0)  # some draw their strings
    for base in bases:
        parts = dict.fromkeys((Harvest, base, string_tests.BaseTest, TestCase))
        cls = type("Harvested", tuple(parts), {"type2test": kind, "found": found, **more})
        for name in dir(cls):
            if name.startswith("test_") and getattr(cls, name) not in done:
                done.add(getattr(cls, name))
                with suppress(Exception, SkipTest):  # what it checks besides
                    getattr(cls(name), name)()
    return {
        (kind, *signature): (list(names), list(rows)) for signature, (names, rows) in sorted(found.items())
    }


def encoded(_, value):
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (list, tuple)):
        return type(value)(encoded(_, item) for item in value)
    return value


# Their classes differ from version to version of Python.
CLASSES = [one for one in vars(string_tests).values() if any(name.startswith("test_") for name in dir(one))]
CALLS = {
    **harvest(str, CLASSES),
    **harvest(bytes, [string_tests.BaseTest], fixtype=encoded),
}


def expression(kind, name, args):
    call = f"s.{name}({', '.join(args)})"
    if name not in PIECES:
        return call
    between = '"|"' if kind is str else 'b"|"'
    return f"{between}.join({call})"


FEWEST = 1 if settings.get_current_profile_name() == "deep" else 25
TAKEN = [signature for signature, (_, rows) in CALLS.items() if len(rows) >= FEWEST]


@pytest.mark.parametrize(
    "signature", TAKEN, ids=lambda one: f"{one[0].__name__}({', '.join(one[1])}){' raising' * one[2]}"
)
def test_calls(signature):
    kind, kinds, _ = signature
    names, rows = CALLS[signature]
    columns = ["s", *(f"a{i}" for i, one in enumerate(kinds) if one != "NoneType")]
    args = ["None" if one == "NoneType" else f"a{i}" for i, one in enumerate(kinds)]
    source = ", ".join(expression(kind, name, args) for name in names)
    scope = {}
    exec(f"def kernel({', '.join(columns)}): return ({source},)", scope)
    kernel = scope["kernel"]
    dtypes = [TYPES[kind.__name__], *(TYPES[one] for one in kinds if one != "NoneType")]
    values = [[value for value in row if value is not None] for row in rows]
    frame = pl.DataFrame(values, schema=dict(zip(columns, dtypes, strict=True)), orient="row")
    check(plugin(kernel), frame)
