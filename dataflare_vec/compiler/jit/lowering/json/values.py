"""What a value that `json.loads` gave can be asked: items, whether they are there, and what it is."""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.core.imputils import lower_builtin
from numba.extending import overload_method

from dataflare_vec.compiler.jit.lowering.instances import ClassesType, is_instance
from dataflare_vec.compiler.jit.lowering.json.dumps import dumped
from dataflare_vec.compiler.jit.lowering.json.kinds import (
    DICT,
    LIST,
    NULL,
    TEXT,
    as_bool,
    as_float,
    as_int,
    as_text,
    is_float,
    is_integer,
    kind_of,
    order_of_float,
    order_of_integer,
    text_in,
)
from dataflare_vec.compiler.jit.lowering.json.scan import (
    CLOSE_DICT,
    CLOSE_LIST,
    OPEN_DICT,
    OPEN_LIST,
    QUOTE,
    end_of,
    end_of_string,
    skip_spaces,
)
from dataflare_vec.compiler.jit.lowering.json.strings import between_quotes, is_text
from dataflare_vec.compiler.jit.lowering.strings.base import (
    OPTIONS,
    helper,
    is_string,
    known_value,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.numbers.specification import specification
from dataflare_vec.compiler.jit.lowering.strings.text import format_of, text_of
from dataflare_vec.compiler.jit.types.json import JsonType, make_json
from dataflare_vec.compiler.jit.types.raised import NotDeclared
from dataflare_vec.compiler.jit.types.strings import StringConstant, offset_by

_EMPTY, _COMMA, _COLON = StringConstant(""), StringConstant(", "), StringConstant(": ")


def _is_json(kind):
    return isinstance(kind, JsonType)


@helper
def _next(data, at, nbytes, closing):
    """Return where the item behind one that ends at ``at`` begins; if there is none, where it closes."""
    at = skip_spaces(data, at, nbytes)
    return skip_spaces(data, at + np.int64(data[at] != closing), nbytes)


# -- objects ----------------------------------------------------------------------------------------------


@helper
def find(value, key):
    """Return where the value of a key begins and ends in an object: of the last one; -1 if there is none."""
    data, nbytes = value._data, value._nbytes
    begin, end = -1, -1
    at = skip_spaces(data, 1, nbytes)
    while data[at] != CLOSE_DICT:
        behind = end_of_string(data, at)
        found = is_text(offset_by(data, at), behind - at, key)
        at = skip_spaces(data, skip_spaces(data, behind, nbytes) + 1, nbytes)
        behind = end_of(data, at, nbytes)
        if found:
            begin, end = at, behind
        at = _next(data, behind, nbytes, CLOSE_DICT)
    return begin, end


@helper
def _item(value, key):
    if value._data[0] != OPEN_DICT:
        raise TypeError("the value of JSON is no object")
    begin, end = find(value, key)
    if begin < 0:
        raise KeyError("the object of JSON has no such key")
    return make_json(offset_by(value._data, begin), end - begin)


@helper
def _place(value, index):
    """Return where an item of a list begins and ends; -1 if there is none."""
    data, nbytes = value._data, value._nbytes
    at = skip_spaces(data, 1, nbytes)
    while data[at] != CLOSE_LIST:
        behind = end_of(data, at, nbytes)
        if index == 0:
            return at, behind
        index -= 1
        at = _next(data, behind, nbytes, CLOSE_LIST)
    return -1, -1


@helper
def _count(value):
    """Return how many items a list has."""
    data, nbytes = value._data, value._nbytes
    count, at = 0, skip_spaces(data, 1, nbytes)
    while data[at] != CLOSE_LIST:
        count += 1
        at = _next(data, end_of(data, at, nbytes), nbytes, CLOSE_LIST)
    return count


@helper
def _at_index(value, index):
    if value._data[0] == OPEN_DICT:
        raise KeyError("the object of JSON has no such key")
    if value._data[0] == QUOTE:
        raise NotDeclared("strings of JSON have no characters by number in compiled code: write `str(…)[i]`")
    if value._data[0] != OPEN_LIST:
        raise TypeError("the value of JSON has no items")
    place = np.int64(index)
    if place < 0:
        place += _count(value)
    begin, end = (-1, -1) if place < 0 else _place(value, place)
    if begin < 0:
        raise IndexError("list index out of range")
    return make_json(offset_by(value._data, begin), end - begin)


@operation(operator.getitem)
def _getitem(value, key):
    if not _is_json(value):
        return None
    if is_string(key):
        return lambda value, key: _item(value, key)
    if isinstance(types.unliteral(key), types.Integer):
        return lambda value, key: _at_index(value, key)
    return None


@helper
def _read(text):
    return make_json(text._data, text._nbytes)


def _default(value):
    """Return what makes a default a value of JSON."""
    if _is_json(value):
        return helper(lambda value: value)
    if getattr(value, "value", value) is None:
        return helper(lambda value: _read(dumped(None, _COMMA, _COLON)))
    return helper(lambda value: _read(dumped(value, _COMMA, _COLON)))


@overload_method(JsonType, "get", jit_options=OPTIONS)
def _get(value, key, default=None):
    if not is_string(key):
        return None
    made = _default(default)

    def get(value, key, default=None):
        if value._data[0] != OPEN_DICT:
            raise AttributeError("the value of JSON is no object")
        begin, end = find(value, key)
        if begin < 0:
            return made(default)
        return make_json(offset_by(value._data, begin), end - begin)

    return get


@operation(operator.contains)
def _contains(value, key):
    if not _is_json(value) or not is_string(key):
        return None

    def contains(value, key):
        kind = kind_of(value)
        if kind == TEXT:
            return key in text_in(value)
        if kind == DICT:
            return find(value, key)[0] >= 0
        if kind != LIST:
            raise TypeError("argument of this type is not iterable")
        data, nbytes = value._data, value._nbytes
        at = skip_spaces(data, 1, nbytes)
        while data[at] != CLOSE_LIST:
            behind = end_of(data, at, nbytes)
            if is_text(offset_by(data, at), behind - at, key):
                return True
            at = _next(data, behind, nbytes, CLOSE_LIST)
        return False

    return contains


@helper
def _keys(value):
    """Return how many keys an object has: each once."""
    data, nbytes = value._data, value._nbytes
    count, at = 0, skip_spaces(data, 1, nbytes)
    while data[at] != CLOSE_DICT:
        behind = end_of_string(data, at)
        key, _ = between_quotes(offset_by(data, at), behind - at)
        at = skip_spaces(data, skip_spaces(data, behind, nbytes) + 1, nbytes)
        count += np.int64(find(value, key)[0] == at)
        at = _next(data, end_of(data, at, nbytes), nbytes, CLOSE_DICT)
    return count


@operation(len)
def _len(value):
    if not _is_json(value):
        return None

    def length(value):
        kind = kind_of(value)
        if kind == TEXT:
            return len(text_in(value))
        if kind == LIST:
            return _count(value)
        if kind != DICT:
            raise TypeError("object of this type has no len()")
        return _keys(value)

    return length


# -- what it is -------------------------------------------------------------------------------------------


@operation(float)
def _float(value):
    return (lambda value: as_float(value)) if _is_json(value) else None


@operation(int)
def _int(value):
    return (lambda value: as_int(value)) if _is_json(value) else None


@operation(text_of)
def _text_of(value=_EMPTY):
    return (lambda value=_EMPTY: as_text(value)) if _is_json(value) else None


@operation(bool)
def _bool(value):
    return (lambda value: as_bool(value)) if _is_json(value) else None


@operation(format_of, prefer_literal=True)
def _format_of(value, spec=_EMPTY):
    wanted = known_value(spec)
    if not _is_json(value) or not isinstance(wanted, str):
        return None
    if wanted == "" or specification(StringConstant(wanted), "float").kind not in tuple("eEfFgG%"):
        msg = "a value of JSON is shown as a number of `f`, `e`, `g` or `%`, or by `str`, in no other format"
        if wanted:
            raise TypingError(msg)
        return lambda value, spec=_EMPTY: as_text(value)

    def formatted(value, spec=_EMPTY):
        kind = kind_of(value)
        if kind == TEXT:
            raise ValueError("Unknown format code for object of type 'str'")
        if kind == NULL or kind >= TEXT:
            raise TypeError("unsupported format string")
        return format_of(as_float(value), spec)

    return formatted


def _is_none(kind):
    return isinstance(kind, types.NoneType)


def _equal(left, right):
    """Return what says whether a value of JSON is equal to another one, which is no such value."""
    if _is_none(right):
        return lambda value, other: value._data[0] == 110
    if is_string(right):
        return lambda value, other: is_text(value._data, value._nbytes, other)
    other = types.unliteral(right)
    if isinstance(other, types.Integer | types.Boolean) and other != types.uint64:
        return lambda value, other: is_integer(value, np.int64(other))
    if isinstance(other, types.Float):
        return lambda value, other: is_float(value, other)
    return None


def _register_comparison(function, negated):
    @operation(function)
    def compare(a, b):
        if _is_json(a) == _is_json(b):
            return None
        swapped = _is_json(b)
        same = _equal(b, a) if swapped else _equal(a, b)
        if same is None:
            return None
        same = helper(same)
        if swapped:
            return (lambda a, b: not same(b, a)) if negated else lambda a, b: same(b, a)
        return (lambda a, b: not same(a, b)) if negated else lambda a, b: same(a, b)


_register_comparison(operator.eq, False)
_register_comparison(operator.ne, True)


def _register_identity(function, comparison):
    # Numba has types for it already, so that an overload of ours wouldn't be looked at.
    def identity(context, builder, signature, arguments):
        value, other = arguments if isinstance(signature.args[0], JsonType) else reversed(arguments)
        byte = ir.IntType(8)
        first = byte(ord("n"))
        if not any(map(_is_none, signature.args)):
            first = builder.select(other, byte(ord("t")), byte(ord("f")))
        return builder.icmp_unsigned(comparison, builder.load(builder.extract_value(value, 0)), first)

    for kind in (types.NoneType, types.Boolean):
        lower_builtin(function, JsonType, kind)(identity)
        lower_builtin(function, kind, JsonType)(identity)


_register_identity(operator.is_, "==")
_register_identity(operator.is_not, "!=")


_CLASSES = (type(None), bool, int, float, str, list, dict)


@operation(is_instance)
def _is_instance(value, classes):
    if not _is_json(value) or not isinstance(classes, ClassesType):
        return None
    fits = tuple(issubclass(one, classes.classes) for one in _CLASSES)
    return lambda value, classes: fits[kind_of(value)]


@helper
def _compared_text(value):
    if value._data[0] != QUOTE:
        raise TypeError("the value of JSON is no string")
    return text_in(value)


def _ordered(value, other):
    """Return what gives the order of a value of JSON and another one, which is no such value."""
    other = types.unliteral(other)
    if isinstance(other, types.Integer | types.Boolean) and other != types.uint64:
        return helper(lambda value, other: order_of_integer(value, np.int64(other)))
    if isinstance(other, types.Float):
        return helper(lambda value, other: order_of_float(value, np.float64(other)))
    return None


def _register_order(function, *orders):
    """Register a comparison that is true for these orders."""
    least, most = min(orders), max(orders)

    @operation(function)
    def compare(a, b):
        if _is_json(a) == _is_json(b):
            return None
        swapped = _is_json(b)
        if is_string(a) or is_string(b):
            if swapped:
                return lambda a, b: function(a, _compared_text(b))
            return lambda a, b: function(_compared_text(a), b)
        order = _ordered(b, a) if swapped else _ordered(a, b)
        if order is None:
            return None
        if swapped:
            return lambda a, b: -most <= order(b, a) <= -least
        return lambda a, b: least <= order(a, b) <= most


_register_order(operator.lt, -1)
_register_order(operator.le, -1, 0)
_register_order(operator.gt, 1)
_register_order(operator.ge, 0, 1)


# -- methods of strings -----------------------------------------------------------------------------------


@helper
def _text_or_list(value):
    if value._data[0] == OPEN_LIST:
        raise NotDeclared("methods of lists of JSON aren't compiled")
    return text_in(value)


def _register_method(name):
    """Give a value of JSON a method of strings; what lists have, too, isn't compiled for these."""
    scope = {"text_in": _text_or_list if hasattr(list, name) else text_in}
    exec(f"def call(value, *given):\n    return text_in(value).{name}(*given)", scope)
    overload_method(JsonType, name, jit_options=OPTIONS)(lambda value, *given: scope["call"])


for _name in vars(str):
    if not _name.startswith("_") and _name not in ("format", "format_map", "maketrans"):
        _register_method(_name)
