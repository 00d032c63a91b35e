"""The compiler's types: those that Numba lacks, and Numba's own under one roof."""
