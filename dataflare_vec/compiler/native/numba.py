"""The door to the compiler: whoever is about to import something of `jit`, or of Numba, goes through it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dataflare_vec._util.interrupts import held_back
from dataflare_vec.exceptions import KernelCompileError

#: Whether all has been imported.
_imported = False


def import_compiler() -> None:
    """Import Numba and what of it is imported only when it is needed, or wait until another thread has.

    Numba's modules import each other in circles. Two threads that come from two sides are each given half a
    module, and the process can't compile any more. Importing a module of a package doesn't wait until the
    package itself is imported, so an import of `compiler.jit.codegen.driver` alone isn't enough; nor is our
    package where a thread of the user's is importing Numba. Nor can it compile after an import that Ctrl-C
    has ended: some modules are there then, and those that hold them aren't. So Ctrl-C waits.

    Raises
    ------
    KernelCompileError
        If Numba is told not to compile, or can't be imported as its environment variables are.
    """
    global _imported
    if _imported:
        _check_enabled(import_module("numba.core.config"))
        return
    with held_back():
        try:
            config = import_module("numba.core.config")
        except ValueError as error:  # as of NUMBA_NUM_THREADS=0
            msg, hint = f"Numba can't be imported: {error}", "look at the environment variables `NUMBA_…`"
            raise KernelCompileError(msg, hint=hint) from error
        _check_enabled(config)
        import_module("dataflare_vec.compiler.jit")
        _imported = True


def _check_enabled(config: Any) -> None:
    if config.DISABLE_JIT:
        raise KernelCompileError(
            problem="Numba is told not to compile, by `NUMBA_DISABLE_JIT`",
            hint="unset it; to step through a kernel in the interpreter, call its plain function, such as "
            "`kernel.py_func(1.0)`",
        )


def module_of_compiler(name: str) -> Any:
    """Return a module of `jit`, which is above whoever asks: what it compiles is no kernel."""
    import_compiler()
    return import_module(f"dataflare_vec.compiler.jit.{name}")
