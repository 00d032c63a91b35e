"""A feed without an end: synchronous, asynchronous, and as an Arrow reader."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import polars as pl

import dataflare_vec as dfv


@dfv.plugin
def in_kelvin(celsius: float) -> float:
    return celsius + 273.15


def feed() -> Iterator[pl.DataFrame]:
    for minute in range(3):
        yield pl.DataFrame({"celsius": [float(minute)]})


async def arriving() -> AsyncIterator[pl.DataFrame]:
    for frame in feed():
        yield frame


async def rows() -> int:
    stream = dfv.stream(arriving(), in_kelvin, max_latency=timedelta(milliseconds=50))
    return sum([frame.height async for frame in stream])


with dfv.stream(feed(), in_kelvin, max_latency=0.05) as batches:
    seen: list[pl.DataFrame] = list(batches)
assert sum(frame.height for frame in seen) == asyncio.run(rows()) == 3
schema: pl.Schema = dfv.stream(feed(), in_kelvin).schema
assert schema["in_kelvin"] == pl.Float64()
