"""Compile a kernel for the columns' types; say what is wrong with them, or with what it returns."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.definition.annotations import TEMPORAL, is_named_tuple, mismatch
from dataflare_vec.definition.binding import Column, Constant, field_names
from dataflare_vec.definition.declared import by_field, declared_dtypes
from dataflare_vec.definition.plugin import Form
from dataflare_vec.definition.python_values import is_long, is_naive, is_placed, is_short_decimal
from dataflare_vec.definition.text_subclasses import is_plain
from dataflare_vec.exceptions import BindingError, ColumnTypeError, KernelResultError, PluginError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.arrow.layouts import Layout
    from dataflare_vec.compiler.jit.codegen.driver import CompiledKernel
    from dataflare_vec.compiler.jit.codegen.loops import Input
    from dataflare_vec.compiler.kernel import Kernel
    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.plugin import Parameter, Plugin
    from dataflare_vec.definition.state_layout import StateLayout


class OutputField(NamedTuple):
    """One output column of a prepared kernel."""

    stored: Any  # the Polars dtype in which the loop writes it
    layout: Layout
    nullable: bool  # the kernel may return None for it
    dtype: Any  # the temporal type it gets back, None where it stays a number
    shown: Any  # the Polars dtype of the column


class Prepared(NamedTuple):
    """A kernel compiled for the types of one call."""

    kernel: Kernel
    layouts: tuple[Layout, ...]  # of the input columns
    outputs: tuple[OutputField, ...]
    fields: tuple[str, ...] | None
    is_tuple: bool
    state_layout: StateLayout | None  # of a plugin that has a state: how that lies in memory

    def field_names(self, plugin: Plugin) -> tuple[str, ...] | None:
        """Return the names of the outputs of a kernel that returns a tuple, None for one scalar."""
        return field_names(plugin, self.fields, len(self.outputs), is_tuple=self.is_tuple)

    @property
    def dtypes(self) -> tuple[Any, ...]:
        """The output columns' dtypes."""
        return tuple(field.shown for field in self.outputs)


def check_constants(binding: Binding) -> None:
    """Raise if a constant is something that compiled code can't be given.

    Raises
    ------
    BindingError
        Saying what it may be.
    """
    for item in binding.items:
        if isinstance(item, Constant) and item.table is None and not is_constant(item.value):
            name, got = item.parameter.name, f"{type(item.value).__name__} {item.value!r}"
            expected = (
                "a number of 64 bits, a bool, a string, bytes, a date, a datetime, a time without zone, a "
                "time zone, a decimal of 18 digits, None, a tuple of these, or a dict, set or list of such"
            )
            msg = f"constant `{name}` must be {expected}, got {got}"
            raise BindingError(msg, plugin=binding.plugin.name, parameter=name, expected=expected, got=got)


def is_constant(value: object) -> bool:
    """Whether a value is something that compiled code can be given for all rows."""
    if isinstance(value, tuple):
        return len(value) > 0 and all(map(is_constant, value))
    if isinstance(value, (str, bytes)) and not is_plain(value):
        return False
    if isinstance(value, str):
        return value.isascii() or value.encode(errors="ignore").decode() == value  # no lone surrogates
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 64
    plain = value is None or isinstance(value, (float, bytes))
    return plain or (is_naive(value) and not is_long(value)) or is_placed(value) or is_short_decimal(value)


class _Inputs:
    """What a kernel is compiled for: a plugin whose columns are of some dtypes.

    Attributes
    ----------
    inputs : list of Input
        What its loop reads.
    groups : list of int
        How many of these each parameter of the function receives.
    by_parameter : dict
        The dtypes of the columns.
    """

    def __init__(self, binding: Binding, dtypes: Sequence[Any], *, any_text: bool) -> None:
        import_compiler()
        from dataflare_vec.compiler.jit.codegen.loops import Input
        from dataflare_vec.compiler.jit.codegen.signature import constant_type
        from dataflare_vec.compiler.jit.types.strings import utf8_string

        self.inputs: list[Input] = []
        self.by_parameter: dict[str, Any] = {}
        left = iter(dtypes)
        for item in binding.items:
            parameter = item.parameter
            if isinstance(item, Column):
                dtype = self.by_parameter[parameter.name] = next(left)
                numba_type = _column_type(binding.plugin, item, dtype)
                self.inputs.append(Input(numba_type, is_column=True, nullable=parameter.nullable))
            elif any_text and isinstance(item.value, str):
                self.inputs.append(Input(utf8_string, is_column=False, varies=True))
            else:
                kind = constant_type(item.value if item.table is None else item.table, any_text=any_text)
                self.inputs.append(Input(kind, is_column=False))
        self.groups = [
            len(i.parameter.offsets) if isinstance(i, Column) else 1 for i in binding.items if not _follows(i)
        ]


def specialise(
    binding: Binding, dtypes: Sequence[Any], *, any_text: bool = False, notes: bool = False
) -> Prepared:
    """Compile a plugin's kernel for columns of ``dtypes``.

    Parameters
    ----------
    any_text
        Whether a constant that is a string may be any other. Else code is compiled for strings like this one:
        ASCII, or not.
    notes
        Whether exceptions leave their messages, for a native library.

    Raises
    ------
    ColumnTypeError, KernelCompileError, KernelResultError
        As `prepare` does.
    """
    import_compiler()
    from dataflare_vec.compiler.jit.abi.elements import layout_of
    from dataflare_vec.compiler.jit.diagnostics import explain_failure, inner_cause
    from dataflare_vec.compiler.jit.lowering.strings.members import members_in
    from dataflare_vec.compiler.jit.passes.notes import check_members

    plugin = binding.plugin
    given = _Inputs(binding, dtypes, any_text=any_text)

    def explained(error: Exception) -> Exception:
        return explain_failure(plugin, given.by_parameter, _arguments(plugin, given), error)

    try:
        kernel = _compiled(plugin, given, declared_dtypes(plugin, given.by_parameter), notes=notes)
        if isinstance(plugin.returns, dict) and plugin.form is not Form.REDUCE:
            declared = by_field(plugin, kernel.field_names, given.by_parameter)
            kernel = _compiled(plugin, given, declared, notes=notes)
        kernel.check()
        constants = tuple(
            item.value for item in binding.items if isinstance(item, Constant) and item.table is None
        )
        check_members(plugin.function, members_in(constants))
    except PluginError as error:
        error.fill(plugin=plugin.name)  # the compiler doesn't know whose function it is
        raise
    except Exception as error:  # Numba's own, and whatever its passes stumble over
        raise explained(error) from inner_cause(error)
    kernel.explained = explained
    outputs = output_fields(kernel)
    fields = _field_names(plugin, kernel)
    if plugin.is_filter and [field.shown for field in outputs] != [pl.Boolean]:
        shown = ", ".join(str(field.shown) for field in outputs)
        msg = f"a filter must return a bool, it returns {shown}"
        raise KernelResultError(msg, plugin=plugin.name, expected="a bool", got=shown)
    return Prepared(
        kernel,
        tuple(layout_of(item.type) for item in given.inputs if item.is_column),
        outputs,
        fields,
        kernel.returns_tuple,
        # Its structure is the plugin's own; what it holds isn't part of the machine code.
        None if plugin.stateful is None else replace(kernel.state_type.state_layout, init=None),  # type: ignore[attr-defined]
    )


def _compiled(plugin: Plugin, given: _Inputs, declared: list[Any] | None, *, notes: bool) -> CompiledKernel:
    """Return the kernel, with outputs of the dtypes that are declared."""
    import_compiler()
    if plugin.stateful is None:
        from dataflare_vec.compiler.jit.codegen.driver import compile_kernel

        return compile_kernel(
            plugin.function,
            given.inputs,
            plugin.result if declared is None else declared,
            math=plugin.math,
            is_filter=plugin.is_filter,
            gives_rows=plugin.is_exploder,
            groups=given.groups,
            notes=notes,
        )
    from dataflare_vec.compiler.jit.codegen.scans import compile_fold

    gives_values = plugin.form is Form.SCAN
    return compile_fold(
        plugin.function,
        plugin.stateful.init,
        given.inputs,
        declared if gives_values else None,
        math=plugin.math,
        gives_values=gives_values,
        buffers=plugin.stateful.buffer is not None,
        notes=notes,
        containers=plugin.stateful.containers,
    )


def _field_names(plugin: Plugin, kernel: CompiledKernel) -> tuple[str, ...] | None:
    """Return the names of the outputs: of the named tuple that is returned, or that the annotation says."""
    returned, said = kernel.field_names, plugin.result.fields if plugin.result is not None else None
    if said is None or returned == said:
        return returned
    if returned is None and kernel.returns_tuple:
        return said
    got = "a single value" if returned is None else f"a named tuple of {', '.join(returned)}"
    msg = f"it returns {got}, but is annotated as a named tuple of {', '.join(said)}"
    raise KernelResultError(msg, plugin=plugin.name, got=got, hint="return that one")


def _arguments(plugin: Plugin, given: _Inputs) -> list[Any]:
    """Return Numba's types of all of a function's parameters."""
    import_compiler()
    from numba.core import types

    from dataflare_vec.compiler.jit.codegen.rows import group
    from dataflare_vec.compiler.jit.lowering.state_types import guess, type_of

    arguments = list(
        group(given.groups, [item.kernel_type for item in given.inputs], types.BaseTuple.from_types)
    )
    if plugin.stateful is None:
        return arguments
    return [guess(type_of(plugin.stateful.init, plugin.stateful.containers)), *arguments]


def _follows(item: Column | Constant) -> bool:
    """Whether it is a row of a parameter that has begun with an item before."""
    return isinstance(item, Column) and item.offset != 0


def output_fields(kernel: CompiledKernel) -> tuple[OutputField, ...]:
    """Return the output columns of a kernel."""
    import_compiler()
    from dataflare_vec.compiler.jit.abi.elements import layout_of
    from dataflare_vec.compiler.jit.codegen.signature import polars_dtype

    outputs = []
    for output in kernel.outputs:
        physical = polars_dtype(output.type)
        logical = None if output.dtype == physical else output.dtype
        outputs.append(OutputField(physical, layout_of(output.type), output.nullable, logical, output.dtype))
    return tuple(outputs)


def _column_type(plugin: Plugin, item: Column, dtype: Any) -> Any:
    """Return the Numba type of a column.

    Raises
    ------
    ColumnTypeError
        If a kernel can't read it, or it isn't what the parameter is annotated with.
    """
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.signature import column_type

    parameter: Parameter = item.parameter
    expected = expected_type(parameter, dtype)
    numba_type, reason = None, ""
    if expected is None:
        try:
            numba_type = column_type(dtype, parameter.expects)
        except ColumnTypeError as error:  # of a field or an instant within it
            expected, reason = error.expected, f" ({error.problem})"
    if expected is None and numba_type is None:
        expected = (
            "a number, a bool, a string, bytes, a date, a time or a duration, a list or an array of numbers "
            "or strings, or a struct"
        )
    if expected:
        source = item.source if isinstance(item.source, str) else str(item.source)
        raise ColumnTypeError(
            plugin=plugin.name,
            parameter=parameter.name,
            column=source,
            expected=expected,
            got=f"{dtype}{reason}",
            hint=Phrase(
                "bind another one with ",
                Argument(parameter.name, "…", parameter=True),
                ", or convert it with ",
                Argument("schema_overrides", f"{source}=…", python=_conversion(parameter, dtype)),
            ),
        )
    return numba_type


def expected_type(parameter: Parameter, dtype: Any) -> str | None:
    """Return what an annotation asks for, if the column isn't of that kind."""
    expects = parameter.expects
    wanted = mismatch(expects, dtype)
    if wanted is None or not (expects is Decimal or expects in TEMPORAL or is_named_tuple(expects)):
        return wanted
    return f"{wanted}, as `{parameter.name}: {expects.__name__}` says"


def _conversion(parameter: Parameter, dtype: Any) -> str:
    """Return what to write to get a column that a kernel can read."""
    column = f'`{parameter.name}=pl.col("…")'
    base = dtype.base_type()
    if base is pl.Null:
        return f"{column}.cast(pl.Float64)`, or the type that it has where it isn't all null"
    if base is pl.Object:
        return f"{column}.map_elements(…, return_dtype=…)`: compiled code can't read Python objects"
    if base is pl.UInt128:
        return f"{column}.cast(pl.Int128)`"
    if base is pl.List and isinstance(dtype.inner, pl.List):
        return f"{column}.list.eval(…)` to a list of numbers"
    return f"{column}.cast(…)`"
