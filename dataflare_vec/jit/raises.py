"""What an exception is made of isn't compiled: a failed row's exception comes from the plain function.

So its message may be written as in any Python: with `repr`, ``%`` or `format`, of dates and decimals.
"""

from __future__ import annotations

from typing import Any

from numba.core import ir, ir_utils


def drop_arguments(func_ir: Any) -> bool:
    """Drop the arguments of the exceptions that leave a function; whether there were any."""
    changed = False
    for block in func_ir.blocks.values():
        last = block.terminator
        if isinstance(last, ir.DynamicRaise):
            block.body[-1] = ir.StaticRaise(last.exc_class, (), last.loc)
            _drop_instance(func_ir, block, last.exc_class)
            changed = True
    return changed


def _drop_instance(func_ir: Any, block: Any, exception: type) -> None:
    """Drop the instances that a block makes for its `raise`, and what it computes for nothing else."""
    read = {
        var.name
        for other in func_ir.blocks.values()
        if other is not block
        for statement in other.body
        for var in statement.list_vars()
    }
    only_for_it: set[str] = set()
    kept = []
    for statement in reversed(block.body):
        operands = {var.name for var in statement.list_vars()}
        if isinstance(statement, ir.Assign) and (target := statement.target.name) not in read:
            operands.discard(target)
            if target in only_for_it or _makes(func_ir, statement.value, exception):
                only_for_it |= operands
                continue
        read |= operands
        kept.append(statement)
    block.body = kept[::-1]


def _makes(func_ir: Any, value: Any, exception: type) -> bool:
    """Whether an expression is a call of the class."""
    if not isinstance(value, ir.Expr) or value.op != "call":
        return False
    return ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func) is exception
