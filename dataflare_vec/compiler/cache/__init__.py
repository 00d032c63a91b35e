"""Compiled loops on disk: found again by everything that went into them, loaded without Numba."""
