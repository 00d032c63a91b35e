"""From steps to stages: everything that can be known, and refused, before any row is touched."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec._util.suggestions import Argument, Phrase, near_matches
from dataflare_vec.arrow.c_data import FORMATS
from dataflare_vec.compiler.hot_reload import check
from dataflare_vec.compiler.prepare import prepare, with_blocks
from dataflare_vec.definition.binding import output_names
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.stages.chain import chained
from dataflare_vec.engine.stages.column import ColumnStage, column_kernel_schema
from dataflare_vec.engine.stages.dictionary import CategoryStage
from dataflare_vec.engine.stages.explosion import explosion_of
from dataflare_vec.engine.stages.expression import (
    ExpressionStage,
    Owner,
    build_expression,
    columns_of,
    expression_dtype,
    source_of,
)
from dataflare_vec.engine.stages.inferred import Interpreted, infer_outputs
from dataflare_vec.engine.stages.interpreted import InterpretedStage, prepare_or_interpret
from dataflare_vec.engine.stages.row import RowStage
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import (
    BindingError,
    ColumnNotFoundError,
    KernelResultError,
    OutputNameError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dataflare_vec.compiler.remembered import Derived
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.engine.stages.compiled_expression import CompiledExpressionStage
    from dataflare_vec.engine.stages.direct import Direct
    from dataflare_vec.engine.stages.direct_reduce import DirectReduce
    from dataflare_vec.engine.stages.inferred import Results
    from dataflare_vec.engine.stages.protocols import Stage
    from dataflare_vec.engine.stages.reduce import ReduceStage
    from dataflare_vec.engine.stages.scan import ScanStage, StageExpiry


def column_dtypes(step: BoundStep, scope: ColumnScope) -> dict[str, Any]:
    """Return the dtypes of the columns that a step's parameters are bound to by name, by parameter.

    Those of earlier steps are known once these are planned.
    """
    return {
        item.parameter.name: scope.dtype(step.column(item.source))
        for item in step.binding.columns
        if isinstance(item.source, str) and step.column(item.source) in scope
    }


class Plan:
    """The stages of a pipeline over data of a known schema. It holds nothing of the data itself.

    Attributes
    ----------
    stages : list of Stage
        In order; an expression that a parameter is bound to is a stage of its own.
    new : dict
        The columns that come back, by name with their dtypes.
    needs_all_rows : bool
        Whether a stage has to see all rows at once.
    explodes : bool
        Whether a stage gives several rows for one.
    is_reusable : bool
        Whether it also is the plan of other data of the same schema.
    reduces : ReduceStage or None
        The last stage, if it makes one row of many.
    stateful : dict
        The stages that carry a state, by name of the plugin; a second use of one is ``name (2)``.
    is_pipeline : bool
        Whether it has several plugins.
    owns_columns : bool
        Whether nothing else refers to the memory of the columns that come back.
    whole : tuple or None
        Tuners and a configuration, and what by these decides about frames of one chunk; see `fast_path`.
    direct : Direct or None
        What computes all rows at once, if that doesn't need a `Run`.
    direct_reduce : DirectReduce or None
        What does so for a reduce, after `direct` if that isn't the only stage.
    dtypes : dict
        By name of the plugin the dtypes of the columns that parameters are bound to by name.
    derived : list of tuple
        The plugins, each with what was derived from it when this plan was.
    """

    __slots__ = (
        "_adds",
        "_compiles_expressions",
        "_data_names",
        "_keeps_data",
        "_needs",
        "derived",
        "direct",
        "direct_reduce",
        "dtypes",
        "explodes",
        "is_pipeline",
        "is_reusable",
        "needs_all_rows",
        "new",
        "owns_columns",
        "reduces",
        "stages",
        "stateful",
        "whole",
    )

    def __init__(
        self,
        steps: Sequence[BoundStep],
        scope: ColumnScope,
        *,
        keep_data: bool,
        compiles_expressions: bool = True,
    ) -> None:
        self.needs_all_rows = self.explodes = False
        self.reduces: ReduceStage | None = None
        self.is_reusable = True
        self.stages: list[Stage] = []
        self.new: dict[str, Any] = {}
        self.dtypes: dict[str, dict[str, Any]] = {}
        self.stateful: dict[str, ScanStage] = {}
        self.derived: list[tuple[Plugin, Derived]] = []
        self.is_pipeline = len(steps) > 1
        beside_kernels = any(step.plugin.form is Form.ROW for step in steps)
        self._compiles_expressions = compiles_expressions and beside_kernels
        for step in steps:
            self._add(step, scope, scope.data_names if keep_data else ())
        self.owns_columns = all(stage.owns_columns for stage in self.stages)
        self.direct: Direct | None = None
        self.direct_reduce: DirectReduce | None = None
        if self.reduces is not None and not self.explodes:
            self.direct, self.direct_reduce = self._directly_reduced(self.reduces)
        elif not self.explodes:
            self.direct = chained([stage.direct() for stage in self.stages], self.new)
        self.whole: tuple[Any, Any, Any] | None = None
        self._keeps_data = keep_data
        # An expression may mean all columns, and what is replaced has to be there.
        by_name = any(isinstance(stage, ExpressionStage) for stage in self.stages)
        by_name = by_name or any(step.replace for step in steps)
        self._data_names = list(scope.data_names) if by_name else None
        self._adds: tuple[str, ...] = ()
        if keep_data and self.reduces is None:
            self._adds = tuple(name for stage in self.stages for name in stage.adds)
        self._needs = [
            (name, column.dtype, type(column.dtype) in FORMATS) for name, column in scope.columns.items()
        ]

    def fits(self, scope: ColumnScope, *, keep_data: bool) -> bool:
        """Whether a new plan over some data would be like this one: same columns, nothing has changed."""
        if self._keeps_data is not keep_data:
            return False
        if self._data_names is None:
            if scope.holds_any(self._adds):
                return False
        elif self._data_names != scope.data_names:
            return False
        for name, dtype, is_plain in self._needs:
            column = scope.find(name)
            if column is None:
                return False
            found = column.dtype
            # Most are of a class that says all, and comparing dtypes takes longer than looking them up.
            if not (is_plain and type(found) is type(dtype)) and found != dtype:
                return False
        for plugin, derived in self.derived:
            if check(plugin) is not derived:
                return False
        for stage in self.stages:
            if not stage.is_current():
                return False
        return True

    def _directly_reduced(self, last: ReduceStage) -> tuple[Direct | None, DirectReduce | None]:
        """Return what computes the stages before a reduce at once, if there are any, and the reduce."""
        direct, earlier = last.direct_reduce(), self.stages[:-1]
        if direct is None or not earlier:
            return None, direct
        read = set(direct.reads)
        new = {name: dtype for stage in earlier for name, dtype in stage.writes.items() if name in read}
        before = chained([stage.direct() for stage in earlier], new)
        return before, None if before is None else direct

    def _add(self, step: BoundStep, scope: ColumnScope, data_names: Collection[str]) -> None:
        step.binding.check_columns(scope.names if step.names is None else step.names)
        plugin = step.plugin
        self.dtypes[plugin.name] = column_dtypes(step, scope)
        if self.reduces is not None:
            raise BindingError(
                problem="it reduces many rows to one, so no step can follow it",
                plugin=self.reduces.binding.plugin.name,
                hint=f"apply `{plugin.name}` to its result",
            )
        stage: Stage
        # If something changes meanwhile, the plugin gets another one, and this plan doesn't fit any more.
        self.derived.append((plugin, check(plugin)))
        if plugin.form is Form.EXPRESSION:
            stage = self._expression(step, scope, data_names)
        elif plugin.form is Form.ROW:
            reads = self._read(step, scope)
            prepared = prepare_or_interpret(step.binding, [scope.dtype(name) for name in reads])
            results = None
            if isinstance(prepared, Interpreted) and prepared.dtypes is None:
                prepared, results = self._infer(step, prepared, reads, scope)
            writes, explosion = {}, None
            if not plugin.is_filter:
                known = prepared.dtypes or ()
                names = self._names(step, prepared.field_names(plugin), len(known), data_names)
                if plugin.is_exploder:
                    explosion = explosion_of(plugin, names, known, len(self.stages))
                    names = list(explosion.columns)
                writes = dict(zip(names, known, strict=True))
            if isinstance(prepared, Interpreted):
                stage = InterpretedStage(
                    step.binding, prepared, reads, writes, in_result=step.keep, results=results
                )
            else:
                kind = CategoryStage if CategoryStage.fits(prepared, reads) else RowStage
                stage = kind(step.binding, prepared, reads, writes, in_result=step.keep)
            stage.explosion = explosion
        elif plugin.stateful is not None:
            stage = self._stateful(step, scope, data_names)
        else:
            reads = self._read(step, scope)
            empty = [pl.Series(dtype=scope.dtype(name)) for name in reads]
            fields, dtypes = column_kernel_schema(step.binding, empty)
            names = self._names(step, fields, len(dtypes), data_names)
            stage = ColumnStage(
                step.binding, reads, dict(zip(names, dtypes, strict=True)), in_result=step.keep
            )
        self._append(stage, scope)
        if self.reduces is not None:
            self.new = self.reduces.schema
        elif step.keep:
            self.new.update(stage.adds)

    def _stateful(self, step: BoundStep, scope: ColumnScope, data_names: Collection[str]) -> Stage:
        from dataflare_vec.engine.stages.reduce import ReduceStage
        from dataflare_vec.engine.stages.scan import ScanStage

        plugin = step.plugin
        reads = self._read(step, scope)
        keys = [self._key(step, key, scope) for key in step.by]
        shown = [key if isinstance(key, str) else key.meta.output_name() for key in step.by]
        if len(set(shown)) < len(shown):
            raise BindingError(
                Phrase("two keys have the same name: ", Argument("by"), f" is {', '.join(map(str, shown))}"),
                plugin=plugin.name,
                argument="by",
                hint="name each once, or use `alias`",
            )
        by = {name: scope.dtype(key) for name, key in zip(shown, keys, strict=True)}
        expiry = self._expiry(step, scope)
        dtypes = [scope.dtype(name) for name in reads]
        binding = step.binding if by else with_blocks(step.binding, dtypes)
        prepared = prepare(binding, dtypes)
        stage: ScanStage
        if plugin.form is Form.REDUCE:
            by_parameter = {
                item.parameter.name: dtype for item, dtype in zip(step.binding.columns, dtypes, strict=True)
            }
            self.reduces = stage = ReduceStage(
                binding,
                prepared,
                reads,
                by=by,
                keys=keys,
                dtypes=by_parameter,
                output=step.output,
                expiry=expiry,
            )
            if not self.needs_all_rows and not self.explodes:
                for earlier in self.stages:
                    earlier.in_result = False  # its rows don't come back
        else:
            names = self._names(step, prepared.field_names(plugin), len(prepared.outputs), data_names)
            writes = dict(zip(names, prepared.dtypes, strict=True))
            stage = ScanStage(
                step.binding,
                prepared,
                reads,
                writes,
                in_result=step.keep,
                by=by,
                keys=keys,
                expiry=expiry,
            )
        name, uses = plugin.name, 1
        while name in self.stateful:
            uses += 1
            name = f"{plugin.name} ({uses})"
        stage.state_name = name
        self.stateful[name] = stage
        return stage

    def _expiry(self, step: BoundStep, scope: ColumnScope) -> StageExpiry | None:
        """Return after what the states of a step's keys expire, in units of its column of times."""
        if step.expiry is None:
            return None
        from dataflare_vec.engine.stages.scan import StageExpiry
        from dataflare_vec.engine.state.expiring import Limit

        column = step.expiry.column
        if column is not None and column not in scope.names:
            raise ColumnNotFoundError(
                problem=f"the column of times `{column}` not found",
                plugin=step.plugin.name,
                argument="expire",
                column=column,
                hint=near_matches(column, scope.names),
            )
        dtype = None if column is None else scope.dtype(column)
        return StageExpiry(column, Limit(*step.expiry.units(step.plugin.name, dtype)))

    def _key(self, step: BoundStep, key: str | pl.Expr, scope: ColumnScope) -> str:
        """Return the name of the column that holds a key."""
        if isinstance(key, pl.Expr):
            return self._bound_expression(step, f"key {key.meta.output_name()}", key, scope)
        if key not in scope.names:
            raise ColumnNotFoundError(
                problem=f"key column `{key}` not found",
                plugin=step.plugin.name,
                argument="by",
                column=key,
                hint=near_matches(key, scope.names),
            )
        return key

    def _infer(
        self, step: BoundStep, interpreted: Interpreted, reads: Sequence[str], scope: ColumnScope
    ) -> tuple[Interpreted, Results]:
        """Tell from the values what a kernel returns, if they are all there already."""
        if self.stages or not reads or not scope.holds_all or not len(scope.column(reads[0])):
            assert interpreted.undeclared is not None
            raise copy(interpreted.undeclared)  # another for each: it comes to hold a traceback
        self.is_reusable = False
        return infer_outputs(step.binding, interpreted, [scope.column(name) for name in reads])

    def _append(self, stage: Stage, scope: ColumnScope) -> None:
        stage.index = len(self.stages)
        if stage.needs_all_rows:
            self.needs_all_rows = True
        if stage.explosion is not None:
            self.explodes = True
        if stage.needs_all_rows or stage.explosion is not None:
            # It, or what comes after, sees frames: nothing may live in chunks only.
            for earlier in (*self.stages, stage):
                earlier.in_result = True
        self.stages.append(stage)
        scope.new.update(stage.adds)

    def _expression(
        self, step: BoundStep, scope: ColumnScope, data_names: Collection[str]
    ) -> ExpressionStage | CompiledExpressionStage:
        plugin = step.plugin
        expression = build_expression(step.binding)
        of = Owner(plugin.name)
        reads, dtype = _reads_of(of, expression, step, scope)
        if not plugin.is_filter:
            (name,) = self._names(step, None, 1, data_names)
            if self._compiles_expressions:
                from dataflare_vec.engine.planning.fusion import as_kernel
                from dataflare_vec.engine.stages.compiled_expression import CompiledExpressionStage

                dtypes = {inner: scope.dtype(outer) for inner, outer in reads.items()}
                loop = as_kernel(plugin, expression, dtypes)
                if loop is not None:
                    return CompiledExpressionStage(
                        expression,
                        step.binding,
                        loop.binding,
                        prepare(loop.binding, loop.dtypes),
                        [reads[inner] for inner in loop.names],
                        {name: dtype},
                        in_result=step.keep,
                    )
            return ExpressionStage(
                plugin, of, expression, reads, {name: dtype}, in_result=step.keep, binding=step.binding
            )
        if dtype != pl.Boolean:
            msg = f"a filter must be Boolean, it is {dtype}"
            raise KernelResultError(msg, plugin=plugin.name, expected="Boolean", got=dtype)
        return ExpressionStage(plugin, of, expression, reads, {}, in_result=True, binding=step.binding)

    def _read(self, step: BoundStep, scope: ColumnScope) -> list[str]:
        """Return the names of the columns that a kernel reads, one for each column parameter."""
        reads = []
        for item in step.binding.columns:
            if item.is_computed:
                reads.append(self._bound_expression(step, item.label, source_of(item), scope))
            else:
                reads.append(step.column(str(item.source)))
        return reads

    def _bound_expression(self, step: BoundStep, parameter: str, source: pl.Expr, scope: ColumnScope) -> str:
        """Add a stage for an expression that a parameter is bound to; return the name of its column."""
        plugin = step.plugin
        of = Owner(plugin.name, parameter)
        reads, dtype = _reads_of(of, source, step, scope)
        name = internal(f"{plugin.name}({parameter}) in stage {len(self.stages)}")
        self._append(ExpressionStage(None, of, source, reads, {name: dtype}, in_result=False), scope)
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
                problem = f"`replace=True` would replace the column `{name}`, which `keep=False` drops"
                hint = "give another name to a column that only later steps need"
            if problem:
                raise OutputNameError(problem, plugin=step.plugin.name, column=name, hint=hint)
        if not self.needs_all_rows and not self.explodes:
            for earlier in self.stages:
                if earlier.writes and set(earlier.writes) <= set(names):
                    earlier.in_result = False  # nobody sees it any more but the steps between
        return names


def _reads_of(
    of: Owner, expression: pl.Expr, step: BoundStep, scope: ColumnScope
) -> tuple[dict[str, str], Any]:
    """Return the columns that an expression reads, by the names under which it does, and its dtype."""
    reads = {name: step.column(name) for name in columns_of(expression, scope)}
    if step.names is not None:
        scope = ColumnScope.of_schema({name: scope.dtype(column) for name, column in reads.items()})
    return reads, expression_dtype(of, expression, scope)
