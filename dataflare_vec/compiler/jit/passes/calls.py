"""Kernels call `math.sin`; what is compiled calls ours.

Before types are inferred, what each call in a kernel names is looked up. A function of `math.table` is
replaced by a stand-in of ours. Of some functions Numba's own isn't Python's: these have an overlay (`exact`).
A ``numba.njit`` function that the kernel calls is replaced by one compiled from the same Python function with
the same options and our passes; so are plain functions and other row kernels, which Numba by itself couldn't
call. The user's own function and dispatcher aren't touched.
"""

from __future__ import annotations

import dis
import weakref
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import numba
from numba.core import compiler, ir, ir_utils
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from dataflare_vec.compiler.cache.fingerprint import LIBRARIES, Reader
from dataflare_vec.compiler.cache.watches import Watches
from dataflare_vec.compiler.jit.lowering.exact.overlay import OVERLAYS
from dataflare_vec.compiler.jit.lowering.math import emit, power
from dataflare_vec.compiler.jit.lowering.math.stand_in import stand_in_for
from dataflare_vec.compiler.jit.lowering.math.table import OPERATORS, REPLACED, constant_power
from dataflare_vec.compiler.jit.lowering.standard.missing import stands_for
from dataflare_vec.compiler.jit.lowering.strings.constants import constant
from dataflare_vec.compiler.jit.lowering.strings.members import kept_members
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, outer_value, replace_value
from dataflare_vec.compiler.jit.passes.notes import NOTES, Notes
from dataflare_vec.compiler.jit.passes.recursion import Depth
from dataflare_vec.compiler.jit.passes.told import CALLS
from dataflare_vec.compiler.jit.passes.trees import calls_guarded, stand_in
from dataflare_vec.definition.call_graph import may_recurse
from dataflare_vec.definition.plugin import Form, Plugin, plain
from dataflare_vec.definition.trees.evaluate import Evaluate

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: Name of our error model (see `compiler`).
ERROR_MODEL = "dataflare"

#: Options that Numba adds by itself, and those that only make sense for the author's own compiled function.
OWN_OPTIONS = {
    *("nopython", "nogil", "cache", "parallel", "forceobj", "looplift"),
    *("no_cpython_wrapper", "no_cfunc_wrapper"),
}


class Variant(NamedTuple):
    """In which of several ways a function is compiled.

    Attributes
    ----------
    mode
        The variant of the mathematical functions (None: libm's).
    is_outermost
        Whether what is compiled is called by a loop, or by a library that it is handed to, and not by name in
        another function: see `jit.passes.recursion`.
    constants
        The positions of arguments that are numbers of Python's, as constants are: see
        `jit.passes.single_precision`.
    gives_rows
        Whether it returns a list of rows, whose columns are wanted: see `jit.passes.exploded`.
    """

    mode: emit.Mode | None
    is_outermost: bool
    constants: frozenset[int] = frozenset()
    gives_rows: bool = False


class OwnCompiler(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's compiler of one variant.

    Passes of `pipeline` replace calls, and what they are replaced by is compiled by such a pipeline: each
    knows how to make the others.
    """

    variant: Variant
    of_variant: Callable[[Variant], type[OwnCompiler]]


class NotGiven:
    """What a parameter is that has to be given, and isn't: it has no type in compiled code."""


#: Under the dispatcher or function that a kernel names, what it calls instead.
_helpers: weakref.WeakKeyDictionary[Any, dict[Any, Dispatcher]] = weakref.WeakKeyDictionary()
#: What each of those captures: where that can't be described, it is another if something of it has changed.
_watches: weakref.WeakKeyDictionary[Dispatcher, Watches] = weakref.WeakKeyDictionary()


def replace_calls(func_ir: FunctionIR, own: type[OwnCompiler]) -> bool:
    """Let a function call what stands in for what it names; return whether anything changed."""
    function = func_ir.func_id.func
    # What depends on types is noted later, and not again where an earlier compilation for them is used.
    before = NOTES.get(function, Notes())
    notes = Notes(before.has_angles, members=kept_members(func_ir), shows=before.shows)
    NOTES[function] = notes
    depth = Depth(func_ir, is_outermost=own.variant.is_outermost)
    changed = False
    replaced: set[str] = set()
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            new, arguments = None, ()
            if isinstance(statement, ir.Assign) and isinstance(statement.value, ir.Expr):
                found, arguments = _called(func_ir, statement.value)
                if found is not None:
                    new = _replacement(func_ir, found, arguments, own, notes)
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
                    replace_value(func_ir, statement, ir.Expr.call(name, arguments, (), old.loc))
                changed = True
            body.append(statement)
        block.body = body
    depth.begin()
    drop_unused(func_ir, replaced)
    changed |= _replace_values(func_ir, own, notes)
    return changed


def _replace_values(func_ir: FunctionIR, own: type[OwnCompiler], notes: Notes) -> bool:
    """Replace functions that aren't called here but handed on, as a ``key=`` of `sorted`."""
    changed = False
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Global | ir.FreeVar):
                if _is_kernel(value.value, func_ir):
                    continue
                new = _handed_on(value.value, own, notes)
                changed |= new is not value.value
                value.value = new
    return changed


def _handed_on(value: Any, own: type[OwnCompiler], notes: Notes) -> Any:
    """Return what stands in for a function, or a tuple of some; else the value itself."""
    if _is_foreign(value) or _is_plain(value):
        notes.helpers.append(plain(value))
        variant = Variant(own.variant.mode, may_recurse(plain(value)))  # nobody leaves a depth for it
        return _helper(value, own.of_variant(variant))
    if type(value) is tuple:
        items = tuple(_handed_on(item, own, notes) for item in value)
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    return value


def _is_foreign(value: Any) -> bool:
    """Whether it is a compiled function that our compiler didn't make."""
    return isinstance(value, Dispatcher) and not issubclass(value._compiler.pipeline_class, OwnCompiler)


def _called(func_ir: FunctionIR, value: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return what an expression calls, and with what; an operator of ours is a call."""
    if value.op == "call":
        found = outer_value(func_ir, value.func)
        return found, () if value.kws or value.vararg else tuple(value.args)
    if value.op in ("binop", "inplace_binop") and value.fn in OPERATORS:
        return value.fn, (value.lhs, value.rhs)
    return None, ()


def _replacement(
    func_ir: FunctionIR, found: Any, arguments: Any, own: type[OwnCompiler], notes: Notes
) -> Any:
    """Return what stands in for a called object, or None."""
    mode = own.variant.mode
    if isinstance(found, Plugin) and found.form is Form.ROW:
        found = found.function
    if (test := stands_for(found)) is not None:
        return test
    if (
        isinstance(found, Dispatcher)
        or _is_told(found)
        or (_is_plain(found) and not _is_kernel(found, func_ir))
    ):
        notes.helpers.append(plain(found))
        return _helper(found, own.of_variant(Variant(mode, is_outermost=False)))
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
    return stand_in_for(function, exact or found, mode)


def _is_plain(found: Any) -> bool:
    """Whether it is a Python function that Numba knows nothing of: it is compiled like a kernel."""
    if not isinstance(found, FunctionType) or (found.__module__ or "").partition(".")[0] in LIBRARIES:
        return False
    try:
        cpu_target.typing_context.resolve_value_type(found)
    except (ValueError, NumbaError):
        return True
    return False


def _is_told(found: Any) -> bool:
    """Whether it is a function of ours that is compiled as the user's are."""
    return isinstance(found, FunctionType) and any(found is one for one in CALLS)


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


def _helper(called: Any, own: type[OwnCompiler]) -> Dispatcher:
    """Return the dispatcher of the same function whose calls are replaced too."""
    made = _helpers.setdefault(called, {})
    # Numba reads a global once, and it may have changed since: a kernel gets what there is now.
    reader = Reader()
    reader.root(called)
    found = bytes(reader.found) if reader.reason is None else b""
    key = own.variant, found, cpu_target.target_context.codegen()._tm_features
    if key not in made or (reader.reason is not None and _watches[made[key]].changed()):
        function = _passed_on(called) if own.variant.is_outermost else plain(called)
        options = options_of(called)
        # LLVM thinks a polynomial too large to inline; the loop only vectorises if it is. And a `while`:
        # with it inlined, numbers are parsed and windows sorted in 15 % less time.
        options.setdefault("forceinline", not has_for(function))
        if not isinstance(called, Dispatcher):  # divides as the kernel does
            options["error_model"] = ERROR_MODEL
        compile_ = numba.njit(pipeline_class=own, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)
        made[key] = compile_(function)
        _watches[made[key]] = reader.watches
        _take_defaults(made[key])
    return made[key]


def with_constants(helper: Dispatcher, numbers: frozenset[int], *, own: type[OwnCompiler]) -> Dispatcher:
    """Return what is called instead of a helper where the arguments at some positions are Python's."""
    made_by = helper._compiler.pipeline_class
    if not issubclass(made_by, OwnCompiler) or numbers <= made_by.variant.constants:  # a library's, or known
        return helper
    variant = Variant(own.variant.mode, is_outermost=False, constants=numbers)
    return _helper(helper, own.of_variant(variant))


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
    has_default = False
    for i, one in enumerate(parameters):
        if one.kind is one.KEYWORD_ONLY and one.VAR_POSITIONAL not in kinds:
            one = one.replace(kind=one.POSITIONAL_OR_KEYWORD)
            if one.default is one.empty and has_default:  # no signature has such an order
                one = one.replace(default=NotGiven)
        has_default |= one.default is not one.empty
        parameters[i] = one.replace(default=constant(one.default))
    own.pysig = own.pysig.replace(parameters=parameters)


def forget(dispatcher: Dispatcher) -> None:
    """Forget what was compiled in place of a dispatcher: what it calls has changed."""
    _helpers.pop(dispatcher, None)


def has_for(function: Callable[..., Any]) -> bool:
    """Whether the function has a loop over something."""
    return any(instruction.opname == "FOR_ITER" for instruction in dis.get_instructions(function))


def has_try(function: Callable[..., Any]) -> bool:
    """Whether the function may catch exceptions.

    The table of exceptions doesn't say: from Python 3.12 on a comprehension has entries of its own there.
    """
    return any(i.opname in ("SETUP_FINALLY", "PUSH_EXC_INFO") for i in dis.get_instructions(function))
