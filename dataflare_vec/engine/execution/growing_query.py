"""A query to which steps are added, each where it costs least and sees the rows that are its own.

Row kernels and filters go into the node at the query's end. An expression that sees rows one by one is left
to Polars, which computes it without Python: below the node if it reads nothing but the data, else above. So
the steps before and after it are one node, as long as none of them needs what is above. But where failed rows
stay, Polars would show them to the expression: then it is computed in the node.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec.definition.binding import Binding, Column
from dataflare_vec.definition.plugin import Parameter, root_names
from dataflare_vec.engine.execution.expressions import as_expression
from dataflare_vec.engine.execution.query_node import QueryNode
from dataflare_vec.engine.planning.plan import Plan
from dataflare_vec.engine.stages.expression import exactly, is_row_separable, source_of
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.engine.stages.expression import ExpressionStage
    from dataflare_vec.engine.stages.protocols import Stage

#: Under this name a frame keeps the query that it is, for the next call.
_MADE_OF = "_dataflare_vec"


@dataclass(slots=True)
class GrowingQuery:
    """A query that ends in a node.

    Attributes
    ----------
    data : LazyFrame
        What the node reads.
    node : QueryNode
        The node.
    names : dict
        For each name that can be read the column of the data, or of the node.
    columns : sequence of str
        Those that come back, in order.
    above, below : tuple of ExpressionStage
        What Polars computes above and below the node, in order.
    hoisted : int
        Of how many expressions the data has the columns.
    """

    data: pl.LazyFrame
    node: QueryNode
    names: dict[str, str]
    columns: Sequence[str]
    above: tuple[ExpressionStage, ...] = ()
    below: tuple[ExpressionStage, ...] = ()
    hoisted: int = 0

    @classmethod
    def begin(cls, frame: pl.LazyFrame, request: Request) -> GrowingQuery:
        """Return a query that goes on from a frame: with its node, if that is run as what comes is."""
        made_of: GrowingQuery | None = vars(frame).get(_MADE_OF)
        reason = ""
        if made_of is not None:
            reason = _difference(made_of.node.request, request)
            if not reason:
                return replace(made_of, names=dict(made_of.names))
        columns = frame.collect_schema().names()
        node = QueryNode(request._replace(steps=(), state=None), reason=reason)
        return cls(frame, node, {name: name for name in columns}, columns)

    def frame(self) -> pl.LazyFrame:
        """Return the query as it is so far."""
        frame = self._computed(self.columns)
        return frame.select(map(exactly, self.columns)) if self.above else frame

    def _computed(self, columns: Iterable[str], *, well: bool = False) -> pl.LazyFrame:
        """Return the query with some columns, and others."""
        wanted = dict.fromkeys(columns)
        for stage in self.above:
            wanted.update(dict.fromkeys(stage.names))
        results = {name: self.names[name] for name in wanted if name in self.names}
        frame = replace(self.node, beside=self._beside).over(self.data, results, well=well)
        for stage in self.above:
            frame = _with(frame, stage)
        return frame

    @property
    def _beside(self) -> tuple[str, ...]:
        """What Polars computes beside the node, for the user."""
        shown = []
        for where, stages in (("below", self.below), ("above", self.above)):
            for stage in stages:
                name = "" if stage.plugin is None else stage.plugin.name
                what = ", ".join(stage.writes) or "rows to keep"
                shown.append(f"{name}({', '.join(stage.names)}) → {what}, {where} the node")
        return tuple(shown)

    def finished(self) -> pl.LazyFrame:
        """Return the query, which another call can go on from."""
        frame = self.frame()
        if self.node.steps:
            vars(frame)[_MADE_OF] = self
        return frame

    def keep_only(self, names: Iterable[str]) -> None:
        """Let only some columns come back, in this order."""
        self.columns = tuple(names)

    def add_kernel(self, step: BoundStep, stage: Stage) -> None:
        """Add a row kernel, a column kernel or a filter to the node."""
        self._make_room(step, stage)
        computed = [item for item in step.binding.columns if item.is_computed]
        if not all(self._is_below(item) or is_row_separable(source_of(item)) for item in computed):
            self.close(f"`{step.plugin.name}` reads an expression over many rows of what comes out of them")
        readable = dict(self.names)
        items = []
        for item in step.binding.items:
            if isinstance(item, Column) and item.is_computed and self._is_below(item):
                name = self._hoist(step, item)
                readable[name] = name
                item = replace(item, source=name, is_there=True)
            items.append(item)
        columns = tuple(item for item in items if isinstance(item, Column))
        step = step._replace(binding=replace(step.binding, items=tuple(items), columns=columns))
        self._add(step, readable, stage)

    def add_expression(self, step: BoundStep, stage: ExpressionStage) -> None:
        """Add an expression that sees rows one by one."""
        if self.node.request.on_error == "null" and not self._sees_all_rows:
            self._make_room(step, stage)
            self._add(_fixed(step, stage), self.names, stage)
            return
        is_first = not (self.node.steps or self.above) if stage.is_filter else self._are_of_data(stage.names)
        is_new = stage.writes.keys().isdisjoint(self.data.collect_schema())
        if is_first and is_new and self._sees_all_rows:
            self.data = _with(self.data, stage)
            self.below += (stage,)
            self.names.update({name: name for name in stage.writes})
        else:
            self.above += (stage,)

    def add_whole(self, request: Request, stage: Stage) -> None:
        """Add what has to see all rows: an expression or a scan."""
        (step,) = request.steps
        if step.plugin.stateful is not None and request.on_error == "drop":
            msg, hint = "a scan in a lazy query can't drop failed rows", 'use `on_error="null"` and filter'
            raise ArgumentError(msg, argument="on_error", got="drop", hint=hint)
        self.close(f"`{step.plugin.name}` between them sees all rows")
        well = self.node.selected
        if stage.is_filter:
            wanted = as_expression(request, pl.Boolean)
            self.data = self.data.filter(wanted if well is None else pl.col(well) & wanted)
            return
        names, dtypes = list(stage.writes), list(stage.writes.values())
        if len(names) == 1:
            column = as_expression(request, dtypes[0]).alias(names[0])
        else:
            schema = self.data.collect_schema()
            readable = ColumnScope.of_schema({name: schema[name] for name in self.names})
            inner = Plan([step._replace(output=None)], readable, keep_data=False)
            struct = pl.Struct(dict(zip(inner.new, dtypes, strict=True)))
            column = as_expression(request, struct).struct.rename_fields(names)
        if well is not None:
            column = pl.when(well).then(column)
        self.data = self.data.with_columns(column if len(names) == 1 else column.struct.unnest())
        self.names.update({name: name for name in names})

    def close(self, reason: str) -> None:
        """Begin another node, over what there is so far."""
        if not self.node.steps and not self.above:
            return
        node = self.node
        written = {name for stage in self.above for name in stage.writes}
        columns = tuple(dict.fromkeys([*self.names, *written]))
        self.data = self._computed(columns, well=True)
        self.names, self.hoisted = {name: name for name in columns}, 0
        self.below, self.above = (), ()
        if node.steps:
            self.node = QueryNode(node.request, node.well, node.depth + 1, reason)

    def _make_room(self, step: BoundStep, stage: Stage) -> None:
        """Begin another node if a step can't be below what is above this one."""
        read, name = step.column_names, step.plugin.name
        for other in self.above:
            what = "" if other.plugin is None else other.plugin.name
            if other.is_filter:
                reason = f"Polars filters by `{what}` between them"
            elif read is None or not read.isdisjoint(other.writes):
                reason = f"Polars computes `{what}` between them, which `{name}` reads"
            elif not {*other.names, *other.writes}.isdisjoint(stage.writes):
                reason = f"Polars computes `{what}` between them, of what `{name}` replaces"
            else:
                continue
            self.close(reason)
            return

    def _add(self, step: BoundStep, readable: Mapping[str, str], stage: Stage) -> None:
        self.node = self.node.adding(step, readable, stage.writes)
        self.names.update(zip(stage.writes, self.node.steps[-1].writes, strict=True))

    @property
    def _sees_all_rows(self) -> bool:
        """Whether a step that is added now computes all rows of the data."""
        return (
            self.node.selected is None and not self.node.decides and not any(s.is_filter for s in self.above)
        )

    def _are_of_data(self, names: Iterable[str]) -> bool:
        """Whether what can be read under some names are columns of the data."""
        written = {name for stage in self.above for name in stage.writes}
        return all(name not in written and self.names[name] == name for name in names)

    def _is_below(self, item: Column) -> bool:
        """Whether a parameter's expression is the same below the node: of the same rows, and of the data."""
        source = source_of(item)
        roots = root_names(source)
        if is_row_separable(source) and not self._sees_all_rows:
            return False  # it mustn't see rows that are left out
        if self.node.decides or roots is None:
            return not self.node.steps and not self.above
        return self._are_of_data(roots)

    def _hoist(self, step: BoundStep, item: Column) -> str:
        """Let Polars compute below the node what a parameter is bound to; return the name of its column."""
        self.hoisted += 1
        name = internal(f"{step.plugin.name}({item.label}), expression {self.hoisted}")
        self.data = self.data.with_columns(source_of(item).alias(name))
        return name


def _with(frame: pl.LazyFrame, stage: ExpressionStage) -> pl.LazyFrame:
    """Return a query in which Polars computes an expression."""
    if stage.is_filter:
        return frame.filter(stage.expression)
    (name,) = stage.writes
    return frame.with_columns(stage.expression.alias(name))


def _fixed(step: BoundStep, stage: ExpressionStage) -> BoundStep:
    """Return a step whose expression is what it is now, whatever a function would return later."""
    if step.plugin.function is stage.expression:
        return step
    parameters = tuple(Parameter(name, is_column=True) for name in stage.names)
    plugin = replace(step.plugin, function=stage.expression, parameters=parameters)
    columns = tuple(Column(parameter, parameter.name) for parameter in parameters)
    return step._replace(plugin=plugin, binding=Binding(plugin, columns, columns, ()))


def _difference(one: Request, other: Request) -> str:
    """Return why the steps of two calls can't be run as those of one; "" if they can."""
    if "null" in (one.on_error, other.on_error):
        return 'with on_error="null" a row that failed in one call is a row of the next'
    if one.on_error != other.on_error:
        return "the calls don't treat failed rows alike"
    if one.settings != other.settings:
        return "the calls have other settings"
    if one.runtime is not other.runtime and vars(one.runtime) != vars(other.runtime):
        return "the calls have other managers or logs"
    return ""
