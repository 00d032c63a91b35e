"""LLVM functions of our own that are no part of a kernel: from the cache, or compiled."""

from __future__ import annotations

import ctypes
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from dataflare_vec.cache.entry import Entry, digest
from dataflare_vec.cache.environment import environment
from dataflare_vec.cache.folder import open_folder
from dataflare_vec.cache.loading import ObjectCode, load

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def address_of(name: str, code: str) -> int:
    """Return the address of the function ``name`` of an LLVM module, loaded once a process."""
    return address_of_compiled(name, partial(_compile, name, code), code)


def address_of_compiled(name: str, compile_: Callable[[], ObjectCode], code: str = "") -> int:
    """Return the address of a function of this library.

    Parameters
    ----------
    name
        Of the function.
    compile_
        Called if it isn't in the cache.
    code
        What it is made of, if that isn't in the sources that `cache.environment` reads.
    """
    folder = open_folder()
    entry = None
    loaded = None
    if folder is not None:
        key = digest(environment(), code.encode())
        entry = Entry(folder, key, lambda: key, no_runtime)
        loaded = entry.load(name)
    if loaded is None:
        compiled = compile_()
        if entry is not None:
            entry.store(name, compiled)
        # Not Numba's own copy, which goes with Numba's modules when the interpreter ends.
        loaded = load(compiled, no_runtime)
    # For ever: columns whose memory it frees may outlive all of Python's objects.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(loaded.owner))
    return loaded.address


def _compile(name: str, code: str) -> ObjectCode:
    import llvmlite.binding as llvm
    from numba.core.registry import cpu_target

    from dataflare_vec.jit.rewrite import compile_lock

    with compile_lock:
        library = cpu_target.target_context.codegen().create_library(name)
        library.enable_object_caching()
        library.add_llvm_module(llvm.parse_assembly(code))
        library.finalize()
        return object_code(library)


def no_runtime(name: str) -> None:
    """Return that there is no such symbol: these functions use the C library at most."""


def object_code(library: Any, name: str | None = None) -> ObjectCode:
    """Return the object file that one of Numba's code libraries was compiled to.

    The function to be called has the library's name, if it isn't given.
    """
    name = name or library.name
    library.get_pointer_to_function(name)  # LLVM writes it at the first look
    module = library._final_module
    external = [
        one.name
        for one in (*module.functions, *module.global_variables)
        if one.is_declaration and not one.name.startswith("llvm.")
    ]
    return ObjectCode(name, bytes(library._get_compiled_object()), tuple(external))


_RELEASE = """
declare void @free(ptr)

define internal void @array(ptr %array) {
  %release = getelementptr i8, ptr %array, i64 64
  store ptr null, ptr %release
  %private = getelementptr i8, ptr %array, i64 72
  %memory = load ptr, ptr %private
  call void @free(ptr %memory)
  ret void
}

define internal void @schema(ptr %schema) {
  %release = getelementptr i8, ptr %schema, i64 56
  store ptr null, ptr %release
  ret void
}

define i64 @dfv.releases(ptr %addresses) {
  store ptr @array, ptr %addresses
  %second = getelementptr ptr, ptr %addresses, i64 1
  store ptr @schema, ptr %second
  ret i64 0
}
"""


@cache
def releases() -> tuple[int, int]:
    """Return the addresses of functions that end the life of an Arrow array and of a schema.

    An array's private data is the one piece of memory it consists of, from ``malloc``. Compiled code, because
    a column may be dropped by any thread, and when Python has gone.
    """
    addresses = (ctypes.c_uint64 * 2)()
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(address_of("dfv.releases", _RELEASE))
    function(ctypes.addressof(addresses))
    return addresses[0], addresses[1]
