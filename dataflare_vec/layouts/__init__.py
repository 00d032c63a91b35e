"""How the values of a column lie in Arrow buffers: by dtype, without Numba."""

from dataflare_vec.layouts.base import Bits, FixedWidth, Layout, Slots
from dataflare_vec.layouts.categories import Categories, Codes
from dataflare_vec.layouts.packed import PackedRows
from dataflare_vec.layouts.rows import ArrayRows, ListRows
from dataflare_vec.layouts.structs import Fields
from dataflare_vec.layouts.texts import TextRows
from dataflare_vec.layouts.views import Views

__all__ = [
    "ArrayRows",
    "Bits",
    "Categories",
    "Codes",
    "Fields",
    "FixedWidth",
    "Layout",
    "ListRows",
    "PackedRows",
    "Slots",
    "TextRows",
    "Views",
]
