"""Functions of our own in machine code, that are no part of a kernel: called without Numba."""
