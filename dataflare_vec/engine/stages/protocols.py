"""What a run and its stages know of each other, and no more: neither asks for the other's class.

A `Stage` opens itself in a run (`Stage.open`), and computes one `Chunk` after the other. What it may ask of
the run is `Surroundings`; what it is asked when some of its rows have failed is `Replayable`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.arrow.columns import ColumnBuilder, InputColumn

if TYPE_CHECKING:  # the protocols too: nobody needs them to run, and they would take half a millisecond
    from array import array
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Protocol

    from dataflare_vec.arrow.columns import Bitmap
    from dataflare_vec.arrow.layouts import Layout
    from dataflare_vec.compiler.jit.codegen.loop_report import LoopReport
    from dataflare_vec.compiler.specialise import Prepared
    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.engine.stages.direct import Direct
    from dataflare_vec.engine.stages.sequencer import Sequencer
    from dataflare_vec.engine.state.store import StateStore
    from dataflare_vec.memory import MemoryPool

    #: A column and the row of the frame that its first row stands for.
    Placed = tuple[InputColumn | ColumnBuilder, int]

    class Failed(Protocol):
        """What a stage does with the record of its failed rows; see `Failures`."""

        count: int
        limit: int
        often: bool

        def wants(self, row: int) -> bool:
            """Whether rows from ``row`` on may be among the lowest."""
            ...

        def record(self, sample: pl.DataFrame) -> None:
            """Keep failed rows: their `ROW` and what the kernel read."""
            ...

    class Surroundings(Protocol):
        """What a stage needs of the run that it is part of; see `Run`.

        Attributes
        ----------
        rows : int
            How many rows the run has.
        pool : MemoryPool
            Where outputs come from.
        lock : Lock
            Held while something is changed that other threads see.
        sequencer : Sequencer
            Lets chunks wait for the one before them.
        states : mapping
            What stages carry from row to row, each under the name that its stage knows.
        written : set of str
            The columns that earlier stages write.
        placed : dict
            Input columns by index of the stage, for stages that read nothing else.
        outputs : dict
            The columns that compiled loops write, by index of the stage.
        failures : mapping
            The failed rows, by index of the stage.
        """

        rows: int
        pool: MemoryPool
        lock: Any
        sequencer: Sequencer
        written: set[str]
        placed: dict[int, list[Placed]]
        outputs: dict[int, list[ColumnBuilder]]

        @property
        def states(self) -> Mapping[str, StateStore]: ...  # noqa: D102

        @property
        def failures(self) -> Mapping[int, Failed]: ...  # noqa: D102

        def expect(self, stage: Replayable) -> None:
            """Keep a record of the rows that a stage fails on."""
            ...

        def column(self, name: str) -> pl.Series:
            """Return a column of the data."""
            ...

        def input(self, name: str, layout: Layout) -> InputColumn:
            """Return a column of the data for compiled loops, the same for all that read it so."""
            ...

        def series(self, name: str, start: int, stop: int) -> pl.Series:
            """Return some rows of a column of the data."""
            ...

        def collect(self, name: str, start: int, values: pl.Series) -> None:
            """Keep what a stage computed for a chunk."""
            ...

        def alone(self, stage: Stage, column: pl.Series) -> list[pl.Series] | None:
            """Return what a stage that reads one column makes of another; None if it fails for some row."""
            ...

        def is_selecting(self, index: int) -> bool:
            """Whether a stage may see rows that it isn't to compute."""
            ...

        def selection(self, index: int, start: int, stop: int) -> pl.Series | None:
            """Return which rows a stage is to compute; None for all."""
            ...

        def selection_arguments(self, row: int) -> tuple[int, int]:
            """Return address and bit offset of the selection, for a loop that starts at ``row``."""
            ...

        def select(self, stage: Stage, start: int, mask: pl.Series) -> None:
            """Take rows out of the selection: those for which ``mask`` isn't true."""
            ...

        def need_validity(self, targets: Sequence[ColumnBuilder]) -> None:
            """Have validity bitmaps for the outputs of a stage."""
            ...

        def expect_failures(self, stage: Stage, targets: Sequence[ColumnBuilder]) -> Bitmap:
            """Have all that an error-recording loop writes to; return the bitmap of failed rows."""
            ...

    class Replayable(Protocol):
        """What can say of rows that have failed why they did: a stage that calls a function for each row.

        Attributes
        ----------
        index : int
            Its place in the pipeline.
        binding : Binding
            The plugin and its parameters.
        overruns : bool
            Whether calling the plain function may end the process.
        """

        index: int
        binding: Binding

        @property
        def overruns(self) -> bool: ...  # noqa: D102

        def replay(self, inputs: pl.DataFrame) -> Iterable[tuple[Any, ...] | Exception]:
            """Yield what the plain Python function makes of such rows, one for each."""
            ...

        def misfit(self, values: Sequence[Any], inputs: pl.DataFrame) -> Exception:
            """Return why a row failed whose function returned ``values``."""
            ...

        def compiled_error(self, inputs: pl.DataFrame) -> Exception:
            """Return what compiled code raises for a row."""
            ...

        def shown(self, inputs: pl.DataFrame) -> pl.DataFrame:
            """Return such rows as they are shown to the user."""
            ...

    class Fusable(Protocol):
        """A stage whose loop can be part of a fused pipeline; see `RowStage`."""

        index: int
        reads: Sequence[str]
        writes: Mapping[str, Any]
        in_result: bool
        is_filter: bool
        prepared: Prepared

        def place(self, chunk: Chunk) -> Placement:
            """Return the columns that the loop reads and writes for a chunk, which gets those it writes."""
            ...

        def argument_buffer(
            self,
            placement: Placement,
            row: int,
            selection: tuple[int, int],
            *,
            scratch: Collection[InputColumn | ColumnBuilder],
        ) -> array[int]:
            """Return addresses and constants for rows from ``row`` on, on this thread."""
            ...

        def strides(
            self, placement: Placement, scratch: Collection[InputColumn | ColumnBuilder]
        ) -> array[int]:
            """Return by how much each argument changes from row to row; not at all for ``scratch``."""
            ...


class Needs(NamedTuple):
    """How many bytes of the memory pool a stage takes: at most (None if that can't be said), and at least."""

    most: int | None
    least: int


class StageReport(NamedTuple):
    """What a stage says of itself to the user; see `StageExplanation`."""

    kind: str
    loop: LoopReport | None = None
    row_separable: bool | None = None
    interpreted: str | None = None
    from_cache: bool | None = None


class Placement(NamedTuple):
    """Where a stage's loop reads and writes for one chunk."""

    columns: Sequence[Placed]
    targets: Sequence[ColumnBuilder]
    shift: int  # the row of the frame that the targets' first row stands for
    nulls: bool  # which loop it takes

    def check(self) -> None:
        """Raise what went wrong while the loop wrote."""
        for target in self.targets:
            target.check()


class Explosion(NamedTuple):
    """What becomes of lists that a stage has written: a row for each item."""

    columns: Mapping[str, str]  # the names of the items' columns, by those of the lists'
    dtypes: Mapping[str, Any]  # by the former
    keeps_empty: bool  # whether a row with an empty list, or none, stays one with null


class Stage(ABC):
    """One step of a pipeline, ready to be run on chunk after chunk, by several threads.

    Attributes
    ----------
    plugin : Plugin or None
        None for an expression that a parameter is bound to.
    index : int
        Its place in the pipeline.
    reads : sequence of str
        Names of the columns it reads.
    writes : dict
        Names and dtypes of the columns it adds.
    in_result : bool
        Whether those come back, or are only for later stages.
    needs_all_rows : bool
        Whether it has to see all rows at once.
    is_filter : bool
        Whether it selects rows instead of adding columns.
    explosion : Explosion or None
        Of one that gives several rows for one: what comes after it has other rows.
    state_name : str
        What the state that it carries is called in the plan; empty if it carries none.
    is_sequential : bool
        Whether chunks have to wait for the one before so strictly that a second thread would only wait.
    is_compiled : bool
        Whether it is anything but Python, row by row.
    uses_pool : bool
        Whether it takes more of the memory pool than a bit for each row, and calls no Python.
    owns_columns : bool
        Whether nothing else refers to the memory of the columns that it makes.
    column_types : int
        Stands for the types of its columns, where it takes another time for others.
    """

    plugin: Plugin | None
    index: int = 0
    reads: Sequence[str]
    writes: Mapping[str, Any]
    in_result: bool
    needs_all_rows: bool = False
    is_filter: bool = False
    explosion: Explosion | None = None
    state_name: str = ""
    is_sequential: bool = False
    is_compiled: bool = True
    uses_pool: bool = False
    owns_columns: bool = False
    column_types: int = 0

    @property
    def adds(self) -> Mapping[str, Any]:
        """Names and dtypes of the columns that later steps see."""
        return self.writes if self.explosion is None else self.explosion.dtypes

    def open(self, run: Surroundings) -> Stage:
        """Have all that it needs in a run; return the stage that takes its part there, most often itself."""
        return self

    def is_current(self) -> bool:
        """Whether a new plan would have the same stage, if nothing that its plugin captures has changed."""
        return True

    def take_up(self, states: Mapping[str, StateStore], rows: int) -> None:  # noqa: B027  # most carry none
        """Go on with the state that is its own among ``states``, for a run of some rows."""

    def fusable(self) -> Fusable | None:
        """Return what a fused pipeline needs of it; None if it can't be part of one."""
        return None

    def direct(self) -> Direct | None:
        """Return what computes all rows at once, without a run; None if it has to be run."""
        return None

    def needs(self, rows: int) -> Needs:
        """Return how much memory it takes for some rows; asked only of one that uses the pool."""
        raise NotImplementedError

    def report(self, *, nulls: bool) -> StageReport:
        """Return what there is to say of it, over columns with or without nulls; asked of a plan's stages."""
        raise NotImplementedError

    def forget_results(self) -> None:  # noqa: B027  # most know none
        """Compute each row from now on, also those whose results are known already."""

    @abstractmethod
    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows."""

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """Return the values for all rows of a frame; asked only of one that has to see them at once."""
        raise NotImplementedError

    def close(self) -> None:  # noqa: B027  # most have nothing to say
        """Be told that all runs of a call are over."""


class Chunk:
    """A range of rows on its way through the stages, with the columns that exist only for it."""

    __slots__ = ("_columns", "local", "run", "start", "stop")

    def __init__(self, run: Surroundings, start: int, stop: int) -> None:
        self.run = run
        self.start = start
        self.stop = stop
        self.local: dict[str, pl.Series | Placed] = {}
        self._columns: dict[tuple[str, Layout], InputColumn] = {}  # of those that are Series

    def column(self, name: str, layout: Layout) -> Placed:
        """Return a column for a compiled loop."""
        local = self.local.get(name)
        if local is None:
            return self.run.input(name, layout), 0
        if not isinstance(local, pl.Series) and local[0].layout == layout:
            return local
        column = self._columns.get((name, layout))
        if column is None:
            # A list isn't read as it is written.
            series = local if isinstance(local, pl.Series) else self.series(name)
            column = self._columns[name, layout] = InputColumn(series.rechunk(), layout)
        return column, self.start

    def series(self, name: str) -> pl.Series:
        """Return the chunk's rows of a column."""
        local = self.local.get(name)
        if isinstance(local, pl.Series):
            return local
        if local is not None:
            column, shift = local
            return column.slice(self.start - shift, self.stop - shift)
        return self.run.series(name, self.start, self.stop)

    def selection(self, stage: Stage) -> pl.Series | None:
        """Return which rows a stage is to compute; None for all."""
        return self.run.selection(stage.index, self.start, self.stop)

    def hold(self, name: str, values: pl.Series | Placed) -> None:
        """Have later stages read a column of this chunk, also where an earlier one was called so."""
        if name in self.local:
            self._columns = {key: column for key, column in self._columns.items() if key[0] != name}
        self.local[name] = values

    def put(self, stage: Stage, name: str, values: pl.Series) -> None:
        """Add a column that was computed for this chunk."""
        self.hold(name, values)
        if stage.in_result:
            self.run.collect(name, self.start, values)
