"""Named tuples made without some of their fields have these fields' defaults.

Numba makes a shorter tuple of ``Money(5.0)`` where ``class Money`` says ``currency: str = "EUR"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


def give_defaults(func_ir: FunctionIR, outer_value: Callable[[Any, Any], Any]) -> bool:
    """Write the defaults into the calls of a function; whether there were any.

    Parameters
    ----------
    func_ir
        The function.
    outer_value
        Returns the global object that a variable of it names.
    """
    changed = False
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            call: Any = getattr(statement, "value", None)
            if isinstance(call, ir.Expr) and call.op == "call" and not call.vararg:
                for field, default in _left_out(outer_value(func_ir, call.func), call):
                    name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_default"), call.loc)
                    value = ir.Global(field, default, call.loc)
                    body.append(ir.Assign(value, name, call.loc))
                    func_ir._definitions[name.name].append(value)
                    call.kws = (*call.kws, (field, name))
                    changed = True
            body.append(statement)
        block.body = body
    return changed


def _left_out(called: Any, call: Any) -> list[tuple[str, Any]]:
    """Return the fields with defaults that a call of a named tuple's class doesn't give."""
    if not (isinstance(called, type) and issubclass(called, tuple)):
        return []
    defaults = getattr(called, "_field_defaults", {})
    fields = getattr(called, "_fields", ())
    given = {*fields[: len(call.args)], *(name for name, _ in call.kws)}
    return [(field, default) for field, default in defaults.items() if field not in given]
