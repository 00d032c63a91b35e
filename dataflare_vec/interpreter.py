"""A kernel's plain Python function on single rows: the reference that compiled code has to match."""

from __future__ import annotations

from decimal import localcontext
from typing import TYPE_CHECKING, Any

from dataflare_vec.binding import Column
from dataflare_vec.definition import plain
from dataflare_vec.uses import rounds
from dataflare_vec.values import WIDE, converter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflare_vec.binding import Binding


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

    function = plain(binding.plugin.function)
    parameters = [item.parameter for item in binding.columns]
    wrap = [converter(dtype, p.expects) for dtype, p in zip(dtypes, parameters, strict=True)]
    of_constant: Any = np.float64
    if rounds(function):
        from dataflare_vec.floats import KINDS

        wrap, of_constant = [KINDS.get(convert, convert) for convert in wrap], KINDS[np.float64]
    with np.errstate(all="ignore"), localcontext(WIDE):
        for i, values in enumerate(rows):
            left = iter(zip(values, wrap, strict=True))
            arguments: list[Any] = [] if states is None else [states[i]]
            skipped = False
            for item in binding.items:
                if isinstance(item, Column) and len(item.parameter.offsets) > 1:
                    if item.offset:
                        continue  # it came with the row itself
                    window = [next(left) for _ in item.parameter.offsets]
                    converted = [v if v is None or convert is None else convert(v) for v, convert in window]
                    skipped |= not item.parameter.nullable and any(v is None for v, _ in window)
                    arguments.append(tuple(converted))
                    continue
                if not isinstance(item, Column):
                    arguments.append(of_constant(item.value) if type(item.value) is float else item.value)
                    continue
                value, convert = next(left)
                skipped |= value is None and not item.parameter.nullable
                arguments.append(value if value is None or convert is None else convert(value))
            if skipped:
                yield (None,)
                continue
            try:
                result = function(*arguments)
            except Exception as error:  # noqa: BLE001  # whatever the user's function raises
                yield error
                continue
            yield result if isinstance(result, tuple) else (result,)
