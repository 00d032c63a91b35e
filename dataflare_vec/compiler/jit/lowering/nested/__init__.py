"""Columns whose values are made of values: lists as NumPy arrays, structs as named tuples."""
