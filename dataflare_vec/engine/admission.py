"""What a run may need of the memory pool, said before it begins where runs wait for each other at a limit."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from dataflare_vec.definition import Form
from dataflare_vec.engine.rows import RowStage
from dataflare_vec.layouts import Bits, Categories, Fields, PackedRows, Views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from dataflare_vec.engine.runtime import Runtime
    from dataflare_vec.engine.stage import Stage
    from dataflare_vec.layouts import Layout


def admitted(stages: Sequence[Stage], rows: int, runtime: Runtime) -> AbstractContextManager[Runtime]:
    """Wait until a run may begin; give the surroundings in which it has its memory.

    Raises
    ------
    PoolLimitError
        If it needs more than the pool's limit, or waited in vain.
    """
    compiled = [stage for stage in stages if isinstance(stage, RowStage)]
    if not compiled or not runtime.pool.waits:  # the others take no more than a bit for each row
        return nullcontext(runtime)
    return _claiming(stages, compiled, rows, runtime)


@contextmanager
def _claiming(
    stages: Sequence[Stage], compiled: Sequence[RowStage], rows: int, runtime: Runtime
) -> Iterator[Runtime]:
    most, least = _needs(compiled, rows)
    calls_python = len(compiled) < len(stages)
    with runtime.pool.claim(None if calls_python else most, least, calls_python=calls_python) as memory:
        yield runtime.with_memory(memory)


def _needs(stages: Sequence[RowStage], rows: int) -> tuple[int | None, int]:
    """Return how many bytes stages need at most, None if that can't be said, and how many at least."""
    from dataflare_vec.memory.sizes import class_capacity

    bits = class_capacity((rows + 7) // 8)
    most, least, is_known = bits, 0, True  # which rows are selected
    for stage in stages:
        if not stage.kept or stage.binding.plugin.form is Form.REDUCE or _has_categories(stage):
            is_known = False  # memory for a chunk, for keys, for categories
            continue
        most += bits  # which rows failed
        if stage.is_filter:
            continue
        for layout in _leaves(field.layout for field in stage.prepared.outputs):
            if layout is None:
                most += bits
                continue
            values = bits if isinstance(layout, Bits) else class_capacity(rows * layout.moves[0])
            least += values
            most += values + bits
            is_known = is_known and not isinstance(layout, (Views, PackedRows))
    return most if is_known else None, least


def _leaves(layouts: Iterable[Layout]) -> Iterator[Layout | None]:
    """Yield the layouts that have values; for a struct those of its fields, and None for its validity."""
    for layout in layouts:
        if isinstance(layout, Fields):
            yield None
            yield from _leaves(layout.layouts)
        else:
            yield layout


def _has_categories(stage: RowStage) -> bool:
    return any(isinstance(layout, Categories) for layout in stage.prepared.layouts)
