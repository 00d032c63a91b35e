"""What a Polars query gives, in frames of which none goes missing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dataflare_vec._util.prefetch import ClosedError, PrefetchQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl


def rows_of(query: pl.LazyFrame, size: int) -> Iterator[pl.DataFrame]:
    """Yield what a query gives, in frames of about ``size`` rows.

    Not by Polars' own `collect_batches`: where its engine panics, as over damaged files, that ends as if all
    rows had come. `sink_batches` raises.
    """
    queue = PrefetchQueue(1)

    def put(frame: pl.DataFrame) -> bool:
        try:
            queue.put(frame)
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
