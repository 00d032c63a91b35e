"""Whether a kernel may be called for rows that don't count.

What lies in memory under a null is anything. A loop that calls the kernel only where a row is valid has a
branch, and often stays scalar; one that calls it for all rows and drops the results of the others vectorises.
That is allowed where no arguments can make the kernel trap, read memory, allocate or run on: where it is
straight-line arithmetic.
"""

from __future__ import annotations

from typing import Any

_TRAPS = {"sdiv", "udiv", "srem", "urem"}  # by zero, or the smallest integer by -1
_MEMORY = {"load", "alloca", "atomicrmw", "cmpxchg", "invoke", "callbr", "indirectbr", "resume"}
_PLAIN_CALLS = ("llvm.",)


def may_speculate(library: Any, name: str) -> bool:
    """Whether the compiled function ``name`` of Numba's ``library`` may be called with any arguments."""
    function = library._final_module.get_function(name)
    followers: dict[str, list[str]] = {}
    for block in function.blocks:
        for instruction in block.instructions:
            opcode = instruction.opcode
            if opcode in _TRAPS or opcode in _MEMORY:
                return False
            operands = list(instruction.operands)
            if opcode == "call" and not operands[-1].name.startswith(_PLAIN_CALLS):
                return False
            if opcode in ("br", "switch"):
                names = [str(item.name) for item in operands if item.is_block]
                if not block.name or not all(names):
                    return False  # can't be told apart
                followers[str(block.name)] = names
    return not _has_cycle(followers)


def _has_cycle(followers: dict[str, list[str]]) -> bool:
    done: set[str] = set()
    open_: set[str] = set()

    def visit(block: str) -> bool:
        if block in open_:
            return True
        if block in done:
            return False
        open_.add(block)
        if any(visit(follower) for follower in followers.get(block, [])):
            return True
        open_.remove(block)
        done.add(block)
        return False

    return any(visit(block) for block in list(followers))
