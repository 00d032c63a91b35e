"""The row of a key: what Python finds by ``==`` and a hash, part by part (`definition.tables.keys`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings.base import helper, inlined_helper
from dataflare_vec.compiler.jit.lowering.strings.memory import load64, same_bytes
from dataflare_vec.compiler.jit.lowering.tables.hashing import (
    INLINE,
    as_words,
    hash_bytes,
    hash_word,
    hash_words,
)
from dataflare_vec.compiler.jit.lowering.tables.memory import section, word
from dataflare_vec.compiler.jit.types.clocks import NONE, SOME, ClockType
from dataflare_vec.compiler.jit.types.strings import BytesType, StringType, offset_by
from dataflare_vec.compiler.jit.types.temporal import TemporalType, ticks
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType, widened

if TYPE_CHECKING:
    from dataflare_vec.definition.tables.keys import Index

_I64, _I128 = ir.IntType(64), ir.IntType(128)

#: A place in the header that there isn't.
_NOWHERE = -1


# -- one hash table ---------------------------------------------------------------------------------------


@inlined_helper
def find_word(block, at, key):
    """Return the row of a word, -1 if it isn't there."""
    if at < 0:
        return -1
    entries, mask = section(block, at), np.uint64(word(block, at + 1))
    place = hash_word(key) & mask
    while True:
        entry = offset_by(entries, np.int64(place) * 16)
        row = np.int64(load64(entry, 8))
        if row == 0 or load64(entry, 0) == key:
            return row - 1
        place = (place + np.uint64(1)) & mask


@inlined_helper
def find_bytes(block, at, data, nbytes):
    """Return the row of a string or bytes, -1 if they aren't there."""
    if at < 0:
        return -1
    entries, mask = section(block, at), np.uint64(word(block, at + 1))
    if nbytes <= INLINE:
        first, second = as_words(data, nbytes)
    else:
        first, second = np.uint64(nbytes) | load64(data, 0) << np.uint64(32), hash_bytes(data, nbytes)
    place = hash_words(first, second) & mask
    while True:
        entry = offset_by(entries, np.int64(place) * 32)
        row = np.int64(load64(entry, 16))
        if row == 0:
            return -1
        if load64(entry, 0) == first and load64(entry, 8) == second:
            if nbytes <= INLINE:
                return row - 1
            known = offset_by(section(block, at + 2), np.int64(load64(entry, 24)))
            if same_bytes(data, known, nbytes):
                return row - 1
        place = (place + np.uint64(1)) & mask


@helper
def find_pair(block, at, first, second):
    """Return the row of a pair of rows, -1 if it isn't there."""
    return find_word(block, at, np.uint64(first) << np.uint64(32) | np.uint64(second))


# -- numbers ----------------------------------------------------------------------------------------------


@intrinsic
def _halves(typing_context, number):
    """Return an integer's lower and upper 64 bits of 128."""
    number = types.unliteral(number)

    def generate(context, builder, signature, arguments):
        whole = widened(builder, arguments[0], number)
        halves = [builder.trunc(whole, _I64), builder.trunc(builder.ashr(whole, _I128(64)), _I64)]
        return context.make_tuple(builder, signature.return_type, halves)

    return types.UniTuple(types.int64, 2)(number), generate


@intrinsic
def _halves_of_float(typing_context, number):
    """Return the same of a float from 2**63 on, as far below zero, that 128 bits hold: it is whole."""

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], _I64)  # by hand: LLVM's own is a function of the compiler's
        exponent = builder.and_(builder.lshr(bits, _I64(52)), _I64(0x7FF))
        digits = builder.or_(builder.and_(bits, _I64((1 << 52) - 1)), _I64(1 << 52))
        shift = builder.sub(exponent, _I64(1023 + 52))
        whole = builder.shl(builder.zext(digits, _I128), builder.zext(shift, _I128))
        negative = builder.icmp_signed("<", bits, _I64(0))
        whole = builder.select(negative, builder.neg(whole), whole)
        halves = [builder.trunc(whole, _I64), builder.trunc(builder.ashr(whole, _I128(64)), _I64)]
        return context.make_tuple(builder, signature.return_type, halves)

    return types.UniTuple(types.int64, 2)(types.float64), generate


@intrinsic
def _bits(typing_context, number):
    """Return the bits of a float."""

    def generate(context, builder, signature, arguments):
        width = ir.IntType(signature.args[0].bitwidth)
        bits = builder.bitcast(arguments[0], width)
        return bits if width == _I64 else builder.zext(bits, _I64)

    return types.uint64(number), generate


@helper
def find_integer(block, words, wide, low, high):
    """Return the row of an integer of 128 bits; ``words`` and ``wide`` are where the parts are."""
    if high == low >> 63:
        return find_word(block, words, np.uint64(low))
    if wide < 0:
        return -1
    first = find_word(block, wide, np.uint64(low))
    second = find_word(block, wide + 2, np.uint64(high))
    return -1 if first < 0 or second < 0 else find_pair(block, wide + 4, first, second)


@helper
def find_float(block, words, wide, floats, number):
    """Return the row of a float, which may be equal to an integer."""
    if -9223372036854775808.0 <= number < 9223372036854775808.0:
        whole = np.int64(number)
        if np.float64(whole) == number:
            return find_word(block, words, np.uint64(whole))
    elif -(2.0**127) <= number < 2.0**127:
        low, high = _halves_of_float(number)
        return find_integer(block, words, wide, low, high)
    return find_word(block, floats, _bits(number))


# -- any key ----------------------------------------------------------------------------------------------


@cache
def finder(index: Index, at: int, key: Any) -> Any:
    """Return a function of Numba code: from a table's block and a key of a type to its row, -1 for none.

    Parameters
    ----------
    index
        What is looked for in, whose places in the header begin with ``at``.

    Raises
    ------
    TypingError
        If values of that type can't be looked for.
    """
    places = {part.name: place for part, place in index.placed(at) if part.name != "tuple"}
    if isinstance(key, types.NoneType):
        return _find_none(places.get("none", _NOWHERE))
    if isinstance(key, types.Optional):
        return _find_optional(places.get("none", _NOWHERE), finder(index, at, types.unliteral(key.type)))
    if isinstance(key, (StringType, BytesType)):
        return _find_text(places.get("text" if isinstance(key, StringType) else "bytes", _NOWHERE))
    if isinstance(key, (types.Boolean, types.Integer, WideIntType)):
        return _find_integer(places.get("int", _NOWHERE), places.get("wide", _NOWHERE))
    if isinstance(key, types.Float):
        return _find_float(places, key)
    if isinstance(key, TemporalType):
        return _find_moment(places.get(key.python.__name__, _NOWHERE), key)
    if isinstance(key, types.BaseTuple):
        for part, place in index.placed(at):
            if part.name == "tuple" and len(part.items) == len(key):
                return _find_tuple(part.items, place, tuple(map(types.unliteral, key)))
        return _find_none(_NOWHERE)
    msg = f"a key that tables don't have: {key}"
    raise TypingError(msg)


def _find_none(at):
    if at < 0:
        return helper(lambda block, key: -1)
    return helper(lambda block, key: word(block, at))


@intrinsic
def _present(typing_context, optional):
    """Return a value that isn't None, as the caller knows."""

    def generate(context, builder, signature, arguments):
        return context.make_helper(builder, signature.args[0], value=arguments[0]).data

    return optional.type(optional), generate


def _find_optional(at, inner):
    absent = _find_none(at)

    @helper
    def find(block, key):
        return absent(block, key) if key is None else inner(block, _present(key))

    return find


def _find_text(at):
    return helper(lambda block, key: find_bytes(block, at, key._data, key._nbytes))


def _find_integer(words, wide):
    @helper
    def find(block, key):
        low, high = _halves(key)
        return find_integer(block, words, wide, low, high)

    return find


def _find_float(places, key):
    if "double" in places:  # of a list: see `definition.tables.keys`
        rounded = places["double" if key == types.float64 else "single"]
        zero = 0.0 if key == types.float64 else np.float32(0.0)
        return helper(lambda block, key: find_word(block, rounded, _bits(key + zero)))
    words, wide, floats = (places.get(name, _NOWHERE) for name in ("int", "wide", "float"))
    return helper(lambda block, key: find_float(block, words, wide, floats, np.float64(key)))


def _find_moment(at, key):
    place = key.place if isinstance(key, ClockType) else NONE
    if place == NONE:
        return helper(lambda block, key: find_word(block, at, np.uint64(ticks(key))))
    if place != SOME:  # tables have no instants with a time zone, and one without is never equal to them
        return _find_none(_NOWHERE)

    @helper
    def find(block, key):
        return -1 if key._aware else find_word(block, at, np.uint64(ticks(key)))

    return find


def _item(i):
    @intrinsic
    def item(typing_context, items):
        def generate(context, builder, signature, arguments):
            return builder.extract_value(arguments[0], i)

        return types.unliteral(items[i])(items), generate

    return item


def _find_tuple(indexes, at, items):
    """Return a function that looks up one item after the other."""
    finders = []
    for index, item in zip(indexes, items, strict=True):
        finders.append(finder(index, at, item))
        at += index.words
    if len(finders) < 2:
        first = finders[0] if finders else _find_none(_NOWHERE)
        take = _item(0)
        if not finders:
            return helper(lambda block, key: find_pair(block, at, 0, 0))

        @helper
        def find_one(block, key):
            row = first(block, take(key))
            return -1 if row < 0 else find_pair(block, at, row, 0)

        return find_one
    found = _first_of(finders[0], _item(0))
    for i, inner in enumerate(finders[1:], 1):
        found = _next_of(found, inner, _item(i), at + 2 * (i - 1))
    return found


def _first_of(inner, take):
    return helper(lambda block, key: inner(block, take(key)))


def _next_of(before, inner, take, at):
    @helper
    def find(block, key):
        first = before(block, key)
        if first < 0:
            return -1
        second = inner(block, take(key))
        return -1 if second < 0 else find_pair(block, at, first, second)

    return find
