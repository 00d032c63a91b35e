"""Plugins in a Polars query that take its rows in order: a source of Polars', which runs batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polars.io.plugins import register_io_source

from dataflare_vec._util.names import internal
from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.plugin import Form, root_names
from dataflare_vec.engine.execution.in_query import keeping_results
from dataflare_vec.engine.execution.lazy import apply_lazily
from dataflare_vec.engine.stages.expression import exactly, named, source_of
from dataflare_vec.engine.stages.scope import empty_frame
from dataflare_vec.interop import assemble
from dataflare_vec.interop.batch_runner import BatchRunner
from dataflare_vec.interop.query_rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    import polars as pl

    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep

#: Rows of a batch where the engine names no number: those of Polars' own morsels.
_ROWS = 100_000


def apply_to_query(frame: pl.LazyFrame, request: Request) -> pl.LazyFrame:
    """Add plugins to a query. Its schema is known without running it.

    What carries a state takes the rows in their order, and so does what drops rows whose numbers a log is to
    have: the whole pipeline runs as it does over a frame, batch by batch. Anything else is left to Polars'
    engines, as is what has to see all rows.
    """
    by_batches = request._replace(runtime=request.runtime.from_row(None))
    is_told = request.on_error == "drop" and request.runtime.log is not None
    if not is_told and not any(step.plugin.stateful for step in request.steps):
        return apply_lazily(frame, by_batches)
    schema = frame.collect_schema()
    runner = BatchRunner(request, empty_frame(schema))
    output = runner.output.schema
    query, ordered = frame, request
    if runner.plan.needs_all_rows:
        query, ordered = _hoisted(frame, request, runner.plan)
        schema = query.collect_schema()
        runner = BatchRunner(ordered, empty_frame(schema))
        if runner.plan.needs_all_rows:
            return apply_lazily(frame, by_batches)
    source = _Ordered(query, ordered, tuple(schema), tuple(output), frozenset(runner.plan.new))
    detail = ", ".join(f"`{name}`" for name in request.names) + ", in the order of the rows"
    return register_io_source(
        source,
        schema=output,
        validate_schema=True,
        is_pure=True,
        explain_name="dataflare_vec",
        explain_detail=detail,
    )


def _hoisted(frame: pl.LazyFrame, request: Request, plan: Plan) -> tuple[pl.LazyFrame, Request]:
    """Let Polars compute below the plugins what their parameters are bound to, where that is the same there.

    It has to be made of the data's columns, and of all rows: no step before may write the former, or leave
    out any of the latter.
    """
    columns = set(frame.collect_schema())
    stages = [stage for stage in plan.stages if stage.plugin is not None]
    steps: list[BoundStep] = []
    for step, stage in zip(request.steps, stages, strict=True):
        items = list(step.binding.items)
        for i, item in enumerate(items):
            if not isinstance(item, Column) or not item.is_computed:
                continue
            source = source_of(item)
            roots = root_names(source)
            if roots is not None and columns.issuperset(roots):
                name = internal(f"{step.plugin.name}({item.label}) of step {len(steps)}")
                frame = frame.with_columns(source.alias(name))
                items[i] = replace(item, source=name, is_there=True)
        read = tuple(item for item in items if isinstance(item, Column))
        steps.append(
            step._replace(binding=replace(step.binding, items=tuple(items), columns=read), kept=None)
        )
        columns -= set(stage.writes)
        if step.plugin.is_filter or request.on_error == "drop":
            break
    return frame, request._replace(steps=[*steps, *request.steps[len(steps) :]])


@dataclass(frozen=True, slots=True, eq=False)
class _Ordered:
    """What Polars calls for rows, each time that a query runs. An object can be pickled.

    Attributes
    ----------
    query
        What gives the rows that plugins are applied to.
    columns
        Its columns.
    output
        Those that come out.
    new
        Those of them that plugins make.
    """

    query: pl.LazyFrame
    request: Request
    columns: Sequence[str]
    output: Sequence[str]
    new: Set[str]

    def __call__(
        self, wanted: Sequence[str] | None, predicate: pl.Expr | None, limit: int | None, rows: int | None
    ) -> Iterator[pl.DataFrame]:
        """Yield what comes out, as a source of Polars' does.

        Parameters
        ----------
        wanted
            The columns that are needed, with those of ``predicate``; None for all.
        predicate
            Which of the rows are, of the first ``limit``. It can't be asked before the plugins: they have to
            see the others, too.
        limit
            How many come out at most, before ``predicate`` is asked.
        rows
            Of a batch.
        """
        query, rows, wanted = self.query, rows or _ROWS, wanted or self.output
        if limit is not None and self._keeps_rows:
            query = query.head(limit)
        if self._keeps_rows and self.new.isdisjoint(wanted):
            frames = rows_of(query.select(map(exactly, wanted)), rows)
        else:
            frames = self._computed(query.select(map(exactly, self._read_for(wanted))), rows)
        for frame in frames:
            part = frame.select(map(exactly, wanted))
            if limit is not None:
                part = part.head(limit)
                limit -= part.height
            yield part if predicate is None else part.filter(predicate)
            if limit == 0:
                return

    @property
    def _keeps_rows(self) -> bool:
        """Whether the rows that come out are those of the query, one for one."""
        plugins = [step.plugin for step in self.request.steps]
        changes = any(plugin.is_filter or plugin.form is Form.REDUCE for plugin in plugins)
        return self.request.on_error != "drop" and not changes

    def _read_for(self, wanted: Sequence[str]) -> Sequence[str]:
        """Return the columns of the query that have to be there for some of those that come out."""
        needed = set(wanted)
        for step in self.request.steps:
            names = step.column_names
            if names is None:
                return self.columns
            needed |= names
        # Without a column there would be no rows.
        return [name for name in self.columns if name in needed] or self.columns[:1]

    def _computed(self, query: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
        with keeping_results():
            runner = BatchRunner(self.request, empty_frame(query.collect_schema()))
        for batch in rows_of(query, rows):
            with keeping_results():
                outcome = runner.run(batch)
            if not outcome.reduced:
                yield assemble(batch, outcome, keep=self.request.keep)
        reduced = runner.finish()
        if reduced is not None:
            yield named(reduced)
