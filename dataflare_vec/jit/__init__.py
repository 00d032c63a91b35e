"""Kernels compiled onto Arrow memory. Importing this imports numba: do it when a kernel is compiled."""
