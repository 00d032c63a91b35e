"""How the values of a column lie in Arrow buffers: by dtype, without Numba."""

from dataflare_vec.layouts.base import Bits, FixedWidth, Layout, Slots
from dataflare_vec.layouts.rows import ArrayRows, ListRows
from dataflare_vec.layouts.structs import Fields

__all__ = ["ArrayRows", "Bits", "Fields", "FixedWidth", "Layout", "ListRows", "Slots"]
