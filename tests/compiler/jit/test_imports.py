"""Imports within kernels and helpers: of the standard library and NumPy."""

from __future__ import annotations

import string
import sys

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.cache.fingerprint import fingerprint
from testing.oracle import as_numpy, check, plugin


def cleaned(s):
    import re
    import xml.sax.saxutils as escapes  # which nothing uses  # noqa: F401
    from datetime import date as day

    lengths = [len(re.match("[aeiou]*", word)[0]) for word in s.split()]
    return helper(s), sum(lengths), day(2024, 2, 29).isoformat()


def helper(s):
    import string as characters

    return s.startswith(characters.ascii_letters[1])


def in_a_branch(x):
    if x > 0:
        import math
        from urllib import parse as quoting
    text = quoting.quote("a b")
    return math.sqrt(x), text


def tried(x):
    try:
        from os import sep

        import numpy as np
    except ImportError:
        return 0.0, ""
    return np.hypot(x, 1.0), sep


def unknown(x):
    from polars_of_somebody import magic

    return magic(x)


def missing(x):
    from math import nothing

    return nothing(x)


def test_modules_and_what_they_have():
    texts = ["bad luck", "", "aeiou", "ünï  x"]
    check(plugin(cleaned), pl.DataFrame({"s": texts}))


def test_what_is_imported_in_a_branch_is_unbound_in_the_other():
    check(plugin(in_a_branch), pl.DataFrame({"x": [4.0, 0.0, 2.25]}))


def test_imports_that_are_tried():
    frame = pl.DataFrame({"x": [4.0, 0.0, None]})
    check(plugin(tried), frame, rows=list(as_numpy(frame)))


@pytest.mark.parametrize("function", [unknown, missing])
def test_others_are_refused(function):
    with pytest.raises(dfv.KernelCompileError, match="of the standard library and NumPy"):
        dfv.run(pl.DataFrame({"x": [1.0]}), plugin(function))


def of_the_day(n):
    import sys
    from string import digits as known

    return n + len(sys.argv), known[0]


def test_what_a_module_has_by_now(monkeypatch):
    frame, kernel = pl.DataFrame({"n": [1]}), plugin(of_the_day)
    monkeypatch.setattr(sys, "argv", ["a"])
    before = fingerprint(of_the_day)
    assert dfv.apply(frame, kernel, keep=False).row(0) == (2, "0")
    sys.argv.append("b")
    assert dfv.apply(frame, kernel, keep=False).row(0) == (3, "0")
    assert fingerprint(of_the_day) != before
    monkeypatch.setattr(string, "digits", "9")
    assert dfv.apply(frame, kernel, keep=False).row(0) == (3, "9")
