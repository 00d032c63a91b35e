"""How values of a dtype are computed with: what they are physically."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl


class Kind(NamedTuple):
    """What a value is.

    Attributes
    ----------
    family : str
        ``"bool"``, ``"int"``, ``"uint"`` or ``"float"``.
    bits : int
        How many it has.
    """

    family: str
    bits: int

    @property
    def is_integer(self) -> bool:
        """Whether it is an integer, with or without a sign."""
        return self.family in ("int", "uint")

    @property
    def is_float(self) -> bool:
        """Whether it is a floating-point number."""
        return self.family == "float"

    @property
    def is_signed(self) -> bool:
        """Whether it is an integer with a sign."""
        return self.family == "int"

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest integer of the kind."""
        if self.is_signed:
            return -(1 << self.bits - 1), (1 << self.bits - 1) - 1
        return 0, (1 << self.bits) - 1


BOOL = Kind("bool", 1)

_KINDS = {
    pl.Boolean: BOOL,
    **{getattr(pl, f"Int{bits}"): Kind("int", bits) for bits in (8, 16, 32, 64)},
    **{getattr(pl, f"UInt{bits}"): Kind("uint", bits) for bits in (8, 16, 32, 64)},
    pl.Float32: Kind("float", 32),
    pl.Float64: Kind("float", 64),
    pl.Date: Kind("int", 32),
    pl.Time: Kind("int", 64),
    pl.Datetime: Kind("int", 64),
    pl.Duration: Kind("int", 64),
}


def kind_of(dtype: Any) -> Kind | None:
    """Return what a value of a dtype is; None if loops don't compute with such."""
    return _KINDS.get(dtype.base_type())


def is_number(dtype: Any) -> bool:
    """Whether a dtype is one of numbers that loops compute with."""
    return kind_of(dtype) is not None and bool(dtype.is_numeric())
