"""Plugins in a Polars query that take its rows in order: a source of Polars', which runs batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polars.io.plugins import register_io_source

from dataflare_vec.engine.execution.lazy import apply_lazily
from dataflare_vec.engine.stages.expression import exactly, named
from dataflare_vec.engine.stages.scope import empty_frame
from dataflare_vec.interop import assemble
from dataflare_vec.interop.batch_runner import BatchRunner
from dataflare_vec.interop.query_rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from dataflare_vec.engine.planning.request import Request

#: Rows of a batch where the engine names no number: those of Polars' own morsels.
_ROWS = 100_000


def apply_to_query(frame: pl.LazyFrame, request: Request) -> pl.LazyFrame:
    """Add plugins to a query. Its schema is known without running it.

    What carries a state, or drops rows, takes the rows in their order: the whole pipeline runs as it does
    over a frame, batch by batch. Anything else is left to Polars' engines, and so is what has to see all rows.
    """
    drops = request.on_error == "drop"
    if not drops and not any(step.plugin.stateful for step in request.steps):
        return apply_lazily(frame, request)
    schema = frame.collect_schema()
    runner = BatchRunner(request, empty_frame(schema))
    if runner.plan.needs_all_rows:
        return apply_lazily(frame, request)
    source = _Ordered(frame, request, tuple(schema))
    return register_io_source(
        source, schema=runner.output.schema, validate_schema=True, is_pure=True, explain_name="dataflare_vec"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Ordered:
    """What Polars calls for rows, each time that a query runs. An object can be pickled.

    Attributes
    ----------
    query
        What gives the rows that plugins are applied to.
    columns
        Its columns.
    """

    query: pl.LazyFrame
    request: Request
    columns: Sequence[str]

    def __call__(
        self, wanted: Sequence[str] | None, predicate: pl.Expr | None, limit: int | None, rows: int | None
    ) -> Iterator[pl.DataFrame]:
        """Yield what comes out, as a source of Polars' does.

        Parameters
        ----------
        wanted
            The columns that are needed, with those of ``predicate``; None for all.
        predicate
            Which of the rows are.
        limit
            How many.
        rows
            Of a batch.
        """
        query = self.query if wanted is None else self.query.select(map(exactly, self._read_for(wanted)))
        for frame in self._computed(query, rows or _ROWS):
            if wanted is not None:
                frame = frame.select(map(exactly, wanted))
            if predicate is not None:
                frame = frame.filter(predicate)
            if limit is not None:
                frame = frame.head(limit)
                limit -= frame.height
            yield frame
            if limit == 0:
                return

    def _read_for(self, wanted: Sequence[str]) -> list[str]:
        """Return the columns of the query that have to be there for some of those that come out."""
        needed = set(wanted)
        for step in self.request.steps:
            names = step.column_names
            if names is None:
                return list(self.columns)
            needed |= names
        # Without a column there would be no rows.
        return [name for name in self.columns if name in needed] or list(self.columns[:1])

    def _computed(self, query: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
        request = self.request
        runner = BatchRunner(request, empty_frame(query.collect_schema()))
        for batch in rows_of(query, rows):
            outcome = runner.run(batch)
            if not outcome.reduced:
                yield assemble(batch, outcome, keep=request.keep)
        reduced = runner.finish()
        if reduced is not None:
            yield named(reduced)
