"""Python's `datetime` in kernels: integers that know that they are dates, instants, spans or times."""

from dataflare_vec.compiler.jit.lowering.temporal import arithmetic as arithmetic
from dataflare_vec.compiler.jit.lowering.temporal import attributes as attributes
from dataflare_vec.compiler.jit.lowering.temporal import constructors as constructors
