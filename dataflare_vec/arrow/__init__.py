"""Columns as they lie in memory; nothing here knows Numba."""
