"""A pattern without its automaton, for those whose automaton would be too large: all ways side by side.

It takes time in proportion to the text and to the pattern (K. Thompson, "Regular expression search
algorithm", 1968; R. Pike's way to note groups): a list of ways, in order of preference, goes through the
text, and there is no more than one way at a position. The pattern is a table of numbers, so that the code is
the same for all.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from numba.core import types

from dataflare_vec.compiler.jit.lowering.regex.decode import BLOCK_BITS, tables_of
from dataflare_vec.compiler.jit.lowering.regex.positions import MATCH
from dataflare_vec.compiler.jit.lowering.regex.program import RefusedPattern
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, start_before, width_at

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.regex.automaton import Symbols
    from dataflare_vec.compiler.jit.lowering.regex.positions import Positions

#: Words of the lists, which lie on the stack.
_MOST_WORDS = 16_384

words = types.CPointer(types.int64)

# What the table begins with: numbers, and where the tables of it begin.
_TAGS, _POSITIONS, _STEPS, _WORDS_OF_SYMBOLS, _FINAL, _END, _AT_START, _IS_UTF8 = range(8)
_FIRST_STEPS, _TARGETS, _NOTED, _ALLOWED, _CONTEXTS, _NARROW, _INDEX, _BLOCKS = range(8, 16)


def room_for(positions: Positions) -> int:
    """Return how many words a simulation needs.

    Raises
    ------
    RefusedPattern
        If they are too many.
    """
    count = len(positions.steps)
    needed = 2 * count * (2 + 2 * positions.groups) + count
    if needed > _MOST_WORDS or positions.groups > 31:
        raise RefusedPattern(
            f"the pattern has {count:,} characters and {positions.groups} groups, counts written out, and "
            "has to be matched in many ways at once",
            "use smaller counts and fewer groups, or take the text apart in two steps",
        )
    return needed


def table_of(positions: Positions, symbols: Symbols) -> list[int]:
    """Return the table of a pattern."""
    steps = [step for some in positions.steps for step in some]
    alphabet = symbols.classes.alphabet
    is_utf8 = alphabet.last > 0xFF
    blocks, index = tables_of(symbols.classes) if is_utf8 else ([], [])
    tables: list[list[int]] = [
        list(accumulate(map(len, positions.steps), initial=0)),
        [step.to for step in steps],
        [sum(1 << tag for tag in step.tags) for step in steps],
        _allowed(positions, symbols),
        [symbols.context(symbol) for symbol in range(symbols.end)],
        [symbols.classes.of(byte) for byte in range(min(alphabet.last, 0x7F if is_utf8 else 0xFF) + 1)],
        index,
        blocks,
    ]
    header = [
        *(2 * positions.groups + 1, len(positions.steps), len(steps), symbols.end // 64 + 1),
        *(symbols.final, symbols.end, symbols.at_start, int(is_utf8)),
    ]
    starts = accumulate(map(len, tables[:-1]), initial=len(header) + len(tables))
    return [*header, *starts, *(number for table in tables for number in table)]


def _allowed(positions: Positions, symbols: Symbols) -> list[int]:
    """Return for each context and step before which symbols it may be taken, as bits of words."""
    takes = {MATCH: symbols.all, positions.loop: symbols.all & ~(1 << symbols.end)}
    found = []
    for context in range(len(symbols.contexts)):
        for steps in positions.steps:
            for step in steps:
                mask = takes[step.to] if step.to in takes else symbols.mask(positions.chars[step.to])
                for any_of in step.conditions:
                    mask &= symbols.allowed(any_of, context)
                for word in range(symbols.end // 64 + 1):
                    bits = mask >> 64 * word & (1 << 64) - 1
                    found.append(bits - (1 << 64) if bits >> 63 else bits)
    return found


@helper
def _class_at(table, data, at):
    """Return the class of the character at an offset."""
    byte = data[at]
    if byte < 0x80 or not table[_IS_UTF8]:
        return table[table[_NARROW] + byte]
    point = decode_at(data, at)
    block = table[table[_INDEX] + (point >> BLOCK_BITS)]
    return table[table[_BLOCKS] + (block << BLOCK_BITS) + (point & (1 << BLOCK_BITS) - 1)]


@helper
def _context_at(table, data, at):
    """Return what of the character before an offset counts."""
    if at <= 0:
        return table[_AT_START]
    before = start_before(data, at) if table[_IS_UTF8] else at - 1
    return table[table[_CONTEXTS] + _class_at(table, data, before)]


@helper
def simulate(data, at, end, first, room, spans, table):
    """Write the spans of what is found from an offset on: of the match, and of the groups.

    Parameters
    ----------
    first
        The position at which it begins.
    room
        Words to work with.
    spans
        All -1 if nothing is found; the start of a match is -1 also where only the caller knows it.
    """
    tags, most = table[_TAGS], table[_POSITIONS]
    targets, noted_by = table[_TARGETS], table[_NOTED]
    per_way = tags + 1
    here, there, seen = 0, most * per_way, 2 * most * per_way
    for i in range(per_way):
        room[i] = -1
        spans[i] = -1
    room[0] = first
    for i in range(most):
        room[seen + i] = -1
    count = 1
    context = _context_at(table, data, at)
    while count > 0:
        symbol = table[_END]
        if at < end:
            symbol = _class_at(table, data, at)
            if table[_FINAL] >= 0 and data[at] == 10 and at + 1 == end:
                symbol = table[_FINAL]
        allowed = table[_ALLOWED] + context * table[_STEPS] * table[_WORDS_OF_SYMBOLS] + (symbol >> 6)
        following = 0
        matched = False
        for way in range(count):
            origin = here + way * per_way
            steps = table[_FIRST_STEPS] + room[origin]
            for step in range(table[steps], table[steps + 1]):
                if not table[allowed + step * table[_WORDS_OF_SYMBOLS]] >> (symbol & 63) & 1:
                    continue
                noted, target = table[noted_by + step], table[targets + step]
                if target < 0:
                    spans[1] = at
                    for tag in range(tags):
                        value = at if noted >> tag & 1 else room[origin + 1 + tag]
                        spans[tag + 1 if tag else 0] = value
                    matched = True
                    break
                if room[seen + target] != at:
                    room[seen + target] = at
                    to = there + following * per_way
                    room[to] = target
                    for tag in range(tags):
                        room[to + 1 + tag] = at if noted >> tag & 1 else room[origin + 1 + tag]
                    following += 1
            if matched:
                break
        if symbol == table[_END]:
            break
        context = table[table[_CONTEXTS] + symbol]
        at += width_at(data, at) if table[_IS_UTF8] else 1
        here, there = there, here
        count = following
