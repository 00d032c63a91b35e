"""Batch after batch of one stream through the same stages: planned once, with one state, its rows counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.planning.kept import RepeatedPlan
from dataflare_vec.engine.stages.failures import in_batch, of_all_rows
from dataflare_vec.interop import assemble
from dataflare_vec.interop.runner import run_data, scope_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from dataflare_vec.config.settings import BatchConfig
    from dataflare_vec.engine.execution.outcome import InPlace, Outcome
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.request import Request


class BatchRunner:
    """The steps of a request over batches of data with the same columns, one after the other.

    They are bound once, by whoever made the request, and planned once, here; again only if something that a
    plugin captures changes meanwhile. What scans and reduces carry goes on from batch to batch.

    Parameters
    ----------
    request
        What is asked of each batch.
    empty
        A frame without rows, of the kind of the batches and with their columns.
    check
        As of `RepeatedPlan`.
    are_counted
        Whether the rows are those of the user's data, so that the numbers of failed ones mean something.

    Attributes
    ----------
    output
        What comes of no rows: its columns are those that come out.
    label : str or None
        The part of the stream that batches belong to now: a file. None for a stream of one part.
    row : int
        How many rows of it there were.

    Raises
    ------
    PluginError
        If plugins, columns or types don't fit.
    """

    def __init__(
        self,
        request: Request,
        empty: Any,
        check: Callable[[Plan], None] | None = None,
        *,
        are_counted: bool = True,
    ) -> None:
        self._are_counted = are_counted
        self._planner = RepeatedPlan(check)
        # It looks at the state that the user gave, and doesn't change that of the rows to come. Without rows
        # only `finish` may fail, on a state that isn't the last one.
        outcome = run_data(empty, request._replace(on_error="null"), self._planner)
        self.output = assemble(empty, outcome, keep=request.keep)
        self._empty = empty
        self._states = open_states(self.plan, request.state)
        self._states.more_follows = True
        self._request = request._replace(state=self._states)
        self.label: str | None = None
        self.row = 0

    @property
    def plan(self) -> Plan:
        """The plan, of the last batch if it had to be made again."""
        plan = self._planner.last
        assert plan is not None
        return plan

    @property
    def state(self) -> Any:
        """What scans and reduces carry after the rows so far, as the user sees it."""
        return self._states.value()

    def begin(self, label: str | None) -> None:
        """Count rows from 0 again, as those of a file."""
        self.label, self.row = label, 0

    def run(self, batch: Any, config: BatchConfig | None = None, in_place: InPlace | None = None) -> Outcome:
        """Run the steps over the next batch; a reduce gives no rows yet, see `finish`.

        Parameters
        ----------
        config
            Chunk size and threads, if not those of the request.
        in_place
            As of `run_steps`.

        Raises
        ------
        RowError
            If rows failed under ``on_error="raise"``; it counts them from the first row of the part.
        """
        request = self._request if config is None else self._request._replace(config=config)
        first = self.row if self._are_counted else None
        request = request._replace(runtime=request.runtime.from_row(first))
        with in_batch(len(batch), "Polars") if first is None else of_all_rows(self.label, first):
            outcome = run_data(batch, request, self._planner, in_place)
        self.row += outcome.rows
        return outcome

    def ended(self) -> list[pl.Series] | None:
        """Return the rows of a reduce's keys that have expired since the last call; None if there are none.

        Raises
        ------
        RowError
            If ``finish`` fails, under ``on_error="raise"``.
        """
        reduces, request = self.plan.reduces, self._request
        if reduces is None or reduces.expiry is None:
            return None
        return reduces.ended(self._states, request.runtime.pool, request.on_error)

    def finish(self) -> list[pl.Series] | None:
        """Return the rows that a reduce makes of all batches; None if there is none.

        Raises
        ------
        RowError
            If ``finish`` fails, under ``on_error="raise"``.
        """
        if self.plan.reduces is None:
            return None
        request = self._request
        scope, _, _ = scope_of(self._empty, request.steps)
        reduces = self._planner(request, scope).reduces  # its `finish` may be another now
        assert reduces is not None
        return reduces.result(self._states, request.runtime.pool, request.on_error)
