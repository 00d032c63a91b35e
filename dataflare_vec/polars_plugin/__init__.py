"""Kernels as native libraries that Polars loads by itself: its expression plugins, without Python.

`build` compiles kernels for each set of dtypes, writes tables that describe them, and has a linker put them
together with the C of `runtime/`, which speaks Polars' ABI.
"""
