"""An expression in Numba's IR that becomes others: with the statements that go before it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


class Rewriting:
    """What becomes of one expression.

    Attributes
    ----------
    before
        The statements that go before it.
    unread
        The variables that it read, and reads no more.
    """

    def __init__(self, func_ir: FunctionIR, block: Any, statement: Any) -> None:
        self.func_ir, self.block, self.statement = func_ir, block, statement
        self.loc = statement.loc
        self.before: list[Any] = []
        self.unread: set[str] = set()

    def definition(self, var: Any) -> Any:
        """Return what a variable is assigned; None if that isn't one thing."""
        return ir_utils.guard(ir_utils.get_definition, self.func_ir, var)

    def assigned(self, value: Any) -> Any:
        """Return a variable that holds a value."""
        made = ir.Var(self.block.scope, ir_utils.mk_unique_var("$dfv_part"), self.loc)
        self.func_ir._definitions[made.name].append(value)
        self.before.append(ir.Assign(value, made, self.loc))
        return made

    def joined(self, parts: list[Any]) -> Any:
        """Return texts, constants and variables, one after the other, as one value."""
        texts = [self.assigned(ir.Const(one, self.loc)) if isinstance(one, str) else one for one in parts]
        made: Any = ir.Const("", self.loc) if not texts else texts[0]
        for one in texts[1:]:
            left = made if isinstance(made, ir.Var) else self.assigned(made)
            made = ir.Expr.binop(operator.add, left, one, self.loc)
        return made
