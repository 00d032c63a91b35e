"""Compiled kernels over single strings: what a method gives for our types, as Python objects.

A kernel is compiled with the pass that makes its constants ours, for an argument list given as addresses and
sizes, and called through a C function, as the engine's loop does.
"""

from __future__ import annotations

import ctypes
import mmap
import pickle

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.codegen.driver import ERROR_MODEL
from dataflare_vec.compiler.jit.lowering.math.emit import Mode
from dataflare_vec.compiler.jit.lowering.strings import arena
from dataflare_vec.compiler.jit.passes.pipeline import pipeline
from dataflare_vec.compiler.jit.types.strings import (
    BytesType,
    StringType,
    ascii_string,
    bytes_view,
    utf8_string,
)

OPTIONS = {
    "pipeline_class": pipeline(Mode(general=True), is_outermost=True),
    "error_model": ERROR_MODEL,
    "no_cpython_wrapper": True,
}
_libraries = []


def type_of(value, wide=False):
    """Numba type in which the harness passes a Python value; ``wide``: ASCII text as UTF-8 text."""
    if isinstance(value, bytes):
        return bytes_view
    if isinstance(value, str):
        return ascii_string if value.isascii() and not wide else utf8_string
    if isinstance(value, bool):
        return types.boolean
    if isinstance(value, int):
        return types.int64
    return types.float64


def _words(ty):
    return 2 if isinstance(ty, StringType | BytesType) else 1


class Compiled:
    """One kernel for one list of argument types: ``call(*values)`` returns or raises what the kernel does."""

    @global_compiler_lock
    def __init__(self, function, argument_types):
        self.function = function
        dispatcher = numba.njit(**OPTIONS)(function)
        dispatcher.compile(tuple(argument_types))
        result = dispatcher.overloads[tuple(argument_types)]
        self.result, self.types, self.returned = result, argument_types, result.signature.return_type
        context = result.target_context
        library = context.codegen().create_library("harness")
        library.add_linking_library(result.library)
        module = library.create_ir_module("harness")
        i64 = ir.IntType(64)
        name = f"harness.{len(_libraries)}"
        entry = ir.Function(module, ir.FunctionType(i64, [i64.as_pointer(), i64.as_pointer()]), name)
        builder = ir.IRBuilder(entry.append_basic_block())
        block, out = entry.args
        arguments, position = [], 0
        for ty in argument_types:
            words = [builder.load(builder.gep(block, [i64(position + i)])) for i in range(_words(ty))]
            position += _words(ty)
            value_type = context.get_value_type(ty)
            if _words(ty) == 2:
                view = cgutils.create_struct_proxy(ty)(context, builder)
                view.data, view.nbytes = builder.inttoptr(words[0], ir.IntType(8).as_pointer()), words[1]
                arguments.append(view._getvalue())
            elif ty == types.float64:
                arguments.append(builder.bitcast(words[0], value_type))
            else:
                arguments.append(builder.trunc(words[0], value_type) if ty == types.boolean else words[0])
        callee = context.declare_function(module, result.fndesc)
        status, value = context.call_conv.call_function(
            builder, callee, self.returned, result.signature.args, arguments
        )
        self._store(context, builder, self.returned, value, out, 0)
        with builder.if_then(status.is_user_exc):
            info = builder.load(status.excinfoptr)
            builder.store(builder.ptrtoint(builder.extract_value(info, 0), i64), out)
            builder.store(builder.sext(builder.extract_value(info, 1), i64), builder.gep(out, [i64(1)]))
        builder.ret(builder.sext(status.code, i64))
        library.add_ir_module(module)
        library.finalize()
        _libraries.append(library)
        self.library = library
        self.c = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(
            library.get_pointer_to_function(name)
        )

    def _store(self, context, builder, ty, value, out, position):
        i64 = ir.IntType(64)

        def put(word):
            nonlocal position
            builder.store(word, builder.gep(out, [i64(position)]))
            position += 1

        if isinstance(ty, types.Optional):
            optional = context.make_helper(builder, ty, value=value)
            put(builder.zext(optional.valid, i64))
            return self._store(context, builder, ty.type, optional.data, out, position)
        if isinstance(ty, types.BaseTuple):
            for item, item_type in zip(cgutils.unpack_tuple(builder, value, len(ty)), ty, strict=True):
                position = self._store(context, builder, item_type, item, out, position)
        elif _words(types.unliteral(ty)) == 2:
            value = context.cast(builder, value, ty, types.unliteral(ty))
            put(builder.ptrtoint(builder.extract_value(value, 0), i64))
            put(builder.extract_value(value, 1))
        elif isinstance(ty, types.Float):
            put(builder.bitcast(context.cast(builder, value, ty, types.float64), i64))
        elif ty != types.none:
            put(context.cast(builder, value, ty, types.int64))
        return position

    def _load(self, ty, words):
        if isinstance(ty, types.Optional):
            valid = words.pop(0)
            value = self._load(ty.type, words)
            return value if valid else None
        if isinstance(ty, types.BaseTuple):
            return tuple(self._load(item, words) for item in ty)
        ty = types.unliteral(ty)
        if _words(ty) == 2:
            address, size = words.pop(0), words.pop(0)
            raw = ctypes.string_at(address, size)
            return raw if isinstance(ty, BytesType) else raw.decode()
        if isinstance(ty, types.Float):
            return ctypes.c_double.from_buffer(ctypes.c_int64(words.pop(0))).value
        if ty == types.none:
            return None
        return bool(words.pop(0)) if ty == types.boolean else words.pop(0)

    def __call__(self, *values):
        kept, words = [], []
        for value, ty in zip(values, self.types, strict=True):
            if _words(ty) == 2:
                raw = value if isinstance(value, bytes) else value.encode()
                if len(kept) == len(_pages):
                    _pages.append(GuardedPage())
                address, buffer = _pages[len(kept)].hold(raw)
                kept.append(buffer)
                words += [address, len(raw)]
            elif ty == types.float64:
                words.append(ctypes.c_int64.from_buffer(ctypes.c_double(value)).value)
            else:
                words.append(int(value))
        block = (ctypes.c_int64 * max(1, len(words)))(*words)
        out = (ctypes.c_int64 * 64)()
        code = self.c(block, out)
        try:
            if code not in (0, -2):
                raise _exception(code, out)
            return None if code == -2 else self._load(self.returned, list(out))
        finally:
            _reset()


def _exception(code, out):
    if code > 0:
        kind, arguments, _ = pickle.loads(ctypes.string_at(out[0], out[1]))
        return kind(*(arguments or ()))
    return {-1: RuntimeError, -3: StopIteration}[code]()


class GuardedPage:
    """Memory behind which nothing may be read: who does ends the process."""

    def __init__(self):
        size = mmap.PAGESIZE
        self.memory = mmap.mmap(-1, 2 * size)
        self.end = ctypes.addressof(ctypes.c_char.from_buffer(self.memory)) + size
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.mprotect(ctypes.c_void_p(self.end), ctypes.c_size_t(size), 0) == 0

    def hold(self, raw):
        """Return an address of the bytes, so that they end where the page does, and what keeps them alive."""
        if len(raw) > mmap.PAGESIZE:
            buffer = ctypes.create_string_buffer(raw, len(raw))
            return ctypes.addressof(buffer), buffer
        ctypes.memmove(self.end - len(raw), raw, len(raw))
        return self.end - len(raw), self.memory


_pages = []


@intrinsic
def _forget(typing_context):
    def generate(context, builder, signature, arguments):
        builder.call(arena.reset_function(builder.module), [arena.opened(builder)])
        return context.get_dummy_value()

    return types.none(), generate


_reset = numba.njit(lambda: _forget())
