"""What an interpreted kernel returns, where nobody has declared it: told from its values for all rows.

All rows, because the types must not depend on how they are cut into chunks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.definition.binding import field_names
from dataflare_vec.definition.interpreter import call_rows
from dataflare_vec.engine.stages.failures import physical_rows
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.exceptions import KernelCompileError


@dataclass(frozen=True, slots=True)
class Interpreted:
    """What is known of a kernel that isn't compiled, for the types of one call.

    Attributes
    ----------
    reason
        Why it isn't.
    dtypes
        Of its outputs; None as long as they are neither declared nor told from values.
    fields
        Names of its outputs if it returns a named tuple.
    is_tuple
        Whether it returns a tuple.
    undeclared
        The error where the dtypes are needed and can't be told.
    """

    reason: str
    dtypes: tuple[Any, ...] | None
    fields: tuple[str, ...] | None
    is_tuple: bool
    undeclared: KernelCompileError | None = None

    def field_names(self, plugin: Plugin) -> tuple[str, ...] | None:
        """Return the names of the outputs of a kernel that returns a tuple, None for one scalar."""
        return field_names(plugin, self.fields, len(self.dtypes or ()), is_tuple=self.is_tuple)


class Results(NamedTuple):
    """What a kernel returned, or raised, for each row, and how long that took."""

    rows: list[tuple[Any, ...] | Exception]
    seconds: float


def infer_outputs(
    binding: Binding, interpreted: Interpreted, columns: Sequence[pl.Series]
) -> tuple[Interpreted, Results]:
    """Call a kernel for all rows; return what is known of it then, and its results.

    Raises
    ------
    KernelResultError
        If the values don't make columns.
    """
    name = binding.plugin.name
    frame = pl.DataFrame([series.alias(str(i)) for i, series in enumerate(columns)])
    began = perf_counter()
    results = list(call_rows(binding, physical_rows(frame), frame.dtypes))
    seconds = perf_counter() - began
    returned = [one for one in results if not isinstance(one, Exception) and not _is_none(one)]
    shapes = {(len(one), getattr(one, "_fields", None)) for one in returned}
    if len(shapes) > 1:
        msg, hint = "it returns tuples of different lengths or fields", "return the same on every path"
        raise KernelResultError(msg, plugin=name, hint=hint)
    count, fields = shapes.pop() if shapes else (1, None)
    dtypes = tuple(_dtype_of(name, [one[i] for one in returned]) for i in range(count))
    _check_decimals(binding.plugin, dtypes)
    known = replace(interpreted, dtypes=dtypes, fields=fields, is_tuple=count > 1 or fields is not None)
    return known, Results(results, seconds)


def _check_decimals(plugin: Plugin, dtypes: tuple[Any, ...]) -> None:
    """Raise if an annotation says Decimal, which has no scale of its own, and the values aren't."""
    said = () if plugin.returns is not None or plugin.result is None else plugin.result.items
    for kind, dtype in zip(said, dtypes, strict=False):
        if kind is Decimal and not isinstance(dtype, (pl.Decimal, pl.Null)):
            msg = f"it returns {dtype}, but is annotated `-> Decimal`"
            hint = "convert in the kernel, or say what it returns"
            raise KernelResultError(msg, plugin=plugin.name, expected="Decimal", got=dtype, hint=hint)


def _is_none(result: tuple[Any, ...]) -> bool:
    return len(result) == 1 and result[0] is None


def _dtype_of(name: str, values: list[Any]) -> Any:
    """Return the dtype of a column of values: of numbers the widest, as compiled code would have it."""
    import numpy as np

    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pl.Null()
    for types, dtype in (
        ((bool, np.bool_), pl.Boolean()),
        ((int, np.integer, np.bool_), pl.Int64()),
        ((np.float32,), pl.Float32()),
        ((int, float, np.number, np.bool_), pl.Float64()),
    ):
        if all(issubclass(kind, types) for kind in kinds):
            return dtype
    try:
        return pl.Series(values, strict=True).dtype
    except (TypeError, pl.exceptions.PolarsError):
        shown = " and ".join(sorted(kind.__name__ for kind in kinds))
        msg, hint = f"it returns values of different types: {shown}", "return one type on every path"
        raise KernelResultError(msg, plugin=name, got=shown, hint=hint) from None
