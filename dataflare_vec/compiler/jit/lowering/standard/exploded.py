"""Rows that a kernel gives for one, as columns: a list of tuples as a tuple of lists."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.nested.row_lists import RowListType
from dataflare_vec.compiler.jit.lowering.nested.string_lists import StringListType
from dataflare_vec.compiler.jit.lowering.strings.base import operation


def columns_of(rows: Any) -> Any:
    """Return lists of the fields of rows; of rows that are single values, or of None, the same."""
    raise NotImplementedError  # compiled only


@operation(columns_of)
def _columns_of(rows):
    kind = rows.type if isinstance(rows, types.Optional) else rows
    if isinstance(kind, (types.NoneType, types.Array, StringListType)):
        return lambda rows: rows
    if not isinstance(kind, (types.List, RowListType)):
        raise TypingError(f"explode needs a list of rows, got {kind}")
    row = kind.dtype
    if not isinstance(row, types.BaseTuple) or not len(row):
        return lambda rows: rows
    columns = [f"column{i}" for i in range(len(row))]
    lines = ["def columns(rows):"]
    if isinstance(rows, types.Optional):
        lines += ["    if rows is None:", "        return None"]
    lines += [f"    {column} = []" for column in columns]
    lines += ["    for row in rows:"]
    lines += [f"        {column}.append(row[{i}])" for i, column in enumerate(columns)]
    # Named tuples stay such, so that columns have their names.
    scope = {"made": row.instance_class} if isinstance(row, types.BaseNamedTuple) else {}
    lines += [f"    return {'made' if scope else ''}({', '.join(columns)},)"]
    exec("\n".join(lines), scope)
    return scope["columns"]
