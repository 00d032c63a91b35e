"""`hash` of text and bytes is refused: Python's is another one in each process.

Of numbers, and tuples of these, it is what Python says. Dicts and sets have hashes of their own for text.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.types.strings import StringConstantType, ViewType

_TEXT = (ViewType, StringConstantType, types.StringLiteral, types.UnicodeType, types.Bytes)


def _holds_text(kind: Any) -> bool:
    if isinstance(kind, types.BaseTuple):
        return any(map(_holds_text, kind))
    return isinstance(getattr(kind, "type", kind), _TEXT)


@overlay(hash, "obj")
def _choose_hash(obj: Any) -> Any:
    if _holds_text(obj):
        msg = "the hash of text"
        raise TypingError(msg)
