"""What the passes found in each function that they compiled."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflare_vec.compiler.jit.lowering.strings.members import refuse
from dataflare_vec.definition.plugin import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflare_vec.compiler.jit.types.strings import StringConstant
    from dataflare_vec.definition.tables.frozen import Frozen


@dataclass
class Notes:
    """What the passes found in one Python function."""

    has_angles: bool = False
    helpers: list[Callable[..., Any]] = field(default_factory=list)
    members: list[StringConstant] = field(default_factory=list)
    shows: set[str] = field(default_factory=set)
    tables: list[Frozen] = field(default_factory=list)  # alive until whoever reads them holds them


#: By Python function.
NOTES: weakref.WeakKeyDictionary[Callable[..., Any], Notes] = weakref.WeakKeyDictionary()


def has_angles(function: Callable[..., Any]) -> bool:
    """Whether a compiled kernel's function, or a helper that it calls, uses an angle function."""
    return any(notes.has_angles for notes in _notes_of(function))


def check_members(function: Callable[..., Any], bound: Sequence[StringConstant] = ()) -> None:
    """Raise TypingError if a compiled kernel may show the member of an enumeration for what it isn't.

    Parameters
    ----------
    function
        The kernel's.
    bound
        Members that are constants of the call.
    """
    members = list(bound)
    ways: set[str] = set()
    for notes in _notes_of(plain(function)):
        members += notes.members
        ways |= notes.shows
    refuse(members, ways)


def _notes_of(function: Callable[..., Any]) -> Iterator[Notes]:
    """Yield what was found in a compiled function and in all that it calls."""
    seen: set[Callable[..., Any]] = set()
    waiting = [function]
    while waiting:
        current = waiting.pop()
        if current not in seen and current in NOTES:
            seen.add(current)
            yield NOTES[current]
            waiting += NOTES[current].helpers
