"""From a function to machine code: specialised for dtypes, cached on disk, recompiled when edited."""
