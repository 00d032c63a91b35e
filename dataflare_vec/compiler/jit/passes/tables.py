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

from dataflare_vec.compiler.jit.passes.lookups import drop_unused
from dataflare_vec.definition.tables.frozen import FEW, Frozen, frozen, is_container, is_few_texts
from dataflare_vec.definition.tables.kinds import NotATable

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


def look_up_in_tables(func_ir: FunctionIR) -> list[Frozen]:
    """Replace containers by tables in the IR of one function, and return the tables."""
    made: list[Frozen] = []
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Global | ir.FreeVar) and _becomes_table(value.value):
                value.value = _table(value.value, f"`{value.name}`", statement.loc)
                made.append(value.value)
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
    is_long = type(value) is tuple and len(value) > FEW
    if not is_long and (not isinstance(value, frozenset) or is_few_texts(value)):
        return None
    try:
        return frozen(value)
    except NotATable:
        return None
