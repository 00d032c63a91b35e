"""The cache of compiled loops on disk: keyed by everything that went into them, loaded without Numba."""
