"""A column by its name, in data whose labels may be anything, and may be there twice."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from dataflare_vec.exceptions import BindingError, ColumnTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def text_of(label: Any) -> str:
    """Return the name by which a column is read: its label, or the text of one that isn't a string."""
    if isinstance(label, tuple):  # NumPy's scalars say their type in a tuple
        label = tuple(one.item() if hasattr(one, "item") else one for one in label)
    return str(label)


def position(labels: Sequence[Any], name: str) -> int | None:
    """Return the place of the column that a name means, None if there is none.

    A label that is the name goes before one that is written like it: ``"0"`` before ``0``.

    Raises
    ------
    BindingError
        If there are several.
    """
    found = [i for i, label in enumerate(labels) if isinstance(label, str) and label == name]
    if not found:
        others = [(i, label) for i, label in enumerate(labels) if not isinstance(label, str)]
        found = [i for i, label in others if text_of(label) == name]
    if len(found) > 1:
        msg = f"the data has {len(found)} columns named `{name}`, so the name is ambiguous"
        raise BindingError(msg, column=name, hint="rename them")
    return found[0] if found else None


def refuse(
    name: str, readers: Mapping[str, str], what: str, error: BaseException | None = None, hint: str = ""
) -> NoReturn:
    """Raise that a column can't be read.

    Parameters
    ----------
    readers
        Plugins by the column that they read.
    what, hint
        What is wrong with it, and what to do.
    """
    raise ColumnTypeError(
        problem=f"column `{name}` {what}", plugin=readers.get(name) or None, column=name, hint=hint
    ) from error


@contextmanager
def passing_over(is_optional: bool) -> Iterator[None]:
    """Go on without a column that can't be read, if nobody needs it."""
    try:
        yield
    except BindingError:
        if not is_optional:
            raise
