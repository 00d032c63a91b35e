"""What a match tells: its groups, and where they are."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from dataflare_vec.compiler.jit.lowering.regex.members import call_helper, methods_of
from dataflare_vec.compiler.jit.lowering.regex.patterns import engine_for
from dataflare_vec.compiler.jit.lowering.strings.base import is_ascii
from dataflare_vec.compiler.jit.lowering.strings.codepoints import count_points
from dataflare_vec.compiler.jit.types.regex import MatchType
from dataflare_vec.compiler.jit.types.strings import byte_pointer, utf8_string

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I64 = ir.IntType(64)

method = methods_of(MatchType)


def group_number(match: MatchType, given: Any) -> int:
    """Return the number of the group that an argument names.

    Raises
    ------
    TypingError
        If there is none, or it is known at run time only.
    """
    value = given if isinstance(given, int) else getattr(given, "literal_value", None)
    if value is None:
        msg = "the group of a match is known at run time"
        raise TypingError(msg)
    number = match.pattern.names.get(str(value)) if isinstance(value, str) else int(value)
    if number is None or not 0 <= number <= match.pattern.groups:
        names = "".join(f", {name!r}" for name in match.pattern.names)
        known = f"0 to {match.pattern.groups}{names}"
        msg = f"the pattern {match.pattern.pattern!r} has no group {value!r}, but {known}"
        raise TypingError(msg)
    return number


def is_always_there(match: MatchType, number: int) -> bool:
    """Whether a group is part of every match."""
    return number == 0 or 2 * number in engine_for(match.pattern, match.view).positions.always


def group_type(match: MatchType, number: int) -> types.Type:
    """Return the type of a group."""
    return match.view if is_always_there(match, number) else types.Optional(match.view)


def group_value(
    context: Context, builder: Builder, match: MatchType, value: ir.Value, number: int
) -> ir.Value:
    """Return a group of a match: a part of its text."""
    found = context.make_helper(builder, match, value=value)
    text = context.make_helper(builder, match.view, value=found.text)
    start, end = (getattr(found, f"end{2 * number + i}") for i in range(2))
    part = context.make_helper(builder, match.view)
    part.data = builder.gep(text.data, [start])
    part.nbytes = builder.sub(end, start)
    kind = group_type(match, number)
    if kind == match.view:
        return part._getvalue()
    result = context.make_helper(builder, kind)
    result.valid = builder.icmp_signed(">=", start, _I64(0))
    result.data = part._getvalue()
    return result._getvalue()


def _groups(match: MatchType, numbers: list[int]) -> Any:
    """Return the type of several groups, and what makes a tuple of them."""
    returned = types.BaseTuple.from_types([group_type(match, number) for number in numbers])

    def write(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        values = [group_value(context, builder, match, args[0], number) for number in numbers]
        return context.make_tuple(builder, returned, values)

    return returned, write


def _group(match: MatchType, given: Any) -> Any:
    """Return the type of one group, and what makes it."""
    number = group_number(match, given)

    def write(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        return group_value(context, builder, match, args[0], number)

    return group_type(match, number), write


@method("group")
def _method_group(match: MatchType, *groups: Any) -> Any:
    if len(groups) < 2:
        returned, write = _group(match, *(groups or [0]))
    else:
        returned, write = _groups(match, [group_number(match, one) for one in groups])
    return returned, groups, write


@method("groups")
def _method_groups(match: MatchType, default: Any = None) -> Any:
    numbers = list(range(1, match.pattern.groups + 1))
    if default is None or isinstance(default, types.NoneType):
        returned, write = _groups(match, numbers)
        return returned, (types.none,), write
    kind = types.unliteral(default)
    if not match.pattern.takes(kind):
        msg = f"a pattern of {match.view} can't be searched for in {kind}"
        raise TypingError(msg)
    item = match.view if match.view == kind else utf8_string
    all_or_default = types.UniTuple(item, len(numbers))

    def write_all(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        values = []
        for number in numbers:
            value = group_value(context, builder, match, args[0], number)
            if not is_always_there(match, number):
                group = context.make_helper(builder, group_type(match, number), value=value)
                value = builder.select(cgutils.as_bool_bit(builder, group.valid), group.data, args[1])
            values.append(value)
        return context.make_tuple(builder, all_or_default, values)

    return all_or_default, (kind,), write_all


def _position(match: MatchType, context: Context, builder: Builder, value: ir.Value, index: int) -> ir.Value:
    """Return where a group starts or ends, in characters."""
    found = context.make_helper(builder, match, value=value)
    offset = getattr(found, f"end{index}")
    if is_ascii(match.view):
        return offset
    text = context.make_helper(builder, match.view, value=found.text)
    result = cgutils.alloca_once_value(builder, offset)
    with builder.if_then(builder.icmp_signed(">", offset, _I64(0))):
        kinds = byte_pointer, types.int64
        points = call_helper(context, builder, count_points, kinds, [text.data, offset])
        builder.store(points, result)
    return builder.load(result)


def _positions(*names: str) -> None:
    which = {"start": [0], "end": [1], "span": [0, 1]}

    def register(name: str) -> None:
        @method(name)
        def typed(match: MatchType, *groups: Any) -> Any:
            if len(groups) > 1:
                msg = f"`{name}` of a match takes one group"
                raise TypingError(msg)
            number = group_number(match, *(groups or [0]))
            returned = types.UniTuple(types.int64, 2) if name == "span" else types.int64

            def write(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
                found = [_position(match, context, builder, args[0], 2 * number + i) for i in which[name]]
                return found[0] if len(found) == 1 else context.make_tuple(builder, returned, found)

            return returned, groups, write

    for name in names:
        register(name)


_positions("start", "end", "span")


@infer_global(operator.getitem)
class _Item(AbstractTemplate):  # type: ignore[misc]
    """``match[1]`` and ``match["name"]``."""

    prefer_literal = True

    def generic(self, args: Any, kws: Any) -> Any:
        """Return the signature for a match and a constant."""
        match, index = args
        if isinstance(match, types.Optional):
            match = match.type
        if not isinstance(match, MatchType):
            return None
        return signature(_group(match, index)[0], match, index)


@lower_builtin(operator.getitem, MatchType, types.Any)
def _item(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    return _group(*sig.args)[1](context, builder, sig, args)


def _truth(function: Any, answer: bool) -> None:
    """Let a function of truth give the same for every match: one that isn't there is None."""

    @infer_global(function)
    class Truth(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            """Return the signature for a match."""
            (match,) = args
            return signature(types.boolean, match) if isinstance(match, MatchType) else None

    @lower_builtin(function, MatchType)
    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        return ir.IntType(1)(answer)


_truth(bool, True)
_truth(operator.not_, False)
