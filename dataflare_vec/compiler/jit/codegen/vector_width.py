"""How wide a loop's vectors are.

LLVM takes 256 bits on most processors that have 512, because some have a lower clock while wide units are
in use. A loop that waits for memory gains nothing from them, one that computes up to twice the speed. What
it does is told by its operations for each byte that it reads or writes. Measured on Zen 5 with LLVM's
settings for Sapphire Rapids, 512 bits against 256, columns in the first-level cache, and in memory:

    0.1 operations a byte   1.1, 1.0
    0.4                     1.3, 1.0
    0.9                     1.6, 1.2
    1.4                     1.7, 1.6
    3 (`math.sin`)          1.7, 1.7
    6 (haversine)           1.9, 1.9

A value doesn't depend on the width: each row is computed by the same operations.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dataflare_vec.compiler.jit.codegen.hints import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llvmlite import ir
    from numba.core import types

_ENOUGH = 1.0  # operations a byte
# What has a result, except what costs nothing or is one for the whole loop.
_OPERATION = re.compile(r"^  %\S+ = (?!phi|bitcast|load|alloca|getelementptr)", re.MULTILINE)
_DIVISION, _OPERATIONS_OF_IT = re.compile(r" = [su](?:div|rem) "), 20  # see `constant_divisors`


def computes_much(function: Any, columns: Iterable[types.Type]) -> bool:
    """Whether a kernel computes rather than waits for memory.

    Parameters
    ----------
    function
        The compiled kernel, as LLVM's function.
    columns
        Types of what is read and written for each row.
    """
    text = str(function)
    operations = len(_OPERATION.findall(text)) + _OPERATIONS_OF_IT * len(_DIVISION.findall(text))
    return operations >= _ENOUGH * sum(getattr(column, "bitwidth", 8) for column in columns) / 8


def prefer_512_bits(function: ir.Function) -> None:
    """Say of a function that its vectors may have 512 bits, if the processor has such."""
    say(function, '"prefer-vector-width"="512"')
