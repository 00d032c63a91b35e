"""``:=`` within a comprehension or a generator expression: it names a variable of the function around.

Before Python 3.12 comprehensions are functions, as generator expressions still are, and such a variable lies
in a cell. Their code becomes a part of the function's (`jit.passes.generators`), and the cell one variable.
"""

from __future__ import annotations

import dis
import sys
from itertools import pairwise
from types import CodeType
from typing import TYPE_CHECKING, Any

from numba.core import ir

from dataflare_vec.compiler.jit.passes.shown import ShownInterpreter

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: What the code of comprehensions and generator expressions is called.
EXPRESSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


def assigned_names(code: CodeType) -> set[str]:
    """Return the variables of a function around that the code of an expression assigns."""
    if code.co_name not in EXPRESSIONS:
        return set()
    stores = {one.argval for one in dis.get_instructions(code) if one.opname == "STORE_DEREF"}
    return stores & set(code.co_freevars)


def shared_names(code: CodeType) -> set[str]:
    """Return the variables of a function that its expressions assign, and no function within it sees."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    seen = {name for one in inner if one.co_name not in EXPRESSIONS for name in one.co_freevars}
    return {name for one in inner for name in assigned_names(one)} & set(code.co_cellvars) - seen


def _cell(code: CodeType, argument: int) -> str:
    """Return the variable that an instruction's argument says, which lies in a cell."""
    if sys.version_info >= (3, 11):
        return str(code._varname_from_oparg(argument))  # type: ignore[attr-defined]
    return (*code.co_cellvars, *code.co_freevars)[argument]


class SharingInterpreter(ShownInterpreter):
    """What instructions are in Numba's IR."""

    def op_LOAD_CLOSURE(self, inst: Any, res: str) -> None:
        """Let an expression have a variable that it shares: there need not be a value yet."""
        if _cell(self.func_id.code, inst.arg) in shared_names(self.func_id.code):
            self.store(ir.Const(None, self.loc), res)
            return
        super().op_LOAD_CLOSURE(inst, res)

    def op_LOAD_DEREF(self, inst: Any, res: str) -> None:
        """Read a variable that an expression shares: the assignments come with its code."""
        name = _cell(self.func_id.code, inst.arg)
        if name in shared_names(self.func_id.code):
            self.store(self.current_scope.get_or_define(name, self.loc), res)
            return
        super().op_LOAD_DEREF(inst, res)


def read_stored(code: CodeType) -> CodeType:
    """Return the code of an expression with "copy, store" as "store, read", as `read_assigned` has it."""
    changed = bytearray(code.co_code)
    read = dis.opmap["LOAD_DEREF"]
    for first, second in pairwise(dis.get_instructions(code)):
        copies = (first.opname == "COPY" and first.arg == 1) or first.opname == "DUP_TOP"
        if copies and second.opname == "STORE_DEREF":
            at, cell = second.offset, changed[second.offset + 1]
            changed[first.offset : at + 2] = bytes((second.opcode, cell, read, cell))
    return code.replace(co_code=bytes(changed))


def share(code: FunctionIR, expression: Any) -> None:
    """Let the code of an expression read a variable that it assigns where the function has it."""
    names = assigned_names(expression.code)
    for block in code.blocks.values() if names else ():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.FreeVar) and value.name in names:
                statement.value = block.scope.get_or_define(value.name, value.loc)
