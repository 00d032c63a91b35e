"""``str``, ``format`` and f-strings, ``ord``, ``chr``."""

from __future__ import annotations

import numpy as np
from numba.core import types
from numba.core.errors import TypingError

from dataflare_vec.bits import float_bits
from dataflare_vec.compiler.jit.lowering.builtins import value_of
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_least,
    at_most,
    helper,
    inlined_helper,
    is_bytes,
    is_string,
    known_value,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import decode_at, encode_to, offset_of
from dataflare_vec.compiler.jit.lowering.strings.constants import IN_PLACE, NESTED, REPLACED
from dataflare_vec.compiler.jit.lowering.strings.nested_formats import PRECISION, WIDTH
from dataflare_vec.compiler.jit.lowering.strings.numbers.digits import (
    fixed_text,
    float_text,
    is_special,
    put_exponent,
    significant_digits,
    special_text,
)
from dataflare_vec.compiler.jit.lowering.strings.numbers.layout import lay_out
from dataflare_vec.compiler.jit.lowering.strings.numbers.specification import LARGEST, specification
from dataflare_vec.compiler.jit.lowering.strings.numbers.write import (
    magnitude,
    write_decimal,
    write_digits,
    write_wide,
)
from dataflare_vec.compiler.jit.lowering.strings.pad import padded
from dataflare_vec.compiler.jit.types.raised import NoText
from dataflare_vec.compiler.jit.types.strings import (
    StringConstant,
    ascii_string,
    make_view,
    offset_by,
    utf8_string,
)
from dataflare_vec.compiler.jit.types.temporal import TemporalType
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

_EMPTY = StringConstant("")


@helper
def int_text(value):
    """Return an integer in decimal."""
    room = allocate(20)
    begin = write_decimal(room, 20, magnitude(value))
    if value < 0:
        begin -= 1
        room[begin] = np.uint8(45)
    return make_view(ascii_string, offset_by(room, begin), 20 - begin)


@helper
def wide_text(value):
    """Return an integer of 128 bits in decimal."""
    room = allocate(40)
    begin = write_wide(room, 40, abs(value), 10, 0)
    if value < 0:
        begin -= 1
        room[begin] = np.uint8(45)
    return make_view(ascii_string, offset_by(room, begin), 40 - begin)


def text_of(value=""):
    """Return a value as text; stands for `str` in kernels."""
    return str(value)


@operation(text_of)
def _text_of(value=_EMPTY):
    value = getattr(value, "value", value)
    if is_string(value):
        return lambda value=_EMPTY: value
    if isinstance(value, str):
        return lambda value=_EMPTY: _EMPTY
    if isinstance(value, types.Boolean):
        true, false = StringConstant("True"), StringConstant("False")
        return lambda value=_EMPTY: true if value else false
    if isinstance(value, types.Integer):
        return lambda value=_EMPTY: int_text(value)
    if isinstance(value, WideIntType):
        return lambda value=_EMPTY: wide_text(value)
    if isinstance(value, types.Float):
        return lambda value=_EMPTY: float_text(value)
    if isinstance(value, types.NoneType):
        none = StringConstant("None")
        return lambda value=_EMPTY: none
    if isinstance(value, types.Optional):
        none = StringConstant("None")
        return lambda value=_EMPTY: none if value is None else text_of(value_of(value))
    return None


def in_place_of(value):
    """Return a value as an f-string shows it; stands for `str` there."""
    return format(value)


@operation(in_place_of)
def _in_place_of(value):
    if types.unliteral(value) == types.float32:  # which is formatted as a float of 64 bits, with more digits
        return lambda value: float_text(np.float64(value))
    if value == types.Optional(types.float32):
        none = StringConstant("None")
        return lambda value: none if value is None else float_text(np.float64(value_of(value)))
    return (lambda value: value) if is_string(value) else (lambda value: text_of(value))


# -- format -----------------------------------------------------------------------------------------------

_PREFIXES = {"b": "0b", "o": "0o", "x": "0x", "X": "0X"}
_BASES = {"b": 2, "o": 8, "x": 16, "X": 16}


def format_of(value, spec=""):
    """Return a value in a format; stands for `format` in kernels."""
    return format(value, spec)


@operation(format_of, prefer_literal=True)
def _format_of(value, spec=_EMPTY):
    wanted = known_value(spec)
    if isinstance(value, TemporalType) and wanted != "":  # see `temporal.text.writing`
        return None
    if isinstance(wanted, types.Type):
        if is_string(wanted):
            msg = "a kernel's format has to be a constant, but for the numbers of width and precision"
            raise TypingError(msg)
        return None
    value = types.unliteral(value)
    if wanted == "":
        return lambda value, spec=_EMPTY: in_place_of(value)
    found = _written_at(value, wanted)
    if found is None:
        return None
    made, write = found
    write, width, precision = inlined_helper(write), made.width, made.precision
    return lambda value, spec=_EMPTY: write(value, width, precision)


def _written_at(value, wanted):
    """Return a format, and what writes a value so in some width and precision; None if nothing does."""
    if is_string(value):
        made = specification(wanted, "text")
        return made, _string_at(value, made)
    if isinstance(value, types.Integer | types.Boolean | WideIntType):
        made = specification(wanted, "integer")
        if made.kind in tuple("eEfFgG%"):
            return made, _float_at(made)
        return made, _wide_at(made) if isinstance(value, WideIntType) else _integer_at(made)
    if isinstance(value, types.Float):
        made = specification(wanted, "float")
        return made, _float_at(made)
    return None


def format_at(value, spec, width, precision):
    """Return a value in a format with places for width and precision (see `nested_formats`)."""
    return format(value, spec.replace(str(WIDTH), str(width)).replace(str(PRECISION), str(precision)))


@operation(format_at, prefer_literal=True)
def _format_at(value, spec, width, precision):
    wanted = known_value(spec)
    if not isinstance(wanted, str):
        return None
    for one in (types.unliteral(width), types.unliteral(precision)):
        if not isinstance(one, types.Integer) or one == types.uint64:
            msg = f"width and precision of a format are integers, not {one}"
            raise TypingError(msg)
    value = types.unliteral(value)
    found = _written_at(value, wanted)
    if found is None:
        return None
    made, write = found
    has_width, has_precision = made.width == WIDTH, made.precision == PRECISION
    if (str(WIDTH) in wanted) != has_width or (str(PRECISION) in wanted) != has_precision:
        msg = f"kernels don't know the format {wanted!r}, with numbers of run time in these places"
        raise TypingError(msg)
    write, own_width, own_precision = helper(write), made.width, made.precision
    # A width below zero reads as a minus sign before it, where there may be one.
    before = wanted.partition(str(WIDTH))[0][-1:]
    may_be_negative = not is_string(value) and before not in ("+", "-", " ", "#", "0")
    largest = LARGEST

    def written_at(value, spec, width, precision):
        columns, digits = own_width, own_precision
        if has_width:
            columns = np.int64(width)
            if columns < 0:
                if not may_be_negative:
                    raise ValueError("Invalid format specifier")
                columns = -columns
        if has_precision:
            digits = np.int64(precision)
            if digits < 0:
                raise ValueError("Format specifier missing precision")
        if columns > largest or columns < 0 or digits > largest:
            raise ValueError("Too many decimal digits in format string")
        return write(value, columns, digits)

    return written_at


def _kind_for(fill):
    return ascii_string if fill.isascii() else utf8_string


def _string_at(value, made):
    fill = StringConstant(made.fill)
    kind = value if made.fill.isascii() else utf8_string
    share = {"<": 0, ">": 2, "^": 1}[made.align]

    def string_at(value, width, precision):
        text = text_of(value)  # of a constant, too
        nbytes = text._nbytes
        if precision >= 0:
            nbytes = at_most(offset_of(text, precision), nbytes)
        shown = make_view(kind, text._data, nbytes)
        missing = at_least(width - len(shown), 0)
        before = missing * share // 2
        return padded(kind, shown, before, missing - before, fill) if missing else shown

    return string_at


@helper
def head_of(negative, sign, prefix):
    """Return sign and prefix; ``sign`` is the byte before what isn't negative, 0 for none."""
    room = allocate(1 + prefix._nbytes)
    at = 0
    if negative or sign:
        room[0] = np.uint8(45 if negative else sign)
        at = 1
    for i in range(prefix._nbytes):
        room[at + i] = prefix._data[i]
    return make_view(ascii_string, room, at + prefix._nbytes)


def _common(made):
    kind = _kind_for(made.fill)
    sign = ord(made.sign) if made.sign in ("+", " ") else 0
    return kind, sign, StringConstant(made.fill), ord(made.align)


def _integer(made):
    """Return base, letters, prefix, and how digits are grouped."""
    base = _BASES.get(made.kind, 10)
    letters = ord("A" if made.kind == "X" else "a") - 10
    prefix = StringConstant(_PREFIXES.get(made.kind, "") if made.alternate else "")
    group = ord(made.group) if made.group else 0
    return base, letters, prefix, group, (4 if base != 10 else 3) if made.group else 0


def _integer_at(made):
    kind, sign, fill, align = _common(made)
    base, letters, prefix, group, group_size = _integer(made)

    def integer_at(value, width, precision):
        number = np.int64(value)
        room = allocate(64)
        begin = write_digits(room, 64, magnitude(number), base, letters)
        head = head_of(number < 0, sign, prefix)
        tail = make_view(ascii_string, room, 0)
        return lay_out(
            kind, head, offset_by(room, begin), 64 - begin, tail, group, group_size, fill, align, width
        )

    return integer_at


def _wide_at(made):
    kind, sign, fill, align = _common(made)
    base, letters, prefix, group, group_size = _integer(made)

    def wide_at(value, width, precision):
        room = allocate(128)
        begin = write_wide(room, 128, abs(value), base, letters)
        head = head_of(value < 0, sign, prefix)
        tail = make_view(ascii_string, room, 0)
        return lay_out(
            kind, head, offset_by(room, begin), 128 - begin, tail, group, group_size, fill, align, width
        )

    return wide_at


def _float_at(made):
    kind, sign, fill, align = _common(made)
    form = made.kind.lower()
    body = {"f": _fixed, "%": _percent, "e": _scientific, "g": _general, "": _general_or_shortest}[form]
    usual = 6 if form else -1
    capital = int(made.kind.isupper())
    group = ord(made.group) if made.group else 0
    group_size = 3 if made.group else 0
    nothing = StringConstant("")
    factor, mark = (100.0, StringConstant("%")) if form == "%" else (1.0, nothing)

    def float_at(value, width, precision):
        x = value * 1.0
        negative = float_bits(x) >> np.uint64(63) != 0 and x == x
        x = abs(x) * factor
        head = head_of(negative, sign, nothing)
        if is_special(x):
            text = special_text(x, 32 - 32 * capital)
            return lay_out(kind, head, text._data, 3, mark, 0, 0, fill, align, width)
        digits, count, tail = body(x, usual if precision < 0 else precision, capital)
        return lay_out(kind, head, digits, count, tail, group, group_size, fill, align, width)

    return float_at


@helper
def _with_point(digits, whole, count, extra):
    """Return what is behind ``whole`` of ``count`` digits: the point if there are any, and room for more."""
    room = allocate(count - whole + 1 + extra)
    at = 0
    if count > whole:
        room[0] = np.uint8(46)
        at = 1
        for i in range(whole, count):
            room[at] = digits[i]
            at += 1
    return room, at


@helper
def _fixed(x, precision, capital):
    digits, whole = fixed_text(x, precision)
    room, at = _with_point(digits, whole, whole + precision, 0)
    return digits, whole, make_view(ascii_string, room, at)


@helper
def _percent(x, precision, capital):
    digits, whole = fixed_text(x, precision)
    room, at = _with_point(digits, whole, whole + precision, 1)
    room[at] = np.uint8(37)
    return digits, whole, make_view(ascii_string, room, at + 1)


@helper
def _scientific(x, precision, capital):
    digits, point = significant_digits(x, precision + 1)
    room, at = _with_point(digits, 1, precision + 1, 5)
    at = put_exponent(room, at, point - 1 if x else 0, capital)
    return digits, 1, make_view(ascii_string, room, at)


@helper
def _general(x, precision, capital):
    keep = at_least(precision, 1)
    digits, point = significant_digits(x, keep)
    count = keep
    while count > 1 and digits[count - 1] == 48:
        count -= 1
    return _plain_or_scientific(digits, count, point, keep, capital, False)


@helper
def _plain_or_scientific(digits, count, point, keep, capital, keeps_point):
    """Return digits as the format g lays them out.

    With an exponent if it is below -4, or ``keep`` or more.
    """
    if point > -4 and point <= keep:
        if point <= 0:
            moved = allocate(count + 1 - point)
            for i in range(1 - point):
                moved[i] = np.uint8(48)
            for i in range(count):
                moved[1 - point + i] = digits[i]
            digits, count, point = moved, count + 1 - point, 1
        elif count < point or (keeps_point and count == point):
            longer = allocate(point + 1)
            for i in range(point + 1):
                longer[i] = digits[i] if i < count else np.uint8(48)
            digits, count = longer, point + np.int64(keeps_point)
        room, at = _with_point(digits, point, count, 0)
        return digits, point, make_view(ascii_string, room, at)
    room, at = _with_point(digits, 1, count, 5)
    at = put_exponent(room, at, point - 1, capital)
    return digits, 1, make_view(ascii_string, room, at)


@helper
def _general_or_shortest(x, precision, capital):
    if precision < 0:
        text = float_text(x)
        whole = 0
        while whole < text._nbytes and text._data[whole] >= 48:
            if text._data[whole] > 57:
                break
            whole += 1
        tail = make_view(ascii_string, offset_by(text._data, whole), text._nbytes - whole)
        return text._data, whole, tail
    keep = at_least(precision, 1)
    digits, point = significant_digits(x, keep)
    count = keep
    while count > 1 and digits[count - 1] == 48:
        count -= 1
    # Without a type there is always a digit behind the point, so an exponent is needed one digit earlier.
    return _plain_or_scientific(digits, count, point, keep - 1, capital, True)


# -- characters -------------------------------------------------------------------------------------------


@operation(ord)
def _ord(character):
    if is_bytes(character):

        def ord_byte(character):
            if character._nbytes != 1:
                raise TypeError("ord() expected a character")
            return np.int64(character._data[0])

        return ord_byte
    if not is_string(character):
        return None

    def ord_of(character):
        if len(character) != 1:
            raise TypeError("ord() expected a character")
        return decode_at(character._data, 0)

    return ord_of


def character_of(point):
    """Return the character of a code point; stands for `chr` in kernels."""
    return chr(point)


@operation(character_of)
def _character_of(point):
    if not isinstance(point, types.Integer | types.Boolean):
        return None

    def character(point):
        number = np.int64(point)
        if number < 0 or number > 0x10FFFF:
            raise ValueError("chr() arg not in range(0x110000)")
        if number >= 0xD800 and number < 0xE000:
            raise NoText("a string of Arrow can't hold a surrogate, U+D800 to U+DFFF; leave them out")
        room = allocate(4)
        return make_view(utf8_string, room, encode_to(room, 0, number))

    return character


# -- other bases ------------------------------------------------------------------------------------------


def hex_of(number):
    """Return an integer in base 16; stands for `hex` in kernels."""
    return hex(number)


def oct_of(number):
    """Return an integer in base 8; stands for `oct` in kernels."""
    return oct(number)


def bin_of(number):
    """Return an integer in base 2; stands for `bin` in kernels."""
    return bin(number)


def _in_base(function, kind):
    spec = StringConstant(f"#{kind}")

    @operation(function)
    def in_base(number):
        number = types.unliteral(number)
        if not isinstance(number, types.Integer | types.Boolean | WideIntType):
            return None
        made = specification(spec, "integer")
        shown = helper(_wide_at(made) if isinstance(number, WideIntType) else _integer_at(made))
        return lambda number: shown(number, 0, -1)


REPLACED.update({str: text_of, IN_PLACE: in_place_of, format: format_of, chr: character_of})
NESTED.append(format_at)
for _built_in, _ours, _kind in ((hex, hex_of, "x"), (oct, oct_of, "o"), (bin, bin_of, "b")):
    _in_base(_ours, _kind)
    REPLACED[_built_in] = _ours
