"""What a loop reads and writes, and how that lies in its argument buffer.

A loop (see `compiler.kernel`) gets the address of an argument buffer of 64-bit words. It holds the addresses
of the chunk's buffers and the bits of the constants.

A column takes four arguments: values, what else they need (of booleans: the bit offset), validity, bit offset
of validity; a column that is made of columns has the arguments of those behind its own. A constant takes one
argument for each of its scalars, a string two: address and bytes. Inputs come first, then outputs, then two
bitmaps with their bit offsets: the selection (which rows are still wanted; absent means all) and the failed
rows. The last argument is the address of the words where an error-recording loop says why a row failed (see
`RowLoopBuilder`); 0 if nobody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from dataflare_vec.compiler.jit.abi.elements import kernel_type_of
from dataflare_vec.compiler.jit.types.clocks import ClockType, FoldedTimeType, ZoneType
from dataflare_vec.compiler.jit.types.strings import ViewType
from dataflare_vec.compiler.jit.types.wide_integers import NaturalType

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder

_WORD = 64


@dataclass(frozen=True)
class Input:
    """One parameter of the kernel as the loop sees it."""

    type: types.Type  # of the column's element or of the constant
    is_column: bool
    nullable: bool = False  # annotated `X | None`: the kernel itself receives None
    varies: bool = False  # a string that calls may give others for, all ASCII in the guarded variant

    @property
    def kernel_type(self) -> types.Type:
        """Type of the kernel's argument."""
        ty = kernel_type_of(self.type) if self.is_column else self.type
        return types.Optional(ty) if self.is_column and self.nullable else ty


@dataclass(frozen=True)
class Output:
    """One column that the loop writes."""

    type: types.Type  # as stored
    nullable: bool  # the kernel may return None for it
    dtype: Any  # Polars' of the column


def scalar_leaves(ty: types.Type) -> list[types.Type]:
    """Return the scalars of a constant's type, depth first; each takes one argument."""
    if isinstance(ty, types.NoneType | ZoneType):
        return []
    if isinstance(ty, ViewType | FoldedTimeType):
        return [types.int64, types.int64]
    if isinstance(ty, ClockType):
        return [types.int64] * 4
    if isinstance(ty, NaturalType):
        return [types.uint64]
    if isinstance(ty, types.BaseTuple):
        return [leaf for item in ty for leaf in scalar_leaves(item)]
    return [ty]


def from_bits(builder: Builder, raw: ir.Value, ty: ir.Type) -> ir.Value:
    """Return an argument as a value of LLVM type ``ty``."""
    if isinstance(ty, ir.PointerType):
        return builder.inttoptr(raw, ty)
    if isinstance(ty, ir.DoubleType):
        return builder.bitcast(raw, ty)
    if isinstance(ty, ir.FloatType):
        return builder.bitcast(builder.trunc(raw, ir.IntType(32)), ty)
    if ty.width > _WORD:
        return builder.sext(raw, ty)
    return raw if ty.width == _WORD else builder.trunc(raw, ty)
