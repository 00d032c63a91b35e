"""Where a stream's frames go: files of any format, partitioned folders, Delta tables, a function."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.io.plugins import register_io_source

from dataflare_vec._util.foreign_errors import first_line, is_broken_pipe
from dataflare_vec.exceptions import SinkError
from dataflare_vec.interop.arrow import to_table
from dataflare_vec.streams.bounds import batch_bytes, piece_bytes
from dataflare_vec.streams.sinks.parquet_append import append

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: The beginning of a message of an Arrow IPC stream, and no more of it: an error to each reader, also of what
#: should be compressed.
_TORN = b"\xff\xff\xff\xff"

_SINKS: dict[str, Callable[..., Any]] = {
    "parquet": pl.LazyFrame.sink_parquet,
    "ipc": pl.LazyFrame.sink_ipc,
    "csv": pl.LazyFrame.sink_csv,
    "ndjson": pl.LazyFrame.sink_ndjson,
}
#: What the sinks call the rows that they gather.
_GATHERED = {"parquet": "row_group_size", "ipc": "record_batch_size"}


def write_frames(
    frames: Iterator[pl.DataFrame],
    schema: pl.Schema,
    target: Any,
    format: str,
    *,
    partition_by: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    name: str,
    memory: int | None = None,
) -> None:
    """Write frames to a file, or to a folder of partitions.

    Parameters
    ----------
    target
        A path, or a binary file that is open.
    name
        What messages call it: the path that is meant, where ``target`` is a temporary one.
    options
        As the sink of Polars, or `deltalake.write_deltalake`, takes them.
    memory
        Bytes that the stream may take: rows are gathered to a row group of some bytes, not of some rows.

    Raises
    ------
    SinkError
        If it can't be written. What ``frames`` raise is raised as it is.
    BrokenPipeError
        If the target is a pipe that nobody reads from any more.
    """
    options = dict(options or {})
    watched = WatchedFrames(frames)
    sink: Any = target
    try:
        if format == "ipc_stream":
            _write_ipc_stream(watched, schema, target, **options)
        elif format == "delta":
            _write_delta(watched, schema, target, partition_by, **options)
        elif memory is not None and format != "ipc" and not partition_by:
            append(_SINKS[format], watched, schema, target, piece_bytes(memory), options)
        else:
            if memory is not None and format in _GATHERED:
                options.setdefault(_GATHERED[format], watched.rows(batch_bytes(memory)))
            # Polars takes the frames one by one while its threads encode and write earlier ones.
            query = register_io_source(lambda *_: watched.until_error(), schema=schema)
            if partition_by:
                sink = pl.PartitionBy(target, key=list(partition_by))
                options["mkdir"] = True
            elif not isinstance(target, (str, Path)):
                sink = _Guarded(target, watched)
            _SINKS[format](query, sink, **options)
            if watched.error is not None:
                raise watched.error
    except BaseException as error:
        if watched.error is not None:
            is_open = not isinstance(target, (str, Path)) and format != "ipc_stream"
            if is_open and options.get("compression") in ("gzip", "zstd"):
                _tear(target)  # no bytes at all would be no rows to gzip
            raise watched.error from watched.error.__cause__
        if isinstance(error, (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)):
            failed = SinkError(first_line(error).replace(str(target), name), file=name)
            # Whoever reads a pipe may have had enough.
            is_left = is_broken_pipe(error) and not isinstance(target, (str, Path))
            raise (BrokenPipeError(str(failed)) if is_left else failed) from error
        raise


class WatchedFrames:
    """Frames, and what making them raised: so that it isn't taken for an error of the sink."""

    def __init__(self, frames: Iterator[pl.DataFrame]) -> None:
        self._frames = frames
        self._first: list[pl.DataFrame] = []
        self.error: BaseException | None = None

    def rows(self, nbytes: int) -> int:
        """Return how many rows are about so many bytes, by those of the first frame."""
        self._first = [frame for frame in (next(self, None),) if frame is not None]
        size = sum(frame.estimated_size() for frame in self._first)
        return max(1, int(nbytes * sum(frame.height for frame in self._first) / max(size, 1)))

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return self

    def __next__(self) -> pl.DataFrame:
        if self._first:
            return self._first.pop()
        try:
            return next(self._frames)
        except StopIteration:
            raise
        except BaseException as error:
            self.error = error
            raise

    def until_error(self) -> Iterator[pl.DataFrame]:
        """Yield them until making one raises, which is no end to whoever looks at ``error``.

        A query that fails returns while threads of Polars are about to open its files: they are there anew,
        once what was there has been removed.
        """
        with suppress(BaseException):
            yield from self


class _Guarded(io.RawIOBase):
    """An open file that gets nothing more once making the frames has failed.

    Polars ends a file well, also then: a Parquet file of the rows so far would be taken for all.
    """

    def __init__(self, file: Any, frames: WatchedFrames) -> None:
        self._file = file
        self._frames = frames

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._frames.error is not None:
            msg = "the stream that is written has failed"
            raise OSError(msg)
        written = self._file.write(data)
        return len(data) if written is None else int(written)

    def flush(self) -> None:
        if self._frames.error is None and not getattr(self._file, "closed", False):
            getattr(self._file, "flush", bool)()


def _write_ipc_stream(
    frames: WatchedFrames, schema: pl.Schema, target: Any, compression: str | None = None, **options: Any
) -> None:
    import pyarrow as pa

    arrow = to_table(schema.to_frame().get_columns()).schema
    sink = pa.OSFile(str(target), "wb") if isinstance(target, (str, Path)) else target
    if compression is not None:
        codec = None if compression == "uncompressed" else compression
        options["options"] = pa.ipc.IpcWriteOptions(compression=codec)
    try:
        writer = pa.ipc.new_stream(sink, arrow, **options)
        try:
            for frame in frames:
                writer.write_table(to_table(frame.get_columns()).cast(arrow))
        except BaseException:
            _tear(sink)  # it may end without a marker: whoever reads it would take what has come for all
            raise
        writer.close()
        sink.flush()
    finally:
        if sink is not target:
            sink.close()


def _tear(file: Any) -> None:
    """Let who reads an open file see that there should be more."""
    with suppress(OSError, ValueError):
        file.write(_TORN)
        file.flush()


def _write_delta(
    frames: WatchedFrames, schema: pl.Schema, target: Any, partition_by: Sequence[str], **options: Any
) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    level = pl.CompatLevel.oldest()
    arrow = to_table(schema.to_frame().get_columns(), compat_level=level).schema
    batches = (
        batch.cast(arrow)
        for frame in frames
        for batch in to_table(frame.get_columns(), compat_level=level).to_batches()
    )
    reader = pa.RecordBatchReader.from_batches(arrow, batches)
    try:
        write_deltalake(str(target), reader, partition_by=list(partition_by) or None, **options)
    except DeltaError as error:  # as of a table that is there already
        raise SinkError(str(error), file=target) from error
