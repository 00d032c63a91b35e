"""A dict that begins empty, and is asked before anything is put in: ``d[k] = d.get(k, 0) + 1``.

Numba finds what a dict holds where something is put in. Beside the question a value is put in that is never
put in, behind a condition that never holds: it says what the keys are, and the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: Methods of a dict that are given a key and what to take if it isn't there.
_ASKING = ("get", "setdefault", "pop")


def hint_at_items(func_ir: FunctionIR) -> bool:
    """Say what empty dicts will hold in the IR of one function; whether there are any."""
    found = [
        (label, statement)
        for label, block in func_ir.blocks.items()
        for statement in block.find_insts(ir.Assign)
        if _asks(func_ir, statement.value)
    ]
    for label, statement in found:
        _hint(func_ir, label, statement)
    return bool(found)


def _definition(func_ir: FunctionIR, var: Any) -> Any:
    return ir_utils.guard(ir_utils.get_definition, func_ir, var)


def _asks(func_ir: FunctionIR, value: Any) -> bool:
    """Whether an expression asks a dict that began empty."""
    if not isinstance(value, ir.Expr) or value.op != "call" or len(value.args) != 2 or value.kws:
        return False
    method = _definition(func_ir, value.func)
    if not isinstance(method, ir.Expr) or method.op != "getattr" or method.attr not in _ASKING:
        return False
    made = _definition(func_ir, method.value)
    if not isinstance(made, ir.Expr):
        return False
    if made.op == "call" and not made.args and not made.kws and made.vararg is None:
        function = _definition(func_ir, made.func)
        return isinstance(function, ir.Global) and function.value is dict
    return made.op == "build_map" and not made.items


def _hint(func_ir: FunctionIR, label: int, statement: Any) -> None:
    """Put a value in, behind a condition that never holds, in front of a statement."""
    label = next(at for at, block in func_ir.blocks.items() if statement in block.body)  # it may be split
    block, loc = func_ir.blocks[label], statement.loc
    key, default = statement.value.args
    asked = func_ir.get_definition(statement.value.func).value
    hint, rest = (ir.Block(block.scope, loc) for _ in range(2))
    at = block.body.index(statement)
    rest.body, block.body = block.body[at:], block.body[:at]
    hint_label = max(func_ir.blocks) + 1
    func_ir.blocks[hint_label], func_ir.blocks[hint_label + 1] = hint, rest
    _come_from(func_ir, label, hint_label + 1)

    def assigned(where: Any, value: Any) -> Any:
        name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_hint"), loc)
        func_ir._definitions[name.name].append(value)
        where.append(ir.Assign(value, name, loc))
        return name

    never = assigned(block, ir.Const(False, loc))
    block.append(ir.Branch(never, hint_label, hint_label + 1, loc))
    made = _made_of(func_ir, statement.target)
    value = default
    if made is not None:
        left, right = (default if one.name in made[1] else one for one in (made[0].lhs, made[0].rhs))
        value = assigned(hint, ir.Expr.binop(made[0].fn, left, right, loc))
    hint.append(ir.SetItem(asked, key, value, loc))
    hint.append(ir.Jump(hint_label + 1, loc))


def _come_from(func_ir: FunctionIR, old: int, new: int) -> None:
    """Have what chooses by where the code comes from know the new end of a block."""
    for block in func_ir.blocks.values():
        for phi in block.find_exprs("phi"):
            phi.incoming_blocks[:] = [new if one == old else one for one in phi.incoming_blocks]


def _made_of(func_ir: FunctionIR, answer: Any) -> tuple[Any, set[str]] | None:
    """Return the operation that is all that becomes of an answer, and the names of the answer."""
    names = {answer.name}
    while True:
        readers = [
            one
            for block in func_ir.blocks.values()
            for one in block.body
            if not isinstance(one, ir.Del) and _read(one) & names
        ]
        copies = {one.target.name for one in readers if isinstance(getattr(one, "value", None), ir.Var)}
        if copies <= names:
            break
        names |= copies
    others = [one for one in readers if not isinstance(getattr(one, "value", None), ir.Var)]
    if len(others) != 1 or not isinstance(others[0], ir.Assign):
        return None
    value = others[0].value
    if not isinstance(value, ir.Expr) or value.op not in ("binop", "inplace_binop"):
        return None
    return value, names


def _read(statement: Any) -> set[str]:
    read = {var.name for var in statement.list_vars()}
    return read - {statement.target.name} if isinstance(statement, ir.Assign) else read
