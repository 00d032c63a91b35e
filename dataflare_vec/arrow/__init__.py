"""Arrow columns in memory: layouts, builders and the C data interface; nothing here knows Numba."""
