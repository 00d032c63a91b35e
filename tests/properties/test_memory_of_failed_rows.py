"""Memory is bounded: what a kernel holds when a row fails, or when it catches an exception, is given back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from textwrap import indent
from typing import Any

import numpy as np  # noqa: F401  # of the forms
import polars as pl
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from numba.core.registry import cpu_target
from numba.core.runtime import _nrt_python, rtsys

import dataflare_vec as dfv
from testing.oracle import check, plugin


@pytest.fixture(autouse=True, scope="module")
def counted() -> Iterator[None]:
    """Have Numba count what it allocates and frees."""
    cpu_target.target_context.refresh()  # starts what counts
    was_counting = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    yield
    if not was_counting:
        _nrt_python.memsys_disable_stats()


def held() -> tuple[int, int]:
    """Return how many blocks of memory, and how many things in them, compiled code has not given back."""
    found = rtsys.get_allocation_stats()
    return found.alloc - found.free, found.mi_alloc - found.mi_free


def listed(count, x):
    return [x + j for j in range(count)]


def item(v, i):
    held_here = [v[0], v[-1]]
    return v[i] + held_here[0]


def deeper(v, i):
    more = [*v, 1.0]
    return item(more, i) if i else deeper(more, len(more) + 1)


def one_by_one(v, i):
    more = [*v, 1.0]
    for j in range(i):
        yield more[j]


def longer(v, x):
    for one in one_by_one(v, len(v)):
        v = [*v, one + x]
        yield v


def made(count, x):
    return one_by_one(listed(count, x), count)


def first_two(one):
    return next(one) + next(one)


def summed(one):
    total = 0.0
    for value in one:
        total += value
    return total


def doubled(one):
    for value in one:
        yield value * 2


def paired(v, x, i):
    total = 0.0
    for one, other in zip(longer(v, x), one_by_one(v, i)):  # noqa: B905
        total += one[-1] + other
    return total


FRAME = pl.DataFrame(
    [(s, float(i), i) for s in ("1", "x", "", "3") for i in range(4)],
    schema={"s": pl.String, "x": pl.Float64, "i": pl.Int64},
    orient="row",
)
_FIRST = 'n, v, w, d, u, a = 0.0, [x, 1.0], [s, "1"], {s: x}, {i, 1}, np.ones(i + 1)'
_HOLDING = [
    "v = listed(i + 1, x)",
    "v = v + [n]",
    "v.append(x)",
    "v = [row[0] for row in [[x], v, listed(3, n)]]",
    "w = w + [s + str(i)]",
    'd = {s + "1": n, "3": x}',
    "u = {i + len(v), 3}",
    "a = a[:2] + np.ones(2)",
]
_FAILING = [
    "n += int(s)",
    "n += v[i + 1]",
    "n += item(v, i + 1)",
    "n += deeper(v, i)",
    'n += d["3"]',
    "n += a[i + 1]",
    "n += sum(listed(int(s), x)) + item(listed(2, x), i)",
    "n += sum([int(one) for one in w])",
    "n += sum(listed(2, one)[i] for one in v)",
    "n += len(w[i]) + 1 // (i - 1)",
    "n += listed(i + 2, x)[item([1, 2], i) % 3]",
    "first, second = v\nn += first",
    "(one, two), *more = [w, [s]] if i else [[s, s], w]\nn += len(two)",
    "u.remove(3)",
    'if i == 2:\n    raise ValueError(f"{s} of {x}")',
    "if i == 1:\n    return n + sum(v)",
]
_GENERATING = [
    "v = v + [sum(map(lambda one: one + 1.0, v))]",
    "v = list(filter(lambda one: one > 0.0, v)) + [x]",
    "v = [summed(one_by_one(one, 2)) for one in [v, listed(2, x)]] + [x]",
    "for one in made(i + 1, x):\n    n += one\n    if n > 2:\n        break",
    "for one in longer(v, x):\n    if len(one) > 4:\n        v = one\n        break",
    "for one, other in zip(longer(v, x), [x, n]):\n    n += one[-1] + other",
    "n += sum(map(lambda one: int(one), w))",
    "n += summed(one_by_one(v, i + 2))",
    "n += first_two(doubled(made(i, x)))",
    "n += sum([one[i] for one in longer(v, x)])",
    "some, others = made(2, x), one_by_one(v, 3)\nn += next(some) + summed(others) + len(w[i])",
    "n += paired(v, x, i + 2)",
]
_BY_VERSION = ["Exception"] if sys.version_info < (3, 11) else ["ValueError", "IndexError", "LookupError", ""]


def _in(block: str) -> str:
    return indent(block, "    ")


def _block(depth: int) -> st.SearchStrategy[str]:
    steps = st.sampled_from(_HOLDING) | st.sampled_from(_FAILING) | st.sampled_from(_GENERATING)
    if depth:
        inner = _block(depth - 1)
        tried = st.builds(
            lambda body, kinds, handler: f"try:\n{_in(body)}\nexcept {kinds}:\n{_in(handler)}".replace(
                " :", ":"
            ),
            inner,
            st.sampled_from(_BY_VERSION),
            _block(0),
        )
        looped = st.builds(lambda body: f"for j in range(2):\n    n += j\n{_in(body)}", inner)
        steps = st.one_of(steps, tried, looped)
    return st.lists(steps, min_size=1, max_size=3).map("\n".join)


def _function(head: str, body: str, end: str) -> Any:
    scope: dict[str, Any] = {}
    source = f"def function({head}):\n{_in(_FIRST)}\n{_in(body)}\n{_in(end)}\n"
    exec(compile(source, "<generated>", "exec"), globals(), scope)
    return scope["function"]


def _balanced(run: Any) -> None:
    run()  # compiled, and what is kept for good is there
    before = held()
    run()
    assert held() == before


@settings(max_examples=6, phases=[Phase.explicit, Phase.generate])
@given(_block(2))
@example("\n".join(step for step in _HOLDING if "d = " not in step))
@example(f"n += v[i + 1]\ntry:\n    n += int(s)\nexcept Exception:\n    n += 1\n{_HOLDING[3]}")
@example("\n".join(_GENERATING))
@example("\n".join(f"try:\n{_in(step)}\nexcept Exception:\n    n += 1" for step in _GENERATING))
def test_row_kernels_give_back_what_they_hold(body):
    one = plugin(_function("s: str, x, i", body, "return n + sum(v) + len(u) + len(w)"))
    _balanced(lambda: check(one, FRAME))


@settings(max_examples=3, phases=[Phase.generate])
@given(_block(1), st.sampled_from(["filter", "explode", "scan", "reduce", "list"]))
def test_other_kernels_give_back_what_they_hold(body, kind):
    row = "s: str, x, i"
    one: Any
    if kind in ("scan", "reduce"):
        pair = kind == "scan"
        end = "return total + n, n" if pair else "return total + n"
        function = _function(f"total, {row}", body.replace("return n + sum(v)", end), end)
        one = (dfv.scan if pair else dfv.reduce)(function, init=0.0, name="folded", replace=True)
    else:
        end = {"filter": "return n > 1", "explode": "return [(one, n) for one in v]", "list": "return v"}[
            kind
        ]
        about = {"filter": "filter", "explode": "exploder", "list": "transformer"}[kind]
        one = plugin(_function(row, body.replace("return n + sum(v)", end), end), about)
    _balanced(lambda: dfv.run(FRAME, one, on_error="drop"))
