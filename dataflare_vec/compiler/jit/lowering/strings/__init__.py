"""Strings and bytes in kernels: views on Arrow memory, with the methods of Python's own types."""
