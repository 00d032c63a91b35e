"""Exact sums, integers as bytes, fields replaced and members by value: kernels give what Python gives."""

from __future__ import annotations

import math
import statistics
import sys
from enum import Enum, IntEnum
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
from testing.strategies import frames


class Colour(Enum):
    RED = 1
    GREEN = 2
    ROUGE = 1


class Level(IntEnum):
    LOW = -1
    HIGH = 7


class Row(NamedTuple):
    name: str
    n: int
    x: float = 1.5


class Open(Enum):
    A = 1

    @classmethod
    def _missing_(cls, value):
        return cls.A


def sums(n: int, x: float, b: bytes):
    three = [x, 1.0, 1e16, -1e16, 1e-3]
    return (
        math.fsum(three),
        math.fsum((x, n, 0.1)),
        math.fsum([n, x * 0.1]),
        math.fsum([v for v in three if v > x]),
    )


def means(n: int, x: float, b: bytes):
    try:
        return statistics.fmean([x, n, 0.1]), statistics.fmean([v for v in (x, 2.0) if v > n])
    except statistics.StatisticsError:
        return -1.0, statistics.median([n, 2**62 + 3])


def in_bytes(n: int, x: float, b: bytes):
    some = n.to_bytes(8, "little", signed=True), n.to_bytes(9, byteorder="big", signed=True)
    return *some, (n & 255).to_bytes(1, "big"), n.to_bytes(n % 9, "big", signed=n < 0)


def from_bytes(n: int, x: float, b: bytes):
    some = int.from_bytes(b[:7], "big"), int.from_bytes(b[:7], byteorder="little")
    return *some, int.from_bytes(b[:8], "big", signed=True), int.from_bytes(b, "little", signed=n < 0)


def by_value(n: int, x: float, b: bytes):
    try:
        colour = Colour(n).name, Colour(n).value, Colour(n) is Colour.RED
    except ValueError:
        colour = "none", -1, Colour(n % 2 + 1) == Colour.GREEN
    return *colour, Level(n).name, Level(n) + 1


def replaced(n: int, x: float, b: bytes):
    row = Row(b.hex(), n)
    other = row._replace(x=x, n=3)
    return row._replace(name="é")._replace(n=other.n + n % 7) if n > 2 else other


numbers = (
    st.integers(-3, 9) | st.integers(-(2**63), 2**63 - 1) | st.sampled_from([127, 128, -128, -129, 255, 256])
)
reals = st.floats() | st.sampled_from([1e308, -1e308, 1e16, 0.1])
KERNELS = plugins(sums, means, in_bytes, from_bytes, by_value, replaced)
if sys.version_info < (3, 11):  # only `except Exception` compiles
    for name in (
        "means",
        "by_value",
    ):
        del KERNELS[name]


@pytest.mark.parametrize("name", KERNELS)
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(frame=frames(n=(numbers, pl.Int64), x=(reals, pl.Float64), b=(st.binary(max_size=9), pl.Binary)))
def test_kernels_that_make_values(name, frame):
    def too_large(n, x, b):
        return not -(2**63) <= int.from_bytes(b, "little", signed=n < 0) < 2**63

    check(KERNELS[name], frame, may_fail=too_large if name == "from_bytes" else None)


def unknown_field(n):
    return Row("a", n)._replace(size=3)


def found_by_its_own_way(n):
    return Open(n).name


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (unknown_field, "`Row` has no field `size`"),
        (found_by_its_own_way, "`Open` can't be called|Open can't"),
    ],
)
def test_what_is_refused(kernel, message):
    with pytest.raises(dfv.KernelCompileError, match=message):
        dfv.run(pl.DataFrame({"n": [1]}), plugin(kernel))


def test_a_distance_in_a_plane():
    frame = pl.DataFrame({"n": [0, 3, -7], "x": [4.0, 1.5, 1e200]})
    found = dfv.run(frame, plugin(lambda n, x: math.dist((n, x), (1, 2.5)), name="apart"), keep=False).frame
    wanted = [math.dist((n, x), (1, 2.5)) for n, x in frame.iter_rows()]
    assert found.to_series().to_list() == pytest.approx(wanted, rel=4e-16)
