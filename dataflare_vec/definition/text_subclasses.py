"""Values of subclasses of `str` and `bytes`, as members of a ``class Status(str, Enum)`` are.

Compiled code takes them for the strings that they are.
"""

from __future__ import annotations

from typing import Any

#: What a subclass may have of its own and still be one: how it is made, and how it is shown.
_OWN = {"__new__", "__doc__", "__str__", "__format__", "__repr__", "__getnewargs__", "__sizeof__"}
_SHOWS = {"str": ("__str__", "__format__"), "repr": ("__repr__",)}


def is_plain(value: str | bytes) -> bool:
    """Whether a string or bytes does what all do, but for how it is shown: it has no ``==`` of its own."""
    kind = str if isinstance(value, str) else bytes
    classes = type(value).__mro__
    if _is_numpy_s(value):
        return True
    above = (vars(one).keys() & vars(kind).keys() for one in classes[: classes.index(kind)])
    return all(names <= _OWN for names in above)


def shown_by(value: str | bytes) -> frozenset[str]:
    """Return what shows a string as another text than it is: "str", which stands for `format` too, "repr".

    Examples
    --------
    >>> from enum import Enum
    >>> class Status(str, Enum):
    ...     PAID = "paid"
    >>> sorted(shown_by(Status.PAID))
    ['repr', 'str']
    >>> str(Status.PAID)
    'Status.PAID'
    """
    kind, own = str if isinstance(value, str) else bytes, type(value)
    if own is kind or _is_numpy_s(value):
        return frozenset()
    ways = _SHOWS.items()
    return frozenset(
        way for way, names in ways if any(getattr(own, name) is not getattr(kind, name) for name in names)
    )


def name_of(value: Any) -> str:
    """Return what a message calls a value of a subclass: the member, or the class."""
    name = getattr(value, "name", None)
    own = type(value).__name__
    return f"{own}.{name}" if isinstance(name, str) else own


def _is_numpy_s(value: object) -> bool:
    return type(value).__module__ == "numpy"
