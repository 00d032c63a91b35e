"""Object code into memory: our loader, LLVM's, and Numba's own give the same results."""

from __future__ import annotations

import math
import platform
import sys

import numba
import numpy as np
import pytest
from numba.core import types

from dataflare_vec.compiler.cache import elf
from dataflare_vec.compiler.cache.loading import ObjectCode, load, load_with_llvm
from dataflare_vec.compiler.jit.codegen.driver import compile_kernel
from dataflare_vec.compiler.jit.codegen.loops import Input
from dataflare_vec.compiler.jit.codegen.runtime_symbols import address_of
from dataflare_vec.compiler.kernel import PROTOTYPE, LoopVariant

TABLE = np.arange(16.0)
CONSTANTS = (1.5, 2.5, 3.5)


@numba.njit
def helper(x):
    return x * 3.0 if x > 0 else x - CONSTANTS[1]


def raises(x):
    if x < -1e300:
        raise ValueError("too small")
    return x // 2.0


def allocates(x):
    values = np.zeros(4)
    values[1] = x
    return values.sum()


KERNELS = {
    "arithmetic": lambda x: x * 2.0 + 1.0,
    "constants": lambda x: TABLE[int(abs(x)) % 16] + CONSTANTS[int(abs(x)) % 3],
    "our functions": lambda x: math.sin(x) + math.exp(-x * x),
    "helper": lambda x: helper(x) + helper(-x),
    "raises": raises,
    "Numba's functions": lambda x: math.frexp(x)[0],
    "allocates": allocates,
}

linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="our loader knows ELF for x86-64"
)


def call(address, x):
    """Call a loop over one column of floats; return what it writes, and what it returns."""
    out = np.zeros(len(x))
    valid = np.zeros(len(x) // 8 + 1, np.uint8)
    argument_buffer = np.array([x.ctypes.data, 0, 0, 0, out.ctypes.data, 0, valid.ctypes.data, 0, 0, 0, 0, 0])
    return out, PROTOTYPE(address)(argument_buffer.ctypes.data, len(x))


@linux
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("math_mode", ["precise", "libm"])
@pytest.mark.parametrize("nulls", [False, True])
def test_loaders_agree(name, math_mode, nulls):
    kernel = compile_kernel(KERNELS[name], [Input(types.float64, is_column=True)], math=math_mode)
    variant = LoopVariant(nulls, records_errors=False)
    expected = kernel.machine_code(variant)
    code = ObjectCode.from_bytes(kernel.object_code(variant).to_bytes())
    assert code == kernel.object_code(variant)
    x = np.linspace(-9.0, 9.0, 101)
    reference, failed = call(expected.address, x)
    assert not failed
    for loaded in (elf.load(code.code, code.name, address_of), load_with_llvm(code, address_of)):
        out, failed = call(loaded.address, x)
        assert not failed
        assert out.tobytes() == reference.tobytes()


@linux
def test_code_is_not_writable_when_it_runs():
    kernel = compile_kernel(KERNELS["constants"], [Input(types.float64, is_column=True)])
    code = kernel.object_code(LoopVariant(False, False))
    loaded = elf.load(code.code, code.name, address_of)
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, mode = line.split()[:2]
            low, high = (int(part, 16) for part in span.split("-"))
            if low <= loaded.address < high:
                assert mode.startswith("r-x")
                return
    pytest.fail("the code isn't in memory")


def nothing(symbol):
    return None


@linux
def test_what_is_not_understood_is_refused():
    kernel = compile_kernel(KERNELS["Numba's functions"], [Input(types.float64, is_column=True)])
    code = kernel.object_code(LoopVariant(False, False))
    with pytest.raises(elf.NotLoadable, match="there is no function `numba_frexp`"):
        load(code, nothing)
    with pytest.raises(elf.NotLoadable, match="there is no function `nowhere`"):
        load_with_llvm(code._replace(external=("nowhere",)), nothing)
    with pytest.raises(elf.NotLoadable, match="it has no function `other`"):
        elf.load(code.code, "other", address_of)
    with pytest.raises(elf.NotLoadable, match="no relocatable ELF"):
        elf.load(b"\x7fELF" + bytes(100), code.name, address_of)
    for size in range(0, len(code.code) - 1, 97):
        with pytest.raises(elf.NotLoadable):
            elf.load(code.code[:size], code.name, address_of)


@linux
def test_a_relocation_that_is_not_known_is_refused():
    kernel = compile_kernel(KERNELS["our functions"], [Input(types.float64, is_column=True)])
    code = kernel.object_code(LoopVariant(False, False))
    section = code.code.index(b"\x01\x00\x00\x00", 64)  # the kind of some R_X86_64_64, or a byte of code
    changed = bytearray(code.code)
    relocations = [i for i in range(section, len(changed) - 4) if _is_relocation(code.code, i)]
    changed[relocations[0]] = 99
    with pytest.raises(elf.NotLoadable, match="a relocation of kind 99"):
        elf.load(bytes(changed), code.name, address_of)


def _is_relocation(code, at):
    """Whether a kind of relocation is written at a place: found by the section headers, as `readelf` does."""
    start = int.from_bytes(code[40:48], "little")
    size, count = (int.from_bytes(code[i : i + 2], "little") for i in (58, 60))
    for i in range(count):
        header = code[start + i * size : start + (i + 1) * size]
        if int.from_bytes(header[4:8], "little") == 4:
            offset, length = (int.from_bytes(header[j : j + 8], "little") for j in (24, 32))
            if offset <= at < offset + length and (at - offset) % 24 == 8:
                return True
    return False
