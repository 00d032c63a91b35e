"""In kernels that ask what a caught exception says, each `raise` makes its message.

No other kernel has messages (`passes.raises`): the compiler tries without, and comes here if it then meets an
exception that is used as a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering import told, told_calls
from dataflare_vec.compiler.jit.passes.lookups import outer_value
from dataflare_vec.compiler.jit.types.messages import SAID, TOLD, shows_argument

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_STATIC = {
    ir.DynamicRaise: ir.StaticRaise,
    ir.DynamicTryRaise: ir.StaticTryRaise,
    ir.StaticRaise: ir.StaticRaise,
    ir.StaticTryRaise: ir.StaticTryRaise,
}
#: Our own functions for them: nothing is replaced within.
CALLS = frozenset({told_calls.told_int, told_calls.told_whole, told_calls.told_float, told_calls.told_item})
#: By name and number of arguments, what stands for a function of Python.
_OURS = {
    ("int", 1): told_calls.told_whole,
    ("int", 2): told_calls.told_int,
    ("float", 1): told_calls.told_float,
}


def tell_messages(func_ir: FunctionIR) -> bool:
    """Have each exception of a function be made with its message; whether there were any."""
    changed = False
    is_ours = func_ir.func_id.func in CALLS
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            kind = _STATIC.get(type(statement))
            if kind is not None and statement.exc_class is not None:
                statement = _told(func_ir, block, statement, kind, body)
                changed = True
            elif not is_ours and isinstance(getattr(statement, "value", None), ir.Expr):
                changed |= _calls_ours(func_ir, block, statement, body)
            body.append(statement)
        block.body = body
    return changed


def _assigned(func_ir: FunctionIR, block: Any, value: Any, body: list[Any]) -> Any:
    name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_told"), value.loc)
    func_ir._definitions[name.name].append(value)
    body.append(ir.Assign(value, name, value.loc))
    return name


def _told(func_ir: FunctionIR, block: Any, statement: Any, kind: Any, body: list[Any]) -> Any:
    """Return the statement that raises an exception with its message; what makes it goes before."""
    exception, loc = statement.exc_class, statement.loc
    arguments = tuple(statement.exc_args or ())
    if not shows_argument(exception):
        return kind(exception, (), loc)
    if not any(isinstance(one, ir.Var) for one in arguments):
        return kind(exception, (SAID, *arguments), loc)
    given = [
        one if isinstance(one, ir.Var) else _assigned(func_ir, block, ir.Const(one, loc), body)
        for one in arguments
    ]
    function: Any = told.tell
    first, *others = given
    if others:
        function, first = told.tell_several, _assigned(func_ir, block, ir.Expr.build_tuple(given, loc), body)
    elif issubclass(exception, KeyError):
        function = told.tell_key
    name = _assigned(func_ir, block, ir.Global(function.__name__, function, loc), body)
    made = _assigned(func_ir, block, ir.Expr.call(name, (first,), (), loc), body)
    keep = _assigned(func_ir, block, ir.Global("keep_told", told.keep_told, loc), body)
    _assigned(func_ir, block, ir.Expr.call(keep, (made,), (), loc), body)
    return kind(exception, (TOLD,), loc)


def _calls_ours(func_ir: FunctionIR, block: Any, statement: Any, body: list[Any]) -> bool:
    """Whether a call or a look-up was one that fails with words of its own, and is one of ours now."""
    value = statement.value
    if value.op == "call" and not value.kws and value.vararg is None:
        ours = _OURS.get((_called(func_ir, value), len(value.args)))
        if ours is not None:
            value.func = _assigned(func_ir, block, ir.Global(ours.__name__, ours, value.loc), body)
        return ours is not None
    if value.op not in ("getitem", "static_getitem") or not _is_dict(func_ir, value):
        return False
    key = value.index if value.op == "getitem" else value.index_var
    if key is None:
        return False
    look_up = told_calls.told_item
    function = _assigned(func_ir, block, ir.Global(look_up.__name__, look_up, value.loc), body)
    new = ir.Expr.call(function, (value.value, key), (), value.loc)
    definitions = func_ir._definitions[statement.target.name]
    definitions[:] = [new if one is value else one for one in definitions]
    statement.value = new
    return True


def _called(func_ir: FunctionIR, call: Any) -> str:
    found = outer_value(func_ir, call.func)
    return found.__name__ if found is int or found is float else ""


def _is_dict(func_ir: FunctionIR, value: Any) -> bool:
    """Whether what is looked up in may be a dict."""
    owner = outer_value(func_ir, value.value)
    if owner is not None:
        return isinstance(owner, Mapping)
    made = ir_utils.guard(ir_utils.get_definition, func_ir, value.value)
    if isinstance(made, ir.Expr) and made.op == "build_map":
        return True
    return value.op == "getitem" and isinstance(made, ir.Arg)
