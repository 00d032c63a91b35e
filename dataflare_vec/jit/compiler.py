"""From a Python function and column dtypes to compiled chunk loops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numba
from numba.core import callconv
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

from dataflare_vec.jit import builtins as builtins  # registers them with Numba
from dataflare_vec.jit.loops import PROTOTYPE, Input, LoopBuilder, LoopVariant, Output
from dataflare_vec.jit.signature import outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numba.core import types

ERROR_MODEL = "dataflare"


class _ErrorModel(callconv.ErrorModel):  # type: ignore[misc]
    """Floats divide as IEEE 754 says (x / 0 is infinite, as in Polars); integers raise, as in Python.

    Numba's own models are all or nothing: "numpy" makes ``7 // 0`` a silent 0.
    """

    raise_on_fp_zero_division = True

    def fp_zero_division(
        self, builder: Any, exc_args: tuple[str, ...] | None = None, loc: Any = None
    ) -> bool:
        if not exc_args or not exc_args[0].startswith("integer"):
            return False
        self.call_conv.return_user_exc(builder, ZeroDivisionError, exc_args, loc)
        return True


callconv.error_models[ERROR_MODEL] = _ErrorModel

# Numba's own: its code generator asserts that it is held.
_compile_lock = global_compiler_lock


def python_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the plain Python function behind ``function``, which Numba may have wrapped."""
    return function.py_func if isinstance(function, Dispatcher) else function


@dataclass
class Kernel:
    """A function compiled for one set of argument types, with its loops.

    Attributes
    ----------
    inputs, outputs
        What the loops read and write, in the order of the block's slots.
    field_names
        Names of the fields if the kernel returns a named tuple, else None.
    is_filter
        Whether its loops write the selection instead of a column.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    field_names: tuple[str, ...] | None
    returns_tuple: bool
    is_filter: bool
    _result: Any  # Numba's CompileResult
    _loops: dict[tuple[bool, bool], Callable[[int, int], int]] = field(default_factory=dict)
    _libraries: list[Any] = field(default_factory=list)

    def loop(self, *, nulls: bool, careful: bool = False) -> Callable[[int, int], int]:
        """Return the compiled loop ``(address of the block, rows) -> rows that raised``.

        Parameters
        ----------
        nulls
            Whether there are nulls, or rows that aren't selected.
        careful
            Whether to write down which rows raised; goes with ``nulls``.
        """
        loop = self._loops.get((nulls, careful))
        if loop is None:
            variant = LoopVariant(nulls, careful)
            with _compile_lock:
                loop = self._loops.get(variant)
                if loop is None:
                    loop = self._loops[variant] = self._compile_loop(variant)
        return loop

    def llvm_ir(self, *, nulls: bool = False, careful: bool = False) -> str:
        """Return the optimised LLVM IR of a loop."""
        self.loop(nulls=nulls, careful=careful)
        index = list(self._loops).index((nulls, careful))
        return str(self._libraries[index].get_llvm_str())

    def _compile_loop(self, variant: LoopVariant) -> Callable[[int, int], int]:
        context, result = self._result.target_context, self._result
        name = f"dfv.{result.fndesc.mangled_name}.{variant.nulls:d}{variant.careful:d}"
        builder = LoopBuilder(
            context,
            result.fndesc,
            result.signature,
            self.inputs,
            self.outputs,
            is_filter=self.is_filter,
            returns_tuple=self.returns_tuple,
            frees_exceptions="NRT_Allocate" in result.library.get_llvm_str(),
        )
        library = context.codegen().create_library(name)
        library.add_linking_library(result.library)
        module = library.create_ir_module(name)
        builder.build(module, name, variant)
        library.add_ir_module(module)
        library.finalize()
        self._libraries.append(library)  # the machine code lives as long as its library
        address = library.get_pointer_to_function(name)
        return PROTOTYPE(address)


def compile_kernel(
    function: Callable[..., Any],
    inputs: Sequence[Input],
    declared: Sequence[types.Type | None] | None = None,
    *,
    is_filter: bool = False,
) -> Kernel:
    """Compile ``function`` for the given inputs.

    Parameters
    ----------
    function
        A plain Python function or a Numba dispatcher; a dispatcher's options are kept.
    inputs
        One for each parameter, in order.
    declared
        Types of the outputs where the author declared them.
    is_filter
        Whether its one output, a bool, selects rows.

    Raises
    ------
    numba.core.errors.TypingError
        If Numba can't compile it for these types.
    KernelResultError
        If what it returns can't be a column.
    """
    options: dict[str, Any] = {}
    if isinstance(function, Dispatcher):
        options = {k: v for k, v in function.targetoptions.items() if k not in _OWN_OPTIONS}
    options.setdefault("error_model", ERROR_MODEL)
    argument_types = tuple(item.kernel_type for item in inputs)
    with _compile_lock:
        # Its own dispatcher: the user's may be compiled with a Python wrapper and another error model.
        dispatcher = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(
            python_function(function)
        )
        dispatcher.compile(argument_types)
        result = dispatcher.overloads[argument_types]
        outputs, field_names, returns_tuple = outputs_of(result.signature.return_type, declared)
    return Kernel(tuple(inputs), outputs, field_names, returns_tuple, is_filter, result)


# What Numba adds by itself, and what only makes sense for the author's own compiled function.
_OWN_OPTIONS = {"nopython", "nogil", "cache", "parallel", "forceobj", "looplift"}
