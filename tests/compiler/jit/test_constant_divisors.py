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
from dataflare_vec.compiler.jit.codegen.invariant_divisors import multiplied_by
from dataflare_vec.compiler.remembered import remembered
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


def divided_by_an_argument(operation: str, kind: str):
    """Return an operation of LLVM's by an argument that is the same for all rows, by other code."""
    cpu_target.target_context.codegen()
    text = (
        f"define {kind} @f({kind} %x, {kind} %arg.n) {{\n"
        f"  %r = {operation} {kind} %x, %arg.n\n  ret {kind} %r\n}}\n"
    )
    module = multiplied_by(llvm.parse_assembly(text), "f", ["arg.n"])
    assert f"{operation} {kind} %x, %arg.n" not in str(module)
    engine = llvm.create_mcjit_compiler(
        module, llvm.Target.from_default_triple().create_target_machine(jit=True)
    )
    engine.finalize_object()
    type_ = getattr(ctypes, f"c_{'' if operation[0] == 's' else 'u'}int{kind[1:]}")
    function = ctypes.CFUNCTYPE(type_, type_, type_)(engine.get_function_address("f"))
    function.owner = engine
    return function


@pytest.mark.parametrize("kind", ["i64", "i32"])
@pytest.mark.parametrize("operation", ["sdiv", "srem", "udiv", "urem"])
def test_all_four_operations_by_an_argument(operation, kind):
    bits = int(kind[1:])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if operation[0] == "s" else (0, (1 << bits) - 1)
    edges = sorted(
        {sign * ((1 << power) + step) for power in range(bits + 1) for step in (-1, 0, 1) for sign in (1, -1)}
    )
    edges = [number for number in [*edges, *DIVISORS, *(-d for d in DIVISORS)] if low <= number <= high]
    function = divided_by_an_argument(operation, kind)
    function(7, 0)  # gives something: whoever looks for zero may do so later
    for divisor in edges:
        if divisor == 0:
            continue
        multiples = [n for m in (1, 3, 1000, high // divisor) for n in (m * divisor - 1, m * divisor)]
        for number in [*edges, *(n for n in multiples if low <= n <= high)]:
            if (number, divisor) != (low, -1):
                assert function(number, divisor) == truncated(number, divisor)["rem" in operation]


def test_other_divisors_are_left():
    text = (
        "define i64 @f(i64 %x, i64 %y, i64 %arg.n) {\n  %sum = add i64 %y, %arg.n\n"
        "  %r = sdiv i64 %x, %sum\n  ret i64 %r\n}\n"
    )
    assert multiplied_by(llvm.parse_assembly(text), "f", ["arg.n"]) is None
    assert multiplied_by(llvm.parse_assembly(text), "f", ["arg.n", "y"]) is not None


def test_functions_that_are_there_already():
    """LLVM makes a call of the least of two itself, before divisions are looked at."""
    text = (
        "define i64 @f(i64 %x, i64 %arg.n) {\n  %least = call i64 @llvm.umin.i64(i64 %x, i64 %arg.n)\n"
        "  %r = udiv i64 %least, %arg.n\n  ret i64 %r\n}\ndeclare i64 @llvm.umin.i64(i64, i64)\n"
    )
    module = multiplied_by(llvm.parse_assembly(text), "f", ["arg.n"])
    assert str(module).count("i64 @llvm.umin.i64(i64, i64)") == 1


@pytest.mark.parametrize(("other", "is_same"), [("sdiv", True), ("srem", False)])
def test_a_short_way_to_something_else_stays(other, is_same):
    text = f"""define i64 @f(i64 %x, i64 %arg.n) {{
  %both = or i64 %x, %arg.n
  %upper = and i64 %both, -4294967296
  %fits = icmp eq i64 %upper, 0
  br i1 %fits, label %short, label %long

short:
  %n = trunc i64 %arg.n to i32
  %y = trunc i64 %x to i32
  %few = udiv i32 %y, %n
  %first = zext i32 %few to i64
  br label %end

long:
  %second = {other} i64 %x, %arg.n
  br label %end

end:
  %r = phi i64 [ %first, %short ], [ %second, %long ]
  ret i64 %r
}}
"""
    module = multiplied_by(llvm.parse_assembly(text), "f", ["arg.n"])
    assert ("br i1 %fits" not in str(module)) is is_same


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


def by_a_value(x, n=7):
    return x // n, x % n


def by_two_values(x, n=7, m=3):
    """Of which one is computed, and the other divides in one branch only."""
    if x > 100:
        return x % (n * 2 + 1)
    return (x + m) // m


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int32, pl.Int8, pl.UInt16, pl.UInt32, pl.UInt64])
@pytest.mark.parametrize("n", [7, -7, 1, -1, 0, 64, 10**6, 10**12, LARGEST, -LARGEST - 1])
def test_values_of_a_call_divide_as_in_python(n, dtype, capfd):
    low, high = pl.select(low=dtype.min(), high=dtype.max()).row(0)
    numbers = sorted({x for x in [*NUMBERS, *SIGNED, *range(-99, 300)] if low <= x <= high})
    for some in (numbers, [None if i % 5 == 0 else x for i, x in enumerate(numbers)]):
        check(plugin(by_a_value), pl.DataFrame({"x": some}, schema={"x": dtype}), n=n)
    assert capfd.readouterr().err == "", "LLVM complains if it can't do what it is told"


@pytest.mark.parametrize("m", [3, 0, -(10**10)])
def test_divisors_that_are_computed_of_values(m):
    for n in (7, 0, -5):
        check(plugin(by_two_values), pl.DataFrame({"x": [*range(-200, 300)]}), n=n, m=m)


@pytest.mark.usefixtures("usual_processor")
@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int32, pl.UInt8])
@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("function", [by_a_value, by_two_values])
def test_loops_over_values_are_vector_code(function, nulls, dtype):
    frame = pl.DataFrame({"x": [1, None if nulls else 2]}, schema={"x": dtype})
    divided = plugin(function)
    (stage,) = dfv.explain(divided, frame).stages
    assert stage.loop.vectorised, stage.loop.reasons
    assert not stage.loop.branches_on_null
    kernels = remembered(divided).derived.kernels
    assert len(kernels) == 1
    for n in (3, -8, 1 << 40):
        dfv.apply(frame, divided, n=n)
    assert len(kernels) == 1


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
