"""Everything a kernel can do with strings and bytes: importing this registers it with Numba."""

from __future__ import annotations

from dataflare_vec.compiler.jit.lowering.strings import builtins as builtins
from dataflare_vec.compiler.jit.lowering.strings import case as case
from dataflare_vec.compiler.jit.lowering.strings import classes as classes
from dataflare_vec.compiler.jit.lowering.strings import codepoints as codepoints
from dataflare_vec.compiler.jit.lowering.strings import compare as compare
from dataflare_vec.compiler.jit.lowering.strings import concat as concat
from dataflare_vec.compiler.jit.lowering.strings import containers as containers
from dataflare_vec.compiler.jit.lowering.strings import encode as encode
from dataflare_vec.compiler.jit.lowering.strings import index as index
from dataflare_vec.compiler.jit.lowering.strings import pad as pad
from dataflare_vec.compiler.jit.lowering.strings import partition as partition
from dataflare_vec.compiler.jit.lowering.strings import replace as replace
from dataflare_vec.compiler.jit.lowering.strings import representation as representation
from dataflare_vec.compiler.jit.lowering.strings import search as search
from dataflare_vec.compiler.jit.lowering.strings import split as split
from dataflare_vec.compiler.jit.lowering.strings import strip as strip
from dataflare_vec.compiler.jit.lowering.strings import text as text
from dataflare_vec.compiler.jit.lowering.strings.numbers import parse as parse
