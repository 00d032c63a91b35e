"""A query to which steps are added, each where it costs least and sees the rows that are its own.

Row kernels and filters go into the node at the query's end. An expression that sees rows one by one is left
to Polars, which computes it without Python: below the node if it reads nothing but the data, else above. So
the steps before and after it are one node, as long as none of them needs what is above. But where failed rows
stay, Polars would show them to the expression: then it is computed in the node.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec.definition.binding import Binding, Column
from dataflare_vec.definition.plugin import Form, Parameter, root_names
from dataflare_vec.engine.execution.patterns import OverColumns, over_columns
from dataflare_vec.engine.execution.query_node import QueryNode
from dataflare_vec.engine.stages.expression import exactly, is_row_separable, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.engine.stages.expression import ExpressionStage
    from dataflare_vec.engine.stages.protocols import Stage

    #: What makes a query of steps that take the rows of another one in their order.
    InOrder = Callable[[pl.LazyFrame, Request, "Rows"], pl.LazyFrame]

#: Under this name a frame keeps the query that it is, for the next call.
_MADE_OF = "_dataflare_vec"


class Rows(NamedTuple):
    """What is known of the rows that steps take in their order.

    Attributes
    ----------
    selected : str or None
        The column that says which of them are to be computed at all; None for all.
    well : str or None
        That which is to say which of them have gone through all steps; None if nobody asks.
    are_counted : bool
        Whether they are the rows of the data, so that their numbers mean something to the user.
    """

    selected: str | None
    well: str | None
    are_counted: bool


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
        For each name the column of the data, or of the node.
    readable : dict
        The names that steps can read, in order, as keys.
    columns : sequence of str
        The names that come back, in order.
    above, below : tuple of ExpressionStage
        What Polars computes above and below the node, in order.
    hoisted : int
        How many columns the data has for expressions that parameters are bound to.
    are_counted : bool
        Whether its rows are those that the call was given.
    """

    data: pl.LazyFrame
    node: QueryNode
    names: dict[str, str]
    readable: dict[str, None]
    columns: Sequence[str]
    above: tuple[ExpressionStage, ...] = ()
    below: tuple[ExpressionStage, ...] = ()
    hoisted: int = 0
    are_counted: bool = True

    @classmethod
    def begin(cls, frame: pl.LazyFrame, request: Request) -> GrowingQuery:
        """Return a query that goes on from a frame: with its node, if that is run as what comes is."""
        made_of: GrowingQuery | None = vars(frame).get(_MADE_OF)
        reason = ""
        if made_of is not None:
            reason = _difference(made_of.node.request, request)
            if not reason:
                names, readable = dict(made_of.names), dict.fromkeys(made_of.columns)
                return replace(made_of, names=names, readable=readable, are_counted=True)
        columns = frame.collect_schema().names()
        node = QueryNode(request._replace(steps=(), state=None), reason=reason)
        return cls(frame, node, {name: name for name in columns}, dict.fromkeys(columns), columns)

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
        self._add(self._with_hoisted(step, self._is_below), stage)

    def add_expression(self, step: BoundStep, stage: ExpressionStage) -> None:
        """Add an expression that sees rows one by one."""
        if self.node.request.on_error == "null" and not self._sees_all_rows:
            self._make_room(step, stage)
            self._add(_fixed(step, stage), stage)
            return
        is_first = not (self.node.steps or self.above) if stage.is_filter else self._are_of_data(stage.names)
        is_new = stage.writes.keys().isdisjoint(self.data.collect_schema())
        if is_first and is_new and self._sees_all_rows:
            self.data = _with(self.data, stage)
            self.below += (stage,)
            self.names.update({name: name for name in stage.writes})
        else:
            self.above += (stage,)
        self._note(step, stage)

    def add_whole(self, step: BoundStep, stage: ExpressionStage) -> None:
        """Add an expression that has to see all rows."""
        self.close(f"`{step.plugin.name}` between them sees all rows")
        well, column = self.node.selected, self._over_readable(stage.expression)
        if stage.is_filter:
            self.data = self.data.filter(column if well is None else pl.col(well) & column)
        else:
            (name,) = stage.writes
            column = column if well is None else pl.when(well).then(column)
            self.data = self.data.with_columns(column.alias(name))
            self.names[name] = name
        self._note(step, stage)

    def add_in_order(
        self,
        steps: Sequence[BoundStep],
        stages: Sequence[Stage],
        state: Any,
        in_order: InOrder,
        *,
        is_last: bool,
    ) -> None:
        """Add steps that take the rows in their order; the last ones, or others follow.

        What they read of many rows at once is the same in front of them.
        """
        names = ", ".join(f"`{step.plugin.name}`" for step in steps)
        self.close(f"{names} between them: in the order of the rows")
        node, taken = self.node, set(self.data.collect_schema())
        bound = []
        for step, stage in zip(steps, stages, strict=True):
            step = self._with_hoisted(step, lambda item: not is_row_separable(source_of(item)))
            output: Any = step.output if step.plugin.form is Form.REDUCE else list(stage.adds) or None
            keep = not is_last or not stage.adds.keys().isdisjoint(taken.union(self.columns))
            taken |= stage.adds.keys() if keep else set()
            by = tuple(self._hoisted_key(key) for key in step.by)
            bound.append(step._replace(output=output, keep=keep, replace=True, by=by, kept=None))
        fails = any(step.plugin.form is not Form.EXPRESSION for step in steps)
        well = node.well_of_next if fails and not is_last and node.request.on_error == "null" else None
        request = node.request._replace(steps=bound, keep=True, state=state)
        self.data = in_order(self.data, request, Rows(node.selected, well, self.are_counted))
        self.node = QueryNode(node.request, well, node.depth + 1)
        for step, stage in zip(steps, stages, strict=True):
            self._note(step, stage)
        self.names = {name: name for name in self.readable}

    def close(self, reason: str) -> None:
        """Begin another node, over what there is so far."""
        if not self.node.steps and not self.above:
            return
        node = self.node
        self.data = self._computed(self.readable, well=True)
        self.names, self.hoisted = {name: name for name in self.readable}, 0
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

    def _add(self, step: BoundStep, stage: Stage) -> None:
        """Add a step to the node; what isn't readable is a column of the data that was added for it."""
        read = step.column_names or ()
        self.node = self.node.adding(step, {name: self.names.get(name, name) for name in read}, stage.writes)
        self.names.update(zip(stage.writes, self.node.steps[-1].writes, strict=True))
        self._note(step, stage)

    def _note(self, step: BoundStep, stage: Stage) -> None:
        """Note what a step changes for those after it."""
        self.readable.update(dict.fromkeys(stage.adds))
        drops = self.node.request.on_error == "drop" and step.plugin.form is not Form.EXPRESSION
        keeps_rows = not (stage.is_filter or stage.explosion is not None or drops)
        self.are_counted = self.are_counted and keeps_rows

    @property
    def _sees_all_rows(self) -> bool:
        """Whether a step that is added now computes all rows of the data."""
        filters = any(stage.is_filter for stage in self.above)
        return self.node.selected is None and not self.node.decides and not filters

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

    # -- what Polars computes -------------------------------------------------------------------------------

    def _with_hoisted(self, step: BoundStep, is_below: Callable[[Column], bool]) -> BoundStep:
        """Return a step for whose parameters the data has columns, instead of some of their expressions."""
        items = []
        for item in step.binding.items:
            if isinstance(item, Column) and item.is_computed and is_below(item):
                name = f"{step.plugin.name}({item.label})"
                item = replace(item, source=self._hoisted(name, source_of(item)), is_there=True)
            items.append(item)
        columns = tuple(item for item in items if isinstance(item, Column))
        return step._replace(binding=replace(step.binding, items=tuple(items), columns=columns))

    def _hoisted_key(self, key: str | pl.Expr) -> str | pl.Expr:
        if isinstance(key, str) or is_row_separable(key):
            return key
        name = key.meta.output_name()
        return exactly(self._hoisted(f"key {name}", key)).alias(name)

    def _hoisted(self, name: str, expression: pl.Expr) -> str:
        """Let the data have a column for an expression; return its name."""
        column = self._over_readable(expression)
        self.hoisted += 1
        name = internal(f"{name}, expression {self.hoisted}")
        self.data = self.data.with_columns(column.alias(name))
        return name

    def _over_readable(self, expression: pl.Expr) -> pl.Expr:
        """Return an expression over the data whose patterns mean what can be read, and no other column."""
        schema = self.data.collect_schema()
        if root_names(expression) is not None or list(schema) == list(self.readable):
            return expression
        columns = pl.Schema({name: schema[name] for name in self.readable})
        found = over_columns(expression, columns)
        if found is not None:
            return found
        self.hoisted += 1
        name = internal(f"expression {self.hoisted}")
        dtype = columns.to_frame(eager=False).select(expression).collect_schema().dtypes()[0]
        compute = OverColumns(expression, tuple(columns), name)
        self.data = self.data.map_batches(compute, schema={**schema, name: dtype})
        return exactly(name)


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


def whole_sources(step: BoundStep) -> list[pl.Expr]:
    """Return the expressions over many rows that a step reads."""
    sources = [source_of(item) for item in step.binding.columns if item.is_computed]
    sources += [key for key in step.by if isinstance(key, pl.Expr)]
    return [source for source in sources if not is_row_separable(source)]
