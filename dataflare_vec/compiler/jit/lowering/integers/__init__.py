"""Integers as Python's: exact, or a failed row.

A column of 8 to 32 bits is computed with in 64 (`passes.widen_integers`), one of 64 bits with a sign in 64,
where only ``+``, ``-`` and ``*`` wrap around (`passes.exact_integers`), and a value of a UInt64 column in 128
(`operators`). A word of `dataflare_vec.bits` keeps its 64 bits where nothing but a word can come of it
(`words`), and is computed with in 128 otherwise.
"""

from dataflare_vec.compiler.jit.lowering.integers import functions as functions  # registers them with Numba
from dataflare_vec.compiler.jit.lowering.integers import operators as operators  # likewise
