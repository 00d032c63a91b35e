"""What a Polars query gives, in frames of which none goes missing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.prefetch import ClosedError, PrefetchQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds after which what waits for its rows to be taken asks whether anybody still will.
_TICK = 0.2


def rows_of(query: pl.LazyFrame, size: int) -> Iterator[pl.DataFrame]:
    """Yield what a query gives, in frames of about ``size`` rows.

    Not by Polars' own `collect_batches`: where its engine panics, as over damaged files, that ends as if all
    rows had come. `sink_batches` raises.
    """
    queue = PrefetchQueue(1)

    def put(frame: pl.DataFrame) -> bool:
        try:
            while not queue.put(frame, _TICK):
                pl.thread_pool_size()  # a call in which Polars lets go of iterators that it has done with
        except ClosedError:
            return True  # no more are wanted
        return False

    def run() -> None:
        try:
            query.sink_batches(put, chunk_size=size)
        except BaseException as error:  # it belongs to whoever takes the frames
            queue.finish(error)
        else:
            queue.finish()

    threading.Thread(target=run, name="dataflare_vec query", daemon=True).start()
    try:
        yield from queue
    finally:
        queue.close()
