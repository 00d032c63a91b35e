"""The end of an error message: what may have been meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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
