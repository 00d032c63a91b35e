"""What a plain function, or one of those that it names, makes use of: where its own results need care."""

from __future__ import annotations

import dis
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.plugin import Plugin, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What compiled code says of a power that Python's integers could fill the memory with.
TOO_LARGE = "the power does not fit a 64-bit integer; write `float(x) ** n`"
_OPERATORS = ("BINARY_POWER", "INPLACE_POWER")  # Python 3.10; later ones have one operation for all


def raises_to_powers(function: Callable[..., Any]) -> bool:
    """Whether it has ``**`` or `pow`."""
    return any(
        "pow" in code.co_names
        or any(i.opname in _OPERATORS or i.argrepr in ("**", "**=") for i in dis.get_instructions(code))
        for code in _codes_of(function)
    )


def rounds(function: Callable[..., Any]) -> bool:
    """Whether it has `round`, or `math.trunc`."""
    return any(not {"round", "trunc"}.isdisjoint(code.co_names) for code in _codes_of(function))


def _codes_of(function: Callable[..., Any]) -> Iterator[CodeType]:
    """Yield the code of a function, of the functions in it, and of those that it names."""
    seen: set[int] = set()
    waiting: list[Any] = [function]
    while waiting:
        one = waiting.pop()
        one = plain(one.function if isinstance(one, Plugin) else one)
        if not isinstance(one, FunctionType) or id(one) in seen:
            continue
        seen.add(id(one))
        for code in _within(one.__code__):
            yield code
            waiting += [one.__globals__.get(name) for name in code.co_names]
        waiting += [cell.cell_contents for cell in one.__closure__ or () if _is_assigned(cell)]


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _within(constant)


def _is_assigned(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
