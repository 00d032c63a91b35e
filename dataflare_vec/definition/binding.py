"""Parameter by parameter: the column or the constant that a call gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from decimal import Decimal
from operator import is_
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.suggestions import Argument, Phrase, near_matches
from dataflare_vec.definition.plugin import root_names
from dataflare_vec.definition.python_values import moment_key
from dataflare_vec.definition.tables.frozen import FEW_BOUND, frozen, is_container, is_few, snapshot
from dataflare_vec.definition.tables.kinds import NotATable
from dataflare_vec.definition.text_subclasses import shown_by
from dataflare_vec.exceptions import BindingError, ColumnNotFoundError, OutputNameError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dataflare_vec.definition.plugin import Parameter, Plugin
    from dataflare_vec.definition.tables.frozen import Frozen

_SCALARS = (bool, int, float)


@dataclass(frozen=True, slots=True)
class Column:
    """A parameter bound to a column, by name or as an expression over the frame."""

    parameter: Parameter
    source: str | pl.Expr
    offset: int = 0  # which row of it, counted from the kernel's own
    is_there: bool = False  # the source has been moved by the offset already

    @property
    def is_computed(self) -> bool:
        """Whether it is something else than a column of the frame as it is."""
        return not isinstance(self.source, str) or (self.offset != 0 and not self.is_there)

    @property
    def label(self) -> str:
        """The parameter's name, or which of the rows it receives this is."""
        if len(self.parameter.offsets) == 1:
            return self.parameter.name
        return f"{self.parameter.name}[{self.offset}]"


@dataclass(frozen=True, slots=True)
class Constant:
    """A parameter bound to one value for all rows."""

    parameter: Parameter
    value: Any
    table: Frozen | None = None  # of a dict, a set, a list or a long tuple, which is bound as it is now


@dataclass(frozen=True, slots=True)
class Binding:
    """All parameters of a plugin, bound.

    A parameter that receives several rows has an item for each of them, one after the other.
    """

    plugin: Plugin
    items: tuple[Column | Constant, ...]
    columns: tuple[Column, ...]
    constant_key: tuple[Any, ...]  # the constants' types: kernels are compiled for them

    @property
    def column_names(self) -> set[str] | None:
        """Names of the data's columns that are read, expressions included; None if they may be any."""
        names: set[str] = set()
        if isinstance(self.plugin.function, pl.Expr) and root_names(self.plugin.function) is None:
            return None
        for item in self.columns:
            roots = {item.source} if isinstance(item.source, str) else root_names(item.source)
            if roots is None:
                return None
            names.update(roots)
        return names

    def check_columns(self, available: Collection[str]) -> None:
        """Raise if a column that is read by name isn't among ``available``.

        Raises
        ------
        ColumnNotFoundError
            With the nearest names.
        """
        for item in self.columns:
            if isinstance(item.source, str) and item.source not in available:
                parameter = item.parameter.name
                raise ColumnNotFoundError(
                    problem=f"column `{item.source}` (for parameter `{parameter}`) not found",
                    plugin=self.plugin.name,
                    parameter=parameter,
                    column=item.source,
                    hint=Phrase(
                        f"{near_matches(item.source, available)}; bind another one with ",
                        Argument(parameter, "…", parameter=True),
                    ),
                )


def bind(plugin: Plugin, given: Mapping[str, Any]) -> Binding:
    """Bind a plugin's parameters to what a call gives, and to its own names and defaults.

    Raises
    ------
    BindingError
        If there is no such parameter, or the value can't be bound to it.
    """
    parameters = plugin.parameters
    if given:
        known = {parameter.name for parameter in parameters}
        for name in given:
            if name not in known:
                raise BindingError(
                    problem=f"it has no parameter `{name}`",
                    plugin=plugin.name,
                    parameter=name,
                    hint=near_matches(name, known),
                )
    items = tuple(
        item
        for p in parameters
        for item in (
            _with_neighbours(_bind_column(plugin, p, given.get(p.name, p.name)))
            if p.is_column
            else [_bind_constant(plugin, p, given.get(p.name, p.default))]
        )
    )
    columns = tuple(item for item in items if isinstance(item, Column))
    constants = tuple((i, _constant_key(c)) for i, c in enumerate(items) if isinstance(c, Constant))
    return Binding(plugin, items, columns, constants)


def _with_neighbours(item: Column | Constant) -> list[Column | Constant]:
    offsets = item.parameter.offsets
    if len(offsets) == 1:
        return [item]
    if isinstance(item, Constant):
        return [Constant(item.parameter, (item.value,) * len(offsets))]
    return [Column(item.parameter, item.source, offset) for offset in offsets]


def _constant_key(item: Constant) -> Any:
    return _type_key(item.value) if item.table is None else item.table.signature


def _type_key(value: Any) -> Any:
    if isinstance(value, str):
        return str, value.isascii(), *sorted(shown_by(value))  # two types of strings
    if isinstance(value, Decimal):
        return value.as_tuple().exponent  # decimals are compiled for their scale
    if type(value) is int and value >= 1 << 63:
        return int, "unsigned"
    if isinstance(value, (datetime, time, tzinfo)):
        return moment_key(value)
    return tuple(map(_type_key, value)) if isinstance(value, tuple) else type(value)


def _bind_column(plugin: Plugin, parameter: Parameter, value: Any) -> Column | Constant:
    if isinstance(value, (str, pl.Expr)):
        return Column(parameter, value)
    if isinstance(value, _SCALARS):
        return Constant(parameter, value)
    if isinstance(value, pl.Series) or is_container(value) or value is None:
        raise BindingError(
            plugin=plugin.name,
            parameter=parameter.name,
            expected="a column name, a Polars expression or a number",
            got=type(value).__name__,
            hint="add it to the frame as a column first",
        )
    return Column(parameter, pl.lit(value))  # a date, a timedelta, …: Polars knows its dtype


def _bind_constant(plugin: Plugin, parameter: Parameter, value: Any) -> Column | Constant:
    if isinstance(value, pl.Expr):
        return Column(parameter, value)  # one value for each row, where the author thought of one for all
    value = _without_numpy(value)
    default = parameter.default
    if isinstance(default, float) and type(value) is int:
        value = float(value)  # or `radius=6371` would compile a second kernel
    if isinstance(value, str) and not isinstance(default, str):
        raise BindingError(
            problem=f"parameter `{parameter.name}` is a constant, got the string {value!r}",
            plugin=plugin.name,
            parameter=parameter.name,
            got=repr(value),
            hint=f'for a column write `{parameter.name}=pl.col("{value}")`',
        )
    if not is_container(value) or is_few(value, FEW_BOUND):
        return Constant(parameter, value)
    try:
        table = frozen(value)
        if isinstance(value, tuple) and table.value is None:
            return Constant(parameter, value)
        within = table.value is not None and table.value.has_inner
        return Constant(parameter, snapshot(value, within=within), table)
    except NotATable as error:
        if isinstance(value, tuple) or plugin.fallback == "python":  # the interpreter takes it as it is
            return Constant(parameter, value)
        raise BindingError(
            problem=f"constant `{parameter.name}` can't be a table: {error.problem}",
            plugin=plugin.name,
            parameter=parameter.name,
            hint=error.hint,
        ) from None


def _without_numpy(value: Any) -> Any:
    """Return Python's value for a scalar of NumPy's, in tuples, too; any other value as it is."""
    if isinstance(value, tuple):
        items = [_without_numpy(item) for item in value]
        make = getattr(type(value), "_make", tuple)
        return value if all(map(is_, items, value)) else make(items)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if type(value).__module__ != "numpy" or not kind or kind not in "biufUSmM" or value.shape:
        return value
    plain = value.item()
    return value if kind in "mM" and type(plain) is int else plain  # nanoseconds: Python has none


def series_bindings(plugin: Plugin, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return bindings that give a Series to the one column parameter that isn't bound otherwise.

    Raises
    ------
    BindingError
        If there isn't exactly one.
    """
    free = [p.name for p in plugin.parameters if p.is_column and p.name not in given]
    if len(free) != 1:
        names = ", ".join(f"`{n}`" for n in free) or "nothing more"
        raise BindingError(
            problem=f"it reads {names}, but a Series is one column",
            plugin=plugin.name,
            hint="apply it to a DataFrame, or bind the other parameters to numbers",
        )
    return {**given, free[0]: name}


def field_names(
    plugin: Plugin, fields: tuple[str, ...] | None, count: int, *, is_tuple: bool
) -> tuple[str, ...] | None:
    """Return the names of the fields that a kernel returns; None if it returns one value.

    Parameters
    ----------
    fields
        Those of a named tuple; None for anything else. A plain tuple has numbers.
    count, is_tuple
        How many outputs there are, and whether it returns a tuple.
    """
    if is_tuple and fields is None:
        return tuple(f"{plugin.name}_{i}" for i in range(count))
    return fields


def output_names(
    plugin: Plugin,
    fields: Sequence[str] | None,
    count: int,
    output: str | Sequence[str] | Mapping[str, str] | None,
    taken: Collection[str],
) -> list[str]:
    """Return the names of the output columns.

    Parameters
    ----------
    fields
        Field names of a named tuple, None for a scalar or a plain tuple.
    count
        How many columns there are; 1 without ``fields`` is a scalar.
    output
        What the user asked for.
    taken
        Names that are in the frame already and stay there.

    Raises
    ------
    OutputNameError
        If there are too few or too many, a name twice, or one that is taken.
    """
    name = plugin.name
    if output is None and count == 1 and not fields and name not in taken:
        return [name]
    default = list(field_names(plugin, tuple(fields or ()) or None, count, is_tuple=count > 1) or (name,))
    names = default
    if isinstance(output, str):
        names = [output] if count == 1 else [f"{output}_{field}" for field in fields or range(count)]
    elif isinstance(output, Mapping):
        for key in output:
            if key not in default:
                msg = f"it has no output `{key}` to rename"
                raise OutputNameError(
                    msg, plugin=name, argument="output", column=key, hint=near_matches(key, default)
                )
        names = [output[n] if n in output else n for n in default]
    elif output is not None:
        names = list(output)
    if len(names) != count or not all(isinstance(n, str) for n in names):
        msg = f"it has {count} output columns ({', '.join(default)}), `output` names {names}"
        raise OutputNameError(msg, plugin=name, argument="output", got=names)
    _check_free(name, names, taken)
    return names


def _check_free(plugin: str, names: Sequence[str], taken: Collection[str]) -> None:
    """Raise if a name is there already, or twice."""
    for i, wanted in enumerate(names):
        if wanted in taken:
            raise OutputNameError(
                problem=f"the data already has a column `{wanted}`",
                plugin=plugin,
                column=wanted,
                hint=Phrase(
                    "rename the output with ",
                    Argument("output", "…"),
                    ", replace that column with ",
                    Argument("replace", True),
                    ", or pass ",
                    Argument("keep", False),
                ),
            )
        if wanted in names[:i]:
            raise OutputNameError(
                problem=f"two outputs would be named `{wanted}`",
                plugin=plugin,
                column=wanted,
                hint=Phrase("name them with ", Argument("output")),
            )
