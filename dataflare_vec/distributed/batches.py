"""Batches of either kind, tables of PyArrow and frames of pandas: the same few things to do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import named
from dataflare_vec.engine.execution.outcome import Outcome
from dataflare_vec.interop import assemble, column_names, is_pandas, to_polars

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


#: pandas' own dtypes for those of NumPy that know no null.
_NULLABLE = {"bool": "boolean"} | {
    f"{kind.lower()}{bits}": f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)
}
#: Where floats begin to have no place for each integer.
_EXACT = 2**53


def columns_of(batch: Any, names: Iterable[str]) -> pl.DataFrame:
    """Return some columns of a batch."""
    return to_polars(batch, dict.fromkeys(names, ""))


def of_columns(like: Any, columns: Sequence[pl.Series]) -> Any:
    """Return columns as a batch of the kind of another; in pandas of Arrow's dtypes, which know nulls.

    Categories are pandas' own: Arrow's have a name that pandas can't read, so Dask's workers can't send them.
    """
    if is_pandas(like):
        frame = named(columns)
        own = {
            one.name: _categories(one.to_pandas())
            for one in columns
            if isinstance(one.dtype, (pl.Categorical, pl.Enum))
        }
        return frame.to_pandas(use_pyarrow_extension_array=True).assign(**own)
    return assemble(like, Outcome(list(columns), None, [], 0, 0, reduced=True), keep=False)


def taken(batch: Any, rows: pl.Series, columns: Sequence[pl.Series] = ()) -> Any:
    """Return rows of a batch by their numbers, with more columns."""
    return assemble(batch, Outcome(list(columns), None, [], 0, 0, source=rows), keep=True)


def in_order(batch: Any, order_by: Sequence[str]) -> Any:
    """Return the rows of a batch in the order of some columns: nulls first, equal ones as they are."""
    if not len(batch):
        return batch
    keys = columns_of(batch, order_by)
    return taken(batch, keys.select(pl.arg_sort_by(*order_by, maintain_order=True)).to_series())


def conformed(batch: Any, like: Any) -> Any:
    """Return a batch with the types of another, where it hasn't got them.

    Parts of one frame may differ: a column that is null everywhere in one of them, integers that are floats
    where one is missing.

    Raises
    ------
    TypeError
        If the columns aren't the same, or a value can't be of that type.
    """
    is_of_pandas = is_pandas(batch)
    if not is_of_pandas and batch.schema.equals(like.schema):
        return batch
    found, wanted = column_names(batch), column_names(like)
    if found != wanted:
        if sorted(found) != sorted(wanted):
            missing = [name for name in wanted if name not in found]
            more = [name for name in found if name not in wanted]
            msg = f"a part of the data has other columns than its schema says: without {missing}, with {more}"
            raise TypeError(msg)
        batch = selected(batch, wanted)
    if is_of_pandas:
        converted = {
            name: _converted(batch[name], dtype)
            for name, dtype in like.dtypes.items()
            if ((found := batch.dtypes[name]) != dtype and found.name != "category")
            or (found.name == dtype.name == "category" and not len(found.categories))
        }
        return batch.assign(**converted) if converted else batch
    if batch.schema.types == like.schema.types:
        return batch
    arrays = [
        array if array.type == field.type else array.cast(field.type)
        for array, field in zip(batch.columns, like.schema, strict=True)
    ]
    return type(batch).from_arrays(arrays, schema=like.schema)


def knowing_nulls(output: Any, empty: Any, replaces: Collection[str]) -> Any:
    """Return a batch without rows whose new columns can have nulls: of some parts of the data they do.

    In pandas integers and booleans of NumPy become pandas' own.
    """
    if not is_pandas(output):
        return output
    fresh = [name for name in output.columns if name not in empty.columns or name in replaces]
    plain = {name: output.dtypes[name].name for name in fresh if output.dtypes[name].kind in "iub"}
    nullable = {name: _NULLABLE.get(dtype, dtype) for name, dtype in plain.items()}
    return output.astype(nullable) if nullable else output


def _converted(column: Any, dtype: Any) -> Any:
    """Return a column of pandas as one of another dtype.

    Raises
    ------
    TypeError
        If that would change a value.
    """
    if dtype.name == "category":
        return _categories(column)
    try:
        converted = column.astype(dtype)
        missing, was_missing = converted.isna(), column.isna()
        is_lost = dtype.kind != "f" and (missing & ~was_missing).any()
        is_made = dtype.kind == "b" and (was_missing & ~missing).any()
        is_plain = column.dtype.kind in "biufmM" and dtype.kind in "biufmM"
        is_same = not is_plain or ((converted.astype(column.dtype) == column) | was_missing).all()
        if is_same and not is_lost and not is_made:
            return converted
        reason = "values would change"
    except (TypeError, ValueError) as error:
        reason = str(error)
    schema = f"column `{column.name}` is {dtype} by the data's schema"
    msg = f"{schema}, and {column.dtype} in a part of it: {reason}"
    if dtype.kind in "iub" and column.isna().any():
        known = _with_nulls(column, dtype)
        if known is not None:
            return known
        msg = f'{msg}; read nulls as such, with `dtype_backend="pyarrow"`'
    raise TypeError(msg)


def _with_nulls(column: Any, dtype: Any) -> Any:
    """Return integers or truths as pandas' own, which know nulls; None if a value may be another by now.

    pandas makes floats of integers where one is missing, and objects of truths: large integers are rounded.
    """
    values = column.dropna()
    if values.dtype.kind == "f" and (dtype.kind == "b" or (values.abs() >= _EXACT).any()):
        return None
    try:
        known = column.astype(_NULLABLE.get(dtype.name, dtype))
    except (TypeError, ValueError):
        return None
    return known if (known.dropna() == values).all() and known.isna().equals(column.isna()) else None


def _categories(column: Any) -> Any:
    """Return values as categories of their own: each part may know others, and a frame as a whole none.

    Those of nulls alone are text, as pandas puts only such of one dtype together.
    """
    import pandas as pd

    if column.isna().all():
        column = column.astype(object).astype(pd.Series([""]).dtype)
    return column.infer_objects().astype("category")


def selected(batch: Any, names: Sequence[str]) -> Any:
    """Return some columns of a batch."""
    return batch[list(names)] if is_pandas(batch) else batch.select(list(names))


def added(batch: Any, column: pl.Series) -> Any:
    """Return a batch with one more column; in pandas of Arrow's dtype, as bytes aren't text there."""
    if is_pandas(batch):
        values = column.to_pandas(use_pyarrow_extension_array=True)
        return batch.assign(**{column.name: values.set_axis(batch.index)})
    return assemble(batch, Outcome([column], None, [], len(batch), 0), keep=True)


def arrays_of(table: Any) -> list[Any]:
    """Return the columns of a table as arrays; PyArrow's own `combine_chunks` copies a single chunk, too."""
    return [
        column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns
    ]


def structs_of(table: Any) -> Any:
    """Return the rows of a table as an array of structs."""
    import pyarrow as pa

    return pa.StructArray.from_arrays(arrays_of(table), fields=list(table.schema))


def dropped(batch: Any, name: str) -> Any:
    """Return a batch without a column."""
    return batch.drop(columns=[name]) if is_pandas(batch) else batch.drop_columns([name])


def without(batch: Any, names: Sequence[str]) -> Any:
    """Return a batch without some columns."""
    for name in names:
        batch = dropped(batch, name)
    return batch


def kept(batch: Any, rows: pl.Series) -> Any:
    """Return the rows of a batch that a mask keeps."""
    return batch if rows.all() else assemble(batch, Outcome([], rows, [], len(batch), 0), keep=True)


def of_values(like: Any, values: Mapping[str, pl.Series], rows: int) -> Any:
    """Return rows with the columns of a batch, some of which have values.

    The others are null, or zero where pandas knows no null of that dtype.
    """
    if is_pandas(like):
        import pandas as pd

        found = of_columns(like, [series.alias(name) for name, series in values.items()])
        columns = {
            name: found[name].astype(dtype) if name in values else _blank(dtype, rows)
            for name, dtype in like.dtypes.items()
        }
        return pd.DataFrame(columns, index=range(rows))[list(like.columns)]
    import pyarrow as pa

    arrays = [
        values[field.name].to_arrow().cast(field.type) if field.name in values else pa.nulls(rows, field.type)
        for field in like.schema
    ]
    return type(like).from_arrays(arrays, schema=like.schema)


def _blank(dtype: Any, rows: int) -> Any:
    """Return values of a dtype of pandas that say nothing."""
    import pandas as pd

    try:
        return pd.Series([None] * rows, dtype=dtype)
    except (TypeError, ValueError):  # integers and booleans of NumPy
        return pd.Series([0] * rows, dtype=dtype)
