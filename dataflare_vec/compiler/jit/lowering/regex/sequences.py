"""findall, finditer and split of patterns: lists that are made at once, by one walk through the text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from dataflare_vec.compiler.jit.lowering.nested.row_lists import RowListType, begin
from dataflare_vec.compiler.jit.lowering.regex.iteration import GrowingList, each_match, variable
from dataflare_vec.compiler.jit.lowering.regex.matches import group_value, is_always_there
from dataflare_vec.compiler.jit.lowering.regex.patterns import engine_for, match_of, method, text_type, within
from dataflare_vec.compiler.jit.types.regex import MatchType, PatternType

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I64 = ir.IntType(64)


def group_or_empty(
    context: Context, builder: Builder, match: MatchType, value: ir.Value, number: int
) -> ir.Value:
    """Return a group of a match; an empty one if it isn't part of it."""
    group = group_value(context, builder, match, value, number)
    if is_always_there(match, number):
        return group
    found = context.make_helper(builder, types.Optional(match.view), value=group)
    view = context.make_helper(builder, match.view, value=found.data)
    view.nbytes = builder.select(found.valid, view.nbytes, _I64(0))
    return view._getvalue()


def _found(match: MatchType) -> types.Type:
    """Return the type of what `findall` gives for a match."""
    groups = match.pattern.groups
    return match.view if groups < 2 else types.UniTuple(match.view, groups)


@method("findall")
def _findall(pattern: PatternType, string: Any, pos: Any = 0, endpos: Any = sys.maxsize) -> Any:
    view = text_type(pattern, string)
    match = MatchType(pattern, view)
    returned = RowListType(_found(match))

    def write(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        items = GrowingList(context, builder, returned)
        bounds = within(context, builder, view, args[1:])
        with each_match(context, builder, engine_for(pattern, view), bounds) as spans:
            value = match_of(context, builder, match, args[1], spans)
            numbers = range(1, pattern.groups + 1) if pattern.groups else [0]
            parts = [group_or_empty(context, builder, match, value, number) for number in numbers]
            items.append(
                [parts[0] if len(parts) == 1 else context.make_tuple(builder, returned.dtype, parts)]
            )
        return items.value()

    return returned, (view, types.int64, types.int64), write


@method("finditer")
def _finditer(pattern: PatternType, string: Any, pos: Any = 0, endpos: Any = sys.maxsize) -> Any:
    view = text_type(pattern, string)
    match = MatchType(pattern, view)
    kind = RowListType(match)

    def write(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        items = GrowingList(context, builder, kind)
        bounds = within(context, builder, view, args[1:])
        with each_match(context, builder, engine_for(pattern, view), bounds) as spans:
            items.append([match_of(context, builder, match, args[1], spans)])
        return begin(context, builder, kind, items.value())

    return kind.iterator_type, (view, types.int64, types.int64), write


@method("split")
def _split(pattern: PatternType, string: Any, maxsplit: Any = 0) -> Any:
    view = text_type(pattern, string)
    match = MatchType(pattern, view)
    numbers = range(1, pattern.groups + 1)
    always = all(is_always_there(match, number) for number in numbers)
    returned = RowListType(view if always else types.Optional(view))

    def write(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        text = context.make_helper(builder, view, value=args[1])
        items = GrowingList(context, builder, returned)
        last = variable(builder, _I64(0))

        def item(value: ir.Value, given: types.Type) -> ir.Value:
            return context.cast(builder, value, given, returned.dtype)

        def part(end: ir.Value) -> ir.Value:
            piece = context.make_helper(builder, view)
            start = builder.load(last)
            piece.data, piece.nbytes = builder.gep(text.data, [start]), builder.sub(end, start)
            return item(piece._getvalue(), view)

        bounds = [text.data, _I64(0), text.nbytes]
        with each_match(context, builder, engine_for(pattern, view), bounds, args[2]) as spans:
            value = match_of(context, builder, match, args[1], spans)
            groups = []
            for number in numbers:
                kind = view if is_always_there(match, number) else types.Optional(view)
                groups.append(item(group_value(context, builder, match, value, number), kind))
            items.append([part(builder.extract_value(spans, 0)), *groups])
            builder.store(builder.extract_value(spans, 1), last)
        items.append([part(text.nbytes)])
        return items.value()

    return returned, (view, types.int64), write
