"""The oracle: a plugin's plain Python function, row by row, and what it gives compared bit for bit."""

from __future__ import annotations

import datetime as dt
import inspect
import math
import zoneinfo
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import numpy as np
import polars as pl
from polars import selectors
from polars.datatypes.classes import IntegerType

import dataflare_vec as dfv
from dataflare_vec.arrow import columns
from dataflare_vec.definition.interpreter import plain_numbers
from dataflare_vec.definition.plugin import Form, define, plain
from dataflare_vec.engine.execution import fast_path
from dataflare_vec.engine.tuner import Cut, WholeFrames

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from polars._typing import PolarsDataType

    from dataflare_vec.definition.plugin import Plugin

# A kernel's arguments and what it returns are of any type.
Arguments = tuple[Any, ...]

WHOLE = dfv.BatchConfig(default_batch_size=1 << 20, enable_parallel=False)

#: The value of a row that fails though Python has one for it, as one of more than 64 bits.
FAILED = object()


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
    plugin: Plugin,
    rows: Iterable[Sequence[Any]],
    *,
    fails: Callable[..., bool] | None = None,
    context: AbstractContextManager[object] | None = None,
    **constants: Any,
) -> list[Outcome]:
    """Call the plain function with each row of arguments, and the constants.

    None skips the row, unless the parameter may be None; the function isn't asked for a row that ``fails``.
    """
    outcomes = []
    columns = [parameter for parameter in plugin.parameters if parameter.is_column]
    known = inspect.signature(plain(plugin.function)).parameters.values()
    named = [one.name for one in known if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    count = len(columns) - len(named)
    with np.errstate(all="ignore"), plain_numbers(), context or nullcontext():
        for row in rows:
            pairs = zip(row, columns, strict=True)
            if any(value is None and not parameter.nullable for value, parameter in pairs):
                outcomes.append(Outcome(None))
                continue
            if fails is not None and fails(*row):
                outcomes.append(Outcome(FAILED))
                continue
            try:
                given = dict(zip(named, row[count:], strict=True))
                outcomes.append(Outcome(plugin.function(*row[:count], **given, **constants)))
            except Exception as error:  # whatever it raises is what is to be seen
                outcomes.append(Outcome(None, error))
    return outcomes


class Folded(NamedTuple):
    """What the plain function of a scan or a reduce made of all rows.

    Attributes
    ----------
    values
        A scan's values; None in rows that were skipped or failed.
    failed
        The rows that failed; they leave the state as it was.
    states
        By key, in first-seen order.
    """

    values: list[Any]
    failed: list[int]
    states: dict[Hashable, Any]


def fold(
    plugin: Plugin,
    rows: Iterable[Sequence[Any]],
    keys: Iterable[Hashable] | None = None,
    fits: Callable[[Any], bool] = lambda state: True,
) -> Folded:
    """Call the plain function with each row's state and arguments; a state that doesn't fit fails the row."""
    values: list[Any] = []
    failed: list[int] = []
    states: dict[Hashable, Any] = {}
    stateful = plugin.stateful
    assert stateful is not None
    columns = [parameter for parameter in plugin.parameters if parameter.is_column]
    for row, (arguments, key) in enumerate(zip(rows, repeat(()) if keys is None else keys, strict=False)):
        state = states.setdefault(key, deepcopy(stateful.init))
        values.append(None)
        if any(v is None and not c.nullable for v, c in zip(arguments, columns, strict=True)):
            continue
        try:
            # A row that fails leaves an array or a list as it was.
            after = plugin.function(deepcopy(state), *arguments)
        except Exception:
            failed.append(row)
            continue
        value = None
        if plugin.form is Form.SCAN:
            after, value = after
        if fits(after):
            states[key], values[-1] = after, value
        else:
            failed.append(row)
    return Folded(values, failed, states)


def key_of(values: Iterable[Any]) -> Hashable:
    """Return what a row of keys is told from others by: NaN is one key, and both zeros are."""
    return tuple("NaN" if isinstance(value, float) and value != value else value for value in values)


def as_numpy(frame: pl.DataFrame) -> Iterator[Arguments]:
    """Yield rows as a kernel without annotations sees them: NumPy's floats, which divide by zero, and arrays.

    Dates and times are the integers that they are stored as. A list with a null inside is null.
    """
    converters = [_converter(dtype) for dtype in frame.dtypes]
    for row in frame.select(pl.all().to_physical()).iter_rows():
        yield tuple(
            None if value is None else convert(value) for value, convert in zip(row, converters, strict=True)
        )


def _converter(dtype: pl.DataType) -> Callable[[Any], Any]:
    if isinstance(dtype, (pl.List, pl.Array)):
        inner = _dtype(dtype.inner)
        # Integers are computed in 64 bits.
        kind = np.int64 if inner.is_integer() else np.bool_ if inner == pl.Boolean else _float_type(inner)
        return lambda value: None if None in value else value if kind is None else np.array(value, kind)
    return _float_type(dtype) or (lambda value: value)


def _float_type(dtype: pl.DataType) -> type[np.floating[Any]] | None:
    return np.float32 if dtype == pl.Float32 else np.float64 if dtype == pl.Float64 else None


# -- what a column has of it ------------------------------------------------------------------------------


def stored(value: Any, dtype: pl.DataType) -> Any:
    """Return what a column has of a value, as Polars gives it back.

    Raises
    ------
    OverflowError
        If it has no place there: the row fails.
    TypeError
        If it has a time zone and the column hasn't, or the other way round.
    ValueError
        If it isn't one of the column's categories.
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
        low, high = _limits(dtype)
        if not low <= value <= high:
            raise OverflowError(value)
        return int(value)
    if dtype.is_temporal() and isinstance(value, int):
        return pl.Series([value]).cast(dtype).item()
    if isinstance(value, dt.datetime) and isinstance(dtype, pl.Datetime):
        return _in_zone(value, dtype.time_zone)
    if isinstance(dtype, pl.Enum) and value not in dtype.categories.to_list():
        raise ValueError(value)
    if isinstance(value, dt.timedelta) and abs(value // dt.timedelta(microseconds=1)) >= 1 << 63:
        raise OverflowError(value)
    return value


def _in_zone(value: dt.datetime, zone: str | None) -> dt.datetime:
    """Return an instant as a column in a zone, or in none, gives it back."""
    if (value.utcoffset() is None) != (zone is None):
        raise TypeError(value)
    if zone is None:
        return value
    return value.astimezone(dt.timezone.utc).astimezone(zoneinfo.ZoneInfo(zone))


@cache
def _limits(dtype: IntegerType) -> tuple[int, int]:
    low, high = pl.select(low=dtype.min(), high=dtype.max()).row(0)
    return low, high


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
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if isinstance(a, float) and isinstance(b, float):
        return repr(a) == repr(b)
    if isinstance(a, dt.datetime) and isinstance(b, dt.datetime):
        return a.tzinfo is b.tzinfo and a == b and (a.tzinfo is None or a.fold == b.fold)
    return type(a) is type(b) and a == b


# -- both compared ----------------------------------------------------------------------------------------


@contextmanager
def in_chunks() -> Iterator[None]:
    """Take frames of however few rows through the road with chunks, and columns piece by piece."""
    with (
        patch.object(fast_path, "compute", lambda *_: None),
        patch.object(fast_path, "reduce", lambda *_: None),
        patch.object(columns, "SHORT_PIECE", 0),
    ):
        yield


@contextmanager
def shared_out() -> Iterator[None]:
    """Take frames of however few rows through the fast path with helpers, in memory of a pool."""

    def take(frames: WholeFrames, rows: int, *, may_share: bool = False) -> Cut:
        return Cut(64, 3) if may_share else Cut(rows, 1)

    with (
        patch.object(fast_path, "FEW_ROWS", 0),
        patch.object(fast_path, "OWN_ROWS", 0),
        patch.object(WholeFrames, "take", take),
    ):
        yield


def check(
    plugin: Plugin,
    frame: pl.DataFrame,
    *,
    rows: Iterable[Sequence[Any]] | None = None,
    config: dfv.BatchConfig | None = None,
    fails: Callable[..., bool] | None = None,
    may_fail: Callable[..., bool] | None = None,
    context: AbstractContextManager[object] | None = None,
    **constants: Any,
) -> dfv.BatchResult:
    """Run a row kernel over a frame and compare each row with the plain function, however the frame is cut.

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
    **constants
        What parameters are bound to that aren't columns.

    Returns
    -------
    BatchResult
        The run's, with the new columns alone.
    """
    frame = frame.select(parameter.name for parameter in plugin.parameters if parameter.is_column)
    arguments = [tuple(row) for row in (frame.iter_rows() if rows is None else rows)]
    outcomes = interpret(plugin, arguments, fails=fails, context=context, **constants)
    settings = replace(config or dfv.BatchConfig(), max_error_details=frame.height + 1)
    whole = replace(WHOLE, max_error_details=frame.height + 1)

    def run(frame: pl.DataFrame, config: dfv.BatchConfig) -> dfv.BatchResult:
        result: dfv.BatchResult = dfv.run(
            frame, plugin, keep=False, on_error="null", config=config, **constants
        )
        return result

    result = run(frame, settings)
    compare(result, outcomes, arguments, may_fail=may_fail)
    with in_chunks():
        chunks = run(frame, settings)
    for again in (chunks, run(frame.rechunk(), whole)):
        assert identical(again.frame, result.frame)
        assert again.errors.equals(result.errors)
    return result


def compare(
    result: dfv.BatchResult,
    outcomes: Sequence[Outcome],
    arguments: Sequence[Arguments],
    *,
    may_fail: Callable[..., bool] | None = None,
) -> None:
    """Compare a run with ``keep=False, on_error="null"`` with what the plain function gave for each row."""
    dtypes = result.frame.dtypes
    found = {row: what for row, *what in result.errors.select("row", "error", "message").iter_rows()}
    assert len(found) == result.error_count
    assert result.frame.height == len(outcomes) == len(arguments)
    for row, got in enumerate(result.frame.iter_rows()):
        outcome, given, failure = outcomes[row], arguments[row], found.get(row)
        where = (row, given, got, outcome, failure)
        assert failure is None or set(got) == {None}, where
        if outcome.error is not None:
            with plain_numbers():  # a KeyError shows its key only now
                assert failure == [type(outcome.error).__name__, str(outcome.error)], where
        elif outcome.value is FAILED:
            assert failure is not None, where
        elif isinstance(wanted := _wanted(outcome.value, dtypes), Exception):
            assert failure is not None, where
            assert failure[0] == type(wanted).__name__, where
        elif failure is not None:
            assert may_fail is not None, where
            assert may_fail(*given), where
        else:
            assert same(list(got), wanted), where


def _wanted(value: Any, dtypes: Sequence[pl.DataType]) -> list[Any] | Exception:
    """Return what each column has of a value, or why one has no place for it."""
    count = len(dtypes)
    if value is None:
        return [None] * count
    alone = not isinstance(value, tuple) or (count == 1 and isinstance(dtypes[0], pl.Struct))
    try:
        return [stored(*pair) for pair in zip((value,) if alone else value, dtypes, strict=True)]
    except (OverflowError, TypeError, ValueError) as error:
        return error


def identical(a: pl.DataFrame, b: pl.DataFrame) -> bool:
    """Tell whether two frames have the same schema and the same values, bit for bit."""
    if a.schema != b.schema or not a.equals(b):
        return False
    inverse = (1 / selectors.float()).name.keep()  # of -0.0 isn't that of 0.0, which it equals
    nested = a.select(selectors.nested()).columns
    return a.select(inverse).equals(b.select(inverse)) and all(
        same(a[name].to_list(), b[name].to_list()) for name in nested
    )
