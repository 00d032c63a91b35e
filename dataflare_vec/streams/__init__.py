"""Streams: plugins over data that is larger than memory or never ends.

`sources` bring whatever is read to one shape, `coalesce` makes batches that are worth a run, `transform` has
them run, and `sinks` write what comes out. Queues (`_util.prefetch`) let reading, computing and writing
overlap.
"""

from __future__ import annotations

from dataflare_vec.streams.result import StreamResult
from dataflare_vec.streams.stream import Stream, stream

__all__ = ["Stream", "StreamResult", "stream"]
