"""The addresses that machine code with strings refers to by name, all in one place.

Beyond libc's functions, which the linker knows. Machine code that comes from a cache needs `define_all`
first.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

#: Name of a symbol → what makes its memory, once a process.
_makers: dict[str, Callable[[], Any]] = {}
_memory: dict[str, Any] = {}


def symbol(name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register what makes the memory of a symbol: a ctypes object or a NumPy array, which is then kept."""

    def register(make: Callable[[], Any]) -> Callable[[], Any]:
        _makers[name] = make
        return make

    return register


def define(name: str) -> int:
    """Make a symbol's memory if it isn't there yet, tell LLVM, and return its address."""
    if name not in _memory:
        _memory[name] = _makers[name]()
    memory = _memory[name]
    address = memory.ctypes.data if hasattr(memory, "ctypes") else ctypes.addressof(memory)
    llvm.add_symbol(name, address)
    return int(address)


def content(name: str) -> bytes:
    """Return what lies at a symbol that is an array."""
    define(name)
    return bytes(memoryview(_memory[name]).cast("B"))


def names() -> tuple[str, ...]:
    """Return the names of all symbols."""
    return tuple(_makers)


def define_all(code: str | None = None) -> None:
    """Define the symbols that occur in a text of LLVM IR or assembly (all without one)."""
    for name in _makers:
        if code is None or name in code:
            define(name)


def external(module: ir.Module, name: str, ty: ir.Type) -> ir.Value:
    """Return the address of a symbol in a module."""
    define(name)
    return module.globals.get(name) or ir.GlobalVariable(module, ty, name)


def table(name: str, item: types.Type) -> Any:
    """Return a function of Numba code that gives the address of a symbol, an array of ``item``."""
    pointer = types.CPointer(item)

    @intrinsic
    def address(typing_context):
        def generate(context, builder, signature, arguments):
            word = external(builder.module, name, ir.IntType(8))
            return builder.bitcast(word, context.get_value_type(pointer))

        return pointer(), generate

    return address
