"""Tables: values looked up in a dict by text, against what Polars has for it, and by row in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

import dataflare_vec as dfv

from .common import Figure, at_least, timed
from .strings import by_element

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .common import Bar, Size

#: Of the rows, the share that `map_elements` is timed on.
_SHARE = 20


def _prices(keys: int) -> dict[str, float]:
    return {f"article {i}": i * 0.25 for i in np.random.default_rng(8).permutation(keys).tolist()}


def _looked_up(size: Size, keys: int, bars: tuple[Bar, Bar, Bar]) -> Iterator[Figure]:
    """Race a kernel that looks a string up with the same by Polars, all of them on all threads."""
    prices = _prices(keys)
    known = pl.DataFrame({"article": prices.keys(), "price": prices.values()})
    frame = known.select("article").sample(size.rows(2_000_000), with_replacement=True, seed=9)
    part = frame[: max(frame.height // _SHARE, 1000)]

    def price(article: str):
        return prices[article]

    plugin = dfv.register(f"race_price_of_{keys}", price, replace=True)
    replaced = pl.col("article").replace_strict(known["article"], known["price"])

    def own() -> pl.DataFrame:
        return dfv.apply(frame, plugin, keep=False)

    def joined() -> pl.DataFrame:
        return frame.join(known, on="article", how="left", maintain_order="left")

    wanted = frame.select(replaced).to_series()
    assert own().to_series().equals(wanted)
    assert joined()["price"].equals(wanted)
    assert by_element(part, price, pl.Float64).equals(wanted[: part.height])
    functions = [
        own,
        lambda: frame.select(replaced),
        joined,
        lambda: by_element(part, price, pl.Float64),
    ]
    taken, *others = timed(functions, size.repeats)
    others[-1] *= frame.height / part.height
    nanoseconds = 1e9 / frame.height
    for other, name, bar in zip(others, ("replace_strict", "a join", "map_elements"), bars, strict=True):
        yield Figure(
            f"a text looked up in a dict of {keys:,}, {frame.height:,} rows: times faster than {name}",
            other / taken,
            bar,
            f"{taken * nanoseconds:.1f} ns a row against {other * nanoseconds:.1f}",
        )


def in_a_small_dict(size: Size) -> Iterator[Figure]:
    yield from _looked_up(size, 1_000, (at_least(2), at_least(1), at_least(20)))


def in_a_large_dict(size: Size) -> Iterator[Figure]:
    yield from _looked_up(size, size.rows(1_000_000), (at_least(2), at_least(1), at_least(20)))


RACES = (in_a_small_dict, in_a_large_dict)
