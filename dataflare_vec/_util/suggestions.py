"""What error messages are made of: what may have been meant, and the arguments that they mention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Arguments whose name in a message tells apart what Python calls the same.
_IN_PYTHON = {"input_format": "format"}


class Argument:
    """An argument of a call, as a message mentions it.

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
    """

    def __init__(self, name: str, *values: Any, parameter: bool = False, python: str | None = None) -> None:
        self.name = name
        self.values = values
        self.parameter = parameter
        self.python = python


def in_python(argument: Argument) -> str:
    """Return an argument as it is written in a call.

    Examples
    --------
    >>> in_python(Argument("keep", False)), in_python(Argument("by"))
    ('`keep=False`', '`by`')
    >>> in_python(Argument("on_error", "null", "drop"))
    '`on_error="null"` or `"drop"`'
    """
    if argument.python is not None:
        return argument.python
    name = _IN_PYTHON.get(argument.name, argument.name)
    if not argument.values:
        return f"`{name}`"
    first, *others = (f'"{value}"' if isinstance(value, str) else repr(value) for value in argument.values)
    return " or ".join([f"`{name}={first}`", *(f"`{other}`" for other in others)])


class Phrase(str):
    """Text of a message that mentions arguments: they are spelled as in Python, or as `spelled` is told.

    Parameters
    ----------
    *parts
        Text, and the arguments within it.

    Examples
    --------
    >>> hint = Phrase("leave out ", Argument("by"))
    >>> hint, spelled(hint, lambda argument: f"--{argument.name}")
    ('leave out `by`', 'leave out --by')
    """

    parts: tuple[str | Argument, ...]

    def __new__(cls, *parts: str | Argument) -> Phrase:
        """Return the text as Python spells it."""
        self = super().__new__(cls, "".join(spelled(part, in_python) for part in parts))
        self.parts = parts
        return self


def spelled(text: str | Argument, spell: Callable[[Argument], str]) -> str:
    """Return a text with the arguments that it mentions spelled by ``spell``."""
    if isinstance(text, Argument):
        return spell(text)
    if isinstance(text, Phrase):
        return "".join(spelled(part, spell) for part in text.parts)
    return str(text)


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: names like ``name``, or some of those there are.

    Examples
    --------
    >>> near_matches("tunr", ["tuner", "parallelism"])
    'did you mean `tuner`?'
    """
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(f'`{n}`' for n in near)}?"
    if not names:
        return "none available"
    shown = ", ".join(f"`{n}`" for n in names[:10])
    return f"available: {shown}" + (f" and {len(names) - 10} more" if len(names) > 10 else "")
