"""LLVM functions of our own that are no part of a kernel: from the cache, or compiled."""

from __future__ import annotations

import ctypes
import threading
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.forks import wait_for_lock
from dataflare_vec.compiler.cache.entry import Entry, digest
from dataflare_vec.compiler.cache.environment import environment
from dataflare_vec.compiler.cache.folder import open_folder
from dataflare_vec.compiler.cache.loading import ObjectCode, load
from dataflare_vec.compiler.llvm import binding

if TYPE_CHECKING:
    from collections.abc import Callable


_llvm_lock = threading.RLock()
wait_for_lock(_llvm_lock)


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
    keep_for_ever(loaded.owner)  # columns whose memory it frees may outlive all of Python's objects
    return loaded.address


def keep_for_ever(thing: object) -> None:
    """Let something outlive the interpreter: compiled code goes on using it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def address_in_python(name: str) -> int:
    """Return the address of a function of Python's C interface."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


def _compile(name: str, code: str) -> ObjectCode:
    """Compile a module by LLVM alone: for so little Numba needn't be imported."""
    llvm = binding()
    with _llvm_lock:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        module = llvm.parse_assembly(code)
        target = llvm.Target.from_default_triple()
        machine = target.create_target_machine(opt=3, codemodel="jitdefault", jit=True)
        builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
        builder.getModulePassManager().run(module, builder)
        return ObjectCode(name, bytes(machine.emit_object(module)), external_names(module))


def external_names(module: Any) -> tuple[str, ...]:
    """Return what an LLVM module refers to and doesn't hold."""
    found = (*module.functions, *module.global_variables)
    return tuple(one.name for one in found if one.is_declaration and not one.name.startswith("llvm."))


def no_runtime(name: str) -> None:
    """Return that there is no such symbol: these functions use the C library at most."""
