"""Everything a kernel can do with strings and bytes: importing this registers it with Numba."""

from __future__ import annotations

from dataflare_vec.jit.strings import (
    case as case,
    classes as classes,
    codepoints as codepoints,
    compare as compare,
    concat as concat,
    encode as encode,
    index as index,
    pad as pad,
    replace as replace,
    search as search,
    split as split,
    strip as strip,
    text as text,
)
from dataflare_vec.jit.strings.numbers import parse as parse
