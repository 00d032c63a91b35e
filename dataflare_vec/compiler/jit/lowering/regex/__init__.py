"""Regular expressions in kernels: from a pattern to machine code that takes linear time.

A pattern becomes a program (`program.py`), that the places between its characters (`positions.py`), these an
automaton (`automaton.py`), and that code (`code.py`). What Python does with patterns and matches stands in
`patterns.py`, `matches.py`, `sequences.py` and `substitution.py`; one match after the other is found by
`iteration.py`.
"""
