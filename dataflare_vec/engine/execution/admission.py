"""What a run may need of the memory pool, said before it begins where runs wait for each other at a limit."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.stages.protocols import Needs, Stage


def admitted(stages: Sequence[Stage], rows: int, runtime: Runtime) -> AbstractContextManager[Runtime]:
    """Wait until a run may begin; give the surroundings in which it has its memory.

    Raises
    ------
    PoolLimitError
        If it needs more than the pool's limit, or waited in vain.
    """
    using = [stage for stage in stages if stage.uses_pool]
    if not using or not runtime.pool.waits:  # the others take no more than a bit for each row
        return nullcontext(runtime)
    needs = [stage.needs(rows) for stage in using]
    return _claiming(needs, rows, runtime, calls_python=len(using) < len(stages))


@contextmanager
def _claiming(
    needs: Sequence[Needs], rows: int, runtime: Runtime, *, calls_python: bool
) -> Iterator[Runtime]:
    from dataflare_vec.memory.size_classes import class_capacity

    selected = class_capacity((rows + 7) // 8)  # which rows are
    known = [need.most for need in needs if need.most is not None]
    most = selected + sum(known) if len(known) == len(needs) and not calls_python else None
    least = sum(need.least for need in needs)
    with runtime.pool.claim(most, least, calls_python=calls_python) as memory:
        yield runtime.with_memory(memory)
