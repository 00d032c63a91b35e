"""What an exception is made of isn't compiled: a failed row's exception comes from the plain function.

So its message may be written as in any Python: with `repr`, ``%`` or `format`, of dates and decimals.

And a function with a `try` begins without an exception: Numba looks for one in a variable of its caller,
which in a loop still holds that of the last row that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import cgutils, ir, ir_utils, types
from numba.core.unsafe import eh
from numba.extending import intrinsic

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        FunctionIR,
        Signature,
        TypingContext,
        Values,
    )


@intrinsic  # type: ignore[untyped-decorator]
def _forget_exception(typing_context: TypingContext) -> Any:
    """Set the caller's variable for an exception to none."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        variable = context.call_conv._get_excinfo_argument(builder.function)
        builder.store(cgutils.get_null_value(variable.type.pointee), variable)
        return context.get_dummy_value()

    return types.none(), generate


def forget_exceptions(func_ir: FunctionIR) -> bool:
    """Have a function with a `try` begin without an exception; whether it has one."""
    values = (s.value for block in func_ir.blocks.values() for s in block.find_insts(ir.Assign))
    if not any(isinstance(v, ir.Global | ir.Const) and v.value is eh.mark_try_block for v in values):
        return False
    first = func_ir.blocks[min(func_ir.blocks)]
    function, nothing = (first.scope.make_temp(first.loc) for _ in range(2))
    named = ir.Global("_forget_exception", _forget_exception, first.loc)
    call = ir.Expr.call(function, (), (), first.loc)
    first.body[:0] = [ir.Assign(named, function, first.loc), ir.Assign(call, nothing, first.loc)]
    for variable, value in ((function, named), (nothing, call)):
        func_ir._definitions[variable.name].append(value)
    return True


def drop_arguments(func_ir: FunctionIR) -> bool:
    """Drop the arguments of the exceptions that leave a function; whether there were any."""
    changed = False
    for block in func_ir.blocks.values():
        last = block.terminator
        if isinstance(last, ir.DynamicRaise):
            block.body[-1] = ir.StaticRaise(last.exc_class, (), last.loc)
            _drop_instance(func_ir, block, last.exc_class)
            changed = True
    return changed


def _drop_instance(func_ir: FunctionIR, block: Any, exception: type) -> None:
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


def _makes(func_ir: FunctionIR, value: Any, exception: type) -> bool:
    """Whether an expression is a call of the class."""
    if not isinstance(value, ir.Expr) or value.op != "call":
        return False
    return ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func) is exception
