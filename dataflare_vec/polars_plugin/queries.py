"""Plugins added to a Polars query as native expressions, in order: the plan needs no Python to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.execution.lazy import columns_that_come_back
from dataflare_vec.engine.planning.plan import Plan
from dataflare_vec.engine.stages.expression import build_expression, exactly
from dataflare_vec.engine.stages.interpreted import InterpretedStage
from dataflare_vec.engine.stages.reduce import ReduceStage
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import ArgumentError, BuildError
from dataflare_vec.polars_plugin.expressions import check_form, dtypes_in, native_expression
from dataflare_vec.polars_plugin.per_machine import check_native

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.engine.stages.protocols import Stage


def apply_natively(frame: pl.LazyFrame, request: Request, *, may_hold_all: bool) -> pl.LazyFrame:
    """Add plugins to a query as expressions that run natively. Its schema is known without running it.

    Parameters
    ----------
    may_hold_all
        Whether Polars may hold whole columns for what carries a state.

    Raises
    ------
    ArgumentError, BuildError
        If something that is asked for needs Python when the query runs.
    MissingDependencyError
        If there is no linker.
    PluginError
        As `apply_lazily`.
    """
    check_options(request)
    if not may_hold_all:
        _check_batches(request)
    steps, schema = request.steps, frame.collect_schema()
    plan = Plan(steps, ColumnScope.of_schema(schema), keep_data=request.keep)
    stages = [stage for stage in plan.stages if stage.plugin is not None]
    pairs = list(zip(steps, stages, strict=True))
    dtypes = _dtypes(pairs, ColumnScope.of_schema(schema))  # before anything is built
    query = _Growing(frame, request.on_error)
    for i, (step, stage) in enumerate(pairs):
        query.add(step, stage, dtypes[i], is_last=i + 1 == len(pairs))
    names = columns_that_come_back(schema, request, plan, stages)
    return query.frame.select(map(exactly, names))


def check_options(request: Request) -> None:
    """Raise if a call asks for something that goes on in Python while a query runs.

    Raises
    ------
    ArgumentError
        Naming it.
    """
    problem = None
    if request.runtime.log is not None:
        problem = "errors", "an ErrorLog is filled by Python", 'use `dfv.expr(…, on_error="struct")`'
    elif request.config is not None:
        problem = "config", "chunks and threads are Polars' own", "leave it out"
    elif request.state is not None:
        problem = "state", "nothing is carried from call to call", "leave it out"
    if problem is not None:
        argument, why, hint = problem
        msg = f"`{argument}` means nothing in a native query: {why}"
        raise ArgumentError(msg, argument=argument, hint=hint)


def _check_batches(request: Request) -> None:
    """Raise if Polars would hold whole columns, where a query takes them batch by batch otherwise.

    Raises
    ------
    BuildError
        Naming the plugin.
    """
    for step in request.steps:
        if step.plugin.stateful is not None:
            msg = f"Polars would hold the columns of a {step.plugin.form.value} as a whole"
            raise BuildError(msg, plugin=step.plugin.name, hint="pass `native=True`")


def _dtypes(pairs: Sequence[tuple[BoundStep, Stage]], scope: ColumnScope) -> list[Sequence[Any]]:
    """Return for each step the dtypes of its columns, if it can run natively.

    Raises
    ------
    BuildError
        If one can't.
    """
    found: list[Sequence[Any]] = []
    for step, stage in pairs:
        dtypes: Sequence[Any] = ()
        if step.plugin.form is not Form.EXPRESSION:
            dtypes = dtypes_in(step.binding, scope)
            check_form(step)
            check_native(step.binding, dtypes)
            if isinstance(stage, InterpretedStage):
                msg = f"it can't be built into a native library: {stage.interpreted.reason}"
                raise BuildError(msg, plugin=step.plugin.name)
        found.append(dtypes)
        scope.new.update(stage.adds)
    return found


@dataclass(slots=True)
class _Growing:
    """A query to which steps are added.

    Polars makes one predicate of neighbouring filters, and asks all of it of all rows. So a filter that may
    raise is a column of its own, which Polars computes for the rows that those before have kept.

    Attributes
    ----------
    frame : LazyFrame
        What there is so far.
    on_error : str
        What becomes of failed rows.
    well : str or None
        The column that says which rows haven't failed; None if none has.
    helpers : int
        How many columns there are that don't come back.
    """

    frame: pl.LazyFrame
    on_error: str
    well: str | None = None
    helpers: int = 0

    def add(self, step: BoundStep, stage: Stage, dtypes: Sequence[Any], *, is_last: bool) -> None:
        """Add a step that reads columns of ``dtypes``."""
        if step.plugin.form is Form.EXPRESSION:
            expression = build_expression(step.binding)
            if stage.is_filter:
                self._keep_where(expression)
            else:
                self._put(stage, expression)
        elif stage.is_filter:
            how = "raise" if self.on_error == "raise" else "null"
            answer = native_expression(step.binding, dtypes, how)
            self._keep_where(answer if how == "null" else pl.col(self._helper(answer)))
        elif isinstance(stage, ReduceStage):
            how = "raise" if self.on_error == "raise" else "null"
            self._reduce(stage, native_expression(step.binding, dtypes, how))
        elif self.on_error == "raise" or (self.on_error == "null" and is_last):
            self._put(stage, self._of_rows_that_went_well(step, dtypes, self.on_error))
        else:
            result = pl.col(self._helper(self._of_rows_that_went_well(step, dtypes, "struct"))).struct
            went_well = result.field("error").is_null()
            if self.on_error == "drop":
                self.frame = self.frame.filter(went_well)
            self._put(stage, result.field("value"))
            if self.on_error == "null":
                before = self.well
                self.well = self._helper(went_well if before is None else pl.col(before) & went_well)

    def _of_rows_that_went_well(self, step: BoundStep, dtypes: Sequence[Any], on_error: str) -> pl.Expr:
        """Return a kernel as an expression; a scan's state knows nothing of rows that have failed before."""
        expression = native_expression(step.binding, dtypes, on_error)
        if step.plugin.form is Form.SCAN and self.well is not None:
            return expression.over(self.well)
        return expression

    def _helper(self, expression: pl.Expr) -> str:
        """Add a column that doesn't come back; return its name."""
        self.helpers += 1
        name = internal(f"native {self.helpers}")
        self.frame = self.frame.with_columns(expression.alias(name))
        return name

    def _keep_where(self, answer: pl.Expr) -> None:
        self.frame = self.frame.filter(answer if self.well is None else pl.col(self.well) & answer)
        self.well = None  # all rows that are left have gone well

    def _put(self, stage: Stage, values: pl.Expr) -> None:
        if self.well is not None:
            values = pl.when(self.well).then(values)
        self.frame = self.frame.with_columns(_named(values, list(stage.writes)))

    def _reduce(self, stage: ReduceStage, values: pl.Expr) -> None:
        if self.well is not None:
            self.frame = self.frame.filter(self.well)
        self.frame = self.frame.select(_named(values, list(stage.schema)))


def _named(values: pl.Expr, names: list[str]) -> pl.Expr:
    """Return results as columns of some names."""
    return values.alias(names[0]) if len(names) == 1 else values.struct.rename_fields(names).struct.unnest()
