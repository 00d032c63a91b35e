"""What LLVM is told of a loop over rows, besides what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir
from numba.core import cgutils

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

# Vectors of rows that are computed side by side. A kernel of some hundred instructions is a chain in which
# each waits for the one before, and is all that a processor can look ahead: haversine takes 0.8 of the time
# with two, implied volatility 0.7; four need more registers than there are (measured on Zen 3). With
# AVX-512 there are twice as many: Black–Scholes takes 0.83 of the time with four, solar positions 0.8 (Zen
# 5).
_INTERLEAVED, _WITH_AVX_512 = 2, 4


def say(function: ir.Function, attribute: str) -> None:
    """Give a function an attribute that llvmlite doesn't know."""
    function.attributes = _Attributes(function.attributes, attribute)


class _Attributes(ir.FunctionAttributes):  # type: ignore[misc]
    """Attributes of a function, and one more."""

    def __init__(self, others: ir.FunctionAttributes, more: str) -> None:
        super().__init__(others)
        self.alignstack, self.personality = others.alignstack, others.personality
        self._others, self._more = others, more

    def _to_list(self, ret_type: ir.Type) -> list[str]:
        return [*self._others._to_list(ret_type), self._more]


def copy_in_line(function: ir.Function) -> None:
    """Have a function copy by loops of its own: with 2 KiB the C library takes longer than sums of them."""
    say(function, '"no-builtin-memcpy"')


def keep_loads(builder: Builder) -> None:
    """Keep all loads up to here before the next branch.

    LLVM moves the load of a column that one branch alone reads into that branch. In vectors that is a load
    under a mask, and waits for it: haversine over columns in memory takes 1.6 times as long, rules and loops
    over nulls up to twice. No load is moved past what may have an effect.
    """
    function = ir.FunctionType(ir.VoidType(), ())
    builder.call(cgutils.get_or_insert_function(builder.module, function, "llvm.sideeffect"), ())


def interleave(context: Context, back: ir.Instruction, *, insist: bool) -> None:
    """Ask LLVM to interleave the loop that ends in the branch ``back``, and perhaps insist on vectors."""
    module = back.module
    count = _WITH_AVX_512 if "+avx512vl" in context.codegen()._tm_features else _INTERLEAVED
    wishes = [module.add_metadata(["llvm.loop.interleave.count", ir.IntType(32)(count)])]
    if insist:
        wishes.append(module.add_metadata(["llvm.loop.vectorize.enable", cgutils.true_bit]))
    loop = ir.MDValue(module, [], name=str(len(module.metadata)))
    loop.operands = (loop, *wishes)  # the name of a loop refers to itself, which makes it unlike any other's
    back.set_metadata("llvm.loop", loop)
