"""Parts that are read, passed through plugins and handed on: what a stream's own threads hold.

They don't hold the stream: one that nobody has any more is closed, and its threads end.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from dataflare_vec.streams.bounds import batch_bytes, cut
from dataflare_vec.streams.coalesce import joined, stamped
from dataflare_vec.streams.passage import MOST
from dataflare_vec.streams.prefetch import DEPTH, Ahead
from dataflare_vec.streams.sources.source import AsyncBatches, Batches

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from dataflare_vec.streams.passage import Passing
    from dataflare_vec.streams.sources.source import Part


@dataclass
class Flow:
    """Parts on their way through plugins.

    Attributes
    ----------
    parts : list
        What is read.
    passing : Passing
        The plugins.
    max_latency : float or None
        Seconds that a batch may be under way.
    loop : asyncio.AbstractEventLoop or None
        In which an asynchronous source is read; None for one of its own.
    """

    parts: list[Part]
    passing: Passing
    max_latency: float | None
    loop: asyncio.AbstractEventLoop | None = None
    _frames: Ahead | None = None
    _open: list[Ahead] = field(default_factory=list)
    _schema: pl.Schema | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def input_schema(self) -> pl.Schema:
        """Columns that come in; the first batch of an iterator is taken to find them."""
        part = self.parts[0]
        if isinstance(part, Batches):
            part.peek()
        assert part.schema is not None
        return part.schema

    @property
    def schema(self) -> pl.Schema:
        """Columns that come out."""
        return self._schema_for(None)

    def _schema_for(self, batch: pl.Schema | None) -> pl.Schema:
        if self._schema is None:
            self._schema = self.passing.output_schema(batch or self.input_schema)
        return self._schema

    @property
    def frames(self) -> Ahead:
        """What comes out of all parts, for any number of threads that take it."""
        with self._lock:
            if self._frames is None:
                self._frames = Ahead.of(self.frames_of(self.parts))
            return self._frames

    def frames_of(self, parts: Sequence[Part]) -> Iterator[pl.DataFrame]:
        """Yield what comes out for some of the parts: computed as it is asked for, read a little ahead."""
        passing = self.passing
        nbytes = inf if passing.memory is None else batch_bytes(passing.memory)
        passing.result.begin()
        for part in parts:
            schema = part.schema
            most = MOST
            if schema is not None:  # of an iterator, which is the only part, it comes with the first batch
                most = passing.most_rows(schema, self.schema)
                passing.begin(part.label)
            ahead, stop = self._read(part, most)
            try:
                for batch in joined(ahead, partial(passing.wanted_rows, most), self.max_latency, nbytes):
                    self._schema_for(batch.schema)
                    frame = passing.compute(batch)
                    if not passing.reduces:
                        yield frame
            finally:
                stop()
                self._open.remove(ahead)
        rows = passing.reduced()
        if rows is not None:
            yield rows
        passing.result.end()

    def _read(self, part: Part, most: int) -> tuple[Ahead, Callable[[], Any]]:
        """Return a queue that is filled with a part, and what ends that."""
        memory = self.passing.memory
        ahead = Ahead(DEPTH if memory is None else 1)
        self._open.append(ahead)
        if self.loop is not None and isinstance(part, AsyncBatches):
            import asyncio

            feeding = asyncio.run_coroutine_threadsafe(part.feed(ahead), self.loop)
            return ahead, feeding.cancel
        frames = part.batches(most, memory)
        if memory is not None:
            frames = (piece for frame in frames for piece in cut(frame, most, batch_bytes(memory)))
        ahead.fill(stamped(frames))
        return ahead, ahead.close

    def close(self) -> None:
        """Read no further; what is under way ends with its batch."""
        for ahead in [*self._open, *([self._frames] if self._frames is not None else [])]:
            ahead.close()
