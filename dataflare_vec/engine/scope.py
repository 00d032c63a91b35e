"""The columns that a step can read: the data's own, and those of the steps before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Scope:
    """Names and dtypes, the data's looked up only when asked for.

    Parameters
    ----------
    names
        The data's columns.
    dtype_of
        Returns the dtype of one of them.
    """

    def __init__(self, names: Sequence[str], dtype_of: Callable[[str], Any]) -> None:
        self.data_names = names
        self._dtype_of = dtype_of
        self.new: dict[str, Any] = {}
        self._hidden: set[str] = set()

    @classmethod
    def of_frame(cls, frame: pl.DataFrame) -> Scope:
        """Return the scope of a frame's columns."""
        return cls(frame.columns, lambda name: frame.get_column(name).dtype)

    @classmethod
    def of_schema(cls, schema: Mapping[str, Any]) -> Scope:
        """Return the scope of columns that are known by name and dtype."""
        return cls(list(schema), schema.__getitem__)

    def __contains__(self, name: object) -> bool:
        return name in self.data_names or name in self.new

    @property
    def names(self) -> Sequence[str]:
        """All names that can be read, without those of `hide`."""
        if not self.new:
            return self.data_names
        return [name for name in dict.fromkeys([*self.data_names, *self.new]) if name not in self._hidden]

    def hide(self, name: str) -> None:
        """Leave a new column out of `names`: a pattern such as ``pl.all()`` doesn't mean it."""
        self._hidden.add(name)

    def dtype(self, name: str) -> Any:
        """Return the dtype of a column."""
        return self.new[name] if name in self.new else self._dtype_of(name)

    def empty(self, names: Sequence[str]) -> pl.DataFrame:
        """Return a frame of some of the columns, without rows."""
        return pl.DataFrame(schema={name: self.dtype(name) for name in names})
