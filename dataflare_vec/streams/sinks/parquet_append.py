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
#: Frames that wait while others are encoded, and row groups while others are written: of rows of 10 MB each
#: counts.
_DEPTH = 1
#: Bytes that go to a file at a time: Linux takes six times as long over 7 MiB at once, for larger pages.
_AT_A_TIME = 1 << 20


def append(
    sink: Callable[..., Any],
    frames: Iterable[pl.DataFrame],
    schema: pl.Schema,
    target: Any,
    nbytes: int,
    options: dict[str, Any],
) -> None:
    """Write frames by a sink of Polars for Parquet, CSV or NDJSON, about ``nbytes`` at a time.

    While some are written, the next are encoded, and those after them made.

    Parameters
    ----------
    target
        A path, or a binary file that is open.
    """
    made = PrefetchQueue.of(frames, _DEPTH)
    contents = PrefetchQueue.of(_encoded(sink, _gathered(made, nbytes, schema), options), _DEPTH)
    with closing(made), closing(contents), _opened(target) as file:
        if sink is pl.LazyFrame.sink_parquet:
            _join(contents, file)
        else:
            for content in contents:
                file.write(content)


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
def _opened(target: Any) -> Iterator[_CompleteWriter]:
    if isinstance(target, (str, Path)):
        with open(target, "wb", buffering=0) as file:
            yield _CompleteWriter(file)
    else:
        yield _CompleteWriter(target)
        getattr(target, "flush", bool)()


class _CompleteWriter:
    """An open file that writes all that it is given, some at a time; a raw one may write less."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        while rest:
            part = rest[:_AT_A_TIME]
            written = self._file.write(part)
            rest = rest[len(part) if written is None else written :]
        return len(data)


def _encoded(
    sink: Callable[..., Any], frames: Iterable[pl.DataFrame], options: dict[str, Any]
) -> Iterator[memoryview]:
    """Yield what a sink makes of each frame; of text, only the first has a header."""
    for frame in frames:
        buffer = io.BytesIO()
        sink(frame.lazy(), buffer, **options)
        yield buffer.getbuffer()
        if sink is pl.LazyFrame.sink_csv:
            options = {**options, "include_header": False, "include_bom": False}


def _join(row_groups: Iterable[memoryview], file: Any) -> None:
    with closing(Concatenated(file)) as concatenated:
        for content in row_groups:
            concatenated.add(content)
        concatenated.finish()
