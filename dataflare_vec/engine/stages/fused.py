"""A fused pipeline: row kernels as one program, so that blocks of a few hundred rows go through all at once.

A block stays in cache from the first kernel to the last (cache blocking).
"""

from __future__ import annotations

from array import array
from time import perf_counter
from typing import TYPE_CHECKING

from dataflare_vec.arrow.layouts import Bits, FixedWidth
from dataflare_vec.engine.stages.protocols import Chunk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from dataflare_vec.arrow.columns import ColumnBuilder, InputColumn
    from dataflare_vec.arrow.layouts import Layout
    from dataflare_vec.engine.stages.protocols import Fusable, Placement, Surroundings

    class Fusing(Surroundings, Protocol):
        """What a fused pipeline needs of its run."""

        version: int
        times: list[tuple[int, int, float]]

        def count_selected(self, index: int, start: int, stop: int) -> int:
            """Return how many rows a stage is to compute."""
            ...


# What all columns of a block take together, and how many rows it has: columns of numbers fit into the nearest
# cache of any machine, as a light loop takes as long as reading and writing them; others into the second one.
_NUMBERS_BYTES, _FEWEST_NUMBERS = 16 << 10, 256
_BLOCK_BYTES, _SMALLEST, _LARGEST = 256 << 10, 1024, 16384


class FusedPipeline:
    """One thread's program of a run: addresses and constants of all its loops, moved on from chunk to chunk.

    Parameters
    ----------
    run
        The run.
    stages
        All its stages.
    start
        The row that it begins with.

    Attributes
    ----------
    version : int
        The run's version that it was made for; the run makes another when that changes.
    """

    def __init__(self, run: Fusing, stages: Sequence[Fusable], start: int) -> None:
        from dataflare_vec.compiler.native.fused_loop import PROGRAM_WORDS, fused_loop

        self.version = run.version
        self._words_each = PROGRAM_WORDS
        self._stages = stages
        layouts = {name: layout for stage in stages for name, layout in _layouts(stage)}
        self._step = block_rows(list(layouts.values())) if len(stages) > 1 else 0
        self._at = start  # the row where the blocks stand
        self._placements: list[Placement] = []
        self._alive: list[object] = []  # what the program has the addresses of, as that of the placements
        scratch: set[InputColumn | ColumnBuilder] = set()
        chunk = Chunk(run, start, min(start + (self._step or run.rows), run.rows))
        words: list[int] = []
        for stage in stages:
            placement = stage.place(chunk)
            if not stage.in_result:
                scratch.update(placement.targets)
            selection, bit = run.selection_arguments(start)
            argument_buffer = stage.argument_buffer(placement, start, (selection, bit), scratch=scratch)
            strides = stage.strides(placement, scratch)
            self._placements.append(placement)
            self._alive += [argument_buffer, strides]
            address = stage.prepared.kernel.address(nulls=placement.nulls)
            words += (
                address,
                argument_buffer.buffer_info()[0],
                strides.buffer_info()[0],
                len(argument_buffer),
                0,
            )
            words += (selection + start // 8 if stage.is_filter else 0, 0)
        self._words = array("q", words)
        self._run = fused_loop(looks=any(stage.prepared.kernel.looks for stage in stages))

    def run(self, run: Fusing, start: int, stop: int) -> int:
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
        rows = run.count_selected(stages[0].index, start, stop)
        step = self._step or stop - start
        address = words.buffer_info()[0]
        done = start + self._run(address, len(stages), start - self._at, stop - start, step)
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


def block_rows(layouts: Sequence[Layout]) -> int:
    """Return how many rows of columns go through all stages at once, a multiple of 64."""
    size, fewest = _BLOCK_BYTES, _SMALLEST
    if all(isinstance(layout, (FixedWidth, Bits)) for layout in layouts):
        size, fewest = _NUMBERS_BYTES, min(_FEWEST_NUMBERS, fewest)
    row_bytes = sum(layout.row_bytes for layout in layouts)
    return max(fewest, min(_LARGEST, size // max(row_bytes, 1) // 64 * 64))


def _layouts(stage: Fusable) -> list[tuple[str, Layout]]:
    written = zip(stage.writes, [field.layout for field in stage.prepared.outputs], strict=False)
    return [*zip(stage.reads, stage.prepared.layouts, strict=True), *written]
