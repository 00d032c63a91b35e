"""Lists that a stage has written become rows: one for each item, with the row's other columns repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec.engine.stages.protocols import Explosion
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.definition.plugin import Plugin

_ROW = internal("row")


def explosion_of(plugin: Plugin, names: Sequence[str], lists: Sequence[Any], index: int) -> Explosion:
    """Return what becomes of the lists that a kernel gives.

    Parameters
    ----------
    names, lists
        What the columns of their items are to be called, and the dtypes of the lists.
    index
        Of its stage.

    Raises
    ------
    KernelResultError
        If they are no lists, as may be told of an interpreted kernel's values.
    """
    for dtype in lists:
        if not isinstance(dtype, (pl.List, pl.Null)):
            msg = f"an explode returns a list of rows, this one returns {dtype}"
            raise KernelResultError(msg, plugin=plugin.name, expected="a list", got=dtype)
    columns = {internal(f"{name}, as lists of stage {index}"): name for name in names}
    dtypes = [dtype.inner if isinstance(dtype, pl.List) else dtype for dtype in lists]
    return Explosion(columns, dict(zip(names, dtypes, strict=True)), plugin.empty == "null")


def exploded(
    explosion: Explosion, written: Mapping[str, pl.Series], selected: pl.Series | None
) -> tuple[pl.Series, dict[str, pl.Series]]:
    """Return the row that each new row is of, and the columns of items.

    Parameters
    ----------
    written
        The lists, by name. Those of one row are of the same length.
    selected
        Which rows haven't failed, of those that are there: one that has stays one row. None for all.
    """
    lists = [_as_lists(written[name]) for name in explosion.columns]
    rows = pl.int_range(len(lists[0]), dtype=pl.get_index_type(), eager=True)
    if not explosion.keeps_empty:
        stays = (lists[0].list.len() > 0).fill_null(value=False)
        if selected is not None:
            stays = stays | ~selected
        if not stays.all():
            rows, lists = rows.filter(stays), [one.filter(stays) for one in lists]
    names = [_ROW, *explosion.columns.values()]
    columns = [one.alias(name) for name, one in zip(names, [rows, *lists], strict=True)]
    frame = pl.DataFrame(columns).explode(names[1:], empty_as_null=True, keep_nulls=True)
    return frame[_ROW], {name: frame[name] for name in names[1:]}


def _as_lists(series: pl.Series) -> pl.Series:
    return series.cast(pl.List(pl.Null)) if series.dtype == pl.Null else series
