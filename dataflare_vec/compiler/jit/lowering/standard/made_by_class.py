"""Values that a class makes: named tuples with other fields, and members of enumerations by their values."""

from __future__ import annotations

from collections import namedtuple
from enum import Enum, Flag
from functools import cache
from typing import Any

from numba.core import types
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.extending import overload_attribute

from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, known_value, operation
from dataflare_vec.compiler.jit.types.strings import StringConstant
from dataflare_vec.definition.attributes import has_plain_value


def with_fields(row: Any, names: str, values: Any) -> Any:
    """Return a named tuple with other values in some fields; stands for ``_replace`` in kernels."""
    return row._replace(**dict(zip(names.split(), values, strict=True)))


@operation(with_fields, prefer_literal=True)
def _with_fields(row, names, values):
    if not isinstance(row, types.BaseNamedTuple):
        msg = f"`_replace` of {row} isn't known: it is a method of named tuples"
        raise TypingError(msg)
    cls, wanted = row.instance_class, known_value(names)
    if not isinstance(wanted, str):
        return None
    given = wanted.split()
    if cls._replace.__code__.co_filename != namedtuple.__code__.co_filename:
        msg = f"`_replace` of `{cls.__name__}` isn't that of named tuples"
        raise TypingError(msg)
    unknown = [name for name in given if name not in cls._fields]
    if unknown:
        msg = f"`{cls.__name__}` has no field `{unknown[0]}`, but {', '.join(cls._fields)}"
        raise TypingError(msg)
    items = [
        f"values[{given.index(name)}]" if name in given else f"row[{i}]" for i, name in enumerate(cls._fields)
    ]
    return eval(f"lambda row, names, values: cls({', '.join(items)})", {"cls": cls})


# -- enumerations -----------------------------------------------------------------------------------------


def is_by_value(cls: Any) -> bool:
    """Whether members of an enumeration are found by integers, as Python's own way is."""
    return (
        isinstance(cls, type)
        and issubclass(cls, Enum)
        and not issubclass(cls, Flag)
        and has_plain_value(cls)
        and getattr(cls._missing_, "__func__", None) is getattr(Enum._missing_, "__func__", None)
        and len(cls) > 0
        and all(type(member.value) is int and abs(member.value) < 1 << 63 for member in cls)
    )


@cache
def member_of(cls: type[Enum]) -> Any:
    """Return what finds a member of an enumeration by its value."""

    def by_value(value: Any) -> Any:
        return cls(value)

    members = list(cls)
    lines = ["def found(value):"]
    scope: dict[str, Any] = {}
    for i, member in enumerate(members):
        scope[f"m{i}"] = member
        lines += [f"    if value == {member.value}:", f"        return m{i}"]
    lines.append("    raise ValueError('no member has that value')")
    exec("\n".join(lines), scope)

    @operation(by_value)
    def _by_value(value):
        numbers = types.Integer | types.Boolean | types.Float
        return scope["found"] if isinstance(types.unliteral(value), numbers) else None

    cpu_target.typing_context.refresh()  # it is made while another one is compiled
    return by_value


@overload_attribute(types.EnumMember, "name", jit_options=OPTIONS)
def _name(member):
    cls = member.instance_class
    if not is_by_value(cls) or "name" in vars(cls):
        return None
    lines = ["def name(member):", "    value = member.value"]
    scope: dict[str, Any] = {}
    for i, one in enumerate(cls):
        scope[f"n{i}"] = StringConstant(one.name)
        lines += [f"    if value == {one.value}:", f"        return n{i}"]
    lines.append(f"    return n{len(cls) - 1}")
    exec("\n".join(lines), scope)
    return scope["name"]
