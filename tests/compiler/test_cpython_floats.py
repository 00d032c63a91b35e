"""The values of CPython's own tests of floats, as columns: what a kernel makes of them is what Python does.

The tests are run with their `round`, `math` and `float` replaced by ones that note what they are called with.
Skipped where the interpreter comes without its tests.
"""

from __future__ import annotations

import importlib
import io
import math
import unittest

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.lowering.math.table import REPLACED
from testing.oracle import check, plugin


def harvest(module, replace, wanted):
    """Run the tests of a module whose names start so, with some of its names replaced."""
    tests = pytest.importorskip(f"test.{module}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in replace.items():
            patch.setattr(tests, name, value, raising=False)
        suite = unittest.TestSuite()
        for case in unittest.defaultTestLoader.loadTestsFromModule(tests):
            suite.addTests(test for test in case if any(part in test.id() for part in wanted))
        unittest.TextTestRunner(io.StringIO()).run(suite)


def computed(function, frame):
    result = dfv.run(frame, plugin(function, name="kernel"), keep=False, on_error="null")
    return result.frame.to_series().to_list(), set(result.errors["row"]), result.error_count


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except (ArithmeticError, ValueError) as error:
        return type(error)


def is_number(value):
    return type(value) is float or (type(value) is int and -(2**63) <= value < 2**63)


# -- round --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rounded():
    """Return what `round` is called with: floats, and floats with digits."""
    alone, both = {}, {}

    def note(number, ndigits=None):
        if type(number) is float and ndigits is None:
            alone[repr(number)] = number
        elif type(number) is float and type(ndigits) is int and -(2**63) <= ndigits < 2**63:
            both[repr(number), ndigits] = (number, ndigits)
        return round(number, ndigits)

    harvest("test_float", {"round": note}, ["RoundTestCase"])
    return list(alone.values()), list(both.values())


def test_round(rounded):
    numbers, pairs = rounded
    assert len(pairs) > 5_000
    frame = pl.DataFrame(pairs, schema={"x": pl.Float64, "n": pl.Int64}, orient="row")
    check(plugin(lambda x, n: round(x, n), name="kernel"), frame)
    frame = pl.DataFrame({"x": numbers}, schema={"x": pl.Float64})
    check(plugin(lambda x: round(x), name="kernel"), frame)


# -- math ---------------------------------------------------------------------------------------------------


class Noting:
    """The module `math`, which notes the numbers that its functions are called with."""

    def __init__(self):
        self.calls = {}

    def __getattr__(self, name):
        value = getattr(math, name)
        if not callable(value):
            return value
        noted = self.calls.setdefault(name, {})

        def call(*arguments, **named):
            if not named and arguments and all(map(is_number, arguments)):
                noted[repr(arguments)] = tuple(map(float, arguments))
            return value(*arguments, **named)

        return call


# Not those of functions that aren't compiled, which take long.
UNRELATED = (
    "Factorial",
    "Isqrt",
    "Comb",
    "Perm",
    "fsum",
    "Fsum",
    "Prod",
    "Dist",
    "Sumprod",
    "sumprod",
    "Gcd",
    "Lcm",
)


@pytest.fixture(scope="module")
def called():
    noting = Noting()
    tests = pytest.importorskip("test.test_math")
    names = [
        name
        for name in dir(tests.MathTests)
        if name.startswith("test") and not any(part.lower() in name.lower() for part in UNRELATED)
    ]
    harvest("test_math", {"math": noting}, [f"MathTests.{name}" for name in names])
    return noting.calls


INTEGERS = ("floor", "ceil", "trunc")
NAMES = [
    *(
        "acos acosh asin asinh atan atanh cos cosh degrees erf erfc exp expm1 fabs gamma isfinite isinf isnan"
    ).split(),
    *(
        "lgamma log log10 log1p log2 radians sin sinh sqrt tan tanh atan2 copysign fmod hypot pow remainder"
    ).split(),
    *INTEGERS,
    *(name for name in ("cbrt", "exp2") if hasattr(math, name)),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("all_roads")
def test_math(name, called):
    function = getattr(math, name)
    count = 2 if name in ("atan2", "copysign", "fmod", "hypot", "pow", "remainder") else 1
    rows = [row for row in called.get(name, {}).values() if len(row) == count]
    assert rows or name in ("trunc", "fabs", "degrees", "radians")
    frame = pl.DataFrame(rows, schema=dict.fromkeys("xy"[:count], pl.Float64), orient="row")
    scope = {"math": math}
    exec(f"def kernel({', '.join('xy'[:count])}): return math.{name}({', '.join('xy'[:count])})", scope)
    if name in INTEGERS:
        check(plugin(scope["kernel"]), frame)
        return
    got, failed, _ = computed(scope["kernel"], frame)
    wanted = [outcome(function, *row) for row in rows]
    assert not failed
    bound = REPLACED[function].ulp64 + (10 if "gamma" in name else 1)  # Python's own error
    for row, g, w in zip(rows, got, wanted, strict=True):
        if isinstance(w, type):  # as of C: documented
            assert not math.isfinite(g), (row, g, w)
        elif isinstance(w, float) and math.isfinite(w):
            near = 2.0**-50 if name == "lgamma" else 0.0  # next to its zeros
            assert abs(g - w) <= max(bound * np.spacing(abs(w)), near), (row, g, w)
            assert g != 0 or math.copysign(1, g) == math.copysign(1, w), (row, g, w)
        else:
            assert repr(g) == repr(w), (row, g, w)


# -- text ---------------------------------------------------------------------------------------------------


def test_float_of_text():
    texts = {}
    tests = pytest.importorskip("test.test_strtod")

    def note(self, text):
        if len(text) < 4_000:
            texts[text] = None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tests.StrtodTests, "check_strtod", note)
        patch.setattr(tests, "TEST_SIZE", 3)
        harvest("test_strtod", {}, ["StrtodTests"])
    assert len(texts) > 2_000
    check(plugin(lambda s: float(s), name="kernel"), pl.DataFrame({"s": list(texts)}))


@pytest.mark.usefixtures("all_roads")
def test_text_of_floats():
    tests = pytest.importorskip("test.test_float")
    support = importlib.import_module("test.support")
    path = getattr(tests, "format_testfile", None) or support.findfile(
        "formatfloat_testcases.txt", subdir="mathdata"
    )
    by_format = {}
    with open(path) as file:
        for line in file:
            if line.startswith("--") or not line.strip():
                continue
            left, _, text = line.partition("->")
            spec, number = left.split()
            by_format.setdefault(spec, {})[float(number)] = text.strip()
    assert sum(map(len, by_format.values())) > 200
    for spec, cases in by_format.items():
        if len(cases) < 8 or spec == "%r" or "#" in spec:  # which is refused
            continue
        scope = {}
        exec(f"def kernel(x): return f'{{x:{spec[1:]}}}'", scope)
        got, _, errors = computed(scope["kernel"], pl.DataFrame({"x": list(cases)}))
        assert errors == 0
        assert got == [format(x, spec[1:]) for x in cases]
