"""Streams of Arrow batches in, a reader out: each batch is computed as it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec._util.foreign_errors import first_line
from dataflare_vec.exceptions import UnsupportedDataError
from dataflare_vec.interop import assemble
from dataflare_vec.interop.arrow import empty_table, like
from dataflare_vec.interop.batch_runner import BatchRunner
from dataflare_vec.interop.runner import apply_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.engine.planning.request import Request


def open_reader(data: Any) -> Any:
    """Return a `pyarrow.RecordBatchReader` of anything with ``__arrow_c_stream__``.

    Raises
    ------
    UnsupportedDataError
        If what it hands over aren't record batches.
    """
    import pyarrow as pa

    if isinstance(data, pa.RecordBatchReader):
        return data
    try:
        return pa.RecordBatchReader.from_stream(data)
    except pa.ArrowInvalid as error:  # one column, as of a ChunkedArray; or a type that only Polars has
        raise UnsupportedDataError(
            argument="data",
            expected="a frame or a stream of record batches",
            got=f"{type(data).__name__} ({first_line(error)})",
            hint="`pl.Series(data)` makes a Series of one column, `pl.DataFrame(data)` reads types that only "
            "Polars has, such as Int128",
        ) from error


def apply_to_reader(data: Any, request: Request) -> Any:
    """Return a reader of what comes of the batches; columns that aren't read are handed on as they are."""
    import pyarrow as pa

    reader = open_reader(data)
    empty = empty_table(reader.schema)
    runner = BatchRunner(request, empty)
    if runner.plan.needs_all_rows:  # it needs all rows at once, whoever hands them over one batch at a time
        return apply_to(reader.read_all(), request).to_reader()
    schema = runner.output.schema

    def batches() -> Iterator[Any]:
        for batch in reader:
            outcome = runner.run(batch)
            if not outcome.reduced:
                yield _as(schema, assemble(batch, outcome, keep=request.keep))
                continue
            rows = runner.ended()
            if rows is not None:
                yield from _as(schema, like(empty, rows)).to_batches()
        rows = runner.finish()
        if rows is not None:
            yield from _as(schema, like(empty, rows)).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _as(schema: Any, data: Any) -> Any:
    """Return a batch or a table with the types of a schema, where it hasn't got them."""
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(data.columns, schema, strict=True)
    ]
    return type(data).from_arrays(columns, schema=schema)
