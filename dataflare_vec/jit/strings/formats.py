"""f-strings with a format specification, which Numba's front end refuses.

Before the bytecode is translated, "format this value so" becomes ``value @= specification``, an operator that
no string has; `constants.replace_strings` makes it a call of our `format`. A function that has both such
f-strings and a real ``@=`` is left as it is, and Numba says what it can't do.
"""

from __future__ import annotations

import dis
import sys
from typing import Any

if sys.version_info >= (3, 11):
    _NAME, _ARGUMENT = "BINARY_OP", [symbol for _, symbol in dis._nb_ops].index("@=")  # type: ignore[attr-defined]
else:
    _NAME, _ARGUMENT = "INPLACE_MATRIX_MULTIPLY", None

# The argument of FORMAT_VALUE: how to convert the value first, and whether a specification is given.
_AS_STR, _HAS_SPECIFICATION = 1, 4


def mark_formats(bytecode: Any) -> bool:
    """Mark formats in Numba's bytecode of one function; whether there were any."""
    instructions = list(bytecode.table.values())
    if any(item.opname == _NAME and item.arg == _ARGUMENT for item in instructions):
        return False
    marked = False
    for item in instructions:
        if item.opname == "FORMAT_VALUE" and item.arg == _AS_STR:
            item.arg = 0  # `!s`: what happens without it
        wanted = item.opname == "FORMAT_VALUE" and item.arg == _HAS_SPECIFICATION
        if wanted or item.opname == "FORMAT_WITH_SPEC":
            item.opcode, item.opname, item.arg = dis.opmap[_NAME], _NAME, _ARGUMENT
            marked = True
    bytecode.func_id.dfv_formats = marked
    return marked
