"""From steps to stages: everything that can be known, and refused, before any row is touched."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from dataflare_vec.binding import output_names
from dataflare_vec.definition import Form
from dataflare_vec.engine.categories import CategoryStage
from dataflare_vec.engine.columnwise import ColumnStage, column_kernel_schema
from dataflare_vec.engine.expressions import (
    ExpressionStage,
    Owner,
    build_expression,
    columns_of,
    expression_dtype,
)
from dataflare_vec.engine.inferred import Interpreted, infer_outputs
from dataflare_vec.engine.interpreted import InterpretedStage, prepare_or_interpret
from dataflare_vec.engine.live import check
from dataflare_vec.engine.prepare import prepare
from dataflare_vec.engine.remembered import remembered
from dataflare_vec.engine.rows import RowStage
from dataflare_vec.exceptions import (
    BindingError,
    ColumnNotFoundError,
    KernelResultError,
    OutputNameError,
)
from dataflare_vec.hints import Argument, Phrase, near_matches

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dataflare_vec.engine.inferred import Results
    from dataflare_vec.engine.reduce import ReduceStage
    from dataflare_vec.engine.scan import ScanStage
    from dataflare_vec.engine.scope import Scope
    from dataflare_vec.engine.stage import Stage
    from dataflare_vec.engine.steps import BoundStep


def plan_for(steps: Sequence[BoundStep], scope: Scope, *, keep_data: bool) -> Plan:
    """Return the plan of a call, remembered if it is like the last call of its plugin.

    That is a call of one plugin without bindings, over data with the same columns of the same types. Planning
    it anew would take as long as computing a thousand rows.
    """
    step = steps[0]
    plugin = step.plugin
    known = remembered(plugin)
    if (
        len(steps) > 1
        or step.binding is not known.binding
        or step.output is not None
        or not step.keep
        or step.by
        or step.replace
    ):
        return Plan(steps, scope, keep_data=keep_data)
    if known.captured is not None:
        check(plugin)
    made = known.made  # if something changes meanwhile, the plugin gets another one
    if made.plan is not None:
        names, kept, dtypes, last = made.plan
        if kept is keep_data and names == scope.data_names and _is_still(step, last):
            for name, dtype in dtypes:
                if scope.column(name).dtype != dtype:
                    break
            else:
                return last.over(scope)  # type: ignore[no-any-return]
    plan = Plan(steps, scope, keep_data=keep_data)
    if not plan.is_reusable:
        return plan
    reads = {name for stage in plan.stages for name in stage.reads if name not in scope.new}
    dtypes = [(name, scope.column(name).dtype) for name in reads]
    made.plan = list(scope.data_names), keep_data, dtypes, plan.over(None)
    return plan


def _is_still(step: BoundStep, plan: Plan) -> bool:
    """Whether a function that returns an expression still returns that of the plan."""
    plugin = step.plugin
    if plugin.form is not Form.EXPRESSION or isinstance(plugin.function, pl.Expr):
        return True
    return cast("ExpressionStage", plan.stages[-1]).is_of(build_expression(step.binding))


class Plan:
    """The stages of a pipeline over data of a known schema.

    Attributes
    ----------
    stages : list of Stage
        In order; an expression that a parameter is bound to is a stage of its own.
    new : dict
        The columns that come back, by name with their dtypes.
    scope : Scope
        The data's columns, and those of the stages.
    has_whole : bool
        Whether a stage has to see all rows at once.
    is_reusable : bool
        Whether it also is the plan of other data of the same schema.
    reduces : ReduceStage or None
        The last stage, if it makes one row of many.
    stateful : dict
        The stages that carry a state, by name of the plugin.
    is_pipeline : bool
        Whether it has several plugins.
    dtypes : dict
        By name of the plugin the dtypes of the columns that parameters are bound to by name.
    """

    __slots__ = (
        "dtypes",
        "has_whole",
        "is_pipeline",
        "is_reusable",
        "new",
        "reduces",
        "scope",
        "stages",
        "stateful",
    )

    def __init__(self, steps: Sequence[BoundStep], scope: Scope, *, keep_data: bool) -> None:
        self.scope = scope
        self.has_whole = False
        self.reduces: ReduceStage | None = None
        self.is_reusable = True
        self.stages: list[Stage] = []
        self.new: dict[str, Any] = {}
        self.dtypes: dict[str, dict[str, Any]] = {}
        for step in steps:
            self._add(step, scope, scope.data_names if keep_data else ())
        self.stateful = _carrying(self.stages)
        self.is_pipeline = len(steps) > 1

    def over(self, scope: Scope | None) -> Plan:
        """Return the same plan for other data of the same schema."""
        plan = Plan.__new__(Plan)
        plan.stages, plan.new, plan.dtypes = self.stages, self.new, self.dtypes
        plan.has_whole, plan.reduces = self.has_whole, self.reduces
        plan.stateful, plan.is_pipeline = self.stateful, self.is_pipeline
        plan.is_reusable = True
        plan.scope = scope  # type: ignore[assignment]  # None only while it is remembered
        return plan

    def _add(self, step: BoundStep, scope: Scope, data_names: Collection[str]) -> None:
        step.binding.check_columns(scope.names)
        plugin = step.plugin
        self.dtypes[plugin.name] = {
            item.parameter.name: scope.dtype(item.source)
            for item in step.binding.columns
            if isinstance(item.source, str)
        }
        if self.reduces is not None:
            raise BindingError(
                problem="it makes one row of many, so no step can follow it",
                plugin=self.reduces.binding.plugin.name,
                hint=f"apply `{plugin.name}` to its result",
            )
        stage: Stage
        check(plugin)
        if plugin.form is Form.EXPRESSION:
            stage = self._expression(step, scope, data_names)
        elif plugin.form is Form.ROW:
            reads = self._read(step, scope)
            prepared = prepare_or_interpret(step.binding, [scope.dtype(name) for name in reads])
            results = None
            if isinstance(prepared, Interpreted) and prepared.dtypes is None:
                prepared, results = self._infer(step, prepared, reads, scope)
            writes = {}
            if not plugin.is_filter:
                known = prepared.dtypes or ()
                names = self._names(step, prepared.field_names(plugin), len(known), data_names)
                writes = dict(zip(names, known, strict=True))
            if isinstance(prepared, Interpreted):
                stage = InterpretedStage(
                    step.binding, prepared, reads, writes, kept=step.keep, results=results
                )
            else:
                kind = CategoryStage if CategoryStage.fits(prepared, reads) else RowStage
                stage = kind(step.binding, prepared, reads, writes, kept=step.keep)
        elif plugin.stateful is not None:
            stage = self._stateful(step, scope, data_names)
        else:
            reads = self._read(step, scope)
            empty = [pl.Series(dtype=scope.dtype(name)) for name in reads]
            fields, dtypes = column_kernel_schema(step.binding, empty)
            names = self._names(step, fields, len(dtypes), data_names)
            stage = ColumnStage(step.binding, reads, dict(zip(names, dtypes, strict=True)), kept=step.keep)
        self._append(stage, scope)
        if self.reduces is not None:
            self.new = self.reduces.schema
        elif step.keep:
            self.new.update(stage.writes)

    def _stateful(self, step: BoundStep, scope: Scope, data_names: Collection[str]) -> Stage:
        from dataflare_vec.engine.reduce import ReduceStage
        from dataflare_vec.engine.scan import ScanStage

        plugin = step.plugin
        reads = self._read(step, scope)
        keys = [self._key(step, key, scope) for key in step.by]
        shown = [key if isinstance(key, str) else key.meta.output_name() for key in step.by]
        if len(set(shown)) < len(shown):
            raise BindingError(
                Phrase("two keys are named the same, ", Argument("by"), f" is {', '.join(map(str, shown))}"),
                plugin=plugin.name,
                argument="by",
                hint="name each once, or use `alias`",
            )
        by = {name: scope.dtype(key) for name, key in zip(shown, keys, strict=True)}
        dtypes = [scope.dtype(name) for name in reads]
        prepared = prepare(step.binding, dtypes)
        if plugin.form is Form.REDUCE:
            by_parameter = {
                item.parameter.name: dtype for item, dtype in zip(step.binding.columns, dtypes, strict=True)
            }
            self.reduces = stage = ReduceStage(
                step.binding, prepared, reads, by=by, keys=keys, dtypes=by_parameter, output=step.output
            )
            if not self.has_whole:
                for earlier in self.stages:
                    earlier.kept = False  # its rows don't come back
            return stage
        names = self._names(step, prepared.field_names(plugin), len(prepared.outputs), data_names)
        writes = dict(zip(names, prepared.dtypes, strict=True))
        return ScanStage(step.binding, prepared, reads, writes, kept=step.keep, by=by, keys=keys)

    def _key(self, step: BoundStep, key: str | pl.Expr, scope: Scope) -> str:
        """Return the name of the column that holds a key."""
        if isinstance(key, pl.Expr):
            return self._bound_expression(step, f"key {key.meta.output_name()}", key, scope)
        if key not in scope.names:
            raise ColumnNotFoundError(
                problem=f"there is no column `{key}` to go by",
                plugin=step.plugin.name,
                argument="by",
                column=key,
                hint=near_matches(key, scope.names),
            )
        return key

    def _infer(
        self, step: BoundStep, interpreted: Interpreted, reads: Sequence[str], scope: Scope
    ) -> tuple[Interpreted, Results]:
        """Tell from the values what a kernel returns, if they are all there already."""
        if self.stages or not reads or not scope.holds_all or not len(scope.column(reads[0])):
            assert interpreted.undeclared is not None
            raise copy(interpreted.undeclared)  # another for each: it comes to hold a traceback
        self.is_reusable = False
        return infer_outputs(step.binding, interpreted, [scope.column(name) for name in reads])

    def _append(self, stage: Stage, scope: Scope) -> None:
        stage.index = len(self.stages)
        if stage.whole:
            self.has_whole = True
            # It, and what comes after, sees frames: nothing may live in chunks only.
            for earlier in (*self.stages, stage):
                earlier.kept = True
        self.stages.append(stage)
        scope.new.update(stage.writes)

    def _expression(self, step: BoundStep, scope: Scope, data_names: Collection[str]) -> ExpressionStage:
        plugin = step.plugin
        expression = build_expression(step.binding)
        of = Owner(plugin.name)
        dtype = expression_dtype(of, expression, scope)
        reads = columns_of(expression, scope)
        if plugin.is_filter:
            if dtype != pl.Boolean:
                msg = f"a filter must be Boolean, it is {dtype}"
                raise KernelResultError(msg, plugin=plugin.name, expected="Boolean", got=dtype)
            return ExpressionStage(plugin, of, expression, reads, {}, kept=True)
        (name,) = self._names(step, None, 1, data_names)
        return ExpressionStage(plugin, of, expression, reads, {name: dtype}, kept=step.keep)

    def _read(self, step: BoundStep, scope: Scope) -> list[str]:
        """Return the names of the columns that a kernel reads, one for each column parameter."""
        reads = []
        for item in step.binding.columns:
            source = item.source
            if item.offset and not item.is_there:
                column = pl.col(source) if isinstance(source, str) else source
                source = column.shift(-item.offset)
            if not isinstance(source, str):
                source = self._bound_expression(step, item.label, source, scope)
            reads.append(source)
        return reads

    def _bound_expression(self, step: BoundStep, parameter: str, source: pl.Expr, scope: Scope) -> str:
        """Add a stage for an expression that a parameter is bound to; return the name of its column."""
        plugin = step.plugin
        of = Owner(plugin.name, parameter)
        dtype = expression_dtype(of, source, scope)
        name = f"{plugin.name}({parameter}) in stage {len(self.stages)}"  # no column is called so
        reads = columns_of(source, scope)
        self._append(ExpressionStage(None, of, source, reads, {name: dtype}, kept=False), scope)
        scope.hide(name)
        return name

    def _names(
        self, step: BoundStep, fields: Sequence[str] | None, count: int, data_names: Collection[str]
    ) -> list[str]:
        taken = [*data_names, *self.new] if self.new else data_names
        if not step.replace:
            return output_names(step.plugin, fields, count, step.output, taken)
        names = output_names(step.plugin, fields, count, step.output, ())
        for name in names:
            problem, hint = "", ""
            if list(data_names).count(name) > 1:
                problem = f"the data has several columns `{name}`, so none can be replaced"
                hint = "rename them"
            elif name in taken and not step.keep:
                problem = (
                    f"`replace=True` puts `{name}` in the place of a column that stays, `keep=False` takes "
                    "it away"
                )
                hint = "name a column that is only for later steps otherwise"
            if problem:
                raise OutputNameError(problem, plugin=step.plugin.name, column=name, hint=hint)
        if not self.has_whole:
            for earlier in self.stages:
                if earlier.writes and set(earlier.writes) <= set(names):
                    earlier.kept = False  # nobody sees it any more but the steps between
        return names


def _carrying(stages: Sequence[Stage]) -> dict[str, ScanStage]:
    """Return those that carry a state, by name of the plugin; a second use of one is ``name (2)``."""
    found: dict[str, Any] = {}
    for stage in stages:
        if stage.in_order and stage.plugin is not None:
            name, count = stage.plugin.name, 1
            while name in found:
                count += 1
                name = f"{stage.plugin.name} ({count})"
            found[name] = stage
    return found
