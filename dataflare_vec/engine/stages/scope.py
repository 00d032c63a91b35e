"""The columns that a step can read: the data's own, and those of the steps before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.foreign_errors import first_line
from dataflare_vec.exceptions import UnsupportedDataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Polars looks up its own classes with the first dtype that it is asked for, and holds a lock meanwhile: the
# child of a fork would wait for it. Forks wait for imports, and this is one.
_ = pl.Series(dtype=pl.Null()).dtype


_FEW_COLUMNS = 64


class ColumnScope:
    """Names and dtypes, the data's looked up only when asked for, and once.

    Parameters
    ----------
    frame
        The columns that can be read, at least.
    names
        The data's columns; None for those of the frame.

    Attributes
    ----------
    columns : dict
        Those of the data that were looked up.
    new : dict
        Dtypes of the columns of earlier steps.
    holds_all : bool
        Whether the frame has all rows that there are, not just a part or none.
    """

    def __init__(self, frame: pl.DataFrame, names: Sequence[str] | None = None) -> None:
        self._names = names
        self._frame = frame
        self.columns: dict[str, pl.Series] = {}
        self.new: dict[str, Any] = {}
        self._hidden: set[str] = set()
        self.holds_all = False

    @classmethod
    def of_schema(cls, schema: Mapping[str, Any]) -> ColumnScope:
        """Return the scope of columns that are known by name and dtype.

        Raises
        ------
        UnsupportedDataError
            As `empty_frame`.
        """
        return cls(empty_frame(schema))

    @property
    def data_names(self) -> Sequence[str]:
        """Names of the data's columns."""
        if self._names is None:
            self._names = self._frame.columns
        return self._names

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
        if name in self.new:
            return self.new[name]
        column = self.columns.get(name)
        return (self.column(name) if column is None else column).dtype

    def column(self, name: str) -> pl.Series:
        """Return a column of the data."""
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = self._frame.get_column(name)
        return column

    def find(self, name: str) -> pl.Series | None:
        """Return a column of the data, None if there is none."""
        column = self.columns.get(name)
        if column is None:
            column = self._frame.get_column(name, default=None)
            if column is not None:
                self.columns[name] = column
        return column

    def holds_any(self, names: Iterable[str]) -> bool:
        """Whether the data has a column of one of these names."""
        known, frame = self._names, self._frame
        if known is None and frame.width <= _FEW_COLUMNS:  # a list of thousands would take longer
            known = self.data_names
        for name in names:
            if (frame.get_column(name, default=None) is not None) if known is None else name in known:
                return True
        return False

    def empty(self, names: Sequence[str]) -> pl.DataFrame:
        """Return a frame of some of the columns, without rows."""
        return pl.DataFrame(schema={name: self.dtype(name) for name in names})


def empty_frame(schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return a frame without rows.

    Raises
    ------
    UnsupportedDataError
        If Polars knows a dtype, but can't hold it: decimals of 43 digits, of a file.
    """
    try:
        return pl.DataFrame(schema=dict(schema))
    except BaseException as error:  # a panic of Polars is none of Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
            raise
        msg = f"Polars can't hold the columns of the query: {first_line(error)}"
        raise UnsupportedDataError(msg, hint="leave them out") from error
