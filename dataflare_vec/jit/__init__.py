"""Kernels compiled onto Arrow memory. Importing this imports all of Numba (see `native.numba`)."""

from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

with global_compiler_lock:  # a kernel of the user's own may be compiling, which does the same
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()
