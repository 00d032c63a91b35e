"""The door to the compiler: whoever is about to import something of `jit`, or of Numba, goes through it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dataflare_vec.exceptions import KernelCompileError


def import_compiler() -> None:
    """Import Numba and what of it is imported only when it is needed, or wait until another thread has.

    Numba's modules import each other in circles. Two threads that come from two sides are each given half a
    module, and the process can't compile any more. Importing a module of a package doesn't wait until the
    package itself is imported, so an import of `compiler.jit.codegen.driver` alone isn't enough; nor is our
    package where a thread of the user's is importing Numba.

    Raises
    ------
    KernelCompileError
        If Numba is told not to compile, or can't be imported as its environment variables are.
    """
    try:
        config = import_module("numba.core.config")
    except ValueError as error:  # as of NUMBA_NUM_THREADS=0
        msg, hint = f"Numba can't be imported: {error}", "look at the environment variables `NUMBA_…`"
        raise KernelCompileError(msg, hint=hint) from error
    if config.DISABLE_JIT:
        raise KernelCompileError(
            problem="Numba is told not to compile, by `NUMBA_DISABLE_JIT`",
            hint="unset it; to step through a kernel in the interpreter, call its plain function, such as "
            "`kernel.py_func(1.0)`",
        )
    import_module("dataflare_vec.compiler.jit")


def module_of_compiler(name: str) -> Any:
    """Return a module of `jit`, which is above whoever asks: what it compiles is no kernel."""
    import_compiler()
    return import_module(f"dataflare_vec.compiler.jit.{name}")
