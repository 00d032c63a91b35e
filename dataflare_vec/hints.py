"""What error messages are made of: what may have been meant, and what the user calls it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Arguments whose name in a message tells apart what Python calls the same.
_IN_PYTHON = {"input_format": "format"}

#: Says what an argument is called, given its name, the values and whether it is a plugin's parameter.
Speaker = Callable[[str, tuple[Any, ...], bool], "str | None"]

_speaker: Speaker | None = None


def argument(name: str, *values: Any, parameter: bool = False, python: str | None = None) -> str:
    """Return what a message calls an argument of a call: as Python has it, or as `speaking` says.

    Parameters
    ----------
    name
        The argument.
    *values
        The value it has or should have, one or another of them.
    parameter
        Whether it is one of the plugin's, not of the library's function.
    python
        What is said to those who write Python, if it isn't the argument.

    Examples
    --------
    >>> argument("keep", False), argument("on_error", "null", "drop"), argument("by")
    ('`keep=False`', '`on_error="null"` or `"drop"`', '`by`')
    """
    said = None if _speaker is None else _speaker(name, values, parameter)
    if said is not None:
        return said
    if python is not None:
        return python
    name = _IN_PYTHON.get(name, name)
    if not values:
        return f"`{name}`"
    first, *others = (f'"{value}"' if isinstance(value, str) else repr(value) for value in values)
    return " or ".join([f"`{name}={first}`", *(f"`{other}`" for other in others)])


@contextmanager
def speaking(speaker: Speaker) -> Iterator[None]:
    """Let messages of this process call arguments as ``speaker`` does, where it doesn't return None.

    Not of this thread alone: messages of a stream come from its own threads.
    """
    global _speaker  # noqa: PLW0603
    before, _speaker = _speaker, speaker
    try:
        yield
    finally:
        _speaker = before


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: names like ``name``, or some of those there are.

    Examples
    --------
    >>> near_matches("tunr", ["tuner", "parallelism"])
    'did you mean `tuner`?'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(f'`{n}`' for n in near)}?"
    if not names:
        return "there are none"
    shown = ", ".join(f"`{n}`" for n in names[:10])
    return f"there are {shown}" + (f" and {len(names) - 10} more" if len(names) > 10 else "")
