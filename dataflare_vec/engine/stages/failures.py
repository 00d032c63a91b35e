"""The rows that a stage failed on: all counted, the first ones kept with what they read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.definition.interpreter import plain_numbers
from dataflare_vec.definition.uses import TOO_LARGE
from dataflare_vec.exceptions import RowError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflare_vec.arrow.columns import Bitmap
    from dataflare_vec.engine.stages.protocols import Replayable

ERROR_SCHEMA = {"row": pl.Int64, "plugin": pl.String, "error": pl.String, "message": pl.String}

#: What to do about rows that fail.
GO_ON = Phrase("pass ", Argument("on_error", "null", "drop"), " to go on without them")

#: The row number in a sample; no parameter can be called so.
ROW = "row number"


class Failures:
    """Failed rows of one stage in one run. Changes are made under the run's lock.

    Attributes
    ----------
    count : int
        How many rows failed, exactly.
    limit : int
        Of how many, the lowest, the details are kept.
    often : bool
        Whether the last chunk had one: then the next chunk doesn't try the fast loop first.
    bitmap : Bitmap or None
        Which rows; None as long as there are none.
    """

    __slots__ = (
        "_bound",
        "_input_rows",
        "_recorded",
        "_samples",
        "bitmap",
        "count",
        "limit",
        "often",
        "stage",
    )

    def __init__(self, stage: Replayable, limit: int, input_rows: pl.Series | None) -> None:
        self.stage = stage
        self.limit = limit
        self.count = 0
        self.often = False
        self.bitmap: Bitmap | None = None
        self._input_rows = input_rows  # which rows of the input the run's rows are, if they aren't the same
        self._samples: list[pl.DataFrame] = []
        self._recorded = 0
        self._bound: int | None = None  # the highest row recorded, once there are enough

    def wants(self, row: int) -> bool:
        """Whether rows from ``row`` on may be among the lowest."""
        return self.limit > 0 and (self._bound is None or row < self._bound)

    def record(self, sample: pl.DataFrame) -> None:
        """Record failed rows: their `ROW` and what the kernel read. Chunks come in any order."""
        self._samples.append(sample)
        self._recorded += sample.height
        if self._recorded >= self.limit:
            lowest = self._first(self.limit)
            self._samples = [lowest]
            self._recorded = self.limit
            self._bound = lowest[ROW][-1]

    def _first(self, count: int) -> pl.DataFrame:
        return pl.concat(self._samples).sort(ROW).head(count)

    def first(self, count: int) -> pl.DataFrame:
        """Return the lowest failed rows: their `ROW` in the input, and what the kernel read."""
        sample = self._first(count)
        if self._input_rows is not None:
            sample = sample.with_columns(self._input_rows.gather(sample[ROW]).cast(pl.Int64).alias(ROW))
        return sample

    def details(self) -> pl.DataFrame:
        """Return the kept rows with what the plain Python function raises for them."""
        sample = self.first(self.limit)
        errors = list(explain(self.stage, sample))
        with plain_numbers():  # a KeyError shows its key only now
            messages = [str(error) for error in errors]
        inputs = self.stage.shown(sample.drop(ROW))
        columns: dict[str, Any] = {
            "row": sample[ROW],
            "plugin": [self.stage.binding.plugin.name] * sample.height,
            "error": [type(error).__name__ for error in errors],
            "message": messages,
        }
        return pl.DataFrame(columns, schema=ERROR_SCHEMA).with_columns(inputs.to_struct("inputs"))


def physical_rows(inputs: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Return the rows of a frame as they are stored, for `call_rows`."""
    return inputs.select(pl.all().to_physical()).rows()


def explain(stage: Replayable, sample: pl.DataFrame) -> Iterator[Exception]:
    """Yield the exception of the plain Python function, or else of compiled code, for each row."""
    inputs = sample.drop(ROW)
    if stage.overruns:
        for i in range(inputs.height):
            row = inputs[i : i + 1]
            error = stage.compiled_error(row)
            is_known = isinstance(error, RecursionError) or str(error) == TOO_LARGE
            yield error if is_known else next(_explained(stage, row))
    else:
        yield from _explained(stage, inputs)


def _explained(stage: Replayable, inputs: pl.DataFrame) -> Iterator[Exception]:
    for i, result in enumerate(stage.replay(inputs)):
        yield result if isinstance(result, Exception) else stage.misfit(result, inputs[i : i + 1])


@contextmanager
def in_batch(rows: int, of: str) -> Iterator[None]:
    """Say of rows that fail that they are counted from the start of a batch, which nobody knows the place of.

    Parameters
    ----------
    rows
        How many the batch has.
    of
        Whose batch it is.
    """
    try:
        yield
    except RowError as error:
        if error.rows:  # a column kernel says nothing about single rows
            hint = Phrase("pass ", Argument("on_error", "null"), " to go on without them")
            error.fill(batch_of=of, total=rows, batch_rows=error.rows, rows=(), hint=hint)
        raise


def all_details(failures: Sequence[Failures], limit: int) -> pl.DataFrame:
    """Return the details of the failed rows of all stages, the lowest rows first."""
    frames = [one.details() for one in failures if one.count]
    if not frames:
        return pl.DataFrame(schema=ERROR_SCHEMA)
    if len(frames) == 1:
        return frames[0]
    # Each stage reads other columns: the inputs get the fields of all of them.
    mark = "inputs: "
    flat = [
        frame.select(*ERROR_SCHEMA, pl.col("inputs").struct.unnest().name.prefix(mark)) for frame in frames
    ]
    wide = pl.concat(flat, how="diagonal_relaxed").sort("row", maintain_order=True).head(limit)
    fields = [pl.col(name).alias(name.removeprefix(mark)) for name in wide.columns if name.startswith(mark)]
    return wide.select(*ERROR_SCHEMA, pl.struct(fields).alias("inputs"))


@contextmanager
def of_all_rows(label: str | None, row: int) -> Iterator[None]:
    """Say of rows that fail which of the whole stream or file they are, as a batch begins at ``row``."""
    try:
        yield
    except RowError as error:
        rows = tuple(index + row for index in error.rows)
        start = None if rows else row  # a column kernel says nothing about single rows
        error.fill(file=label, total=None, rows=rows, start=start)
        raise
