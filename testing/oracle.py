"""The oracle: a plugin's plain Python function, row by row, and what it gives compared bit for bit."""

from __future__ import annotations

import datetime as dt
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
from polars.datatypes.classes import IntegerType

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from polars._typing import PolarsDataType

    from dataflare_vec.definition.plugin import Plugin

# A kernel's arguments and what it returns are of any type.
Arguments = tuple[Any, ...]

WHOLE = dfv.BatchConfig(default_batch_size=1 << 20, enable_parallel=False)


class Outcome(NamedTuple):
    """What the plain function made of a row: a value, or the exception that it raised."""

    value: Any
    error: Exception | None = None


# -- what Python gives ------------------------------------------------------------------------------------


def plugin(function: Callable[..., Any], kind: str = "transformer", **about: Any) -> Plugin:
    """Return a row kernel, or a filter, that isn't registered."""
    about.setdefault("name", function.__name__)
    return define(function, form=Form.ROW, plugin_type=dfv.PluginType(kind), **about)


def plugins(*functions: Callable[..., Any]) -> dict[str, Plugin]:
    """Return a row kernel for each function, by name."""
    return {function.__name__: plugin(function) for function in functions}


def interpret(
    plugin: Plugin, rows: Iterable[Sequence[Any]], context: AbstractContextManager[object] | None = None
) -> list[Outcome]:
    """Call the plain function with each row of arguments.

    None skips the row, unless the parameter may be None.
    """
    outcomes = []
    columns = [parameter for parameter in plugin.parameters if parameter.is_column]
    with np.errstate(all="ignore"), context or nullcontext():
        for row in rows:
            pairs = zip(row, columns, strict=True)
            if any(value is None and not parameter.nullable for value, parameter in pairs):
                outcomes.append(Outcome(None))
                continue
            try:
                outcomes.append(Outcome(plugin.function(*row)))
            except Exception as error:  # whatever it raises is what is to be seen
                outcomes.append(Outcome(None, error))
    return outcomes


def as_numpy(frame: pl.DataFrame) -> Iterator[Arguments]:
    """Yield rows as a kernel without annotations sees them: NumPy's floats, which divide by zero, and arrays.

    Dates and times are the integers that they are stored as. A list with a null inside is null.
    """
    kinds = [_numpy_type(dtype) for dtype in frame.dtypes]
    for row in frame.select(pl.all().to_physical()).iter_rows():
        yield tuple(_as_numpy(value, kind) if kind else value for value, kind in zip(row, kinds, strict=True))


def _numpy_type(dtype: pl.DataType) -> type[np.generic] | None:
    if isinstance(dtype, (pl.List, pl.Array)):
        inner: Any = dtype.inner
        # Integers are computed in 64 bits.
        return np.int64 if inner.is_integer() else np.bool_ if inner == pl.Boolean else _numpy_type(inner)
    if dtype.is_float():
        return np.float32 if dtype == pl.Float32 else np.float64
    return None


def _as_numpy(value: Any, kind: type[np.generic]) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return None if None in value else np.array(value, kind)
    return kind(value)


# -- what a column has of it ------------------------------------------------------------------------------


def stored(value: Any, dtype: pl.DataType) -> Any:
    """Return what a column has of a value, as Polars gives it back.

    Raises
    ------
    OverflowError
        If it has no place there: the row fails.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return None
    if isinstance(dtype, pl.Struct):
        names = [field.name for field in dtype.fields]
        fields = value._asdict() if hasattr(value, "_asdict") else dict(zip(names, value, strict=True))
        return {field.name: stored(fields[field.name], _dtype(field.dtype)) for field in dtype.fields}
    if isinstance(dtype, (pl.List, pl.Array)):
        return [stored(item, _dtype(dtype.inner)) for item in value]
    if dtype.is_float():
        return single(value) if dtype == pl.Float32 else float(value)
    if isinstance(dtype, IntegerType):
        low, high = pl.select(low=dtype.min(), high=dtype.max()).row(0)
        if not low <= value <= high:
            raise OverflowError(value)
        return int(value)
    if isinstance(value, dt.timedelta) and abs(value // dt.timedelta(microseconds=1)) >= 1 << 63:
        raise OverflowError(value)
    return value


def _dtype(dtype: PolarsDataType) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()


def single(value: float) -> float:
    """Return the single-precision number next to a float; fail where there is none."""
    with np.errstate(over="ignore"):
        near = float(np.float32(value))
    if math.isinf(near) and not math.isinf(value):
        raise OverflowError(value)
    return near


def same(a: Any, b: Any) -> bool:
    """Tell whether two values are the same, bit for bit: NaN is NaN, 0.0 isn't -0.0, and True isn't 1."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    return type(a) is type(b) and a == b


# -- both compared ----------------------------------------------------------------------------------------


def check(
    plugin: Plugin,
    frame: pl.DataFrame,
    *,
    rows: Iterable[Sequence[Any]] | None = None,
    config: dfv.BatchConfig | None = None,
    fails: Callable[..., bool] | None = None,
    may_fail: Callable[..., bool] | None = None,
    context: AbstractContextManager[object] | None = None,
) -> dfv.BatchResult:
    """Run a row kernel over a frame and compare each row with the plain function, and both runs' bits.

    Parameters
    ----------
    plugin, frame, config
        What is run. The frame has the kernel's columns, in their order or not.
    rows
        The arguments of each row; by default Python's own objects, as Polars gives them.
    fails, may_fail
        Called with a row of which the plain function has a value: whether it fails all the same, or may.
    context
        Entered while Python computes.

    Returns
    -------
    BatchResult
        The run's, with the new columns alone.
    """
    frame = frame.select(parameter.name for parameter in plugin.parameters if parameter.is_column)
    arguments = [tuple(row) for row in (frame.iter_rows() if rows is None else rows)]
    outcomes = interpret(plugin, arguments, context)
    config = replace(config or dfv.BatchConfig(), max_error_details=frame.height + 1)
    result = dfv.run(frame, plugin, keep=False, on_error="null", config=config)
    compare(result, outcomes, arguments, fails=fails, may_fail=may_fail)
    again = dfv.run(
        frame.rechunk(),
        plugin,
        keep=False,
        on_error="null",
        config=replace(WHOLE, max_error_details=frame.height + 1),
    )
    assert identical(again.frame, result.frame)
    assert again.errors.equals(result.errors)
    return result


def compare(
    result: dfv.BatchResult,
    outcomes: Sequence[Outcome],
    arguments: Sequence[Arguments],
    *,
    fails: Callable[..., bool] | None = None,
    may_fail: Callable[..., bool] | None = None,
) -> None:
    """Compare a run with ``keep=False, on_error="null"`` with what the plain function gave for each row."""
    dtypes = result.frame.dtypes
    found = {row: what for row, *what in result.errors.select("row", "error", "message").iter_rows()}
    assert len(found) == result.error_count
    for row, (got, outcome, given) in enumerate(
        zip(result.frame.iter_rows(), outcomes, arguments, strict=True)
    ):
        where = f"row {row}, {given}: {got} and not {outcome}, {found.get(row)}"
        wanted = _wanted(outcome, dtypes)
        if outcome.error is not None:
            assert found.get(row) == [type(outcome.error).__name__, str(outcome.error)], where
        elif wanted is None or (outcome.value is not None and fails is not None and fails(*given)):
            assert found.get(row, [None])[0] == "OverflowError", where
        elif row in found:
            assert may_fail is not None, where
            assert may_fail(*given), where
        else:
            assert same(list(got), wanted), where
        assert row not in found or set(got) == {None}, where


def _wanted(outcome: Outcome, dtypes: Sequence[pl.DataType]) -> list[Any] | None:
    """Return a value for each column; None where one has no place there."""
    value, count = outcome.value, len(dtypes)
    if value is None:
        return [None] * count
    alone = not isinstance(value, tuple) or (count == 1 and isinstance(dtypes[0], pl.Struct))
    try:
        return [stored(*pair) for pair in zip((value,) if alone else value, dtypes, strict=True)]
    except OverflowError:
        return None


def identical(a: pl.DataFrame, b: pl.DataFrame) -> bool:
    """Tell whether two frames have the same schema and the same values, bit for bit."""
    return a.schema == b.schema and same(
        [list(row) for row in a.iter_rows()], [list(row) for row in b.iter_rows()]
    )
