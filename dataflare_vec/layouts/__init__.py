"""How the values of a column lie in Arrow buffers: by dtype, without Numba."""

from dataflare_vec.layouts.base import Bits, FixedWidth, Layout, Slots
from dataflare_vec.layouts.categories import Categories, Codes
from dataflare_vec.layouts.views import Views

__all__ = ["Bits", "Categories", "Codes", "FixedWidth", "Layout", "Slots", "Views"]
