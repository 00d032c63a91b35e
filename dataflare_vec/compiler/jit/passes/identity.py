"""After Numba has inferred types: `is` of bools and members of enumerations, which may be None.

Numba's code of `is` knows None beside an optional value, and takes any other two types for two objects:
``flag is True`` would be False where ``flag`` may be None. Which other values are one object is an accident
of the interpreter: `is` of numbers, texts and dates is refused.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import ir, types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.passes.exact_integers import plain_kind
from dataflare_vec.compiler.jit.passes.optional import both_absent, code_for, one_absent, retype
from dataflare_vec.compiler.jit.types.json import JsonType

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_CODES = {
    operator.is_: code_for(operator.is_, both_absent),
    operator.is_not: code_for(operator.is_not, one_absent),
}
#: Of which there is one object for each value.
_SINGLE = (types.Boolean, types.EnumMember)
#: What Numba compares by where it lies in memory, or refuses itself.
_OBJECTS = (
    types.Callable,
    types.Opaque,
    types.Dispatcher,
    types.List,
    types.Set,
    types.DictType,
    types.Array,
)


def compare_identity(func_ir: FunctionIR, typemap: Any, calltypes: Any) -> bool:
    """Change a typed function so; whether there was anything to change.

    Raises
    ------
    TypingError
        If it asks for the identity of other values than these.
    """
    changed = False
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Expr) and value.op == "binop" and value.fn in _CODES:
                changed |= _compare(value, statement.loc, typemap, calltypes)
    return changed


def _compare(value: Any, loc: Any, typemap: Any, calltypes: Any) -> bool:
    given = tuple(typemap[var.name] for var in (value.lhs, value.rhs))
    kinds = tuple(map(plain_kind, given))
    if types.none in kinds or any(isinstance(kind, _OBJECTS) for kind in kinds):
        return False
    if not any(isinstance(kind, _SINGLE) for kind in kinds) or not _is_known(given):
        msg = f"`is` between {kinds[0]} and {kinds[1]}"
        raise TypingError(msg, loc=loc)
    if not any(isinstance(kind, types.Optional) for kind in given):
        return False
    code = _CODES[value.fn]
    value.fn = value.immutable_fn = code
    retype(value, code, given, calltypes)
    return True


def _is_known(given: tuple[types.Type, ...]) -> bool:
    """Whether there is an answer: a value of JSON beside one that may be None has none."""
    json = any(isinstance(plain_kind(kind), JsonType) for kind in given)
    return not json or not any(isinstance(kind, types.Optional) for kind in given)
