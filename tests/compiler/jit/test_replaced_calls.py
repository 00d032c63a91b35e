"""Calls of mathematical functions are replaced, wherever they come from; the user's objects aren't."""

from __future__ import annotations

import math
import math as other_name
import sys
from math import sin as imported_sin
from pathlib import Path

import numba
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.jit.passes.calls import has_for, has_try

sys.path.insert(0, str(Path(__file__).parent / "math"))
from evaluate import compiled, evaluate, run

X = np.linspace(-3, 3, 101)


def is_ours(kernel) -> bool:
    """Whether no call to libm is left, and the loop has vectors."""
    ir = kernel.llvm_ir()
    return "@sin(" not in ir and "llvm.sin" not in ir and "x double>" in ir


@numba.njit
def helper(x):
    return math.sin(x) + 1.0


@numba.njit
def outer_helper(x):
    return helper(x) * 2.0


def make_closure():
    function = math.sin
    factor = 2.0
    return lambda x: function(x) * factor


@numba.njit(fastmath=True)
def fast_helper(x):
    return math.sin(x)


KERNELS = {
    "math": (lambda x: math.sin(x), np.sin),
    "numpy": (lambda x: np.sin(x), np.sin),
    "module under another name": (lambda x: other_name.sin(x), np.sin),
    "from import": (lambda x: imported_sin(x), np.sin),
    "closure": (make_closure(), lambda x: np.sin(x) * 2),
    "helper": (lambda x: helper(x), lambda x: np.sin(x) + 1),
    "helper of a helper": (lambda x: outer_helper(x), lambda x: (np.sin(x) + 1) * 2),
    "dispatcher": (helper, lambda x: np.sin(x) + 1),
    "helper with fastmath": (lambda x: fast_helper(x), np.sin),
}


@pytest.mark.parametrize("name", KERNELS)
def test_calls_are_replaced(name):
    function, oracle = KERNELS[name]
    kernel = compiled(function, X)
    assert is_ours(kernel)
    got, raised = run(kernel, X)
    assert not raised
    np.testing.assert_allclose(got, oracle(X), rtol=4e-16, atol=4e-16)


def test_a_local_function_is_replaced():
    def kernel(x):
        def inner(v):
            return math.sin(v)

        return inner(x)

    assert is_ours(compiled(kernel, X))
    np.testing.assert_allclose(evaluate(kernel, X), np.sin(X), rtol=3e-16)


def test_an_alias_is_replaced():
    def kernel(x):
        f = math.sin
        return f(x)

    assert is_ours(compiled(kernel, X))


def test_libm_is_kept_on_demand():
    kernel = compiled(lambda x: math.sin(x), X, math="libm")
    assert "sin" in kernel.llvm_ir()
    assert not is_ours(kernel)


def test_fast_is_near():
    np.testing.assert_allclose(evaluate(lambda x: math.exp(x), X, math="fast"), np.exp(X), rtol=1e-14)
    np.testing.assert_allclose(
        evaluate(lambda x: math.sin(x), X, math="fast"), np.sin(X), rtol=1e-14, atol=1e-15
    )


def test_the_users_dispatcher_is_untouched():
    @numba.njit
    def function(x):
        return math.sin(x)

    compiled(lambda x: function(x), X)
    compiled(function, X)
    assert function.signatures == []
    assert "pipeline_class" not in function.targetoptions
    assert function.py_func(1.0) == math.sin(1.0)
    assert function(1.0) == pytest.approx(math.sin(1.0))


def test_a_helper_is_compiled_once():
    from dataflare_vec.compiler.jit.passes import calls

    compiled(lambda x: helper(x), X)
    before = dict(calls._helpers[helper])
    compiled(lambda x: helper(x) + 1, X)
    assert calls._helpers[helper] == before
    assert all(len(made.signatures) == 1 for made in before.values())


def test_a_helper_is_compiled_again_when_what_it_reads_has_changed():
    factor = 2.0

    @numba.njit
    def scaled(x):
        return x * factor

    assert run(compiled(lambda x: scaled(x), X), X)[0].tolist() == (X * 2.0).tolist()
    factor = 3.0
    assert run(compiled(lambda x: scaled(x), X), X)[0].tolist() == (X * 3.0).tolist()


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_integers_become_floats(dtype):
    x = np.arange(-5, 6).astype(dtype)
    got = evaluate(lambda x: math.sin(x), x)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, np.sin(x.astype(float)), rtol=3e-16)


def test_bools_and_literals_become_floats():
    assert evaluate(lambda x: math.exp(x > 0.0), X)[-1] == math.e
    assert evaluate(lambda x: math.atan2(x, 1), X)[-1] == pytest.approx(math.atan2(3, 1))


def test_numpy_arrays_fall_through():
    def kernel(x):
        return np.sin(np.array([x, 2 * x])).sum()

    np.testing.assert_allclose(evaluate(kernel, X), np.sin(X) + np.sin(2 * X), rtol=1e-15, atol=1e-15)


def test_complex_numbers_fall_through():
    np.testing.assert_allclose(evaluate(lambda x: np.exp(1j * x).real, X), np.cos(X), rtol=1e-15, atol=1e-16)


def test_integer_abs_stays_an_integer():
    assert evaluate(lambda x: np.abs(x), np.array([-3, 4])).dtype == np.int64


def test_large_angles_behind_a_try():
    def kernel(x):
        try:
            if x == 0.0:
                raise ValueError
            return math.sin(x)
        except Exception:
            return 7.0

    x = np.array([1e300, 0.0, 1.0])
    assert evaluate(kernel, x).tolist() == pytest.approx([math.sin(1e300), 7.0, math.sin(1.0)])


def test_large_angles_in_a_helper():
    x = np.array([1e300, 1.0])
    np.testing.assert_allclose(evaluate(lambda x: outer_helper(x), x), (np.sin(x) + 1) * 2, rtol=1e-15)


def test_recursive_helpers():
    @numba.njit
    def down(x, n):
        if n <= 0:
            return math.sin(x)
        return down(x, n - 1)

    np.testing.assert_allclose(evaluate(lambda x: down(x, 3), X), np.sin(X), rtol=3e-16)


def test_a_kernel_that_raises_and_has_large_angles():
    def kernel(x):
        if x < 0:
            raise ValueError("negative")
        return math.sin(x)

    plugin = dfv.register("raises_and_angles", kernel, replace=True)
    frame = pl.DataFrame({"x": [1e300, -1.0, 1.0]})
    with pytest.raises(Exception, match="negative"):
        dfv.apply(frame, plugin)


@pytest.mark.parametrize("math_option", ["precise", "fast", "libm"])
def test_plugin_option(math_option):
    plugin = dfv.plugin(lambda x: math.sin(x), name=f"sine_{math_option}", replace=True, math=math_option)
    assert plugin.math == math_option
    frame = pl.DataFrame({"x": [0.5, None, 1e300]})
    got = dfv.apply(frame, plugin)[f"sine_{math_option}"].to_list()
    assert got == [pytest.approx(math.sin(0.5)), None, pytest.approx(math.sin(1e300))]


def test_unknown_option():
    with pytest.raises(dfv.PluginDefinitionError, match="got 'exact'"):
        dfv.plugin(lambda x: x, name="unknown_math", math="exact")
    with pytest.raises(dfv.PluginDefinitionError, match="got 'exact'"):
        dfv.filter(lambda x: x > 0, name="unknown_math", math="exact")


def test_rubbish_under_nulls():
    plugin = dfv.register("sine_of_nulls", lambda x: math.sin(x), replace=True)
    frame = pl.DataFrame({"x": [1e300, 1.0, -math.inf]}).select(
        pl.when(pl.col("x") == 1.0).then("x").alias("x")
    )
    assert dfv.apply(frame, plugin)["sine_of_nulls"].to_list() == [None, pytest.approx(math.sin(1.0)), None]


def test_integer_division_is_not_speculated():
    plugin = dfv.register("division", lambda a, b: a // b, replace=True)
    frame = pl.DataFrame({"a": [7, 8], "b": [0, 2]}).with_columns(
        pl.when(pl.col("b") != 0).then("b").alias("b")
    )
    assert dfv.apply(frame, plugin)["division"].to_list() == [None, 4]


def looping(x):
    while x > 1.0:
        x -= 1.0
    while True:
        x += 0.25
        if x < 0.5:
            continue
        return x


def for_each(x):
    for i in range(3):
        x += i
    return x


def tried(x):
    try:
        return 1 / x
    except ZeroDivisionError:
        return 0.0


def branches(x, y):
    if x and (y or x):
        x += 1
    return x + 1 if y else 3


def comprehension(x):
    return sum([i for i in range(x)])


def test_for_and_try_are_found_in_each_python():
    assert has_for(for_each)
    assert not any(map(has_for, (looping, tried, branches)))
    assert has_try(tried)
    assert not any(map(has_try, (looping, for_each, branches, comprehension)))
