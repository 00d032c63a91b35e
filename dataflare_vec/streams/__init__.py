"""Streams: plugins over data that is larger than memory, or that never ends.

`source` brings whatever is read to one shape, `ahead` lets reading, computing and writing overlap,
`joining` makes batches that are worth a run, `passing` has them run, `writing` sends them to `sinks`, and
`whole` makes files appear only when they are whole.
"""

from __future__ import annotations

from dataflare_vec.streams.result import StreamResult
from dataflare_vec.streams.stream import Stream, stream

__all__ = ["Stream", "StreamResult", "stream"]
