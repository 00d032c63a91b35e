"""Whether a plain function raises numbers to powers, of which Python's integers may fill the memory."""

from __future__ import annotations

import dis
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition import Plugin, plain

if TYPE_CHECKING:
    from collections.abc import Callable

#: What compiled code says of such a power.
TOO_LARGE = "the power does not fit a 64-bit integer; write `float(x) ** n`"
_OPERATORS = ("BINARY_POWER", "INPLACE_POWER")  # Python 3.10; later ones have one operation for all


def raises_to_powers(function: Callable[..., Any]) -> bool:
    """Whether a function, or one of those that it names, has ``**`` or `pow`."""
    seen: set[int] = set()
    waiting: list[Any] = [function]
    while waiting:
        one = waiting.pop()
        one = plain(one.function if isinstance(one, Plugin) else one)
        if not isinstance(one, FunctionType) or id(one) in seen:
            continue
        seen.add(id(one))
        if _has_power(one.__code__):
            return True
        waiting += [one.__globals__.get(name) for name in one.__code__.co_names]
    return False


def _has_power(code: CodeType) -> bool:
    return (
        "pow" in code.co_names
        or any(i.opname in _OPERATORS or i.argrepr in ("**", "**=") for i in dis.get_instructions(code))
        or any(_has_power(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    )
