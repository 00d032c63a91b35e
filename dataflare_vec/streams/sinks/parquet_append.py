"""Frames appended to a file by some bytes at a time: where a writer of Polars would gather so many rows.

Polars' writers make a row group of as many rows as they are told; nobody knows beforehand how many bytes
these will take. So each row group is written as a file of its own, in memory, and they are joined.
"""

from __future__ import annotations

import io
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.prefetch import PrefetchQueue
from dataflare_vec.streams.parquet.row_groups import Concatenated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Rows of a row group, at most: as many as Polars makes it of.
_ROWS = 1 << 18
#: Frames that wait while others are written: of rows of 10 MB each counts.
_DEPTH = 1


def append(
    sink: Callable[..., Any],
    frames: Iterable[pl.DataFrame],
    schema: pl.Schema,
    target: Any,
    nbytes: int,
    options: dict[str, Any],
) -> None:
    """Write frames by a sink of Polars for Parquet, CSV or NDJSON, about ``nbytes`` at a time.

    Parameters
    ----------
    target
        A path, or a binary file that is open.
    """
    queue = PrefetchQueue.of(frames, _DEPTH)  # made while earlier ones are written
    writer = _append_row_groups if sink is pl.LazyFrame.sink_parquet else _append_text
    try:
        with _opened(target) as file:
            writer(sink, _gathered(queue, nbytes, schema), file, options)
    finally:
        queue.close()


def _gathered(frames: Iterable[pl.DataFrame], nbytes: int, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """Yield frames joined to as many bytes as make a row group; if there are no rows, one frame without."""
    waiting: list[pl.DataFrame] = []
    rows, held = 0, 0.0
    is_empty = True
    for frame in frames:
        if not frame.height:
            continue
        is_empty = False
        size = frame.estimated_size()
        if waiting and (held + size > nbytes or rows + frame.height > _ROWS):
            yield pl.concat(waiting)
            waiting, rows, held = [], 0, 0
        waiting.append(frame)
        rows, held = rows + frame.height, held + size
    if waiting:
        yield pl.concat(waiting)
    if is_empty:
        yield schema.to_frame()


@contextmanager
def _opened(target: Any) -> Iterator[Any]:
    if isinstance(target, (str, Path)):
        with open(target, "wb") as file:
            yield file
    else:
        yield _CompleteWriter(target)
        getattr(target, "flush", bool)()


class _CompleteWriter:
    """An open file that writes all that it is given; a raw one may write less."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            rest = rest[len(rest) if written is None else written :]
        return len(data)


def _append_row_groups(
    sink: Callable[..., Any],
    frames: Iterable[pl.DataFrame],
    file: Any,
    options: dict[str, Any],
) -> None:
    with closing(Concatenated(file)) as concatenated:
        for frame in frames:
            concatenated.add(_written(sink, frame, options))
        concatenated.finish()


def _append_text(
    sink: Callable[..., Any],
    frames: Iterable[pl.DataFrame],
    file: Any,
    options: dict[str, Any],
) -> None:
    is_first = True
    for frame in frames:
        file.write(_written(sink, frame, options))
        if is_first and sink is pl.LazyFrame.sink_csv:
            options = {**options, "include_header": False, "include_bom": False}
        is_first = False


def _written(sink: Callable[..., Any], frame: pl.DataFrame, options: dict[str, Any]) -> memoryview:
    buffer = io.BytesIO()
    sink(frame.lazy(), buffer, **options)
    return buffer.getbuffer()
