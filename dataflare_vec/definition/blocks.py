"""Reduces that take their rows by blocks, as reduces whose state holds the rows of a block until it is full.

What is computed is then said once, in Python: compiled code only fills a block faster than row by row, and
chunks, threads and batches find a state as any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.plugin import Stateful
from dataflare_vec.definition.state_layout import Buffer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.definition.plugin import Plugin

#: Rows of a block: enough that what is done once for each doesn't count, and few enough for the first-level
#: cache.
BLOCK_ROWS = 256

#: What a block holds of a column's values: as a kernel receives them.
_KINDS: dict[Any, str] = {
    pl.Float64: "f8",
    **dict.fromkeys((pl.Float32, pl.Float16), "f4"),
    **dict.fromkeys((pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32), "i8"),
}

_SOURCE = """
def with_row(_buffered, {values}):
    _state, _count, {arrays} = _buffered
    {puts}
    if _count < {last}:
        return _state, _count + 1, {arrays}
    return _block(_state, {arrays}), 0, {arrays}

def whole(_buffered):
    _state, _count, {arrays} = _buffered
    if _count == 0:
        return _state
    return _block(_state, {filled})
"""


def kinds_of(plugin: Plugin, dtypes: Sequence[Any]) -> tuple[str, ...] | None:
    """Return what blocks of columns of some dtypes hold; None if the plugin can't have them by blocks."""
    if plugin.stateful is None or plugin.stateful.block is None:
        return None
    kinds = [_KINDS.get(dtype.base_type()) for dtype in dtypes]
    plain_columns = not any(p.nullable or len(p.offsets) > 1 for p in plugin.parameters)
    return tuple(kinds) if plain_columns and None not in kinds else None  # type: ignore[arg-type]


def by_blocks(plugin: Plugin, kinds: tuple[str, ...]) -> Plugin:
    """Return the reduce, without ``block``, whose state holds up to a block of rows."""
    assert plugin.stateful is not None
    user = plugin.stateful
    with_row, whole = _functions(plugin, kinds)
    merge_two, finish_one = user.merge, user.finish
    assert merge_two is not None
    assert finish_one is not None

    def merge(a: Any, b: Any) -> Any:
        return (merge_two(whole(a), whole(b)), 0, *a[2:])

    def finish(buffered: Any) -> Any:
        return finish_one(whole(buffered))

    buffer = Buffer(BLOCK_ROWS, kinds, whole)
    stateful = Stateful(user.parameter, buffer.empty(user.init), merge, finish, buffer=buffer)
    return replace(plugin, function=with_row, stateful=stateful)


def _functions(plugin: Plugin, kinds: tuple[str, ...]) -> tuple[Any, Any]:
    names = [parameter.name for parameter in plugin.parameters]
    arrays = [f"_rows{i}" for i in range(len(kinds))]
    source = _SOURCE.format(
        values=", ".join(names),
        arrays=", ".join(arrays),
        puts="; ".join(f"{array}[_count] = {name}" for array, name in zip(arrays, names, strict=True)),
        last=BLOCK_ROWS - 1,
        filled=", ".join(f"{array}[:_count]" for array in arrays),
    )
    assert plugin.stateful is not None
    namespace: dict[str, Any] = {"_block": plugin.stateful.block, "__name__": plugin.__module__}
    exec(compile(source, f"<blocks of {plugin.name}>", "exec"), namespace)
    return namespace["with_row"], namespace["whole"]
