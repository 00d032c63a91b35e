"""The compiler's types of what Numba has none for, and Numba's own under one roof."""
