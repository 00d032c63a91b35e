"""What a manager's metrics, states and tuner cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dataflare_vec as dfv
from races.common import Figure, Size, at_most, numbers, timed
from testing.inputs import coordinates

if TYPE_CHECKING:
    from collections.abc import Iterator


def _managers(name: str, function: object) -> tuple[dfv.PluginManager, dfv.PluginManager]:
    """Return a manager as it is, and one that neither counts nor tunes."""
    watched = dfv.PluginManager()
    bare = dfv.PluginManager(dfv.PluginManagerConfig(batch_config=dfv.BatchConfig(tuner="fixed")))
    bare.runtime.metrics = bare.runtime.states = None
    for manager in (watched, bare):
        manager.register_plugin(name, function)
    return watched, bare


def _blend(a, b):
    return a * 0.5 + b


def _manhattan(lat1, lon1, lat2, lon2):
    return abs(lat1 - lat2) + abs(lon1 - lon2)


def watching_many_rows(size: Size) -> Iterator[Figure]:
    rows = size.rows(20_000_000)
    df = numbers(rows, "a", "b")
    watched, bare = _managers("blend", _blend)

    def run(manager: dfv.PluginManager) -> object:
        return manager.process_batch("blend", df, keep=False)

    assert run(watched).frame.equals(run(bare).frame)
    for _ in range(3 if size.repeats > 1 else 0):  # the search is over, as in anything that goes on running
        run(watched)
    with_all, without = timed([lambda: run(watched), lambda: run(bare)], 3 * size.repeats)
    yield Figure(
        f"metrics, states and tuner, {rows:,} rows of a light kernel: time / without them",
        with_all / without,
        at_most(1.2, aim=1.01),
        f"{without / rows * 1e9:.2f} ns a row",
    )


def watching_small_calls(size: Size) -> Iterator[Figure]:
    df = coordinates(1_000)
    watched, bare = _managers("manhattan", _manhattan)
    calls = 20  # a millisecond: many short turns, of which most aren't disturbed

    def run(manager: dfv.PluginManager) -> None:
        for _ in range(calls):
            manager.process_batch("manhattan", df)

    with_all, without = timed([lambda: run(watched), lambda: run(bare)], 60 * size.repeats)
    yield Figure(
        "the same for a small call, 1,000 rows × 4",
        with_all / without,
        at_most(1.6, aim=1.3),
        f"{with_all / calls * 1e6:.0f} µs a call, {(with_all - without) / calls * 1e6:.1f} µs of it",
    )


RACES = [watching_many_rows, watching_small_calls]
