"""search, match and fullmatch of patterns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.regex.charsets import ASCII, BYTES, UNICODE
from dataflare_vec.compiler.jit.lowering.regex.engine import engine_of
from dataflare_vec.compiler.jit.lowering.regex.members import call_helper, methods_of
from dataflare_vec.compiler.jit.lowering.strings.base import at_least, at_most, helper, is_bytes
from dataflare_vec.compiler.jit.lowering.strings.codepoints import offset_of
from dataflare_vec.compiler.jit.types.regex import MatchType, PatternType
from dataflare_vec.compiler.jit.types.strings import ascii_string

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.regex.engine import Engine
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I1, _I64 = ir.IntType(1), ir.IntType(64)

method = methods_of(PatternType)


def engine_for(pattern: PatternType, view: Any) -> Engine:
    """Return what searches for a pattern in texts of a type."""
    alphabet = BYTES if is_bytes(view) else ASCII if view == ascii_string else UNICODE
    return engine_of(pattern.pattern, pattern.flags, alphabet)


def text_type(pattern: PatternType, string: Any) -> Any:
    """Return the type of the text that a pattern is searched for in.

    Raises
    ------
    TypingError
        If it can't be.
    """
    view = types.unliteral(string)
    if isinstance(view, types.Optional):
        view = view.type
    if not pattern.takes(view):
        own = "strings" if pattern.is_text else "bytes"
        msg = f"a pattern of {own} can't be searched for in {view}"
        raise TypingError(msg)
    return view


@helper
def offset_within(view, index):
    """Return the byte offset of a ``pos`` or ``endpos``: within the text, whatever is given."""
    return at_most(offset_of(view, at_least(index, 0)), view._nbytes)


def within(context: Context, builder: Builder, view: Any, given: Values) -> list[ir.Value]:
    """Return a text's address, and the offsets between which it is searched.

    Parameters
    ----------
    given
        The text, ``pos`` and ``endpos``.
    """
    text, *bounds = given
    string = context.make_helper(builder, view, value=text)
    defaults = ir.Constant(_I64, 0), ir.Constant(_I64, sys.maxsize)
    kinds = view, types.int64
    start, end = (
        own
        if isinstance(bound, ir.Constant) and bound.constant == default.constant
        else call_helper(context, builder, offset_within, kinds, [text, bound])
        for bound, default, own in zip(bounds, defaults, (_I64(0), string.nbytes), strict=True)
    )
    return [string.data, start, end]


def _finds(role: str) -> None:
    @method(role)
    def typed(pattern: PatternType, string: Any, pos: Any = 0, endpos: Any = sys.maxsize) -> Any:
        view = text_type(pattern, string)
        returned = types.Optional(MatchType(pattern, view))

        def write(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
            bounds = within(context, builder, view, args[1:])
            spans = engine_for(pattern, view).find(context, builder, role, [*bounds, _I1(0)])
            return optional_match(context, builder, returned, args[1], spans)

        return returned, (view, types.int64, types.int64), write


for _role in ("search", "match", "fullmatch"):
    _finds(_role)


def match_of(
    context: Context, builder: Builder, kind: MatchType, text: ir.Value, spans: ir.Value
) -> ir.Value:
    """Return the match that spans are of."""
    match = context.make_helper(builder, kind)
    match.text = text
    for i in range(2 + 2 * kind.pattern.groups):
        setattr(match, f"end{i}", builder.extract_value(spans, i))
    return match._getvalue()


def optional_match(
    context: Context, builder: Builder, kind: types.Optional, text: ir.Value, spans: ir.Value
) -> ir.Value:
    """Return the match that spans are of, or None."""
    result = context.make_helper(builder, kind)
    result.data = match_of(context, builder, kind.type, text, spans)
    result.valid = builder.icmp_signed(">=", builder.extract_value(spans, 0), _I64(0))
    return result._getvalue()
