"""split, rsplit and splitlines as lazy sequences.

``s.split(",")`` is a small struct that remembers string, separator and limit; an index, a length, a loop, an
unpacking walk the string, and nothing is allocated. For rsplit the limit becomes the offset before which
nothing is split, found by walking from the right.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, make_attribute_wrapper, register_model

from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    helper,
    inlined_helper,
    is_ascii,
    is_bytes,
    method,
    operation,
    part,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.lowering.strings.memory import find_bytes, find_last_bytes, same_bytes
from dataflare_vec.compiler.jit.lowering.strings.strip import next_offset, previous_offset, space_at
from dataflare_vec.compiler.jit.types.strings import make_view, offset_by


class PiecesType(types.IterableType):  # type: ignore[misc]
    """The pieces of a string: a sequence that is found by walking.

    Parameters
    ----------
    view
        Type of the string.
    at
        Type of the separator; None for spaces, "lines" for the ends of lines. An optional one is spaces where
        it is None, which an empty separator stands for.
    from_right
        Whether the limit counts from the right.
    """

    def __init__(self, view, at, from_right=False):
        self.view, self.at, self.from_right = view, at, from_right
        super().__init__(f"pieces({view}, {at}, {from_right})")

    @property
    def iterator_type(self):
        """What goes over the pieces."""
        return PiecesIterator(self)


class PiecesIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over pieces."""

    def __init__(self, pieces):
        self.pieces = pieces
        super().__init__(f"iter({pieces})", pieces.view)


@register_model(PiecesType)
class _PiecesModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm, fe_type):
        separator = fe_type.at if isinstance(fe_type.at, types.Type) else types.int64
        separator = separator.type if isinstance(separator, types.Optional) else separator
        members = [("text", fe_type.view), ("separator", separator), ("limit", types.int64)]
        super().__init__(dmm, fe_type, members)


@register_model(PiecesIterator)
class _IteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm, fe_type):
        pointer = types.EphemeralPointer(types.int64)
        super().__init__(dmm, fe_type, [("pieces", fe_type.pieces), ("offset", pointer), ("left", pointer)])


for _name in ("text", "separator", "limit"):
    make_attribute_wrapper(PiecesType, _name, f"_{_name}")


def _maker(kind_of, from_right=False):
    """Return what makes pieces; ``kind_of`` the type of a separator is what they are at."""

    @intrinsic
    def make(typing_context, text, separator, limit):
        kind = PiecesType(text, kind_of(separator), from_right)

        def generate(context, builder, signature, arguments):
            pieces = cgutils.create_struct_proxy(kind)(context, builder)
            pieces.text, pieces.separator, pieces.limit = arguments
            return pieces._getvalue()

        return kind(text, separator, types.int64), generate

    return make


def _by_itself(kind):
    return kind


def _by_spaces(kind):
    return None


_by_separator, _by_separator_right = (_maker(_by_itself, right) for right in (False, True))
_by_space, _by_space_right = (_maker(_by_spaces, right) for right in (False, True))
_by_either, _by_either_right = (_maker(types.Optional, right) for right in (False, True))
_by_line = _maker(lambda kind: "lines")


def _given(value):
    return getattr(value, "value", value)


def _splits_at_space(separator):
    return _given(separator) is None or isinstance(separator, types.NoneType)


@inlined_helper
def _checked(separator):
    """Return a separator that isn't empty."""
    if separator._nbytes == 0:
        raise ValueError("empty separator")
    return separator


def _either(view, sep):
    """Return the type of a separator that may be None; None if it isn't one."""
    return (
        types.unliteral(sep.type) if isinstance(sep, types.Optional) and comparable(view, sep.type) else None
    )


@method("split", data=True)
def _split(view, sep=None, maxsplit=-1):
    if _splits_at_space(sep):
        return lambda view, sep=None, maxsplit=-1: _by_space(view, 0, maxsplit)
    if kind := _either(view, sep):

        def split_either(view, sep=None, maxsplit=-1):
            found = make_view(kind, view._data, 0) if sep is None else _checked(value_of(sep))
            return _by_either(view, found, maxsplit)

        return split_either
    if not comparable(view, sep):
        return None
    return lambda view, sep=None, maxsplit=-1: _by_separator(view, _checked(sep), maxsplit)


@helper
def _cut_of_words(view, maxsplit):
    """Return the offset before which `rsplit` doesn't split at spaces."""
    cut = view._nbytes if maxsplit >= 0 else 0
    for _ in range(maxsplit):
        end = end_of_words(view, cut)
        while end > 0 and not space_at(view, previous_offset(view, end)):
            end = previous_offset(view, end)
        cut = end
        if end == 0:
            break
    return cut


@helper
def _cut_of_parts(view, sep, maxsplit):
    """Return the offset before which `rsplit` doesn't split at a separator."""
    cut = view._nbytes if maxsplit >= 0 else 0
    for _ in range(maxsplit):
        found = find_last_bytes(view._data, 0, cut, sep._data, sep._nbytes)
        if found < 0:
            break
        cut = found
    return cut


@method("rsplit", data=True)
def _rsplit(view, sep=None, maxsplit=-1):
    if _splits_at_space(sep):
        return lambda view, sep=None, maxsplit=-1: _by_space_right(view, 0, _cut_of_words(view, maxsplit))
    if kind := _either(view, sep):

        def rsplit_either(view, sep=None, maxsplit=-1):
            if sep is None:
                return _by_either_right(view, make_view(kind, view._data, 0), _cut_of_words(view, maxsplit))
            found = _checked(value_of(sep))
            return _by_either_right(view, found, _cut_of_parts(view, found, maxsplit))

        return rsplit_either
    if not comparable(view, sep):
        return None

    def rsplit(view, sep=None, maxsplit=-1):
        found = _checked(sep)
        return _by_separator_right(view, found, _cut_of_parts(view, found, maxsplit))

    return rsplit


@method("splitlines", data=True)
def _splitlines(view, keepends=False):
    return lambda view, keepends=False: _by_line(view, 0, 1 if keepends else 0)


# -- walking ----------------------------------------------------------------------------------------------


def first_offset(pieces):
    """Return where the first piece begins; -1 if there is none."""
    raise TypeError(pieces)


def next_piece(pieces, offset, left):
    """Return start and stop of the piece at an offset, and where the next one begins; -1 if that is none."""
    raise TypeError(pieces, offset, left)


@helper
def skip_spaces(view, offset):
    """Return the offset of the next character that isn't a space; -1 if there is none."""
    while offset < view._nbytes:
        if not space_at(view, offset):
            return offset
        offset = next_offset(view, offset)
    return -1


@helper
def end_of_words(view, stop):
    """Return where the last word before an offset ends; 0 if there is none."""
    while stop > 0 and space_at(view, previous_offset(view, stop)):
        stop = previous_offset(view, stop)
    return stop


@helper
def first_separator(view, separator, start):
    """Return the first separator from an offset on, of those that a search from the right finds; -1: none.

    Where a separator can overlap itself ("aa" in "aaa") that isn't the one that a search from the left finds.
    """
    data, size = separator._data, separator._nbytes
    for overlap in range(1, size):
        if same_bytes(data, offset_by(data, size - overlap), overlap):
            break
    else:
        return find_bytes(view._data, start, view._nbytes, data, size)
    first, end = -1, view._nbytes
    while True:
        found = find_last_bytes(view._data, start, end, data, size)
        if found < 0:
            return first
        first = end = found


def _first_word_right(pieces):
    cut = pieces._limit
    return 0 if end_of_words(pieces._text, cut) > 0 else skip_spaces(pieces._text, cut)


def _first_word(pieces):
    return skip_spaces(pieces._text, 0)


@operation(first_offset)
def _first_offset(pieces):
    word = _first_word_right if pieces.from_right else _first_word
    if pieces.at is None:
        return word
    if isinstance(pieces.at, types.Optional):
        word = helper(word)
        return lambda pieces: 0 if pieces._separator._nbytes else word(pieces)
    if pieces.at == "lines":
        return lambda pieces: 0 if pieces._text._nbytes else -1
    return lambda pieces: 0


def _next_word_right(pieces, offset, left):
    view, cut = pieces._text, pieces._limit
    if offset < cut:
        return offset, end_of_words(view, cut), skip_spaces(view, cut)
    stop = offset
    while stop < view._nbytes and not space_at(view, stop):
        stop = next_offset(view, stop)
    return offset, stop, skip_spaces(view, stop)


def _next_part_right(pieces, offset, left):
    view, separator = pieces._text, pieces._separator
    found = first_separator(view, separator, at_least(offset, pieces._limit))
    if found < 0:
        return offset, view._nbytes, -1
    return offset, found, found + separator._nbytes


def _next_word(pieces, offset, left):
    view = pieces._text
    if left == 0:
        return offset, view._nbytes, -1
    stop = offset
    while stop < view._nbytes and not space_at(view, stop):
        stop = next_offset(view, stop)
    return offset, stop, skip_spaces(view, stop)


def _next_line(pieces, offset, left):
    view = pieces._text
    stop = offset
    while stop < view._nbytes:
        size = line_end(view, stop)
        if size:
            following = stop + size
            kept = following if pieces._limit else stop
            return offset, kept, following if following < view._nbytes else -1
        stop = next_offset(view, stop)
    return offset, stop, -1


def _next_part(pieces, offset, left):
    view, separator = pieces._text, pieces._separator
    found = -1
    if left != 0:
        found = find_bytes(view._data, offset, view._nbytes, separator._data, separator._nbytes)
    if found < 0:
        return offset, view._nbytes, -1
    return offset, found, found + separator._nbytes


@operation(next_piece)
def _next_piece(pieces, offset, left):
    if pieces.at == "lines":
        return _next_line
    word, part = (_next_word_right, _next_part_right) if pieces.from_right else (_next_word, _next_part)
    if not isinstance(pieces.at, types.Optional):
        return word if pieces.at is None else part
    word, part = helper(word), helper(part)

    def either(pieces, offset, left):
        return part(pieces, offset, left) if pieces._separator._nbytes else word(pieces, offset, left)

    return either


def line_end(view, offset):
    """Return how many bytes the end of a line takes that is at an offset; 0 if none is."""
    raise TypeError(view, offset)


@operation(line_end)
def _line_end(view, offset):
    only_ascii, only_bytes = is_ascii(view), is_bytes(view)

    def line_end(view, offset):
        data = view._data
        byte = data[offset]
        if byte == 13 and offset + 1 < view._nbytes and data[offset + 1] == 10:
            return 2
        if byte == 10 or byte == 13:
            return 1
        if only_bytes:
            return 0
        if byte == 11 or byte == 12 or (byte >= 28 and byte <= 30):
            return 1
        if only_ascii or byte < 128:
            return 0
        point = decode_at(data, offset)
        if point == 0x85:
            return 2
        return 3 if point == 0x2028 or point == 0x2029 else 0

    return line_end


@operation(len)
def _len(pieces):
    if not isinstance(pieces, PiecesType):
        return None

    def count(pieces):
        found, offset, left = 0, first_offset(pieces), pieces._limit
        while offset >= 0:
            _, _, offset = next_piece(pieces, offset, left)
            left -= 1
            found += 1
        return found

    return count


@operation(bool)
def _bool(pieces):
    return (lambda pieces: first_offset(pieces) >= 0) if isinstance(pieces, PiecesType) else None


@operation(operator.not_)
def _not(pieces):
    return (lambda pieces: first_offset(pieces) < 0) if isinstance(pieces, PiecesType) else None


@operation(operator.getitem)
def _getitem(pieces, index):
    if not (isinstance(pieces, PiecesType) and isinstance(index, types.Integer | types.Boolean)):
        return None

    def get(pieces, index):
        wanted = index
        if wanted < 0:
            wanted += len(pieces)
        offset, left = first_offset(pieces), pieces._limit
        while offset >= 0 and wanted >= 0:
            start, stop, offset = next_piece(pieces, offset, left)
            if wanted == 0:
                return part(pieces._text, start, stop)
            left -= 1
            wanted -= 1
        raise IndexError("list index out of range")

    return get


@operation(operator.contains)
def _contains(pieces, item):
    if not (isinstance(pieces, PiecesType) and comparable(pieces.view, item)):
        return None

    def contains(pieces, item):
        for piece in pieces:  # compiled as it stands
            if piece == item:
                return True
        return False

    return contains


@lower_builtin("getiter", PiecesType)
def _getiter(context, builder, signature, arguments):
    iterator = context.make_helper(builder, signature.return_type)
    pieces = signature.args[0]
    iterator.pieces = arguments[0]
    first = context.compile_internal(builder, _first, types.int64(pieces), arguments)
    limit = context.make_helper(builder, pieces, value=arguments[0]).limit
    iterator.offset = cgutils.alloca_once(builder, ir.IntType(64))
    iterator.left = cgutils.alloca_once(builder, ir.IntType(64))
    builder.store(first, iterator.offset)
    builder.store(limit, iterator.left)
    return iterator._getvalue()


def _first(pieces):
    return first_offset(pieces)


def _next(pieces, offset, left):
    start, stop, following = next_piece(pieces, offset, left)
    return part(pieces._text, start, stop), following


@lower_builtin("iternext", PiecesIterator)
@iternext_impl(RefType.UNTRACKED)
def _iternext(context, builder, signature, arguments, result):
    kind = signature.args[0].pieces
    iterator = context.make_helper(builder, signature.args[0], value=arguments[0])
    offset, left = builder.load(iterator.offset), builder.load(iterator.left)
    valid = builder.icmp_signed(">=", offset, ir.IntType(64)(0))
    result.set_valid(valid)
    with builder.if_then(valid):
        returned = types.Tuple((kind.view, types.int64))
        both = context.compile_internal(
            builder, _next, returned(kind, types.int64, types.int64), [iterator.pieces, offset, left]
        )
        piece, following = cgutils.unpack_tuple(builder, both, 2)
        result.yield_(piece)
        builder.store(following, iterator.offset)
        builder.store(builder.sub(left, ir.IntType(64)(1)), iterator.left)
