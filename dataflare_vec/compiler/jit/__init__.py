"""Kernels compiled onto Arrow memory. Importing this imports all of Numba (see `native.numba`)."""

# Before anything in it: a thread that imports a module of a package holds the module's lock and waits for the
# package's, and another thread that imports the package waits the other way round.
import numba  # noqa: F401
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from dataflare_vec.compiler.llvm import binding

binding()

# A kernel of the user's own may be compiling on another thread, which does the same. Numba makes these two
# under locks of their own, and takes the compiler's within: they can't be asked for within that one.
_typing, _target = cpu_target.typing_context, cpu_target.target_context
with global_compiler_lock:
    _typing.refresh()
    _target.refresh()
