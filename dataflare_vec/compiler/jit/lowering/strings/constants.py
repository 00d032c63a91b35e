"""A kernel's string constants become ours, and what makes Numba's strings calls ours.

Works on Numba's IR before types are inferred, so that no string of Numba's own kind comes up: constants in
the code, in globals and in closures, alone and in tuples; the built-in functions that return strings;
format specifications. The kernel's Python function stays as it is.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering.instances import drop_unread
from dataflare_vec.compiler.jit.lowering.strings.nested_formats import PRECISION, WIDTH, nested_format
from dataflare_vec.compiler.jit.types.strings import BytesConstant, StringConstant, WideConstant
from dataflare_vec.definition.text_subclasses import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: What `str` is called where it shows a value in an f-string or a template: `format` without a specification.
IN_PLACE = "str in place"
#: Built-in functions that Numba gives its own strings → ours; filled by the files that implement them.
REPLACED: dict[Any, Any] = {}
#: What is called for a format within a format; filled likewise.
NESTED: list[Any] = []


def constant(value: Any) -> Any:
    """Return a constant with its strings as ours; the value itself if there are none.

    Members of a ``class Status(str, Enum)`` are strings, as they are in Python; a class that has another
    ``==`` or `upper`, say, isn't.
    """
    if isinstance(value, StringConstant | BytesConstant):
        return value
    if isinstance(value, str):
        return StringConstant.of(value) if is_plain(value) else value
    if isinstance(value, bytes):
        return BytesConstant(value) if is_plain(value) else value
    if isinstance(value, frozenset):
        items = constant(tuple(sorted(value, key=repr)))  # `x in {"a", "b"}`
        return items if any(True for _ in _texts(items)) else value
    if isinstance(value, tuple):
        items = [constant(item) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        if not all(text.isascii() for text in _texts(tuple(items)) if isinstance(text, str)):
            items = list(map(_wide, items))
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def _texts(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, StringConstant | BytesConstant):
        yield value


def _wide(value: Any) -> Any:
    if isinstance(value, tuple):
        items = map(_wide, value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return WideConstant.of(value) if isinstance(value, StringConstant) else value


def replace_strings(func_ir: FunctionIR) -> bool:
    """Replace strings and what makes them in the IR of one function; whether there were any."""
    changed = False
    specs: set[str] = set()
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            if isinstance(statement, ir.DynamicRaise | ir.DynamicTryRaise):
                # A message made at run time costs an allocation, and the row is run again in Python for it.
                kind = ir.StaticRaise if isinstance(statement, ir.DynamicRaise) else ir.StaticTryRaise
                statement = kind(statement.exc_class, (), statement.loc)
                changed = True
            elif isinstance(statement, ir.Assign):
                value = statement.value
                if isinstance(value, ir.Const | ir.Global | ir.FreeVar):
                    new = constant(value.value)
                    if new is value.value:
                        new = _built_in(value)
                    if new is not value.value:
                        value.value = new
                        value.use_literal_type = not isinstance(new, tuple)
                        changed = True
                elif _is_call_of_format(func_ir, value):
                    body += _nest(func_ir, block, value, specs)
                    changed = True
                elif _is_format(func_ir, value):
                    body += _format_call(func_ir, block, statement, specs)
                    changed = True
            body.append(statement)
        block.body = body
    drop_unread(func_ir, specs)
    return changed


def _built_in(named: Any) -> Any:
    """Return what stands for a constant that is a function; itself if nothing does."""
    value = named.value
    try:
        return REPLACED.get(IN_PLACE if getattr(named, "name", "") == IN_PLACE else value, value)
    except TypeError:  # not hashable
        return value


def _is_format(func_ir: FunctionIR, value: Any) -> bool:
    """Whether an expression is an operator that stands for a format."""
    if not getattr(func_ir.func_id, "dfv_formats", False) or not isinstance(value, ir.Expr):
        return False
    return value.op == "inplace_binop" and value.fn is operator.imatmul


def _format_call(func_ir: FunctionIR, block: Any, statement: Any, specs: set[str]) -> list[Any]:
    """Turn an operator that stands for a format (see `mark_formats`) into a call; return what goes before."""
    old = statement.value
    before: list[Any] = []

    def assigned(value: Any) -> Any:
        name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_format"), old.loc)
        func_ir._definitions[name.name].append(value)
        before.append(ir.Assign(value, name, old.loc))
        return name

    function = assigned(ir.Global("format", REPLACED[format], old.loc))
    statement.value = ir.Expr.call(function, (old.lhs, old.rhs), (), old.loc)
    before += _nest(func_ir, block, statement.value, specs)
    definitions = func_ir._definitions[statement.target.name]
    definitions[:] = [statement.value if item is old else item for item in definitions]
    return before


def _is_call_of_format(func_ir: FunctionIR, value: Any) -> bool:
    if not isinstance(value, ir.Expr) or value.op != "call" or len(value.args) != 2 or value.kws:
        return False
    function = ir_utils.guard(ir_utils.get_definition, func_ir, value.func)
    return isinstance(function, ir.Global) and function.value in (format, REPLACED[format])


def _nest(func_ir: FunctionIR, block: Any, call: Any, specs: set[str]) -> list[Any]:
    """Have a call of `format` take what its format has of run time, if anything; return what goes before."""
    found = nested_format(func_ir, call.args[1])
    if found is None:
        return []
    text, numbers = found
    specs.add(call.args[1].name)
    before: list[Any] = []

    def assigned(value: Any) -> Any:
        name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_format"), call.loc)
        func_ir._definitions[name.name].append(value)
        before.append(ir.Assign(value, name, call.loc))
        return name

    spec = ir.Const(StringConstant(text), call.loc)
    spec.use_literal_type = True
    call.func = assigned(ir.Global("format", NESTED[0], call.loc))
    given = [numbers.get(place) or assigned(ir.Const(0, call.loc)) for place in (WIDTH, PRECISION)]
    call.args = (call.args[0], assigned(spec), *given)
    return before
