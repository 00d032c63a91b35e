"""Parts that are read, passed through plugins and handed on: what a stream's own threads hold.

They don't hold the stream: one that nobody has any more is closed, and its threads end.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.prefetch import DEPTH, PrefetchQueue
from dataflare_vec.streams.bounds import batch_bytes, cut
from dataflare_vec.streams.coalesce import coalesced, stamped
from dataflare_vec.streams.sources.source import AsyncBatches, Batches
from dataflare_vec.streams.transform import MOST

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from dataflare_vec.streams.sources.source import Part
    from dataflare_vec.streams.transform import Transform


@dataclass
class Flow:
    """Parts on their way through plugins.

    Attributes
    ----------
    parts : list
        What is read.
    transform : Transform
        The plugins.
    max_latency : float or None
        Seconds that a batch may be under way.
    loop : asyncio.AbstractEventLoop or None
        In which an asynchronous source is read; None for one of its own.
    """

    parts: list[Part]
    transform: Transform
    max_latency: float | None
    loop: asyncio.AbstractEventLoop | None = None
    _frames: PrefetchQueue | None = None
    _open: list[PrefetchQueue] = field(default_factory=list)
    _schema: pl.Schema | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def input_schema(self) -> pl.Schema:
        """Schema of the input; reads the first batch of an iterator to find it."""
        part = self.parts[0]
        if isinstance(part, Batches):
            part.peek()
        assert part.schema is not None
        return part.schema

    @property
    def schema(self) -> pl.Schema:
        """Schema of the output."""
        return self._schema_for(None)

    def _schema_for(self, batch: pl.Schema | None) -> pl.Schema:
        if self._schema is None:
            self._schema = self.transform.output_schema(batch or self.input_schema)
        return self._schema

    @property
    def frames(self) -> PrefetchQueue:
        """What comes out of all parts, for any number of threads that take it."""
        with self._lock:
            if self._frames is None:
                self._frames = PrefetchQueue.of(self.frames_of(self.parts))
            return self._frames

    def frames_of(self, parts: Sequence[Part]) -> Iterator[pl.DataFrame]:
        """Yield what comes out for some of the parts: computed as it is asked for, read a little ahead."""
        transform = self.transform
        nbytes = inf if transform.memory is None else batch_bytes(transform.memory)
        transform.result.begin()
        for part in parts:
            schema = part.schema
            most = MOST
            if schema is not None:  # of an iterator, which is the only part, it comes with the first batch
                most = transform.most_rows(schema, self.schema)
                transform.begin(part.label)
            queue, stop = self._read(part, most)
            try:
                for batch in coalesced(queue, partial(transform.wanted_rows, most), self.max_latency, nbytes):
                    self._schema_for(batch.schema)
                    for piece in transform.pieces(batch):
                        frame = transform.compute(piece)
                        if not transform.reduces:
                            yield frame
                            continue
                        ended = transform.ended()
                        if ended is not None:
                            yield ended
            finally:
                stop()
                self._open.remove(queue)
        rows = transform.reduced()
        if rows is not None:
            yield rows
        transform.result.end()

    def _read(self, part: Part, most: int) -> tuple[PrefetchQueue, Callable[[], Any]]:
        """Return a queue that is filled with a part, and what ends that."""
        memory = self.transform.memory
        queue = PrefetchQueue(DEPTH if memory is None else 1)
        self._open.append(queue)
        if self.loop is not None and isinstance(part, AsyncBatches):
            import asyncio

            feeding = asyncio.run_coroutine_threadsafe(part.feed(queue), self.loop)
            return queue, feeding.cancel
        frames = part.batches(most, memory)
        if memory is not None:
            frames = (piece for frame in frames for piece in cut(frame, most, batch_bytes(memory)))
        queue.fill(stamped(frames))
        return queue, queue.close

    def close(self) -> None:
        """Stop reading; work in flight ends with its batch."""
        for queue in [*self._open, *([self._frames] if self._frames is not None else [])]:
            queue.close()
