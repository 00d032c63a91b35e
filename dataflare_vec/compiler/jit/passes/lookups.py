"""Attributes of modules, classes and their like are looked up before types are inferred.

Numba knows attributes of modules, as strings of its own kind, and knows nothing of classes and instances.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum, EnumMeta
from types import ModuleType
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering.strings.constants import constant
from dataflare_vec.definition.attributes import NotReadable, attribute, is_value
from dataflare_vec.definition.tables.frozen import is_container, is_few

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_ITEMS = ("getitem", "static_getitem")
#: Keys that a constant of the source may be.
_KEYS = (str, bytes, int)


def read_attributes(func_ir: FunctionIR) -> bool:
    """Replace attributes that are values by these, in the IR of one function; whether there were any."""
    return _read(func_ir, ("getattr",), _attribute)


def read_items(func_ir: FunctionIR) -> bool:
    """Replace items of containers from outside, which constants look up, by their values; whether any were.

    Containers within these stay what a variable that has others of them holds, too.
    """
    return _read(func_ir, _ITEMS, _scalar_item)


def _read(
    func_ir: FunctionIR, operations: Collection[str], value_of: Callable[[FunctionIR, Any], Any]
) -> bool:
    """Replace what ``value_of`` knows the value of, among expressions of some operations."""
    found = []
    for block in func_ir.blocks.values():
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr) and value.op in operations:
                with suppress(ir_utils.GuardException, NotReadable):
                    found.append((statement, value_of(func_ir, value)))
    for statement, result in found:
        old = statement.value
        name = old.attr if old.op == "getattr" else "item"
        replace_value(func_ir, statement, ir.Global(name, result, old.loc))
        drop_unused(func_ir, {var.name for var in old.list_vars()})
    return bool(found)


def _attribute(func_ir: FunctionIR, expression: Any) -> Any:
    """Return the value of an attribute that compiled code has a constant for."""
    owner = _named(func_ir, expression.value)
    result = attribute(owner, expression.attr)
    if not _becomes_table(result) and not (is_value(result) and _is_ours(owner, result)):
        raise ir_utils.GuardException
    return result


def _scalar_item(func_ir: FunctionIR, expression: Any) -> Any:
    """Return an item of a container that holds no others."""
    result = _item(func_ir, expression)
    if not is_value(result) or isinstance(result, tuple | frozenset):
        raise ir_utils.GuardException
    return result


def outer_value(func_ir: FunctionIR, var: Any) -> Any:
    """Return the global object that a variable names, None if it isn't one.

    The body of a `try` occurs several times, so that a variable has several definitions, all of them alike.
    """
    found = []
    for definition in func_ir._definitions.get(var.name, ()):
        if isinstance(definition, ir.Global | ir.FreeVar):
            found.append(definition.value)
        elif isinstance(definition, ir.Expr) and definition.op == "getattr":
            found.append(getattr(outer_value(func_ir, definition.value), definition.attr, None))
        elif isinstance(definition, ir.Var):
            found.append(outer_value(func_ir, definition))
        else:
            return None
    return found[0] if found and all(one is found[0] for one in found) else None


def _named(func_ir: FunctionIR, variable: Any) -> Any:
    """Return what a variable stands for that is a global, a closure's, or an attribute of such a thing."""
    definition = ir_utils.get_definition(func_ir, variable)
    if isinstance(definition, ir.Global | ir.FreeVar):
        return definition.value
    if isinstance(definition, ir.Expr) and definition.op == "getattr":
        return attribute(_named(func_ir, definition.value), definition.attr)
    if isinstance(definition, ir.Expr) and definition.op in _ITEMS:
        return _item(func_ir, definition)
    raise ir_utils.GuardException


def _item(func_ir: FunctionIR, expression: Any) -> Any:
    """Return what a constant key looks up in a container that is named."""
    container = _named(func_ir, expression.value)
    key = expression.index
    if expression.op == "getitem":
        key = ir_utils.get_definition(func_ir, key)
        if not isinstance(key, ir.Const | ir.Global | ir.FreeVar):
            raise ir_utils.GuardException
        key = key.value
    if not is_container(container) or not isinstance(key, _KEYS):
        raise ir_utils.GuardException
    try:
        return container[key]
    except (LookupError, TypeError):
        raise ir_utils.GuardException from None


def _becomes_table(result: Any) -> bool:
    return is_container(result) and not is_few(result)


def _is_ours(owner: Any, result: Any) -> bool:
    """Whether Numba doesn't know the value: it does numbers of modules and enumerations."""
    return constant(result) is not result or not isinstance(owner, ModuleType | Enum | EnumMeta)


def replace_value(func_ir: FunctionIR, statement: Any, value: Any) -> None:
    """Let a variable be assigned another value, where it is looked up too."""
    old, statement.value = statement.value, value
    definitions = func_ir._definitions[statement.target.name]
    definitions[:] = [value if item is old else item for item in definitions]


def drop_unused(func_ir: FunctionIR, names: set[str]) -> None:
    """Drop look-ups like ``math.fmod`` that nothing uses any more: Numba doesn't know all of them."""
    while names:
        statements = [statement for block in func_ir.blocks.values() for statement in block.body]
        targets = {id(s): s.target.name for s in statements if isinstance(s, ir.Assign)}
        used = {
            var.name
            for s in statements
            for var in s.list_vars()
            if not isinstance(s, ir.Del) and var.name != targets.get(id(s))
        }
        dropped = [s for s in statements if targets.get(id(s)) in names - used and _looks_up(s.value)]
        gone = set(map(id, dropped))
        for block in func_ir.blocks.values():
            block.body = [s for s in block.body if id(s) not in gone]
        names = {name for s in dropped if (name := _read_by(s.value))}


def _looks_up(value: Any) -> bool:
    return isinstance(value, ir.Global | ir.FreeVar | ir.Var) or getattr(value, "op", "") == "getattr"


def _read_by(value: Any) -> str | None:
    """Return the variable that a look-up reads: what it copies, or takes an attribute of."""
    variable = value.value if isinstance(value, ir.Expr) else value
    return variable.name if isinstance(variable, ir.Var) else None
