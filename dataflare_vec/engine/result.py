"""What a run gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ERROR_SCHEMA = {"row": pl.Int64, "plugin": pl.String, "error": pl.String, "message": pl.String}

#: Failed rows whose details are kept; the count stays exact.
MAX_ERROR_DETAILS = 1000


@dataclass
class FailedRows:
    """The rows of one run whose kernel raised.

    Attributes
    ----------
    rows
        Their indices, ascending.
    explain
        Returns the exception of one of them, from the plain Python function.
    inputs
        The columns that the kernel read, by parameter.
    """

    rows: Sequence[int] = ()
    explain: Callable[[int], Exception] | None = None
    inputs: pl.DataFrame | None = None


@dataclass(frozen=True)
class BatchResult:
    """What became of a frame, and of its rows that failed.

    Attributes
    ----------
    frame
        The data with the plugin's columns, of the kind that came in.
    errors : polars.DataFrame
        One line for each failed row (the first 1,000 of them): its index in the input, the plugin, the
        exception's type and message, and the values that the kernel was given, as a struct.
    processed_count, success_count, error_count, filtered_count : int
        Rows that came in, were computed, failed, and were filtered out:
        ``processed_count == success_count + error_count``, and filtered rows are successes.
    processing_time : float
        Seconds, compilation included.
    throughput_per_second : float
        Rows per second.
    """

    frame: Any
    errors: pl.DataFrame = field(repr=False)
    processed_count: int
    success_count: int
    error_count: int
    filtered_count: int
    processing_time: float

    @property
    def throughput_per_second(self) -> float:
        """Rows per second."""
        return self.processed_count / self.processing_time if self.processing_time else 0.0


def errors_frame(plugin: str, failed: FailedRows) -> pl.DataFrame:
    """Return the details of the first failed rows as a frame."""
    rows = [int(row) for row in failed.rows[:MAX_ERROR_DETAILS]]
    if not rows or failed.explain is None or failed.inputs is None:
        return pl.DataFrame(schema=ERROR_SCHEMA)
    errors = [failed.explain(row) for row in rows]
    columns = {
        "row": rows,
        "plugin": [plugin] * len(rows),
        "error": [type(error).__name__ for error in errors],
        "message": [str(error) for error in errors],
    }
    values = failed.inputs[rows].to_struct("inputs")
    return pl.DataFrame(columns, schema=ERROR_SCHEMA).with_columns(values)
