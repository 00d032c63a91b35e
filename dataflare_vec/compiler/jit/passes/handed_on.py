"""Before types are inferred: functions that aren't named where they are called, and lists that are returned.

``str.upper(s)`` is ``s.upper()``, and ``map(str.upper, …)`` gets a function that calls the method. A partial
function is called with what it holds. What `split` gives is a list where it is returned.
"""

from __future__ import annotations

from functools import cache, partial
from types import FunctionType, MethodDescriptorType
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering.instances import drop_unread
from dataflare_vec.compiler.jit.lowering.standard.unpacking import whole
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, outer_value, replace_value

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_CLASSES = (str, bytes, int, float)
_SPLITS = ("split", "rsplit", "splitlines")


def name_functions(func_ir: FunctionIR) -> bool:
    """Replace unbound methods and partial functions in the IR of a function; whether there were any."""
    unread: set[str] = set()
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            called = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(called, ir.Expr) and called.op == "call":
                _bind_method(func_ir, block, statement, body, unread)
                _call_partial(func_ir, block, statement, body, unread)
            body.append(statement)
        block.body = body
    changed = bool(unread)
    drop_unused(func_ir, unread)
    drop_unread(func_ir, unread)
    for block in func_ir.blocks.values():
        for statement in block.body:
            value: Any = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and _unbound(func_ir, value) is not None:
                replace_value(func_ir, statement, ir.Global(value.attr, _calling(value.attr), value.loc))
                drop_unused(func_ir, {value.value.name})
                changed = True
    return changed


def return_lists(func_ir: FunctionIR) -> bool:
    """Let a function return lists of what `split` gives; whether it returns any."""
    changed = False
    for block in func_ir.blocks.values():
        end = block.body[-1] if block.body else None
        if isinstance(end, ir.Return) and _is_split(func_ir, end.value.name, set()):
            before: list[Any] = []
            function = _assigned(func_ir, block, before, ir.Global("whole", whole, end.loc))
            end.value = _assigned(func_ir, block, before, ir.Expr.call(function, (end.value,), (), end.loc))
            block.body[-1:] = [*before, end]
            changed = True
    return changed


def _is_split(func_ir: FunctionIR, name: str, seen: set[str]) -> bool:
    """Whether a variable may hold what `split` gives, or a tuple with it."""
    if name in seen:
        return False
    seen.add(name)
    for value in func_ir._definitions.get(name, ()):
        read: list[Any] = []
        if isinstance(value, ir.Var):
            read = [value]
        elif isinstance(value, ir.Expr) and value.op == "cast":
            read = [value.value]
        elif isinstance(value, ir.Expr) and value.op == "build_tuple":
            read = list(value.items)
        elif isinstance(value, ir.Expr) and value.op == "phi":
            read = [one for one in value.incoming_values if isinstance(one, ir.Var)]
        elif isinstance(value, ir.Expr) and value.op == "call":
            method = ir_utils.guard(ir_utils.get_definition, func_ir, value.func)
            if isinstance(method, ir.Expr) and method.op == "getattr" and method.attr in _SPLITS:
                return True
        if any(_is_split(func_ir, one.name, seen) for one in read):
            return True
    return False


# -- methods of classes -----------------------------------------------------------------------------------


def _unbound(func_ir: FunctionIR, value: Any) -> Any:
    """Return the method of a built-in class that an expression names, None if it is something else."""
    if not isinstance(value, ir.Expr) or value.op != "getattr":
        return None
    owner = outer_value(func_ir, value.value)
    if not any(owner is one for one in _CLASSES):
        return None
    found = getattr(owner, value.attr, None)
    return found if isinstance(found, MethodDescriptorType) else None


def _bind_method(
    func_ir: FunctionIR, block: Any, statement: Any, before: list[Any], unread: set[str]
) -> None:
    call = statement.value
    named = ir_utils.guard(ir_utils.get_definition, func_ir, call.func)
    if not call.args or call.vararg is not None or _unbound(func_ir, named) is None:
        return
    owner, *arguments = call.args
    unread.add(call.func.name)
    bound = _assigned(func_ir, block, before, ir.Expr.getattr(owner, named.attr, call.loc))
    replace_value(func_ir, statement, ir.Expr.call(bound, tuple(arguments), call.kws, call.loc))


@cache
def _calling(name: str) -> FunctionType:
    """Return a function that calls a method; it is of no module of ours, and compiled as a user's."""
    scope: dict[str, Any] = {"__name__": "built_in_methods"}
    exec(f"def {name}(value):\n    return value.{name}()\n", scope)
    made: FunctionType = scope[name]
    return made


# -- partial functions ------------------------------------------------------------------------------------


def _call_partial(
    func_ir: FunctionIR, block: Any, statement: Any, before: list[Any], unread: set[str]
) -> None:
    call = statement.value
    held = outer_value(func_ir, call.func)
    made = ir_utils.guard(ir_utils.get_definition, func_ir, call.func)
    if isinstance(held, partial):

        def constant(value: Any) -> Any:
            return _assigned(func_ir, block, before, ir.Global("partial", value, call.loc))

        function = _assigned(func_ir, block, before, ir.Global(_name_of(held.func), held.func, call.loc))
        first = [constant(one) for one in held.args]
        named = {name: constant(one) for name, one in held.keywords.items()}
    elif isinstance(made, ir.Expr) and made.op == "call" and outer_value(func_ir, made.func) is partial:
        if not made.args or made.vararg is not None:
            return
        function, *first = made.args
        named = dict(made.kws)
    else:
        return
    unread.add(call.func.name)
    named.update(call.kws)
    arguments = (*first, *call.args)
    replace_value(
        func_ir, statement, ir.Expr.call(function, arguments, tuple(named.items()), call.loc, call.vararg)
    )


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", "function"))


# -- statements -------------------------------------------------------------------------------------------


def _assigned(func_ir: FunctionIR, block: Any, before: list[Any], value: Any) -> Any:
    made = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_named"), value.loc)
    func_ir._definitions[made.name].append(value)
    before.append(ir.Assign(value, made, value.loc))
    return made
