"""Failed rows, pipelines, pooled memory, tuner and metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

import dataflare_vec as dfv
from races.common import Figure, Size, at_least, at_most, numbers, timed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dfv.plugin
def blend(a, b):
    return a * 0.5 + b


@dfv.plugin
def blend_or_fail(a, b):
    if a < 0.01:
        raise ValueError("a is too small")
    return a * 0.5 + b


@dfv.plugin
def fraction(a, b):
    s = 0.0
    for _ in range(8):
        s = s * a + b / (1.0 + s * s)
    return s


@dfv.plugin
def fraction_or_fail(a, b):
    s = 0.0
    for _ in range(8):
        s = s * a + b / (1.0 + s * s)
    if s > 1e300:
        raise ValueError("too large")
    return s


def failed_rows(size: Size) -> Iterator[Figure]:
    rows = size.rows(10_000_000)
    df = numbers(rows, "a", "b")
    expected = df.select((pl.col("a") < 0.01).sum()).item()
    result = dfv.run(df, blend_or_fail)
    assert result.error_count == result.frame["blend_or_fail"].null_count() == expected
    clean, failing, light, guarded = timed(
        [
            lambda: dfv.run(df, blend),
            lambda: dfv.run(df, blend_or_fail),
            lambda: dfv.apply(df, fraction),
            lambda: dfv.apply(df, fraction_or_fail),
        ],
        size.repeats,
    )
    yield Figure(
        f"1 % of {rows:,} rows fail: time / the same kernel without failing",
        failing / clean,
        at_most(3.2, aim=2.5),
    )
    yield Figure(
        "a kernel that could raise but doesn't: time / the same without `raise`",
        guarded / light,
        at_most(1.4, aim=1.15),
        f"{light / rows * 1e9:.1f} ns a row",
    )


@dfv.plugin
def affine(x, gain=1.0, offset=0.0):
    return x * gain + offset


_STEPS = 5


def pipeline(size: Size) -> Iterator[Figure]:
    rows = size.rows(20_000_000)
    df = numbers(rows, "x")
    names = [f"x{i}" for i in range(1, _STEPS + 1)]
    sources = ["x", *names]
    steps = [
        dfv.step("affine", x=source, output=name, gain=1.5, offset=float(i))
        for i, (source, name) in enumerate(zip(sources, names, strict=False))
    ]
    last_only = [replace(step, keep=step is steps[-1]) for step in steps]

    def one_by_one() -> pl.DataFrame:
        frame = df
        for step in steps:
            frame = dfv.apply(frame, step)
        return frame

    query = df.lazy()
    for i, (source, name) in enumerate(zip(sources, names, strict=False)):
        query = query.with_columns((pl.col(source) * 1.5 + float(i)).alias(name))
    assert dfv.apply(df, steps).equals(query.collect())
    piped, applied, eager, streamed = timed(
        [
            lambda: dfv.apply(df, steps),
            one_by_one,
            lambda: query.collect(),
            lambda: query.collect(engine="streaming"),
        ],
        size.repeats,
    )
    what = f"pipeline of 5, {rows:,} rows"
    # All five columns are written to memory either way: 5 × 16 B a row of 8 + 5 × 16 against 5 × (8 + 16).
    yield Figure(
        f"{what}, all columns kept: times faster than 5 applies",
        applied / piped,
        at_least(1.1, aim=1.5),
        "≤ 1.36 by bytes",
    )
    yield Figure(
        f"{what}, all columns kept: times faster than Polars",
        min(eager, streamed) / piped,
        at_least(1, aim=1.5),
    )

    final = query.select("x", names[-1])
    assert dfv.apply(df, last_only).equals(final.collect())
    piped, applied, eager, streamed = timed(
        [
            lambda: dfv.apply(df, last_only),
            lambda: one_by_one().select("x", names[-1]),
            lambda: final.collect(),
            lambda: final.collect(engine="streaming"),
        ],
        size.repeats,
    )
    yield Figure(f"{what}, the last column kept: times faster than 5 applies", applied / piped, at_least(2.3))
    yield Figure(
        f"{what}, the last column kept: times faster than Polars",
        min(eager, streamed) / piped,
        at_least(1.2, aim=1.5),
    )


RACES = [failed_rows, pipeline]
