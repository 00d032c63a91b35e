"""Conversion of anything that speaks Arrow, in and back out as the same kind.

Data of another kind than Polars' keeps all its columns as they are: only those that a plugin reads go
to Polars, without a copy where the types allow it, and only the new ones come back. So the others may be of
any type and name, also there twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from dataflare_vec._util.names import named
from dataflare_vec.engine.execution.result import BatchResult
from dataflare_vec.exceptions import UnsupportedDataError
from dataflare_vec.interop.columns import text_of
from dataflare_vec.interop.kinds import is_narwhals, is_pandas, is_pandas_series, is_pyarrow, is_stream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dataflare_vec.engine.execution.outcome import Outcome

__all__ = [
    "assemble",
    "column_names",
    "is_narwhals",
    "is_pandas",
    "is_pandas_series",
    "is_pyarrow",
    "is_stream",
    "knowing_narwhals",
    "text_of",
    "to_polars",
]

#: Up to here columns are filtered one by one: a query of all takes 25 µs before it begins.
_FEW_COLUMNS, _FEW_VALUES = 8, 1 << 15

F = TypeVar("F", bound=Callable[..., Any])


def knowing_narwhals(function: F) -> F:
    """Let a function of a frame also take one of Narwhals; what comes back is of Narwhals then, too."""

    @wraps(function)
    def call(data: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(data, pl.DataFrame) or not is_narwhals(data):
            return function(data, *args, **kwargs)
        native = data.to_native()
        if not isinstance(native, (pl.DataFrame, pl.LazyFrame, pl.Series)):
            if is_stream(native) and not is_pandas_series(native):
                msg = f"Narwhals can't wrap the result for a {type(native).__name__}, which is a reader"
                raise UnsupportedDataError(msg, hint="pass `data.to_native()`, or collect it first")
        result = function(native, *args, **kwargs)
        # The stable interfaces have classes of their own.
        module = type(data).__module__
        wrap = import_module(module if ".stable." in module else "narwhals").from_native
        if isinstance(result, BatchResult):
            return replace(result, frame=wrap(result.frame))
        return wrap(result, allow_series=True)

    return call  # type: ignore[return-value]


def column_names(data: Any) -> list[str]:
    """Return the names of the columns of a table that isn't Polars'; they may be there twice.

    Raises
    ------
    UnsupportedDataError
        If ``data`` is nothing that has columns, or a name is no text.
    """
    if is_pandas(data):
        from dataflare_vec.interop.pandas import labels_of

        return list(map(text_of, labels_of(data)))
    if is_pyarrow(data, "Table", "RecordBatch"):
        try:
            return list(data.schema.names)
        except UnicodeDecodeError as error:
            msg = f"a column name isn't valid UTF-8, so the data is damaged: {error}"
            raise UnsupportedDataError(msg) from error
    raise UnsupportedDataError(
        argument="data",
        expected="a Polars, PyArrow or pandas frame or have `__arrow_c_stream__`",
        got=type(data).__name__,
        hint="`pl.DataFrame(data)` makes a frame from dicts and lists",
    )


def to_polars(data: Any, readers: Mapping[str, str], optional: Collection[str] = ()) -> pl.DataFrame:
    """Return columns of a table of PyArrow or a frame of pandas as a Polars frame of the same height.

    Parameters
    ----------
    readers
        The names of the columns, with the plugin that reads each, for messages; "" for none.
    optional
        Those of them that are left out if they can't be read.

    Raises
    ------
    BindingError
        If a column is there twice, or can't be read.
    """
    if is_pandas(data):
        from dataflare_vec.interop.pandas import read
    else:
        from dataflare_vec.interop.arrow import read
    if readers:
        return read(data, readers, optional)
    # A frame of no columns has no rows.
    return pl.DataFrame([pl.Series("no column is read", [None]).new_from_index(0, len(data))])


def assemble(data: Any, outcome: Outcome, *, keep: bool) -> Any:
    """Return ``data`` with the outcome's columns and rows, of the same kind."""
    if isinstance(data, pl.DataFrame):
        return _assemble_polars(data, outcome, keep=keep)
    if is_pandas(data):
        from dataflare_vec.interop.pandas import assemble
    else:
        from dataflare_vec.interop.arrow import assemble
    return assemble(data, outcome, keep=keep)


def _assemble_polars(frame: pl.DataFrame, outcome: Outcome, *, keep: bool) -> pl.DataFrame:
    if outcome.reduced or (not keep and outcome.series):
        return named(outcome.series)
    if outcome.remaining is not None:
        frame = _filtered(frame, outcome.remaining)
    elif outcome.source is not None:
        frame = frame[outcome.source]
    try:
        # hstack takes the columns as they are; with_columns would build a query: 1 µs against 17.
        return frame.hstack(outcome.series) if outcome.series else frame
    except pl.exceptions.DuplicateError:  # the plan has seen to it that this is meant
        return frame.with_columns(outcome.series)


def _filtered(frame: pl.DataFrame, remaining: pl.Series) -> pl.DataFrame:
    if not 0 < frame.width * frame.height <= _FEW_VALUES or frame.width > _FEW_COLUMNS:
        return frame.filter(remaining)
    first, *others = [column.filter(remaining) for column in frame.get_columns()]
    return first.to_frame().hstack(others)
