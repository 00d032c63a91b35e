"""Rules with branches, some of which raise, divisions of integers, and the width of vectors."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import llvmlite.binding as llvm
import numba
import numpy as np
import polars as pl
from polars.testing import assert_frame_equal, assert_series_equal

import dataflare_vec as dfv
from races.common import ONE_THREAD, Figure, Size, at_least, at_most, timed
from testing.inputs import coordinates

if TYPE_CHECKING:
    from collections.abc import Iterator


def rule(distance, hours):
    if distance < 500.0:
        return hours * 50.0 + 0.3 * distance
    if distance > 2500.0:
        return hours * 40.0 + 0.1 * distance
    return hours * 45.0 + distance / hours


def checked(distance, hours):
    if hours <= 0.0:
        raise ValueError("a flight takes time")
    if distance < 500.0:
        return hours * 50.0 + 0.3 * distance
    if distance > 2500.0:
        return hours * 40.0 + 0.1 * distance
    return hours * 45.0 + distance / hours


compiled = numba.njit(error_model="numpy")(checked)


@numba.njit(error_model="numpy")
def row_by_row(distance, hours, out):
    for i in range(distance.size):
        out[i] = compiled(distance[i], hours[i])


def rules_that_raise(size: Size) -> Iterator[Figure]:
    rows = size.rows(10_000_000)
    random = np.random.default_rng(4)
    df = pl.DataFrame({"distance": random.uniform(50, 5000, rows), "hours": random.uniform(0.5, 9, rows)})
    distance, hours, out = df["distance"].to_numpy(), df["hours"].to_numpy(), np.empty(rows)
    with_raise, without = dfv.plugin(checked), dfv.plugin(rule)

    def run(plugin: object) -> pl.Series:
        return dfv.apply(df, plugin, output="price", keep=False, config=ONE_THREAD)["price"]

    row_by_row(distance, hours, out)
    assert np.array_equal(run(with_raise), out)
    assert np.array_equal(run(without), out)
    a, b, c = timed(
        [lambda: run(with_raise), lambda: run(without), lambda: row_by_row(distance, hours, out)],
        size.repeats,
    )
    note = f"{a / rows * 1e9:.2f} ns a row"
    what = f"a rule with one raise and two branches, {rows:,} rows, one thread"
    yield Figure(f"{what}: time / the same without raise", a / b, at_most(1.5, aim=1.3), note)
    yield Figure(f"{what}: times faster than row by row", c / a, at_least(2.5, aim=3), note)


def hour(seconds):
    return seconds // 3600 % 24


def constant_divisors(size: Size) -> Iterator[Figure]:
    rows = size.rows(10_000_000)
    df = pl.DataFrame({"seconds": np.random.default_rng(6).integers(-(2**40), 2**40, rows)})
    plugin, expression = dfv.plugin(hour), (pl.col("seconds") // 3600 % 24).alias("hour")
    assert_frame_equal(dfv.apply(df, plugin, keep=False), df.select(expression))
    ours, theirs = timed([lambda: dfv.apply(df, plugin), lambda: df.with_columns(expression)], size.repeats)
    yield Figure(
        f"x // 3600 % 24, {rows:,} rows: times faster than Polars",
        theirs / ours,
        at_least(1.2, aim=2),
        f"{ours / rows * 1e9:.2f} ns a row",
    )


def in_slots(seconds, slots=7):
    return seconds // slots % 24


def divisors_of_a_call(size: Size) -> Iterator[Figure]:
    """A constant that a call gives against one in the source."""
    rows = size.rows(10_000_000)
    df = pl.DataFrame({"seconds": pl.int_range(rows, eager=True) * 7919 - 10**9})
    bound, literal = (dfv.plugin(function, replace=True) for function in (in_slots, hour))
    expression = (pl.col("seconds") // 3600 % 24).alias("hour")

    def by_value() -> pl.DataFrame:
        return dfv.apply(df, bound, slots=3600, output="hour", keep=False, config=ONE_THREAD)

    def by_literal() -> pl.DataFrame:
        return dfv.apply(df, literal, keep=False, config=ONE_THREAD)

    assert_frame_equal(by_value(), df.select(expression))
    mine, fixed, theirs = timed([by_value, by_literal, lambda: df.select(expression)], size.repeats)
    what = f"x // n % 24 with n of the call, {rows:,} rows"
    note = f"{mine / rows * 1e9:.2f} ns a row against {fixed / rows * 1e9:.2f}"
    yield Figure(f"{what}: time / 3600 in the source", mine / fixed, at_most(2.5, aim=1.5), note)
    note = f"{mine / rows * 1e9:.2f} ns a row on one thread against {theirs / rows * 1e9:.2f} on all"
    yield Figure(f"{what}: times faster than Polars", theirs / mine, at_least(1.0, aim=2.0), note)


def distance_of(name: str, radius: float) -> dfv.Plugin:
    """Plugins with other radii are other kernels: nothing of one is taken from the cache for the other."""

    def kernel(lat1, lon1, lat2, lon2):
        u = math.sin(math.radians(lat2 - lat1) / 2)
        v = math.sin(math.radians(lon2 - lon1) / 2)
        h = u * u + math.cos(math.radians(lat1)) * math.cos(math.radians(lat2)) * v * v
        return radius * math.asin(math.sqrt(1.0 if h > 1.0 else h))

    return dfv.plugin(kernel, name=name)


@contextmanager
def with_256_bits_preferred() -> Iterator[None]:
    """Have LLVM prefer 256 bits on any processor, as it does on most that have 512."""
    from numba.core.registry import cpu_target

    codegen = cpu_target.target_context.codegen()
    features = f"{llvm.get_host_cpu_features().flatten()},+prefer-256-bit"
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True
    )
    with patch.object(codegen, "_tm", machine):
        yield


def widths(size: Size) -> Iterator[Figure]:
    if not llvm.get_host_cpu_features().get("avx512vl"):
        return
    from dataflare_vec.compiler.jit.codegen import vector_width

    df = coordinates(size.rows(1_000_000))
    with with_256_bits_preferred():
        wide = distance_of("wide", 6371.0)
        expected = dfv.apply(df, wide, keep=False)["wide"]
        with patch.object(vector_width, "_ENOUGH", math.inf):
            narrow = distance_of("narrow", 12742.0)
            halves = dfv.apply(df, narrow, keep=False)["narrow"] / 2
    assert_series_equal(halves, expected, check_names=False, check_exact=True)
    ours, theirs = timed(
        [lambda plugin=plugin: dfv.apply(df, plugin, config=ONE_THREAD) for plugin in (wide, narrow)],
        size.repeats,
    )
    yield Figure(
        f"haversine, {df.height:,} rows, one thread: vectors of 512 bits / 256, times faster",
        theirs / ours,
        at_least(1.2, aim=1.4),
        f"{ours / df.height * 1e9:.2f} ns a row against {theirs / df.height * 1e9:.2f}",
    )


RACES = [rules_that_raise, constant_divisors, divisors_of_a_call, widths]
