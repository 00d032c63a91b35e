"""What a kernel calls that asks what exceptions say: Python's functions, with Python's words where they fail.

These are compiled as the user's own functions are (`jit.passes.told`): a `raise` in here says what it says.
"""

from __future__ import annotations

#: The least limit of digits that Python can be set to: beyond its limit it has words that are not known here.
LIMIT = 640


def told_int(value, base=10):  # type: ignore[no-untyped-def]
    """Read an integer."""
    if base != 0 and (base < 2 or base > 36):
        raise ValueError("int() base must be >= 2 and <= 36, or 0")
    try:
        return int(value, base)
    except ValueError:
        if len(value) > LIMIT:
            raise
        shown = f"{value!r}"
        raise ValueError(f"invalid literal for int() with base {base}: {shown[:200]}") from None


def told_whole(value):  # type: ignore[no-untyped-def]
    """Read an integer, or convert to one."""
    if isinstance(value, str | bytes):
        try:
            return int(value)
        except ValueError:
            if len(value) > LIMIT:
                raise
            shown = f"{value!r}"
            raise ValueError(f"invalid literal for int() with base 10: {shown[:200]}") from None
    return int(value)


def told_float(value):  # type: ignore[no-untyped-def]
    """Read a number, or convert to one."""
    if isinstance(value, str | bytes):
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"could not convert string to float: {value!r}") from None
    return float(value)


def told_item(items, key):  # type: ignore[no-untyped-def]
    """Look up what belongs to a key."""
    try:
        return items[key]
    except KeyError:
        raise KeyError(key) from None
