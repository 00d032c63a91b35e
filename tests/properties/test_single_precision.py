"""Law 2 where floats of 32 bits meet other numbers: Python's take their width, Float64 columns' widen them.

Functions are drawn too: expressions of a few operators over columns, constants and literals.
"""

from __future__ import annotations

import math
import types

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.interpreter import plain_numbers
from testing.oracle import as_numpy, check, plugin
from testing.strategies import configs, frames

singles = st.floats(width=32) | st.integers(-(2**20), 2**20).map(lambda k: float(np.float32(k / 10)))
COLUMNS = {"x": (singles, pl.Float32), "y": (singles, pl.Float32), "z": pl.Float64, "n": pl.Int8}

LITERALS = ("0", "1", "3", "-7", "16777217", "0.1", "0.5", "-2.3", "1e-40", "1e38")
leaves = st.sampled_from(["x", "x", "y", "z", "n", "k", *LITERALS])
#: What is chosen from has one width; Python's result is a float of 64 bits or of 32, row by row. Constants
#: are rounded, so that a Float32 stays one. So a choice is returned, or stands beside a Float32.
chosen = st.sampled_from(
    ["x", "y * 0.3", "-y", "k", "2", "-0.5", "0.125", "-k * 0.3", "math.sqrt(2) + math.pi"]
)
choices = st.one_of(
    st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), chosen, chosen),
    st.builds("({} if n > 3 else {})".format, chosen, chosen),
)
divisors = st.sampled_from(["x", "y", "z", "k", "3", "0.3"])


def larger(inner):
    """Draw an expression of others."""
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("({} / {})".format, inner, divisors),
        st.builds("(-{})".format, inner),
        st.builds("abs({})".format, inner),
        st.builds("float({})".format, inner),
        st.builds("({} {} {})".format, st.sampled_from(["x", "-y"]), st.sampled_from("+-*"), choices),
        st.builds("divmod({}, 0.7)[0]".format, st.sampled_from(["x", "y", "z"])),
        st.builds("scaled(x, {})".format, inner),
    )


some = larger(leaves)
numbers = some | larger(some)
bodies = st.one_of(
    st.one_of(numbers, numbers, choices).map("return {}".format),
    st.builds("return {} {} {}".format, numbers, st.sampled_from(["<", "<=", "==", "!="]), numbers),
    st.builds("return x in ({}, {})".format, numbers, numbers),
    st.builds("t = {}\n    for i in range(3):\n        t += {}\n    return t".format, leaves, numbers),
    st.builds("if n > 3:\n        return {}\n    return {}".format, numbers, numbers),
)


of_module = types.ModuleType("of_module")
of_module.WIDE = np.float64(0.1)


def scaled(value, factor):
    return value * factor + 0.3 * factor


def defined(body):
    """Return a kernel whose function has this body."""
    names = {"scaled": scaled, "math": math, "np": np, "of_module": of_module}
    exec(f"def drawn(x, y, z, n, k=1.0):\n    {body}\n", names)
    return plugin(names["drawn"])


@settings(max_examples=25, phases=[Phase.generate])  # each example is a compilation or two
@given(body=bodies, frame=frames(**COLUMNS), config=configs, k=st.sampled_from([2.5, -0.25, 3]))
def test_compiled_is_interpreted(body, frame, config, k):
    check(defined(body), frame, rows=as_numpy(frame), config=config, k=k)


@pytest.mark.parametrize(
    ("body", "dtype"),
    [
        ("return x * 0.1", pl.Float32),
        ("return x * n + k", pl.Float32),
        ("return x if n > 3 else 0", pl.Float32),
        ("return max(x, k) ** 2", pl.Float32),
        ("return max(x, -k * 0.3)", pl.Float32),
        ("return x if n > 3 else math.sqrt(2) + math.pi", pl.Float32),
        ("return math.sqrt(1.0 if x > 1.0 else x)", pl.Float32),
        ("return x if n > 3 else np.sqrt(2)", pl.Float64),
        ("return x * math.pi", pl.Float32),
        ("return min(x, -math.pi)", pl.Float32),
        ("return x * of_module.WIDE", pl.Float64),
        ("return x * z", pl.Float64),
        ("return float(x) * k", pl.Float64),
        ("return float(n) * x", pl.Float32),
    ],
)
def test_dtypes(body, dtype):
    row = {"x": [0.1], "y": [0.2], "z": [0.3], "n": [5]}
    frame = pl.DataFrame(row, schema_overrides={"x": pl.Float32, "y": pl.Float32})
    assert dfv.run(frame, defined(body), keep=False, k=2.5).frame.dtypes == [dtype]


def near(value, factor=0.1, *, offset=0.1):
    return value * factor + offset == value


WIDE = np.float64(0.1)


def widened(value, factor=WIDE):
    return value * factor


@pytest.mark.parametrize(
    ("body", "dtype"),
    [
        ("near(x)", pl.Boolean),
        ("near(x, offset=z)", pl.Boolean),
        ("near(x, factor=0.9, offset=0.01)", pl.Boolean),
        ("near(offset=k, factor=z, value=x)", pl.Boolean),
        ("near(0.1, factor=0, offset=x)", pl.Boolean),
        ("scaled(factor=0.3, value=x)", pl.Float32),
        ("scaled(factor=z, value=x)", pl.Float64),
        ("widened(x)", pl.Float64),
        ("widened(x, factor=k)", pl.Float32),
    ],
)
def test_helpers_know_defaults_and_keywords(body, dtype):
    names = {"near": near, "scaled": scaled, "widened": widened}
    exec(f"def drawn(x, z, k=0.1):\n    return {body}\n", names)
    values = [0.1, 1 / 9, 0.2, 3.0]
    frame = pl.DataFrame({"x": values, "z": values}, schema={"x": pl.Float32, "z": pl.Float64})
    check(plugin(names["drawn"]), frame, rows=as_numpy(frame))
    assert dfv.apply(frame, plugin(names["drawn"]))["drawn"].dtype == dtype


patterns = st.integers(0, (1 << 32) - 1).map(lambda bits: float(np.uint32(bits).view(np.float32)))
powers = st.integers(-149, 127).map(lambda power: 2.0**power)


def shown(x):
    templates = "{} {!s}".format(x, x), "%s" % x  # noqa: UP031, UP032
    return str(x), f"{x}", f"{x!s:>15}", *templates, f"{x!r}", str(x * 3), f"{x:9.3}"


@given(frame=frames(x=(patterns | powers | singles, pl.Float32)), config=configs)
def test_text_has_the_digits_of_32_bits(frame, config):
    check(plugin(shown), frame, config=config, rows=list(as_numpy(frame)))


def test_digits_of_many_patterns():
    numbers = np.random.default_rng(7).integers(0, 1 << 32, 200_000, np.uint32).view(np.float32)
    frame = pl.DataFrame({"x": numbers})
    got = dfv.run(frame, plugin(lambda x: str(x), name="digits")).frame["digits"]
    with plain_numbers():
        assert got.to_list() == [str(number) for number in numbers]
