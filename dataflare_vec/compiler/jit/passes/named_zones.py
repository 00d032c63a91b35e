"""Before Numba infers types: time zones that a kernel makes of constants are made once.

``ZoneInfo("Europe/Berlin")`` and ``timezone(timedelta(hours=2))`` become the objects that they are.
"""

from __future__ import annotations

import datetime
import zoneinfo
from typing import TYPE_CHECKING, Any

from numba.core import ir
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.passes.lookups import drop_unused, replace_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_ZONES = (zoneinfo.ZoneInfo, datetime.timezone)
_MAKERS = (*_ZONES, datetime.timedelta)


class _NotConstant(Exception):
    """An argument is known only when the kernel runs."""


def make_zones(func_ir: FunctionIR, outer_value: Callable[[Any, Any], Any]) -> bool:
    """Replace calls that make time zones by these, in the IR of one function; whether there were any.

    Parameters
    ----------
    outer_value
        Returns the global object that a variable of the function names.

    Raises
    ------
    numba.core.errors.TypingError
        If the zone depends on the row, or there is none of that name.
    """
    changed = False
    for block in func_ir.blocks.values():
        for statement in block.body:
            call: Any = getattr(statement, "value", None)
            if not _makes(func_ir, call, outer_value, _ZONES):
                continue
            zone = _zone(func_ir, call, outer_value)
            replace_value(func_ir, statement, ir.Global("zone", zone, call.loc))
            drop_unused(func_ir, {call.func.name})
            changed = True
    return changed


def _makes(func_ir: FunctionIR, call: Any, outer_value: Any, makers: tuple[Any, ...]) -> bool:
    """Whether an expression makes something."""
    return isinstance(call, ir.Expr) and call.op == "call" and outer_value(func_ir, call.func) in makers


def _zone(func_ir: FunctionIR, call: Any, outer_value: Any) -> Any:
    try:
        return _value(func_ir, call, outer_value)
    except _NotConstant:
        msg = "a time zone is made of constants in a kernel: make it before, as a global"
        raise TypingError(msg, call.loc) from None
    except Exception as error:  # whatever is wrong with the arguments
        msg = f"there is no such time zone: {error}"
        raise TypingError(msg, call.loc) from None


def _value(func_ir: FunctionIR, value: Any, outer_value: Any) -> Any:
    """Return what an expression made of constants is."""
    if isinstance(value, ir.Var):
        definitions = func_ir._definitions.get(value.name, ())
        if len(definitions) != 1:
            raise _NotConstant
        found = outer_value(func_ir, value)
        return found if found is not None else _value(func_ir, definitions[0], outer_value)
    if isinstance(value, ir.Const | ir.Global | ir.FreeVar):
        return value.value
    if not _makes(func_ir, value, outer_value, _MAKERS) or value.vararg:
        raise _NotConstant
    arguments = [_value(func_ir, one, outer_value) for one in value.args]
    named = {name: _value(func_ir, one, outer_value) for name, one in value.kws}
    return outer_value(func_ir, value.func)(*arguments, **named)
