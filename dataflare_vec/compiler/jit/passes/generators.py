"""Generator expressions, where a function takes all they yield: put into the code as loops.

``any(… for …)``, ``all`` and ``next(… for …, default)`` end where the answer is known, as in Python; the
others, such as ``sum(… for …)``, get a list. They run where the function is called, when its other arguments
are known.
"""

from __future__ import annotations

import builtins
import inspect
import warnings
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from numba.core import byteflow, ir, ir_utils
from numba.core.analysis import compute_cfg_from_blocks

from dataflare_vec.compiler.jit.lowering.instances import drop_unread
from dataflare_vec.compiler.jit.passes.handlers import traced
from dataflare_vec.compiler.jit.passes.inlined import inline_call
from dataflare_vec.compiler.jit.passes.lookups import replace_value
from dataflare_vec.compiler.jit.passes.shared_names import EXPRESSIONS, assigned_names, read_stored, share
from dataflare_vec.compiler.jit.passes.shown import SetTracer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: What takes a list as well.
_OF_LISTS = (sum, min, max, list, set, sorted)


def inline_generators(func_ir: FunctionIR) -> bool:
    """Replace generator expressions in the IR of one function; whether there were any."""
    changed = False
    while (found := next(_found(func_ir), None)) is not None:
        maker, links, block, call = found
        function = _function(func_ir, call.value)
        default = call.value.args[1] if function is next else None
        ends_early = function in (any, all, next)
        change = partial(_end_early, function, default) if ends_early else collect
        statement = ir.Assign(maker.value, call.value.args[0], maker.loc)
        for other in func_ir.blocks.values():
            other.body = [one for one in other.body if one is not maker and one not in links]
        at = block.body.index(call)
        block.body.insert(at, statement)
        _inline(func_ir, block, statement, change)
        if ends_early:
            old = call.value
            replace_value(func_ir, call, old.args[0])
            drop_unread(func_ir, {old.func.name})
        changed = True
    while (comprehension := next(_comprehensions(func_ir), None)) is not None:
        _inline(func_ir, *comprehension, _keep)
        changed = True
    changed |= _begin_sets(func_ir)
    if changed:
        func_ir._definitions = ir_utils.build_definitions(func_ir.blocks)
    return changed


def _inline(func_ir: FunctionIR, block: Any, statement: Any, change: Any) -> None:
    """Put the code of an expression in place of the statement that calls it."""
    maker = statement.value.func
    expression = ir_utils.get_definition(func_ir, maker)

    if assigned_names(expression.code):
        expression.code = read_stored(expression.code)

    def validate(code: FunctionIR) -> None:
        share(code, expression)
        change(code)

    with warnings.catch_warnings():
        # Numba makes a function of a generator's code; from Python 3.13 on that is deprecated.
        warnings.filterwarnings("ignore", "Assigning a code object of non-matching", DeprecationWarning)
        with traced((byteflow, "TraceRunner", SetTracer)):
            inline_call(
                func_ir,
                func_ir.func_id.func.__globals__,
                block,
                block.body.index(statement),
                expression,
                callee_validator=validate,
            )
    drop_unread(func_ir, {maker.name})


def _found(func_ir: FunctionIR) -> Iterator[tuple[Any, list[Any], Any, Any]]:
    """Yield what makes a generator and hands it on, and the block and the call that takes all it yields."""
    statements = [statement for block in func_ir.blocks.values() for statement in block.body]
    named = Counter(var.name for one in statements if not isinstance(one, ir.Del) for var in one.list_vars())
    assigned = {one.target.name: one for one in statements if isinstance(one, ir.Assign)}
    for block in func_ir.blocks.values():
        for call in block.body:
            if not _is_call(call) or not _takes_all(func_ir, call.value):
                continue
            name, links = call.value.args[0].name, []
            while named[name] == 2 and isinstance(getattr(assigned.get(name), "value", None), ir.Var):
                links.append(assigned[name])
                name = assigned[name].value.name
            maker = assigned.get(name)
            if maker is None or named[name] != 2 or not _is_call(maker):
                continue
            if _is_generator(ir_utils.guard(ir_utils.get_definition, func_ir, maker.value.func)):
                yield maker, links, block, call


def _comprehensions(func_ir: FunctionIR) -> Iterator[tuple[Any, Any]]:
    """Yield the blocks and the calls of comprehensions that Numba wouldn't put into the code as it should be.

    These assign variables of the function around, or make sets.
    """
    for block in func_ir.blocks.values():
        for statement in block.body:
            if not _is_call(statement):
                continue
            found = ir_utils.guard(ir_utils.get_definition, func_ir, statement.value.func)
            if not isinstance(found, ir.Expr) or found.op != "make_function":
                continue
            if found.code.co_name in EXPRESSIONS and found.code.co_name != "<genexpr>":
                if found.code.co_name == "<setcomp>" or assigned_names(found.code):
                    yield block, statement


def _begin_sets(func_ir: FunctionIR) -> bool:
    """Begin sets of comprehensions as ``set()``, which Numba knows; whether there are any."""
    changed = False
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Expr) and value.op == "build_set" and not value.items:
                function = block.scope.redefine("dfv_set", value.loc)
                body.append(ir.Assign(ir.Global("set", set, value.loc), function, value.loc))
                statement.value = ir.Expr.call(function, (), (), value.loc)
                changed = True
            body.append(statement)
        block.body = body
    return changed


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


def _keep(code: FunctionIR) -> None:
    """Leave the code of a comprehension."""
    for block in code.blocks.values():
        block.body = [one for one in block.body if not isinstance(one, ir.Del)]


def collect(code: FunctionIR) -> Any:
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
    return made


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
