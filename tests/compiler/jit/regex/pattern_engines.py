"""What searches for a pattern, by itself: automata without LLVM's optimisations, simulations in Python."""

from __future__ import annotations

import ctypes
import re

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from dataflare_vec.compiler.jit.lowering.regex.automaton import Symbols
from dataflare_vec.compiler.jit.lowering.regex.engine import Engine
from dataflare_vec.compiler.jit.lowering.regex.simulation import room_for, simulate, table_of

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
_KINDS = [_I8.as_pointer(), _I64, _I64, _I1, _I64.as_pointer()]
HOW = ("search", "match", "fullmatch")


class Searcher:
    """What finds a pattern: `find` returns the spans of match and groups in bytes, None if there is none."""

    def __init__(self, pattern, flags, alphabet):
        self.pattern = re.compile(pattern, flags)
        self.engine = Engine(pattern, self.pattern.flags, alphabet)

    def find(self, how, raw, at, end, later=False):
        raise NotImplementedError

    def spans(self, how, text, pos=0, endpos=None):
        """Return the spans as positions, like Python's."""
        endpos = len(text) if endpos is None else endpos
        raw, offsets = _encoded(text)
        return _positions(self.find(how, raw, offsets[pos], offsets[endpos]), offsets)

    def iterate(self, text):
        """Return the spans of all matches one after the other, as `finditer` does."""
        raw, offsets = _encoded(text)
        found, at, later = [], 0, False
        while (spans := self.find("search", raw, at, len(raw), later)) is not None:
            found.append(_positions(spans, offsets))
            later, at = spans[0][0] == spans[0][1], spans[0][1]
        return found


class Automata(Searcher):
    """Automata as machine code."""

    @global_compiler_lock
    def __init__(self, pattern, flags, alphabet):
        super().__init__(pattern, flags, alphabet)
        context = cpu_target.target_context
        module = context.codegen().create_library("patterns").create_ir_module("patterns")
        for how in HOW:
            entry = ir.Function(module, ir.FunctionType(ir.VoidType(), _KINDS), how)
            builder = ir.IRBuilder(entry.append_basic_block())
            spans = self.engine.find(context, builder, how, entry.args[:4])
            for i in range(len(spans.type.elements)):
                builder.store(builder.extract_value(spans, i), builder.gep(entry.args[4], [_I64(i)]))
            builder.ret_void()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=context.codegen()._tm_features, opt=0, jit=True
        )
        self.compiled = llvm.create_mcjit_compiler(llvm.parse_assembly(str(module)), machine)
        self.compiled.finalize_object()
        kinds = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_bool, ctypes.c_void_p
        kind = ctypes.CFUNCTYPE(None, *kinds)
        self.functions = {how: kind(self.compiled.get_function_address(how)) for how in HOW}

    def find(self, how, raw, at, end, later=False):
        buffer = ctypes.create_string_buffer(raw, max(len(raw), 1))
        spans = (ctypes.c_int64 * (2 + 2 * self.engine.groups))()
        self.functions[how](buffer, at, end, later, spans)
        return None if spans[0] < 0 else list(zip(spans[::2], spans[1::2], strict=True))


class Simulation(Searcher):
    """A simulation, run by Python."""

    def __init__(self, pattern, flags, alphabet):
        super().__init__(pattern, flags, alphabet)
        positions, (whole, _) = self.engine.positions, self.engine._whole
        self.firsts = {
            "search": (positions, positions.loop, positions.loop_later),
            "match": (positions, positions.start, positions.start_later),
            "fullmatch": (whole, whole.start, whole.start_later),
        }
        tables = {one: table_of(one, Symbols(one, alphabet)) for one in (positions, whole)}
        self.tables = {how: tables[one] for how, (one, *_) in self.firsts.items()}

    def find(self, how, raw, at, end, later=False):
        if at > end:
            return None
        positions, *firsts = self.firsts[how]
        spans = [-1] * (2 + 2 * positions.groups)
        room = [0] * room_for(positions)
        simulate(raw, at, end, firsts[later], room, spans, self.tables[how])
        if spans[1] < 0:
            return None
        if how != "search":
            spans[0] = at
        numbers = list(map(int, spans))
        return list(zip(numbers[::2], numbers[1::2], strict=True))


def _encoded(text):
    if isinstance(text, bytes):
        return text, range(len(text) + 1)
    return text.encode(), [len(text[:i].encode()) for i in range(len(text) + 1)]


def _positions(spans, offsets):
    if spans is None:
        return None
    known = {offset: i for i, offset in enumerate(offsets)} | {-1: -1}
    return [(known[start], known[end]) for start, end in spans]


def python_spans(match):
    """Return the spans of match and groups that Python has found."""
    return None if match is None else [match.span(i) for i in range(match.re.groups + 1)]
