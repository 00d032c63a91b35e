"""A kernel's plain Python function on single rows: the reference that compiled code has to match."""

from __future__ import annotations

from decimal import localcontext
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.exploding import columns_of_rows
from dataflare_vec.definition.plugin import by_place, plain
from dataflare_vec.definition.python_values import WIDE, converter
from dataflare_vec.definition.uses import rounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from dataflare_vec.definition.binding import Binding


def call_rows(
    binding: Binding,
    rows: Sequence[Sequence[Any]],
    dtypes: Sequence[Any],
    states: Sequence[Any] | None = None,
) -> Iterator[tuple[Any, ...] | Exception]:
    """Call the plain function of a row kernel with one row after the other.

    Parameters
    ----------
    rows
        Values of the columns as they are stored: integers for dates, times and decimals, None for nulls.
    dtypes
        Polars dtypes of the columns.
    states
        The state before each row, for a scan or a reduce: the function's first argument.

    Yields
    ------
    tuple or Exception
        One value for each output, or what the function raised. For a row with a null that the kernel isn't
        called for, one None.

    Notes
    -----
    What the function receives is said in `values`.
    """
    import numpy as np

    function, explodes = plain(binding.plugin.function), binding.plugin.is_exploder
    call, parameters = by_place(function), [item.parameter for item in binding.columns]
    wrap = [converter(dtype, p.expects) for dtype, p in zip(dtypes, parameters, strict=True)]
    of_constant: Any = np.float64
    if rounds(function):
        from dataflare_vec.definition.python_floats import KINDS

        wrap, of_constant = [KINDS.get(convert, convert) for convert in wrap], KINDS[np.float64]
    if any(dtype.base_type() is pl.Float32 for dtype in dtypes):
        from dataflare_vec.definition.python_floats import Constant

        of_constant = Constant
    with np.errstate(all="ignore"), plain_numbers(), localcontext(WIDE):
        for i, values in enumerate(rows):
            try:
                arguments = _arguments(binding, values, wrap, of_constant)
                if arguments is None:
                    yield (None,)
                    continue
                result = call(*arguments) if states is None else call(states[i], *arguments)
                if explodes:
                    result = columns_of_rows(result)
            except Exception as error:  # whatever the user's function raises
                yield error
                continue
            yield result if isinstance(result, tuple) else (result,)


def plain_numbers() -> AbstractContextManager[Any]:
    """Have `repr`, and messages, show NumPy's scalars as compiled code does: as the numbers that they are."""
    import numpy as np

    return np.printoptions(legacy="1.25")


def _arguments(
    binding: Binding, values: Sequence[Any], wrap: Sequence[Any], of_constant: Any
) -> list[Any] | None:
    """Return what the function is called with for a row; None if it isn't, because of a null.

    ``wrap`` converts the values of columns, and ``of_constant`` constants that are floats.

    Raises
    ------
    OverflowError
        If there is no object of Python's for one of the values.
    """
    left = iter(zip(values, wrap, strict=True))
    windows = []
    for item in binding.items:
        if not isinstance(item, Column):
            windows.append([(of_constant(item.value) if type(item.value) is float else item.value, None)])
        elif len(item.parameter.offsets) == 1 or not item.offset:  # the others came with the row itself
            windows.append([next(left) for _ in item.parameter.offsets])
            if not item.parameter.nullable and any(value is None for value, _ in windows[-1]):
                return None  # whatever the other values are
    made = [[v if v is None or convert is None else convert(v) for v, convert in one] for one in windows]
    return [one[0] if len(one) == 1 else tuple(one) for one in made]
