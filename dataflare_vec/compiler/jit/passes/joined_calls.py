"""Before Numba infers types: ``int(s.replace(",", ""))`` becomes one call, which makes no text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering.strings.numbers.replaced import int_without
from dataflare_vec.compiler.jit.passes.lookups import drop_unused

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


def join_calls(func_ir: FunctionIR) -> bool:
    """Join the calls in the IR of one function; whether there were any."""
    statements = [statement for block in func_ir.blocks.values() for statement in block.body]
    named = Counter(variable.name for statement in statements for variable in statement.list_vars())
    changed = False
    for block in func_ir.blocks.values():
        for statement in list(block.body):
            made = ir_utils.guard(_made_for, func_ir, block, statement, named)
            if made is not None:
                _join(func_ir, block, statement, made)
                changed = True
    return changed


def _made_for(func_ir: FunctionIR, block: Any, statement: Any, named: Counter[str]) -> Any:
    """Return the statement that makes the text, without a byte, which this one alone reads as a number.

    Raises
    ------
    GuardException
        If it reads none, or what is replaced is another one there.
    """
    function, arguments = _call(func_ir, statement)
    ir_utils.require(len(arguments) == 1 and _value(function) is int)
    text = arguments[0].name
    made = [one for one in block.body if isinstance(one, ir.Assign) and one.target.name == text]
    ir_utils.require(len(made) == 1 and named[text] == 2)
    method, arguments = _call(func_ir, made[0])
    ir_utils.require(isinstance(method, ir.Expr) and method.op == "getattr" and method.attr == "replace")
    ir_utils.require(len(arguments) == 2)
    byte, nothing = (_value(ir_utils.get_definition(func_ir, one)) for one in arguments)
    ir_utils.require(isinstance(byte, str | bytes) and len(byte) == 1 and byte.isascii())
    ir_utils.require(isinstance(nothing, str | bytes) and not nothing)
    looked_up = [i for i, one in enumerate(block.body) if getattr(one, "value", None) is method]
    ir_utils.require(len(looked_up) == 1)
    between = block.body[looked_up[0] : block.body.index(statement)]
    changed = [one.target.name for one in between if isinstance(one, ir.Assign)]
    ir_utils.require(made[0] in between and method.value.name not in changed)
    return made[0]


def _call(func_ir: FunctionIR, statement: Any) -> tuple[Any, Any]:
    """Return what a statement calls, as it is defined, and the arguments."""
    ir_utils.require(isinstance(statement, ir.Assign) and isinstance(statement.value, ir.Expr))
    call = statement.value
    ir_utils.require(call.op == "call" and not call.kws and call.vararg is None)
    return ir_utils.get_definition(func_ir, call.func), call.args


def _value(definition: Any) -> Any:
    ir_utils.require(isinstance(definition, ir.Const | ir.Global | ir.FreeVar))
    return definition.value


def _join(func_ir: FunctionIR, block: Any, statement: Any, made: Any) -> None:
    old, replaced = statement.value, made.value
    method = ir_utils.get_definition(func_ir, replaced.func)
    function = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_int"), old.loc)
    named = ir.Global(int_without.__name__, int_without, old.loc)
    statement.value = ir.Expr.call(function, (method.value, *replaced.args), (), old.loc)
    definitions = func_ir._definitions
    definitions[function.name].append(named)
    definitions[statement.target.name] = [
        statement.value if item is old else item for item in definitions[statement.target.name]
    ]
    del definitions[made.target.name]
    block.body.remove(made)
    block.body.insert(block.body.index(statement), ir.Assign(named, function, old.loc))
    drop_unused(func_ir, {replaced.func.name})
