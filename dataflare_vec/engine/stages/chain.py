"""Stages over rows that are taken at once, one after the other: loops, fused if they can be, expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.engine.stages.direct import DirectCall
from dataflare_vec.engine.stages.direct_scan import DirectScan
from dataflare_vec.engine.stages.expression import spread
from dataflare_vec.engine.stages.fused_call import FusedCall, fits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dataflare_vec.engine.stages.direct import Computed, Direct, Times
    from dataflare_vec.engine.state.store import StateStore
    from dataflare_vec.engine.tuner import Cut
    from dataflare_vec.memory import MemoryPool


def chained(stages: Sequence[Direct | None], new: Mapping[str, Any]) -> Direct | None:
    """Return what computes all stages of a plan at once; None if one of them has to be run.

    Parameters
    ----------
    stages
        What computes each.
    new
        The columns that come back, with their dtypes.
    """
    found = [stage for stage in stages if stage is not None]
    if not found or len(found) < len(stages):
        return None
    parts: list[_Part] = []
    read_later: set[str] = set()
    for group in reversed(list(_grouped(found))):
        parts.insert(0, _Part(_computed(group, read_later.union(new)), len(group), read_later))
        read_later = read_later.union(*(one.reads for one in group))
    is_whole = len(parts) == 1 and all(name in new for name in parts[0].compute.writes)
    return parts[0].compute if is_whole else Chain(parts, new)


def _grouped(stages: Sequence[Direct]) -> Iterator[list[Direct]]:
    """Yield the stages, those together that can be fused."""
    group: list[Direct] = []
    for stage in stages:
        if group and _can_be_fused([*group, stage]):
            group.append(stage)
            continue
        if group:
            yield group
        group = [stage]
    yield group


def _can_be_fused(stages: Sequence[Direct]) -> bool:
    calls = [stage for stage in stages if isinstance(stage, DirectCall)]
    return len(calls) == len(stages) and fits(calls)


def _computed(group: Sequence[Direct], names: Collection[str]) -> Direct:
    """Return what computes one stage, or some that can be fused, where some of their columns are read."""
    calls = [stage for stage in group if isinstance(stage, DirectCall)]
    is_whole = len(group) == 1 and all(name in names for name in group[0].writes)
    if is_whole or not calls or not fits(calls):
        return group[0]
    return FusedCall(calls, set(names))


class _Part(NamedTuple):
    """Some stages of a chain.

    Attributes
    ----------
    compute : Direct
        What computes them.
    stages : int
        How many they are.
    read_later : set of str
        The columns that stages after them read.
    """

    compute: Direct
    stages: int
    read_later: set[str]


class Chain:
    """What computes some stages, one part after the other; after a filter only the rows that it keeps go on.

    Parameters
    ----------
    parts
        In order.
    new
        The columns that come back, with their dtypes.

    Attributes
    ----------
    reads, writes : list of str
        The columns of the data, and those that come back.
    selects : bool
        Whether a mask comes before the columns: which rows filters keep.
    """

    is_filter = False
    is_fused = False
    gives_kept = True

    def __init__(self, parts: Sequence[_Part], new: Mapping[str, Any]) -> None:
        self._parts = parts
        self._new = new
        self.reads = [name for part in parts for name in part.compute.reads]
        self.writes = list(new)
        self.selects = any(part.compute.selects for part in parts)
        self.may_share = all(part.compute.may_share for part in parts)

    def needs_pool(self, rows: int) -> bool:
        """Whether the columns of some rows take memory of a pool, however few they are."""
        return any(part.compute.needs_pool(rows) for part in self._parts)

    def compute(
        self,
        known: Mapping[str, pl.Series],
        rows: int,
        pool: MemoryPool | None,
        cut: Cut | None = None,
        states: Mapping[str, StateStore] | None = None,
    ) -> Computed | None:
        """Return the mask if it `selects`, and the new columns of the rows kept: as `DirectCall.compute`.

        Parameters
        ----------
        states
            What its scans carry: that after all rows, or any if nothing is returned.
        """
        columns = dict(known)
        times: list[Times] = []
        kept, count = pl.Series([True]).new_from_index(0, rows if self.selects else 0), rows
        for part in self._parts:
            if not count:
                times += [(0, 0.0, 0.0)] * part.stages
                continue
            lending = None if part.compute.is_filter else pool  # a mask has memory of its own
            if isinstance(part.compute, DirectScan):
                computed = part.compute.compute(columns, count, lending, cut, states)
            else:
                computed = part.compute.compute(columns, count, lending, cut)
            if computed is None:
                return None
            series, taken = computed
            times += taken
            mask = series.pop(0) if part.compute.selects else None
            columns.update(zip(part.compute.writes, series, strict=True))
            if mask is None:
                continue
            count = int(mask.sum())
            if count < len(mask):
                wanted = part.read_later.union(self._new)
                columns = {name: column.filter(mask) for name, column in columns.items() if name in wanted}
                kept = mask if len(mask) == rows else spread(mask, kept).fill_null(value=False)
        if not count:
            columns |= {name: pl.Series(name, [], dtype=dtype) for name, dtype in self._new.items()}
        made = [columns[name] for name in self._new]
        return ([kept, *made] if self.selects else made), tuple(times)
