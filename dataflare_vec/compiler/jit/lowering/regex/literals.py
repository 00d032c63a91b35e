"""A text that every match of a pattern holds: where it isn't, nothing is found, and looking for it is quick.

Of the texts that there are the longest is taken, and how far it may be from where the match begins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

from dataflare_vec.compiler.jit.lowering.regex.charsets import set_of
from dataflare_vec.compiler.jit.lowering.regex.program import parse
from dataflare_vec.compiler.jit.lowering.strings import vectorcode
from dataflare_vec.compiler.jit.lowering.strings.viewcode import define, load

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.lowering.regex.charsets import Alphabet
    from dataflare_vec.compiler.jit.types.numba_types import Builder

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_BYTES = _I8.as_pointer()
_TYPES = re.ASCII | re.LOCALE | re.UNICODE

#: Bytes of a text that are looked for: more of them make it no rarer.
_MOST = 24
#: How far from the start of a match a text may be for the search to begin near it.
_FAR = 64
#: Single bytes that few texts hold.
_RARE = frozenset(b"@#$%^&*~`|\\{}<>") | frozenset(range(1, 9)) | frozenset(range(0x80, 0x100))


class Literal(NamedTuple):
    """A text within each match.

    Attributes
    ----------
    text
        Its bytes.
    before
        How many bytes of the match are before it at most; None if any number.
    is_whole
        Whether it is the match, and there are no conditions.
    """

    text: bytes
    before: int | None
    is_whole: bool


def required(pattern: Any, flags: int, alphabet: Alphabet) -> Literal | None:
    """Return a text that each match of a pattern holds, None if there is none that is worth looking for."""
    parsed = parse(pattern, flags)
    finder = _Finder(alphabet)
    finder.sequence(parsed.data, parsed.state.flags)
    finder.end()
    if finder.is_anchored or not finder.found:
        return None
    text, before = max(finder.found, key=lambda one: len(one[0]))
    if len(text) == 1 and text[0] not in _RARE:
        return None
    is_whole = finder.is_plain and len(finder.found) == 1 and len(text) <= _MOST
    far = before is None or before > _FAR
    return Literal(text[:_MOST], None if far else before, is_whole)


class _Finder:
    """Collects the texts of a pattern's parts that are always there."""

    def __init__(self, alphabet: Alphabet) -> None:
        self.found: list[tuple[bytes, int | None]] = []
        self.is_plain, self.is_anchored = True, False
        self._alphabet = alphabet
        self._text, self._start = b"", 0
        self._before: int | None = 0

    def end(self) -> None:
        """End the text that was being collected."""
        if self._text:
            start = None if self._before is None else self._before - len(self._text)
            self.found.append((self._text, start))
        self._text = b""

    def sequence(self, items: Any, flags: int) -> None:
        """Go through parts that follow each other."""
        for op, value in items:
            self._item(op.name, value, flags)

    def _item(self, op: str, value: Any, flags: int) -> None:
        char = self._character(op, value, flags)
        if char is not None:
            self._text += char
            self._add(len(char))
            return
        if op == "SUBPATTERN":
            _, added, removed, inside = value
            flags = flags & ~_TYPES if added & _TYPES else flags
            self.is_plain &= value[0] is None
            self.sequence(inside, (flags | added) & ~removed)
            return
        self.is_plain = False
        if op in ("AT", "ASSERT", "ASSERT_NOT"):  # takes nothing
            starts = op == "AT" and value.name in ("AT_BEGINNING", "AT_BEGINNING_STRING")
            self.is_anchored |= starts and self._before == 0 and not flags & re.MULTILINE
            return
        self.end()
        start = self._before
        if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inside = value
            if least:
                self.sequence(inside, flags)
                self.end()
            self._before = start
            self._add(min(inside.getwidth()[1] * int(most), 1 << 20), characters=True)
            return
        is_one = op in ("ANY", "IN", "LITERAL", "NOT_LITERAL")
        self._add(1 if is_one else 1 << 20, characters=True)

    def _add(self, count: int, *, characters: bool = False) -> None:
        """Count what is passed: bytes, or characters of up to four of them."""
        if self._before is not None:
            each = 4 if characters and self._alphabet.last > 0xFF else 1
            self._before = None if count > _FAR else self._before + each * count

    def _character(self, op: str, value: Any, flags: int) -> bytes | None:
        """Return the one character that a part takes, None if it may be another."""
        if op != "LITERAL":
            return None
        if flags & re.IGNORECASE and not self._is_alone(value, flags):
            return None
        if not self._alphabet.is_text:
            return bytes([value])
        return None if 0xD800 <= value <= 0xDFFF else chr(value).encode()

    def _is_alone(self, point: int, flags: int) -> bool:
        same = set_of([(_LITERAL, point)], flags, self._alphabet)
        return same == ((point, point),)


_LITERAL = next(op for op, _ in parse("a", 0).data)


def find_literal(module: ir.Module, text: bytes) -> ir.Function:
    """Return ``i64 find(i8* data, i64 at, i64 end)``: where a text is found first; -1 if it isn't."""
    function, builder = define(module, f"dfv.regex.find.{text.hex()}", _I64, [_BYTES, _I64, _I64])
    if builder is None:
        return function
    function.attributes.add("noinline")
    data, start, end = function.args
    behind = len(text) - 1
    at, bits = cgutils.alloca_once_value(builder, start), cgutils.alloca_once(builder, _I64)
    head, look, check, following, missing = (
        builder.append_basic_block(name) for name in ("head", "look", "check", "following", "missing")
    )
    builder.branch(head)
    builder.position_at_end(head)
    here = builder.load(at)
    left = builder.sub(builder.sub(end, here), _I64(behind))
    builder.cbranch(builder.icmp_signed(">", left, _I64(0)), look, missing)
    builder.position_at_end(look)
    most = _I64(vectorcode.most_places())
    places = builder.select(builder.icmp_signed("<", left, most), left, most)
    address = builder.gep(data, [here])
    given = [address, places, _I8(text[0]), _I64(behind), _I8(text[-1])]
    builder.store(builder.call(vectorcode.matches(module), given), bits)
    builder.branch(check)
    builder.position_at_end(check)
    found = builder.load(bits)
    with builder.if_then(builder.icmp_unsigned("!=", found, _I64(0)), likely=False):
        offset = builder.add(here, builder.cttz(found, ir.IntType(1)(1)))
        with builder.if_then(_is_there(builder, data, offset, text)):
            builder.ret(offset)
        builder.store(builder.and_(found, builder.sub(found, _I64(1))), bits)
        builder.branch(check)
    builder.branch(following)
    builder.position_at_end(following)
    builder.store(builder.add(here, places), at)
    builder.branch(head)
    builder.position_at_end(missing)
    builder.ret(_I64(-1))
    return function


def _is_there(builder: Builder, data: ir.Value, offset: ir.Value, text: bytes) -> ir.Value:
    """Whether a text, whose first and last bytes are there, is at an offset."""
    same: ir.Value = ir.IntType(1)(1)
    at, middle = 1, text[1:-1]
    for size in (8, 4, 2, 1):
        while len(middle) >= size:
            kind = ir.IntType(8 * size)
            word = load(builder, data, builder.add(offset, _I64(at)), kind)
            wanted = kind(int.from_bytes(middle[:size], "little"))
            same = builder.and_(same, builder.icmp_unsigned("==", word, wanted))
            at, middle = at + size, middle[size:]
    return same
