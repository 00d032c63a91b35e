"""Strings that are shown as another text than they are: members of a ``class Status(str, Enum)``.

``s == Status.PAID`` compares what it is; ``f"{Status.PAID}"`` is "Status.PAID". In compiled code both are one
string, so that a kernel may compare and return such members, or show strings, not both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.strings.base import is_string
from dataflare_vec.compiler.jit.lowering.strings.constants import IN_PLACE, NESTED, REPLACED, constant
from dataflare_vec.compiler.jit.types.strings import StringConstant

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: What shows a value as text → which of a class's ways that takes.
_SHOWS = {str: "str", IN_PLACE: "str", format: "str", repr: "repr"}


def kept_members(func_ir: FunctionIR) -> list[StringConstant]:
    """Return the constants shown otherwise that a function keeps, gives away, or returns.

    In a comparison, a concatenation or the like only what they are counts.
    """
    members: dict[str, StringConstant] = {}
    kept: dict[str, StringConstant] = {}
    statements = [statement for block in func_ir.blocks.values() for statement in block.body]
    for statement in statements:  # in the order of their definitions
        value = getattr(statement, "value", None)
        if isinstance(statement, ir.Del):
            continue
        names = [var.name for var in statement.list_vars() if var.name in members]
        if isinstance(statement, ir.Assign):
            target = statement.target.name
            if isinstance(value, ir.Const | ir.Global | ir.FreeVar):
                names = []
                members.update((target, one) for one in members_in(value.value))
            elif isinstance(value, ir.Var) or getattr(value, "op", "") == "build_tuple":
                members.update((target, members[name]) for name in names if name != target)
                names = []
            elif getattr(value, "op", "") in ("binop", "inplace_binop", "getattr"):
                names = []
        kept.update((name, members[name]) for name in names)
    return list(kept.values())


def members_in(value: Any) -> list[StringConstant]:
    """Return the strings that are shown otherwise of a constant, which may be a tuple."""
    if isinstance(value, tuple):
        return [found for item in value for found in members_in(item)]
    value = constant(value)
    return [value] if isinstance(value, StringConstant) and value.shown else []


def shows(func_ir: FunctionIR, typemap: Any) -> set[str]:
    """Return how a function shows strings, once types are inferred."""
    functions = {REPLACED[one]: way for one, way in _SHOWS.items() if one in REPLACED}
    functions |= dict.fromkeys(NESTED, "str")
    found = set()
    for block in func_ir.blocks.values():
        for call in block.find_exprs("call"):
            way = functions.get(ir_utils.guard(ir_utils.find_outer_value, func_ir, call.func))
            if way and call.args and is_string(typemap[call.args[0].name]):
                found.add(way)
    return found


def refuse(members: list[StringConstant], ways: set[str]) -> None:
    """Raise TypingError if one of the members may be shown."""
    for member in members:
        for way in ways & member.shown:
            msg = f"the text of `{member.written}` isn't what it is: `{way}` of strings shows another one"
            raise TypingError(msg)
