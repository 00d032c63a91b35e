"""Vectors of 512 bits, where the processor has them and the loop computes enough."""

from __future__ import annotations

import math
import platform

import numpy as np
import pytest
from evaluate import compiled, run

from dataflare_vec.compiler.jit.codegen.loop_report import loop_report

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="names processors of x86-64"
)


def light(x):
    return x * 2.5 + 1.0


def heavy(x):
    return math.sin(x) * math.exp(-x)


def rule(x):
    if x < 0:
        raise ValueError("negative")
    if x > 100:
        return math.log(x)
    return math.sqrt(x + 1) / math.exp(x)


def hour(x):
    return x // 3600 % 24


def numbers(function):
    numbers = np.random.default_rng(3).uniform(0.1, 700.0, 1000)
    return (numbers * 1e6).astype(np.int64) if function is hour else numbers


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize(
    ("processor", "function", "bits"),
    [
        ("skylake-avx512", light, 256),
        ("skylake-avx512", heavy, 512),
        ("skylake-avx512", rule, 512),
        ("skylake-avx512", hour, 512),
        ("sapphirerapids", heavy, 512),
        ("znver4", light, 512),
        ("haswell", heavy, 256),
        ("x86-64", heavy, 128),
    ],
)
def test_width(processor, function, bits, nulls, compile_for):
    compile_for(processor)
    report = loop_report(compiled(function, numbers(function)), nulls=nulls)
    assert report.vectorised
    assert report.register_bits == bits


@pytest.mark.parametrize("function", [heavy, rule, hour])
def test_a_value_does_not_depend_on_the_width(function, compile_for):
    column = numbers(function)
    compile_for("haswell")
    narrow, _ = run(compiled(function, column), column)
    compile_for("skylake-avx512")
    kernel = compiled(function, column)
    assert run(kernel, column)[0].tobytes() == narrow.tobytes()
    for start in (1, 5, 993):
        rest, _ = run(kernel, column, start=start)
        assert rest.tobytes() == narrow[start:].tobytes()
