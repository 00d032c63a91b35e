"""Before types are inferred: functions of Python's that are handed on, and operators that are called by name.

What is called is Python's (`jit.passes.calls`, `jit.passes.exact_integers`); what is handed on, as ``abs`` in
``max(rows, key=abs)``, would be called by somebody who knows only Numba's. So a function is handed on that
does nothing but call it, and is compiled as a user's own. ``operator.floordiv(a, b)`` is ``a // b``.
"""

from __future__ import annotations

import inspect
import operator
from collections import Counter
from functools import cache, reduce
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np
from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering.exact.overlay import OVERLAYS
from dataflare_vec.compiler.jit.lowering.math.table import REPLACED
from dataflare_vec.compiler.jit.lowering.standard.sequences import fold
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, outer_value, replace_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_BINARY: set[Any] = {
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod),
    *(operator.pow, operator.lshift, operator.rshift, operator.and_, operator.or_, operator.xor),
    *(operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.contains),
}
_UNARY: dict[Any, Any] = {
    operator.neg: operator.neg,
    operator.pos: operator.pos,
    operator.not_: operator.not_,
    operator.invert: operator.invert,
    operator.inv: operator.invert,
}
_SAME: dict[Any, Any] = {operator.abs: abs, operator.truth: bool, operator.index: int}
#: Classes that make a value of one that they are called with.
_CLASSES = (int, float, bool, str)
_GETTERS = (operator.itemgetter, operator.attrgetter, operator.methodcaller)
#: Whose first argument is a function, of as many arguments; None: of as many as follow it.
_TAKES: dict[Any, int | None] = {map: None, filter: 1, fold: 2}


def replace_reduce(func_ir: FunctionIR) -> bool:
    """Replace `functools.reduce` before Numba does; whether it was there."""
    changed = False
    for block in func_ir.blocks.values():
        for statement in block.find_insts(ir.Assign):
            if _found(func_ir, statement.value) is reduce:
                replace_value(func_ir, statement, ir.Global("fold", fold, statement.loc))
                changed = True
    return changed


def hand_on(func_ir: FunctionIR) -> bool:
    """Change the IR of a function so; whether there was anything to change."""
    changed = _write_operators(func_ir)
    arities = _handed_on(func_ir)
    unread: set[str] = set()
    for block in func_ir.blocks.values():
        for statement in block.body:
            if not isinstance(statement, ir.Assign):
                continue
            old, name = statement.value, statement.target.name
            found = _found(func_ir, old)
            new = _stand_in(found, arities[name]) if name in arities else _same(found)
            if new is not found or (found is not None and getattr(old, "op", "") == "static_getitem"):
                unread |= {var.name for var in old.list_vars()} if isinstance(old, ir.Expr) else set()
                replace_value(func_ir, statement, ir.Global("handed_on", new, old.loc))
                changed = True
    drop_unused(func_ir, unread)
    return changed


# -- operators that are called by name --------------------------------------------------------------------


def _write_operators(func_ir: FunctionIR) -> bool:
    unread: set[str] = set()
    for block in func_ir.blocks.values():
        for statement in block.body:
            call = getattr(statement, "value", None)
            if not isinstance(statement, ir.Assign) or not isinstance(call, ir.Expr) or call.op != "call":
                continue
            if call.kws or call.vararg is not None:
                continue
            found = outer_value(func_ir, call.func)
            new = _operation(found, call)
            if new is not None:
                unread.add(call.func.name)
                replace_value(func_ir, statement, new)
    drop_unused(func_ir, unread)
    return bool(unread)


def _operation(found: Any, call: Any) -> Any:
    """Return the expression that the call of an operator is, None for anything else."""
    if not isinstance(found, BuiltinFunctionType):
        return None
    if len(call.args) == 2 and found in _BINARY:
        return ir.Expr.binop(found, *call.args, call.loc)
    if len(call.args) == 2 and found is operator.getitem:
        return ir.Expr.getitem(*call.args, call.loc)
    if len(call.args) == 1 and found in _UNARY:
        return ir.Expr.unary(_UNARY[found], call.args[0], call.loc)
    return None


# -- functions that are handed on -------------------------------------------------------------------------


def _handed_on(func_ir: FunctionIR) -> dict[str, int | None]:
    """Return the variables that aren't only called: with how many arguments others call them, if known."""
    arities: dict[str, int | None] = {}
    copies: list[tuple[str, list[str]]] = []
    for block in func_ir.blocks.values():
        for statement in block.find_insts(ir.Assign):
            value = statement.value
            if isinstance(value, ir.Var):
                copies.append((statement.target.name, [value.name]))
            elif isinstance(value, ir.Expr) and value.op in ("phi", "cast"):
                names = [one.name for one in value.list_vars() if isinstance(one, ir.Var)]
                copies.append((statement.target.name, names))
            elif isinstance(value, ir.Global | ir.FreeVar) and type(value.value) is tuple:
                arities.setdefault(statement.target.name, None)
            elif isinstance(value, ir.Expr) and value.op == "call":
                arities.update(_arguments(func_ir, value))
            elif isinstance(value, ir.Expr) and value.op.startswith("build_"):
                arities.update({var.name: arities.get(var.name) for var in value.list_vars()})
    grows = True
    while grows:
        before = len(arities)
        for target, sources in copies:
            if target in arities:
                for name in sources:
                    arities.setdefault(name, arities[target])
        grows = len(arities) > before
    return arities


def _arguments(func_ir: FunctionIR, call: Any) -> Iterator[tuple[str, int | None]]:
    called = outer_value(func_ir, call.func)
    takes = isinstance(called, type | FunctionType | BuiltinFunctionType) and called in _TAKES
    for i, argument in enumerate(call.args):
        first = takes and i == 0
        yield argument.name, (_TAKES[called] or len(call.args) - 1) if first else None
    for name, argument in call.kws:
        yield argument.name, 1 if name == "key" else None
    if call.vararg is not None:
        yield call.vararg.name, None


def _found(func_ir: FunctionIR, value: Any) -> Any:
    """Return the object that is looked up, or made of constants; None for anything else."""
    if isinstance(value, ir.Global | ir.FreeVar):
        return value.value
    if not isinstance(value, ir.Expr):
        return None
    if value.op == "getattr":
        return getattr(outer_value(func_ir, value.value), value.attr, None)
    if value.op == "static_getitem":  # an item of a tuple of functions
        functions = outer_value(func_ir, value.value)
        is_one = type(functions) is tuple and type(value.index) is int and -1 <= value.index < len(functions)
        return functions[value.index] if is_one and all(map(callable, functions)) else None
    if value.op == "call" and not value.kws and value.vararg is None:
        maker = outer_value(func_ir, value.func)
        if any(maker is one for one in _GETTERS):
            constants = [ir_utils.guard(ir_utils.find_const, func_ir, one) for one in value.args]
            return maker(*constants) if constants and None not in constants else None
    return None


def _stand_in(found: Any, arity: int | None) -> Any:
    """Return a function that calls what is handed on; what needs none is returned as it is."""
    if type(found) is tuple:
        items = tuple(_stand_in(one, arity) for one in found)
        return found if all(new is old for new, old in zip(items, found, strict=True)) else items
    if isinstance(found, _GETTERS):
        return _getting(found)
    if any(found is one for one in _CLASSES):
        return found if arity is None else _calling(found, arity)
    if isinstance(found, BuiltinFunctionType | np.ufunc) or _is_known(found):
        return _calling(found, arity or _arity(found))
    return found


def _same(found: Any) -> Any:
    """Return the built-in function that one of `operator`'s is."""
    return _SAME.get(found, found) if isinstance(found, BuiltinFunctionType) else found


def _is_known(found: Any) -> bool:
    """Whether calls of it are replaced."""
    try:
        return found in OVERLAYS or found in REPLACED
    except TypeError:  # not hashable
        return False


def _arity(function: Any) -> int:
    """Return how many arguments a function needs at least; 2 of those that take any number."""
    if isinstance(function, np.ufunc):
        return int(function.nin)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # as `max` and `math.log`
        return 2 if function in (min, max) else 1
    kinds = Counter(one.kind for one in parameters if one.default is one.empty)
    named = kinds[inspect.Parameter.POSITIONAL_ONLY] + kinds[inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return named or (2 if kinds[inspect.Parameter.VAR_POSITIONAL] else 1)


@cache
def _calling(function: Any, arity: int) -> FunctionType:
    """Return a function that does nothing but call one; compiled as a user's, being of no module of ours."""
    function = _same(function)
    name, owner = function.__name__, getattr(function, "__self__", None)
    values = ", ".join(f"value_{i}" for i in range(arity))
    if isinstance(owner, type):  # as `date.fromisoformat`
        return _defined(name, values, f"owner.{name}({values})", owner=owner)
    return _defined(name, values, f"function({values})", function=function)


def _getting(getter: Any) -> FunctionType:
    """Return a function for one of `operator`'s getters."""
    kind, (first, *more) = getter.__reduce__()[:2]
    if kind is operator.methodcaller:
        result = f"value.{first}({', '.join(map(repr, more))})"
    else:
        shown = "value[{!r}]" if kind is operator.itemgetter else "value.{}"
        result = ", ".join(shown.format(one) for one in (first, *more))
    return _defined(kind.__name__, "value", result)


@cache
def _compiled(text: str) -> Any:
    return compile(text, "<handed on>", "exec")


def _defined(name: str, parameters: str, result: str, **named: Any) -> FunctionType:
    scope = {"__name__": "handed_on", **named}
    exec(_compiled(f"def {name}({parameters}):\n    return {result}\n"), scope)
    made: FunctionType = scope[name]
    return made
