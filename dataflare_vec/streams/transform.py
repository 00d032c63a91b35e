"""The plugins of a stream, and its batches one after the other through them."""

from __future__ import annotations

import dataclasses
import math
import re
import sys
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import named
from dataflare_vec.arrow.layouts.item_sizes import value_bytes
from dataflare_vec.engine.execution.fast_path import FEW_ROWS
from dataflare_vec.engine.planning.request import ask
from dataflare_vec.engine.planning.steps import annotated_types
from dataflare_vec.engine.stages.failures import all_details
from dataflare_vec.engine.stages.scope import empty_frame
from dataflare_vec.exceptions import ArgumentError, BindingError
from dataflare_vec.interop import assemble
from dataflare_vec.interop.batch_runner import BatchRunner
from dataflare_vec.streams.bounds import batch_bytes
from dataflare_vec.streams.result import StreamResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dataflare_vec._typing import OnError
    from dataflare_vec.config.settings import BatchConfig
    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.planning.steps import By
    from dataflare_vec.engine.state.expiry import Expire
    from dataflare_vec.service.manager import PluginManager

#: Rows in a batch: fewer are joined if that costs no time, more are cut.
FEWEST, MOST = 1 << 14, 1 << 18
#: Frames that have memory of the pool at a time: with the reader, in the queue, computed; and one to spare.
_ALIVE = 5
#: Bytes that a value of a type without a fixed width is taken for.
_WIDTH = 32

#: Less memory than that isn't enough for the interpreter and the libraries.
LEAST_MEMORY = 128 << 20

#: What is added to a failed row in the file of failed rows.
FAILURE_COLUMNS = {
    "error_file": pl.String,
    "error_row": pl.Int64,
    "error_plugin": pl.String,
    "error_type": pl.String,
    "error_message": pl.String,
}


class Transform:
    """Plugins, what they are bound to, and what became of the rows so far.

    Parameters
    ----------
    manager
        Whose plugins, memory and metrics are used.
    plugin, output, keep, on_error, config, by, expire, state, replace, bindings
        As in `dataflare_vec.apply`.
    memory
        Bytes that the stream may take; None for no limit.

    Attributes
    ----------
    annotated : dict
        What columns have to be, by the plugins' annotations.
    result : StreamResult
        The counts.
    needed : set of str or None
        Columns without which it can't run; None for all, as they come out.
    on_failed : callable or None
        Told of failed rows: a frame of `failed_schema`.
    """

    def __init__(
        self,
        manager: PluginManager,
        plugin: Any,
        *,
        output: Any,
        keep: bool,
        on_error: OnError,
        config: BatchConfig | None,
        memory: int | None,
        by: By,
        expire: Expire,
        state: Any,
        replace: bool,
        bindings: Mapping[str, Any],
    ) -> None:
        self._request = ask(
            manager.registry,
            manager.runtime,
            plugin,
            output=output,
            keep=keep,
            on_error=on_error,
            config=config,
            by=by,
            expire=expire,
            state=state,
            replace=replace,
            bindings=bindings,
        )
        self._runner: BatchRunner | None = None  # there is one as soon as the columns are known
        self.memory = memory
        self._best, self._most = 0, MOST
        self.result = StreamResult()
        self.on_failed: Callable[[pl.DataFrame], object] | None = None
        steps = self._request.steps
        self.annotated = annotated_types(steps)
        reads = [step.column_names for step in steps]
        self.needed: set[str] | None = None
        if not keep and not any(names is None for names in reads):
            self.needed = {name for names in reads for name in names or ()}

    def output_schema(self, schema: pl.Schema) -> pl.Schema:
        """Return the columns that come out for those that come in, which don't change from now on.

        Raises
        ------
        PluginError
            If the plugins don't fit the columns, or one of them needs all rows at once.
        """
        self._runner = BatchRunner(self._request, empty_frame(schema), _refuse_all_rows)
        return self._runner.output.schema  # type: ignore[no-any-return]

    @property
    def on_error(self) -> OnError:
        """What becomes of failed rows."""
        return self._request.on_error

    @property
    def carries_state(self) -> bool:
        """Whether what comes out depends on the rows before."""
        return self._runner is not None and bool(self._runner.plan.stateful)

    @property
    def reduces(self) -> bool:
        """Whether the rows that come out are made of all that come in."""
        return self._runner is not None and self._runner.plan.reduces is not None

    @property
    def state(self) -> Any:
        """What scans and reduces carry after the last row so far."""
        return self._request.state if self._runner is None else self._runner.state

    def ended(self) -> pl.DataFrame | None:
        """Return the rows of a reduce's keys that have expired since the last call; None if none has."""
        columns = None if self._runner is None else self._runner.ended()
        if columns is None:
            return None
        frame = named(columns)
        self.result.output_count += frame.height
        return frame

    def reduced(self) -> pl.DataFrame | None:
        """Return the rows of a reduce after the last batch; None if there is none."""
        columns = None if self._runner is None else self._runner.finish()
        if columns is None:
            return None
        frame = named(columns)
        self.result.output_count += frame.height
        return frame

    def failed_schema(self, schema: pl.Schema) -> pl.Schema:
        """Return the columns of failed rows: those that came in, and why they failed."""
        added = [(name, dtype()) for name, dtype in FAILURE_COLUMNS.items()]
        return pl.Schema([*((n, t) for n, t in schema.items() if n not in FAILURE_COLUMNS), *added])

    def most_rows(self, schema: pl.Schema, output: pl.Schema) -> int:
        """Return how many rows a batch may have at most."""
        width = sum(_width(dtype) for dtype in (*schema.values(), *output.values()))
        fewest = 1 << 10 if self.memory is None else 1
        self._most = max(fewest, min(MOST, int(batch_bytes(self.memory) / max(width, 1))))
        return self._most

    def wanted_rows(self, most: int) -> int:
        """Return how many rows a batch should have by what the tuner has found."""
        return min(max(self._best * self._request.settings.threads, FEWEST), most)

    @property
    def _pool_limit(self) -> int | None:
        return self._request.runtime.pool.config.max_bytes

    @property
    def writer_memory(self) -> int | None:
        """Bytes of which a writer may gather its part: new columns are in the pool until they are written."""
        if self.memory is None or self._pool_limit is None:
            return self.memory
        return min(self.memory, self._pool_limit)

    def pieces(self, batch: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the parts of a batch that are computed at a time."""
        start = 0
        while start < batch.height or not start:
            rows = self._rows_at_limit(min(batch.height - start, self._rows_to_explode))
            yield batch if rows == batch.height else batch[start : start + rows]
            start += max(rows, 1)

    @property
    def _rows_to_explode(self) -> int:
        """How many rows are computed at a time if those that come of them are to be a batch."""
        assert self._runner is not None
        if not self._runner.plan.explodes:
            return sys.maxsize
        if not self.result.processed_count:
            return FEW_ROWS
        return max(1, int(self._most * self.result.processed_count / max(self.result.output_count, 1)))

    def _rows_at_limit(self, rows: int) -> int:
        """Return how many rows of a batch are computed at a time where the memory pool has a limit.

        Whoever asks for the next frame still has the last one, and others are in the queue: a frame that
        takes more than their memory leaves would wait for it in vain.
        """
        assert self._runner is not None
        if rows <= FEW_ROWS:  # which need no pool, and none is to be made for the question
            return rows
        limit = self._pool_limit
        if limit is None:
            return rows
        using = [stage for stage in self._runner.plan.stages if stage.uses_pool]
        while rows > FEW_ROWS and sum(stage.needs(rows).least for stage in using) > limit // _ALIVE:
            rows = (rows + 1) // 2
        return rows

    def begin(self, label: str | None) -> None:
        """Count the rows to come from 0: those of a file, or of all there are."""
        assert self._runner is not None
        self._runner.begin(label)

    def compute(self, batch: pl.DataFrame) -> pl.DataFrame:
        """Pass the next batch through the plugins; of a reduce nothing comes out before `reduced`.

        Raises
        ------
        RowError
            If rows failed under ``on_error="raise"``; the message says which of the file.
        """
        runner, config = self._runner, self._request.settings
        assert runner is not None
        row, limit = runner.row, config.max_error_details
        if self.on_failed is not None:  # all of them are wanted, and of an explode's rows any number may fail
            most = sys.maxsize if runner.plan.explodes else max(batch.height, 1)
            config = dataclasses.replace(config, max_error_details=most)
        outcome = runner.run(batch, config)
        frame: pl.DataFrame = assemble(batch, outcome, keep=self._request.keep)
        if outcome.tuner is not None:
            self._best = outcome.tuner.best_size
        self.result.add(outcome, frame.height)
        if outcome.failed and (self.on_failed is not None or self.result.has_room(limit)):
            errors = all_details(outcome.failures, config.max_error_details)
            if self.on_failed is not None:
                self.on_failed(_failed_rows(batch, errors, runner.label, row))
            self.result.add_errors(errors, runner.label, row, limit)
        return frame


def _refuse_all_rows(plan: Plan) -> None:
    """Raise if a stage needs all rows at once."""
    for i, stage in enumerate(plan.stages):
        if stage.needs_all_rows:
            plugin = next(later.plugin for later in plan.stages[i:] if later.plugin is not None)
            what = "it "
            if stage.plugin is None:
                what = "it reads neighbouring rows, or is bound to an expression over many rows: it "
            raise BindingError(
                problem=f"{what}needs all rows at once, which a stream doesn't have",
                plugin=plugin.name,
                hint="use `dfv.apply` on a frame or a LazyFrame, or `dfv.scan` with what it needs as its "
                "state",
            )


def _failed_rows(batch: pl.DataFrame, errors: pl.DataFrame, label: str | None, row: int) -> pl.DataFrame:
    rows = batch[errors["row"]].drop(FAILURE_COLUMNS, strict=False)  # of an earlier run
    return rows.with_columns(
        pl.lit(label, pl.String).alias("error_file"),
        (errors["row"] + row).alias("error_row"),
        errors["plugin"].alias("error_plugin"),
        errors["error"].alias("error_type"),
        errors["message"].alias("error_message"),
    )


def _width(dtype: Any) -> float:
    """Return the bytes of a value, about."""
    if isinstance(dtype, pl.Struct):
        return sum(_width(field.dtype) for field in dtype.fields)
    if isinstance(dtype, pl.Array):
        return dtype.size * _width(dtype.inner)
    return value_bytes(dtype) or _WIDTH


_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def parse_memory(memory: int | str | None) -> int | None:
    """Return a number of bytes, given as such or as a text.

    Raises
    ------
    ValueError
        If it is neither, or nothing can be done with so little.

    Examples
    --------
    >>> parse_memory("1.5GiB"), parse_memory("512MB")
    (1610612736, 512000000)
    """
    if memory is None:
        return None
    match = re.fullmatch(r"\s*([0-9.]+)\s*([kmgt]?)(i?)(b?)\s*", str(memory).lower())
    try:
        if match is None:
            raise ValueError
        unit = _UNITS[match[2]]
        if match[4] and not match[3]:
            unit = round(1000 ** math.log(unit, 1024))
        size = int(float(match[1]) * unit)
    except ValueError:
        expected = "a number of bytes or a string such as `512MiB` or `2GB`"
        raise ArgumentError(argument="memory", expected=expected, got=repr(memory)) from None
    if size < LEAST_MEMORY:
        expected = f"at least {LEAST_MEMORY >> 20} MiB"
        raise ArgumentError(argument="memory", expected=expected, got=repr(memory))
    return size
