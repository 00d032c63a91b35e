"""Plugins in a Polars query that take its rows in order: a source of Polars', which runs batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import polars as pl
from polars.io.plugins import register_io_source

from dataflare_vec._util.names import named
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.execution.in_query import keeping_results
from dataflare_vec.engine.execution.lazy import apply_lazily
from dataflare_vec.engine.execution.outcome import InPlace
from dataflare_vec.engine.stages.expression import exactly
from dataflare_vec.engine.stages.scope import empty_frame
from dataflare_vec.interop import assemble
from dataflare_vec.interop.batch_runner import BatchRunner
from dataflare_vec.interop.query_rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    from dataflare_vec.engine.execution.growing_query import Rows
    from dataflare_vec.engine.execution.outcome import Outcome
    from dataflare_vec.engine.planning.request import Request

#: Rows of a batch where the engine names no number: those of Polars' own morsels.
_ROWS = 100_000

#: All rows, as a mask of one.
_ALL = pl.Series([True])

#: The sources that queries have, each by the number that its plan tells.
_numbers = count(1)
_sources: WeakValueDictionary[int, _Ordered] = WeakValueDictionary()


def apply_to_query(frame: pl.LazyFrame, request: Request) -> pl.LazyFrame:
    """Add plugins to a query. Its schema is known without running it."""
    by_batches = request._replace(runtime=request.runtime.from_row(None))
    return apply_lazily(frame, by_batches, _in_order)


def _in_order(frame: pl.LazyFrame, request: Request, rows: Rows) -> pl.LazyFrame:
    """Return a query of steps that take the rows of another one in their order, batch by batch."""
    schema = frame.collect_schema()
    runner = BatchRunner(request, empty_frame(schema), are_counted=rows.are_counted)
    output, new = runner.output.schema, set(runner.plan.new)
    if rows.well is not None:
        output[rows.well] = pl.Boolean()
        new.add(rows.well)
    source = _Ordered(frame, request, rows, tuple(schema), tuple(output), frozenset(new))
    number = next(_numbers)
    _sources[number] = source
    names = ", ".join(f"`{name}`" for name in request.names)
    return register_io_source(
        source,
        schema=output,
        validate_schema=True,
        is_pure=True,
        explain_name="dataflare_vec",
        explain_detail=f"{names}, in the order of the rows (source {number})",
    )


def query_below(number: int) -> pl.LazyFrame | None:
    """Return the query whose rows a source takes, with all columns that it may read; None if it is gone."""
    source = _sources.get(number)
    return None if source is None else source.below


@dataclass(frozen=True, eq=False)
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
    rows: Rows
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
            frames = self._computed(query.select(map(exactly, self._read_for(wanted))), rows, wanted)
        for frame in frames:
            part = frame.select(map(exactly, wanted))
            if limit is not None:
                part = part.head(limit)
                limit -= part.height
            yield part if predicate is None else part.filter(predicate)
            if limit == 0:
                return

    @property
    def below(self) -> pl.LazyFrame:
        """The query, with the columns that are read for all that come out."""
        return self.query.select(map(exactly, self._read_for(self.output)))

    @property
    def _keeps_rows(self) -> bool:
        """Whether the rows that come out are those of the query, one for one."""
        plugins = [step.plugin for step in self.request.steps]
        changes = any(one.is_filter or one.is_exploder or one.form is Form.REDUCE for one in plugins)
        return self.request.on_error != "drop" and not changes

    def _read_for(self, wanted: Sequence[str]) -> Sequence[str]:
        """Return the columns of the query that have to be there for some of those that come out."""
        needed = set(wanted)
        if self.rows.selected is not None:
            needed.add(self.rows.selected)
        for step in self.request.steps:
            names = step.column_names
            if names is None:
                return self.columns
            needed |= names
        # Without a column there would be no rows.
        return [name for name in self.columns if name in needed] or self.columns[:1]

    def _computed(self, query: pl.LazyFrame, size: int, wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
        selected, well = self.rows.selected, self.rows.well
        with keeping_results():
            empty = empty_frame(query.collect_schema())
            runner = BatchRunner(self.request, empty, are_counted=self.rows.are_counted)
        for batch in rows_of(query, size):
            places = None
            if selected is not None or well in wanted:
                places = InPlace(None if selected is None else batch.get_column(selected))
            with keeping_results():
                outcome = runner.run(batch, in_place=places)
            if not outcome.reduced:
                yield (
                    assemble(batch, outcome, keep=True) if places is None else _in_place(batch, outcome, well)
                )
            else:
                ended = runner.ended()
                if ended is not None:
                    yield named(ended)
        reduced = runner.finish()
        if reduced is not None:
            yield named(reduced)


def _in_place(batch: pl.DataFrame, outcome: Outcome, well: str | None) -> pl.DataFrame:
    """Return what remains of a batch whose rows have kept their places, and which of it haven't failed."""
    frame = batch if outcome.source is None else batch[outcome.source]
    frame = frame.with_columns(outcome.series)
    if well is not None:
        mask = outcome.selected
        mask = _ALL.new_from_index(0, frame.height) if mask is None else mask
        frame = frame.with_columns(mask.alias(well))
    return frame if outcome.remaining is None else frame.filter(outcome.remaining)
