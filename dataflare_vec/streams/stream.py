"""`stream`: plugins over data that is larger than memory, or that never ends."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.prefetch import ClosedError
from dataflare_vec.config.settings import as_timedelta
from dataflare_vec.exceptions import ArgumentError, StreamUsedError
from dataflare_vec.interop.arrow import to_table
from dataflare_vec.service.manager import managed
from dataflare_vec.streams.flow import Flow
from dataflare_vec.streams.sinks.write import Writing
from dataflare_vec.streams.sources.source import open_source
from dataflare_vec.streams.transform import Transform, parse_memory
from dataflare_vec.streams.write_plan import WritePlan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path
    from typing import BinaryIO

    import polars as pl

    from dataflare_vec._typing import OnError
    from dataflare_vec.api.apply import Plugins
    from dataflare_vec.config.settings import BatchConfig
    from dataflare_vec.engine.planning.steps import By
    from dataflare_vec.engine.state.expiry import Expire
    from dataflare_vec.service.manager import PluginManager
    from dataflare_vec.streams.result import StreamResult
    from dataflare_vec.streams.sources.source import Part


#: The use that may go on, from several threads too.
_ITERATED = "iterated over"


def stream(
    source: Any,
    /,
    plugin: Plugins,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: OnError = "raise",
    manager: PluginManager | None = None,
    config: BatchConfig | None = None,
    by: By = None,
    expire: Expire = None,
    state: Any = None,
    max_latency: float | timedelta | None = None,
    memory: int | str | None = None,
    format: str | None = None,
    read_options: Mapping[str, Any] | None = None,
    replace: bool = False,
    **bindings: Any,
) -> Stream:
    """Stream data through plugins, batch by batch, while it is read and the output is consumed.

    Parameters
    ----------
    source
        Files (a path, a folder, a pattern as ``"data/*.parquet"``, or a list of them): Parquet, Arrow IPC,
        CSV or NDJSON, by the ends of their names; CSV and NDJSON also compressed (``.csv.gz``, ``.tsv.zst``).
        A LazyFrame or a frame. Anything with ``__arrow_c_stream__``: a RecordBatchReader,
        a DuckDB relation, an ADBC cursor, a Flight reader. An iterator, a generator, or an asynchronous one
        of batches or frames of any kind, such as a live feed.
    plugin, output, keep, on_error, manager, config, by, expire, state, replace, **bindings
        As in `apply`. A scan's state is carried from batch to batch and from file to file; a reduce gives
        its rows after the last one.
    max_latency
        Seconds (or a `timedelta`) that a batch of a live feed may be in flight. Small batches are coalesced
        within that time. None coalesces until there are enough rows for an efficient run.
    memory
        Bytes, or a string such as ``"1GiB"``, that the data in flight may take, at least ``"128MiB"``: data
        being read, queued, computed and collected for the writer, together. Bytes are counted, so long rows
        make short batches; the values are the same. The interpreter and its libraries come on top, about
        230 MiB with Numba. See the notes for what it can't bound. None for batches of a fixed number of rows.
    format
        Format of the files, if their names don't tell: ``"parquet"``, ``"ipc"``, ``"ipc_stream"``, ``"csv"``,
        ``"ndjson"``.
    read_options
        Options for reading CSV and NDJSON files, named as in `polars.scan_csv`: ``separator``,
        ``quote_char``, ``has_header``, ``new_columns``, ``null_values``, ``schema_overrides``,
        ``decimal_comma``, ``comment_prefix``, ``skip_rows``, …; and ``encoding``, any that Python knows (one
        other than UTF-8 needs room for a copy in the temporary folder). A CSV column whose parameter is
        annotated, as in ``zip: str``, has that type; the dtypes of the others are inferred from the first
        10,000 rows, or those in the first 64 MiB. The keys of an NDJSON file are collected first, from all
        of it or from ``infer_schema_length`` rows.

    Returns
    -------
    Stream
        To be iterated over, written to a file, or passed on as an Arrow stream. It can be used only once.

    Raises
    ------
    SourceError
        If files are missing or damaged, or their columns differ; before any work is done, if their headers or
        footers show it.
    PluginError
        If the plugins don't match the columns.

    Notes
    -----
    With `memory`, the least that is held at a time is one row, one page of a Parquet file (which can only be
    decompressed as a whole; PyArrow writes up to 1,024 rows to one), one chunk of a nested Parquet column as
    it is in the file, and one batch of an Arrow IPC file or stream. Not bounded are a
    LazyFrame's own query, frames and batches that the caller makes, states of scans and reduces, what a
    plugin allocates, and the writers of Delta tables, IPC files and partitions: of the latter two, the first
    rows tell how many are gathered. Row groups of too many columns to be decoded at a time are decoded into
    the temporary folder, which needs room for one. Parquet files are written in smaller row groups.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def twice(x):
    ...     return 2 * x
    >>> feed = (pl.DataFrame({"x": [i]}) for i in range(3))
    >>> stream = dfv.stream(feed, "twice")
    >>> [frame["twice"].to_list() for frame in stream]
    [[0, 2, 4]]
    >>> stream.result.processed_count
    3
    """
    transform = Transform(
        managed(manager),
        plugin,
        output=output,
        keep=keep,
        on_error=on_error,
        config=config,
        memory=parse_memory(memory),
        by=by,
        expire=expire,
        state=state,
        replace=replace,
        bindings=bindings,
    )
    latency = None if max_latency is None else as_timedelta("max_latency", max_latency).total_seconds()
    if latency is not None and latency <= 0:
        raise ArgumentError(argument="max_latency", expected="more than 0 seconds", got=repr(max_latency))
    parts = open_source(source, format, read_options, transform.annotated, transform.needed)
    return Stream(parts, transform, latency)


class Stream:
    """A stream of data through plugins; made by `stream`.

    An iterator of Polars frames, also an asynchronous one; an Arrow stream (``__arrow_c_stream__``); and
    `write` sends it to files. Nothing is read before it is used, apart from the files' schemas. It can be
    used for one of these, once. Threads that iterate over it share the frames: each goes to one of them.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def gross(amount):
    ...     return amount * 1.19
    >>> feed = (pl.DataFrame({"amount": [100.0 * day]}) for day in (1, 2))
    >>> stream = dfv.stream(feed, "gross")
    >>> list(stream.schema)
    ['amount', 'gross']
    >>> [row for frame in stream for row in frame.rows()]
    [(100.0, 119.0), (200.0, 238.0)]
    >>> stream
    <Stream: 2 rows in, 2 out>
    """

    def __init__(self, parts: list[Part], transform: Transform, max_latency: float | None) -> None:
        self._flow = Flow(parts, transform, max_latency)
        self._use: str | None = None
        self._lock = threading.Lock()
        rows = [part.rows for part in parts]
        known = [count for count in rows if count is not None]
        self.result.total_count = sum(known) if len(known) == len(rows) else None
        if parts[0].schema is not None:
            _ = self._flow.schema
        # A stream that is left, as by `break`, and that nobody has any more: its threads would wait for ever.
        weakref.finalize(self, self._flow.close)

    @property
    def parts(self) -> list[Part]:
        """The files, or the one source, that it reads."""
        return self._flow.parts

    @property
    def result(self) -> StreamResult:
        """Counts so far, and the first failed rows."""
        return self._flow.transform.result

    @property
    def state(self) -> Any:
        """States of scans and reduces after the rows so far, to resume from as ``state=`` of another call."""
        return self._flow.transform.state

    @property
    def input_schema(self) -> pl.Schema:
        """Schema of the input; reads the first batch of an iterator to find it."""
        return self._flow.input_schema

    @property
    def schema(self) -> pl.Schema:
        """Schema of the output."""
        return self._flow.schema

    def _begin(self, use: str) -> None:
        """Remember what the stream is used for, which can be one thing only.

        Raises
        ------
        StreamUsedError
            If it is used for another, or was.
        """
        with self._lock:
            if self._use is not None and (self._use != use or use != _ITERATED):
                msg = f"the stream was {self._use} already, and can be used only once"
                raise StreamUsedError(msg, hint="make another one with `dfv.stream(…)`")
            self._use = use

    # -- taking frames --------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return self

    def __next__(self) -> pl.DataFrame:
        self._begin(_ITERATED)
        try:
            frame: pl.DataFrame = next(self._flow.frames)
        except ClosedError:
            raise StopIteration from None
        return frame

    def __aiter__(self) -> AsyncIterator[pl.DataFrame]:
        return self

    async def __anext__(self) -> pl.DataFrame:
        import asyncio

        self._begin(_ITERATED)
        if self._flow.loop is None:
            self._flow.loop = asyncio.get_running_loop()
        frame: pl.DataFrame = await self._flow.frames.take_async()
        return frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the stream on to whatever reads Arrow's C stream interface."""
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def to_reader(self) -> Any:
        """Return the stream as a `pyarrow.RecordBatchReader`.

        Notes
        -----
        Arrow has no integers of 128 bits: Int128 and UInt128, also inside lists and structs, are
        ``Decimal(38, 0)`` there. The same goes for what `write` makes an Arrow IPC stream of.
        """
        import pyarrow as pa

        schema = to_table(self.schema.to_frame().get_columns()).schema

        def batches() -> Iterator[Any]:
            self._begin("read as an Arrow stream")
            for frame in self._flow.frames:
                for batch in to_table(frame.get_columns()).combine_chunks().to_batches():
                    yield batch.cast(schema)

        return pa.RecordBatchReader.from_batches(schema, batches())

    # -- writing --------------------------------------------------------------------------------------------

    def write(
        self,
        target: str | Path | Callable[[pl.DataFrame], Any] | BinaryIO,
        *,
        format: str | None = None,
        partition_by: str | Sequence[str] = (),
        errors: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        progress: Callable[[StreamResult], None] | None = None,
        **options: Any,
    ) -> StreamResult:
        """Write the output, and return the counts.

        Parameters
        ----------
        target
            A file: Parquet, IPC, CSV or NDJSON by its name (also ``.tsv``, ``.csv.gz``, ``.ndjson.zst``). A
            folder, that is one that is there, a name that ends in ``/`` or has no suffix: a file in it for
            each input file; or partitions, or a Delta table. A function that is called with each
            frame. A binary file that is open, which gets an Arrow IPC stream. Links are followed, pipes and
            devices written to as they are.
        format
            ``"parquet"``, ``"ipc"``, ``"ipc_stream"``, ``"csv"``, ``"ndjson"`` or ``"delta"``, if the name
            doesn't say it. In a folder, by default each file's own.
        partition_by
            Columns by whose values rows go to folders ``column=value`` (Hive), as Parquet unless `format`
            says another.
        errors
            A file that gets the rows that failed: their columns, with ``error_file``, ``error_row``,
            ``error_plugin``, ``error_type`` and ``error_message``. Where `target` is a folder of files, a
            folder too. Needs ``on_error="null"`` or ``"drop"``.
        resume
            In a folder of files, leave out those whose output, and file of failed rows if that is wanted, are
            there and are newer than the input.
        overwrite
            Replace a folder of partitions. Files are replaced anyway.
        progress
            Called some times a second, with the counts so far.
        **options
            For the writer: what Polars' sinks take, as ``compression="zstd"``, or `deltalake`.

        Returns
        -------
        StreamResult
            The same as `result`.

        Raises
        ------
        SinkError
            If it can't be written.
        SourceError
            If the data can't be read.
        RowError
            If rows failed under ``on_error="raise"``.
        MissingDependencyError
            If the target is a Delta table and deltalake isn't installed; ``pip install
            "dataflare_vec[delta]"`` does.

        Notes
        -----
        A file has a temporary name in the same folder while it is written, and its own when it is whole
        and synced to the disk. Whatever happens, there is the old file, the new one or none. What a
        process that was killed has left is removed by the next one that writes the same file. With
        `resume`, the plugins have to be the same as before.

        A folder of partitions, and a Delta table that is new, are made under a temporary name too. The new
        folder takes the place of an old one in one step on Linux and macOS, where the file system can
        exchange two names (ext4, XFS, Btrfs, tmpfs and APFS can; NFS can't). Elsewhere there is neither for a
        moment, and after a kill in that moment the next run gives the old one back. Of runs that replace a
        folder at once the last one stays, whole; without `overwrite` the first one does, and the others
        raise. A reader that has the old folder open sees its files go.

        On file systems without locks (NFS without its lock service, Windows) a run can't tell what is left
        over from what is being written: names as ``.out.parquet.123-1f2e3d-unlocked.partial`` stay, and may
        be removed by hand.
        """
        plan = WritePlan(target, format, partition_by, errors, resume, overwrite, options)
        return self.carry_out(plan, progress)

    def carry_out(
        self, plan: WritePlan, progress: Callable[[StreamResult], None] | None = None
    ) -> StreamResult:
        """Write as a plan says, which holds the arguments of `write`."""
        writing = Writing(plan, self._flow, progress)
        writing.check()
        self._begin("written")
        return writing.run()

    # -- end ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop reading; work in flight ends with its batch."""
        self._flow.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        result = self.result
        return f"<Stream: {result.processed_count} rows in, {result.output_count} out>"
