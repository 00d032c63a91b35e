"""One plugin over one Polars frame, whatever its form: columns out, rows kept, rows failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.binding import bind, output_names
from dataflare_vec.definition import Form
from dataflare_vec.engine.columnwise import run_column_kernel
from dataflare_vec.engine.expressions import build_expression, evaluate, expression_dtype
from dataflare_vec.engine.result import FailedRows
from dataflare_vec.engine.rows import RowRun, prepare
from dataflare_vec.errors import BindingError, KernelResultError, RowError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.binding import Binding, Column
    from dataflare_vec.config import BatchConfig
    from dataflare_vec.definition import Plugin
    from dataflare_vec.engine.rows import Prepared
    from dataflare_vec.memory import MemoryPool

ON_ERROR = ("raise", "null", "drop")

#: Failed rows that an error message names.
_SHOWN_ROWS = 5


@dataclass
class Outcome:
    """What a plugin made of a frame.

    Attributes
    ----------
    series
        The new columns, named; empty for a filter.
    keep
        Which rows stay: a Boolean Series, or None for all.
    failed
        The rows that raised.
    filtered
        Rows that a filter took out (failed ones not counted).
    """

    series: list[pl.Series] = field(default_factory=list)
    keep: pl.Series | None = None
    failed: FailedRows = field(default_factory=FailedRows)
    filtered: int = 0


@dataclass(frozen=True)
class Call:
    """A plugin with everything that a user says about one use of it."""

    plugin: Plugin
    binding: Binding
    output: str | Sequence[str] | Mapping[str, str] | None = None
    keep: bool = True
    on_error: str = "raise"

    @classmethod
    def make(
        cls,
        plugin: Plugin,
        bindings: Mapping[str, Any],
        *,
        output: Any = None,
        keep: bool = True,
        on_error: str = "raise",
    ) -> Call:
        """Check the arguments and bind them."""
        if on_error not in ON_ERROR:
            msg = f'`on_error` must be "raise", "null" or "drop", got {on_error!r}'
            raise ValueError(msg)
        return cls(plugin, bind(plugin, bindings), output, keep, on_error)

    # -- without data -------------------------------------------------------------------------------------

    def schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dtypes of the output columns by name, for data of ``schema``.

        Raises
        ------
        PluginError
            Whatever would be wrong with the call on such data.
        """
        self.binding.check_columns(schema)
        if self.plugin.form is not Form.ROW:
            empty = pl.DataFrame(schema=dict(schema))
            if self.plugin.form is Form.EXPRESSION:
                dtype = expression_dtype(self.binding, empty)
                names = self._names(None, 1, schema)
                return {} if self.plugin.is_filter else {names[0]: dtype}
            return {s.name: s.dtype for s in _column_outcome(self, empty).series}
        dtypes = self._dtypes(schema)
        prepared = prepare(self.binding, dtypes)
        if self.plugin.is_filter:
            return {}
        return prepared.schema(self._kernel_names(prepared, schema))

    def _dtypes(self, schema: Mapping[str, Any]) -> list[Any]:
        names = [item.source for item in self.binding.columns if isinstance(item.source, str)]
        if len(names) == len(self.binding.columns):
            return [schema[name] for name in names]
        empty = pl.DataFrame(schema=dict(schema))
        return [_select(empty, self.plugin, item).dtype for item in self.binding.columns]

    def _kernel_names(self, prepared: Prepared, taken: Mapping[str, Any] | Sequence[str]) -> list[str]:
        count = len(prepared.outputs)
        fields = prepared.fields
        if prepared.is_tuple and fields is None:
            fields = tuple(f"{self.plugin.name}_{i}" for i in range(count))
        return self._names(fields, count, taken)

    def _names(
        self, fields: Sequence[str] | None, count: int, taken: Mapping[str, Any] | Sequence[str]
    ) -> list[str]:
        return output_names(self.plugin, fields, count, self.output, taken if self.keep else ())


def execute(call: Call, frame: pl.DataFrame, pool: MemoryPool, config: BatchConfig) -> Outcome:
    """Run ``call`` over ``frame``.

    Raises
    ------
    PluginError
        If the call doesn't fit the frame, before any work; `RowError` if rows failed and
        ``on_error="raise"``.
    """
    columns = frame.columns
    call.binding.check_columns(columns)
    if call.plugin.form is Form.ROW:
        outcome = _row_outcome(call, frame, columns, pool, config)
    elif call.plugin.form is Form.COLUMN:
        outcome = _column_outcome(call, frame)
    else:
        outcome = _expression_outcome(call, frame, config)
    if outcome.failed.rows:
        _settle_failures(call, outcome, frame.height)
    return outcome


def _row_outcome(
    call: Call, frame: pl.DataFrame, names: Sequence[str], pool: MemoryPool, config: BatchConfig
) -> Outcome:
    plugin = call.plugin
    series = [
        frame.get_column(item.source) if isinstance(item.source, str) else _select(frame, plugin, item)
        for item in call.binding.columns
    ]
    prepared = prepare(call.binding, [s.dtype for s in series])
    out = [plugin.name] if plugin.is_filter else call._kernel_names(prepared, names)
    run = RowRun(call.binding, prepared, series, out, frame.height, pool, config)
    if plugin.is_filter:
        return _filtered(run.outputs[0], run.failed)
    return Outcome(run.outputs, failed=run.failed)


def _filtered(mask: pl.Series, failed: FailedRows) -> Outcome:
    if mask.null_count():
        mask = mask.fill_null(value=False)
    filtered = len(mask) - int(mask.sum() or 0) - len(failed.rows)
    return Outcome(keep=mask, failed=failed, filtered=filtered)


def _select(frame: pl.DataFrame, plugin: Plugin, item: Column) -> pl.Series:
    """Evaluate an expression that a parameter is bound to; one value is repeated for each row."""
    try:
        values = frame.select(item.source).to_series()
    except pl.exceptions.PolarsError as error:
        msg = f"plugin `{plugin.name}`: parameter `{item.parameter.name}`: {error}"
        raise BindingError(msg) from error
    if len(values) == 1 and frame.height != 1:
        return values.new_from_index(0, frame.height)
    if len(values) != frame.height:
        msg = (
            f"plugin `{plugin.name}`: the expression for parameter `{item.parameter.name}` has "
            f"{len(values)} rows, the data has {frame.height}; bind one of the same length"
        )
        raise BindingError(msg)
    return values


def _column_outcome(call: Call, frame: pl.DataFrame) -> Outcome:
    inputs = [
        frame.get_column(item.source) if isinstance(item.source, str) else _select(frame, call.plugin, item)
        for item in call.binding.columns
    ]
    outputs, fields = run_column_kernel(call.binding, inputs, frame.height)
    names = call._names(fields, len(outputs), frame.columns)
    return Outcome([s.alias(name) for s, name in zip(outputs, names, strict=True)])


def _expression_outcome(call: Call, frame: pl.DataFrame, config: BatchConfig) -> Outcome:
    names = call._names(None, 1, [] if call.plugin.is_filter else frame.columns)
    expression = build_expression(call.binding)
    values = evaluate(call.plugin.name, expression, frame, config)
    if call.plugin.is_filter:
        if values.dtype != pl.Boolean:
            msg = f"filter plugin `{call.plugin.name}` must be Boolean, it is {values.dtype}"
            raise KernelResultError(msg)
        return _filtered(values, FailedRows())
    return Outcome([values.alias(names[0])])


def _settle_failures(call: Call, outcome: Outcome, height: int) -> None:
    """Do with failed rows what ``on_error`` says."""
    failed = outcome.failed
    rows = [int(row) for row in failed.rows]
    if call.on_error == "raise":
        assert failed.explain is not None
        cause = failed.explain(rows[0])
        more = ", …" if len(rows) > _SHOWN_ROWS else ""
        shown = ", ".join(map(str, rows[:_SHOWN_ROWS])) + more
        what = "row" if len(rows) == 1 else "rows"
        msg = (
            f"plugin `{call.plugin.name}`: {len(rows)} of {height} rows failed, {what} {shown}; the "
            f'first with {type(cause).__name__}: {cause}; pass `on_error="null"` or `"drop"` to go on '
            "without them"
        )
        raise RowError(
            msg, plugin=call.plugin.name, count=len(rows), rows=tuple(rows[:_SHOWN_ROWS])
        ) from cause
    if call.on_error == "drop" and outcome.keep is None:
        mask = pl.Series("keep", [True]).new_from_index(0, height)
        outcome.keep = mask.scatter(rows, False)  # noqa: FBT003
