"""Generator expressions, where a function takes all they yield: put into the code as loops.

``any(… for …)``, ``all`` and ``next(… for …, default)`` end where the answer is known, as in Python; the
others, such as ``sum(… for …)``, get a list.
"""

from __future__ import annotations

import builtins
import inspect
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.inline_closurecall import inline_closure_call

from dataflare_vec.compiler.jit.lowering.instances import drop_unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: What takes a list as well.
_OF_LISTS = (sum, min, max, list, set, sorted)


def inline_generators(func_ir: FunctionIR) -> bool:
    """Replace generator expressions in the IR of one function; whether there were any."""
    changed = False
    while (found := next(_found(func_ir), None)) is not None:
        block, statement, call = found
        function = _function(func_ir, call.value)
        default = call.value.args[1] if function is next else None
        ends_early = function in (any, all, next)
        change = partial(_end_early, function, default) if ends_early else _collect
        maker = statement.value.func
        expression = ir_utils.get_definition(func_ir, maker)
        inline_closure_call(
            func_ir,
            func_ir.func_id.func.__globals__,
            block,
            block.body.index(statement),
            expression,
            callee_validator=change,
        )
        drop_unread(func_ir, {maker.name})
        if ends_early:
            old, call.value = call.value, statement.target
            definitions = func_ir._definitions[call.target.name]
            definitions[:] = [statement.target if item is old else item for item in definitions]
            drop_unread(func_ir, {old.func.name})
        changed = True
    if changed:
        func_ir._definitions = ir_utils.build_definitions(func_ir.blocks)
    return changed


def _found(func_ir: FunctionIR) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the block and the statement that makes a generator, and the call that takes all it yields."""
    statements = [statement for block in func_ir.blocks.values() for statement in block.body]
    named = Counter(var.name for one in statements if not isinstance(one, ir.Del) for var in one.list_vars())
    calls = [one for one in statements if _is_call(one) and _takes_all(func_ir, one.value)]
    by_name = {one.value.args[0].name: one for one in calls}
    for block in func_ir.blocks.values():
        for statement in block.body:
            if not _is_call(statement) or statement.target.name not in by_name:
                continue
            expression = ir_utils.guard(ir_utils.get_definition, func_ir, statement.value.func)
            if _is_generator(expression) and named[statement.target.name] == 2:
                yield block, statement, by_name[statement.target.name]


def _is_call(statement: Any) -> bool:
    value = getattr(statement, "value", None)
    return isinstance(statement, ir.Assign) and isinstance(value, ir.Expr) and value.op == "call"


def _is_generator(expression: Any) -> bool:
    if not isinstance(expression, ir.Expr) or expression.op != "make_function":
        return False
    return bool(expression.code.co_flags & inspect.CO_GENERATOR) and expression.code.co_name == "<genexpr>"


def _function(func_ir: FunctionIR, call: Any) -> Any:
    """Return the built-in function that is called, or "join" for that method; None for others."""
    definition = ir_utils.guard(ir_utils.get_definition, func_ir, call.func)
    if isinstance(definition, ir.Global) and definition.value is getattr(builtins, definition.name, None):
        return definition.value
    if isinstance(definition, ir.Expr) and definition.op == "getattr" and definition.attr == "join":
        return "join"
    return None


def _takes_all(func_ir: FunctionIR, call: Any) -> bool:
    """Whether a call takes all that its first argument yields, or as much as it wants to know."""
    function = _function(func_ir, call)
    if not call.args or call.vararg is not None or call.varkwarg is not None:
        return False
    if function in (any, all, "join"):
        return len(call.args) == 1 and not call.kws
    if function is next:
        return len(call.args) == 2 and not call.kws
    return function in _OF_LISTS and (len(call.args) == 1 or function is sum)


# -- what becomes of an expression --------------------------------------------------------------------------


def _collect(code: FunctionIR) -> None:
    """Let the code of an expression return a list of what it yields."""
    entry = code.blocks[min(code.blocks)]
    made = entry.scope.redefine("dfv_yielded", entry.loc)
    for block in code.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Del):
                continue
            if isinstance(value, ir.Yield):
                loc = statement.loc
                append = block.scope.redefine("dfv_append", loc)
                body.append(ir.Assign(ir.Expr.getattr(made, "append", loc), append, loc))
                value = ir.Expr.call(append, (value.value,), (), loc)
                statement = ir.Assign(value, statement.target, loc)
            elif isinstance(statement, ir.Return):
                statement = ir.Return(made, statement.loc)
            body.append(statement)
        block.body = body
    entry.body.insert(0, ir.Assign(ir.Expr.build_list([], entry.loc), made, entry.loc))


def _end_early(function: Any, default: Any, code: FunctionIR) -> None:
    """Let the code of an expression return as soon as the answer is known."""
    for block in list(code.blocks.values()):
        scope = block.scope
        block.body = [one for one in block.body if not isinstance(one, ir.Del)]
        last = block.body[-1]
        if isinstance(last, ir.Return):
            answer = default if function is next else _constant(block, function is all, last.loc)
            block.body[-1] = ir.Return(answer, last.loc)
        yields = [i for i, one in enumerate(block.body) if isinstance(getattr(one, "value", None), ir.Yield)]
        for i in reversed(yields):
            statement = block.body[i]
            loc, found = statement.loc, statement.value.value
            following, answered = (max(code.blocks) + j for j in (1, 2))
            rest, end = (ir.Block(scope, loc) for _ in range(2))
            nothing = ir.Assign(ir.Const(None, loc), statement.target, loc)
            rest.body, block.body = [nothing, *block.body[i + 1 :]], block.body[:i]
            answer = found if function is next else _constant(end, function is any, loc)
            end.append(ir.Return(answer, loc))
            code.blocks[following], code.blocks[answered] = rest, end
            if function is next:
                block.append(ir.Jump(answered, loc))
                continue  # the rest can't be reached
            truth, holds = (scope.redefine(name, loc) for name in ("dfv_bool", "dfv_holds"))
            block.append(ir.Assign(ir.Global("bool", bool, loc), truth, loc))
            block.append(ir.Assign(ir.Expr.call(truth, (found,), (), loc), holds, loc))
            targets = (answered, following) if function is any else (following, answered)
            block.append(ir.Branch(holds, *targets, loc))
    for label in compute_cfg_from_blocks(code.blocks).dead_nodes():
        del code.blocks[label]


def _constant(block: Any, value: bool, loc: Any) -> Any:
    """Put a constant at the end of a block, before what ends it; return its variable."""
    made = block.scope.redefine("dfv_answer", loc)
    at = len(block.body) - 1 if block.body and block.body[-1].is_terminator else len(block.body)
    block.body.insert(at, ir.Assign(ir.Const(value, loc), made, loc))
    return made
