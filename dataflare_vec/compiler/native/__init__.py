"""Native functions that are not part of any kernel, called without Numba."""
