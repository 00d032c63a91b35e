"""Plugins added to a Polars query: in which parts their steps run, and what a part is to Polars."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflare_vec.definition.plugin import Form, root_names
from dataflare_vec.engine.execution.growing_query import GrowingQuery, whole_sources
from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.planning.plan import Plan
from dataflare_vec.engine.stages.expression import ExpressionStage
from dataflare_vec.engine.stages.scope import ColumnScope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import polars as pl

    from dataflare_vec.engine.execution.growing_query import InOrder
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.engine.stages.protocols import Stage


def apply_lazily(frame: pl.LazyFrame, request: Request, in_order: InOrder) -> pl.LazyFrame:
    """Add plugins to a query. Its schema is known without running it.

    What carries a state takes the rows in their order, and so does what gives several rows for one, or drops
    rows whose numbers a log is to have: a part of the pipeline with such a step runs as it does over a frame,
    batch by batch. Other parts are left to Polars' engines. A part ends where a step has to see all rows of
    what comes out of it.

    Parameters
    ----------
    in_order
        What makes a query of a part that takes its rows in order.
    """
    schema = frame.collect_schema()
    # Which expressions Polars computes itself, beside nodes, is to be found out first.
    scope = ColumnScope.of_schema(schema)
    plan = Plan(request.steps, scope, keep_data=request.keep, compiles_expressions=False)
    states = open_states(plan, request.state)  # or what is wrong would come out when the query runs
    stages = [stage for stage in plan.stages if stage.plugin is not None]
    query = GrowingQuery.begin(frame, request)
    part = _Part(request, states.given)
    for step, stage in zip(request.steps, stages, strict=True):
        if isinstance(stage, ExpressionStage) and stage.needs_all_rows:
            part = part.added_to(query, in_order)
            query.add_whole(step, stage)
            continue
        if not all(map(part.can_begin_with, whole_sources(step))):
            part = part.added_to(query, in_order)
        part.add(step, stage)
    query.keep_only(columns_that_come_back(schema, request, plan, stages))
    part.added_to(query, in_order, is_last=True)
    return query.finished() if plan.reduces is None else query.data


def columns_that_come_back(schema: pl.Schema, request: Request, plan: Plan, stages: list[Stage]) -> list[str]:
    """Return the columns that come back, in their order on a frame."""
    if plan.reduces is not None or (plan.new and not request.keep):
        return list(plan.new)
    pairs = zip(request.steps, stages, strict=True)
    for_later = {name for step, stage in pairs if not step.keep for name in stage.adds}
    return [name for name in dict.fromkeys([*schema, *plan.new]) if name in plan.new or name not in for_later]


@dataclass(slots=True)
class _Part:
    """Steps that are run together.

    Attributes
    ----------
    request : Request
        The whole call.
    given : mapping
        The states that its steps go on from, by their names in the whole plan.
    steps, stages : list
        In order.
    """

    request: Request
    given: Mapping[str, Any]
    steps: list[BoundStep] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)

    def add(self, step: BoundStep, stage: Stage) -> None:
        """Add a step."""
        self.steps.append(step)
        self.stages.append(stage)

    def can_begin_with(self, source: pl.Expr) -> bool:
        """Whether an expression that sees many rows is the same in front of the steps.

        It has to be made of other columns than these write, and they mustn't leave out rows, or give others.
        """
        roots = root_names(source)
        if roots is None or any(map(self._changes_rows, self.steps)):
            return not self.steps
        return all(stage.adds.keys().isdisjoint(roots) for stage in self.stages)

    def _changes_rows(self, step: BoundStep) -> bool:
        return step.plugin.is_filter or step.plugin.is_exploder or self._drops(step)

    def _drops(self, step: BoundStep) -> bool:
        return self.request.on_error == "drop" and step.plugin.form is not Form.EXPRESSION

    def added_to(self, query: GrowingQuery, in_order: InOrder, *, is_last: bool = False) -> _Part:
        """Add the steps to a query; return the next part, which has none."""
        is_told = self.request.runtime.log is not None and any(map(self._drops, self.steps))
        if is_told or any(step.plugin.stateful or step.plugin.is_exploder for step in self.steps):
            query.add_in_order(self.steps, self.stages, self._state, in_order, is_last=is_last)
        else:
            for step, stage in zip(self.steps, self.stages, strict=True):
                if isinstance(stage, ExpressionStage):
                    query.add_expression(step, stage)
                else:
                    query.add_kernel(step, stage)
        return _Part(self.request, self.given)

    @property
    def _state(self) -> Any:
        """The state from which the steps go on, as that of a call of their own."""
        uses: Counter[str] = Counter()
        given = {}
        for step, stage in zip(self.steps, self.stages, strict=True):
            if not stage.state_name:
                continue
            name = step.plugin.name
            uses[name] += 1
            if stage.state_name in self.given:
                given[name if uses[name] == 1 else f"{name} ({uses[name]})"] = self.given[stage.state_name]
        if not given:
            return None
        return given if len(self.steps) > 1 else next(iter(given.values()))
