"""Values that constants are bound to."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.binding import bind


class Limits(NamedTuple):
    low: float
    high: float


UNIT = Limits(0.0, 1.0)


@dfv.plugin
def within(x, limits=UNIT):
    return limits[0] <= x <= limits[1]


@pytest.mark.parametrize(
    ("of_numpy", "plain"),
    [
        (np.int64(-5), -5),
        (np.uint8(200), 200),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(0.1), 0.1),
        (np.bool_(True), True),
        (np.str_("ä"), "ä"),
        (np.bytes_(b"x"), b"x"),
        (np.array(3), 3),
        (np.datetime64("2024-02-29"), dt.date(2024, 2, 29)),
        (np.datetime64("2024-02-29T12:00:00.000001"), dt.datetime(2024, 2, 29, 12, 0, 0, 1)),
        (np.timedelta64(1, "ms"), dt.timedelta(milliseconds=1)),
        (Limits(np.float32(0.5), 2), Limits(0.5, 2)),
    ],
)
def test_scalars_of_numpy_are_pythons(of_numpy, plain):
    default = "" if isinstance(plain, str) else None

    @dfv.plugin
    def kernel(x, constant=default):
        return x

    (bound,) = (
        item for item in bind(kernel, {"constant": of_numpy}).items if item.parameter.name == "constant"
    )
    assert bound.value == plain
    assert type(bound.value) is type(plain)


def test_they_compute_as_pythons():
    frame = pl.DataFrame({"x": [0.25, 1.0, 3.0]})
    limits = (np.float32(0.5), np.int16(2))
    assert dfv.apply(frame, within, limits=limits)["within"].to_list() == [False, True, False]
    assert frame.select(dfv.expr(within, "x", limits=limits)).to_series().to_list() == [False, True, False]


def test_nanoseconds_have_no_value_of_pythons():
    with pytest.raises(dfv.BindingError, match=r"constant `limits` must be .*, got .*datetime64"):
        dfv.apply(pl.DataFrame({"x": [1.0]}), within, limits=np.datetime64(1, "ns"))
