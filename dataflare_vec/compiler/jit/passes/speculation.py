"""Whether a kernel may be called for rows that don't count.

What lies in memory under a null is anything. A loop that calls the kernel only where a row is valid has a
branch, and often stays scalar; one that calls it for all rows and drops the results of the others vectorises.
That is allowed where no arguments can make the kernel trap, read memory, allocate or run on: where it is
straight-line arithmetic.
"""

from __future__ import annotations

import re
from typing import Any

_DIVISIONS = {"sdiv", "udiv", "srem", "urem"}
_MEMORY = {"load", "alloca", "atomicrmw", "cmpxchg", "invoke", "callbr", "indirectbr", "resume"}
# Ours are those of `codegen.constant_divisors` and `codegen.invariant_divisors`.
_PLAIN_CALLS = ("llvm.", "dfv.sdiv", "dfv.udiv")
_NAME = r"([-\w.$]+|\"[^\"]*\")"
_LABEL, _TARGET = re.compile(rf"{_NAME}:"), re.compile(rf"\blabel %{_NAME}")


def may_speculate(function: Any) -> bool:
    """Whether a compiled function may be called with any arguments."""
    if has_cycle(function):
        return False
    for block in function.blocks:
        for instruction in block.instructions:
            opcode = instruction.opcode
            operands = list(instruction.operands)
            if opcode in _MEMORY or (opcode in _DIVISIONS and _may_trap(operands[1])):
                return False
            if opcode == "call" and not operands[-1].name.startswith(_PLAIN_CALLS):
                return False
    return True


def _may_trap(divisor: Any) -> bool:
    """Whether a division by this may trap: zero does, and -1 for the smallest integer."""
    return not divisor.is_constant or divisor.get_constant_value(signed_int=True) in (0, -1)


def has_branches(function: Any) -> bool:
    """Whether a compiled function takes one way or another by row."""
    return len(list(function.blocks)) > 1


def has_cycle(function: Any) -> bool:
    """Whether a compiled function has a loop."""
    # In the text, because llvmlite 0.50 doesn't tell an operand that is a block from one that is a value, and
    # gives no name to blocks that are numbered. The first block may be without a label: nothing jumps to it.
    followers: dict[str, list[str]] = {}
    here = ""
    for line in str(function).splitlines():
        label = _LABEL.match(line)
        if label:
            here = label[1]
        followers.setdefault(here, []).extend(_TARGET.findall(line))
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
