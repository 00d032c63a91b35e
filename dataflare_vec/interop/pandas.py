"""pandas' frames: columns out of them for Polars, and new ones into them, in dtypes that lose nothing."""

from __future__ import annotations

import ctypes
import datetime
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

import polars as pl

from dataflare_vec._util.foreign_errors import first_line
from dataflare_vec._util.names import named
from dataflare_vec.interop.arrow import to_arrow
from dataflare_vec.interop.columns import passing_over, position, refuse
from dataflare_vec.interop.sound import check

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from dataflare_vec.engine.execution.outcome import Outcome

    #: Whose dtypes new columns get: NumPy's, pandas' own that know nulls, or Arrow's.
    Family = Literal["numpy", "nullable", "arrow"]

#: Types of Python objects that a message names.
_SHOWN_TYPES = 4

#: NumPy's codes for the types of booleans and numbers that Polars has as they are.
_NUMBERS = frozenset("?bBhHiIlLqQfd")


#: The columns of the frame that was looked at last, weakly referred to, and their labels as a list.
_last_labels: tuple[Callable[[], Any], Sequence[Any]] = (lambda: None, ())


def labels_of(data: Any) -> Sequence[Any]:
    """Return the labels of a frame's columns, which aren't to be changed.

    A call asks several times. A list takes microseconds to make, and an index of pandas' never changes.
    """
    global _last_labels
    index = data.columns
    last, labels = _last_labels
    if last() is not index:
        labels = index.tolist()
        _last_labels = ref(index), labels
    return labels


def read(data: Any, readers: Mapping[str, str], optional: Collection[str]) -> pl.DataFrame:
    """Return the columns that are read as a Polars frame.

    Raises
    ------
    BindingError
        If there are several of a name, or what they hold can't be read.
    UnsupportedDataError
        If one is of Arrow and damaged.
    """
    labels = labels_of(data)
    columns = []
    for name in readers:
        with passing_over(name in optional):
            at = position(labels, name)
            assert at is not None
            column = _read_column(_column(data, labels[at], at), name, readers)
            columns.append(column if column.name == name else column.alias(name))
    return named(columns)


def _column(data: Any, label: Any, at: int) -> Any:
    """Return a column by its place; by its label, which takes half as long, where nothing else is meant."""
    columns = data.columns
    if columns.is_unique and columns.nlevels == 1 and isinstance(label, str):
        return data[label]
    return data.iloc[:, at]


def _read_column(column: Any, name: str, readers: Mapping[str, str]) -> pl.Series:
    """Return one column, of NumPy's numbers in their memory. NaN stays NaN: only a dtype's null is one."""
    import numpy as np

    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.isnative and dtype.char in _NUMBERS:
        return pl.Series(name, column.to_numpy())
    return _convert_column(column, name, readers)


def _convert_column(column: Any, name: str, readers: Mapping[str, str]) -> pl.Series:
    """Return a column of any other type."""
    import pandas as pd
    import pyarrow as pa

    what = f"has the pandas dtype {column.dtype}, which Polars can't read"
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    values = column.dtype.categories.array if is_category else column.array
    if is_category and not len(values) and pd.api.types.is_string_dtype(values.dtype):
        return pl.Series(name, [None], pl.Categorical).new_from_index(0, len(column))  # else of no type
    if isinstance(values.dtype, pd.ArrowDtype) or getattr(values.dtype, "storage", None) == "pyarrow":
        check(values.__arrow_array__(), name, readers)
    elif getattr(values, "unit", None) == "s":
        check(pa.array(values, from_pandas=True), name, readers)
    if pd.api.types.is_object_dtype(column.dtype):
        column, kinds = _plain_objects(column)
        shown = ", ".join(kinds[:_SHOWN_TYPES]) + (", …" if len(kinds) > _SHOWN_TYPES else "")
        what = f"holds Python objects ({shown}) that have no common type"
    try:
        if column is None:
            msg = "values of different types aren't converted implicitly"
            raise TypeError(msg)
        return pl.Series(pl.from_pandas(column, nan_to_null=False))
    except Exception as error:
        refuse(
            name,
            readers,
            f"{what} ({first_line(error)}); convert it, for example with `df[…].astype(…)`",
            error,
        )


def _plain_objects(column: Any) -> tuple[Any, list[str]]:
    """Return a column of Python objects with None where it has no value, and the names of their types.

    NaN is what pandas puts among other objects for a null; among floats it is a number. In place of the
    column None if its objects are of unlike types: what Arrow makes of an instant and an integer is a guess.
    """
    import pandas as pd

    missing = column.isna()
    kinds = {type(value) for value in column[~missing]}
    has_floats = any(issubclass(kind, float) for kind in kinds) or not kinds
    pairs = zip(column, missing, strict=True)
    values = [
        None if is_missing and not (has_floats and isinstance(value, float)) else value
        for value, is_missing in pairs
    ]
    plain = pd.Series(values, dtype=object)
    alike = len({_likeness(kind) for kind in kinds}) <= 1
    return plain if alike else None, sorted(kind.__name__ for kind in kinds)


def _likeness(kind: type) -> type:
    """Return what a type of objects is like: those of one likeness can share a column."""
    import numpy as np

    for like in (bool, Number, str, bytes, datetime.datetime, datetime.date, datetime.timedelta):
        if issubclass(kind, like):
            return like
    if issubclass(kind, np.bool_):
        return bool
    return list if issubclass(kind, (list, tuple, np.ndarray)) else kind


def assemble(data: Any, outcome: Outcome, *, keep: bool) -> Any:
    """Return ``data`` with new columns and the rows that are kept; its other columns are what they were."""
    import pandas as pd

    family, has_dates = _family(data, outcome.reads)
    new = {
        series.name: _to_array(series, family, dates=has_dates, owned=outcome.owns_columns)
        for series in outcome.series
    }
    if outcome.reduced:
        return pd.DataFrame(new)
    result = data if outcome.remaining is None else data[outcome.remaining.to_numpy()]
    if outcome.source is not None:
        result = data.take(outcome.source.to_numpy())
    if not new:
        return result
    if not keep:
        return pd.DataFrame(new, index=result.index).__finalize__(data)
    labels = list(labels_of(data))
    result = result.copy(deep=result is data and not _copies_on_write())
    for name, array in new.items():
        values = pd.Series(array, result.index, copy=False)  # of which pandas takes the memory
        at = position(labels, name)
        if at is None:
            levels = result.columns.nlevels
            label = name if levels == 1 else (name, *[""] * (levels - 1))
            result.insert(result.shape[1], label, values)
            labels.append(label)
        else:
            result.isetitem(at, values)
    return result


def _copies_on_write() -> bool:
    """Whether frames that share memory are copied before one of them is changed: always since pandas 3."""
    import pandas as pd

    return int(pd.__version__.partition(".")[0]) >= 3 or pd.options.mode.copy_on_write is True


def _family(data: Any, reads: Collection[str]) -> tuple[Family, bool]:
    """Return whose dtypes the columns that were read have, and whether objects, as dates, were among them."""
    import numpy as np
    import pandas as pd

    labels = labels_of(data)
    places = [position(labels, name) for name in reads]
    all_dtypes = data.dtypes.to_numpy()
    dtypes = [all_dtypes[at] for at in places if at is not None]
    if all([isinstance(dtype, np.dtype) and dtype.kind != "O" for dtype in dtypes]):
        return "numpy", False
    has_objects = any(map(pd.api.types.is_object_dtype, dtypes))
    if any(isinstance(dtype, pd.ArrowDtype) for dtype in dtypes):
        return "arrow", has_objects
    nullable = any(getattr(dtype, "na_value", None) is pd.NA for dtype in dtypes)
    return "nullable" if nullable else "numpy", has_objects


def _to_array(series: pl.Series, family: Family, *, dates: bool, owned: bool) -> Any:
    """Return a column as an array of pandas, or of NumPy where that loses nothing.

    Parameters
    ----------
    family
        Whose dtypes are wanted. NumPy's numbers and booleans know no null: where there is one, it is a dtype
        of pandas' own.
    dates
        Whether dates are objects, as in a column that was read; else they are NumPy's instants.
    owned
        Whether nothing else refers to the column's memory.
    """
    import pandas as pd

    series = series.alias("")  # Polars takes a name as `^…$` for a pattern, also in methods of a Series
    dtype = series.dtype
    if family == "arrow" or (dtype == pl.Time and (series.to_physical() % 1000 != 0).any()):
        array = to_arrow(series)
        return pd.arrays.ArrowExtensionArray(array)
    if dtype in (pl.Int128, pl.UInt128) or dtype.is_nested() or (dates and dtype == pl.Date):
        if dtype.is_nested() and _is_plain(series):
            return series.to_pandas().array
        return pd.Series(series.to_list(), dtype=object).array
    if dtype == pl.String and family == "nullable":
        return pd.array(series.to_list(), dtype="string")
    if dtype.is_integer() or dtype in (pl.Float32, pl.Float64, pl.Boolean):
        if family == "numpy" and not series.null_count():
            return _writable(series, owned=owned)
        nulls = series.is_null()
        values = series.fill_null(False if dtype == pl.Boolean else 0).to_numpy(writable=True)
        kind: Any = pd.arrays.FloatingArray if dtype.is_float() else pd.arrays.IntegerArray
        if dtype == pl.Boolean:
            kind = pd.arrays.BooleanArray
        return kind(values, nulls.to_numpy(writable=True))
    return series.to_pandas().array


def _writable(series: pl.Series, *, owned: bool) -> Any:
    """Return a column without nulls as an array that may be written to: its own memory, if it is owned."""
    import numpy as np

    if not owned or series.dtype == pl.Boolean or series.n_chunks() != 1 or series.is_empty():
        return series.to_numpy(writable=True)
    view = series.to_numpy(allow_copy=False)
    memory: Any = (ctypes.c_char * view.nbytes).from_address(view.ctypes.data)
    memory.column = series  # with which the memory is returned
    return np.ndarray(view.shape, view.dtype, memory)


def _is_plain(series: pl.Series) -> bool:
    """Whether lists hold numbers and no nulls, so that NumPy's arrays hold them as they are."""
    if not isinstance(series.dtype, (pl.List, pl.Array)) or not series.dtype.inner.is_numeric():
        return False
    lists = series.arr.to_list() if isinstance(series.dtype, pl.Array) else series
    return not lists.list.eval(pl.element().is_null().any()).list.first().any()
