"""The ready-made kernels against libraries that do the same, by the table of `testing/peers.py`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from races.common import ONE_THREAD, Figure, Size, at_least, timed
from testing.peers import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testing.comparison import Comparison


def race(comparison: Comparison, size: Size) -> Iterator[Figure]:
    """Compare a kernel's values with each peer's, then race the two."""
    df = comparison.inputs(size.rows(comparison.rows))
    bindings = comparison.bindings[0]
    config = None if comparison.threads else ONE_THREAD
    threads = f"{pl.thread_pool_size()} threads" if comparison.threads else "one thread"

    def ours() -> pl.DataFrame:
        return comparison.run(df, config, **bindings)

    values = ours()
    for peer in comparison.peers:
        if peer.least is None:
            continue
        share = peer.agreement(df, values, **bindings)
        assert share >= peer.agree, f"{comparison.name}: {peer.library} agrees on {share:.2%} of the rows"
        mine, theirs = timed([ours, lambda peer=peer: peer.call(df, **bindings)], size.repeats)
        note = f"{mine / df.height * 1e9:.3g} ns a row against {theirs / df.height * 1e9:.3g}"
        yield Figure(
            f"{comparison.name}, {df.height:,} rows, {threads}: times faster than {peer.library}",
            theirs / mine,
            at_least(peer.least, aim=peer.aim),
            f"{note}; {peer.lost}" if peer.lost else note,
        )


def _race(comparison: Comparison) -> Callable[[Size], Iterator[Figure]]:
    named = partial(race, comparison)
    named.__name__ = comparison.kernel
    return named


RACES = [_race(comparison) for comparison in TABLE if comparison.rows]
