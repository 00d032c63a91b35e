"""f-strings with a format specification, which Numba's front end refuses.

Before the bytecode is translated, "format this value so" becomes ``value @= specification``, an operator that
no string has; `constants.replace_strings` makes it a call of our `format`. A function that has both such
f-strings and a real ``@`` is left as it is, and Numba says what it can't do.
"""

from __future__ import annotations

import dis
import sys
from typing import Any

_SYMBOLS = [name for _, name in dis._nb_ops] if sys.version_info >= (3, 11) else []  # type: ignore[attr-defined]


def _operator(symbol: str, name: str) -> tuple[str, int | None]:
    """Return name and argument of an operator's instruction; ``name`` is what it is before Python 3.11."""
    return ("BINARY_OP", _SYMBOLS.index(symbol)) if _SYMBOLS else (name, None)


#: What stands for a format.
_FORMAT = _operator("@=", "INPLACE_MATRIX_MULTIPLY")

# The argument of FORMAT_VALUE: how to convert the value first, and whether a specification is given. From
# Python 3.13 on these are three instructions: CONVERT_VALUE with the first, FORMAT_SIMPLE, FORMAT_WITH_SPEC.
_CONVERTED, _HAS_SPECIFICATION = 3, 4


def mark_formats(bytecode: Any, *, messages: bool = False) -> bool:
    """Mark formats in Numba's bytecode of one function; whether there were any.

    What is made for an exception only keeps its conversions with ``messages``.
    """
    instructions = list(bytecode.table.values())
    if any((item.opname, item.arg) == _FORMAT for item in instructions):
        return False
    marked = False
    for i, item in enumerate(instructions):
        if (
            item.opname == "FORMAT_VALUE"
            and not messages
            and item.arg & _CONVERTED
            and _is_raised(instructions[i:])
        ):
            item.arg &= _HAS_SPECIFICATION
        elif not messages and item.opname == "CONVERT_VALUE" and _is_raised(instructions[i:]):
            _become(item, ("NOP", None))
        if item.opname == "FORMAT_WITH_SPEC" or (
            item.opname == "FORMAT_VALUE" and item.arg == _HAS_SPECIFICATION
        ):
            _become(item, _FORMAT)
            marked = True
    bytecode.func_id.dfv_formats = marked
    return marked


def _is_raised(instructions: list[Any]) -> bool:
    """Whether what the first one makes is for an exception, and isn't computed (`jit.passes.raises`)."""
    for item in instructions:
        if item.opname == "RAISE_VARARGS":
            return True
        if item.opname.startswith(("STORE", "POP", "RETURN")) or "JUMP" in item.opname:
            return False
    return False


def _become(item: Any, instruction: tuple[str, int | None]) -> None:
    item.opname, item.arg = instruction
    item.opcode = dis.opmap[item.opname]
