"""Of which of Python's types a value of JSON is, and the value of one that is no list or object."""

from __future__ import annotations

import numpy as np

from dataflare_vec.compiler.jit.lowering.json.scan import (
    MINUS,
    OPEN_DICT,
    OPEN_LIST,
    QUOTE,
    ZERO,
    skip_spaces,
)
from dataflare_vec.compiler.jit.lowering.json.strings import text_between
from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.lowering.strings.memory import same_bytes
from dataflare_vec.compiler.jit.lowering.strings.numbers.digits import float_text
from dataflare_vec.compiler.jit.lowering.strings.numbers.parse import parse_decimal, parse_float
from dataflare_vec.compiler.jit.lowering.strings.text import int_text
from dataflare_vec.compiler.jit.types.raised import DoesNotFit, NotDeclared
from dataflare_vec.compiler.jit.types.strings import (
    StringConstant,
    ascii_string,
    make_view,
    offset_by,
    utf8_string,
)
from dataflare_vec.definition.python_values import TOO_LARGE_INTEGER

NULL, BOOL, INT, FLOAT, TEXT, LIST, DICT = range(7)
#: Integers up to here are floats, too.
EXACT = 1 << 53
_NONE, _TRUE, _FALSE = (StringConstant(text) for text in ("None", "True", "False"))
_NO_NUMBER = "float() argument must be a string or a real number"


@helper
def kind_of(value):
    """Return of which kind a value is."""
    byte = value._data[0]
    if byte == QUOTE:
        return TEXT
    if byte == OPEN_DICT:
        return DICT
    if byte == OPEN_LIST:
        return LIST
    if byte == 110:
        return NULL
    if byte == 116 or byte == 102:
        return BOOL
    if byte == 78:
        return FLOAT
    for i in range(value._nbytes):  # a point, an exponent, or the I of Infinity
        if value._data[i] == 46 or value._data[i] > 57:
            return FLOAT
    return INT


@helper
def text_in(value):
    """Return the text that a string of JSON is."""
    if value._data[0] != QUOTE:
        raise AttributeError("the value of JSON is no string")
    return text_between(value._data, value._nbytes)


@helper
def int_in(value):
    """Return the integer that an integer of JSON is."""
    return parse_decimal(make_view(ascii_string, value._data, value._nbytes))


@helper
def number_in(value):
    """Return the float next to a number of JSON."""
    return parse_float(make_view(ascii_string, value._data, value._nbytes))


@helper
def is_empty(value):
    """Whether a list or an object is empty."""
    return skip_spaces(value._data, 1, value._nbytes) == value._nbytes - 1


@helper
def float_of_int(value):
    """Return an integer of JSON as a float; zero has no sign in Python, whatever is written."""
    number = number_in(value)
    if np.isinf(number):
        raise OverflowError("int too large to convert to float")
    return number + 0.0


@helper
def as_float(value):
    """Return a value as `float` makes it."""
    kind = kind_of(value)
    if kind == FLOAT:
        return number_in(value)
    if kind == INT:
        return float_of_int(value)
    if kind == TEXT:
        return parse_float(text_in(value))
    if kind != BOOL:
        raise TypeError(_NO_NUMBER)
    return 1.0 if value._data[0] == 116 else 0.0


@helper
def int_of_float(number):
    """Return what `int` makes of a float."""
    if number != number:
        raise ValueError("cannot convert float NaN to integer")
    if np.isinf(number):
        raise OverflowError("cannot convert float infinity to integer")
    if abs(number) >= 9223372036854775808.0:
        raise DoesNotFit(TOO_LARGE_INTEGER)
    return np.int64(number)


@helper
def as_int(value):
    """Return a value as `int` makes it."""
    kind = kind_of(value)
    if kind == INT:
        return int_in(value)
    if kind == FLOAT:
        return int_of_float(number_in(value))
    if kind == TEXT:
        return parse_decimal(text_in(value))
    if kind != BOOL:
        raise TypeError("int() argument must be a string, a bytes-like object or a real number")
    return np.int64(value._data[0] == 116)


@helper
def is_negative_zero(value):
    """Whether an integer is written as ``-0``."""
    return value._nbytes == 2 and value._data[0] == MINUS and value._data[1] == ZERO


@helper
def _word(text):
    """Return a constant as text of any characters."""
    return make_view(utf8_string, text._data, text._nbytes)


@helper
def as_text(value):
    """Return a value as `str` makes it."""
    kind = kind_of(value)
    if kind == TEXT:
        return text_in(value)
    if kind == INT:
        skipped = np.int64(is_negative_zero(value))
        return make_view(utf8_string, offset_by(value._data, skipped), value._nbytes - skipped)
    if kind == FLOAT:
        return _word(float_text(number_in(value)))
    if kind == NULL:
        return _word(_NONE)
    if kind != BOOL:
        raise NotDeclared("the text of a list or an object of JSON isn't made in compiled code")
    return _word(_TRUE) if value._data[0] == 116 else _word(_FALSE)


@helper
def as_bool(value):
    """Whether a value is true."""
    kind = kind_of(value)
    if kind == TEXT:
        return value._nbytes > 2
    if kind == INT:
        return not (value._data[0] == ZERO or is_negative_zero(value))
    if kind == FLOAT:
        return number_in(value) != 0.0
    if kind == LIST or kind == DICT:
        return not is_empty(value)
    return value._data[0] == 116


@helper
def same_as_int(rounded, number):
    """Whether an integer, which was rounded to a float, is equal to a float."""
    if rounded == number and abs(rounded) > EXACT:
        raise DoesNotFit(TOO_LARGE_INTEGER)
    return rounded == number


@helper
def _order(left, right):
    """Return -1, 0 or 1; 2 if there is no order."""
    return -1 if left < right else 1 if left > right else 0 if left == right else 2


@helper
def order_of_integer(value, number):
    """Return how a value compares with an integer."""
    kind = kind_of(value)
    if kind == INT:
        return _order(int_in(value), number)
    if kind == FLOAT:
        if same_as_int(np.float64(number), number_in(value)):
            return 0
        return _order(number_in(value), np.float64(number))
    if kind != BOOL:
        raise TypeError("the value of JSON is no number")
    return _order(np.int64(value._data[0] == 116), number)


@helper
def order_of_float(value, number):
    """Return how a value compares with a float."""
    kind = kind_of(value)
    if kind == INT:
        if same_as_int(number_in(value), number):
            return 0
        return _order(number_in(value), number)
    if kind == FLOAT:
        return _order(number_in(value), number)
    if kind != BOOL:
        raise TypeError("the value of JSON is no number")
    return _order(np.float64(value._data[0] == 116), number)


@helper
def is_integer(value, number):
    """Whether a value is an integer that 64 bits hold."""
    kind = kind_of(value)
    if kind == INT:
        if value._nbytes > 18:
            shown = int_text(np.int64(number))
            return shown._nbytes == value._nbytes and same_bytes(shown._data, value._data, shown._nbytes)
        return int_in(value) == number
    if kind == FLOAT:
        found = number_in(value)
        return abs(found) < 9223372036854775808.0 and found == np.floor(found) and np.int64(found) == number
    return kind == BOOL and np.int64(value._data[0] == 116) == number


@helper
def is_float(value, number):
    """Whether a value is equal to a float."""
    kind = kind_of(value)
    if kind == FLOAT:
        return number_in(value) == number
    if kind == INT:
        return same_as_int(number_in(value), number)
    return kind == BOOL and np.float64(value._data[0] == 116) == number
