"""A pipeline of row kernels as one program: blocks of a few thousand rows go through all of them at once."""

from __future__ import annotations

from array import array
from time import perf_counter
from typing import TYPE_CHECKING

from dataflare_vec.engine.rows import RowStage
from dataflare_vec.engine.stage import Chunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.engine.columns import InputColumn, OutputColumn
    from dataflare_vec.engine.run import Run
    from dataflare_vec.engine.stage import Stage

# What all columns of a block take together: it fits into the second-level cache of any machine.
_BLOCK_BYTES = 256 << 10
_SMALLEST, _LARGEST = 1024, 16384


def conveys(stages: Sequence[Stage]) -> bool:
    """Whether a pipeline can be passed through `convey`."""
    return len(stages) > 1 and all(isinstance(stage, RowStage) for stage in stages)


def convey(run: Run, start: int, stop: int) -> int:
    """Pass rows through all stages of a run, each column of which is contiguous there.

    Parameters
    ----------
    start
        A multiple of 64.

    Returns
    -------
    int
        The row up to which all stages are done. If it isn't ``stop``, some row of the next block failed.
    """
    from dataflare_vec.jit.conveyor import PROGRAM_WORDS, conveyor

    began = perf_counter()
    stages = [stage for stage in run.stages if isinstance(stage, RowStage)]
    rows = run.count_selected(stages[0], start, stop)
    step = _block_rows(stages)
    chunk = Chunk(run, start, min(start + step, stop))
    scratch: set[InputColumn | OutputColumn] = set()
    program: list[int] = []
    alive = []
    for stage in stages:
        placement = stage.place(chunk)
        if not stage.kept:
            scratch.update(placement.targets)
        selection, bit = run.selection_slots(start)
        block = stage.block(placement, start, (selection, bit))
        moves = stage.moves(placement, scratch)
        alive += [block, moves]
        address = stage.prepared.kernel.address(nulls=placement.nulls)
        program += (address, block.buffer_info()[0], moves.buffer_info()[0], len(block), 0)
        program += (selection + start // 8 if stage.is_filter else 0, 0)
    words = array("q", program)
    done = start + conveyor()(words.buffer_info()[0], len(stages), stop - start, step)
    ticks, selected = words[4::PROGRAM_WORDS], words[6::PROGRAM_WORDS]
    elapsed, total = perf_counter() - began, sum(ticks) or len(stages)
    if done > start:
        for stage, taken, wanted in zip(stages, ticks, selected, strict=True):
            share = taken / total if any(ticks) else 1 / total
            run.times.append((stage.index, rows, elapsed * share))
            if stage.is_filter:
                rows = wanted
    return done


def _block_rows(stages: Sequence[RowStage]) -> int:
    """Return how many rows go through all stages at once, a multiple of 64."""
    widths = {name: width for stage in stages for name, width in _widths(stage)}
    row_bytes = sum(width or 1 for width in widths.values())
    return max(_SMALLEST, min(_LARGEST, _BLOCK_BYTES // max(row_bytes, 1) // 64 * 64))


def _widths(stage: RowStage) -> list[tuple[str, int]]:
    written = [(name, field.width) for name, field in zip(stage.writes, stage.prepared.outputs, strict=False)]
    return [*zip(stage.reads, stage.prepared.widths, strict=True), *written]
