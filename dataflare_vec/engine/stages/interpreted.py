"""Row kernels that can't be compiled, run row by row in the interpreter: ``fallback="python"``."""

from __future__ import annotations

import threading
from copy import copy
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util import forks
from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.compiler.prepare import prepare
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.compiler.specialise import expected_type
from dataflare_vec.definition.annotations import Result, is_dtype, likely_dtype
from dataflare_vec.definition.declared import declared_dtype, said_dtype
from dataflare_vec.definition.interpreter import call_rows
from dataflare_vec.definition.stack_level import warn
from dataflare_vec.engine.stages.expression import spread
from dataflare_vec.engine.stages.failures import ROW, physical_rows
from dataflare_vec.engine.stages.inferred import Interpreted
from dataflare_vec.engine.stages.protocols import Stage, StageReport
from dataflare_vec.exceptions import (
    BindingError,
    InterpretedWarning,
    KernelCompileError,
    KernelPatternError,
    KernelResultError,
    PluginError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dataflare_vec.compiler.specialise import Prepared
    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.engine.stages.inferred import Results
    from dataflare_vec.engine.stages.protocols import Chunk, Surroundings

#: Nanoseconds that a compiled kernel takes for a row, from arithmetic to a dozen mathematical functions.
_COMPILED = (1, 10)


def prepare_or_interpret(binding: Binding, dtypes: Sequence[Any]) -> Prepared | Interpreted:
    """Return the kernel for columns of ``dtypes``; if it can't be compiled and may be interpreted, how.

    Raises
    ------
    PluginError
        As `prepare`, for a plugin without ``fallback``, or of which it isn't declared what it returns.
    """
    plugin = binding.plugin
    if plugin.fallback is None:
        return prepare(binding, dtypes)
    key = ("interpreted", binding.constant_key, *dtypes)
    kernels = remembered(plugin).derived.kernels
    known: Interpreted | None = kernels.get(key)
    if known is not None:
        return known
    try:
        return prepare(binding, dtypes)
    except KernelPatternError:
        raise  # the interpreter wouldn't take it either
    except (KernelCompileError, KernelResultError, BindingError) as error:
        by_parameter = {}
        for item, dtype in zip(binding.columns, dtypes, strict=True):
            if expected_type(item.parameter, dtype) is not None:
                raise
            by_parameter[item.parameter.name] = dtype
        if isinstance(error, KernelResultError) and (plugin.is_filter or _is_writable(plugin, by_parameter)):
            raise
        made = _interpret(plugin, by_parameter, error)
    kernels[key] = made
    return made


def _is_writable(plugin: Plugin, by_parameter: Mapping[str, Any]) -> bool:
    """Whether what is declared is something that a compiled kernel could write."""
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.signature import written_type

    if plugin.returns is None:
        return plugin.result is not None and None not in map(_dtype_of, plugin.result.items)
    items = plugin.returns.values() if isinstance(plugin.returns, dict) else plugin.returns
    items = items if isinstance(plugin.returns, (dict, tuple, list)) else [items]
    dtypes = [declared_dtype(plugin, item, by_parameter) for item in items]
    return all(dtype is None or written_type(dtype) is not None for dtype in dtypes)


# -- what comes out ---------------------------------------------------------------------------------------


def _interpret(plugin: Plugin, by_parameter: Mapping[str, Any], error: PluginError) -> Interpreted:
    reason = error.said()
    if plugin.is_filter:
        return Interpreted(reason, (pl.Boolean(),), None, is_tuple=False)
    returns = plugin.returns
    said = Result((None,)) if plugin.result is None else plugin.result
    fields, items, is_tuple = said.fields, [_dtype_of(item) for item in said.items], said.is_tuple
    if isinstance(returns, dict):
        known = dict(zip(fields or (), items, strict=False))
        fields = fields or tuple(returns)
        items, is_tuple = [returns.get(field, known.get(field)) for field in fields], True
    elif returns is not None:
        is_tuple = isinstance(returns, (tuple, list))
        items = list(returns) if is_tuple else [returns]
    meant = said_dtype if returns is None else declared_dtype  # annotations say of what rows have lists are
    dtypes = [None if item is None else meant(plugin, item, by_parameter) for item in items]
    if any(isinstance(dtype, pl.Struct) and not dtype.fields for dtype in dtypes):
        raise _undeclared(error, "the fields: declare `returns=pl.Struct({…})`") from error
    if None in dtypes:
        undeclared = _undeclared(
            error,
            "what the kernel returns, which no compiler says; declare it, as `returns=pl.Float64` or "
            "`def kernel(…) -> float` (it is told from values only in the first step over a frame in memory "
            "that has rows)",
        )
        if any(dtype is not None for dtype in dtypes):
            raise undeclared from error
        return Interpreted(reason, None, None, is_tuple=False, undeclared=undeclared)
    return Interpreted(reason, tuple(dtypes), fields if is_tuple else None, is_tuple)


def _undeclared(error: PluginError, what: str) -> KernelCompileError:
    """Return why a kernel can be neither compiled nor interpreted."""
    if isinstance(error, KernelCompileError):
        made = copy(error)
    else:
        made = KernelCompileError(error.said(), plugin=error.plugin, reason=error.said(), hint=error.hint)
    made.fill(fallback=f'`fallback="python"` needs to know {what}')
    return made


def _dtype_of(kind: Any) -> Any:
    """Return the dtype that an item of an annotation says, None if that is left open."""
    return kind if is_dtype(kind) else likely_dtype(kind)


# -- the stage --------------------------------------------------------------------------------------------


class _Pace:
    """How many rows were run in all runs of a plan, which may be at once, and how long that took."""

    def __init__(self, seconds: float) -> None:
        self._rows = 0
        self._seconds = seconds
        self.renew_after_fork()
        forks.renew_in_child(self)

    def renew_after_fork(self) -> None:
        """Have a lock that no thread holds."""
        self._lock = threading.Lock()

    def add(self, rows: int, seconds: float) -> None:
        """Count some more rows."""
        with self._lock:
            self._rows += rows
            self._seconds += seconds

    def so_far(self) -> tuple[int, float]:
        """Return rows and seconds."""
        with self._lock:
            return self._rows, self._seconds


class InterpretedStage(Stage):
    """A row kernel or filter as the plain Python function that it is.

    Attributes
    ----------
    results : Results or None
        What it returned, if it was called for all rows already to tell its types.
    """

    is_compiled = False
    overruns = False  # it has been called for the row before
    #: A run's own: the interpreter runs one thread at a time, and the author didn't think of several.
    _lock: threading.Lock

    def __init__(
        self,
        binding: Binding,
        interpreted: Interpreted,
        reads: Sequence[str],
        writes: Mapping[str, Any],
        *,
        in_result: bool,
        results: Results | None = None,
    ) -> None:
        # With NumPy, which row kernels do without.
        from dataflare_vec.engine.stages.converters import converter

        self.results = results
        self.plugin: Plugin = binding.plugin
        self.binding = binding
        self.interpreted = interpreted
        self.reads = reads
        self.writes = writes
        self.in_result = in_result
        self.is_filter = binding.plugin.is_filter
        self._dtypes = interpreted.dtypes or ()
        annotated = binding.plugin.returns is None  # then an integer isn't a date
        self._convert = [converter(dtype, strict=annotated) for dtype in self._dtypes]
        self._pace = _Pace(0.0 if results is None else results.seconds)

    def open(self, run: Surroundings) -> Stage:
        """Have a record of the rows that fail; return the same stage with a lock of this run's own.

        Runs of one plan don't wait for each other: a function may ask Polars for something, and wait for
        threads of Polars that are about to run the plan's next batch.
        """
        stage = copy(self)
        stage._lock = threading.Lock()
        run.expect(stage)
        return stage

    def report(self, *, nulls: bool) -> StageReport:
        """Return why it isn't compiled."""
        return StageReport(self.plugin.kind, interpreted=self.interpreted.reason)

    def forget_results(self) -> None:
        """Call the function for each row, whatever is known of it."""
        self.results = None

    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows."""
        selected = chunk.selection(self)
        names = [item.label for item in self.binding.columns]
        columns = [chunk.series(of).alias(name) for of, name in zip(self.reads, names, strict=True)]
        height = chunk.stop - chunk.start
        if selected is not None:
            height = int(selected.sum())
            columns = [series.filter(selected) for series in columns]
        with self._lock:
            results = self._results(chunk, pl.DataFrame(columns), height)
            outputs, failed = self._compute(results, height)
        if selected is not None:
            outputs = [spread(values, selected) for values in outputs]
        if failed:
            places = pl.Series(failed, dtype=pl.Int64)
            if selected is not None:
                places = selected.arg_true().cast(pl.Int64).gather(places)
            inputs = [series.gather(failed) for series in columns]
            self._report(chunk, places, pl.DataFrame([(places + chunk.start).alias(ROW), *inputs]))
        if self.is_filter:
            chunk.run.select(self, chunk.start, outputs[0])
            return
        for name, values in zip(self.writes, outputs, strict=True):
            chunk.put(self, name, values)

    def _results(
        self, chunk: Chunk, frame: pl.DataFrame, height: int
    ) -> Iterable[tuple[Any, ...] | Exception]:
        if self.results is not None:
            return self.results.rows[chunk.start : chunk.stop]
        rows = physical_rows(frame) if frame.width else [()] * height
        return call_rows(self.binding, rows, frame.dtypes)

    def _compute(
        self, results: Iterable[tuple[Any, ...] | Exception], height: int
    ) -> tuple[list[pl.Series], list[int]]:
        """Return the outputs for some rows, and which of those failed."""
        columns: list[list[Any]] = [[] for _ in self._convert]
        failed = []
        began = perf_counter()
        for i, result in enumerate(results):
            values = result if isinstance(result, Exception) else self._converted(result)
            if isinstance(values, Exception):
                failed.append(i)
                values = [None] * len(columns)
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        self._pace.add(height, perf_counter() - began)
        pairs = zip(columns, self._dtypes, strict=True)
        return [_series(values, dtype) for values, dtype in pairs], failed

    def _converted(self, result: tuple[Any, ...]) -> list[Any] | Exception:
        """Return a row's results as their columns hold them, or why they can't."""
        fields = self.interpreted.fields
        if fields is not None and getattr(result, "_fields", fields) != fields:
            return TypeError(f"it returned a named tuple of other fields than {', '.join(fields)}")
        if len(result) == 1 and result[0] is None:
            return [None] * len(self._convert)
        is_struct = not self.interpreted.is_tuple and isinstance(self._dtypes[0], pl.Struct)
        if is_struct and not isinstance(result[0], dict):
            result = (result,)
        if len(result) != len(self._convert):
            return TypeError(f"it returned {len(result)} values, {len(self._convert)} are declared")
        try:
            return [
                None if value is None else convert(value)
                for value, convert in zip(result, self._convert, strict=True)
            ]
        except Exception as error:  # whatever a value raises when it is read
            return error

    def _report(self, chunk: Chunk, places: pl.Series, sample: pl.DataFrame) -> None:
        """Note rows that failed, given by their places in the chunk."""
        run = chunk.run
        bitmap = run.expect_failures(self, [])
        none = pl.Series([False]).new_from_index(0, chunk.stop - chunk.start)
        mask = none.scatter(places, True)
        bitmap.put(chunk.start, mask)
        if not self.is_filter:
            run.select(self, chunk.start, ~mask)
        failures = run.failures[self.index]
        with run.lock:
            failures.count += len(places)
            if failures.wants(chunk.start):
                failures.record(sample.head(failures.limit))

    def replay(self, inputs: pl.DataFrame) -> Iterable[tuple[Any, ...] | Exception]:
        """Yield what the function makes of rows, one for each."""
        return call_rows(self.binding, physical_rows(inputs), inputs.dtypes)

    def shown(self, inputs: pl.DataFrame) -> pl.DataFrame:
        """Return rows as they are shown to the user."""
        return inputs

    def compiled_error(self, inputs: pl.DataFrame) -> Exception:
        """Return nothing: it isn't compiled."""
        raise NotImplementedError

    def misfit(self, values: Sequence[Any], inputs: pl.DataFrame) -> Exception:
        """Return why a row failed whose function returned ``values``."""
        converted = self._converted(values if isinstance(values, tuple) else tuple(values))
        if isinstance(converted, Exception):
            return converted
        return RuntimeError("it failed when it was run, and not when it was called again to say why")

    def close(self) -> None:
        """Say once for each plugin that it isn't compiled, and how slow that was."""
        derived = remembered(self.plugin).derived
        rows, seconds = self._pace.so_far()
        if not rows or derived.is_told:
            return
        derived.is_told = True
        each = seconds / rows * 1e9
        few, many = (max(1, round(each / compiled)) for compiled in reversed(_COMPILED))
        warn(
            f"plugin `{self.plugin.name}` ran in the Python interpreter at {rows / seconds:,.0f} "
            f"rows/s, {each:,.0f} ns a row; compiled kernels take {_COMPILED[0]} to {_COMPILED[1]} ns, so "
            f"that is about {few:,} to {many:,} times slower. It isn't compiled: {self.interpreted.reason}",
            InterpretedWarning,
        )


def _series(values: list[Any], dtype: Any) -> pl.Series:
    if dtype.is_temporal():
        physical = pl.Series(dtype=dtype).to_physical().dtype
        return pl.Series(values, dtype=physical).cast(dtype)
    return pl.Series(values, dtype=dtype)
