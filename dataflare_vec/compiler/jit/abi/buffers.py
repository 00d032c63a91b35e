"""Where a loop finds one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llvmlite import ir


class Buffers:
    """The pointers and offsets of one column, as loaded; ``inner`` are those of its columns."""

    def __init__(self, arguments: Sequence[ir.Value]) -> None:
        self.values, self.extra, self.validity, self.validity_offset, *self.inner = arguments
