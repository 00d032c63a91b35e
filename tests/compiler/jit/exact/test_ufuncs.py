"""NumPy's functions of arrays and scalars, at the edges of each dtype: the loops that are ours."""

from __future__ import annotations

from itertools import product

import numba
import numpy as np
import polars as pl
import pytest
from columns import computed, run

import dataflare_vec.compiler.jit.lowering.exact  # noqa: F401  # ours take their places

_LOOPS = [
    *[("sign", code) for code in "BLfd"],
    *[("spacing", code) for code in "fd"],
    *[(name, code) for name in ("floor_divide", "remainder") for code in "blfd"],
    *[(name, code) for name in ("fmod", "lcm", "left_shift", "right_shift") for code in "bl"],
    *[(name, code) for name in ("power", "lcm", "left_shift", "right_shift") for code in "BL"],
    ("divmod", "l"),
    ("divmod", "d"),
]


def edges(code):
    dtype = np.dtype(code)
    if dtype.kind == "f":
        about = np.finfo(dtype)
        found = [0, -0.0, 1, -1, 0.1, -0.1, 0.5, 2.5, -2.5, 3, -3, 7.7, -7.7, 1e3]
        found += [np.inf, -np.inf, np.nan, about.tiny, about.max, -about.max, about.smallest_subnormal]
    else:
        bounds = np.iinfo(dtype)
        found = {0, 1, 2, 3, 7, 8, 31, 63, 64, bounds.max - 1, bounds.max, bounds.min, bounds.min + 1}
        found |= {-7, -3, -2, -1} if bounds.min < 0 else set()
    return np.array(sorted(found), dtype)


def same(got, wanted):
    got, wanted = np.atleast_2d(got), np.atleast_2d(wanted)  # `divmod` gives two
    assert got.dtype == wanted.dtype
    equal = got == wanted
    if got.dtype.kind == "f":
        equal &= np.signbit(got) == np.signbit(wanted)
    return bool((equal | ((got != got) & (wanted != wanted))).all())


@pytest.mark.parametrize(("name", "code"), _LOOPS)
def test_loops_are_those_of_numpy(name, code):
    ufunc = getattr(np, name)
    columns = zip(*product(edges(code), repeat=ufunc.nin), strict=True)
    arguments = [np.array(column, code) for column in columns]
    compiled = numba.njit(error_model="numpy")(lambda *given: ufunc(*given))
    with np.errstate(all="ignore"):
        assert same(compiled(*arguments), ufunc(*arguments)), (name, code)


def of_lists(v, n):
    return [np.sum(np.remainder(v, n)), np.sum(np.fmod(v, n)), np.sum(v // n), np.sum(np.left_shift(v, n))]


def test_arrays_of_a_kernel():
    least = -(2**63)
    frame = pl.DataFrame({"v": [[least + 1, 5, -7], [least, 0], [3, -9], [7, -7]], "n": [-1, 0, 64, 3]})
    with np.errstate(all="ignore"):
        wanted = [of_lists(np.array(v), n) for v, n in frame.rows()]
    assert computed(of_lists, frame)[1] == wanted


def of_scalars(x, y, a, b):
    return (
        *(np.sign(x), np.spacing(x), np.floor_divide(x, y), np.remainder(x, y), np.remainder(x, a)),
        *(np.floor_divide(x, a), float(np.floor_divide(a, b)), float(np.remainder(a, b))),
        *(float(np.fmod(a, b)), np.ldexp(x, a % 5000 - 2500), np.fmod(x, a)),
    )


def test_scalars_of_a_kernel():
    floats, whole = edges("d").tolist(), edges("l").tolist()
    rows = [
        (x, y, whole[i % len(whole)], whole[i * 7 // 5 % len(whole)])
        for i, (x, y) in enumerate(product(floats, repeat=2))
    ]
    frame = pl.DataFrame(rows, schema=["x", "y", "a", "b"], orient="row")
    with np.errstate(all="ignore"):
        wanted = [of_scalars(np.float64(x), np.float64(y), a, b) for x, y, a, b in rows]
    got = run(of_scalars, frame).frame.rows()
    for row, one, other in zip(rows, got, wanted, strict=True):
        assert same(np.array(list(one), float), np.array(other, float)), (row, one, other)
