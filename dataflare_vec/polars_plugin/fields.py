"""Columns and results as the tables of a library have them: those of a struct's fields are behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.arrow.layouts import Structs
from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.exceptions import BuildError
from dataflare_vec.polars_plugin.formats import STRUCT, format_of, result_format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.definition.plugin import Parameter


class Part(NamedTuple):
    """A column that loops read, or a field of one: `Part` of `runtime/plugin.h`.

    Attributes
    ----------
    format
        As Arrow has it; without those of a struct's fields.
    size
        1, and what its fields take.
    field
        Which one of its struct's it is.
    nullable
        Whether the kernel gets None for a field that is null.
    """

    format: str
    size: int
    field: int = 0
    nullable: bool = False


class Written(NamedTuple):
    """A column that loops write, or a field of one: `Output` of `runtime/plugin.h`."""

    name: str
    format: str
    size: int
    nullable: bool


def parts_of(plugin: str, parameter: Parameter, dtype: Any) -> list[Part]:
    """Return a column as loops read it, and the fields that they read.

    Raises
    ------
    BuildError
        If Polars doesn't hand over what they read.
    """
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.signature import column_type

    try:
        return [*_parts(column_type(dtype, parameter.expects), dtype, Part("", 1))]
    except _NoPhysicalCodesError:
        msg = (
            f"it can't be built into a native library: `{parameter.name}` is read as the codes of a "
            "Categorical, which Polars numbers anew for a library"
        )
        hint = "use an Enum, or read it as a string"
        raise BuildError(msg, plugin=plugin, parameter=parameter.name, hint=hint) from None


class _NoPhysicalCodesError(Exception):
    """Codes that a library gets aren't those of the column."""


def _parts(read: Any, dtype: Any, this: Part) -> Iterator[Part]:
    import_compiler()
    from dataflare_vec.compiler.jit.lowering.nested.structs import StructColumn
    from dataflare_vec.compiler.jit.lowering.strings.column import CodeColumn

    if isinstance(read, CodeColumn) and isinstance(dtype, pl.Categorical):
        raise _NoPhysicalCodesError
    if not isinstance(read, StructColumn):
        yield this._replace(format=str(format_of(dtype)))
        return
    places = {field.name: i for i, field in enumerate(dtype.fields)}
    fields: list[Part] = []
    for name, column, nullable in zip(read.names, read.columns, read.nullable, strict=True):
        place = places[name]
        inner = dtype.fields[place].dtype
        fields += _parts(column, inner() if isinstance(inner, type) else inner, Part("", 1, place, nullable))
    yield this._replace(format=STRUCT, size=1 + len(fields))
    yield from fields


def written(name: str, dtype: Any, layout: Any, *, nullable: bool) -> list[Written] | None:
    """Return a result as loops write it, and its fields; None if a library can't hold it."""
    form = result_format(dtype)
    if form is None:
        return None
    if not isinstance(layout, Structs):
        return [Written(name, form, 1, nullable)]
    fields: list[Written] = []
    for field, inner in zip(dtype.fields, layout.layouts, strict=True):
        of_field = written(field.name, field.dtype, inner, nullable=field.name in layout.nullable)
        if of_field is None:
            return None
        fields += of_field
    return [Written(name, STRUCT, 1 + len(fields), nullable), *fields]
