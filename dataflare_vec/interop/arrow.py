"""PyArrow's tables and batches: columns out of them for Polars, and new ones into them."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.foreign_errors import first_line
from dataflare_vec._util.names import named
from dataflare_vec.exceptions import KernelResultError
from dataflare_vec.interop.columns import passing_over, position, refuse
from dataflare_vec.interop.sound import check

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from dataflare_vec.engine.execution.outcome import Outcome

    #: Says which rows there are in the end, as starts and lengths; asked only where nothing else helps.
    Runs = Callable[[], Sequence[tuple[int, int]]]


def read(data: Any, readers: Mapping[str, str], optional: Collection[str]) -> pl.DataFrame:
    """Return the columns that are read as a Polars frame, without a copy where the types allow it.

    Raises
    ------
    BindingError
        If there are several of a name, or Polars has no such type.
    UnsupportedDataError
        If one is damaged.
    """
    labels, types = data.schema.names, data.schema.types
    if not optional and "" not in readers:  # Polars gives a column without name one
        places = [position(labels, name) for name in readers]
        if not any(_has_other(types[at]) for at in places if at is not None):
            for name, at in zip(readers, places, strict=True):
                check(data.column(at), name, readers)
            with suppress(TypeError):  # column by column it comes out whose it is
                return _to_frame(data.select(places))
    columns = {}
    for name in readers:
        with passing_over(name in optional):
            at = position(labels, name)
            assert at is not None
            columns[name] = _read_column(data.select([at]), types[at], name, readers)
    return pl.DataFrame(columns)


def _read_column(part: Any, kind: Any, name: str, readers: Mapping[str, str]) -> pl.Series:
    import pyarrow as pa

    what = f"has the Arrow type {kind}, which Polars can't read"
    if any(map(_has_other, _inner(kind))):
        refuse(name, readers, f"{what}; cast it, or drop it")
    check(part.column(0), name, readers)
    try:
        if _is_other(kind):
            part = pa.table({name: _decoded(part.column(0))})
        return _to_frame(part).to_series()
    except TypeError as error:
        refuse(name, readers, f"{what} ({first_line(error)})", error, hint="cast it, or drop it")


def _to_frame(data: Any) -> pl.DataFrame:
    try:
        frame = pl.from_arrow(data)
    except BaseException as error:  # a panic of Polars is none of Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
            raise
        raise TypeError(first_line(error)) from error
    assert isinstance(frame, pl.DataFrame)
    return frame


@cache
def _other_types() -> frozenset[int]:
    """Return the ids of the types of Arrow that Polars doesn't know; some it doesn't survive."""
    import pyarrow.lib as lib

    return frozenset(
        (
            lib.Type_RUN_END_ENCODED,
            lib.Type_LIST_VIEW,
            lib.Type_LARGE_LIST_VIEW,
            lib.Type_SPARSE_UNION,
            lib.Type_DENSE_UNION,
            lib.Type_INTERVAL_MONTH_DAY_NANO,
            lib.Type_DECIMAL256,
        )
    )


def _is_other(kind: Any) -> bool:
    return kind.id in _other_types()


def _has_other(kind: Any) -> bool:
    return _is_other(kind) or any(map(_has_other, _inner(kind)))


def _inner(kind: Any) -> list[Any]:
    """Return the types of what values of a nested type are made of."""
    kind = getattr(kind, "storage_type", kind)
    if hasattr(kind, "num_fields") and kind.num_fields:
        return [kind.field(index).type for index in range(kind.num_fields)]
    return []


def _decoded(column: Any) -> Any:
    """Return a column of a type that Polars doesn't know as one of a type that says the same.

    Raises
    ------
    TypeError
        If there is none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_run_end_encoded(kind):
        return pc.run_end_decode(column)
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        return pa.chunked_array([_as_list(chunk) for chunk in chunks], pa.large_list(kind.value_type))
    msg = "it has no such type"
    raise TypeError(msg)


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

    return pa.Table.from_arrays([_empty(field.type) for field in schema], schema=schema)


def _empty(kind: Any) -> Any:
    """Return no values of a type; PyArrow's `nulls` of nested run-end-encoded ones aren't sound (26.0)."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return pa.StructArray.from_arrays([_empty(field.type) for field in kind], fields=list(kind))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        is_large = pa.types.is_large_list(kind)
        offsets = pa.array([0], pa.int64() if is_large else pa.int32())
        array = pa.LargeListArray if is_large else pa.ListArray
        return array.from_arrays(offsets, _empty(kind.value_type), type=kind)
    return pa.nulls(0, kind)


def portable(series: pl.Series) -> pl.Series:
    """Return a column without integers of 128 bits, which Arrow hasn't; its decimals are as wide.

    Raises
    ------
    KernelResultError
        If there is one of more than 38 digits.
    """
    dtype = _portable(series.dtype)
    if dtype == series.dtype:
        return series
    try:
        return series.cast(dtype)
    except pl.exceptions.PolarsError as error:
        msg = f"column `{series.name}` holds integers of more than 38 digits, which Arrow can't represent"
        raise KernelResultError(msg, column=series.name, hint="cast it") from error


def _portable(dtype: Any) -> Any:
    if dtype in (pl.Int128, pl.UInt128):
        return pl.Decimal(38, 0)
    if isinstance(dtype, pl.List):
        return pl.List(_portable(dtype.inner))
    if isinstance(dtype, pl.Array):
        return pl.Array(_portable(dtype.inner), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(field.name, _portable(field.dtype)) for field in dtype.fields])
    return dtype


def to_arrow(series: pl.Series) -> Any:
    """Return a column as an Arrow array, without what only a field can say of it: that it is an Enum.

    Raises
    ------
    KernelResultError
        As `portable` does.
    """
    return portable(series).rechunk().to_arrow()


def to_table(columns: Sequence[pl.Series], **options: Any) -> Any:
    """Return columns as a table; the options are those of `polars.DataFrame.to_arrow`.

    Raises
    ------
    KernelResultError
        As `portable` does.
    """
    return named([portable(one) for one in columns]).to_arrow(**options)


def like(data: Any, series: Sequence[pl.Series]) -> Any:
    """Return columns as data of the same kind, a batch or a table."""
    import pyarrow as pa

    kind = pa.RecordBatch if isinstance(data, pa.RecordBatch) else pa.Table
    arrays = [to_arrow(one) for one in series]
    fields = [_field(one, array) for one, array in zip(series, arrays, strict=True)]
    return kind.from_arrays(arrays, schema=pa.schema(fields))


def _field(series: pl.Series, array: Any) -> Any:
    """Return what a schema has of a column: also its dtype, where Arrow's type doesn't say that."""
    import pyarrow as pa

    if isinstance(series.dtype, (pl.Enum, pl.Categorical, pl.BaseExtension)):
        return to_table([series.clear()]).schema.field(0)
    return pa.field(series.name, array.type)


def assemble(data: Any, outcome: Outcome, *, keep: bool) -> Any:
    """Return ``data`` with new columns and the rows that are kept; its other columns are the same arrays."""
    if outcome.reduced or (outcome.series and not keep):
        return like(data, outcome.series)
    result = data if outcome.remaining is None else _filtered(data, outcome.remaining)
    if outcome.source is not None:
        result = _taken(data, outcome.source)
    for series in outcome.series:
        at = position(result.schema.names, series.name)
        array = to_arrow(series)
        field = _field(series, array)
        if at is None:
            result = result.append_column(field, array)
        else:
            result = result.set_column(at, field, array)
    return result


def _filtered(data: Any, mask: pl.Series) -> Any:
    import pyarrow as pa

    selected = mask.to_arrow()
    try:
        return data.filter(selected)
    except pa.ArrowNotImplementedError:  # of some column
        return _of_columns(data, lambda column: column.filter(selected), lambda: _runs(mask))


def _taken(data: Any, rows: pl.Series) -> Any:
    """Return rows of a table, each as often as it is named."""
    indices = rows.to_arrow()
    return _of_columns(data, lambda column: column.take(indices), lambda: [(row, 1) for row in rows])


def _runs(mask: pl.Series) -> list[tuple[int, int]]:
    """Return where the rows that are kept begin, and how many there are side by side."""
    runs = mask.rle().struct.unnest().with_columns(start=pl.col("len").cum_sum() - pl.col("len"))
    return runs.filter("value").select("start", "len").rows()


def _of_columns(data: Any, select: Callable[[Any], Any], runs: Runs) -> Any:
    """Return the rows of a table that ``select`` gives of a column."""
    columns = [_of_column(column, select, runs) for column in data.columns]
    return type(data).from_arrays(columns, schema=data.schema) if columns else data


def _of_column(column: Any, select: Callable[[Any], Any], runs: Runs) -> Any:
    """Return rows of a column of any type, also of one for which PyArrow doesn't know how."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return select(column)
    except pa.ArrowNotImplementedError:
        kind = column.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        plain = pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
        return select(column.cast(plain)).cast(kind)
    if pa.types.is_run_end_encoded(kind):
        decoded = _of_column(pc.run_end_decode(column), select, runs)
        return pc.run_end_encode(decoded, run_end_type=kind.run_end_type)
    parts = [column.slice(start, length) for start, length in runs()]
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([chunk for part in parts for chunk in part.chunks], kind)
    return pa.concat_arrays(parts) if parts else column.slice(0, 0)
