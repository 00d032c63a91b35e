"""The calling convention of loops, and access to values in Arrow buffers."""
