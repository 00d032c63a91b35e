"""``if m := …``: a value that is both stored and used is read from its variable.

The bytecode copies the value on the stack first. Numba's front end makes one variable of the copy and the
stored one, and then doesn't find the copy.
"""

from __future__ import annotations

import dis
from itertools import pairwise
from typing import Any


def read_assigned(bytecode: Any) -> None:
    """Replace "copy, store" by "store, load" in Numba's bytecode of one function."""
    for first, second in pairwise(bytecode.table.values()):
        # The second one is Python 3.10's.
        copies = (first.opname == "COPY" and first.arg == 1) or first.opname == "DUP_TOP"
        if copies and second.opname == "STORE_FAST":
            first.arg = second.arg
            for item, name in ((first, "STORE_FAST"), (second, "LOAD_FAST")):
                item.opname, item.opcode = name, dis.opmap[name]
