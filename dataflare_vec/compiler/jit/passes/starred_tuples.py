"""``(*pair, a if b else c)``: a tuple with a star, and with something in it that takes several blocks.

Python fills a list, and makes a tuple of it at the end. Numba sees through that within one block; across
several, such a tuple is put together of tuples from the start.
"""

from __future__ import annotations

import dis
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from numba.core.utils import PYVERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What Numba doesn't know: instructions for a tuple on the stack.
_OF_TUPLES = {"LIST_EXTEND": "TUPLE_EXTEND", "LIST_APPEND": "TUPLE_APPEND"}
_LIST_TO_TUPLE = 6  # an intrinsic of Python 3.12 and later
_JUMPS_ALWAYS = {"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "JUMP_BACKWARD_NO_INTERRUPT"}


def fill_tuples(bytecode: Any) -> None:
    """Change Numba's bytecode of one function so."""
    instructions = list(bytecode.table.values())
    ends = [i for i, one in enumerate(instructions) if _makes_tuple(one)]
    if not ends:
        return
    depths = _depths(bytecode, instructions)
    found = []
    for end in ends:  # several may end one: Python repeats what follows a condition
        depth = depths.get(instructions[end].offset)
        begin = next((i for i in range(end, -1, -1) if _begins(instructions[i], depths, depth)), None)
        if depth is not None and begin is not None:
            found.append((depth, instructions[begin : end + 1]))
    for depth, within in found:
        if not any(one.is_jump for one in within) and not _is_caught(bytecode, within[0]):
            continue
        for one in within[1:-1]:
            if one.opname in _OF_TUPLES and depths.get(one.offset) == depth + 1 and one.arg == 1:
                one.opname = _OF_TUPLES[one.opname]
        for one, name in ((within[0], "BUILD_TUPLE"), (within[-1], "NOP")):
            one.opname, one.opcode = name, dis.opmap[name]


def _is_caught(bytecode: Any, one: Any) -> bool:
    """Whether an instruction is within a `try`, where each is a block; on Python 3.10, if there is any."""
    if PYVERSION < (3, 11):
        return any(other.opname == "SETUP_FINALLY" for other in bytecode.table.values())
    return bytecode.find_exception_entry(one.offset) is not None


def _makes_tuple(one: Any) -> bool:
    if one.opname == "CALL_INTRINSIC_1":
        return bool(one.arg == _LIST_TO_TUPLE)
    return bool(one.opname == "LIST_TO_TUPLE")


def _begins(one: Any, depths: dict[int, int], depth: int | None) -> bool:
    """Whether an instruction makes the list that is on top where the stack has that depth."""
    return bool(one.opname == "BUILD_LIST" and depths.get(one.offset, 0) - one.arg + 1 == depth)


def _depths(bytecode: Any, instructions: list[Any]) -> dict[int, int]:
    """Return how many values are on the stack before each instruction that is come to, by its offset."""
    following = {a.offset: b.offset for a, b in pairwise(instructions)}
    depths: dict[int, int] = {}
    work = [(instructions[0].offset, 0)]
    for entry in getattr(bytecode, "exception_entries", ()):
        work.append((entry.target, entry.depth + int(entry.lasti) + 1))
    while work:
        offset, depth = work.pop()
        if offset in depths or offset not in bytecode.table:
            continue
        depths[offset] = depth
        one = bytecode.table[offset]
        work += _successors(one, depth, following)
    return depths


def _successors(one: Any, depth: int, following: dict[int, int]) -> Iterator[tuple[int, int]]:
    argument = one.arg if one.opcode >= dis.HAVE_ARGUMENT else None
    if one.is_jump:
        yield one.get_jump_target(), depth + dis.stack_effect(one.opcode, argument, jump=True)
    if not one.is_terminator and one.opname not in _JUMPS_ALWAYS and one.offset in following:
        yield following[one.offset], depth + dis.stack_effect(one.opcode, argument, jump=False)
