"""Vector code for bytes, with AVX-512 and without, up to where nothing may be read any more."""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import pytest
from harness import GuardedPage
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import ir
from numba.core.registry import cpu_target

from dataflare_vec.compiler.jit.lowering.strings import vectorcode

FUNCTIONS = ("word", "matches", "swap_case", "exchange", "leave_out", "is_ascii", "few_without")
OF_THE_PROCESSOR = vectorcode.has


def _no_feature(feature):
    return False


def _copy(module):
    """Return ``void dfv.copy(to, from, bytes, room)``."""
    kinds = [ir.IntType(8).as_pointer()] * 2 + [ir.IntType(64)] * 2
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), "dfv.copy")
    vectorcode.copy_some(ir.IRBuilder(function.append_basic_block()), *function.args)


class Pair(ctypes.Structure):
    """A word, and how many bytes it holds."""

    _fields_ = (("word", ctypes.c_uint64), ("count", ctypes.c_int64))


class Machine:
    """The functions compiled, to call with Python's bytes."""

    def __init__(self):
        module = ir.Module()
        for name in FUNCTIONS:
            getattr(vectorcode, name)(module).linkage = "external"
        _copy(module)
        codegen = cpu_target.target_context.codegen()
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=codegen._get_host_cpu_name(), features=codegen._tm_features
        )
        module.triple = target.triple
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), target)
        self.engine.finalize_object()
        self.page = GuardedPage()
        self.most_places = vectorcode.most_places()

    def _function(self, name, *arguments):
        address = self.engine.get_function_address(f"dfv.{name}")
        return ctypes.CFUNCTYPE(ctypes.c_uint64, *arguments)(address)

    def matches(self, data, places, first, behind, last):
        kinds = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint8, ctypes.c_int64, ctypes.c_uint8
        address, _ = self.page.hold(data)
        found = self._function("matches", *kinds)(address, places, first, behind, last)
        return [place for place in range(64) if found >> place & 1]

    def word(self, data):
        address, _ = self.page.hold(data)
        return self._function("word", ctypes.c_void_p, ctypes.c_int64)(address, len(data))

    def few_without(self, data, byte):
        address, _ = self.page.hold(data)
        function = self.engine.get_function_address("dfv.few_without")
        kinds = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint8
        return ctypes.CFUNCTYPE(Pair, *kinds)(function)(address, len(data), byte)

    def is_ascii(self, data):
        address, _ = self.page.hold(data)
        kinds = ctypes.c_void_p, ctypes.c_int64
        return bool(self._function("is_ascii", *kinds)(address, len(data)) & 1)

    def copy(self, data, room):
        address, _ = self.page.hold(data)
        memory = (ctypes.c_char * (room + 8))(*b"?" * (room + 8))
        kinds = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        self._function("copy", *kinds)(memory, address, len(data), room)
        assert memory.raw[room:] == b"?" * 8
        return memory.raw[: len(data)]

    def move(self, data, distance):
        memory = ctypes.create_string_buffer(bytes(distance) + data, distance + len(data) + 200)
        to = ctypes.addressof(memory)
        kinds = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        self._function("copy", *kinds)(to, to + distance, len(data), len(memory))
        return memory.raw[: len(data)]

    def write(self, name, data, *options):
        kinds = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_uint8] * len(options)
        room = ctypes.create_string_buffer(len(data) + vectorcode.SLACK)
        address, _ = self.page.hold(data)
        written = self._function(name, *kinds)(room, address, len(data), *options)
        return room.raw[: written if name == "leave_out" else len(data)]


@pytest.fixture(params=[OF_THE_PROCESSOR, _no_feature], ids=["processor", "plain"], scope="module")
def machine(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectorcode, "has", request.param)
        return Machine()


@given(needle=st.binary(min_size=1, max_size=40), data=st.data())
def test_matches(machine, needle, data):
    places = data.draw(st.integers(1, machine.most_places))
    text = data.draw(st.lists(st.sampled_from([*needle, 0, 255]), min_size=places, max_size=places))
    text = bytes(text) + needle[1:]
    behind = len(needle) - 1
    wanted = [i for i in range(places) if text[i] == needle[0] and text[i + behind] == needle[-1]]
    assert machine.matches(text, places, needle[0], behind, needle[-1]) == wanted


@given(st.binary(min_size=1, max_size=8))
def test_word(machine, text):
    assert machine.word(text) == int.from_bytes(text, "little")


@given(st.text("az", min_size=8, max_size=300).map(str.encode), st.data())
def test_is_ascii(machine, text, data):
    assert machine.is_ascii(text)
    place = data.draw(st.integers(0, len(text) - 1))
    byte = bytes([data.draw(st.integers(128, 255))])
    assert not machine.is_ascii(text[:place] + byte + text[place + 1 :])


@given(st.binary(min_size=8, max_size=300), st.sampled_from([0, 1, 50, 120, 500]))
def test_copy(machine, text, more):
    assert machine.copy(text, len(text) + more) == text
    assert machine.move(text, more) == text


any_bytes = st.binary(max_size=300) | st.text("aZ,", max_size=200).map(str.encode)


@given(any_bytes)
def test_case(machine, text):
    assert machine.write("swap_case", text, ord("a"), 0) == text.upper()
    assert machine.write("swap_case", text, ord("A"), 0) == text.lower()
    assert machine.write("swap_case", text, ord("a"), 32) == text.swapcase()


@given(st.text("12,", max_size=16).map(str.encode) | st.binary(max_size=16), st.integers(0, 255))
def test_few_bytes_without_one(machine, text, other):
    for byte in (ord(","), other):
        wanted = text.replace(bytes([byte]), b"")
        found = machine.few_without(text, byte)
        assert found.count == len(wanted)
        if 0 < len(wanted) <= 8:
            assert found.word.to_bytes(8, "little") == wanted.rjust(8, b"\0")


@given(any_bytes, st.integers(0, 255) | st.just(ord(",")), st.integers(0, 255))
def test_a_byte_in_place_of_another_or_none(machine, text, old, new):
    assert machine.write("exchange", text, old, new) == text.replace(bytes([old]), bytes([new]))
    assert machine.write("leave_out", text, old) == text.replace(bytes([old]), b"")
