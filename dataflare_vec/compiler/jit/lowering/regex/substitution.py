"""sub and subn of patterns: the text is copied once, piece by piece, into the arena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.compiler.jit.lowering.regex.iteration import Growing, each_match, variable
from dataflare_vec.compiler.jit.lowering.regex.patterns import engine_for, match_of, method, text_type
from dataflare_vec.compiler.jit.lowering.regex.sequences import group_or_empty
from dataflare_vec.compiler.jit.lowering.regex.templates import TemplateType
from dataflare_vec.compiler.jit.types.regex import MatchType, PatternType
from dataflare_vec.compiler.jit.types.strings import ascii_string, constant_view, utf8_string

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I64 = ir.IntType(64)


def _result_type(view: Any, template: TemplateType) -> Any:
    texts = [part for part in template.parts if isinstance(part, bytes)]
    return utf8_string if view == ascii_string and not all(text.isascii() for text in texts) else view


def _registered(name: str) -> None:
    @method(name)
    def typed(pattern: PatternType, repl: Any, string: Any, count: Any = 0) -> Any:
        if not isinstance(repl, TemplateType):
            msg = f"the replacement of `re.{name}` is known at run time"
            raise TypingError(msg)
        view = text_type(pattern, string)
        result = _result_type(view, repl)
        returned = result if name == "sub" else types.Tuple((result, types.int64))

        def write(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
            text, replaced = _replaced(context, builder, MatchType(pattern, view), repl, args[2:])
            return text if name == "sub" else context.make_tuple(builder, returned, [text, replaced])

        return returned, (repl, view, types.int64), write


def _replaced(
    context: Context, builder: Builder, match: MatchType, template: TemplateType, given: Values
) -> tuple[ir.Value, ir.Value]:
    """Return a text with what a template says in place of matches, and how many of them there were.

    Parameters
    ----------
    given
        The text, and how many matches are to be replaced at most, 0 for all.
    """
    string, limit = given
    text = context.make_helper(builder, match.view, value=string)
    made = Growing(context, builder)
    last, count = variable(builder, _I64(0)), variable(builder, _I64(0))

    def unchanged(end: ir.Value) -> list[ir.Value]:
        start = builder.load(last)
        return [builder.gep(text.data, [start]), builder.sub(end, start)]

    bounds = [text.data, _I64(0), text.nbytes]
    with each_match(context, builder, engine_for(match.pattern, match.view), bounds, limit) as spans:
        value = match_of(context, builder, match, string, spans)
        views = [_part(context, builder, match, value, part) for part in template.parts]
        pieces = [unchanged(builder.extract_value(spans, 0)), *views]
        _append(builder, made, pieces)
        builder.store(builder.extract_value(spans, 1), last)
        builder.store(builder.add(builder.load(count), _I64(1)), count)
    result = context.make_helper(builder, match.view)
    result.data, result.nbytes = text.data, text.nbytes
    whole = variable(builder, result._getvalue())
    with builder.if_then(builder.icmp_signed(">", builder.load(count), _I64(0))):
        _append(builder, made, [unchanged(text.nbytes)])
        result.data, result.nbytes = made.data, made.used
        builder.store(result._getvalue(), whole)
    return builder.load(whole), builder.load(count)


def _append(builder: Builder, made: Growing, pieces: list[list[ir.Value]]) -> None:
    """Put pieces, each an address and a number of bytes, behind what is made."""
    nbytes: ir.Value = _I64(0)
    for _, size in pieces:
        nbytes = builder.add(nbytes, size)
    made.reserve(nbytes)
    for data, size in pieces:
        made.append(data, size)


def _part(
    context: Context, builder: Builder, match: MatchType, value: ir.Value, part: bytes | int
) -> list[ir.Value]:
    """Return address and bytes of a part of a template: a text or a group."""
    if isinstance(part, bytes):
        view = constant_view(context, builder, match.view, part)
    else:
        view = group_or_empty(context, builder, match, value, part)
    return [builder.extract_value(view, i) for i in range(2)]


for _name in ("sub", "subn"):
    _registered(_name)
