"""What fills a place of a template of ``%``: a tuple's only item; for ``%d`` the whole part of a number."""

from __future__ import annotations

from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.exact.whole import FLOATS, truncated
from dataflare_vec.compiler.jit.lowering.strings.base import operation
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType


def whole_part(value):
    """Return the whole part of a number."""
    return int(value)


@operation(whole_part)
def _whole_part(value):
    value = types.unliteral(value)
    if isinstance(value, types.Boolean):
        return lambda value: 1 if value else 0
    if isinstance(value, types.Integer | WideIntType):
        return lambda value: value
    return (lambda value: truncated(value)) if value in FLOATS else None


def only(value):
    """Return what fills the one place of a template: ``"%s" % value``."""
    return value[0] if isinstance(value, tuple) else value


@operation(only)
def _only(value):
    if not isinstance(value, types.BaseTuple):
        return lambda value: value
    if len(value) != 1:
        msg = f"a template that can't be filled: it has 1 place, and there are {len(value)} values"
        raise TypingError(msg)
    return lambda value: value[0]
