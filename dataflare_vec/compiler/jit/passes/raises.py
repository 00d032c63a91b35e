"""What an exception is made of isn't compiled: a failed row's exception comes from the plain function.

So its message may be written as in any Python: with `repr`, ``%`` or `format`, of dates and decimals. Only a
native library, which has no Python, has a loop that makes messages: where they can be compiled.

And a function with a `try` begins without an exception: Numba looks for one in a variable of its caller,
which in a loop still holds that of the last row that failed.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from numba.core import cgutils, ir, ir_utils, types
from numba.core.unsafe import eh
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings import notes

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        FunctionIR,
        Signature,
        TypingContext,
        Values,
    )


@intrinsic  # type: ignore[untyped-decorator]
def _forget_exception(typing_context: TypingContext) -> Any:
    """Set the caller's variable for an exception to none."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        variable = context.call_conv._get_excinfo_argument(builder.function)
        builder.store(cgutils.get_null_value(variable.type.pointee), variable)
        return context.get_dummy_value()

    return types.none(), generate


#: How variables for caught exceptions begin.
CAUGHT_NAME = "$caught"
_STATIC = {ir.DynamicRaise: ir.StaticRaise, ir.DynamicTryRaise: ir.StaticTryRaise}


def forget_exceptions(func_ir: FunctionIR) -> bool:
    """Have a function with a `try` begin without an exception; whether it has one."""
    values = (s.value for block in func_ir.blocks.values() for s in block.find_insts(ir.Assign))
    if not any(isinstance(v, ir.Global | ir.Const) and v.value is eh.mark_try_block for v in values):
        return False
    first = func_ir.blocks[min(func_ir.blocks)]
    function, nothing = (first.scope.make_temp(first.loc) for _ in range(2))
    named = ir.Global("_forget_exception", _forget_exception, first.loc)
    call = ir.Expr.call(function, (), (), first.loc)
    first.body[:0] = [ir.Assign(named, function, first.loc), ir.Assign(call, nothing, first.loc)]
    for variable, value in ((function, named), (nothing, call)):
        func_ir._definitions[variable.name].append(value)
    return True


def drop_arguments(func_ir: FunctionIR) -> bool:
    """Drop the arguments of the exceptions that a function raises; whether there were any."""
    made: list[Any] = []
    for block in func_ir.blocks.values():
        for i, statement in enumerate(block.body):
            static = _STATIC.get(type(statement))
            if static is not None:
                block.body[i] = static(statement.exc_class, (), statement.loc)
                made.append(statement)
                _drop_instance(func_ir, block, statement.exc_class)
                break  # the last of its block, but for what ends a `try`
    _drop_texts(func_ir, made)
    return bool(made)


def _drop_texts(func_ir: FunctionIR, raises: list[Any]) -> None:
    """Drop what raised exceptions tell of caught ones, in whichever block: no code knows a text of these."""
    assigned = [s for block in func_ir.blocks.values() for s in block.body if isinstance(s, ir.Assign)]
    reads = {id(s): _read(s) for s in assigned}
    of_caught = {s.target.name for s in assigned if s.target.name.startswith(CAUGHT_NAME)}
    told = {arg.name for one in raises for arg in one.exc_args if isinstance(arg, ir.Var)}
    classes = {one.exc_class for one in raises}
    told |= {s.target.name for s in assigned if any(_makes(func_ir, s.value, one) for one in classes)}
    size = -1
    while size != (size := len(of_caught) + len(told)):
        for s in assigned:
            if reads[id(s)] & of_caught:
                of_caught.add(s.target.name)
            if s.target.name in told:
                told |= reads[id(s)]
    dropped = -1
    gone: set[int] = set()
    while dropped != (dropped := len(gone)):
        statements = [s for block in func_ir.blocks.values() for s in block.body if id(s) not in gone]
        used = {name for s in statements for name in _read(s)}
        gone |= {
            id(s)
            for s in statements
            if isinstance(s, ir.Assign)
            and s.target.name not in used
            and reads[id(s)] & of_caught
            and (s.target.name in told or isinstance(s.value, ir.Var))
        }
    for block in func_ir.blocks.values():
        block.body = [s for s in block.body if id(s) not in gone]


def _read(statement: Any) -> set[str]:
    """Return the variables that a statement reads."""
    if isinstance(statement, ir.Del):
        return set()
    if not isinstance(statement, ir.Assign):
        return {var.name for var in statement.list_vars()}
    value = statement.value
    if isinstance(value, ir.Var):
        return {value.name}
    return {var.name for var in value.list_vars()} if isinstance(value, ir.Expr) else set()


def note_messages(func_ir: FunctionIR) -> bool:
    """Have each exception leave its message (see `lowering.strings.notes`); whether there are any."""
    changed = False
    for block in func_ir.blocks.values():
        body = []
        made = []
        for statement in block.body:
            kind = _NOTED.get(type(statement))
            if kind is not None and statement.exc_class is not None:
                exception, arguments = statement.exc_class, statement.exc_args or ()
                if kind is not type(statement):
                    statement = kind(exception, (), statement.loc)
                    made.append(exception)
                if isinstance(statement, ir.StaticRaise | ir.StaticTryRaise) and not statement.exc_args:
                    body += _note(func_ir, block, exception, arguments, statement.loc)
                changed = True
            body.append(statement)
        block.body = body
        for exception in made:
            _drop_instance(func_ir, block, exception)
    return changed


#: Statements that raise, and what becomes of them.
_NOTED = {
    ir.DynamicRaise: ir.StaticRaise,
    ir.DynamicTryRaise: ir.StaticTryRaise,
    ir.StaticRaise: ir.StaticRaise,
    ir.StaticTryRaise: ir.StaticTryRaise,
}


def _note(
    func_ir: FunctionIR, block: Any, exception: type, arguments: tuple[Any, ...], loc: Any
) -> list[Any]:
    """Return the statements that leave the message of an exception."""
    function = notes.leave_nothing
    if len(arguments) == 1 and _shows_argument(exception):
        function = notes.leave_representation if issubclass(exception, KeyError) else notes.leave_text
    else:
        arguments = ()
    statements = []

    def assigned(value: Any) -> Any:
        name = block.scope.make_temp(loc)
        func_ir._definitions[name.name].append(value)
        statements.append(ir.Assign(value, name, loc))
        return name

    given = [one if isinstance(one, ir.Var) else assigned(ir.Const(one, loc)) for one in arguments]
    called = assigned(ir.Global(function.__name__, function, loc))
    assigned(ir.Expr.call(called, tuple(given), (), loc))
    return statements


def _shows_argument(exception: type) -> bool:
    """Whether an exception of one argument shows that, as those of Python do."""
    own = (exception.__init__, exception.__new__, exception.__str__)  # type: ignore[misc]
    return not any(isinstance(one, FunctionType) for one in own)


def _drop_instance(func_ir: FunctionIR, block: Any, exception: type) -> None:
    """Drop the instances that a block makes for its `raise`, and what it computes for nothing else."""
    read = {
        var.name
        for other in func_ir.blocks.values()
        if other is not block
        for statement in other.body
        for var in statement.list_vars()
    }
    only_for_it: set[str] = set()
    kept = []
    for statement in reversed(block.body):
        operands = {var.name for var in statement.list_vars()}
        if isinstance(statement, ir.Assign) and (target := statement.target.name) not in read:
            operands.discard(target)
            if target in only_for_it or _makes(func_ir, statement.value, exception):
                only_for_it |= operands
                continue
        read |= operands
        kept.append(statement)
    block.body = kept[::-1]


def _makes(func_ir: FunctionIR, value: Any, exception: type) -> bool:
    """Whether an expression is a call of the class."""
    if not isinstance(value, ir.Expr) or value.op != "call":
        return False
    return ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func) is exception
