"""Row kernels over all rows at once, on several threads if it pays: what such calls have in common."""

from __future__ import annotations

from array import array
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.arrow.c_data import FORMATS, VIEW_FORMATS, Exported, import_series
from dataflare_vec.arrow.columns import InputColumn, shown_as
from dataflare_vec.arrow.layouts import Bits, FixedWidth, Views
from dataflare_vec.arrow.layouts.string_views import VIEW_BYTES
from dataflare_vec.compiler.native.columns import MASK, NO_MEMORY, CallState, Made, functions
from dataflare_vec.compiler.native.team import compute_shared, have_helpers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Protocol

    from dataflare_vec.arrow.columns import ColumnBuilder
    from dataflare_vec.arrow.layouts import Layout
    from dataflare_vec.compiler.specialise import OutputField, Prepared
    from dataflare_vec.engine.tuner import Cut
    from dataflare_vec.memory import MemoryPool

    #: Rows of a kernel, the seconds that it took, and those of all its threads together.
    Times = tuple[int, float, float]

    #: New columns, and what each kernel took.
    Computed = tuple[list[pl.Series], tuple[Times, ...]]

    class Direct(Protocol):
        """What computes stages over all rows at once, without a run; see `DirectCall`."""

        is_fused: bool
        is_filter: bool
        selects: bool
        may_share: bool
        gives_kept: bool

        @property
        def reads(self) -> Sequence[str]: ...  # noqa: D102

        @property
        def writes(self) -> Collection[str]: ...  # noqa: D102

        def needs_pool(self, rows: int) -> bool: ...  # noqa: D102

        def compute(  # noqa: D102
            self,
            known: Mapping[str, pl.Series],
            rows: int,
            pool: MemoryPool | None,
            cut: Cut | None = None,
        ) -> Computed | None: ...


#: No rows are selected, and none fail: see `jit.abi.arguments`.
ALL_ROWS = (0, 0, 0, 0, 0)

#: By how much these arguments change from row to row: bit offsets of two bitmaps.
STRIDES_OF_ROWS = (0, 1, 0, 1, 0)

#: Which rows a filter keeps, as a column that is made.
MADE_MASK = Made("", FORMATS[pl.Boolean], 0, MASK)

#: Bytes of texts that a column in memory of its own has room for: of each row, at first; of all, at most.
_ROW_BYTES, _MOST_TEXT = 64, 1 << 22

#: Seconds that a loop may be expected to take if it is to keep the GIL; and if one took so many all the same,
#: as rows may take long by what is in them, no later one of its kernel keeps it.
_BRIEF, _TOO_LONG = 10e-6, 20e-3


class SomeFailed(Exception):  # no error yet: a `Run` says which rows, and what becomes of them
    """Some row failed."""


class DirectCall:
    """A row kernel or a filter over rows that are computed at once.

    Parameters
    ----------
    prepared
        The kernel.
    reads, writes
        The columns, as of its stage; a filter, which writes none, makes a mask.
    constants
        For each parameter the arguments of a constant, or None for a column; None if all are columns.
    parameters
        Returns the arguments of columns and constants, for columns of any layout.
    allocate
        Returns memory for the outputs of some rows, out of a pool.
    is_filter
        Whether it is one, if it isn't what makes no columns.

    Attributes
    ----------
    reads, writes, constants
        See above; each of the constants is there, or None.
    kernel, layouts, fields
        The kernel, the layouts of the columns that it reads, and what it makes.
    borrows, makes_texts : bool
        Whether compiled code finds all its columns, and whether some that it makes are texts. Other columns
        are looked at one by one, and their arguments put before those of the outputs.
    is_filter, selects : bool
        Whether what it computes is a mask.
    is_fused : bool
        Whether it passes blocks of rows through several loops.
    may_share : bool
        Whether several threads may write them.
    gives_kept : bool
        Whether columns after a mask are of the rows that it keeps only.
    """

    is_fused = False
    gives_kept = False

    def __init__(
        self,
        prepared: Prepared,
        reads: Sequence[str],
        writes: Mapping[str, Any],
        constants: Sequence[list[int] | None] | None,
        parameters: Callable[[Sequence[tuple[InputColumn, int]], int], list[int]],
        allocate: Callable[..., list[ColumnBuilder]],
        *,
        is_filter: bool | None = None,
    ) -> None:
        self.reads = reads
        self.writes = writes
        self.kernel = prepared.kernel
        self.layouts = prepared.layouts
        self._parameters = parameters
        self._allocate = allocate
        self.constants = constants or [None] * len(reads)
        self.borrows = all(buffer_width(layout) is not None for layout in self.layouts)
        self.is_filter = self.selects = not writes if is_filter is None else is_filter
        self.fields = () if self.is_filter else prepared.outputs
        columns = [_made(name, field) for name, field in zip(writes, self.fields, strict=True)]
        self._makes = [column for column in columns if column is not None]
        self._must_build = len(self._makes) < len(columns)
        self.makes_texts = any(column.are_texts for column in self._makes)
        self._row_bytes = _ROW_BYTES
        # Builders have something of their own for each thread.
        self.may_share = not self._must_build and not self.makes_texts
        # What is temporal is made as integers, and a C string ends at the first null character.
        self._is_as_made = all(field.dtype is None for field in self.fields)
        self._is_as_made = self._is_as_made and "\0" not in "".join(writes)
        self._states: tuple[CallState, CallState] | None = None  # made with the first call
        # Threads may change these at once.
        self._cost = inf  # seconds a row, lately at best
        self._may_be_brief = True

    def _make_states(self) -> tuple[CallState, CallState]:
        """Make what the states of calls have in common: of those that make columns, and of the builders'."""
        words, borrowed = _placed(self.constants, self.layouts)
        self._begin, self._end, self._put = functions()[2:]
        made = [MADE_MASK] if self.is_filter else []
        if not self._must_build:
            made += self._makes
        self._strides = array("q", strides_of(self.constants, self.layouts, [f.layout for f in self.fields]))
        # A mask has the four words where the selection and the rows that fail have theirs.
        rest = ALL_ROWS[4:] if self.is_filter else ALL_ROWS
        states = CallState(words, borrowed or [], made, rest), CallState(words, borrowed or [], [], ())
        states[0].give_room(self._row_bytes)
        self._states = states
        return states

    def needs_pool(self, rows: int) -> bool:
        """Whether the columns of some rows take memory of a pool, however few they are."""
        return self._must_build or (self.makes_texts and rows * self._row_bytes > _MOST_TEXT)

    def _lend(self, pool: MemoryPool, known: int, address: int, rows: int, *, nulls: bool) -> None:
        """Have a call make its columns in memory of a pool, which gets it back after the last reader."""
        bits = (rows + 7) // 8
        places = array("q")
        holders = []
        for field in self.fields:
            values = pool.get_buffer(rows * (buffer_width(field.layout) or 0) or bits)
            validity = pool.get_buffer(bits) if nulls or field.nullable else None
            places.append(values.address)
            places.append(0 if validity is None else validity.address)
            holders.append((values, validity))
        if self._put(known, address, rows, tuple(holders), places.buffer_info()[0]):
            raise MemoryError

    def compute(
        self,
        known: Mapping[str, pl.Series],
        rows: int,
        pool: MemoryPool | None,
        cut: Cut | None = None,
        first: Sequence[int] = (),
    ) -> Computed | None:
        """Return the new columns, and the seconds they took; None if a column is of several pieces.

        Parameters
        ----------
        known
            The columns that it reads, at least, by name.
        pool
            Where they have their memory from, if it isn't their own; of a filter None.
        cut
            How the rows are shared out; None for all at once.
        first
            The first of the loop's arguments, which other calls give otherwise: instead of those constants.

        Raises
        ------
        SomeFailed
            If some row did.
        """
        columns = [known[name] for name in self.reads]
        made_here, built = self._states or self._make_states()
        capsules: tuple[object, ...] = ()
        placed: list[tuple[InputColumn, int]] = []
        if self.borrows:
            capsules = tuple([column.__arrow_c_stream__() for column in columns])  # streams end with them
        else:
            placed = [(InputColumn(*pair), 0) for pair in zip(columns, self.layouts, strict=True)]
            if any(len(column.starts) > 1 for column, _ in placed):
                return None
        builds = self._must_build or (self.makes_texts and pool is not None)
        common = built if builds else made_here
        words = state = common.template[:]
        for place, word in enumerate(first):
            words[place] = word
        address, keep = state.buffer_info()[0], False
        targets: list[ColumnBuilder] = []
        try:
            nulls = any([column.has_nulls for column, _ in placed]) if placed else False
            found = self._begin(capsules, common.known, address, rows, nulls, pool is None)
            if found < 0:
                if found == NO_MEMORY:
                    raise MemoryError
                return None
            if builds:
                assert pool is not None
                targets = self._allocate(pool, rows, nulls=found > 0)
            elif pool is not None:
                self._lend(pool, common.known, address, rows, nulls=found > 0)
            if placed or builds:
                words = self._words(placed, state[: common.arguments], targets)
            failed, times = self._call(words, rows, cut, nulls=found > 0)
            for target in targets:
                target.check()
            if failed:
                raise SomeFailed
            keep = True
        finally:
            made = self._end(common.known, address, keep)
        if not builds:
            if not made and self.makes_texts:
                return self._with_more_room(known, rows)
            return self._columns(made), (times,)
        series = [target.to_series(name) for name, target in zip(self.writes, targets, strict=True)]
        return series, (times,)

    def _with_more_room(self, known: Mapping[str, pl.Series], rows: int) -> Computed | None:
        """Compute again, now and in later calls with more room for texts; None if that is too much."""
        self._row_bytes *= 8
        if self.needs_pool(rows):
            return None
        (self._states or self._make_states())[0].give_room(self._row_bytes)
        return self.compute(known, rows, None)

    def _call(self, words: array[int], rows: int, cut: Cut | None, *, nulls: bool) -> tuple[int, Times]:
        """Return whether rows failed, and what the loop took."""
        is_brief = self._cost * rows < _BRIEF and self._may_be_brief
        # What has to be compiled is so now, not in the time that is measured.
        loop = self.kernel.loop(nulls=nulls, is_brief=is_brief)
        shared = cut if cut is not None and cut.rows < rows else None
        if shared is not None:
            have_helpers(shared.threads)
        busy = 1.0
        began = perf_counter()
        if shared is None:
            failed = loop(words.buffer_info()[0], rows)
        else:
            failed, own = self._share(words, rows, shared, nulls=nulls)
            busy = min(rows / max(own, 1), shared.threads)
        elapsed = perf_counter() - began
        self._cost = min(1.05 * self._cost, elapsed / rows)
        if is_brief and elapsed > _TOO_LONG:
            self._may_be_brief = False
        return failed, (rows, elapsed, elapsed * busy)

    def _share(self, words: array[int], rows: int, cut: Cut, *, nulls: bool) -> tuple[int, int]:
        """Return whether rows failed that several threads took, and how many of them this one took."""
        kernel = self.kernel
        address = kernel.address(nulls=nulls)
        failed, own = compute_shared(address, words, self._strides, rows, cut.rows, cut.threads)
        if failed and kernel.has_general_variant:  # perhaps none has, but for its guard
            return kernel.loop(nulls=nulls)(words.buffer_info()[0], rows), rows
        return failed, own

    def _words(
        self, placed: Sequence[tuple[InputColumn, int]], known: array[int], targets: Sequence[ColumnBuilder]
    ) -> array[int]:
        """Return the loop's arguments where its columns aren't borrowed, or are made in a pool."""
        words = array("q", self._parameters(placed, 0)) if placed else array("q")
        words.extend(known)
        if targets:
            for target in targets:
                words.extend(target.for_writing(0))
            words.extend(ALL_ROWS)
        return words

    def _columns(self, made: Sequence[tuple[object, object]]) -> list[pl.Series]:
        series = [import_series(Exported(capsules)) for capsules in made]
        if self._is_as_made:
            return series
        fields = zip(series, self.writes, self.fields, strict=True)
        return [
            (one if field.dtype is None else shown_as(one, field.dtype)).alias(name)
            for one, name, field in fields
        ]


def _made(name: str, field: OutputField) -> Made | None:
    """Return what a call has to know of a column that it makes; None if only a builder can."""
    kind = type(field.stored)
    if kind in FORMATS:
        return Made(name, FORMATS[kind], buffer_width(field.layout) or 0, int(field.nullable))
    if type(field.layout) is Views and kind in VIEW_FORMATS and field.dtype is None:
        return Made(name, VIEW_FORMATS[kind], VIEW_BYTES, int(field.nullable), are_texts=True)
    return None


def buffer_width(layout: Layout) -> int | None:
    """Return the bytes of a value, 0 for bits, less for views; None if a column has other arguments."""
    if type(layout) is FixedWidth:
        return layout.width
    if type(layout) is Views:
        return -VIEW_BYTES
    return 0 if type(layout) is Bits else None


def strides_of(
    parameters: Sequence[list[int] | None], layouts: Sequence[Layout], outputs: Sequence[Layout]
) -> list[int]:
    """Return by how much each argument of a loop changes from row to row."""
    left = iter(layouts)
    strides: list[int] = []
    for constants in parameters:
        strides += next(left).strides if constants is None else [0] * len(constants)
    for layout in outputs:
        strides += layout.strides
    return [*strides, *STRIDES_OF_ROWS]


def _placed(
    parameters: Sequence[list[int] | None], layouts: Sequence[Layout]
) -> tuple[list[int], list[tuple[int, int]] | None]:
    """Return the arguments of parameters, and for each column the first of its four and the bytes of a value.

    None, and no arguments, if some column has others.
    """
    words: list[int] = []
    borrowed = []
    left = iter(layouts)
    for constants in parameters:
        if constants is not None:
            words += constants
            continue
        width = buffer_width(next(left))
        if width is None:
            return [], None
        borrowed.append((len(words), width))
        words += (0, 0, 0, 0)
    return words, borrowed
