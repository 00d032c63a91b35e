"""Plugins added to a Polars query: from steps to nodes of it, and to what Polars itself computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.execution.execute import run_steps
from dataflare_vec.engine.execution.expressions import of_one
from dataflare_vec.engine.execution.growing_query import GrowingQuery
from dataflare_vec.engine.execution.in_query import in_query
from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.planning.plan import Plan
from dataflare_vec.engine.stages.expression import (
    ExpressionStage,
    exactly,
    named,
)
from dataflare_vec.engine.stages.scope import ColumnScope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.engine.stages.protocols import Stage


def apply_lazily(frame: pl.LazyFrame, request: Request) -> pl.LazyFrame:
    """Add plugins to a query. Its schema is known without running it."""
    steps, keep = request.steps, request.keep
    plan = Plan(steps, ColumnScope.of_schema(frame.collect_schema()), keep_data=keep)
    states = open_states(plan, request.state)  # or what is wrong would come out when the query runs
    stages = [stage for stage in plan.stages if stage.plugin is not None]
    query = GrowingQuery.begin(frame, request)
    for step, stage in zip(steps, stages, strict=True):
        form = step.plugin.form
        if form in (Form.ROW, Form.COLUMN):
            query.add_kernel(step, stage)
            continue
        one = of_one(request, step)._replace(state=states.given.get(stage.state_name))
        if form is Form.REDUCE:
            query.close(f"`{step.plugin.name}` sees all rows")
            return _reduced(query.data, one, plan)
        if isinstance(stage, ExpressionStage) and not stage.needs_all_rows:
            query.add_expression(step, stage)
        else:
            query.add_whole(one, stage)
    query.keep_only(columns_that_come_back(frame.collect_schema(), plan, steps, stages, keep=keep))
    return query.finished()


def columns_that_come_back(
    data: Iterable[str], plan: Plan, steps: Sequence[BoundStep], stages: Sequence[Stage], *, keep: bool
) -> list[str]:
    """Return the names of a query's columns, in their order.

    Parameters
    ----------
    data
        Names of the columns below.
    plan, steps, stages
        What is applied; the stages are those of the steps.
    keep
        Whether the data's columns come back.
    """
    if not keep and plan.new:
        return list(plan.new)
    for_later = [stage for step, stage in zip(steps, stages, strict=True) if not step.keep]
    dropped = {name for stage in for_later for name in stage.writes} - plan.new.keys()
    return [name for name in dict.fromkeys([*data, *plan.new]) if name not in dropped]  # as on a frame


def _reduced(frame: pl.LazyFrame, request: Request, plan: Plan) -> pl.LazyFrame:
    """Add a reduce to a query: its rows are others than the data's."""
    (step,) = request.steps
    names = step.column_names
    if names is not None:
        frame = frame.select(exactly(name) for name in frame.collect_schema().names() if name in names)
    return frame.map_batches(_Reduce(request), schema=plan.new)


@dataclass(frozen=True, slots=True, eq=False)
class _Reduce:
    """What Polars calls for a reduce, with all rows."""

    request: Request

    def __call__(self, data: pl.DataFrame) -> pl.DataFrame:
        with in_query(data.height):
            outcome = run_steps(self.request, ColumnScope(data), data)
        return named(outcome.series)
