"""What an attribute of something that a kernel names is in compiled code: `settings.CUR`, `Status.PAID`.

Compiled code has the value that is there when it is compiled.
"""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum, EnumMeta
from inspect import getattr_static
from types import MemberDescriptorType, ModuleType, SimpleNamespace
from typing import Any

from dataflare_vec.definition.tables.frozen import is_container

_VALUES = (bool, int, float, complex, str, bytes, date, datetime, time, timedelta, tzinfo, Decimal)


class NotReadable(LookupError):
    """Which value an attribute has is only known by running code of its owner's."""


def attribute(owner: Any, name: str) -> Any:
    """Return an attribute of a module, a class, an enumeration or its member, a dataclass's, a pattern.

    Raises
    ------
    NotReadable
        If it isn't there, or is made on demand, as properties are.

    Examples
    --------
    >>> import string
    >>> attribute(string, "digits")
    '0123456789'
    """
    if isinstance(owner, ModuleType):
        if name in vars(owner):
            return vars(owner)[name]
    elif isinstance(owner, Enum):
        if name == "name" or (name == "value" and has_plain_value(type(owner))):
            return getattr(owner, name)
    elif isinstance(owner, re.Pattern):
        if name in ("pattern", "flags", "groups"):
            return getattr(owner, name)
    elif isinstance(owner, EnumMeta):
        if name in owner.__members__:
            return owner.__members__[name]
    elif isinstance(owner, type) or is_dataclass(owner) or isinstance(owner, SimpleNamespace):
        found = getattr_static(owner, name, owner)
        if isinstance(found, MemberDescriptorType) and not isinstance(owner, type):  # of `__slots__`
            found = getattr(owner, name)
        if is_value(found) or is_container(found) or isinstance(found, type | Enum) or is_dataclass(found):
            return found
    msg = f"`{name}` of {owner!r}"
    raise NotReadable(msg)


def has_plain_value(kind: EnumMeta) -> bool:
    """Whether the members' `value` is what they were given, and not a property of the author's."""
    return getattr_static(kind, "value") is getattr_static(Enum, "value")


def is_value(value: Any) -> bool:
    """Whether something can be a constant of compiled code: a number, text, a moment, or a tuple of these."""
    if isinstance(value, tuple | frozenset):
        return all(map(is_value, value))
    return value is None or isinstance(value, _VALUES)
