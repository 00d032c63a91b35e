"""Before types are inferred: ``row._replace(x=1)`` of named tuples, and ``Color(2)``, a member by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering.standard.made_by_class import is_by_value, member_of, with_fields
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, outer_value

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


def make_by_class(func_ir: FunctionIR) -> bool:
    """Replace such calls in the IR of one function; whether there were any."""
    changed = False
    replaced: set[str] = set()
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            call = getattr(statement, "value", None)
            if isinstance(call, ir.Expr) and call.op == "call" and call.vararg is None:
                old = call.func.name
                if _replaces(func_ir, block, call, body) or _finds(func_ir, block, call, body):
                    replaced.add(old)
                    changed = True
            body.append(statement)
        block.body = body
    drop_unused(func_ir, replaced)
    return changed


def _assigned(func_ir: FunctionIR, block: Any, value: Any, body: list[Any]) -> Any:
    name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_made"), value.loc)
    func_ir._definitions[name.name].append(value)
    body.append(ir.Assign(value, name, value.loc))
    return name


def _replaces(func_ir: FunctionIR, block: Any, call: Any, body: list[Any]) -> bool:
    """Whether a call was one of ``_replace``, and is one of ours now."""
    method = ir_utils.guard(ir_utils.get_definition, func_ir, call.func)
    if not isinstance(method, ir.Expr) or method.op != "getattr" or method.attr != "_replace":
        return False
    if call.args or not call.kws:
        return False
    names = " ".join(name for name, _ in call.kws)
    values = (
        ir.Global("with_fields", with_fields, call.loc),
        ir.Const(names, call.loc),
        ir.Expr.build_tuple([value for _, value in call.kws], call.loc),
    )
    function, names, given = (_assigned(func_ir, block, value, body) for value in values)
    call.func, call.args, call.kws = function, (method.value, names, given), ()
    return True


def _finds(func_ir: FunctionIR, block: Any, call: Any, body: list[Any]) -> bool:
    """Whether a call was one of an enumeration, and is one of ours now."""
    cls = outer_value(func_ir, call.func)
    if len(call.args) != 1 or call.kws or not is_by_value(cls):
        return False
    call.func = _assigned(func_ir, block, ir.Global(cls.__name__, member_of(cls), call.loc), body)
    return True
