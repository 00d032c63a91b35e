"""Loops that carry a state from row to row: `scan` and `reduce`.

The loop of rows is a row kernel's, with three differences. The kernel's first argument is the state: a
record in memory, one for all rows (then it lives in registers while the loop runs) or one for each key, found
by the row's code. A kernel changes the arrays of its record in place. A row that isn't computed, or that
raises, leaves its record as it was. And since what a row has done to the state can't be done twice, a loop
that doesn't record errors stops at the first row that raises, and says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import fix_returning_optional

from dataflare_vec.compiler.jit.abi.arguments import Input
from dataflare_vec.compiler.jit.codegen.driver import (
    CompiledKernel,
    compile_lock,
    compile_variant,
    constant_positions,
)
from dataflare_vec.compiler.jit.codegen.rows import KernelCode, RowLoopBuilder
from dataflare_vec.compiler.jit.codegen.signature import outputs_of
from dataflare_vec.compiler.jit.lowering.math.emit import Mode
from dataflare_vec.compiler.jit.lowering.records import (
    StateType,
    guess,
    has_natural,
    has_room,
    join,
    load,
    state_layout_of,
    store,
    type_of,
)
from dataflare_vec.compiler.jit.lowering.strings.arena import uses_arena
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.compiler.jit.abi.arguments import Output
    from dataflare_vec.compiler.kernel import LoopVariant

_I64 = ir.IntType(64)

# Types of a state settle in two rounds; more than these don't settle at all.
_ROUNDS = 5


@dataclass(frozen=True)
class StateInput(Input):
    """A parameter that is a state."""

    @property
    def kernel_type(self) -> types.Type:
        """The state itself."""
        return self.type.inner


@dataclass(frozen=True)
class FoldCode(KernelCode):
    """A kernel whose first argument, and first or only result, is a state."""

    keyed: bool = False
    gives_values: bool = True  # a scan; a reduce returns its state and nothing else
    may_fail: bool = True  # it raises, returns another array than its state's, or a value that may not fit

    @property
    def stops(self) -> bool:
        """Yes: what a row has done to the state can't be done twice."""
        return True

    def row_loop_builder(self, variant: LoopVariant) -> RowLoopBuilder:
        """Return what writes the loop over rows."""
        return FoldLoopBuilder(self, variant)


class FoldLoopBuilder(RowLoopBuilder):
    """Writes a loop that carries a state."""

    code: FoldCode

    def __init__(self, code: FoldCode, variant: LoopVariant) -> None:
        super().__init__(code, variant)
        self.counter = _I64
        self.state_type: StateType = self.inputs[0].type

    def _rows(self, base: ir.Value, count: ir.Value) -> None:
        """Write the loop, and its return.

        An error-recording loop returns how many rows raised. Another one returns 1 more than the number of
        rows before the first that raised, or 0. Where the one state has arrays, which that row may have
        changed, it is then as it was before the loop.
        """
        builder = self.builder
        size = _I64(self.state_type.state_layout.size)
        record = self._columns[0].values
        if not self.code.keyed:
            # Memory that nobody else can see becomes registers.
            self._local = builder.alloca(ir.IntType(8), size)
            self._local.align = 16
            cgutils.raw_memcpy(builder, self._local, record, size, 1, align=8)

        def give_back() -> None:
            if not self.code.keyed:
                cgutils.raw_memcpy(builder, record, self._local, size, 1, align=8)

        failed = cgutils.alloca_once_value(builder, _I64(0))
        with cgutils.for_range(builder, count, intp=_I64) as loop:
            self._row(builder.add(base, loop.index), loop.index, failed)
            if not self.variant.records_errors:
                raised = builder.icmp_unsigned("!=", builder.load(failed), _I64(0))
                with builder.if_then(raised, likely=False):
                    if not self.state_type.state_layout.has_arrays:
                        give_back()
                    builder.ret(builder.add(loop.index, _I64(1)))
        give_back()
        builder.ret(builder.load(failed))

    def _load(self, i: int, row: ir.Value, within: ir.Value) -> tuple[ir.Value, ir.Value | None]:
        if i:
            return super()._load(i, row, within)
        # The address: what lies there is read only for rows that are computed.
        if not self.code.keyed:
            return self._local, None
        builder, state = self.builder, self._columns[0]
        code = builder.sext(builder.load(builder.gep(state.extra, [row])), _I64)
        return builder.gep(state.values, [builder.mul(code, _I64(self.state_type.state_layout.size))]), None

    def _call_kernel(
        self,
        arguments: list[ir.Value],
        slots: list[ir.Value],
        present: list[ir.Value],
        error: ir.Value,
    ) -> None:
        builder, context = self.builder, self.context
        record, *rest = arguments
        backup = self._backup(record) if self._must_restore else None
        state = load(context, builder, self.state_type, record, in_place=True)
        function = context.declare_function(builder.module, self.code.fndesc)
        status, result = context.call_conv.call_function(
            builder,
            function,
            self.signature.return_type,
            self.signature.args,
            [state, *rest],
            attrs=("alwaysinline",),
        )
        result = fix_returning_optional(context, builder, self.signature, status, result)
        self._note(status, error)
        with builder.if_then(status.is_ok):
            state, state_type = result, self.signature.return_type
            if self.code.gives_values:
                state, value = cgutils.unpack_tuple(builder, result, 2)
                state_type, value_type = state_type
                self._store_result(value, value_type, slots, present, error)
            right = has_room(context, builder, self.state_type, state, state_type)
            wrong = builder.zext(builder.not_(right), ir.IntType(8))
            builder.store(builder.or_(builder.load(error), wrong), error)
            fine = builder.icmp_unsigned("==", builder.load(error), ir.IntType(8)(0))
            with builder.if_then(fine):
                store(context, builder, self.state_type, record, state, state_type)
            context.nrt.decref(builder, state_type, state)
        if backup is not None:
            wrong = builder.icmp_unsigned("!=", builder.load(error), ir.IntType(8)(0))
            with builder.if_then(wrong, likely=False):
                self._copy_record(record, backup)

    @property
    def _must_restore(self) -> bool:
        """Whether the kernel may change an array and then raise, and the loop goes on with the state."""
        goes_on = self.code.keyed or self.variant.records_errors
        return self.state_type.state_layout.has_arrays and self.code.may_fail and goes_on

    def _backup(self, record: ir.Value) -> ir.Value:
        """Return a copy of a record."""
        state_layout = self.state_type.state_layout
        with self.builder.goto_entry_block():
            backup = self.builder.alloca(ir.IntType(8), _I64(state_layout.size))
            backup.align = 32
        self._copy_record(backup, record)
        return backup

    def _copy_record(self, target: ir.Value, source: ir.Value) -> None:
        cgutils.raw_memcpy(self.builder, target, source, _I64(self.state_type.state_layout.size), 1, align=8)


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
    ) -> None:
        super().__init__(
            inputs, outputs, field_names, result, None, returns_tuple=returns_tuple, is_filter=False
        )
        self.gives_values = gives_values
        self.keyed = keyed
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
            may_fail=allocates or narrow or has_natural(self.state_type.inner) or "picklebuf" in text,
            makes_strings=uses_arena(result.library),
            keyed=self.keyed,
            gives_values=self.gives_values,
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

    Raises
    ------
    numba.core.errors.TypingError
        If Numba can't compile it for these types.
    KernelResultError
        If it doesn't return a state like ``init``, or its value can't be a column.
    """
    mode = None if math == "libm" else Mode(general=True)
    known, first = state, state or type_of(init)
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
        (record, *inputs), outputs, names, result, returns_tuple=returns_tuple, gives_values=gives_values
    )


def _state_and_value(returned: types.Type) -> tuple[types.Type, types.Type]:
    if isinstance(returned, types.BaseTuple) and len(returned) == 2:
        return tuple(returned)
    got = f"`{returned}`"
    if isinstance(returned, (types.Optional, types.NoneType)):
        got = "None on some path" if isinstance(returned, types.Optional) else "None"
    msg = f"a scan returns (state, value), it returns {got}"
    raise KernelResultError(msg, got=got, hint="for a null return `(state, None)`")
