"""None where Python takes it, or has an exception of its own: bounds, digits, attributes; and keywords."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from testing.oracle import check, plugin

FRAME = pl.DataFrame(
    {
        "o": [None, 1, -2, 0, None, 2, 7],
        "p": [None, None, 3, 0, 2, 9, 1],
        "x": [1.25, 2.5, -3.75, 0.0, 1e10, 7.125, -12345.678],
        "n": [0, 15, 22, -1, 35, 1, 5555],
        "a": [[3, 1, 2], [1], [], [5, 4], [2, 2], [1, 2, 3], [7]],
        "b": [[1, 2, 3], [1, 2], [1], [], [2], [3, 2, 1], [0]],
        "s": ["a,b", " a  b ", "é,b", "", "a", "b,,a", "x"],
    }
)


def parts(a: list, o: int | None, p: int | None):
    return a[o:p], list(a)[o:p], list(a)[:: None if o is None else o * o + 1]


def digits(x: float, n: int, o: int | None):
    return round(x, o), round(n, o), round(n, ndigits=o)


def powers(n: int, o: int | None):
    return pow(n, 2, o)


def orders(o: int | None):
    return math.perm(6, o)


def clipped(x: float, o: int | None, p: int | None):
    return float(np.clip(x, o, p))


def tuples(o: int | None, p: int | None):
    return (o, 1) == (p, 1), ((o, 2), 1) != ((p, 2), 1), (o, 1) in ((p, 1), (2, 1)), o in [p, 1]


def ordered(o: int | None, p: int | None):
    return (o, 1) < (p, 2)


def lists(o: int | None, p: int | None):
    return [o, 1] == [p, 1], [o, p, 1].count(o), [p, o, 1].index(o)


def bits(o: int | None):
    try:
        return o.bit_length()
    except AttributeError:
        return -1


def bits_of_none(o: int | None):
    return o.bit_length()


def strict(a: list, b: list):
    total = 0
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def strict_texts(s: str, a: list, b: list):
    found = 0
    try:
        for c, x, y in zip(s.split(","), a, b, strict=True):
            found += len(c) + x * y
    except ValueError as error:
        return str(error)
    return str(found)


def lenient(a: list, b: list):
    return sum(x * y for x, y in zip(a, b, strict=False))


def numbered(s: str, n: int):
    return sum(i * len(c) for i, c in enumerate(s.split(","), start=n)), [i for i, _ in enumerate(s, start=1)]


def keywords(s: str, o: int | None):
    return s.split(",", maxsplit=o)


KERNELS = (
    *(parts, digits, powers, orders, clipped, tuples, ordered, lists, bits, bits_of_none),
    *(strict, strict_texts, lenient, numbered, keywords),
)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_none_is_what_python_takes_it_for(kernel):
    """Law 2, errors too."""
    asked = plugin(kernel)
    check(asked, FRAME.select(parameter.name for parameter in asked.parameters))
