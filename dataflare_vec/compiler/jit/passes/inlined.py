"""Functions within a function: called as Python calls them, and within a `try` their exceptions are caught.

Numba puts the code of a function where it is called, or makes a compiled one of it that is handed on. Which
argument is whose it knows by their order alone, and which default by what its text means outside of the
function: here a call is bound as in Python, and a default and a variable of the function around are values.

That code is within a `try` Numba knows by how its block ends: with the question whether there is an
exception. What is put into such a block splits it, so that only the rest ends so. Here all of the parts do.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from numba.core import inline_closurecall, ir, ir_utils, untyped_passes
from numba.core.errors import TypingError, UnsupportedError
from numba.core.unsafe import eh

from dataflare_vec.compiler.jit.passes.handlers import traced
from dataflare_vec.compiler.jit.passes.shared_names import EXPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_inline = inline_closurecall.inline_closure_call


@contextmanager
def own_functions() -> Iterator[None]:
    """Have Numba treat functions within a function so."""
    with traced(
        (inline_closurecall, "inline_closure_call", inline_call),
        (untyped_passes, "convert_code_obj_to_function", _as_function),
    ):
        yield


def inline_call(
    func_ir: FunctionIR, scope: dict[str, Any], block: Any, at: int, function: Any, **options: Any
) -> Any:
    """Put the code of a function in place of the statement that calls it; return what Numba's own does."""
    handler = _handler(func_ir, block, at)
    if isinstance(function, ir.Expr) and function.code.co_name not in EXPRESSIONS:
        function = _bound(func_ir, block.body[at].value, function)
    found = blocks, _ = _inline(func_ir, scope, block, at, function, **options)
    if handler is not None:
        for one in (block, *blocks.values()):
            _catch(func_ir, one, handler)
    return found


# -- arguments ----------------------------------------------------------------------------------------------


def _bound(func_ir: FunctionIR, call: Any, function: Any) -> Any:
    """Have a call give all arguments in order; return a function that takes them so."""
    code, arguments = function.code, list(call.args)
    if call.vararg is not None:
        starred = ir_utils.guard(ir_utils.get_definition, func_ir, call.vararg)
        if not (isinstance(starred, ir.Expr) and starred.op == "build_tuple"):
            return function  # Numba refuses it
        arguments += starred.items
    try:
        bound = _signature(func_ir, function).bind(*arguments, **dict(call.kws))
    except TypeError as error:
        msg = f"a call of `{code.co_name}` doesn't fit its parameters: {error}"
        raise UnsupportedError(msg, loc=call.loc) from None
    bound.apply_defaults()
    call.args, call.kws, call.vararg = tuple(bound.arguments.values()), (), None
    count = code.co_argcount + code.co_kwonlyargcount
    code = code.replace(co_argcount=count, co_kwonlyargcount=0, co_posonlyargcount=0)
    return ir.Expr.make_function(function.name, code, function.closure, None, function.loc)


def _signature(func_ir: FunctionIR, function: Any) -> inspect.Signature:
    """Return the parameters of a function; a default is a variable that has its value."""
    code = function.code
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        msg = f"`{code.co_name}` has a parameter with a star"
        raise UnsupportedError(msg, loc=function.loc)
    positional = code.co_argcount
    names = code.co_varnames[: positional + code.co_kwonlyargcount]
    defaults: list[Any] = [inspect.Parameter.empty] * len(names)
    given = _defaults(func_ir, function)
    defaults[positional - len(given) : positional] = given
    for name, value in function._kws.get("keyword_defaults", ()):
        defaults[names.index(name)] = value
    kinds: list[Any] = [inspect.Parameter.POSITIONAL_OR_KEYWORD] * positional
    kinds[: code.co_posonlyargcount] = [inspect.Parameter.POSITIONAL_ONLY] * code.co_posonlyargcount
    kinds += [inspect.Parameter.KEYWORD_ONLY] * code.co_kwonlyargcount
    return inspect.Signature(
        [
            inspect.Parameter(name, kind, default=default)
            for name, kind, default in zip(names, kinds, defaults, strict=True)
        ]
    )


def _defaults(func_ir: FunctionIR, function: Any) -> Sequence[Any]:
    """Return the variables that have the defaults of the last parameters."""
    if not function.defaults:
        return ()
    if isinstance(function.defaults, tuple):
        return function.defaults
    made = func_ir.get_definition(function.defaults)
    assert isinstance(made, ir.Expr)
    assert made.op == "build_tuple"
    items: Sequence[Any] = made.items
    return items


def _as_function(function: Any, func_ir: FunctionIR) -> FunctionType:
    """Return a function within a function as one of Python's; what it has from there must be constant."""
    code: CodeType = function.code
    if code.co_kwonlyargcount or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        msg = f"`{code.co_name}`, which is handed on, has a parameter with a star, or behind one"
        raise UnsupportedError(msg, loc=function.loc)
    cells = []
    for name in code.co_freevars:
        try:
            value = func_ir.get_definition(name)
        except KeyError:
            msg = f"Cannot capture a constant value for variable {name!r} as there are multiple definitions"
            raise TypingError(msg, loc=function.loc) from None
        if not isinstance(value, ir.Const):
            msg = f"Cannot capture the non-constant value associated with variable {name!r}"
            raise TypingError(msg, loc=function.loc)
        cells.append(CellType(value.value))
    defaults = tuple(func_ir.get_definition(one).value for one in _defaults(func_ir, function))
    scope = func_ir.func_id.func.__globals__
    return FunctionType(code, scope, code.co_name, defaults, tuple(cells))


# -- within a `try` -----------------------------------------------------------------------------------------


def _handler(func_ir: FunctionIR, block: Any, at: int) -> int | None:
    """Return where the code goes if a statement raises; None if that isn't within a `try`."""
    end = block.body[-1]
    if not isinstance(end, ir.Branch):
        return None
    for statement in block.body[at:]:
        if isinstance(statement, ir.Assign) and statement.target.name == end.cond.name:
            value = statement.value
            if isinstance(value, ir.Expr) and value.op == "call":
                function = ir_utils.guard(ir_utils.get_definition, func_ir, value.func)
                if isinstance(function, ir.Global) and function.value is eh.exception_check:
                    return int(end.truebr)
    return None


def _catch(func_ir: FunctionIR, block: Any, handler: int) -> None:
    """Have a handler called if a statement of a block raises."""
    if _handler(func_ir, block, 0) is not None:
        return  # it is in a `try` of its own
    end = block.body.pop()
    if isinstance(end, ir.Raise | ir.StaticRaise):
        if isinstance(end, ir.Raise):
            block.append(ir.TryRaise(end.exception, end.loc))
        else:
            block.append(ir.StaticTryRaise(end.exc_class, end.exc_args, end.loc))
        _call(func_ir, block, eh.end_try_block)
        block.append(ir.Jump(handler, end.loc))
        return
    if isinstance(end, ir.Jump):
        following = end.target
    else:
        following = ir_utils.next_label()
        rest = func_ir.blocks[following] = ir.Block(block.scope, end.loc)
        rest.append(end)
    raised = _call(func_ir, block, eh.exception_check)
    block.append(ir.Branch(raised, handler, following, end.loc))


def _call(func_ir: FunctionIR, block: Any, function: Any) -> Any:
    """Append a call to a block; return the variable of its result."""
    name = function.__name__
    called, result = (block.scope.redefine(f"dfv_{what}", block.loc) for what in (name, f"result_of_{name}"))
    named, call = ir.Global(name, function, block.loc), ir.Expr.call(called, (), (), block.loc)
    for variable, value in ((called, named), (result, call)):
        block.append(ir.Assign(value, variable, block.loc))
        func_ir._definitions[variable.name].append(value)
    return result
