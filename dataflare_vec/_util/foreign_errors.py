"""What exceptions of other libraries say, cut to what a reader needs; and what only they say.

Nowhere else is a message read to decide something, but in `jit.diagnostics`, which explains Numba's.
"""

from __future__ import annotations

#: Of a line, which may hold a whole row.
_MOST = 300
#: What Polars puts behind what is wrong: the query, or the expression.
_CONTEXT = ("\n\nResolved plan", "\n\nThis error occurred")


def first_line(error: BaseException) -> str:
    r"""Return the first line of a message; of an empty one, the name of the exception.

    Examples
    --------
    >>> first_line(OSError("no such file\nwhile reading")), first_line(MemoryError())
    ('no such file', 'MemoryError')
    """
    lines = str(error).strip().splitlines()
    return lines[0][:_MOST] if lines else type(error).__name__


def is_not_utf8(error: BaseException) -> bool:
    """Whether Polars complains of bytes that aren't UTF-8, for which it has no class (2.1)."""
    return isinstance(error, UnicodeDecodeError) or "utf-8" in first_line(error).lower()


def is_broken_pipe(error: BaseException) -> bool:
    """Whether nobody reads any more what is written. Polars has no class for that either (2.1)."""
    return isinstance(error, BrokenPipeError) or "broken pipe" in first_line(error).lower()


def without_context(error: BaseException) -> str:
    r"""Return a message of Polars without the query, or the expression, that follows it.

    Examples
    --------
    >>> without_context(ValueError('not found: "b"\n\nResolved plan until failure:\n\n\tDF ["a"]'))
    'not found: "b"'
    """
    said = str(error)
    for mark in _CONTEXT:
        said = said.partition(mark)[0]
    return said
