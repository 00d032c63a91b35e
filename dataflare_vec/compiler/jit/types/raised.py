"""Classes of exceptions in compiled code: a number of 32 bits for each, and what `except` asks of it.

An exception of compiled code is a constant, of which Numba's last field says how many values of run time it
holds: with none, any number that isn't positive will do. There a tag says which class was raised: the nearest
built-in class that it derives from, and a digest of its name unless it is that class. So code knows
classes that other code, compiled at another time, raises.
"""

from __future__ import annotations

import builtins
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Of a tag, the lower ones: the digest of a name.
DIGEST_BITS = 24
#: Of what nothing catches: no built-in class is there.
UNCAUGHT = ~(126 << DIGEST_BITS)


class DoesNotFit(OverflowError):
    """A number of Python's that compiled code has no room for: nothing catches it, and the row fails."""


class NoRoom(MemoryError):
    """More text than a row may make: likewise."""


class NotAnInteger(ValueError):
    """A number of Python's of another type than compiled code has for it: likewise."""


class NoText(ValueError):
    """A character that no text of Arrow has, as surrogates are: likewise."""


class NotDeclared(TypeError):
    """A value of Python's of another type than was declared, or than compiled code holds: likewise."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C: likewise, as loops would begin again otherwise."""


class Untold(RuntimeError):
    """A kernel asks what an exception says whose words aren't known: likewise."""


class Again(BaseException):
    """Stands, in a ``raise`` of Numba's, for the exception that was caught last."""


#: What is said to have been raised.
SHOWN = {
    DoesNotFit: OverflowError,
    NoRoom: MemoryError,
    NotAnInteger: ValueError,
    NoText: ValueError,
    NotDeclared: TypeError,
    Stopped: KeyboardInterrupt,
    Untold: RuntimeError,
}


class Caught(NamedTuple):
    """What an `except` catches.

    Attributes
    ----------
    built_in
        Bit by bit the built-in classes, whose subclasses are caught as well.
    tags
        Of other classes.
    unknown
        Whether it catches what has no tag.
    """

    built_in: int
    tags: frozenset[int]
    unknown: bool


@cache
def _built_in() -> tuple[type[BaseException], ...]:
    found = {
        one for one in vars(builtins).values() if isinstance(one, type) and issubclass(one, BaseException)
    }
    return tuple(sorted(found, key=lambda one: one.__name__))


def tag_of(kind: type[BaseException]) -> int:
    """Return the tag of a class: a negative number."""
    if kind in SHOWN:
        return UNCAUGHT
    base = next(one for one in kind.__mro__ if one in _built_in())
    digest = 0
    if kind is not base:
        name = f"{kind.__module__}:{kind.__qualname__}".encode()
        digest = int.from_bytes(blake2b(name, digest_size=DIGEST_BITS // 8).digest(), "little")
    return ~(_built_in().index(base) << DIGEST_BITS | digest)


def caught_by(kinds: frozenset[type[BaseException]]) -> Caught:
    """Return what an `except` of some classes catches."""
    chosen = tuple(kinds)
    built_in = sum(1 << i for i, one in enumerate(_built_in()) if issubclass(one, chosen))
    tags = {tag_of(one) for kind in chosen for one in _with_subclasses(kind)}
    others = frozenset(tag for tag in tags if not built_in >> base_of(tag) & 1)
    return Caught(built_in, others, unknown=issubclass(Exception, chosen))


def base_of(tag: int) -> int:
    """Return which built-in class a tag names."""
    return ~tag >> DIGEST_BITS


def _with_subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    if kind not in SHOWN:
        yield kind
    for one in type.__subclasses__(kind):
        yield from _with_subclasses(one)
