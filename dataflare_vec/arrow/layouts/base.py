"""What a layout says of a column, and those of numbers and booleans."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflare_vec.arrow.c_data import borrow

if TYPE_CHECKING:
    import polars as pl

#: The arguments of a column in a loop's argument buffer: where its values lie, what else they need, address
#: and bit offset of the validity bitmap. What the second is depends on the layout; no validity is address 0.
#: A column that is made of columns has theirs behind its own four.
Arguments = tuple[int, ...]


class Layout(ABC):
    """How one kind of column is handed to a compiled loop, and how far its arguments move from row to row."""

    __slots__ = ()

    @property
    @abstractmethod
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row."""

    @property
    @abstractmethod
    def row_bytes(self) -> int:
        """About how many bytes a row takes, at least 1."""

    def settle(self, series: pl.Series) -> pl.Series:
        """Return a Series in which each row is null that counts as null: for most, the Series itself."""
        return series

    @abstractmethod
    def to_arrow(self, series: pl.Series) -> Any:
        """Return a Series of one chunk as an Arrow array, without a copy."""

    @abstractmethod
    def arguments(self, array: Any, *, nulls: bool) -> Arguments:
        """Return the arguments of an Arrow array; the validity is left out unless there are ``nulls``."""

    def advance(self, arguments: Arguments, rows: int) -> Arguments:
        """Return the arguments of the same column ``rows`` rows further on."""
        return tuple(
            argument + rows * stride for argument, stride in zip(arguments, self.strides, strict=True)
        )


@dataclass(frozen=True, slots=True)
class FixedWidth(Layout):
    """Values of ``width`` bytes each, one after the other; the second argument isn't used."""

    width: int

    @property
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row."""
        return (self.width, 0, 0, 1)

    @property
    def row_bytes(self) -> int:
        """Bytes of a value."""
        return self.width

    def to_arrow(self, series: pl.Series) -> Any:
        """Return a Series of one chunk as an Arrow array, without a copy."""
        return borrow(series)

    def arguments(self, array: Any, *, nulls: bool) -> Arguments:
        """Return the arguments of an Arrow array."""
        validity, values = array.buffers()
        offset = array.offset
        return (
            values.address + offset * self.width if values is not None else 0,
            0,
            validity.address if nulls and validity is not None else 0,
            offset,
        )

    def advance(self, arguments: Arguments, rows: int) -> Arguments:
        """Return the arguments of the same column ``rows`` rows further on."""
        values, extra, validity, bit = arguments
        return values + rows * self.width, extra, validity, bit + rows


@dataclass(frozen=True, slots=True)
class Bits(Layout):
    """Booleans, eight in a byte; the second argument is the bit offset of the values."""

    @property
    def strides(self) -> Arguments:
        """By how much each argument changes from row to row."""
        return (0, 1, 0, 1)

    @property
    def row_bytes(self) -> int:
        """A byte: loops work on them unpacked."""
        return 1

    def to_arrow(self, series: pl.Series) -> Any:
        """Return a Series of one chunk as an Arrow array, without a copy."""
        return borrow(series)

    def arguments(self, array: Any, *, nulls: bool) -> Arguments:
        """Return the arguments of an Arrow array."""
        validity, values = array.buffers()
        offset = array.offset
        return (
            values.address if values is not None else 0,
            offset,
            validity.address if nulls and validity is not None else 0,
            offset,
        )
