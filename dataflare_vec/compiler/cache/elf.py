"""Object code of a loop into memory: what a linker does, for the little that compiled loops need.

LLVM compiles for a JIT with the large code model: no two sections have to lie near each other, and nearly
all that is left to do is to write 64-bit addresses. So a loop can be loaded without LLVM, whose import alone
takes longer than all the rest of a warm start.

Source: System V ABI, AMD64 supplement, version 1.0, chapter 4.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from dataflare_vec.compiler.kernel import MachineCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")

_SYMTAB, _RELA, _NOBITS = 2, 4, 8
_WRITE, _ALLOC = 1, 2
_UNDEFINED, _ABSOLUTE, _COMMON = 0, 0xFFF1, 0xFFF2
_GLOBAL = 1

# Relocations: how many bytes, and whether relative to the place.
_KINDS = {1: (8, False), 24: (8, True), 2: (4, True), 4: (4, True)}  # 64, PC64, PC32, PLT32


class NotLoadable(Exception):  # not an error: the loop is compiled
    """Object code that isn't understood here."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


class _Symbol(NamedTuple):
    name: bytes
    binding: int
    section: int
    value: int
    size: int


def can_load() -> bool:
    """Whether this is a machine whose object code is understood."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def load(code: bytes, name: str, runtime: Callable[[str], int | None]) -> MachineCode:
    """Load an object file.

    Parameters
    ----------
    code
        An ELF file of relocatable x86-64 code.
    name
        Of the function to be called.
    runtime
        Returns the address of something that isn't in the C library; None if there is no such thing.

    Raises
    ------
    NotLoadable
        If there is something in it that compiled loops don't have.
    """
    try:
        return _load(code, name.encode(), runtime)
    except (struct.error, IndexError, ValueError) as error:
        msg = f"the object file isn't valid: {error}"
        raise NotLoadable(msg) from None


class _Layout(NamedTuple):
    """Where everything comes to lie, from the beginning of the memory on."""

    sections: dict[int, int]
    commons: dict[int, int]  # by symbol
    read_only: int  # up to where nothing is written to
    size: int


def _load(code: bytes, name: bytes, runtime: Callable[[str], int | None]) -> MachineCode:
    if code[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", code, 16) != (1, 62):
        msg = "it is no relocatable ELF file for x86-64"
        raise NotLoadable(msg)
    (start,) = struct.unpack_from("<Q", code, 40)
    each, count = struct.unpack_from("<HH", code, 58)
    sections = [_Section(*_SECTION.unpack_from(code, start + i * each)) for i in range(count)]
    symbols = list(_symbols(code, sections))
    layout = _lay_out(sections, symbols)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = mmap.mmap(-1, max(layout.size, mmap.PAGESIZE), flags=flags)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))

    def address(index: int) -> int:
        symbol = symbols[index]
        if symbol.section == _UNDEFINED:
            return resolve(symbol.name.decode(), runtime)
        if symbol.section == _ABSOLUTE:
            return symbol.value
        if symbol.section == _COMMON:
            return base + layout.commons[index]
        return base + layout.sections[symbol.section] + symbol.value

    _fill(memory, base, code, sections, layout, address)
    for index, symbol in enumerate(symbols):
        if symbol.binding == _GLOBAL and symbol.section != _UNDEFINED and symbol.name == name:
            _protect(base, layout.read_only)
            return MachineCode(address(index), memory)
    msg = f"it has no function `{name.decode()}`"
    raise NotLoadable(msg)


def _lay_out(sections: Sequence[_Section], symbols: Sequence[_Symbol]) -> _Layout:
    """Find places: for constants and code first, which become read-only, then for what may be written to."""
    places: dict[int, int] = {}
    end = read_only = 0
    kept = [i for i, section in enumerate(sections) if section.flags & _ALLOC]
    for writable in (0, _WRITE):
        for i in kept:
            if sections[i].flags & _WRITE == writable:
                places[i] = _align(end, sections[i].alignment)
                end = places[i] + sections[i].size
        if not writable:
            read_only = end = _align(end, mmap.PAGESIZE)
    commons: dict[int, int] = {}
    for i, symbol in enumerate(symbols):
        if symbol.section == _COMMON:  # its value is its alignment
            commons[i] = _align(end, symbol.value)
            end = commons[i] + symbol.size
    return _Layout(places, commons, read_only, end)


def _fill(
    memory: mmap.mmap,
    base: int,
    code: bytes,
    sections: Sequence[_Section],
    layout: _Layout,
    address: Callable[[int], int],
) -> None:
    """Copy sections to their places, and write into them where symbols are."""
    for i, place in layout.sections.items():
        section = sections[i]
        if section.kind != _NOBITS:
            memory[place : place + section.size] = code[section.offset : section.offset + section.size]
    for section in sections:
        if section.kind == _RELA and section.info in layout.sections:
            for at in range(section.offset, section.offset + section.size, _RELOCATION.size):
                offset, info, addend = _RELOCATION.unpack_from(code, at)
                place = layout.sections[section.info] + offset
                width, relative = _kind_of(info & 0xFFFFFFFF)
                value = address(info >> 32) + addend - (base + place if relative else 0)
                memory[place : place + width] = _bytes(value, width)


def _symbols(code: bytes, sections: list[_Section]) -> Iterator[_Symbol]:
    for section in sections:
        if section.kind != _SYMTAB:
            continue
        names = sections[section.link].offset
        for at in range(section.offset, section.offset + section.size, _SYMBOL.size):
            name, info, _, index, value, size = _SYMBOL.unpack_from(code, at)
            end = code.index(b"\0", names + name)
            yield _Symbol(code[names + name : end], info >> 4, index, value, size)


def _kind_of(kind: int) -> tuple[int, bool]:
    if kind not in _KINDS:
        msg = f"it has a relocation of kind {kind}"
        raise NotLoadable(msg)
    return _KINDS[kind]


def _bytes(value: int, width: int) -> bytes:
    if width == 8:
        return (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
    try:
        return value.to_bytes(4, "little", signed=True)
    except OverflowError:
        msg = "a function that it refers to is too far away"
        raise NotLoadable(msg) from None


def _align(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment if alignment > 1 else position


def _protect(base: int, size: int) -> None:
    """Make constants and code read-only and executable."""
    protect = _process().mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC):
        msg = "the system doesn't let memory become executable"
        raise NotLoadable(msg)


@cache
def _process() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def _libm() -> ctypes.CDLL:
    return ctypes.CDLL("libm.so.6")


def resolve(name: str, runtime: Callable[[str], int | None]) -> int:
    """Return the address of a function of the C library or of the runtime.

    Raises
    ------
    NotLoadable
        If there is none.
    """
    for library in (_process, _libm):
        try:
            return _address_of(library()[name])
        except (AttributeError, OSError):  # other systems have no library of that name
            continue
    address = runtime(name)
    if not address:
        msg = f"there is no function `{name}`"
        raise NotLoadable(msg)
    return address


def _address_of(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]
