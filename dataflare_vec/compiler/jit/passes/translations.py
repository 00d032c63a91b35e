"""Before types are inferred: ``s.translate(TABLE)`` with a global, or with ``str.maketrans`` of constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering.instances import drop_unread
from dataflare_vec.compiler.jit.lowering.strings.translate import as_items, translator
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, outer_value

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: What isn't known: a table may have None as a value.
_UNKNOWN = object()


def translate_by_tables(func_ir: FunctionIR) -> bool:
    """Replace such calls in the IR of one function; whether there were any."""
    unread: set[str] = set()
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            call = getattr(statement, "value", None)
            if isinstance(call, ir.Expr) and call.op == "call" and len(call.args) == 1 and not call.kws:
                method = _definition(func_ir, call.func)
                if isinstance(method, ir.Expr) and method.op == "getattr" and method.attr == "translate":
                    items = as_items(_table(func_ir, call.args[0]))  # type: ignore[no-untyped-call]
                    if items is not None:
                        unread |= {call.func.name, call.args[0].name}
                        name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_translate"), call.loc)
                        function = ir.Global("translate", translator(items), call.loc)
                        body.append(ir.Assign(function, name, call.loc))
                        func_ir._definitions[name.name].append(function)
                        call.func, call.args = name, (method.value,)
            body.append(statement)
        block.body = body
    drop_unread(func_ir, unread)
    drop_unused(func_ir, unread)
    return bool(unread)


def _definition(func_ir: FunctionIR, var: Any) -> Any:
    return ir_utils.guard(ir_utils.get_definition, func_ir, var)


def _table(func_ir: FunctionIR, var: Any) -> Any:
    """Return the table that a variable stands for, None if it isn't known."""
    call = _definition(func_ir, var)
    if not isinstance(call, ir.Expr) or call.op != "call":
        return outer_value(func_ir, var)
    if outer_value(func_ir, call.func) != str.maketrans or call.kws or call.vararg is not None:
        return None
    values = [_constant(func_ir, one) for one in call.args]
    if any(one is _UNKNOWN for one in values):
        return None
    try:
        return str.maketrans(*values)
    except (TypeError, ValueError):  # each row is told that
        return None


def _constant(func_ir: FunctionIR, var: Any) -> Any:
    found = _definition(func_ir, var)
    if isinstance(found, ir.Const):
        return found.value
    if isinstance(found, ir.Expr) and found.op == "build_map":
        items = [(_constant(func_ir, key), _constant(func_ir, value)) for key, value in found.items]
        return _UNKNOWN if any(_UNKNOWN in item for item in items) else dict(items)
    value = outer_value(func_ir, var)
    return _UNKNOWN if value is None else value
