"""The door to the compiler: whoever is about to import something of `jit`, or of Numba, goes through it."""

from __future__ import annotations

from importlib import import_module


def import_compiler() -> None:
    """Import Numba and what of it is imported only when it is needed, or wait until another thread has.

    Numba's modules import each other in circles. Two threads that come from two sides are each given half a
    module, and the process can't compile any more. Importing a module of a package doesn't wait until the
    package itself is imported, so ``import dataflare_vec.jit.compiler`` alone isn't enough; nor is our
    package where a thread of the user's is importing Numba.
    """
    import_module("numba")
    import_module("dataflare_vec.jit")
