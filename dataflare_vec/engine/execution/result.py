"""What a run gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.config.settings import BatchConfig
from dataflare_vec.engine.stages.failures import Failures, all_details

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from dataflare_vec.engine.execution.resume import OpenStates
    from dataflare_vec.engine.tuner import TracedTuner


@by_public_name
@dataclass(frozen=True)
class BatchResult:
    """The result of `run`: a frame, its failed rows, and counts.

    Attributes
    ----------
    frame
        The data with the plugin's columns, of the kind that came in.
    errors : polars.DataFrame
        One row per failed row (the first `max_error_details` of them): its index in the input, the
        plugin, the exception's type and message, and the values that the kernel was given, as a struct.
        Computed on first access, by calling the plain Python function on those rows.
    processed_count, success_count, error_count, filtered_count : int
        Rows that came in, were computed, failed, and were filtered out:
        ``processed_count == success_count + error_count``, and filtered rows are successes.
    added_count : int
        How many more rows `explode` has given than it was given, below zero if fewer; they are computed as
        others are: ``processed_count + added_count == success_count + error_count``.
    state_count, expired_count : int
        States that scans and reduces carry after the last row, one per key, and sessions of keys that have
        expired; see ``expire=`` of `apply`.
    processing_time : float
        Seconds, compilation included.
    throughput_per_second : float
        Rows per second.
    trace : polars.DataFrame
        How the chunk size was chosen: one row per recent chunk of the plugin, with its size, rows,
        latency in seconds, throughput in rows a second, and the reason.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def per_head(cost, heads):
    ...     return cost // heads
    >>> result = dfv.run(pl.DataFrame({"cost": [90, 50], "heads": [3, 0]}), "per_head")
    >>> result.frame["per_head"].to_list()
    [30, None]
    >>> result.processed_count, result.success_count, result.error_count
    (2, 1, 1)
    >>> result.errors.select("row", "error", "inputs").row(0)
    (1, 'ZeroDivisionError', {'cost': 50, 'heads': 0})
    """

    frame: Any
    processed_count: int
    success_count: int
    error_count: int
    filtered_count: int
    processing_time: float
    max_error_details: int = field(repr=False)
    failures: Sequence[Failures] = field(repr=False)
    tuner: TracedTuner | None = field(default=None, repr=False)
    states: OpenStates | None = field(default=None, repr=False)
    added_count: int = 0
    state_count: int = 0
    expired_count: int = 0

    @cached_property
    def errors(self) -> pl.DataFrame:
        """The failed rows, with why they failed and on what."""
        return all_details(self.failures, self.max_error_details)

    @cached_property
    def state(self) -> Any:
        """What a scan or a reduce carries after the last row, to be given to a later run as ``state=``.

        Without ``by=`` it is of the kind of ``init``; with it, a mapping from key to state in first-seen
        order (`KeyedState`). Of a pipeline a dict by name of the plugin; None where nothing carries a state.
        """
        return None if self.states is None else self.states.value()

    @cached_property
    def trace(self) -> pl.DataFrame:
        """The chunks, as `TracedTuner.trace_frame` gives them."""
        from dataflare_vec.engine.tuner import trace_frame

        return trace_frame([]) if self.tuner is None else self.tuner.trace_frame()

    def plot_trace(self) -> Any:
        """Plot size, throughput and latency over the chunks, with Altair; see `dataflare_vec.plot_trace`."""
        from dataflare_vec.engine.tuner import FixedTuner, plot_trace

        return plot_trace(self.tuner or FixedTuner(BatchConfig()))

    @property
    def throughput_per_second(self) -> float:
        """Rows per second."""
        return self.processed_count / self.processing_time if self.processing_time else 0.0

    @property
    def results(self) -> Any:
        """The guide's name for `frame`."""
        return self.frame

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: errors, state and trace as they are, and not what they are made from."""
        known = {"errors": self.errors, "state": self.state, "trace": self.trace}
        return {**self.__dict__, **known, "failures": (), "tuner": None, "states": None}

    def _repr_html_(self) -> str:
        from dataflare_vec._util.formatting import amount, duration, percent
        from dataflare_vec._util.html import card

        computed = self.processed_count + self.added_count
        share = self.error_count / computed if computed else 0.0
        rows = [
            ("rows processed", amount(self.processed_count)),
            ("succeeded", amount(self.success_count)),
            ("failed", f"{amount(self.error_count)} ({percent(share)})"),
            ("filtered out", amount(self.filtered_count)),
            *([("added", amount(self.added_count))] if self.added_count else []),
            *([("states", amount(self.state_count))] if self.state_count > 1 else []),
            *([("expired", amount(self.expired_count))] if self.expired_count else []),
            ("time", duration(self.processing_time)),
            ("throughput", f"{amount(self.throughput_per_second)} rows/s"),
        ]
        frame = getattr(self.frame, "_repr_html_", None)
        return card("batch", rows) + (frame() if frame is not None else "")
