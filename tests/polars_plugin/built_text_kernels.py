"""Kernels of strings, bytes and decimals that are built: views on what came in, and what rows make anew."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import polars as pl

from testing.oracle import plugin
from testing.strategies import ascii_text, odd_text, text


class Parts(NamedTuple):
    head: str
    count: int
    rest: str


def shout(x, y):
    return x.strip().upper() + "!" * (len(y) % 3)


def longer(x: str | None, y: str | None):
    if x is None or y is None:
        return "nothing"
    return x if len(x) > len(y) else y


def halves(x, y):
    middle = len(x) // 2
    return x[:middle], x[middle:] * 40, x < y


def cut(x, y):
    head, _, rest = x.partition(" ")
    return Parts(head, y.count("a"), rest)


def shown(x, y):
    if x > 100:
        raise ValueError("x is large")
    return f"{x}|{x:.3f}|" + repr(y)


def read(x, y):
    if x.endswith("1"):
        return None
    return int(x) + y


def raw(x, y):
    return x[::-1] + b"\0" + y, x.find(b"a"), y.upper()


def depth(x):
    return 0 if len(x) < 2 else 1 + depth(x[: len(x) // 2])


def deep(x, y):
    return depth(x) + depth(y)


def known(x, y):
    return x in ("", "a", "ä", "12") or x.startswith("x")


def worth(x: Decimal, y):
    return x * 2 + y, round(x, 1), x > y


def share_of(x: Decimal | None, y: Decimal):
    if x is None:
        return None
    return x - y if x > y else y


def as_float(x: Decimal, y):
    return float(x) * y, int(x)


def _of(*dtypes):
    return [{"x": x, "y": y} for x, y in dtypes]


_texts = _of((pl.String(), pl.String()))

#: Plugin to the dtypes that it is built for.
BUILT_TEXT = {
    plugin(shout): _texts,
    plugin(longer): _texts,
    plugin(halves): _texts,
    plugin(cut): _texts,
    plugin(shown): _of((pl.Float64(), pl.String())),
    plugin(read): _of((pl.String(), pl.UInt8())),
    plugin(raw): _of((pl.Binary(), pl.Binary())),
    plugin(deep): _texts,
    plugin(known, "filter"): _texts,
    plugin(worth): _of((pl.Decimal(12, 2), pl.Int32()), (pl.Decimal(38, 0), pl.UInt8())),
    plugin(share_of): _of((pl.Decimal(20, 6), pl.Decimal(9, 2))),
    plugin(as_float): _of((pl.Decimal(10, 3), pl.Float64())),
}

_texts_drawn = text | odd_text | ascii_text | ascii_text.map(lambda one: one * 30)


def drawn(dtype):
    """Return what a column of a dtype is drawn from: text of all kinds; Hypothesis's own for others."""
    if dtype == pl.String:
        return _texts_drawn, dtype
    return (_texts_drawn.map(str.encode), dtype) if dtype == pl.Binary else dtype
