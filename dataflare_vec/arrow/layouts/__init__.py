"""How the values of a column lie in Arrow buffers: by dtype, without Numba."""

from dataflare_vec.arrow.layouts.base import Arguments, Bits, FixedWidth, Layout
from dataflare_vec.arrow.layouts.categories import Categories, Codes
from dataflare_vec.arrow.layouts.lists import ArrayRows, ListRows
from dataflare_vec.arrow.layouts.lists_out import PackedRows
from dataflare_vec.arrow.layouts.string_lists import TextRows
from dataflare_vec.arrow.layouts.string_views import Views
from dataflare_vec.arrow.layouts.structs import Fields

__all__ = [
    "Arguments",
    "ArrayRows",
    "Bits",
    "Categories",
    "Codes",
    "Fields",
    "FixedWidth",
    "Layout",
    "ListRows",
    "PackedRows",
    "TextRows",
    "Views",
]
