"""Divisions by constants: exact for all integers of 64 bits, and vector code."""

from __future__ import annotations

import ctypes
import datetime as dt
import re

import llvmlite.binding as llvm
import polars as pl
import pytest
from numba.core.registry import cpu_target

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.codegen.constant_divisors import multiplied
from testing.oracle import check, plugin

LARGEST = (1 << 63) - 1
DIVISORS = [
    3,
    5,
    6,
    7,
    10,
    24,
    60,
    641,
    1000,
    3600,
    86_400_000_000,
    (1 << 32) - 1,
    (1 << 32) + 1,
    10**18,
    LARGEST,
]
NUMBERS = sorted(
    {
        number + step
        for middle in (0, 1 << 31, 1 << 32, 1 << 52, 1 << 62, 1 << 63, 1 << 64)
        for size in (1, 7, 3600, 86_400_000_000, 10**18)
        for number in (middle, middle // size * size)
        for step in (-2, -1, 0, 1)
    }
)
SIGNED = [number for n in NUMBERS for number in (n, -n) if -LARGEST - 1 <= number <= LARGEST]
UNSIGNED = [number for number in NUMBERS if 0 <= number < 1 << 64]


def truncated(a: int, b: int) -> tuple[int, int]:
    """Quotient and remainder of C."""
    quotient = abs(a) // abs(b)
    if (a < 0) != (b < 0):
        quotient = -quotient
    return quotient, a - quotient * b


def compiled(operation: str, divisor: int):
    """Return an operation of LLVM's, by other code, as something to call."""
    cpu_target.target_context.codegen()  # LLVM knows of targets from now on
    text = f"define i64 @f(i64 %x) {{\n  %r = {operation} i64 %x, {divisor}\n  ret i64 %r\n}}\n"
    module = multiplied(llvm.parse_assembly(text))
    assert not re.search(rf"{operation} i64", str(module))
    engine = llvm.create_mcjit_compiler(
        module, llvm.Target.from_default_triple().create_target_machine(jit=True)
    )
    engine.finalize_object()
    kind = ctypes.c_int64 if operation[0] == "s" else ctypes.c_uint64
    function = ctypes.CFUNCTYPE(kind, kind)(engine.get_function_address("f"))
    function.owner = engine
    return function


@pytest.mark.parametrize("divisor", [*DIVISORS, *(-divisor for divisor in DIVISORS), (1 << 64) - 3])
def test_all_four_operations(divisor):
    for operation, position in (("sdiv", 0), ("srem", 1)):
        if divisor <= LARGEST:
            function = compiled(operation, divisor)
            wanted = [truncated(number, divisor)[position] for number in SIGNED]
            assert [function(number) for number in SIGNED] == wanted
    for operation, position in (("udiv", 0), ("urem", 1)):
        function = compiled(operation, divisor)
        wanted = [divmod(number, divisor % (1 << 64))[position] for number in UNSIGNED]
        assert [function(number) for number in UNSIGNED] == wanted


@pytest.mark.parametrize("divisor", [1, 8, -8, 1 << 40])
def test_what_needs_no_product_is_left(divisor):
    text = f"define i64 @f(i64 %x) {{\n  %r = sdiv i64 %x, {divisor}\n  ret i64 %r\n}}\n"
    assert multiplied(llvm.parse_assembly(text)) is None


def by_many(x):
    return (
        x // 7,
        x % 7,
        x // -7,
        x % -7,
        x // 3600 % 24,
        x % 86_400_000_000,
        x // 10**18,
        x // 641,
    )


def below_zero_fails(x):
    """LLVM divides without a sign behind the check."""
    if x < 0:
        raise ValueError("negative")
    if x > 1000:
        return x // 60
    return x % 60


def of_a_magnitude(x):
    if x == 7:
        raise ValueError("seven")
    return abs(x // 2) // 7


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("function", [by_many, below_zero_fails, of_a_magnitude])
def test_each_row_is_as_python_computes_it(function, capfd):
    numbers = [*SIGNED, *range(-99, 100)]
    check(plugin(function), pl.DataFrame({"x": numbers}))
    check(plugin(function), pl.DataFrame({"x": [None if i % 5 == 0 else x for i, x in enumerate(numbers)]}))
    assert capfd.readouterr().err == "", "LLVM complains if it can't do what it is told"


def a_month_later(t: dt.datetime, d: dt.timedelta):
    return dt.datetime(t.year, t.month % 12 + 1, t.day, d.days % 24, d.seconds % 60, d.microseconds % 61)


@pytest.mark.usefixtures("usual_processor")
def test_error_recording_loops_are_left_as_they_are(capfd):
    """LLVM makes one for those that are asked for a reason, which can't be vectors, and one for others."""
    times = [dt.datetime(2024, 1, 30), dt.datetime(2024, 1, 31), None]
    check(plugin(a_month_later), pl.DataFrame({"t": times, "d": dt.timedelta(3)}))
    assert capfd.readouterr().err == "", "LLVM complains if it can't do what it is told"


def hour(x):
    return x // 3600 % 24


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int32, pl.Int8, pl.UInt16])
@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("function", [hour, below_zero_fails])
def test_loops_are_vector_code(function, nulls, dtype):
    frame = pl.DataFrame({"x": [1, None if nulls else 2]}, schema={"x": dtype})
    (stage,) = dfv.explain(plugin(function), frame).stages
    assert stage.loop.vectorised, stage.loop.reasons
    assert not stage.loop.branches_on_null
