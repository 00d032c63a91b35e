"""A variable that isn't assigned on every path raises where it is read, as in Python.

Numba reads a zero instead. Before variables are split into their definitions, each that may be unbound gets a
flag beside it, which its assignments set and its doubtful reads check. Where all is assigned there is none.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numba
from numba.core import analysis, ir, untyped_passes
from numba.core.compiler_machinery import FunctionPass, register_pass

from dataflare_vec.compiler.jit.passes.shared_names import shared_names

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


@numba.njit  # type: ignore[untyped-decorator]
def _check(bound: bool) -> None:
    if not bound:
        raise UnboundLocalError


@register_pass(mutates_CFG=False, analysis_only=False)
class CheckDefiniteAssignment(FunctionPass):  # type: ignore[misc]
    """Add the flags and checks; to be run before `ReconstructSSA`."""

    _name = "dfv_check_definite_assignment"
    before = untyped_passes.ReconstructSSA

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Look at one function."""
        func_ir = state.func_ir
        doubtful = _doubtful_reads(func_ir)
        if doubtful:
            _add_checks(func_ir, doubtful)
        return bool(doubtful)


def _assigned(statement: Any) -> str:
    return statement.target.name if isinstance(statement, ir.Assign) else ""


def _doubtful_reads(func_ir: FunctionIR) -> dict[int, set[str]]:
    """Return for statements, by identity, the variables they read that may be unbound there."""
    blocks = func_ir.blocks
    names = set(func_ir.func_id.code.co_varnames) | shared_names(func_ir.func_id.code)
    graph = analysis.compute_cfg_from_blocks(blocks)
    own = {label: names.intersection(map(_assigned, block.body)) for label, block in blocks.items()}
    first = graph.entry_point()
    bound = {label: set() if label == first else set(names) for label in blocks}
    changed = True
    while changed:
        changed = False
        for label in graph.topo_order():
            before = [bound[p] | own[p] for p, _ in graph.predecessors(label)]
            if label != first and before and bound[label] != (common := set.intersection(*before)):
                bound[label] = common
                changed = True
    doubtful = {}
    put_aside = _put_aside(func_ir)
    for label, block in blocks.items():
        known = set(bound[label])
        for statement in block.body:
            if not isinstance(statement, ir.Del) and id(statement) not in put_aside:
                reads = {var.name for var in _read(statement)} & names
                if reads - known:
                    doubtful[id(statement)] = reads - known
            known.add(_assigned(statement))
    return doubtful


def _put_aside(func_ir: FunctionIR) -> set[int]:
    """Return the statements, by identity, that put a variable aside while a comprehension has it.

    From Python 3.12 on comprehensions are part of the function: a variable of theirs that is one of the
    function's, too, is put back behind them, unbound if it was. Here it must not be read any more.
    """
    statements = [
        one for block in func_ir.blocks.values() for one in block.body if not isinstance(one, ir.Del)
    ]
    assigned = Counter(map(_assigned, statements))
    readers: dict[str, list[Any]] = {}
    for statement in statements:
        for var in _read(statement):
            readers.setdefault(var.name, []).append(statement)

    def only_put_back(name: str, variable: str) -> bool:
        """Whether a value on the stack becomes the variable again, which nobody reads then but to do so."""
        for reader in readers.get(name, ()):
            target = _assigned(reader)
            if not isinstance(getattr(reader, "value", None), ir.Var) or assigned[target] != 1:
                return False
            if not target.startswith(("$phi", variable + ".")) or not only_put_back(target, variable):
                return False
        return True

    return {
        id(one)
        for one in statements
        if _assigned(one).startswith("$phi")
        and isinstance(one.value, ir.Var)
        and not one.value.name.startswith("$")
        and assigned[one.target.name] == 1
        and only_put_back(one.target.name, one.value.name)
    }


def _read(statement: Any) -> list[Any]:
    if not isinstance(statement, ir.Assign):
        return list(statement.list_vars())
    value = statement.value
    return [value] if isinstance(value, ir.Var) else list(getattr(value, "list_vars", list)())


def _add_checks(func_ir: FunctionIR, doubtful: dict[int, set[str]]) -> None:
    names = set().union(*doubtful.values())
    first = func_ir.blocks[min(func_ir.blocks)]
    flags = {name: first.scope.define(f"$dfv.bound.{name}", first.loc) for name in sorted(names)}
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            for name in sorted(doubtful.get(id(statement), ())):
                body += _check_of(block.scope, flags[name], statement.loc)
            body.append(statement)
            if (flag := flags.get(_assigned(statement))) is not None:
                body.append(ir.Assign(ir.Const(True, statement.loc), flag, statement.loc))
        block.body = body
    first.body[:0] = [ir.Assign(ir.Const(False, first.loc), flag, first.loc) for flag in flags.values()]


def _check_of(scope: Any, flag: Any, loc: Any) -> list[Any]:
    function, nothing = scope.make_temp(loc), scope.make_temp(loc)
    call = ir.Expr.call(function, (flag,), (), loc)
    return [
        ir.Assign(ir.Global("_check", _check, loc), function, loc),
        ir.Assign(call, nothing, loc),
    ]
