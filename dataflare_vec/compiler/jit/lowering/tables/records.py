"""What Python does with dicts whose keys are constants and whose values are of unlike types.

Each key is looked for while types are inferred; what is left of it is a value of its own.
"""

from __future__ import annotations

import operator
from functools import lru_cache
from itertools import islice

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload_method

from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, known_value, operation
from dataflare_vec.compiler.jit.lowering.strings.constants import constant
from dataflare_vec.compiler.jit.lowering.tables.memory import emptied, value_at
from dataflare_vec.compiler.jit.types.tables import (
    GONE_OVER,
    InnerType,
    NothingType,
    RecordType,
    TableType,
    or_empty,
    type_of_kind,
)

_BY_CONSTANTS = (
    "a dict whose values are of unlike types ({}), which constants look up only; "
    'write the key itself, `…["name"]`, or give them one type (None may be among them)'
)
#: Kinds of values as they are told, where the name isn't that of a class.
_TOLD = {
    "natural": "int",
    "wide": "int",
    "text": "str",
    "decimal": "Decimal",
    "none": "None",
    "record": "dict",
}


def _record_in(ty):
    """Return the type of a record, or of that which a table is; None if it is neither."""
    if isinstance(ty, TableType) and ty.form == "record":
        return type_of_kind(ty.value_kind)
    return ty if isinstance(ty, RecordType) else None


def _taken(ty):
    """Return a function that returns a record, or that which a table is."""
    if isinstance(ty, TableType):
        return helper(lambda table: value_at(table, 0))
    return helper(lambda record: record)


@lru_cache
def _member(name, place):
    """Return a function that returns a member of a record: ``item`` or ``has`` of a place, or ``there``."""
    member = name if place is None else f"{name}{place}"

    @intrinsic
    def read(typing_context, record):
        ty = record.items[place] if name == "item" else types.boolean

        def generate(context, builder, signature, arguments):
            return getattr(context.make_helper(builder, record, value=arguments[0]), member)

        return ty(record), generate

    return read


@intrinsic
def _emptied(typing_context, container):
    """Return an empty container of the type of another one."""
    inner = container.type if isinstance(container, types.Optional) else container
    if not isinstance(inner, (InnerType, RecordType)):
        return None
    made = or_empty(inner)

    def generate(context, builder, signature, arguments):
        value = arguments[0]
        if inner is not container:
            value = context.make_helper(builder, container, value=value).data
        return emptied(context, builder, inner, value)

    return made(container), generate


def _found(record, key):
    """Return functions that say whether a record has a key, and return its value; None if none has it.

    The first one is None if all have it.
    """
    name = known_value(key)
    if not isinstance(name, str):
        told = zip(record.names, map(_shown, record.kind.items), strict=True)
        raise TypingError(_BY_CONSTANTS.format(", ".join(f"{key!r} {kind}" for key, kind in islice(told, 5))))
    if name not in record.names:
        return None
    place = record.names.index(name)
    return None if record.in_all(place) else _has(record, place), _member("item", place)


def _shown(kind):
    return kind.about.form if kind.name == "inner" else _TOLD.get(kind.name, kind.name)


def _has(record, place):
    """Return a function that says whether a record has a key."""
    if record.in_all(place):
        return helper(lambda record: True)
    there, has = _member("there", None), _member("has", place)
    return helper(lambda record: there(record) and has(record))


@operation(operator.getitem)
def _getitem(record, key):
    kind = _record_in(record)
    if kind is None:
        return None
    absent, found, taken = "the key isn't in the table", _found(kind, key), _taken(record)
    if found is None:
        names = ", ".join(map(repr, kind.names))
        msg = f"a dict whose keys are {names}, without {known_value(key)!r}; take one that it has, or `.get`"
        raise TypingError(msg)
    has, item = found
    if has is None:
        return lambda record, key: item(taken(record))

    def get(record, key):
        one = taken(record)
        if not has(one):
            raise KeyError(absent)
        return item(one)

    return get


@overload_method(RecordType, "get", jit_options=OPTIONS)
def _get(table, key, default=None):
    return got(table, key, default)


def got(table, key, default):
    """Return what `get` of a record, or of a table that is one, is compiled from."""
    found, taken = _found(_record_in(table), key), _taken(table)
    if found is None:
        return lambda table, key, default=None: default
    has, item = found
    if has is None:
        return lambda table, key, default=None: item(taken(table))
    if isinstance(default, NothingType):

        def get_some(table, key, default=None):
            one = taken(table)
            return item(one) if has(one) else _emptied(item(one))

        return get_some

    def get(table, key, default=None):
        one = taken(table)
        if has(one):
            return item(one)
        return default

    return get


@operation(operator.contains)
def _contains(record, key):
    kind = _record_in(record)
    if kind is None:
        return None
    taken = _taken(record)
    lines = ["def among(record, key):", "    one = taken(record)"]
    lines += [f"    if key == name{i} and has{i}(one): return True" for i in range(len(kind.names))]
    scope = {"taken": taken}
    for place, name in enumerate(kind.names):
        scope |= {f"name{place}": constant(name), f"has{place}": _has(kind, place)}
    exec("\n".join([*lines, "    return False"]), scope)
    return scope["among"]


def _counted(record):
    """Return a function that counts the keys of a record."""
    kind = _record_in(record)
    if kind is None:
        return None
    lines = ["def count(record):", "    one, found = taken(record), 0"]
    lines += [f"    found += has{i}(one)" for i in range(len(kind.names))]
    scope = {"taken": _taken(record)} | {f"has{i}": _has(kind, i) for i in range(len(kind.names))}
    exec("\n".join([*lines, "    return found"]), scope)
    return scope["count"]


def _gone_over(record):
    """Refuse to go over a record's values."""
    raise TypingError(GONE_OVER)


for _what in ("keys", "values", "items"):
    overload_method(RecordType, _what, jit_options=OPTIONS)(_gone_over)


@operation(len)
def _len(record):
    return _counted(record)


@operation(bool)
def _bool(record):
    count = _counted(record)
    if count is None:
        return None
    counted = helper(count)
    return lambda record: counted(record) != 0


@operation(operator.not_)
def _not(record):
    count = _counted(record)
    if count is None:
        return None
    counted = helper(count)
    return lambda record: counted(record) == 0
