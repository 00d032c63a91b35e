"""Kernels that carry a state from row to row: `scan` and `reduce`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from numba.core import types

from dataflare_vec.compiler.jit.codegen.driver import (
    CompiledKernel,
    compile_lock,
    compile_variant,
    constant_positions,
)
from dataflare_vec.compiler.jit.codegen.folds import FoldCode, StateInput
from dataflare_vec.compiler.jit.codegen.signature import outputs_of
from dataflare_vec.compiler.jit.lowering.math.emit import Mode
from dataflare_vec.compiler.jit.lowering.records import StateType
from dataflare_vec.compiler.jit.lowering.state_types import (
    guess,
    has_natural,
    join,
    state_layout_of,
    type_of,
)
from dataflare_vec.compiler.jit.lowering.strings.arena import uses_arena
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflare_vec.compiler.jit.abi.arguments import Input, Output
    from dataflare_vec.compiler.kernel import LoopVariant
    from dataflare_vec.definition.state_containers import Container

# Types of a state settle in two rounds; more than these don't settle at all.
_ROUNDS = 5


class FoldKernel(CompiledKernel):
    """A scan or reduce kernel, compiled for one set of types, with its loops.

    A loop that doesn't record errors returns 1 more than the number of rows before the first that raised, or
    0.

    Attributes
    ----------
    keyed
        Whether its loops find a row's state by the row's code.
    gives_values
        Whether it returns a value for each row beside the state.
    buffers
        Whether its state holds the rows of a block; see `definition.blocks`.
    """

    def __init__(
        self,
        inputs: tuple[Input, ...],
        outputs: tuple[Output, ...],
        field_names: tuple[str, ...] | None,
        result: Any,
        *,
        returns_tuple: bool,
        gives_values: bool,
        keyed: bool = False,
        buffers: bool = False,
    ) -> None:
        super().__init__(
            inputs, outputs, field_names, result, None, returns_tuple=returns_tuple, is_filter=False
        )
        self.gives_values = gives_values
        self.keyed = keyed
        self.buffers = buffers
        self._mark = ".keyed" if keyed else ""

    @property
    def state_type(self) -> StateType:
        """The type of its state."""
        state: StateType = self.inputs[0].type
        return state

    @cached_property
    def by_key(self) -> FoldKernel:
        """The same with one state for each key."""
        by_key = FoldKernel(
            self.inputs,
            self.outputs,
            self.field_names,
            self._result,
            returns_tuple=self.returns_tuple,
            gives_values=self.gives_values,
            keyed=True,
        )
        by_key.explained = self.explained
        return by_key

    def _divided_by_constants(self, result: Any, variant: LoopVariant, kernel: Any, name: str) -> None:
        """Return None: a row needs the state of the one before."""

    def _code_for(self, result: Any, variant: LoopVariant) -> FoldCode:
        text = result.library.get_llvm_str()
        allocates = "NRT_Allocate" in text
        narrow = any(getattr(output.type, "bitwidth", 64) < 64 for output in self.outputs)
        return FoldCode(
            result.target_context,
            result.fndesc,
            result.signature,
            self.inputs,
            self.outputs,
            is_filter=False,
            returns_tuple=self.returns_tuple,
            frees_exceptions=allocates,
            may_fail=allocates
            or narrow
            or has_natural(self.state_type.inner)
            or bool(self.state_type.state_layout.owned)
            or "picklebuf" in text,
            makes_strings=uses_arena(result.library),
            keyed=self.keyed,
            gives_values=self.gives_values,
            buffers=self.buffers,
        )


def compile_fold(
    function: Callable[..., Any],
    init: Any,
    inputs: Sequence[Input],
    declared: Sequence[types.Type | None] | None = None,
    math: str = "precise",
    *,
    gives_values: bool,
    state: types.Type | None = None,
    buffers: bool = False,
    notes: bool = False,
    containers: Mapping[str, Container] = {},
) -> FoldKernel:
    """Compile a kernel ``(state, row…) -> (state, value)``, or ``-> state``.

    The state's type is what ``init`` and the states that the kernel returns have in common: an ``init`` of 0
    becomes a float if the kernel adds floats to it.

    Parameters
    ----------
    function
        A plain Python function or a Numba dispatcher.
    init
        The state before the first row.
    inputs
        One for each parameter after the state.
    declared, math
        As in `compile_kernel`.
    gives_values
        Whether it returns a value for each row beside the state.
    state
        The type of the state, if it is known: then no other is tried.
    buffers
        Whether the state holds the rows of a block; see `definition.blocks`.
    notes
        As in `compile_kernel`.
    containers
        What lists and deques of the state hold.

    Raises
    ------
    numba.core.errors.TypingError
        If Numba can't compile it for these types.
    KernelResultError
        If it doesn't return a state like ``init``, or its value can't be a column.
    """
    mode = None if math == "libm" else Mode(general=True, notes=notes)
    known, first = state, state or type_of(init, containers)
    state = guess(first, [item.kernel_type for item in inputs])
    tried = [state]
    while True:
        argument_types = (state, *[item.kernel_type for item in inputs])
        with compile_lock:
            result = compile_variant(
                function,
                argument_types,
                mode,
                relaxed=math == "fast",
                constants=constant_positions(inputs, first=1),
            )
        returned, value = result.signature.return_type, None
        if gives_values:
            returned, value = _state_and_value(returned)
        elif isinstance(returned, types.NoneType):
            msg = "it returns None"
            raise KernelResultError(msg, hint="a reduce returns its state: (state, row…) → state")
        # The first round is for what a None may become: its guess isn't held against what is returned.
        joined = join(first if len(tried) == 1 else state, returned, init)
        if joined == state:
            break
        if known is not None:
            msg = f"it returns `{returned}`, which isn't the state's type, `{known}`"
            raise KernelResultError(msg)
        state = joined
        tried.append(state)
        if len(tried) > _ROUNDS:
            shown = " → ".join(f"`{one}`" for one in tried)
            msg = f"the type of its state doesn't settle: {shown}"
            raise KernelResultError(msg, hint="give `init` the type that it returns")
    outputs: tuple[Output, ...] = ()
    names, returns_tuple = None, False
    if value is not None:
        outputs, names, returns_tuple = outputs_of(value, declared)
    record = StateInput(StateType(state_layout_of(init, state), state), is_column=True)
    return FoldKernel(
        (record, *inputs),
        outputs,
        names,
        result,
        returns_tuple=returns_tuple,
        gives_values=gives_values,
        buffers=buffers,
    )


def _state_and_value(returned: types.Type) -> tuple[types.Type, types.Type]:
    if isinstance(returned, types.BaseTuple) and len(returned) == 2:
        return tuple(returned)
    got = f"`{returned}`"
    if isinstance(returned, (types.Optional, types.NoneType)):
        got = "None on some path" if isinstance(returned, types.Optional) else "None"
    msg = f"a scan returns (state, value), it returns {got}"
    raise KernelResultError(msg, got=got, hint="for a null return `(state, None)`")
