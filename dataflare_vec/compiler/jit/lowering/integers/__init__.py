"""Integers as Python's: exact, or a failed row.

A column of 8 to 32 bits is computed with in 64 (`passes.widen_integers`), one of 64 bits with a sign in 64,
where only ``+``, ``-`` and ``*`` wrap around (`passes.exact_integers`), and a value of a UInt64 column in 128
(`operators`).
"""

from dataflare_vec.compiler.jit.lowering.integers import functions as functions  # registers them with Numba
from dataflare_vec.compiler.jit.lowering.integers import operators as operators  # likewise
