"""Formats within formats, ``f"{x:{width}.{digits}f}"``: width and precision are numbers of run time.

What the format says besides is known while the kernel is compiled. There each number has a place: a width
and a precision that nobody writes.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: What stands in a format for its width and for its precision.
WIDTH, PRECISION = 1987654321, 1987654322
#: Functions that show a number as text.
_TEXT = ("str", "text_of", "in_place_of")


def nested_format(func_ir: FunctionIR, spec: Any) -> tuple[str, dict[int, Any]] | None:
    """Return a format with places, and the variables for these; None if it is none that is known."""
    parts = list(_parts(func_ir, spec))
    if None in parts or all(isinstance(part, str) for part in parts):
        return None
    text, numbers = "", {}
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        place = PRECISION if text.endswith(".") else WIDTH
        if place in numbers:
            return None
        numbers[place] = part
        text += str(place)
    return text, numbers


def _parts(func_ir: FunctionIR, var: Any) -> Iterator[Any]:
    """Yield texts, and variables that are shown as text; None for anything else."""
    found = ir_utils.guard(ir_utils.get_definition, func_ir, var)
    if isinstance(found, ir.Const | ir.Global | ir.FreeVar) and isinstance(found.value, str):
        yield str(found.value)
    elif isinstance(found, ir.Expr) and found.op == "binop" and found.fn is operator.add:
        yield from _parts(func_ir, found.lhs)
        yield from _parts(func_ir, found.rhs)
    elif isinstance(found, ir.Expr) and found.op == "call" and len(found.args) == 1 and not found.kws:
        function = ir_utils.guard(ir_utils.get_definition, func_ir, found.func)
        name = getattr(getattr(function, "value", None), "__name__", "")
        yield found.args[0] if isinstance(function, ir.Global) and name in _TEXT else None
    else:
        yield None
