"""Steps over a batch that a Polars query passes, on whichever of its threads that does."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from dataflare_vec.engine.execution.execute import run_steps
from dataflare_vec.engine.stages.failures import in_batch
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import DataFlareError, PoolLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from dataflare_vec.config.settings import BatchConfig
    from dataflare_vec.engine.execution.outcome import InPlace, Outcome
    from dataflare_vec.engine.planning.kept import RepeatedPlan
    from dataflare_vec.engine.planning.request import Request

#: What to do where queries wait for each other's memory.
_ONE_BY_ONE = (
    "drop results you no longer need, or raise `max_bytes`; a lazy query keeps its results while it "
    "runs, so collect the queries of one manager one at a time, or give each a manager with its share "
    "of the memory"
)


def run_in_query(
    request: Request, frame: pl.DataFrame, plan: RepeatedPlan, in_place: InPlace | None = None
) -> Outcome:
    """Run the steps of a request over a batch, as `run_steps`, on one thread: Polars has threads of its own.

    Its pool's threads mustn't wait for others, which might want that pool.
    """
    config = _on_one_thread(request.settings)
    try:
        return run_steps(request._replace(config=config), ColumnScope(frame), frame, plan, in_place)
    except DataFlareError:  # only then: entering what says it takes longer than a few rows
        with in_query(frame.height):
            raise


@lru_cache(maxsize=16)
def _on_one_thread(config: BatchConfig) -> BatchConfig:
    """Return settings without threads, always the same ones: what is kept for them is found by these."""
    return replace(config, enable_parallel=False)


@contextmanager
def in_query(rows: int) -> Iterator[None]:
    """Say in errors that it is a batch of a query which fails."""
    with in_batch(rows, "Polars"), keeping_results():
        yield


@contextmanager
def keeping_results() -> Iterator[None]:
    """Say in errors of memory that a query may hold what it waits for."""
    try:
        yield
    except PoolLimitError as error:
        if error.waited:
            error.fill(hint=_ONE_BY_ONE)
        raise
