"""A run of row kernels as one program: blocks of a few thousand rows go through all of them at once."""

from __future__ import annotations

from array import array
from time import perf_counter
from typing import TYPE_CHECKING

from dataflare_vec.engine.rows import Placement, RowStage
from dataflare_vec.engine.stage import Chunk
from dataflare_vec.layouts import Fields, PackedRows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataflare_vec.engine.columns import InputColumn, OutputColumn
    from dataflare_vec.engine.run import Run
    from dataflare_vec.engine.stage import Stage
    from dataflare_vec.layouts import Layout

# What all columns of a block take together: it fits into the second-level cache of any machine.
_BLOCK_BYTES = 256 << 10
_SMALLEST, _LARGEST = 1024, 16384


def conveys(stages: Sequence[Stage], columns: Iterable[InputColumn]) -> bool:
    """Whether a run can be put on a `Belt`: row kernels on columns that are contiguous."""
    return all(
        isinstance(stage, RowStage) and not stage.in_order and not _writes_nested(stage) for stage in stages
    ) and all(len(column.starts) == 1 for column in columns)


def _writes_nested(stage: RowStage) -> bool:
    """Whether what a stage writes isn't what a later one reads."""
    return any(isinstance(field.layout, (PackedRows, Fields)) for field in stage.prepared.outputs)


class Belt:
    """One thread's program of a run: addresses and constants of all its loops, moved on from chunk to chunk.

    Attributes
    ----------
    version : int
        The run's version that it was made for; the run makes a new belt when that changes.
    """

    def __init__(self, run: Run, start: int) -> None:
        from dataflare_vec.native.conveyor import PROGRAM_WORDS, conveyor

        self.version = run.version
        self._words_each = PROGRAM_WORDS
        self._stages = stages = [stage for stage in run.stages if isinstance(stage, RowStage)]
        self._step = _block_rows(stages) if len(stages) > 1 else 0
        self._at = start  # the row where the blocks stand
        self._placements: list[Placement] = []
        self._alive: list[object] = []  # what the program has the addresses of, as that of the placements
        scratch: set[InputColumn | OutputColumn] = set()
        chunk = Chunk(run, start, min(start + (self._step or run.rows), run.rows))
        words: list[int] = []
        for stage in stages:
            placement = stage.place(chunk)
            if not stage.kept:
                scratch.update(placement.targets)
            selection, bit = run.selection_slots(start)
            block = stage.block(placement, start, (selection, bit), scratch=scratch)
            moves = stage.moves(placement, scratch)
            self._placements.append(placement)
            self._alive += [block, moves]
            address = stage.prepared.kernel.address(nulls=placement.nulls)
            words += (address, block.buffer_info()[0], moves.buffer_info()[0], len(block), 0)
            words += (selection + start // 8 if stage.is_filter else 0, 0)
        self._words = array("q", words)
        self._convey = conveyor(looks=any(stage.prepared.kernel.looks for stage in stages))

    def convey(self, run: Run, start: int, stop: int) -> int:
        """Pass rows through all stages.

        Parameters
        ----------
        start
            A multiple of 64.

        Returns
        -------
        int
            The row up to which all stages are done. If it isn't ``stop``, some row of the next block failed.
        """
        began = perf_counter()
        stages, words = self._stages, self._words
        rows = run.count_selected(stages[0], start, stop)
        step = self._step or stop - start
        address = words.buffer_info()[0]
        done = start + self._convey(address, len(stages), start - self._at, stop - start, step)
        self._at = done
        for placement in self._placements:
            placement.check()
        if done < stop:
            self.version = -1  # some stages are ahead of others
        elapsed = perf_counter() - began
        if len(stages) == 1:
            if done > start:
                run.times.append((stages[0].index, rows, elapsed))
            return done
        ticks, selected = words[4 :: self._words_each], words[6 :: self._words_each]
        if done > start:
            total = sum(ticks)
            for stage, taken, wanted in zip(stages, ticks, selected, strict=True):
                share = taken / total if total else 1 / len(stages)
                run.times.append((stage.index, rows, elapsed * share))
                if stage.is_filter:
                    rows = wanted
        return done


def _block_rows(stages: Sequence[RowStage]) -> int:
    """Return how many rows go through all stages at once, a multiple of 64."""
    layouts = {name: layout for stage in stages for name, layout in _layouts(stage)}
    row_bytes = sum(layout.row_bytes for layout in layouts.values())
    return max(_SMALLEST, min(_LARGEST, _BLOCK_BYTES // max(row_bytes, 1) // 64 * 64))


def _layouts(stage: RowStage) -> list[tuple[str, Layout]]:
    written = zip(stage.writes, [field.layout for field in stage.prepared.outputs], strict=False)
    return [*zip(stage.reads, stage.prepared.layouts, strict=True), *written]
