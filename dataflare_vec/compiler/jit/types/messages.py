"""What exceptions of compiled code say: where that is what Python says, and how it lies in memory.

A function of the user's raises what Python raises. Functions of this library and of Numba raise words of
their own; the table has those for which the running interpreter is asked what it says.
"""

from __future__ import annotations

import math
from collections import deque
from enum import IntEnum
from functools import cache
from types import BuiltinFunctionType, WrapperDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(IntEnum):
    """What is known of an exception's arguments.

    Attributes
    ----------
    TEXTS
        Its text, and its arguments as `repr` shows them.
    ARGUMENT
        Its one argument, a string, which is its text.
    KEY
        The same, of a `KeyError`: its text is what `repr` shows of it.
    TEXT
        Its text only.
    UNKNOWN
        Nothing.
    """

    TEXTS = 1
    ARGUMENT = 2
    KEY = 3
    TEXT = 4
    UNKNOWN = 0


class Message(NamedTuple):
    """What an exception says."""

    kind: Kind
    text: str = ""
    inside: str = ""


#: Stands for the arguments of an exception whose message has been made just before.
TOLD = "\0told"
#: Stands before those of one that a function of the user's raises: it says what it says in Python.
SAID = "\0said"


#: What `str`, `repr`, formats and `args` of an exception come to.
_SHOWING = "__repr__", "__format__", "args", "__getattribute__"


def shows_argument(kind: type[BaseException]) -> bool:
    """Whether an exception of a class keeps its arguments and shows them, as most of Python's do."""
    made_by_python = isinstance(kind.__init__, WrapperDescriptorType) and isinstance(
        kind.__new__, BuiltinFunctionType
    )
    return (
        made_by_python
        and type(kind) is type
        and kind.__str__ in (BaseException.__str__, KeyError.__str__)
        and all(getattr(kind, name) == getattr(BaseException, name) for name in _SHOWING)
    )


def message_of(kind: type[BaseException] | None, arguments: tuple[Any, ...]) -> Message | None:
    """Return what an exception of a class says whose arguments are constants; None where that isn't known."""
    if kind is None or arguments == (TOLD,) or not shows_argument(kind):
        return None
    if arguments[:1] != (SAID,):
        text = _python_says().get((kind, *map(str, arguments)))
        return None if text is None else Message(Kind.ARGUMENT, text)
    made = kind(*arguments[1:])
    first = made.args[0] if len(made.args) == 1 else None
    message = Message(Kind.TEXTS, str(made), ", ".join(map(repr, made.args)))
    if type(first) is str:
        message = Message(Kind.KEY if isinstance(made, KeyError) else Kind.ARGUMENT, first)
    try:
        (message.text + message.inside).encode()
    except UnicodeEncodeError:  # a surrogate, which no text of Arrow has
        return None
    return message


def _said(call: Callable[[], Any]) -> str:
    """Return what Python says."""
    try:
        call()
    except Exception as error:
        return str(error.args[0])
    return ""


@cache
def _python_says() -> dict[tuple[Any, ...], str]:
    """Return, by class and the words of compiled code, what the running interpreter says."""
    items: list[int] = []
    zero = 0
    found: dict[tuple[Any, ...], Callable[[], Any]] = {
        (ZeroDivisionError, "integer division by zero"): lambda: 1 // zero,
        (ZeroDivisionError, "integer modulo by zero"): lambda: 1 % zero,
        (IndexError, "list index out of range"): lambda: items[zero],
        (IndexError, "tuple index out of range"): lambda: tuple(items)[zero],
        (IndexError, "string index out of range"): lambda: ""[zero],
        (IndexError, "setitem out of range"): lambda: items.__setitem__(zero, 1),
        (IndexError, "pop index out of range"): lambda: [zero].pop(3),
        (IndexError, "getitem out of range"): lambda: items[zero],
        (IndexError, "pop from empty list"): lambda: items.pop(),
        (IndexError, "pop from an empty deque"): lambda: deque().pop(),
        (ValueError, "substring not found"): lambda: "".index("a"),
        (ValueError, "subsection not found"): lambda: b"".index(b"a"),
        (ValueError, "empty separator"): lambda: "a".split(""),
        (ValueError, "cannot convert float NaN to integer"): lambda: int(float("nan")),
        (OverflowError, "cannot convert float infinity to integer"): lambda: int(float("inf")),
        (ValueError, "int() base must be >= 2 and <= 36, or 0"): lambda: int("1", 99),
        (ValueError, "isqrt() argument must be nonnegative"): lambda: math.isqrt(-1),
    }
    return {key: text for key, call in found.items() if (text := _said(call))}
