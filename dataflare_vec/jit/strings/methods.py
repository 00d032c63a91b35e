"""Everything a kernel can do with strings and bytes: importing this registers it with Numba."""

from __future__ import annotations

from dataflare_vec.jit.strings import (
    case,
    classes,
    codepoints,
    compare,
    concat,
    encode,
    index,
    offered,
    pad,
    replace,
    search,
    split,
    strip,
    text,
)
from dataflare_vec.jit.strings.numbers import parse

REGISTERED = (
    case,
    classes,
    codepoints,
    compare,
    concat,
    encode,
    index,
    offered,
    pad,
    replace,
    search,
    split,
    strip,
    text,
    parse,
)
