"""The compiler passes over a kernel, Numba's and ours, in order."""
