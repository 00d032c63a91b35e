"""Sets are refused where it would show in which order their items are: it isn't Python's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir, types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.containers import method_name
from dataflare_vec.compiler.jit.lowering.instances import asked
from dataflare_vec.compiler.jit.passes.lookups import outer_value
from dataflare_vec.compiler.jit.types.state_sequences import SetType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_SETS = (types.Set, SetType)

#: What gives the same in any order; with NaN among the items, the last three don't.
_ANY_ORDER = (len, bool, any, all, set, frozenset, isinstance, asked, sum, min, max, sorted)
_COMPARING = (min, max, sorted)


def check_order(func_ir: FunctionIR, typemap: Any) -> None:
    """Raise TypingError where a kernel depends on the order of a set's items."""
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr):
                for kind in _ordered(func_ir, typemap, value):
                    msg = f"the order of a set, which holds {kind.dtype}"
                    raise TypingError(msg, loc=statement.loc)


def _ordered(func_ir: FunctionIR, typemap: Any, value: Any) -> Iterator[Any]:
    """Yield the types of sets whose order an expression depends on."""
    if value.op == "getiter":
        kind = typemap[value.value.name]
        if isinstance(kind, _SETS):
            yield kind
        return
    if value.op != "call":
        return
    method = typemap[value.func.name]
    owner = getattr(method, "this", None)
    if isinstance(owner, _SETS):
        if method_name(method) == "pop":
            yield owner
        return
    if isinstance(method, types.Dispatcher | types.NamedTupleClass):
        return  # it is checked as well, or only holds the set
    function = outer_value(func_ir, value.func)
    function = getattr(function, "original", function)  # of an overlay
    given = [*value.args, *(var for _, var in value.kws)]
    for var in given:
        kind = typemap[var.name]
        if isinstance(kind, _SETS) and not _in_any_order(function, kind, len(given)):
            yield kind


def _in_any_order(function: Any, kind: Any, count: int) -> bool:
    """Whether a call of a function gives the same in whatever order the items are."""
    if function not in _ANY_ORDER:
        return False
    whole = not isinstance(kind.dtype, types.Float)
    if function is sum:
        return whole
    return function not in _COMPARING or (whole and count == 1)
