"""The operands of the tests of General Decimal Arithmetic in CPython: kernels give what `decimal` gives."""

from __future__ import annotations

import importlib.util
from decimal import Context, Decimal, InvalidOperation, localcontext
from itertools import chain
from pathlib import Path

import polars as pl
import pytest

from testing.oracle import check, plugins

SPEC = importlib.util.find_spec("test")
FOLDER = (
    Path(next(iter(SPEC.submodule_search_locations or [""]))) / "decimaltestdata" if SPEC else Path("none")
)
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="this Python has no tests")

FILES = (
    "abs add compare divide divideint max min minus multiply plus quantize remainder subtract tointegral "
    "rounding randoms dqAdd dqDivideInt dqRemainder dqMultiply ddCompare"
).split()
WIDE = Context(prec=100)


def operands():
    """Return pairs of finite operands (0 for a missing second one), once each."""
    found = {}
    for name in FILES:
        path = FOLDER / f"{name}.decTest"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            before, arrow, _ = line.partition("->")
            if not arrow or before.lstrip().startswith("--"):
                continue
            try:
                values = [Decimal(token.strip("'\"")) for token in before.split()[2:4]]
            except InvalidOperation:
                continue
            if values and all(value.is_finite() for value in values):
                found[tuple([*values, Decimal(0)][:2])] = None
    return list(found)


PAIRS = operands() if FOLDER.is_dir() else []


def fits(value, scale):
    exponent = value.as_tuple().exponent
    return exponent >= -scale and value.adjusted() + scale < 38 and exponent < 38


def arithmetic(x, y):
    return x + y, x - y, x < y, x == y, max(x, y), min(x, y), -x, abs(y), +y, bool(x)


def products(x, y):
    return x * y


def divisions(x, y):
    return x // y, x % y, *divmod(x, y)


def conversions(x, y):
    return float(x), float(y), round(x), round(y, 1), round(x, -1)


KERNELS = plugins(arithmetic, products, divisions, conversions)


@pytest.mark.parametrize("scale", [0, 4, 17])
@pytest.mark.parametrize("name", KERNELS)
def test_operands(name, scale):
    plugin = KERNELS[name]
    rows = [pair for pair in PAIRS if all(fits(value, scale) for value in pair)]
    assert len(rows) > 100
    dtype = pl.Decimal(38, scale)
    unit = Decimal(1).scaleb(-scale)
    # `-0` is no value of a column.
    x, y = (
        [value.quantize(unit, context=WIDE) if value else Decimal(0) for value in column]
        for column in zip(*rows, strict=True)
    )
    frame = pl.DataFrame({"x": pl.Series(x, dtype=dtype), "y": pl.Series(y, dtype=dtype)})

    def may_fail(x, y):
        if name == "conversions":
            return abs(round(x)) >= 1 << 63 or abs(x) * 10 >= 10**38
        made = plugin.function(x, y)
        wide = made if isinstance(made, tuple) else (made,)
        places = 2 * scale if name == "products" else scale
        return any(abs(v) >= Decimal(10) ** (38 - places) for v in chain(wide))

    check(plugin, frame, may_fail=may_fail, context=localcontext(WIDE))
