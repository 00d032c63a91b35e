"""A row has the same bits wherever it is in a chunk: in the vector body or in the scalar tail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from evaluate import compiled, run

from dataflare_vec.compiler.jit.lowering.exact.overlay import OVERLAYS
from dataflare_vec.compiler.jit.lowering.math.table import FUNCTIONS, REPLACED

NAMES = [
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sqrt"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "gamma", "lgamma"),
    *("power", "cube", "seventh", "cbrt", "hypot", "ieee_remainder", "modulo"),
]
# Those that aren't a function of `math` of one argument.
EXPRESSIONS = {
    "power": "abs(x) ** (x * 0.1)",
    "cube": "x ** 3",
    "seventh": "x ** 7",
    "cbrt": "np.cbrt(x)",  # new in `math` in Python 3.11
    "ieee_remainder": "math.remainder(x, 1.1)",
    "modulo": "np.remainder(x, 3.7)",
    "hypot": "math.hypot(x, x + 1)",
}
ROWS = 517


def rows_of(dtype):
    rng = np.random.default_rng(7)
    with np.errstate(over="ignore"):
        x = np.concatenate(
            [rng.uniform(-1, 1, 200), rng.normal(size=300) * 10.0 ** rng.integers(-30, 12, 300)]
        )
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, 1.0, -1.0, 5e-324, 2.0**100, 1e300, 3.0, 1e15]
        return np.concatenate([x, special, x[: ROWS - len(x) - len(special)]]).astype(dtype)


def bits(values):
    """The bits, with all NaNs alike: IEEE 754 doesn't say which one an operation gives."""
    return np.where(np.isnan(values), np.nan, values).view(f"u{values.itemsize}")


def haversine(x):
    a = math.sin(x / 2) ** 2 + math.cos(x) * math.cos(x / 3) * math.sin(x / 5) ** 2
    return 2 * math.asin(math.sqrt(a)) + math.atan2(x, 0.5)


def kernel_of(name):
    scope: dict = {}
    body = EXPRESSIONS.get(name, f"math.{name}(x)")
    exec(f"import math\nimport numpy as np\ndef kernel(x): return {body}", scope)
    return scope["kernel"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [*NAMES, "haversine"])
def test_chunks_have_the_same_bits(name, dtype):
    if name == "exp2" and not hasattr(math, "exp2"):
        pytest.skip("math.exp2 is new in Python 3.11")
    x = rows_of(dtype)
    kernel = compiled(haversine if name == "haversine" else kernel_of(name), x)
    whole, _ = run(kernel, x)
    one_by_one = np.concatenate([run(kernel, x, start=i, stop=i + 1)[0] for i in range(len(x))])
    np.testing.assert_array_equal(bits(whole), bits(one_by_one))
    for length in (3, 7, 33, 100):
        pieces = [run(kernel, x, start=i, stop=i + length)[0] for i in range(0, len(x), length)]
        np.testing.assert_array_equal(bits(whole), bits(np.concatenate(pieces)))


def test_a_large_angle_does_not_change_other_rows():
    x = np.random.default_rng(8).uniform(-100, 100, 100)
    kernel = compiled(lambda x: math.sin(x), x)
    before, _ = run(kernel, x)
    x[50] = 1e300
    after, _ = run(kernel, x)
    assert after[50] == math.sin(1e300)
    np.testing.assert_array_equal(np.delete(after, 50).view("u8"), np.delete(before, 50).view("u8"))


def test_names_are_unique():
    names = [f.name for f in FUNCTIONS]
    assert len(names) == len(set(names))


COMMON = """
sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh exp exp2 expm1 log log2 log10 log1p pow sqrt
cbrt hypot erf erfc gamma lgamma floor ceil trunc fmod remainder copysign isnan isinf isfinite degrees radians
"""


def test_common_functions_are_replaced():
    known = {*REPLACED, *OVERLAYS}
    missing = [name for name in COMMON.split() if getattr(math, name, math.sin) not in known]
    assert missing == []
    assert {round, pow, np.power, np.rint, np.round, np.fmod, np.mod} <= known
