"""From a Python function and column dtypes to compiled chunk loops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numba
from numba.core import callconv, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError

from dataflare_vec._util.forks import wait_for_lock
from dataflare_vec._util.interrupts import SYMBOL
from dataflare_vec.compiler.cache.loading import ObjectCode
from dataflare_vec.compiler.jit.codegen.constant_divisors import multiplied
from dataflare_vec.compiler.jit.codegen.invariant_divisors import multiplied_by
from dataflare_vec.compiler.jit.codegen.loop_library import loop_library
from dataflare_vec.compiler.jit.codegen.loop_text import has_vectors, may_be_vectors
from dataflare_vec.compiler.jit.codegen.loops import Input, LoopBuilder, Output
from dataflare_vec.compiler.jit.codegen.rows import KernelCode, group
from dataflare_vec.compiler.jit.codegen.signature import outputs_of
from dataflare_vec.compiler.jit.codegen.vector_width import computes_much
from dataflare_vec.compiler.jit.diagnostics import names_type
from dataflare_vec.compiler.jit.lowering import absent as absent  # likewise
from dataflare_vec.compiler.jit.lowering import bits as bits  # likewise
from dataflare_vec.compiler.jit.lowering import builtins as builtins  # registers them with Numba
from dataflare_vec.compiler.jit.lowering import decimals as decimals  # likewise
from dataflare_vec.compiler.jit.lowering import dict_keys as dict_keys  # likewise
from dataflare_vec.compiler.jit.lowering import exact as exact  # likewise
from dataflare_vec.compiler.jit.lowering import integers as integers  # likewise
from dataflare_vec.compiler.jit.lowering import iterators as iterators  # likewise
from dataflare_vec.compiler.jit.lowering import json as json  # likewise
from dataflare_vec.compiler.jit.lowering import random as random  # likewise
from dataflare_vec.compiler.jit.lowering import standard as standard  # likewise
from dataflare_vec.compiler.jit.lowering import state_dicts as state_dicts  # likewise
from dataflare_vec.compiler.jit.lowering import state_sequence_methods as state_sequence_methods  # likewise
from dataflare_vec.compiler.jit.lowering import tables as tables  # likewise
from dataflare_vec.compiler.jit.lowering import temporal as temporal  # likewise
from dataflare_vec.compiler.jit.lowering import vectors as vectors  # likewise
from dataflare_vec.compiler.jit.lowering.containers import no_cast_warnings
from dataflare_vec.compiler.jit.lowering.math.emit import Mode
from dataflare_vec.compiler.jit.lowering.nested import named as named  # likewise
from dataflare_vec.compiler.jit.lowering.regex import matches as matches  # likewise
from dataflare_vec.compiler.jit.lowering.regex import patterns as patterns  # likewise
from dataflare_vec.compiler.jit.lowering.regex import sequences as sequences  # likewise
from dataflare_vec.compiler.jit.lowering.regex import substitution as substitution  # likewise
from dataflare_vec.compiler.jit.lowering.strings import methods as methods  # registers them with Numba
from dataflare_vec.compiler.jit.lowering.strings.arena import uses_arena
from dataflare_vec.compiler.jit.lowering.strings.column import narrow
from dataflare_vec.compiler.jit.passes.calls import ERROR_MODEL, options_of
from dataflare_vec.compiler.jit.passes.notes import check_members, has_angles
from dataflare_vec.compiler.jit.passes.pipeline import TryInGuardedVariant, pipeline
from dataflare_vec.compiler.jit.passes.speculation import has_branches, may_speculate
from dataflare_vec.compiler.jit.types.caught import CAUGHT
from dataflare_vec.compiler.kernel import Kernel, LoopVariant, MachineCode
from dataflare_vec.compiler.native.support import external_names
from dataflare_vec.compiler.native.tables import held, named_in
from dataflare_vec.definition.plugin import plain
from dataflare_vec.exceptions import DataFlareError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.compiler.jit.types.numba_types import Builder
    from dataflare_vec.definition.annotations import Result

_OWN_PACKAGES = ("numba", "dataflare_vec")


class _ErrorModel(callconv.ErrorModel):  # type: ignore[misc]
    """Floats divide as IEEE 754 says (x / 0 is infinite, as in Polars); integers raise, as in Python.

    Numba's own models are all or nothing: "numpy" makes ``7 // 0`` a silent 0.
    """

    raise_on_fp_zero_division = True

    def fp_zero_division(
        self, builder: Builder, exc_args: tuple[str, ...] | None = None, loc: Any = None
    ) -> bool:
        if not exc_args or not exc_args[0].startswith("integer"):
            return False
        self.call_conv.return_user_exc(builder, ZeroDivisionError, exc_args, loc)
        return True


callconv.error_models[ERROR_MODEL] = _ErrorModel

# Numba's own: its code generator asserts that it is held.
compile_lock = global_compiler_lock

# In the child LLVM would be half-way through a compilation for ever.
wait_for_lock(compile_lock._lock)


@dataclass(frozen=True)
class GeneralVariant:
    """The variant of a kernel that takes the rows which its guarded variant reports as failed.

    Attributes
    ----------
    inputs
        Of wider types than the guarded variant's: any string, where that takes ASCII.
    compile
        Compiles it, so that it can also reduce large angles; called when it is first needed.
    """

    inputs: tuple[Input, ...]
    compile: Callable[[], Any]


class CompiledKernel(Kernel):
    """A function that Numba has compiled, and what it made of it.

    Attributes
    ----------
    inputs, outputs
        What the loops read and write, in the order of the argument buffer.
    field_names
        Names of the fields if the kernel returns a named tuple, else None.
    is_filter
        Whether its loops write the selection instead of a column.
    explained
        Returns the error to raise for one that comes up while a loop is compiled: whoever knows the plugin
        sets it.
    """

    explained: Callable[[Exception], Exception] | None = None
    _mark = ""  # tells apart symbols of loops that only a subclass knows

    def __init__(
        self,
        inputs: tuple[Input, ...],
        outputs: tuple[Output, ...],
        field_names: tuple[str, ...] | None,
        result: Any,
        general: GeneralVariant | None,
        *,
        returns_tuple: bool,
        is_filter: bool,
        groups: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.outputs = outputs
        self.field_names = field_names
        self.returns_tuple = returns_tuple
        self.is_filter = is_filter
        self._groups = None if groups is None else tuple(groups)
        self.has_general_variant = general is not None
        self._result = result  # Numba's CompileResult
        self._general = general
        self._general_result: Any = None
        self._libraries: dict[LoopVariant, Any] = {}
        self._tables = held(named_in(result.library.get_llvm_str()))
        self._speculating: set[LoopVariant] = set()

    @property
    def compiled(self) -> CompiledKernel:
        """Itself."""
        return self

    @property
    def library(self) -> Any:
        """Numba's code library of the kernel itself."""
        return self._result.library

    @property
    def symbol(self) -> str:
        """Name of the kernel's function in `library`."""
        return str(self._result.fndesc.llvm_func_name)

    def llvm_ir(self, *, nulls: bool = False, records_errors: bool = False, general: bool = False) -> str:
        """Return the optimised LLVM IR of a loop."""
        variant = LoopVariant(nulls or records_errors, records_errors, general)
        return str(self.library_of(variant).get_llvm_str())

    def assembly(self, *, nulls: bool = False, records_errors: bool = False, general: bool = False) -> str:
        """Return the machine code of a loop, as assembly."""
        variant = LoopVariant(nulls or records_errors, records_errors, general)
        return str(self.library_of(variant).get_asm_str())

    def branches_on_null(self, *, nulls: bool) -> bool:
        """Whether a loop calls the kernel for valid rows only, and not for all."""
        variant = LoopVariant(nulls, records_errors=False)
        self.library_of(variant)
        return variant not in self._speculating

    def library_of(self, variant: LoopVariant) -> Any:
        """Return Numba's code library of a loop."""
        library = self._libraries.get(variant)
        if library is None:
            with compile_lock:
                library = self._libraries.get(variant)
                if library is None:
                    try:
                        library = self._libraries[variant] = self._compile_loop(variant)
                    except DataFlareError:
                        raise
                    except Exception as error:  # whatever Numba and LLVM stumble over
                        if self.explained is None:
                            raise
                        raise self.explained(error) from error
        return library

    def check(self) -> None:
        """Write the loop that does all that the others do, and throw it away: errors come up now."""
        with compile_lock:
            context = self._result.target_context
            library = context.codegen().create_library("dfv.check")
            module = library.create_ir_module("dfv.check")
            variant = LoopVariant(nulls=True, records_errors=True)
            with context.push_code_library(library):
                LoopBuilder(self._code_for(self._result, variant), variant).build(module, "dfv.check")

    def machine_code(self, variant: LoopVariant) -> MachineCode:
        """Return a loop where it lies in memory."""
        library = self.library_of(variant)
        address = library.get_pointer_to_function(library.name)
        code = library.get_llvm_str()
        return MachineCode(address, (library, held(named_in(code))), SYMBOL in code)

    def object_code(self, variant: LoopVariant) -> ObjectCode:
        """Return the object file of a loop."""
        return object_code(self.library_of(variant))

    def foreign_code(self) -> str | None:
        """Return the name of a function that was given to Numba by an ``overload`` of the user's.

        Which one Numba takes isn't to be seen in the kernel itself. None if there isn't any.
        """
        return _foreign_code(self._result, set())

    def _obtain(self, variant: LoopVariant) -> MachineCode:
        return self.machine_code(variant)

    def _result_for(self, variant: LoopVariant) -> Any:
        if not variant.general or self._general is None:
            return self._result
        if self._general_result is None:
            self._general_result = self._general.compile()
        return self._general_result

    def _code_for(self, result: Any, variant: LoopVariant) -> KernelCode:
        function = _function_of(result)
        speculates = may_speculate(function)
        return KernelCode(
            result.target_context,
            result.fndesc,
            result.signature,
            self._general.inputs if variant.general and self._general is not None else self.inputs,
            self.outputs,
            is_filter=self.is_filter,
            returns_tuple=self.returns_tuple,
            frees_exceptions="NRT_Allocate" in result.library.get_llvm_str(),
            speculates=speculates,
            groups=self._groups,
            makes_strings=uses_arena(result.library),
            wide=speculates and self._computes_much(function),
        )

    def _computes_much(self, function: Any) -> bool:
        columns = [item.type for item in self.inputs if item.is_column] + [item.type for item in self.outputs]
        return computes_much(function, columns)

    def _compile_loop(self, variant: LoopVariant) -> Any:
        result = self._result_for(variant)
        name = f"dfv.{result.fndesc.mangled_name}.{variant.label}{self._mark}"
        code = self._code_for(result, variant)
        kernel = result.library._get_module_for_linking()
        library = (
            None if variant.records_errors else self._divided_by_constants(result, variant, kernel, name)
        )
        if library is not None:
            self._speculating.add(variant)
            return library
        if code.speculates:
            self._speculating.add(variant)
        library = _link(kernel, code, variant, name)
        # LLVM takes half of a kernel with branches for never computed, and no jump for mispredicted; so it
        # prefers single rows, of which measured rules take 1.4 to 45 times as long.
        branches = has_branches(_function_of(result))
        undivided = multiplied(kernel) if code.speculates else None
        if not code.speculates or (not branches and undivided is None):
            return library
        text = library.get_llvm_str()
        if may_be_vectors(text) and (undivided is not None or not has_vectors(text)):
            library = _link(undivided or kernel, replace(code, insists=True), variant, f"{name}.vectors")
        return library

    def _divided_by_constants(self, result: Any, variant: LoopVariant, kernel: Any, name: str) -> Any:
        """Return the library of a loop that multiplies, where its kernel divides by constants of the call.

        None if it doesn't, or if the loop wouldn't be vector code: for single rows a division is faster.
        """
        positions = constant_positions(self.inputs, self._groups)
        constants = [f"arg.{result.fndesc.args[position]}" for position in sorted(positions)]
        undivided = multiplied_by(kernel, result.fndesc.llvm_func_name, constants)
        if undivided is None:
            return None
        if not may_speculate(undivided.get_function(result.fndesc.llvm_func_name)):
            return None
        much = self._computes_much(_function_of(result))
        code = replace(self._code_for(result, variant), speculates=True, insists=True, wide=much)
        library = _link(undivided, code, variant, f"{name}.vectors")
        return library if has_vectors(library.get_llvm_str()) else None


def _function_of(result: Any) -> Any:
    """Return the kernel of a result of Numba's, as LLVM's function."""
    return result.library._final_module.get_function(result.fndesc.llvm_func_name)


def _link(kernel: Any, code: KernelCode, variant: LoopVariant, name: str) -> Any:
    """Return the library of a loop, optimised with the kernel's LLVM module inside it."""
    context = code.context
    library = loop_library(context.codegen(), name)
    library.enable_object_caching()  # keeps the object code for ours
    module = library.create_ir_module(name)
    with context.push_code_library(library):  # some of Numba's casts add to it
        LoopBuilder(code, variant).build(module, name)
    library.add_ir_module(module)
    library._final_module.link_in(kernel, preserve=True)
    library.finalize()
    return library


def compile_kernel(
    function: Callable[..., Any],
    inputs: Sequence[Input],
    declared: Sequence[Any] | Result | None = None,
    math: str = "precise",
    *,
    is_filter: bool = False,
    gives_rows: bool = False,
    groups: Sequence[int] | None = None,
    notes: bool = False,
) -> CompiledKernel:
    """Compile ``function`` for the given inputs.

    Parameters
    ----------
    function
        A plain Python function or a Numba dispatcher; a dispatcher's options are kept.
    inputs
        One for each parameter, in order.
    declared
        Polars dtypes of the outputs where the author declared them, or what his annotation says.
    math
        ``"precise"``: mathematical functions are ours, which vectorise, within the error bounds of
        `math.table`. ``"fast"``: the same, and LLVM may reorder and fuse the kernel's own arithmetic, so that
        last bits may depend on the chunks. ``"libm"``: Numba's, one call a row.
    is_filter
        Whether its one output, a bool, selects rows.
    gives_rows
        Whether it returns a list of rows: its outputs are lists, one for each of their fields.
    groups
        How many inputs each argument of the function takes; several are passed as a tuple. One for each by
        default.
    notes
        Whether exceptions leave their messages (see `jit.passes.raises`); not with ``math="libm"``.

    Raises
    ------
    numba.core.errors.TypingError
        If Numba can't compile it for these types.
    KernelResultError
        If what it returns can't be a column.
    """
    # Strings are taken for ASCII; a chunk with one that isn't goes to the general variant.
    narrowed = tuple(
        replace(item, type=narrow(item.type)) if item.is_column or item.varies else item for item in inputs
    )
    argument_types, narrow_types = (
        group(groups, [item.kernel_type for item in some], types.BaseTuple.from_types)
        for some in (inputs, narrowed)
    )
    needs_general = narrow_types != argument_types
    compile_ = partial(
        compile_variant,
        function,
        relaxed=math == "fast",
        constants=constant_positions(inputs, groups),
        gives_rows=gives_rows,
    )
    with compile_lock:
        if math == "libm":
            result = compile_(narrow_types, None)
        else:
            try:
                result = compile_(narrow_types, Mode(general=False, notes=notes))
            except TryInGuardedVariant:
                result = compile_(narrow_types, Mode(general=True, notes=notes))
            else:
                needs_general = needs_general or has_angles(plain(function))
        outputs, field_names, returns_tuple = outputs_of(result.signature.return_type, declared)
    general = None
    if needs_general:
        mode = None if math == "libm" else Mode(general=True, notes=notes)
        general = GeneralVariant(tuple(inputs), partial(compile_, argument_types, mode))
    return CompiledKernel(
        narrowed,
        outputs,
        field_names,
        result,
        general,
        returns_tuple=returns_tuple,
        is_filter=is_filter,
        groups=groups,
    )


def constant_positions(
    inputs: Sequence[Input], groups: Sequence[int] | None = None, first: int = 0
) -> frozenset[int]:
    """Return which of a function's arguments, counted from ``first``, aren't columns."""
    columns = group(groups, [item.is_column for item in inputs], all)
    return frozenset(i for i, is_column in enumerate(columns, first) if not is_column)


def compile_variant(
    function: Callable[..., Any],
    argument_types: Any,
    mode: Mode | None,
    *,
    relaxed: bool = False,
    constants: frozenset[int] = frozenset(),
    gives_rows: bool = False,
) -> Any:
    """Return Numba's result for one variant of the mathematical functions (None: libm's).

    ``constants`` are the positions of arguments that aren't columns, ``gives_rows`` as in `compile_kernel`.
    """
    options = options_of(function)
    options.setdefault("error_model", ERROR_MODEL)
    if relaxed:
        options.setdefault("fastmath", {"reassoc", "nsz", "arcp", "contract"})
    options["pipeline_class"] = pipeline(mode, is_outermost=True, constants=constants, gives_rows=gives_rows)
    # Its own dispatcher: the user's may be compiled with a Python wrapper and another error model.
    dispatcher = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(plain(function))
    try:
        with no_cast_warnings():
            dispatcher.compile(argument_types)
    except NumbaError as error:
        # What exceptions say is made only where a kernel asks for it, which nothing but their type shows.
        if mode is None or mode.notes or mode.tells or not names_type(error, CAUGHT.name):
            raise
        return compile_variant(
            function,
            argument_types,
            mode._replace(tells=True),
            relaxed=relaxed,
            constants=constants,
            gives_rows=gives_rows,
        )
    check_members(function)
    return dispatcher.overloads[argument_types]


def object_code(library: Any, name: str | None = None) -> ObjectCode:
    """Return the object file that one of Numba's code libraries was compiled to.

    The function to be called has the library's name, if it isn't given.
    """
    name = name or library.name
    library.get_pointer_to_function(name)  # LLVM writes it at the first look
    module = library._final_module
    return ObjectCode(name, bytes(library._get_compiled_object()), external_names(module))


def _foreign_code(result: Any, seen: set[int]) -> str | None:
    for ty in result.type_annotation.typemap.values():
        for template in getattr(ty, "templates", ()):
            function = _author_of(template)
            # A wrapper that lost its module still has its globals; some of Numba's own are made by `exec`.
            module = function.__module__ or function.__globals__.get("__name__", "numba")
            if module.partition(".")[0] not in _OWN_PACKAGES:
                return str(function.__qualname__)
        if isinstance(ty, types.Dispatcher) and id(ty.dispatcher) not in seen:
            seen.add(id(ty.dispatcher))
            for overload in ty.dispatcher.overloads.values():
                found = _foreign_code(overload, seen)
                if found:
                    return found
    return None


def _author_of(template: Any) -> Any:
    """Return the function that a template of Numba's was made of; the template itself if it is a class."""
    function = getattr(template, "_overload_func", None) or getattr(template, "_definition_func", None)
    if function is None and template.__module__ == "abc":  # `type_callable` keeps the function in a closure
        function = getattr(template, "generic", template)
        cells = getattr(function, "__closure__", None)
        return cells[0].cell_contents if cells else function
    return function or template
