"""Kernels call `math.sin`; what is compiled calls ours.

A pass of Numba's compiler, before it infers types, looks up what each call in a kernel names. A function of
`math.table` is replaced by a stand-in of a type that knows our signatures; for any argument types that ours
don't handle (arrays, complex numbers) the stand-in is typed and lowered as the function it stands for. Of
some functions Numba's own isn't Python's: these have an overlay (`exact`). A ``numba.njit`` function that the
kernel calls is replaced by one compiled from the same Python function with the same options and this pass; so
are plain functions and other row kernels, which Numba by itself couldn't call. The user's own function and
dispatcher aren't touched.
"""

from __future__ import annotations

import dis
import weakref
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numba.core import compiler, ir, ir_utils, typed_passes, types
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numba.core.imputils import lower_builtin
from numba.core.registry import cpu_target
from numba.core.typing import signature
from numba.core.typing.typeof import typeof_impl
from numba.core.untyped_passes import InlineClosureLikes, TranslateByteCode

from dataflare_vec.compiler.cache.fingerprint import LIBRARIES, Reader
from dataflare_vec.compiler.cache.watches import Watches
from dataflare_vec.compiler.jit.lowering.containers import check_items
from dataflare_vec.compiler.jit.lowering.exact.overlay import OVERLAYS
from dataflare_vec.compiler.jit.lowering.instances import replace_tests
from dataflare_vec.compiler.jit.lowering.math import emit, power
from dataflare_vec.compiler.jit.lowering.math.table import OPERATORS, REPLACED, MathFunction, constant_power
from dataflare_vec.compiler.jit.lowering.math.values import F32, F64
from dataflare_vec.compiler.jit.lowering.nested.defaults import give_defaults
from dataflare_vec.compiler.jit.lowering.strings.constants import constant, replace_strings
from dataflare_vec.compiler.jit.lowering.strings.formats import mark_formats
from dataflare_vec.compiler.jit.lowering.strings.members import kept_members, refuse, shows
from dataflare_vec.compiler.jit.passes.assigned_values import read_assigned
from dataflare_vec.compiler.jit.passes.definite_assignment import CheckDefiniteAssignment
from dataflare_vec.compiler.jit.passes.exact_integers import compute_exactly
from dataflare_vec.compiler.jit.passes.generators import inline_generators
from dataflare_vec.compiler.jit.passes.handlers import interpret
from dataflare_vec.compiler.jit.passes.interrupts import look_in_loops
from dataflare_vec.compiler.jit.passes.joined_calls import join_calls
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, outer_value, read_attributes
from dataflare_vec.compiler.jit.passes.named_zones import make_zones
from dataflare_vec.compiler.jit.passes.optional import compare_none
from dataflare_vec.compiler.jit.passes.patterns import compile_patterns
from dataflare_vec.compiler.jit.passes.raises import drop_arguments, forget_exceptions, note_messages
from dataflare_vec.compiler.jit.passes.recursion import Depth
from dataflare_vec.compiler.jit.passes.single_precision import keep_single
from dataflare_vec.compiler.jit.passes.tables import look_up_in_tables
from dataflare_vec.compiler.jit.passes.trees import calls_guarded, stand_in
from dataflare_vec.compiler.jit.passes.widen_integers import compute_wide
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType
from dataflare_vec.definition.call_graph import may_recurse
from dataflare_vec.definition.plugin import Form, Plugin, plain
from dataflare_vec.definition.trees.evaluate import Evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        FunctionIR,
        Signature,
        TypingContext,
        Values,
    )
    from dataflare_vec.compiler.jit.types.strings import StringConstant
    from dataflare_vec.definition.tables.frozen import Frozen

#: Name of our error model (see `compiler`).
ERROR_MODEL = "dataflare"

#: Options that Numba adds by itself, and those that only make sense for the author's own compiled function.
OWN_OPTIONS = {
    *("nopython", "nogil", "cache", "parallel", "forceobj", "looplift"),
    *("no_cpython_wrapper", "no_cfunc_wrapper"),
}


# -- the stand-in -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StandIn:
    """What a replaced call names: one of our functions, in one variant, for one of Python's or NumPy's."""

    function: MathFunction
    original: Any
    mode: emit.Mode


class StandInType(types.Callable, types.Opaque):  # type: ignore[misc]
    """Numba's type of a stand-in."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        original = stand_in.original
        module = getattr(original, "__module__", None) or "numpy"
        super().__init__(f"dfv.{stand_in.function.name}.{module}.{original.__name__}.{stand_in.mode}")

    def get_call_type(self, context: TypingContext, args: Any, kws: Any) -> Any:
        """Return our signature where we have one, else that of the original."""
        ours = None if kws else _own_signature(self.stand_in.function, args)
        return ours or context.resolve_value_type(self.stand_in.original).get_call_type(context, args, kws)

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        """Return nothing: what fits depends on the arguments."""
        return [], True

    def get_impl_key(self, sig: Any) -> Any:
        """Return under which name the call is lowered."""
        if _own_signature(self.stand_in.function, sig.args) == sig:
            return self.stand_in
        original = cpu_target.typing_context.resolve_value_type(self.stand_in.original)
        return original.get_impl_key(sig)


register_default(StandInType)(models.OpaqueModel)


@typeof_impl.register(StandIn)  # type: ignore[untyped-decorator]
def _typeof_stand_in(value: StandIn, context: Any) -> StandInType:
    return StandInType(value)


def _own_signature(function: MathFunction, args: tuple[types.Type, ...]) -> Any:
    """Return the signature for numbers and bools, optional ones too; None for what ours don't handle."""
    if len(args) != function.arguments:
        return None
    # Numba casts the arguments to the signature's types; that of None raises.
    args = tuple(types.unliteral(arg.type if isinstance(arg, types.Optional) else arg) for arg in args)
    numbers = (types.Float, types.Integer, types.Boolean, WideIntType)
    if not all(isinstance(arg, numbers) and arg != types.float16 for arg in args):
        return None
    are_floats = [isinstance(arg, types.Float) for arg in args]
    kind = types.float32 if all(arg == types.float32 for arg in args) else types.float64
    if function.takes == "floats" and not all(are_floats):
        return None
    if function.takes in ("a float", "power") and not any(are_floats):
        return None
    if function.takes == "power" and args[0] == types.float32 and not are_floats[1]:
        return None
    if function.takes == "power of an integer":
        if not are_floats[0]:
            return None
        kind = args[0]
    returned = {"float": kind, "bool": types.boolean}[function.returns]
    return signature(returned, *[kind] * len(args))


def _lower(stand_in: StandIn) -> Callable[..., Any]:
    """Return Numba's lowering of one stand-in."""

    def call(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        function, mode = stand_in.function, stand_in.mode
        fmt = F32 if sig.args[0] == types.float32 else F64
        result = emit.call(context, builder, function, fmt, mode, args)
        if function.is_guarded and not mode.general:
            large = builder.extract_value(result, 1)
            with builder.if_then(large, likely=False):
                context.call_conv._return_errcode_raw(builder, emit.STATUS(emit.LARGE_ANGLE))
            result = builder.extract_value(result, 0)
        return result

    return call


_stand_ins: dict[tuple[MathFunction, Any, emit.Mode], StandIn] = {}


def _stand_in(function: MathFunction, original: Any, mode: emit.Mode) -> StandIn:
    key = (function, original, mode)
    if key not in _stand_ins:
        made = _stand_ins[key] = StandIn(function, original, mode)
        for kind in (types.float64, types.float32):
            lower_builtin(made, *[kind] * function.arguments)(_lower(made))
    return _stand_ins[key]


# -- the pass ---------------------------------------------------------------------------------------------


@dataclass
class _Notes:
    """What the passes found in one Python function."""

    has_angles: bool = False
    helpers: list[Callable[..., Any]] = field(default_factory=list)
    members: list[StringConstant] = field(default_factory=list)
    shows: set[str] = field(default_factory=set)
    tables: list[Frozen] = field(default_factory=list)  # alive until whoever reads them holds them


class TryInGuardedVariant(Exception):  # not an error: the kernel is compiled in its general variant
    """A ``try`` would catch the status of a large angle."""


_notes: weakref.WeakKeyDictionary[Callable[..., Any], _Notes] = weakref.WeakKeyDictionary()
#: Under the dispatcher or function that a kernel names, what it calls instead.
_helpers: weakref.WeakKeyDictionary[Any, dict[Any, Dispatcher]] = weakref.WeakKeyDictionary()
#: What each of those captures: where that can't be described, it is another if something of it has changed.
_watches: weakref.WeakKeyDictionary[Dispatcher, Watches] = weakref.WeakKeyDictionary()


def _replace_calls(func_ir: FunctionIR, mode: emit.Mode | None, *, is_outermost: bool) -> bool:
    function = func_ir.func_id.func
    # What depends on types is noted later, and not again where an earlier compilation for them is used.
    before = _notes.get(function, _Notes())
    notes = _Notes(before.has_angles, members=kept_members(func_ir), shows=before.shows)
    _notes[function] = notes
    depth = Depth(func_ir, is_outermost=is_outermost)
    changed = False
    replaced: set[str] = set()
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            new, arguments = None, ()
            if isinstance(statement, ir.Assign) and isinstance(statement.value, ir.Expr):
                found, arguments = _called(func_ir, statement.value)
                if found is not None:
                    new = _replacement(func_ir, found, arguments, mode, notes)
            if new is not None:
                old = statement.value
                name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv"), old.loc)
                value = ir.Global(str(getattr(found, "__name__", "function")), new, old.loc)
                body.append(ir.Assign(value, name, old.loc))
                func_ir._definitions[name.name].append(value)
                if isinstance(new, Dispatcher) and may_recurse(new.py_func):
                    body += depth.before(block, old.loc)
                if old.op == "call":
                    replaced.add(old.func.name)
                    old.func = name
                else:
                    statement.value = ir.Expr.call(name, arguments, (), old.loc)
                    definitions = func_ir._definitions[statement.target.name]
                    definitions[:] = [statement.value if item is old else item for item in definitions]
                changed = True
            body.append(statement)
        block.body = body
    depth.begin()
    drop_unused(func_ir, replaced)
    changed |= _replace_values(func_ir, mode, notes)
    return changed


def _replace_values(func_ir: FunctionIR, mode: emit.Mode | None, notes: _Notes) -> bool:
    """Replace compiled functions that aren't called here but handed on, as a ``key=`` of `sorted`."""
    changed = False
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Global | ir.FreeVar):
                new = _handed_on(value.value, mode, notes)
                changed |= new is not value.value
                value.value = new
    return changed


def _handed_on(value: Any, mode: emit.Mode | None, notes: _Notes) -> Any:
    """Return what stands in for a compiled function, or a tuple of some; else the value itself."""
    if _is_foreign(value):
        notes.helpers.append(plain(value))
        return _helper(value, mode, is_outermost=may_recurse(plain(value)))  # nobody leaves a depth for it
    if type(value) is tuple:
        items = tuple(_handed_on(item, mode, notes) for item in value)
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


def _is_foreign(value: Any) -> bool:
    """Whether it is a compiled function that our compiler didn't make."""
    return isinstance(value, Dispatcher) and value._compiler.pipeline_class not in _pipelines.values()


def _called(func_ir: FunctionIR, value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return what an expression calls, and with what; an operator of ours is a call."""
    if value.op == "call":
        found = outer_value(func_ir, value.func)
        return found, () if value.kws or value.vararg else tuple(value.args)
    if value.op in ("binop", "inplace_binop") and value.fn in OPERATORS:
        return value.fn, (value.lhs, value.rhs)
    return None, ()


def _replacement(
    func_ir: FunctionIR, found: Any, arguments: Any, mode: emit.Mode | None, notes: _Notes
) -> Any:
    """Return what stands in for a called object, or None."""
    if isinstance(found, Plugin) and found.form is Form.ROW:
        found = found.function
    if isinstance(found, Dispatcher) or (_is_plain(found) and not _is_kernel(found, func_ir)):
        notes.helpers.append(plain(found))
        return _helper(found, mode)
    if isinstance(found, Evaluate):
        notes.has_angles |= calls_guarded(found.tree)
        return stand_in(found.tree, mode)
    try:
        function, exact = REPLACED.get(found), OVERLAYS.get(found)
    except TypeError:  # not hashable
        return None
    if function is None or mode is None:
        return exact
    notes.has_angles |= function.is_guarded
    if function.body is power.pow and len(arguments) == 2:
        exponent = ir_utils.guard(ir_utils.find_const, func_ir, arguments[1])
        if type(exponent) in (int, float):
            function = constant_power(function, exponent, type(exponent).__name__) or function
    return _stand_in(function, exact or found, mode)


def _is_plain(found: Any) -> bool:
    """Whether it is a Python function that Numba knows nothing of: it is compiled like a kernel."""
    if not isinstance(found, FunctionType) or (found.__module__ or "").partition(".")[0] in LIBRARIES:
        return False
    try:
        cpu_target.typing_context.resolve_value_type(found)
    except (ValueError, NumbaError):
        return True
    return False


def _is_kernel(found: Any, func_ir: FunctionIR) -> bool:
    """Whether a kernel calls itself, which Numba can't infer the types of; helpers may."""
    return found is func_ir.func_id.func and found not in _helpers


def options_of(function: Any) -> dict[str, Any]:
    """Return the options to compile a kernel or a helper with: the author's, if it is a dispatcher.

    An index outside an array is an IndexError, as in Python, unless the author says ``boundscheck=False``:
    rows of a list column lie side by side, so that another row's values would be read.
    """
    given = getattr(function, "targetoptions", {})
    options = {k: v for k, v in given.items() if k not in OWN_OPTIONS}
    if options.get("boundscheck") is None:
        options["boundscheck"] = True
    return options


def _helper(
    called: Any,
    mode: emit.Mode | None,
    *,
    is_outermost: bool = False,
    constants: frozenset[int] = frozenset(),
) -> Dispatcher:
    """Return the dispatcher of the same function whose calls are replaced too.

    ``constants`` are as in `pipeline`.
    """
    made = _helpers.setdefault(called, {})
    # Numba reads a global once, and it may have changed since: a kernel gets what there is now.
    reader = Reader()
    reader.root(called)
    found = bytes(reader.found) if reader.reason is None else b""
    key = mode, is_outermost, constants, found, cpu_target.target_context.codegen()._tm_features
    if key not in made or (reader.reason is not None and _watches[made[key]].changed()):
        function = _passed_on(called) if is_outermost else plain(called)
        options = options_of(called)
        # LLVM thinks a polynomial too large to inline; the loop only vectorises if it is. And a `while`:
        # with it inlined, numbers are parsed and windows sorted in 15 % less time.
        options.setdefault("forceinline", not _has_for(function))
        if not isinstance(called, Dispatcher):  # divides as the kernel does
            options["error_model"] = ERROR_MODEL
        compile_ = numba.njit(
            pipeline_class=pipeline(mode, is_outermost=is_outermost, constants=constants),
            no_cpython_wrapper=True,
            no_cfunc_wrapper=True,
            **options,
        )
        made[key] = compile_(function)
        _watches[made[key]] = reader.watches
        _take_defaults(made[key])
    return made[key]


def _given(helper: Dispatcher, numbers: frozenset[int], *, mode: emit.Mode | None) -> Dispatcher:
    """Return what is called instead of a helper where the arguments at some positions are Python's."""
    known = getattr(helper._compiler.pipeline_class, "constants", None)  # None: a library's
    if known is None or numbers <= known:
        return helper
    return _helper(helper, mode, constants=numbers)


def _passed_on(called: Dispatcher) -> Callable[..., Any]:
    """Return a function that does nothing but call one: Numba can't compile one that calls itself as two."""

    def call(*arguments):  # type: ignore[no-untyped-def]
        return called(*arguments)

    return call


def _take_defaults(dispatcher: Dispatcher) -> None:
    """Let calls find strings of ours in defaults, and know parameters behind a ``*``, as Numba doesn't."""
    own = dispatcher._compiler
    parameters = list(own.pysig.parameters.values())
    kinds = {one.kind for one in parameters}
    for i, one in enumerate(parameters):
        if one.kind is one.KEYWORD_ONLY and one.VAR_POSITIONAL not in kinds:
            one = one.replace(kind=one.POSITIONAL_OR_KEYWORD)
        parameters[i] = one.replace(default=constant(one.default))
    own.pysig = own.pysig.replace(parameters=parameters)


def forget(dispatcher: Dispatcher) -> None:
    """Forget what was compiled in place of a dispatcher: what it calls has changed."""
    _helpers.pop(dispatcher, None)


def _has_for(function: Callable[..., Any]) -> bool:
    return any(instruction.opname == "FOR_ITER" for instruction in dis.get_instructions(function))


def _has_try(function: Callable[..., Any]) -> bool:
    """Whether the function may catch exceptions.

    The table of exceptions doesn't say: from Python 3.12 on a comprehension has entries of its own there.
    """
    return any(i.opname in ("SETUP_FINALLY", "PUSH_EXC_INFO") for i in dis.get_instructions(function))


def has_angles(function: Callable[..., Any]) -> bool:
    """Whether a compiled kernel's function, or a helper that it calls, uses an angle function."""
    return any(notes.has_angles for notes in _notes_of(function))


def check_members(function: Callable[..., Any], bound: Sequence[StringConstant] = ()) -> None:
    """Raise TypingError if a compiled kernel may show the member of an enumeration for what it isn't.

    Parameters
    ----------
    function
        The kernel's.
    bound
        Members that are constants of the call.
    """
    members = list(bound)
    ways: set[str] = set()
    for notes in _notes_of(plain(function)):
        members += notes.members
        ways |= notes.shows
    refuse(members, ways)


def _notes_of(function: Callable[..., Any]) -> Iterator[_Notes]:
    """Yield what was found in a compiled function and in all that it calls."""
    seen: set[Callable[..., Any]] = set()
    waiting = [function]
    while waiting:
        current = waiting.pop()
        if current not in seen and current in _notes:
            seen.add(current)
            yield _notes[current]
            waiting += _notes[current].helpers


@register_pass(mutates_CFG=False, analysis_only=True)
class _NoteTexts(FunctionPass):  # type: ignore[misc]
    """Note how a function shows strings."""

    _name = "dfv_note_texts"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        _notes[state.func_id.func].shows |= shows(state.func_ir, state.typemap)
        return False


@register_pass(mutates_CFG=True, analysis_only=False)
class _Translate(TranslateByteCode):  # type: ignore[misc]
    """From bytecode to Numba's IR; f-strings with a format too, ``:=`` within conditions, and handlers."""

    _name = "dfv_translate_bytecode"

    def run_pass(self, state: Any) -> bool:
        mark_formats(state.bc)
        read_assigned(state.bc)
        state.func_ir = interpret(state.func_id, state.bc)
        replace_tests(state.func_ir)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class _InlineGenerators(FunctionPass):  # type: ignore[misc]
    _name = "dfv_inline_generators"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        return inline_generators(state.func_ir)


_pipelines: dict[tuple[emit.Mode | None, bool, frozenset[int]], type[compiler.CompilerBase]] = {}


def pipeline(
    mode: emit.Mode | None, *, is_outermost: bool, constants: frozenset[int] = frozenset()
) -> type[compiler.CompilerBase]:
    """Return Numba's default compiler with our passes.

    Parameters
    ----------
    mode
        The variant of the mathematical functions (None: libm's).
    is_outermost
        Whether what is compiled is called by a loop, or by a library that it is handed to, and not by name in
        another function: see `jit.passes.recursion`.
    constants
        The positions of arguments that are numbers of Python's, as constants are: see
        `jit.passes.single_precision`.
    """
    key = mode, is_outermost, constants
    if key not in _pipelines:
        _pipelines[key] = _make_pipeline(mode, is_outermost, constants)
    return _pipelines[key]


def _make_pipeline(
    mode: emit.Mode | None, is_outermost: bool, constants: frozenset[int]
) -> type[compiler.CompilerBase]:
    @register_pass(mutates_CFG=False, analysis_only=False)
    class ReplaceCalls(FunctionPass):  # type: ignore[misc]
        _name = f"dfv_replace_calls_{mode}_{is_outermost}"

        def __init__(self) -> None:
            FunctionPass.__init__(self)

        def run_pass(self, state: Any) -> bool:
            if mode is not None and not mode.general and _has_try(state.func_id.func):
                raise TryInGuardedVariant
            noted = mode is not None and mode.notes
            changed = note_messages(state.func_ir) if noted else drop_arguments(state.func_ir)
            changed |= forget_exceptions(state.func_ir)
            changed |= look_in_loops(state.func_ir)
            changed |= make_zones(state.func_ir, outer_value)
            changed |= compile_patterns(state.func_ir)
            changed |= compute_wide(state.func_ir, state.args)
            changed |= read_attributes(state.func_ir)
            tables = look_up_in_tables(state.func_ir)
            changed |= give_defaults(state.func_ir, outer_value)
            changed |= replace_strings(state.func_ir)
            changed |= join_calls(state.func_ir)
            changed |= _replace_calls(state.func_ir, mode, is_outermost=is_outermost)
            _notes[state.func_id.func].tables = tables
            return changed or bool(tables)

    @register_pass(mutates_CFG=False, analysis_only=False)
    class KeepSingle(FunctionPass):  # type: ignore[misc]
        _name = f"dfv_keep_single_{mode}_{is_outermost}_{sorted(constants)}"

        def __init__(self) -> None:
            FunctionPass.__init__(self)

        def run_pass(self, state: Any) -> bool:
            changed = False
            defaults = {i for i, ty in enumerate(state.args) if isinstance(ty, types.Omitted)}
            numbers = constants | {i for i in defaults if not isinstance(state.args[i].value, np.generic)}
            while keep_single(state.func_ir, state.typemap, numbers, partial(_given, mode=mode)):
                state.return_type = None  # which would be taken for given
                changed = typed_passes.NopythonTypeInference().run_pass(state)
            return changed

    @register_pass(mutates_CFG=False, analysis_only=False)
    class ComputeExactly(FunctionPass):  # type: ignore[misc]
        _name = f"dfv_compute_exactly_{mode}_{is_outermost}"

        def __init__(self) -> None:
            FunctionPass.__init__(self)

        def run_pass(self, state: Any) -> bool:
            general = mode is None or mode.general
            check_items(state.func_ir, state.typemap, state.calltypes)
            compared = compare_none(state.func_ir, state.typemap, state.calltypes)
            changed, leaves = compute_exactly(state.func_ir, state.typemap, state.calltypes, general=general)
            _notes[state.func_id.func].has_angles |= leaves
            return changed or compared

    told = constants

    class Compiler(compiler.CompilerBase):  # type: ignore[misc]
        constants = told

        def define_pipelines(self) -> list[Any]:
            manager = compiler.DefaultPassBuilder.define_nopython_pipeline(self.state)
            passes = [entry for entry, _ in manager.passes]
            before = manager.passes[passes.index(typed_passes.NopythonTypeInference) - 1][0]
            manager.add_pass_after(ReplaceCalls, before)
            manager.add_pass_after(_NoteTexts, typed_passes.NopythonTypeInference)
            manager.add_pass_after(ComputeExactly, typed_passes.NopythonTypeInference)
            manager.add_pass_after(KeepSingle, typed_passes.NopythonTypeInference)
            closures = passes.index(InlineClosureLikes)
            manager.add_pass_after(_InlineGenerators, passes[closures - 1])
            ssa = passes.index(CheckDefiniteAssignment.before)
            manager.add_pass_after(CheckDefiniteAssignment, passes[ssa - 1])
            manager.passes = [
                (_Translate if entry is TranslateByteCode else entry, about)
                for entry, about in manager.passes
            ]
            manager.finalize()
            return [manager]

    return Compiler
