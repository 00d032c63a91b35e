"""What a library is built of: which plugins can be built, and their loops as object files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.compiler.kernel import LoopVariant
from dataflare_vec.compiler.native.numba import import_compiler
from dataflare_vec.compiler.prepare import with_blocks
from dataflare_vec.compiler.specialise import specialise
from dataflare_vec.definition.binding import bind
from dataflare_vec.definition.plugin import Form, PluginType
from dataflare_vec.definition.tables.frozen import is_container
from dataflare_vec.exceptions import BuildError, KernelResultError, PluginError
from dataflare_vec.polars_plugin import constants
from dataflare_vec.polars_plugin.externals import check_external
from dataflare_vec.polars_plugin.fields import parts_of, written
from dataflare_vec.polars_plugin.formats import KNOWN, format_of
from dataflare_vec.polars_plugin.raised import makes_message
from dataflare_vec.polars_plugin.states import built_state, results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dataflare_vec.compiler.jit.codegen.driver import CompiledKernel
    from dataflare_vec.compiler.jit.codegen.other_processors import ObjectFile, Processor
    from dataflare_vec.compiler.specialise import OutputField
    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.plugin import Parameter, Plugin
    from dataflare_vec.polars_plugin.fields import Part, Written
    from dataflare_vec.polars_plugin.states import BuiltState
    from dataflare_vec.polars_plugin.targets import Target

#: Columns, constants and results of a function, at most: `MAX_COLUMNS` of `runtime/plugin.h`.
MOST = 64
#: The keyword argument of all functions, and what it may be: `OnError` of `runtime/plugin.h`.
ON_ERROR = "on_error"
ON_ERROR_CHOICES = ("raise", "null", "struct")
#: Which loop records errors once more, with the messages that are made when an exception is raised.
NOTES = "notes"


class BuiltLoop(NamedTuple):
    """Which of a signature's loops: for which level of processors, which variant, and of which kernel."""

    level: str
    variant: LoopVariant
    kernel: str = ""  # `NOTES`, or that of those that end a reduce


@dataclass(frozen=True)
class BuiltSignature:
    """The loops of a plugin for columns of some dtypes.

    Attributes
    ----------
    name
        What the names of its symbols begin with.
    inputs, parts, outputs
        Formats of the columns; what loops read of them, and write.
    loops
        Object files.
    foreign
        What it calls that somebody gave to Numba by an ``overload``: of what that is made isn't known.
    state
        What it carries from row to row, if it does.
    """

    name: str
    inputs: tuple[str, ...]
    parts: tuple[Part, ...]
    outputs: tuple[Written, ...]
    loops: Mapping[BuiltLoop, ObjectFile]
    foreign: str | None = None
    state: BuiltState | None = None

    def symbol(self, loop: BuiltLoop) -> str:
        """Return the symbol of a loop."""
        return symbol_of(self.name, loop)


def symbol_of(name: str, loop: BuiltLoop) -> str:
    """Return the symbol of a loop of a signature whose symbols begin with ``name``."""
    return f"{name}{loop.kernel and '_'}{loop.kernel}_{loop.level}_{loop.variant.label}"


@dataclass(frozen=True)
class BuiltFunction:
    """A plugin of a library.

    Attributes
    ----------
    plugin
        The plugin.
    schemas
        The dtypes that it is built for, by parameter.
    signatures
        What was built for each.
    """

    plugin: Plugin
    schemas: tuple[Mapping[str, Any], ...]
    signatures: tuple[BuiltSignature, ...]

    @property
    def columns(self) -> tuple[Parameter, ...]:
        """The parameters that are columns."""
        return tuple(parameter for parameter in self.plugin.parameters if parameter.is_column)

    @property
    def constants(self) -> tuple[constants.Leaf, ...]:
        """The values of all constants."""
        others = (parameter for parameter in self.plugin.parameters if not parameter.is_column)
        return tuple(leaf for parameter in others for leaf in constants.leaves_of(parameter))


def registration(plugin: Plugin) -> dict[str, bool]:
    """Return what Polars is told of a plugin: whether it may cut the rows, or has to have all of them."""
    parts = plugin.form is Form.ROW and not any(len(one.offsets) > 1 for one in plugin.parameters)
    return {"is_elementwise": parts, "returns_scalar": plugin.form is Form.REDUCE}


def check_can_be_built(plugin: Plugin, schemas: Sequence[Mapping[str, Any]]) -> None:
    """Raise if a plugin can't be part of a library, as far as that is known without compiling it.

    Raises
    ------
    BuildError
        Saying why.
    """
    for reason in (*_reasons(plugin), *_reasons_of_dtypes(plugin, schemas)):
        msg = f"it can't be built into a native library: {reason}"
        raise BuildError(msg, plugin=plugin.name)


def _reasons(plugin: Plugin) -> Iterator[str]:
    if plugin.form in (Form.COLUMN, Form.EXPRESSION):
        kind = plugin.form.value
        yield (
            f"it is {'an' if kind[0] in 'aeiou' else 'a'} {kind}, and only row kernels, filters, scans and "
            "reduces can"
        )
    if plugin.is_exploder:
        yield (
            "it is an explode, and an expression can't change the number of rows; make a row kernel of it, "
            "which returns the list, and have Polars' `explode` behind that"
        )
    if not (plugin.name.isidentifier() and plugin.name.isascii()) or iskeyword(plugin.name):
        yield "its name has to be an identifier of ASCII letters, digits and underscores, as the symbol is"
    columns = [parameter for parameter in plugin.parameters if parameter.is_column]
    others = [parameter for parameter in plugin.parameters if not parameter.is_column]
    if not columns:
        yield "it reads no column"
    known = [leaf for one in others if constants.is_known(one.default) for leaf in constants.leaves_of(one)]
    if max(len(columns), len(known)) > MOST:
        yield f"it has more than {MOST} columns or constants"
    for parameter in others:
        default = parameter.default
        if is_container(default) and not isinstance(default, tuple):
            yield (
                f"its constant `{parameter.name}` is a table, which keyword arguments can't be: make it a "
                "global of the kernel, and it becomes part of the library"
            )
        elif not constants.is_known(default):
            yield f"its constant `{parameter.name}` is {default!r}, and only {constants.KNOWN} can yet"
        if parameter.name == ON_ERROR:
            yield f"its constant `{ON_ERROR}` is called as the keyword argument that all plugins have"


def _reasons_of_dtypes(plugin: Plugin, schemas: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for schema in schemas:
        for name, dtype in schema.items():
            if format_of(dtype) is None:
                yield f"column `{name}` is {dtype}, and only {KNOWN} can yet"
    formats = [tuple(map(format_of, schema.values())) for schema in schemas]
    if len({*formats}) < len(formats):
        yield "it is given the same dtypes twice"


def compile_function(plugin: Plugin, schemas: Sequence[Mapping[str, Any]], target: Target) -> BuiltFunction:
    """Compile a plugin for a library.

    Raises
    ------
    BuildError
        If it refers to something that a library hasn't got.
    ColumnTypeError, KernelCompileError, KernelResultError
        As for a frame with such columns.
    """
    signatures = tuple(
        _compile_signature(plugin, schema, f"loop_{plugin.name}_{i}", target)
        for i, schema in enumerate(schemas)
    )
    return BuiltFunction(plugin, tuple(schemas), signatures)


def _compile_signature(
    plugin: Plugin, schema: Mapping[str, Any], name: str, target: Target
) -> BuiltSignature:
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.other_processors import Processor, compiling_for

    # A filter answers with its Boolean, as in an expression.
    info = replace(plugin.info, plugin_type=PluginType.TRANSFORMER)
    binding = bind(plugin if plugin.stateful else replace(plugin, info=info), {})
    dtypes = [schema[item.parameter.name] for item in binding.columns]
    binding = with_blocks(binding, dtypes)
    parts = _parts(plugin, schema)
    loops: dict[BuiltLoop, ObjectFile] = {}
    foreign: str | None = None
    for level, about in target.levels.items():
        processor = Processor(target.triple, *about)
        is_lowest = level == target.lowest
        with compiling_for(processor):
            prepared = specialise(binding, dtypes, any_text=True)
            kernels = {"": prepared.kernel.compiled}
            if is_lowest:
                state = built_state(binding.plugin, prepared)
                ending, names, fields = results(binding.plugin, prepared, schema)
                outputs = _outputs(plugin, names, fields)
                kernels |= ending
            for part, kernel in kernels.items():
                nulls = (False,) if part else (False, True)
                for variant in _variants(nulls, has_general=kernel.has_general_variant, is_lowest=is_lowest):
                    loop = BuiltLoop(level, variant, part)
                    loops[loop] = _object_file(plugin, kernel, processor, name, loop)
                foreign = foreign or kernel.foreign_code()
            if is_lowest:
                loops |= _with_messages(binding, schema, processor, name, loops)
    inputs = tuple(str(format_of(dtype)) for dtype in schema.values())
    return BuiltSignature(name, inputs, tuple(parts), outputs, loops, foreign, state)


def _parts(plugin: Plugin, schema: Mapping[str, Any]) -> list[Part]:
    columns = [parameter for parameter in plugin.parameters if parameter.is_column]
    parts = [part for one in columns for part in parts_of(plugin.name, one, schema[one.name])]
    if len(parts) > MOST:
        msg = f"it can't be built into a native library: it has more than {MOST} columns, with fields"
        raise BuildError(msg, plugin=plugin.name)
    return parts


def _with_messages(
    binding: Binding,
    schema: Mapping[str, Any],
    processor: Processor,
    name: str,
    loops: Mapping[BuiltLoop, ObjectFile],
) -> dict[BuiltLoop, ObjectFile]:
    """Return loops that make messages when an exception is raised, if any does and they can be compiled.

    That of rows is beside the one that records errors, which is faster; of `merge` it is that.
    """
    recording = [loop for loop in loops if loop.variant.records_errors]
    wanted = [loop for loop in recording if any(map(makes_message, loops[loop].exceptions))]
    if not wanted:
        return {}
    plugin = binding.plugin
    dtypes = [schema[item.parameter.name] for item in binding.columns]
    try:
        prepared = specialise(binding, dtypes, any_text=True, notes=True)
        ending, _, _ = results(plugin, prepared, schema, notes=True)
        kernels = {"": prepared.kernel.compiled, **ending}
        files = {}
        for loop in wanted:
            noted = loop if loop.kernel else loop._replace(kernel=NOTES)
            files[noted] = _object_file(plugin, kernels[loop.kernel], processor, name, noted)
    except PluginError:  # the exceptions' lines say what messages would be made of
        return {}
    return files


def _object_file(
    plugin: Plugin, kernel: CompiledKernel, processor: Processor, name: str, loop: BuiltLoop
) -> ObjectFile:
    """Return a loop as a linker takes it.

    Raises
    ------
    BuildError
        If a library hasn't got something that it needs.
    """
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.other_processors import write_object

    library = kernel.library_of(loop.variant)
    _check_instructions(plugin, library, processor)
    file = write_object(library, processor, symbol_of(name, loop))
    check_external(plugin.name, file.external)
    return file


def _variants(some: Iterable[bool], *, has_general: bool, is_lowest: bool) -> Iterator[LoopVariant]:
    """Yield the loops of a level: the lowest has all, the others those that are tried first."""
    some = list(some)
    for nulls in some:
        yield LoopVariant(nulls, records_errors=False)
    if is_lowest:
        if has_general:
            yield LoopVariant(some[-1], records_errors=False, general=True)
        yield LoopVariant(nulls=True, records_errors=True, general=has_general)


def _outputs(plugin: Plugin, names: Sequence[str], fields: Sequence[OutputField]) -> tuple[Written, ...]:
    dtypes = [field.shown for field in fields]
    if plugin.is_filter and dtypes != [pl.Boolean()]:
        got = ", ".join(map(str, dtypes))
        msg = f"a filter must return a bool, it returns {got}"
        raise KernelResultError(msg, plugin=plugin.name, expected="a bool", got=got)
    outputs: list[Written] = []
    for name, field in zip(names, fields, strict=True):
        columns = written(name, field.shown, field.layout, nullable=field.nullable)
        if columns is None:
            msg = (
                f"it can't be built into a native library: it returns {field.shown}, and only {KNOWN} "
                "can yet; categories as text"
            )
            raise BuildError(msg, plugin=plugin.name)
        outputs += columns
    if len(outputs) > MOST:
        msg = f"it can't be built into a native library: it has more than {MOST} results"
        raise BuildError(msg, plugin=plugin.name)
    return tuple(outputs)


def _check_instructions(plugin: Plugin, library: Any, processor: Processor) -> None:
    import_compiler()
    from dataflare_vec.compiler.jit.codegen.other_processors import foreign_instructions

    found = foreign_instructions(library._final_module, processor)
    if found:
        msg = f"it can't be built into a native library: it uses `{found[0]}`, which not all processors have"
        raise BuildError(msg, plugin=plugin.name)
