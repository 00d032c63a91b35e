"""A kernel's plain Python function on one row: the reference that compiled code has to match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.binding import Column
from dataflare_vec.definition import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.binding import Binding


def call_row(binding: Binding, values: Sequence[Any], dtypes: Sequence[Any]) -> tuple[Any, ...]:
    """Call the plain function of a row kernel with the values of one row.

    Parameters
    ----------
    values
        Of the columns: numbers, bools, integers for dates and times, None for nulls.
    dtypes
        Polars dtypes of the columns.

    Returns
    -------
    tuple
        One value for each output; all None for a row with a null that the kernel isn't called for.

    Notes
    -----
    Floats are passed as NumPy scalars, because those follow IEEE 754 as compiled code does: dividing by
    zero gives an infinity instead of an exception.
    """
    import numpy as np

    left = list(zip(values, dtypes, strict=True))
    arguments: list[Any] = []
    skipped = False
    for item in binding.items:
        if not isinstance(item, Column):
            arguments.append(np.float64(item.value) if type(item.value) is float else item.value)
            continue
        value, dtype = left.pop(0)
        if value is None and not item.parameter.nullable:
            skipped = True
        if value is not None and dtype.is_float():
            value = np.float32(value) if dtype.to_python() and str(dtype) == "Float32" else np.float64(value)
        arguments.append(value)
    if skipped:
        return (None,)
    with np.errstate(all="ignore"):
        result = plain(binding.plugin.function)(*arguments)
    return tuple(result) if isinstance(result, tuple) else (result,)
