"""Dicts, sets, lists and long tuples from outside of a kernel become tables, before types are inferred.

Numba knows no dict or set of a module's, compiles a long tuple item by item, and builds a set anew in each
row. A dict, a set or a list is a table wherever it is used. A tuple is one where it is asked for an item, for
whether something is in it, or gone over: elsewhere, as where it is unpacked, it is what Numba knows.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.instances import drop_unread
from dataflare_vec.compiler.jit.passes.lookups import drop_unused
from dataflare_vec.compiler.jit.types.tables import InnerType, Nothing, TableType
from dataflare_vec.definition.tables.frozen import (
    Frozen,
    frozen,
    is_container,
    is_few,
    is_few_texts,
)
from dataflare_vec.definition.tables.kinds import NotATable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numba.core import types

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


def look_up_in_tables(func_ir: FunctionIR, arguments: Sequence[types.Type]) -> list[Frozen]:
    """Replace containers by tables in the IR of one function, and return the tables."""
    made: list[Frozen] = []
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Global | ir.FreeVar) and _becomes_table(value.value):
                value.value = _table(value.value, f"`{value.name}`", statement.loc)
                made.append(value.value)
    _replace_empty_defaults(func_ir, arguments)
    replaced: set[str] = set()
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            expression: Any = getattr(statement, "value", None)
            place = _asked(expression)
            found = _long_tuple(func_ir, getattr(expression, place)) if place else None
            if found is not None and (expression.op == "binop" or found.value is not None):
                old = getattr(expression, place)
                name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_table"), old.loc)
                value = ir.Global("table", found, old.loc)
                body.append(ir.Assign(value, name, old.loc))
                func_ir._definitions[name.name].append(value)
                setattr(expression, place, name)
                replaced.add(old.name)
                made.append(found)
            body.append(statement)
        block.body = body
    drop_unused(func_ir, replaced)
    return made


def _replace_empty_defaults(func_ir: FunctionIR, arguments: Sequence[types.Type]) -> None:
    """Have ``TABLE.get(key, {})`` of a table of containers give one of these, which is empty."""
    replaced: set[str] = set()
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            call: Any = getattr(statement, "value", None)
            if _gets(func_ir, call, arguments) and len(call.args) == 2 and _is_empty(func_ir, call.args[1]):
                old = call.args[1]
                name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_nothing"), old.loc)
                value = ir.Global("nothing", Nothing(), old.loc)
                body.append(ir.Assign(value, name, old.loc))
                func_ir._definitions[name.name].append(value)
                call.args = [call.args[0], name]
                replaced.add(old.name)
            body.append(statement)
        block.body = body
    drop_unread(func_ir, replaced)


def _gets(func_ir: FunctionIR, call: Any, arguments: Sequence[types.Type]) -> bool:
    """Whether an expression is a call of `get` of a table that holds containers, or of one of these."""
    if not isinstance(call, ir.Expr) or call.op != "call" or call.kws:
        return False
    method = ir_utils.guard(ir_utils.get_definition, func_ir, call.func)
    if not isinstance(method, ir.Expr) or method.op != "getattr" or method.attr != "get":
        return False
    found = ir_utils.guard(ir_utils.get_definition, func_ir, method.value)
    while isinstance(found, ir.Expr) and found.op in ("getitem", "static_getitem", "call"):
        if found.op == "call":
            if not _gets(func_ir, found, arguments):
                return False
            found = ir_utils.get_definition(func_ir, found.func)
        found = ir_utils.guard(ir_utils.get_definition, func_ir, found.value)
    kind = None
    if isinstance(found, ir.Const | ir.Global | ir.FreeVar) and isinstance(found.value, Frozen):
        kind = found.value.value
    elif isinstance(found, ir.Arg) and found.index < len(arguments):
        ty = arguments[found.index]
        ty = ty.table if isinstance(ty, InnerType) else ty
        kind = ty.value_kind if isinstance(ty, TableType) else None
    return kind is not None and kind.name in ("inner", "record")


def _is_empty(func_ir: FunctionIR, variable: Any) -> bool:
    """Whether a variable is an empty dict, list, set or tuple."""
    made = ir_utils.guard(ir_utils.get_definition, func_ir, variable)
    if isinstance(made, ir.Const | ir.Global | ir.FreeVar):
        return isinstance(made.value, tuple | dict | list | frozenset) and not made.value
    if not isinstance(made, ir.Expr):
        return False
    if made.op == "call":
        function = ir_utils.guard(ir_utils.get_definition, func_ir, made.func)
        is_class = getattr(function, "value", None) in (dict, list, set, tuple, frozenset)
        return is_class and not made.args and not made.kws
    return made.op in ("build_map", "build_list", "build_tuple") and not made.items


def _becomes_table(value: Any) -> bool:
    """Whether a value becomes a table wherever it is used; that it doesn't change is no matter."""
    if isinstance(value, tuple) or is_few_texts(value):
        return False
    return is_container(value) or isinstance(value, dict | set | list)


def _table(value: Any, name: str, loc: Any) -> Frozen:
    try:
        return frozen(value)
    except NotATable as error:
        msg = f"a table can't be made of {name}: {error.problem}; {error.hint}"
        raise TypingError(msg, loc=loc) from None


def _asked(expression: Any) -> str:
    """Return which attribute of an expression is a container that is only asked for what it holds."""
    if not isinstance(expression, ir.Expr):
        return ""
    if expression.op == "binop" and expression.fn is operator.contains:
        return "lhs"
    return "value" if expression.op in ("getitem", "getiter") else ""


def _long_tuple(func_ir: FunctionIR, variable: Any) -> Frozen | None:
    """Return the table of a constant that a variable stands for, if that is a long tuple or a set."""
    definition = ir_utils.guard(ir_utils.get_definition, func_ir, variable)
    if not isinstance(definition, ir.Const | ir.Global | ir.FreeVar):
        return None
    value = definition.value
    is_long = type(value) is tuple and not is_few(value)
    if not is_long and (not isinstance(value, frozenset) or is_few_texts(value)):
        return None
    try:
        return frozen(value)
    except NotATable:
        return None
