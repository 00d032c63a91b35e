"""What a library is built of where a plugin carries a state: its record, and what ends a reduce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflare_vec.compiler.specialise import output_fields
from dataflare_vec.compiler.state_functions import (
    compile_finish,
    compile_merge,
    returning_state,
    state_columns,
)
from dataflare_vec.definition.binding import field_names
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.stages import partitioned
from dataflare_vec.exceptions import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflare_vec.compiler.specialise import OutputField, Prepared
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.definition.state_layout import StateLayout

#: Names of the kernels that end a reduce.
MERGE, FINISH = "merge", "finish"


@dataclass(frozen=True)
class BuiltState:
    """The record of a state.

    Attributes
    ----------
    size
        Its bytes.
    first
        The record before the first row.
    has_arrays
        Whether a kernel may change it in place.
    partition_rows
        So many rows have a record of their own, which are merged; 0 if all rows have one.
    """

    size: int
    first: bytes
    has_arrays: bool
    partition_rows: int


def built_state(plugin: Plugin, prepared: Prepared) -> BuiltState | None:
    """Return the record of a plugin's state, None if it has none.

    Raises
    ------
    BuildError
        If it has memory of its own.
    """
    if plugin.stateful is None:
        return None
    layout = _layout(plugin, prepared)
    if layout.owned:
        names = ", ".join(f"`{leaf.name}`" for leaf in layout.owned)
        msg = f"it can't be built into a native library: {names} of its state has memory of its own"
        raise BuildError(msg, plugin=plugin.name, hint="give it a state of numbers and arrays")
    merges = plugin.form is Form.REDUCE and plugin.stateful.merge is not None
    rows = partitioned.PARTITION_ROWS if merges else 0
    return BuiltState(layout.size, layout.pack(layout.init).tobytes(), layout.has_arrays, rows)


def results(
    plugin: Plugin, prepared: Prepared, dtypes: Mapping[str, Any], *, notes: bool = False
) -> tuple[dict[str, Any], tuple[str, ...], tuple[OutputField, ...]]:
    """Return what comes after the rows of a plugin: kernels by name; names and fields of the results.

    Parameters
    ----------
    dtypes
        Of the columns, by parameter.
    notes
        Whether exceptions leave their messages.

    Raises
    ------
    BuildError
        If the state can't be a result.
    """
    if plugin.form is not Form.REDUCE:
        return {}, prepared.field_names(plugin) or (plugin.name,), prepared.outputs
    assert plugin.stateful is not None
    state_type = prepared.kernel.compiled.state_type
    kernels: dict[str, Any] = {}
    if plugin.stateful.merge is not None:
        kernels[MERGE] = compile_merge(plugin, state_type, notes=notes)
    if plugin.stateful.finish is not None:
        finish = kernels[FINISH] = compile_finish(plugin, state_type, dtypes, notes=notes)
        outputs = output_fields(finish)
        names = field_names(plugin, finish.field_names, len(outputs), is_tuple=finish.returns_tuple)
        return kernels, names or (plugin.name,), outputs
    layout = _layout(plugin, prepared)
    _check_is_result(plugin, layout)
    fields, own = state_columns(plugin, layout, dtypes)
    finish = kernels[FINISH] = compile_finish(returning_state(plugin, own), state_type, {})
    return kernels, tuple(fields or (plugin.name,)), output_fields(finish)


def _layout(plugin: Plugin, prepared: Prepared) -> StateLayout:
    """Return how the state lies in memory, with the initial one."""
    assert plugin.stateful is not None
    assert prepared.state_layout is not None
    return plugin.stateful.complete(prepared.state_layout)


def _check_is_result(plugin: Plugin, layout: StateLayout) -> None:
    for leaf in layout.leaves:
        if len(leaf.shape) > 1:
            msg = (
                f"it can't be built into a native library: `{leaf.name}` of its state is an array of "
                f"{len(leaf.shape)} dimensions, and results have one"
            )
            raise BuildError(msg, plugin=plugin.name, hint="give it a `finish`")
