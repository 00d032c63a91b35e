"""Generators that are copied where they are handed on: refused, where a copy would show.

A generator that holds no references lies in the frame of the function that makes it. What another generator
keeps, or what comes back from a function, is a copy of it, which goes on by itself. In Python there is one
generator, whoever reads it. So nothing may read it any more where a copy was made. Lists and dicts would give
another copy each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir, types
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.errors import UnsupportedError
from numba.core.ir_utils import get_definition, guard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: Expressions whose result is, or holds, the generator itself.
_SAME = frozenset(("cast", "phi", "getiter", "build_tuple", "static_getitem", "getitem", "pair_first"))
_MESSAGE = "a generator is handed on and read as well"


def check_copies(func_ir: FunctionIR, typemap: Mapping[str, types.Type], models: Any, returned: Any) -> None:
    """Refuse a function that reads a generator behind a place where a copy of it was made."""
    found = {name for name, kind in typemap.items() if holds(models, kind)}
    if not found:
        return
    _check_kept(func_ir, typemap, found)
    if holds(models, returned) and not isinstance(returned, types.Generator):
        raise UnsupportedError(_MESSAGE, loc=func_ir.loc)
    groups = _groups(func_ir, typemap, found)
    flow = compute_cfg_from_blocks(func_ir.blocks)
    given = {
        groups[one.target.name]
        for block in func_ir.blocks.values()
        for one in block.find_insts(ir.Assign)
        if isinstance(one.value, ir.Arg) and one.target.name in groups
    }
    shows = not func_ir.is_generator and not holds(models, returned)
    for label, block in func_ir.blocks.items():
        for i, statement in enumerate(block.body):
            for group in _copied(func_ir, statement, typemap, groups):
                read = group in given and shows
                if read or _is_read(func_ir, flow, groups, group, label, i + 1):
                    raise UnsupportedError(_MESSAGE, loc=statement.loc)


def _check_kept(func_ir: FunctionIR, typemap: Mapping[str, types.Type], found: set[str]) -> None:
    """Refuse lists, sets and dicts of generators."""
    for block in func_ir.blocks.values():
        for one in block.find_insts(ir.Assign):
            kind = typemap[one.target.name]
            if one.target.name in found and isinstance(
                kind, types.Container | types.DictType | types.ListType
            ):
                if not isinstance(kind, types.BaseTuple):
                    raise UnsupportedError(_MESSAGE, loc=one.loc)


def holds(models: Any, kind: types.Type) -> bool:
    """Whether values of a type are, or hold, a generator that is copied."""
    if isinstance(kind, types.Generator):
        return not models[kind].counted
    inner = [getattr(kind, name, None) for name in ("dtype", "key_type", "value_type", "yield_type")]
    inner += [*getattr(kind, "source_types", ()), *getattr(kind, "types", ())]
    inner += [getattr(kind, "source_type", None)]
    return any(isinstance(one, types.Type) and one is not kind and holds(models, one) for one in inner)


def _is_same(func_ir: FunctionIR, value: Any, kind: types.Type) -> bool:
    """Whether an expression's result is, or holds, a generator that is an argument, not a copy."""
    if value.op in _SAME:
        return True
    if value.op != "call":
        return False
    function = guard(get_definition, func_ir, value.func)
    is_iter = isinstance(function, ir.Global) and function.value is iter
    return is_iter or isinstance(kind, (types.ZipType, types.EnumerateType))


def _groups(func_ir: FunctionIR, typemap: Mapping[str, types.Type], found: set[str]) -> dict[str, str]:
    """Return for each variable the first of those that may be the same generator."""
    groups = {name: name for name in found}
    changed = True
    while changed:
        changed = False
        for block in func_ir.blocks.values():
            for one in block.find_insts(ir.Assign):
                name, value = one.target.name, one.value
                if name not in groups:
                    continue
                others = [value] if isinstance(value, ir.Var) else []
                if isinstance(value, ir.Expr) and _is_same(func_ir, value, typemap[name]):
                    others = value.list_vars()
                for other in others:
                    if other.name in groups and groups[other.name] != groups[name]:
                        old, new = groups[other.name], groups[name]
                        groups = {n: new if g == old else g for n, g in groups.items()}
                        changed = True
    return groups


def _copied(
    func_ir: FunctionIR, statement: Any, typemap: Mapping[str, types.Type], groups: dict[str, str]
) -> Iterator[str]:
    """Yield the groups of the generators that a statement copies."""
    value = getattr(statement, "value", None)
    if not isinstance(statement, ir.Assign) or not isinstance(value, ir.Expr) or value.op != "call":
        return
    kind = typemap[statement.target.name]
    if statement.target.name not in groups and not isinstance(kind, types.Generator):
        return
    if _is_same(func_ir, value, kind):
        return
    for one in value.list_vars():
        if one.name in groups and one.name != value.func.name:
            if _may_be_there_twice(typemap[one.name]):
                raise UnsupportedError(_MESSAGE, loc=statement.loc)
            yield groups[one.name]


def _may_be_there_twice(kind: types.Type) -> bool:
    """Whether one generator may be several items of a tuple or of a ``zip``: each would be a copy."""
    found, waiting = [], [kind]
    while waiting:
        one = waiting.pop()
        if isinstance(one, types.Generator):
            found.append(one)
        elif isinstance(one, types.EnumerateType):
            waiting.append(one.source_type)
        else:
            waiting += [*getattr(one, "source_types", ()), *getattr(one, "types", ())]
    return len(found) > len(set(found))


def _is_read(
    func_ir: FunctionIR, flow: Any, groups: dict[str, str], group: str, label: int, start: int
) -> bool:
    """Whether a generator is read behind a place, on some way, before it is another one."""
    waiting, seen = [(label, start)], set()
    while waiting:
        label, start = waiting.pop()
        for one in func_ir.blocks[label].body[start:]:
            if isinstance(one, ir.Del):
                continue
            names = {var.name for var in one.list_vars()}
            if isinstance(one, ir.Assign):
                names = (
                    {var.name for var in one.value.list_vars()} if hasattr(one.value, "list_vars") else set()
                )
            if any(groups.get(name) == group for name in names):
                return True
            if isinstance(one, ir.Assign) and groups.get(one.target.name) == group:
                break
        else:
            for following, _ in flow.successors(label):
                if following not in seen:
                    seen.add(following)
                    waiting.append((following, 0))
    return False
