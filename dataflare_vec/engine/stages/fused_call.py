"""A pipeline over rows that are one chunk, as one call: what such calls have in common, made once.

Blocks of rows go through all loops, as in a `FusedPipeline`. But nothing is kept ready that other chunks
would need: columns are borrowed and made by compiled code, a filter's answers are the selection of the steps
after it, and what only later steps read is written into the memory of one block, over and over.
"""

from __future__ import annotations

from array import array
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.arrow.c_data import FORMATS, Exported, import_series
from dataflare_vec.arrow.layouts import Bits, FixedWidth
from dataflare_vec.compiler.native.columns import NO_MEMORY, CallState, Made, functions
from dataflare_vec.engine.stages.direct import (
    ALL_ROWS,
    MADE_MASK,
    STRIDES_OF_ROWS,
    SomeFailed,
    buffer_width,
)
from dataflare_vec.engine.stages.fused import block_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dataflare_vec.arrow.layouts import Layout
    from dataflare_vec.engine.stages.direct import Computed, DirectCall, Times
    from dataflare_vec.engine.tuner import Cut
    from dataflare_vec.memory import MemoryPool

_NO_COLUMN = (0, 0, 0, 0)
_WIDEST = 8  # bytes of a value


def fits(calls: Sequence[DirectCall]) -> bool:
    """Whether all columns are of two buffers, which are borrowed and made, and none is replaced."""
    seen: set[str] = set()
    for call in calls:
        seen.update(call.reads)
        layouts = [*call.layouts, *(field.layout for field in call.fields)]
        if not all(isinstance(layout, (FixedWidth, Bits)) for layout in layouts):
            return False
        if not all(type(field.stored) in FORMATS for field in call.fields):
            return False
        if not seen.isdisjoint(call.writes):
            return False
        seen.update(call.writes)
    return True


class FusedCall:
    """Row kernels and filters over columns of numbers and booleans.

    Parameters
    ----------
    calls
        What would compute each step alone, in order.
    names
        The columns that come back.

    Attributes
    ----------
    reads, writes : list of str
        The columns of the data, and those that come back.
    selects : bool
        Whether a mask comes before the columns: which rows filters keep.
    """

    is_filter = False
    may_share = False
    is_fused = True
    gives_kept = False

    def __init__(self, calls: Sequence[DirectCall], names: Collection[str]) -> None:
        self._calls = calls
        self._names = names
        made = [name for call in calls for name in call.writes]
        self.reads = [name for call in calls for name in call.reads if name not in made]
        self.writes = [name for name in made if name in names]
        self.selects = any(call.is_filter for call in calls)
        self._program: _Program | None = None  # made with the first call

    def needs_pool(self, rows: int) -> bool:
        """Whether the columns of some rows take memory of a pool: never."""
        return False

    def compute(
        self, known: Mapping[str, pl.Series], rows: int, pool: MemoryPool | None, cut: Cut | None = None
    ) -> Computed | None:
        """Return the mask if it `selects`, and the new columns: as `DirectCall.compute`.

        The columns have memory of their own, so there is no use for a pool.
        """
        if pool is not None:
            return None
        program = self._program
        if program is None:
            program = self._program = _Program(self._calls, self._names)
        return program.run(known, rows)


class _Column(NamedTuple):
    """A column of a pipeline.

    Attributes
    ----------
    width : int
        Bytes of a value, 0 for bits.
    place : int
        Of its four words among those of a call's state, or of the blocks.
    of_block : bool
        Whether only later steps read it.
    nullable : bool
        Whether a value may be null where none is that is read.
    """

    layout: Layout
    width: int
    place: int
    of_block: bool
    nullable: bool


class _Program:
    """All loops of a pipeline, with their arguments but for the addresses of columns."""

    def __init__(self, calls: Sequence[DirectCall], names: Collection[str]) -> None:
        from dataflare_vec.compiler.native.fused_loop import PROGRAM_WORDS

        self._calls = calls
        self._each = PROGRAM_WORDS
        self._columns: dict[str, _Column] = {}
        self._casts: list[tuple[str, Any]] = []  # of the columns that come back name and dtype
        self._count = 0  # of blocks
        self._place(names)
        outside = [column.layout for column in self._columns.values() if not column.of_block]
        self._step = block_rows([*outside, *[FixedWidth(_WIDEST)] * self._count])
        self._blocks: list[_Blocks] = []  # those that no call uses
        self._words = array("q", [0] * (PROGRAM_WORDS * len(calls)))
        self._begins: list[int] = []  # of the arguments of each loop
        self._nulls: list[bool] = []  # of each loop whether there are any whatever is read
        self._filters: list[int] = []  # where the program has the address of the selection
        self._from_state: list[tuple[int, int]] = []  # where four words go, and where they come from
        self._from_blocks: list[tuple[int, int, bool]] = []  # and whether the column is nullable
        self._strides: list[array[int]] = []
        self._looks: dict[bool, bool] = {}
        is_selecting = False
        for i, call in enumerate(calls):
            nullable = any(self._columns[name].nullable for name in call.reads)
            self._nulls.append(is_selecting or nullable)
            if call.is_filter:
                self._filters.append(i * PROGRAM_WORDS + 5)
                is_selecting = True
            self._add(i, call, is_selecting=is_selecting)

    def _place(self, names: Collection[str]) -> None:
        """Say of each column where it is: of the data, made to come back, or of a block."""
        columns, calls = self._columns, self._calls
        written = {name for call in calls for name in call.writes}
        for call in calls:
            for name, layout in zip(call.reads, call.layouts, strict=True):
                if name not in written and name not in columns:
                    place, width = 4 * len(columns), buffer_width(layout) or 0
                    columns[name] = _Column(layout, width, place, of_block=False, nullable=False)
        self._data = list(columns)
        self._mask = 4 * len(columns)
        borrowed = [(column.place, column.width) for column in columns.values()]
        made = [MADE_MASK] if any(call.is_filter for call in calls) else []
        is_selecting = False
        last = {name: i for i, call in enumerate(calls) for name in call.reads}
        free: list[int] = []  # blocks whose columns no later step reads
        for i, call in enumerate(calls):
            is_selecting = is_selecting or call.is_filter
            reads_nulls = is_selecting or any(columns[name].nullable for name in call.reads)
            for name, field in zip(call.writes, call.fields, strict=False):
                width, nullable = buffer_width(field.layout) or 0, field.nullable or reads_nulls
                comes_back = name in names
                if comes_back:
                    place = self._mask + 4 * len(made)
                    told = name.partition("\0")[0]  # a C string ends at the first null character
                    made.append(Made(told, FORMATS[type(field.stored)], width, int(nullable)))
                    self._casts.append((name, field.dtype))
                else:
                    if not free:
                        free.append(4 * self._count)
                        self._count += 1
                    place = free.pop()
                columns[name] = _Column(field.layout, width, place, not comes_back, nullable)
            over = {*call.reads, *call.writes}
            free += [columns[n].place for n in over if columns[n].of_block and last.get(n, i) == i]
        self._state = CallState([0] * self._mask, borrowed, made, ())
        self._begin, self._end = functions()[2:4]

    def _add(self, i: int, call: DirectCall, *, is_selecting: bool) -> None:
        """Add the arguments of a loop, and by how much they change from row to row."""
        words, strides = self._words, array("q")
        self._begins.append(len(words))
        names = iter([*call.reads, *call.writes])
        for constants in [*call.constants, *[None] * len(call.fields)]:
            if constants is not None:
                words.extend(constants)
                strides.extend([0] * len(constants))
                continue
            column = self._columns[next(names)]
            if column.of_block:
                self._from_blocks.append((len(words), column.place, column.nullable))
                strides.extend(_NO_COLUMN)  # each block is written from its start
            else:
                self._from_state.append((len(words), column.place))
                strides.extend(column.layout.strides)
            words.extend(_NO_COLUMN)
        if is_selecting:
            self._from_state.append((len(words), self._mask))  # as the selection
        words.extend(ALL_ROWS)
        strides.extend(STRIDES_OF_ROWS)
        self._strides.append(strides)
        at = i * self._each
        words[at + 2], words[at + 3] = strides.buffer_info()[0], len(strides)

    def run(self, known: Mapping[str, pl.Series], rows: int) -> Computed | None:
        """Pass rows through all loops: see `FusedCall.compute`."""
        from dataflare_vec.compiler.native.fused_loop import fused_loop

        calls = self._calls
        state = self._state.template[:]
        address, keep = state.buffer_info()[0], False
        capsules = tuple([known[name].__arrow_c_stream__() for name in self._data])  # streams end with them
        try:
            blocks = self._blocks.pop()
        except IndexError:  # other threads have them
            blocks = _Blocks(self._count, self._step)
        try:
            found = self._begin(capsules, self._state.known, address, rows, False, True)
            if found < 0:
                if found == NO_MEMORY:
                    raise MemoryError
                return None
            words = self._filled(state, blocks, nulls=found > 0)
            looks = self._looks.get(found > 0)
            if looks is None:
                looks = self._looks[found > 0] = any(call.kernel.looks for call in calls)
            loop = fused_loop(looks=looks)
            began = perf_counter()
            done = loop(words.buffer_info()[0], len(calls), 0, rows, self._step)
            elapsed = perf_counter() - began
            if done < rows:
                if any(call.kernel.has_general_variant for call in calls):
                    return None  # a general variant may have a result
                raise SomeFailed
            keep = True
        finally:
            made = self._end(self._state.known, address, keep)
            self._blocks.append(blocks)
        series = [import_series(Exported(capsules)) for capsules in made]
        first = len(series) - len(self._casts)
        for j, (name, dtype) in enumerate(self._casts, first):
            if dtype is not None:
                series[j] = series[j].cast(dtype)
            if "\0" in name:
                series[j] = series[j].alias(name)
        return series, self._times(words, rows, elapsed)

    def _filled(self, state: array[int], blocks: _Blocks, *, nulls: bool) -> array[int]:
        """Return the program of one call, with the addresses of its columns."""
        words = self._words[:]
        for to, place in self._from_state:
            words[to : to + 4] = state[place : place + 4]
        for to, place, nullable in self._from_blocks:
            words[to : to + 4] = blocks.words[place : place + 4]
            if not (nulls or nullable):
                words[to + 2] = 0
        start, at = words.buffer_info()[0], 0
        for call, begin, always in zip(self._calls, self._begins, self._nulls, strict=True):
            words[at] = call.kernel.address(nulls=nulls or always)
            words[at + 1] = start + begin * words.itemsize
            at += self._each
        for place in self._filters:
            words[place] = state[self._mask]
        return words

    def _times(self, words: array[int], rows: int, elapsed: float) -> tuple[Times, ...]:
        """Return for each kernel its rows, and its share of the time."""
        stop = self._each * len(self._calls)
        ticks = words[4 : stop : self._each]
        total = sum(ticks)
        times = []
        for i, call in enumerate(self._calls):
            share = ticks[i] / total if total else 1 / len(ticks)
            times.append((rows, elapsed * share, elapsed * share))
            if call.is_filter:
                rows = words[i * self._each + 6]
        return tuple(times)


class _Blocks:
    """Memory of the columns that only later steps read, for one call at a time.

    Attributes
    ----------
    words : array
        Four for each: address of the values, 0, address of the validity, 0.
    """

    __slots__ = ("_memory", "words")

    def __init__(self, count: int, rows: int) -> None:
        self.words = array("q")
        self._memory = []
        for _ in range(count):
            values, validity = (array("q", bytes(size)) for size in (rows * _WIDEST, rows // 8))
            self._memory += [values, validity]
            self.words.extend((values.buffer_info()[0], 0, validity.buffer_info()[0], 0))
