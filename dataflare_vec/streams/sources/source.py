"""What a stream reads from: files, or anything that hands over batches, brought to one shape: parts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from dataflare_vec._util.foreign_errors import first_line
from dataflare_vec._util.prefetch import ClosedError
from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.exceptions import ArgumentError, DataFlareError, SourceError, UnsupportedDataError
from dataflare_vec.interop import (
    column_names,
    is_narwhals,
    is_pandas,
    is_pandas_series,
    is_pyarrow,
    to_polars,
)
from dataflare_vec.interop.arrow import empty_table
from dataflare_vec.interop.query_rows import rows_of
from dataflare_vec.interop.readers import open_reader
from dataflare_vec.streams.formats import READABLE, check_format
from dataflare_vec.streams.sources.files import check_same, open_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Collection, Iterable, Iterator, Mapping

    from dataflare_vec._util.prefetch import PrefetchQueue
    from dataflare_vec.streams.sources.files import Types


class Part(Protocol):
    """Something that is read from its first row to its last: a file, or a stream.

    Attributes
    ----------
    label
        What failed rows and messages call it; None if it needs no name.
    schema
        Its columns, None if only the first batch tells.
    rows
        How many there are, None if only reading tells.
    """

    @property
    def label(self) -> str | None: ...  # noqa: D102
    @property
    def schema(self) -> pl.Schema | None: ...  # noqa: D102
    @property
    def rows(self) -> int | None: ...  # noqa: D102
    def batches(  # noqa: D102
        self, size: int, memory: int | None = None
    ) -> Iterable[pl.DataFrame]: ...


@dataclass
class Query:
    """A Polars query, run in Polars' streaming engine."""

    frame: pl.LazyFrame
    schema: pl.Schema
    label: None = None
    rows: int | None = None

    def batches(self, size: int, memory: int | None = None) -> Iterator[pl.DataFrame]:
        """Yield its result in frames of about ``size`` rows."""
        try:
            yield from rows_of(self.frame, size)
        except pl.exceptions.PanicException as error:  # which is none of Exception
            msg = f"the query can't be read: {first_line(error)}"
            raise SourceError(msg) from error


class Batches:
    """Batches or frames of any kind, as an iterable hands them over; their columns may not change."""

    label = None

    def __init__(
        self,
        items: Iterable[Any],
        schema: pl.Schema | None = None,
        rows: int | None = None,
        needed: Collection[str] | None = None,
    ) -> None:
        self._needed = needed
        self._items = iter(items)
        self.schema = schema
        self.rows = rows
        self._index = self._row = 0

    def peek(self) -> None:
        """Find the schema: take the first batch, which is the first of `batches` all the same."""
        if self.schema is None:
            try:
                first = self._check(next(self._items))
            except StopIteration:
                msg = "the iterator yields no batches, so its columns are unknown"
                raise SourceError(msg, hint="yield an empty frame") from None
            self._index = self._row = 0
            self._items = chain([first], self._items)

    def batches(self, size: int, memory: int | None = None) -> Iterator[pl.DataFrame]:
        """Yield them as Polars frames, large ones cut."""
        for item in self._items:
            frame = self._check(item)
            if frame.height <= size:
                yield frame
            else:
                yield from frame.iter_slices(size)

    def _check(self, item: Any) -> pl.DataFrame:
        """Return a batch with the columns in the order of the first one.

        Raises
        ------
        SourceError
            If it has other columns.
        """
        frame = as_frame(item, self._needed)
        if self.schema is None:
            self.schema = frame.schema
        place = {"batch": self._index, "row": self._row}
        check_same(frame.schema, self.schema, "in the batches before", **place)
        self._index += 1
        self._row += frame.height
        names = self.schema.names()
        return frame if frame.columns == names else frame.select(names)


class AsyncBatches(Batches):
    """The same of an asynchronous iterator. Read in an event loop of its own, unless the stream is."""

    def __init__(self, items: AsyncIterable[Any], needed: Collection[str] | None = None) -> None:
        super().__init__(_in_own_loop(items), needed=needed)
        self._async_items = items

    async def feed(self, queue: PrefetchQueue) -> None:
        """Read in the running event loop, into a queue."""
        iterator = aiter(self._async_items)
        try:
            async for item in iterator:
                await queue.put_async((monotonic(), self._check(item)))
        except ClosedError:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()
        except BaseException as error:
            queue.finish(error)
            if not isinstance(error, Exception):
                raise
        else:
            queue.finish()


def _in_own_loop(items: AsyncIterable[Any]) -> Iterator[Any]:
    import asyncio

    loop = asyncio.new_event_loop()
    iterator = aiter(items)
    try:
        while True:
            try:
                yield loop.run_until_complete(anext(iterator))
            except StopAsyncIteration:
                return
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            loop.run_until_complete(close())
        loop.close()


def open_source(
    source: Any,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    types: Types | None = None,
    needed: Collection[str] | None = None,
) -> list[Part]:
    """Return the parts of whatever can be read as a stream; for files the rest is as in `open_files`.

    Parameters
    ----------
    format
        Of files, if their names don't say it.
    needed
        Columns without which it can't be; None for all. Others are left out if Polars can't read them.

    Raises
    ------
    SourceError
        If files are missing or damaged, or their columns differ.
    UnsupportedDataError
        If it is nothing that can be read.
    ValueError
        If there is no such format.
    """
    check_format("input_format", format, READABLE)
    if isinstance(source, (str, Path)):
        source = [source]
    if isinstance(source, (list, tuple)) and source and all(isinstance(p, (str, Path)) for p in source):
        return list(open_files(source, format, options, types))
    if options:
        said = [part for name in options for part in (", ", Argument(name))][1:]
        what = f": applies only to files, got {type(source).__name__}"
        raise ArgumentError(Phrase(*said, what), argument=next(iter(options)), got=type(source).__name__)
    if is_narwhals(source):
        source = source.to_native()
    if isinstance(source, pl.LazyFrame):
        return [Query(source, source.collect_schema())]
    if isinstance(source, pl.Series) or is_pandas_series(source):
        source = source.to_frame()
    if is_pandas(source) or is_pyarrow(source, "Table", "RecordBatch") or isinstance(source, pl.DataFrame):
        frame = as_frame(source, needed)
        return [Batches([frame], frame.schema, frame.height)]
    reader = _reader(source)
    if reader is not None:
        return [Batches(reader, _schema_of(reader, needed), needed=needed)]
    if hasattr(source, "__aiter__"):
        return [AsyncBatches(source, needed)]
    if hasattr(source, "__iter__") and not isinstance(source, (bytes, dict)):
        return [Batches(source, needed=needed)]
    msg = (
        "a stream reads files (a path, a pattern, a folder or a list of them), a frame, anything with "
        f"`__arrow_c_stream__`, or an iterator of batches; got {type(source).__name__}"
    )
    raise UnsupportedDataError(msg)


def _schema_of(reader: Any, needed: Collection[str] | None) -> pl.Schema:
    """Return a reader's columns as Polars has them.

    Raises
    ------
    SourceError
        If Polars doesn't know a type, or can't hold it: decimals of 60 digits.
    """
    try:
        schema = as_frame(empty_table(reader.schema), needed).schema
        schema.to_frame()
    except (DataFlareError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of Polars is none of Exception
        msg = f"Polars can't read the columns of the stream: {first_line(error)}"
        raise SourceError(msg) from error
    return schema


def _reader(source: Any) -> Any:
    """Return a reader of record batches, None if the source isn't one and can't give one."""
    if is_pyarrow(source, "RecordBatchReader"):
        return source
    for name in ("to_arrow_reader", "fetch_record_batch", "to_reader"):  # DuckDB, ADBC, Arrow Flight
        give = getattr(source, name, None)
        if give is not None:
            return give()
    return open_reader(source) if hasattr(source, "__arrow_c_stream__") else None


def _frame_of(item: Any, needed: Collection[str] | None) -> pl.DataFrame:
    """Return what speaks Arrow as a frame."""
    import pyarrow as pa

    if is_pyarrow(item, "Array", "ChunkedArray"):  # a column without a name
        item = pa.table({"": item})
    if not isinstance(item, pl.Series):
        with suppress(pa.ArrowInvalid):  # of a type that is Polars' own, so what it holds is, too
            table = pa.table(item) if hasattr(item, "__arrow_c_stream__") else pa.record_batch(item)
            return as_frame(table, needed)
    return pl.DataFrame(item)


def as_frame(item: Any, needed: Collection[str] | None = None) -> pl.DataFrame:
    """Return one batch as a Polars frame, without a copy where the types allow it.

    Raises
    ------
    UnsupportedDataError
        If it is no batch.
    """
    if is_narwhals(item):
        item = item.to_native()
    if isinstance(item, pl.DataFrame):
        return item
    if is_pandas(item) or is_pyarrow(item, "Table", "RecordBatch"):
        names = dict.fromkeys(column_names(item), "")
        return to_polars(item, names, () if needed is None else names.keys() - set(needed))
    if hasattr(item, "__arrow_c_stream__") or hasattr(item, "__arrow_c_array__"):
        return _frame_of(item, needed)
    raise UnsupportedDataError(
        problem=f"a stream is made of batches or frames, got {type(item).__name__}",
        expected="a batch or a frame",
        got=type(item).__name__,
        hint="collect records and pass `pl.DataFrame(records)`",
    )
