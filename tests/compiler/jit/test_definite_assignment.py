"""A variable that isn't assigned on the path taken: the row fails, as in Python."""

from __future__ import annotations

import polars as pl
import pytest

from testing.oracle import check, plugin


def by_branch(x):
    if x > 1:
        y = x
    return y


def by_loop(x):
    for i in range(int(x)):
        last = i * 2
    return last, i


def by_augmentation(x):
    if x > 1:
        n = 1.5
    n += x
    return n


def by_flag(x):
    known = False
    if x > 1:
        known = True
        y = x
    return y if known else 0.0


def in_two_loops(x):
    for i in range(3):
        for j in range(int(x)):
            z = i * j
        if i > x:
            return z
    return 7


def inner(x):
    if x > 1:
        t = x
    return t


def in_a_helper(x):
    return inner(x) + 1


def beside_a_comprehension(x):
    total = 0
    for i in range(int(x)):
        total += i
    return total, sum([i * i for i in range(3)])


def behind_a_comprehension(x):
    for i in range(int(x)):  # noqa: B007  # read below
        pass
    squares = [i * i for i in range(3)]
    return i, len(squares)


def always(x):
    if x > 1:
        y = x
    elif x < 0:
        raise ValueError("negative")
    else:
        y = 0.0
    return y


@pytest.mark.parametrize(
    "kernel",
    [
        by_branch,
        by_loop,
        by_augmentation,
        by_flag,
        in_two_loops,
        in_a_helper,
        beside_a_comprehension,
        behind_a_comprehension,
        always,
    ],
)
def test_compiled_is_python(kernel):
    frame = pl.DataFrame({"x": [0.0, 2.0, 1.0, 3.0, 0.0, -1.0]})
    check(plugin(kernel), frame)


def test_nothing_is_checked_where_all_is_assigned():
    from numba.core import types

    from dataflare_vec.compiler.jit.codegen.driver import compile_kernel
    from dataflare_vec.compiler.jit.codegen.loops import Input

    inputs = [Input(types.float64, is_column=True)]
    assert "_check" not in compile_kernel(always, inputs).llvm_ir()
