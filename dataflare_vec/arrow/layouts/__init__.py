"""Layouts of columns in Arrow buffers, by dtype, without Numba."""

from dataflare_vec.arrow.layouts.base import Arguments, Bits, FixedWidth, Layout
from dataflare_vec.arrow.layouts.categories import Categories, Codes
from dataflare_vec.arrow.layouts.list_result import ListResults
from dataflare_vec.arrow.layouts.lists import FixedSizeLists, Lists
from dataflare_vec.arrow.layouts.string_lists import StringLists
from dataflare_vec.arrow.layouts.string_views import Views
from dataflare_vec.arrow.layouts.structs import Structs

__all__ = [
    "Arguments",
    "Bits",
    "Categories",
    "Codes",
    "FixedSizeLists",
    "FixedWidth",
    "Layout",
    "ListResults",
    "Lists",
    "StringLists",
    "Structs",
    "Views",
]
