"""A kernel that gives several rows for one returns a list of them: what it yields, as columns.

A function with ``yield`` is made one that returns a list of what it yields. Where ``[]`` is returned as it is
written, None says the same, and needs no type.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering.standard.exploded import columns_of
from dataflare_vec.compiler.jit.passes.generators import collect
from dataflare_vec.compiler.jit.passes.lookups import replace_value

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


def return_yielded(func_ir: FunctionIR) -> None:
    """Let a function that yields rows return a list of them, in its IR as it comes from the bytecode."""
    if not func_ir.is_generator:
        return
    collect(func_ir)
    func_ir.is_generator = func_ir.func_id.is_generator = False
    func_ir._definitions = ir_utils.build_definitions(func_ir.blocks)


def return_columns(func_ir: FunctionIR) -> bool:
    """Let a function return the columns of the rows that it returns; it has to return something."""
    statements = [
        one for block in func_ir.blocks.values() for one in block.body if not isinstance(one, ir.Del)
    ]
    named = Counter(variable.name for one in statements for variable in one.list_vars())
    assigned = {one.target.name: one for one in statements if isinstance(one, ir.Assign)}
    for block in func_ir.blocks.values():
        end = block.body[-1] if block.body else None
        if not isinstance(end, ir.Return):
            continue
        maker = _made_empty(assigned, end.value.name, named)
        if maker is not None:
            replace_value(func_ir, maker, ir.Const(None, end.loc))
        function = _assigned(func_ir, block, ir.Global("columns_of", columns_of, end.loc))
        end.value = _assigned(func_ir, block, ir.Expr.call(function, (end.value,), (), end.loc))
    return True


def _assigned(func_ir: FunctionIR, block: Any, value: Any) -> Any:
    """Assign a value to a new variable in front of what ends a block; return the variable."""
    made = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_rows"), value.loc)
    func_ir._definitions[made.name].append(value)
    block.body.insert(len(block.body) - 1, ir.Assign(value, made, value.loc))
    return made


def _made_empty(assigned: dict[str, Any], name: str, named: Counter[str]) -> Any:
    """Return the statement that makes a variable ``[]``, which nobody else has; None if it isn't that."""
    statement = assigned.get(name)
    value = None if statement is None or named[name] != 2 else statement.value
    if isinstance(value, ir.Var):
        return _made_empty(assigned, value.name, named)
    if isinstance(value, ir.Expr) and value.op == "cast":
        return _made_empty(assigned, value.value.name, named)
    is_empty = isinstance(value, ir.Expr) and value.op == "build_list" and not value.items
    return statement if is_empty else None
