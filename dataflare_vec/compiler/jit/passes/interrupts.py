"""Loops of unknown length look at each turn whether Ctrl-C was pressed (see `_util.interrupts`).

A `for` has an end, and its loops are those that vectorise: they don't look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir as llvm_ir
from numba.core import analysis, ir, ir_utils, types
from numba.extending import intrinsic

from dataflare_vec._util.interrupts import SYMBOL, words
from dataflare_vec.compiler.jit.lowering.strings.symbols import external, symbol
from dataflare_vec.compiler.jit.types.raised import Stopped

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        FunctionIR,
        Signature,
        TypingContext,
        Values,
    )

_I64 = llvm_ir.IntType(64)


@symbol(SYMBOL)
def _words() -> Any:
    return words


@intrinsic  # type: ignore[untyped-decorator]
def _look(typing_context: TypingContext) -> Any:
    """Raise KeyboardInterrupt if Ctrl-C was pressed."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        # Atomic: else it would be read once, before the loop.
        word = builder.load_atomic(external(builder.module, SYMBOL, _I64), "monotonic", 8)
        with builder.if_then(builder.icmp_unsigned("!=", word, _I64(0)), likely=False):
            context.call_conv.return_user_exc(builder, Stopped, ("Ctrl-C was pressed",))
        return context.get_dummy_value()

    return types.none(), generate


def look_in_loops(func_ir: FunctionIR) -> bool:
    """Have the `while` loops of a function look; whether there are any."""
    loops = analysis.compute_cfg_from_blocks(func_ir.blocks).loops().values()
    headers = [func_ir.blocks[loop.header] for loop in loops]
    headers = [block for block in headers if not any(block.find_exprs("iternext"))]
    for block in headers:
        at = next(i for i, statement in enumerate(block.body) if not _is_phi(statement))
        name, nothing = (
            ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_look"), block.loc) for _ in range(2)
        )
        function = ir.Global(_look.__name__, _look, block.loc)
        call = ir.Expr.call(name, (), (), block.loc)
        block.body[at:at] = [ir.Assign(function, name, block.loc), ir.Assign(call, nothing, block.loc)]
        for variable, value in ((name, function), (nothing, call)):
            func_ir._definitions[variable.name].append(value)
    return bool(headers)


def _is_phi(statement: Any) -> bool:
    value = getattr(statement, "value", None)
    return isinstance(value, ir.Expr) and value.op == "phi"
