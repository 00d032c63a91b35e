"""Elements of a date read one behind the other, as straight-line LLVM IR.

Where a number may have been too long for what comes behind it, as the month of ``%m%d``, the code goes back
to it and takes one digit less: what Python's regular expression finds first is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings.viewcode import load
from dataflare_vec.compiler.jit.lowering.temporal.text.characters import (
    behind_spaces,
    offset_reader,
)
from dataflare_vec.compiler.jit.lowering.temporal.text.cursor import Cursor
from dataflare_vec.compiler.jit.lowering.temporal.text.directives import (
    Characters,
    Element,
    FractionField,
    NameField,
    NumberField,
    OffsetField,
    Spaces,
    is_settled,
    variants_of,
)
from dataflare_vec.compiler.jit.types.strings import byte_pointer

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_CASE = 0x20  # the bit that tells lower case of ASCII from upper

#: The fields that a matcher finds, and what they are where the format has none; -1 stands for "not given".
FIELDS = {
    "year": -1,
    "month": 1,
    "day": 1,
    "hour": 0,
    "minute": 0,
    "second": 0,
    "microsecond": 0,
    "weekday": -1,
    "day of the year": -1,
    "week": -1,
    "iso year": -1,
    "iso week": -1,
    "offset": 0,
}
_FIELD_OF = {
    **{"Y": "year", "m": "month", "B": "month", "b": "month", "d": "day", "H": "hour", "M": "minute"},
    **{"S": "second", "f": "microsecond", "A": "weekday", "a": "weekday", "j": "day of the year"},
    **{"U": "week", "W": "week", "G": "iso year", "V": "iso week", "z": "offset"},
}


def matcher(elements: tuple[Element, ...], *, is_ascii: bool) -> Any:
    """Return a function of Numba code that reads text: whether all of it is as it should be, and the fields.

    Its arguments are the address of the text and its bytes.
    """
    returned = types.Tuple([types.boolean, *[types.int64] * len(FIELDS)])

    @intrinsic
    def match(typing_context: TypingContext, data: Any, nbytes: Any) -> Any:
        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            found = _Matcher(context, builder, arguments, is_ascii=is_ascii).match(elements)
            return context.make_tuple(builder, returned, found)

        return returned(byte_pointer, types.int64), generate

    return match


def least_bytes(element: Element) -> int:
    """Return how many bytes an element takes at least."""
    if isinstance(element, NumberField):
        return min(digits.length for digits in element.alternatives)
    if isinstance(element, NameField):
        return min(map(len, element.names))
    if isinstance(element, Characters):
        return len(element.variants)
    return 1


class _Matcher(Cursor):
    """Writes how elements are read."""

    def match(self, elements: tuple[Element, ...]) -> list[ir.Value]:
        """Return whether the text fits, and the fields."""
        builder = self.builder
        no, end = self.failed, builder.append_basic_block("date read")
        left = sum(map(least_bytes, elements))
        followed = [*elements[1:], None]
        for element, following in zip(elements, followed, strict=True):
            self.left = left
            self._unless(builder.icmp_signed(">=", self._rest(), _I64(left)))
            self._element(element, following)
            left -= least_bytes(element)
        whole = builder.icmp_signed("==", self._at(), self.nbytes)
        found = builder.block
        builder.branch(end)
        builder.position_at_end(no)
        builder.branch(end)
        builder.position_at_end(end)
        fits = builder.phi(cgutils.bool_t)
        fits.add_incoming(whole, found)
        fits.add_incoming(cgutils.false_bit, no)
        return [fits, *self._fields(elements)]

    # -- elements -------------------------------------------------------------------------------------------

    def _element(self, element: Element, following: Element | None) -> None:
        settled = is_settled(element, following)
        if isinstance(element, Spaces):
            self._go_to(self._called(behind_spaces(is_ascii=self.is_ascii), types.int64))
        elif isinstance(element, Characters):
            self._characters(element)
        elif isinstance(element, NameField):
            self._name(element)
        elif isinstance(element, OffsetField):
            reader = offset_reader(is_ascii=self.is_ascii)
            result = self._called(reader, types.UniTuple(types.int64, 2))
            value, place = cgutils.unpack_tuple(self.builder, result, 2)
            self._go_to(place)
            self._keep(element.directive, value)
        elif isinstance(element, FractionField):
            self._fraction(element, is_settled=settled)
        elif isinstance(element, NumberField):
            if element.directive == "d":
                self._skip_space_before_digit()
            if settled:
                self._number(element)
            else:
                self._number_or_less(element)

    def _skip_space_before_digit(self) -> None:
        """Skip the space of a day of one digit, which C writes."""
        space = self.builder.icmp_unsigned("==", self._byte(0), _I8(ord(" ")))
        digit = self.builder.icmp_unsigned("<", self.builder.sub(self._byte(1), _I8(ord("1"))), _I8(9))
        # Behind the space there is one digit: what is behind that is left.
        only = self.builder.and_(space, digit)
        self.only_one = only
        self._go(self.builder.zext(only, _I64))
        self.left -= 1

    # -- numbers --------------------------------------------------------------------------------------------

    def _alternatives(self, element: NumberField) -> list[tuple[ir.Value, ir.Value, ir.Value]]:
        found = [self._digits(digits) for digits in element.alternatives]
        if element.directive == "d":
            value, fits, place = found[0]
            found[0] = value, self.builder.and_(fits, self.builder.not_(self.only_one)), place
        return found

    def _number(self, element: NumberField) -> None:
        """Read a number that no other alternative can be instead of."""
        builder = self.builder
        *longer, (value, fits, place) = self._alternatives(element)
        for other, is_it, behind in reversed(longer):
            value, place = builder.select(is_it, other, value), builder.select(is_it, behind, place)
            fits = builder.or_(is_it, fits)
        self._unless(fits)
        self._keep(element.directive, value)
        builder.store(place, self.cursor)

    def _number_or_less(self, element: NumberField) -> None:
        """Read the longest number, and one with fewer digits when what is behind it doesn't fit."""
        self._choose(element.directive, self._alternatives(element))

    def _choose(self, directive: str, alternatives: list[tuple[ir.Value, ir.Value, ir.Value]]) -> None:
        """Take the first alternative that fits, and the next one when code comes back."""
        builder = self.builder
        count = len(alternatives)
        attempts = [builder.append_basic_block(f"attempt {i}") for i in range(count)]
        chosen, again = builder.append_basic_block("chosen"), builder.append_basic_block("again")
        last = cgutils.alloca_once_value(builder, _I64(0))
        builder.branch(attempts[0])
        for i, (value, fits, place) in enumerate(alternatives):
            builder.position_at_end(attempts[i])
            self._keep(directive, value)
            builder.store(place, self.cursor)
            builder.store(_I64(i), last)
            builder.cbranch(fits, chosen, attempts[i + 1] if i + 1 < count else self.failed)
        builder.position_at_end(again)
        switch = builder.switch(builder.load(last), self.failed)
        for i in range(count - 1):
            switch.add_case(_I64(i), attempts[i + 1])
        self.failed = again
        builder.position_at_end(chosen)

    def _fraction(self, element: FractionField, *, is_settled: bool) -> None:
        """Read the digits of a fraction, as millionths."""
        builder = self.builder
        found: list[tuple[ir.Value, ir.Value, ir.Value]] = []
        number, fits = _I64(0), cgutils.true_bit
        for ahead in range(6):
            one, is_digit = self._digit(ahead)
            fits = builder.and_(fits, is_digit)
            number = builder.add(number, builder.mul(one, _I64(10 ** (5 - ahead))))
            found.append((number, fits, builder.add(self._at(), _I64(ahead + 1))))
        if not is_settled:
            self._choose(element.directive, found[::-1])
            return
        value, fits, place = found[0]
        self._unless(fits)
        for longer, is_it, behind in found[1:]:
            value, place = builder.select(is_it, longer, value), builder.select(is_it, behind, place)
        self._keep(element.directive, value)
        builder.store(place, self.cursor)

    # -- text -----------------------------------------------------------------------------------------------

    def _characters(self, element: Characters) -> None:
        if self.is_ascii or all(one.isascii() for one in element.variants):
            self._ascii_text("".join(_ascii_of(one) for one in element.variants))
            if any(not _ascii_of(one) for one in element.variants):
                self._unless(cgutils.false_bit)
            return
        self._each_of(element.variants)

    def _ascii_text(self, text: str) -> None:
        """Read text in lower or upper case."""
        if text:
            self._unless(self._is_text(text))
            self._go(len(text))

    def _is_text(self, text: str) -> ir.Value:
        """Whether there is some text, in lower or upper case; its bytes are there."""
        ty = ir.IntType(8 * len(text))
        folded = [ord(c) | _CASE if c.isalpha() else ord(c) for c in text]
        case = bytes(_CASE if c.isalpha() else 0 for c in text)
        found = load(self.builder, self.data, self._at(), ty)
        found = self.builder.or_(found, ty(int.from_bytes(case, "little")))
        return self.builder.icmp_unsigned("==", found, ty(int.from_bytes(bytes(folded), "little")))

    def _each_of(self, characters: tuple[str, ...]) -> None:
        """Read one character behind the other, each in one of its variants."""
        self.left = 0  # one may be longer than another
        for variants in characters:
            self._one_of(variants)

    def _one_of(self, variants: str) -> None:
        """Read one of some characters; none of their bytes begin with those of another."""
        builder = self.builder
        length, found = _I64(0), cgutils.false_bit
        for one in variants:
            encoded = one.encode()
            same = cgutils.true_bit
            for ahead, byte in enumerate(encoded):
                same = builder.and_(same, builder.icmp_unsigned("==", self._byte(ahead), _I8(byte)))
            length = builder.select(same, _I64(len(encoded)), length)
            found = builder.or_(found, same)
        self._unless(found)
        self._go(length)

    def _name(self, element: NameField) -> None:
        """Read one of some names, none of which begins with another."""
        builder = self.builder
        if element.directive == "Z" and not self.is_ascii:
            self._zone_name(element)
            return
        number, length = _I64(-1), _I64(0)
        for i, name in enumerate(element.names):
            size = _I64(len(name))
            there = builder.icmp_signed(">=", self._rest(), size)
            same = self._is_text(name) if len(name) <= self.left else self._text_if(there, name)
            number = builder.select(same, _I64(i), number)
            length = builder.select(same, size, length)
        self._unless(builder.icmp_signed(">=", number, _I64(0)))
        self._keep(element.directive, number)
        self._go(length)

    def _text_if(self, there: ir.Value, name: str) -> ir.Value:
        before = self.builder.block
        with self.builder.if_then(there):
            same, within = self._is_text(name), self.builder.block
        phi = self.builder.phi(cgutils.bool_t)
        phi.add_incoming(cgutils.false_bit, before)
        phi.add_incoming(same, within)
        return phi

    def _zone_name(self, element: NameField) -> None:
        """Read the name of a zone, which no other depends on: Python takes its letters of any script."""
        builder, start, failed = self.builder, self._at(), self.failed
        done = builder.append_basic_block("zone read")
        for name in element.names:
            self.failed = builder.append_basic_block("another zone")
            self._each_of(tuple(map(variants_of, name)))
            builder.branch(done)
            builder.position_at_end(self.failed)
            builder.store(start, self.cursor)
        self.failed = failed
        builder.branch(failed)
        builder.position_at_end(done)

    # -- fields ---------------------------------------------------------------------------------------------

    def _fields(self, elements: tuple[Element, ...]) -> list[ir.Value]:
        """Return the fields, each as the last of its directives says."""
        builder = self.builder
        fields = {name: _I64(value) for name, value in FIELDS.items()}
        for element in elements:
            directive = getattr(element, "directive", "")
            if directive not in self.values or directive in ("p", "Z"):
                continue
            value = builder.load(self.values[directive])
            if directive in ("B", "b"):
                value = builder.add(value, _I64(1))
            if directive in _FIELD_OF:
                fields[_FIELD_OF[directive]] = value
            elif directive == "y":  # of this century up to 68
                early = builder.icmp_unsigned("<=", value, _I64(68))
                fields["year"] = builder.add(value, builder.select(early, _I64(2000), _I64(1900)))
            elif directive == "u":
                fields["weekday"] = builder.sub(value, _I64(1))
            elif directive == "w":  # from Sunday on
                fields["weekday"] = builder.urem(builder.add(value, _I64(6)), _I64(7))
            elif directive == "I":
                hour = builder.urem(value, _I64(12))
                if "p" in self.values:
                    half = builder.load(self.values["p"])
                    hour = builder.add(hour, builder.mul(half, _I64(12)))
                fields["hour"] = hour
        return list(fields.values())


def _ascii_of(variants: str) -> str:
    """Return the first of some characters that is ASCII's, if any is."""
    return next((one for one in variants if one.isascii()), "")
