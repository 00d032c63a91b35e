"""PyArrow's tables and batches: columns out of them for Polars, and new ones into them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.errors import KernelResultError
from dataflare_vec.frames.columns import first_line, passing_over, position, refuse

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dataflare_vec.engine.execute import Outcome


def read(data: Any, readers: Mapping[str, str], optional: Collection[str]) -> pl.DataFrame:
    """Return the columns that are read as a Polars frame, without a copy where the types allow it.

    Raises
    ------
    BindingError
        If there are several of a name, or Polars has no such type.
    """
    columns = {}
    for name in readers:
        with passing_over(name in optional):
            columns[name] = _read_column(data, name, readers)
    return pl.DataFrame(columns)


def _read_column(data: Any, name: str, readers: Mapping[str, str]) -> pl.Series:
    import pyarrow as pa

    at = position(data.schema.names, name)
    assert at is not None
    part = data.select([at])
    kind = data.schema.field(at).type
    what = f"is of Arrow's type {kind}, which Polars can't read"
    if pa.types.is_union(kind) or pa.types.is_interval(kind) or pa.types.is_decimal256(kind):
        refuse(name, readers, f"{what}; cast it, or leave it out")
    try:
        decoded = _decoded(part.column(0))
        frame = pl.from_arrow(part if decoded is None else pa.table({name: decoded}))
    except BaseException as error:  # a panic of Polars is none of Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        refuse(name, readers, f"{what} ({first_line(error)}); cast it, or leave it out", error)
    assert isinstance(frame, pl.DataFrame)
    return frame.to_series()


def _decoded(column: Any) -> Any:
    """Return a column of a type that Polars doesn't know as one of a type that says the same, or None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_run_end_encoded(kind):
        return pc.run_end_decode(column)
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        return pa.chunked_array([_as_list(chunk) for chunk in chunks], pa.large_list(kind.value_type))
    return None


def _as_list(views: Any) -> Any:
    """Return a list_view as a list; PyArrow's own cast gives wrong offsets (26.0)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = pc.list_value_length(views).fill_null(0).cast(pa.int64())
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(sizes)])
    return pa.LargeListArray.from_arrays(offsets, views.flatten(), mask=views.is_null())


def empty_table(schema: Any) -> Any:
    """Return a table without rows; PyArrow's own ``schema.empty_table()`` doesn't know each type."""
    import pyarrow as pa

    return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def to_arrow(series: pl.Series) -> Any:
    """Return a column as an Arrow array.

    Raises
    ------
    KernelResultError
        If it holds integers that no type of Arrow does.
    """
    if series.dtype in (pl.Int128, pl.UInt128):  # Arrow has no such integers; its decimals are as wide
        try:
            series = series.cast(pl.Decimal(38, 0))
        except pl.exceptions.PolarsError as error:
            msg = f"column `{series.name}` holds integers of more than 38 digits, which Arrow can't; cast it"
            raise KernelResultError(msg) from error
    return series.rechunk().to_arrow()


def like(data: Any, series: Sequence[pl.Series]) -> Any:
    """Return columns as data of the same kind."""
    import pyarrow as pa

    kind = pa.RecordBatch if isinstance(data, pa.RecordBatch) else pa.Table
    return kind.from_arrays([to_arrow(one) for one in series], names=[one.name for one in series])


def assemble(data: Any, outcome: Outcome, *, keep: bool) -> Any:
    """Return ``data`` with new columns and the rows that are kept; its other columns are the same arrays."""
    if outcome.reduced or (outcome.series and not keep):
        return like(data, outcome.series)
    result = data if outcome.keep is None else _filtered(data, outcome.keep)
    for series in outcome.series:
        at = position(result.schema.names, series.name)
        array = to_arrow(series)
        if at is None:
            result = result.append_column(series.name, array)
        else:
            result = result.set_column(at, series.name, array)
    return result


def _filtered(data: Any, mask: pl.Series) -> Any:
    import pyarrow as pa

    selected = mask.to_arrow()
    try:
        return data.filter(selected)
    except pa.ArrowNotImplementedError:  # of some column
        columns = [_filtered_column(column, mask, selected) for column in data.columns]
        return type(data).from_arrays(columns, schema=data.schema)


def _filtered_column(column: Any, mask: pl.Series, selected: Any) -> Any:
    """Return rows of a column of any type, also of one that PyArrow has no filter for."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return column.filter(selected)
    except pa.ArrowNotImplementedError:
        kind = column.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        plain = pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
        return column.cast(plain).filter(selected).cast(kind)
    if pa.types.is_run_end_encoded(kind):
        decoded = _filtered_column(pc.run_end_decode(column), mask, selected)
        return pc.run_end_encode(decoded, run_end_type=kind.run_end_type)
    runs = mask.rle().struct.unnest().with_columns(start=pl.col("len").cum_sum() - pl.col("len"))
    parts = [
        column.slice(start, length)
        for start, length in runs.filter("value").select("start", "len").iter_rows()
    ]
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], kind)
    return pa.concat_arrays(parts) if parts else column.slice(0, 0)
