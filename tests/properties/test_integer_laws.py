"""Law 2 for integers of every width: Python's own, exact, or a failed row where one doesn't fit."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, fold, plugins
from testing.strategies import configs, frames

EDGES = sorted(
    {s * ((1 << k) + d) for s in (1, -1) for k in (0, 7, 8, 31, 32, 53, 63, 64) for d in (-1, 0, 1)}
)


def integers(low, high):
    """Any of a dtype's, mostly those next to a limit."""
    edges = [low, high, *(edge for edge in EDGES if low <= edge <= high)]
    return st.sampled_from(edges) | st.integers(low, high)


UNSIGNED, SIGNED = integers(0, (1 << 64) - 1), integers(-(1 << 63), (1 << 63) - 1)
COLUMNS = {
    "u": (UNSIGNED, pl.UInt64),
    "v": (UNSIGNED, pl.UInt64),
    "i": (SIGNED, pl.Int64),
    "a": (integers(-128, 127), pl.Int8),
    "w": (integers(0, (1 << 32) - 1), pl.UInt32),
    "b": (st.booleans(), pl.Boolean),
    "f": (st.sampled_from([float(edge) for edge in EDGES] + [0.5, -0.5, math.inf]), pl.Float64),
}


def compared(u, v, i):
    return u == i, u != i, u < i, u <= i, u > i, u >= i, i < u, i == u, u < v, u == 9223372036854775807


def compared_with_floats(u, i, f):
    return u == f, u < f, u >= f, f > u, i == f, i != f, i < f, i <= f, i > f, f >= i


def compared_in_sequences(i, f):
    swapped = (i, f) == (f, i), (i, f) != (f, i), (1, (f, i)) == (1.0, (i, f)), ("a", i) == ("a", f)
    ordered = (i, 1) < (f, 2), (f, 2) <= (i, 1), (i,) > (f, 1), (1, f) >= (1.0, i)
    return *swapped, *ordered, [i, 2] == [f, 2.0], [i] < [f, 1.0], (i, 2) in [(f, 2)], [i, i] != [f]


def compared_with_narrow(u, a, w, b):
    return u == a, u > a, a < u, u == w, u <= w, u == b, u > b, u in (a, w, 5), 3 < u <= 9223372036854775808


def constants(u):
    return u % 10, u // 3, u & 255, u | 1, u ^ 9, u >> 7, u >> 64, u > 2**53, min(u, 7), max(u, 7)


def by_a_signed_one(u, i):
    d = i or 1
    return u % d, u // d, i % (u or 1), i // (u or 1), divmod(u, d)[0], u & i, u ^ i


def sums(u, v, i):
    return u - v, u + i, i - u, u - 1, -u, ~u, abs(u - v), u * (i & 7)


def on_the_way(u, v):
    return (u + 1) % 10, (u + v) // 2, (u * 3) % 7, (u - v) % 5, (u + v) >> 1


def chosen(u, v, i):
    x = u if u > 5 else 0
    y = u
    if i > 0:
        y = i
    return x, y, max(u, 0), max(u, i), min(u, i), max((u, v)), u if i < 0 else -1, u and v, not u


def step_by_step(u):
    x = u
    x //= 3
    x *= 2
    x += 5
    x %= 1000003
    x <<= 3
    x ^= 77
    total = 0
    while u:
        total += u & 1
        u >>= 1
    return x, total


def converted(u, i):
    return (
        float(u),
        int(u),
        bool(u),
        u / 3,
        i / 7,
        u / (i or 1),
        i / (u or 1),
        math.trunc(i),
        math.floor(u),
        round(i),
    )


def shown(u, i):
    return str(u), f"{u:,}|{u:d}|{u:x}|{u:#b}|{u:022d}|{u:>21}", f"{-u}", f"{i:,}"


def shifted(u, i, a):
    return i >> (a & 127), u >> (a & 127), (i & 3) << (a & 127), a >> 65


def shifted_by_any(i, a):
    return (i & 1) << a


def shifted_away(i, a):
    return i << 3, i >> (a & 1)


def limits(i):
    return -i, abs(i), i // -1


def quotients(i):
    return divmod(i, -1)


def quotients_by_any(i, a):
    return divmod(i, a)[0], divmod(a, i)[1]


def remainder(i):
    return i % -1, i % 7, i // 7, divmod(i, -7)[1]


def narrow(a, w):
    return (
        abs(a),
        -a,
        ~w,
        a - w,
        a * a,
        max(a, w),
        min(a, w),
        divmod(a, w + 1)[0],
        pow(a, 2),
        a << 40,
        w % (a or 1),
    )


def truths(b, a):
    return ~b, -b, +b, b + b, b << 1, b * a, abs(b), b // True, f"{b:d}", sum((b, b)), b & (a > 0), b | 2


ROWS = plugins(
    *(
        compared,
        compared_with_floats,
        compared_in_sequences,
        compared_with_narrow,
        constants,
        by_a_signed_one,
        sums,
        on_the_way,
    ),
    *(chosen, step_by_step, converted, shown, shifted, shifted_by_any, shifted_away, limits, remainder),
    *(narrow, truths, quotients, quotients_by_any),
)


def columns_of(plugin, strategies):
    return {parameter.name: strategies[parameter.name] for parameter in plugin.parameters}


@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")  # of a bool, since Python 3.12
@pytest.mark.parametrize("name", ROWS)
@given(data=st.data())
def test_exact_or_failed(name, data):
    check(ROWS[name], data.draw(frames(**columns_of(ROWS[name], COLUMNS))), config=data.draw(configs))


# -- lists, and states ------------------------------------------------------------------------------------


def of_unsigned(l, i):  # noqa: E741
    total = 0
    for x in l:
        total += x % 7
    return (
        l[0] - l[-1],
        max(l) % 10,
        min(l),
        sum(l) % 9,
        total,
        i in l,
        l[1:][-1] // 3,
        l[0] > i,
        (l[0] + 1) % 5,
    )


def of_narrow(n):
    total = 0
    for x in n:
        total += abs(x)
    return -n[0], abs(n[-1]), sum(n), n[0] * n[1], max(n) - min(n), total, ~n[0]


def of_fields(s):
    return s.u - s.a, -s.a, s.u % 3, abs(s.a)


LISTS = plugins(of_unsigned, of_narrow)
LIST_COLUMNS = {
    "l": (st.lists(UNSIGNED, min_size=2, max_size=4), pl.List(pl.UInt64)),
    "n": (st.lists(integers(-128, 127), min_size=2, max_size=4), pl.List(pl.Int8)),
    "i": COLUMNS["i"],
}


@pytest.mark.parametrize("name", LISTS)
@given(data=st.data())
def test_items_of_lists(name, data):
    check(LISTS[name], data.draw(frames(**columns_of(LISTS[name], LIST_COLUMNS))), config=data.draw(configs))


def summed(s, u):
    return s + u


def largest(s, u):
    return max(s, u)


def difference(s, u, i):
    return s + u - i


def several(s, u):
    return s[0] + u % 1000, max(s[1], u), s[2] - u


def first(s, u):
    return u if s is None else max(s, u)


STATES = [
    (summed, 0),
    (largest, 0),
    (difference, 0),
    (several, (0, 0, 0)),
    (first, None),
    (difference, -(2**62)),
]


@pytest.mark.parametrize(("function", "init"), STATES, ids=lambda one: getattr(one, "__name__", str(one)))
@given(frame=frames(u=COLUMNS["u"], i=COLUMNS["i"]), config=configs)
def test_states(function, init, frame, config):
    plugin = dfv.reduce(function, init=init, name=f"{function.__name__} {init}", replace=True)
    frame = frame.select(parameter.name for parameter in plugin.parameters)
    _, failed, states = fold(plugin, frame.iter_rows(), fits=lambda s: function is not summed or s < 1 << 64)
    result = dfv.run(frame, plugin, keep=False, config=config, on_error="null")
    assert result.errors["row"].to_list() == failed
    state = states.get((), init)
    assert result.frame.row(0) == (state if isinstance(state, tuple) else (state,))
