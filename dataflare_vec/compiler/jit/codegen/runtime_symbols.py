"""What machine code refers to by name besides the C library: Numba's runtime, and memory of ours."""

from __future__ import annotations

import llvmlite.binding as llvm
from numba.core.registry import cpu_target

from dataflare_vec.compiler.jit.codegen import (
    driver as driver,  # with all that it imports, which registers symbols
)
from dataflare_vec.compiler.jit.lowering.strings import symbols


def address_of(name: str) -> int | None:
    """Return the address of a symbol, and tell LLVM; None if there is no such thing."""
    if name in symbols.names():
        return symbols.define(name)
    cpu_target.target_context.refresh()  # starts Numba's runtime, if nothing has yet
    address: int | None = llvm.address_of_symbol(name)
    return address
