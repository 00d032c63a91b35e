"""What Numba says about a kernel it can't compile, in one readable error."""

from __future__ import annotations

import linecache
import re
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition import plain
from dataflare_vec.errors import KernelCompileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflare_vec.definition import Plugin

_LINE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_NOISE = re.compile(
    r"^(During|There are|Overload|- Of which|raised from|\s|Rejected|File|>>>|$|\*|Enable|\[)"
)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

# What Numba's message contains → what to try.
_ADVICE = (
    ("Untyped global name", "make what it names a number, a tuple or a `numba.njit` function"),
    ("non-precise type", "return the same type on every path"),
    ("Cannot unify", "give a variable the same type on every path"),
    ("unicode_type", "kernels read numbers, bools and dates; work on strings with an expression plugin"),
    ("OptionalType", "test the value with `is None` first"),
    ("NoneType", "test the value with `is None` first"),
    ("Unknown attribute", "use functions of `math` and NumPy that Numba knows"),
    ("Use of unsupported NumPy function", "use functions of `math` and NumPy that Numba knows"),
)
_DEFAULT_ADVICE = "use numbers, `math` and other `numba.njit` functions, or an expression plugin"


def explain_failure(plugin: Plugin, dtypes: Mapping[str, Any], error: Exception) -> KernelCompileError:
    """Return an error that says which plugin, line and types, why, and what to try."""
    types = ", ".join(f"{name}: {dtype}" for name, dtype in dtypes.items())
    heading = f"plugin `{plugin.name}` can't be compiled for the columns ({types})"
    return explain_function(plugin.function, heading, error)


def explain_function(function: Any, heading: str, error: Exception) -> KernelCompileError:
    """Return an error with a heading, which line of a function is wrong, why, and what to try."""
    text = _ANSI.sub("", str(error))
    lines = [heading]
    code = plain(function).__code__
    found = [m for m in _LINE.finditer(text) if m["file"] and code.co_filename.endswith(m["file"])]
    if found:
        number = int(found[-1]["line"])
        source = linecache.getline(code.co_filename, number).strip()
        lines.append(f"  line {number} of {code.co_filename}: `{source}`")
    reasons = [line.strip() for line in text.splitlines() if line and not _NOISE.match(line)]
    reasons = [line for line in reasons if not line.startswith("Failed in nopython mode")]
    if reasons:
        lines.append(f"  reason: {' '.join(reasons[:3])[:300]}")
    advice = next((tip for sign, tip in _ADVICE if sign in text), _DEFAULT_ADVICE)
    lines.append(f"  try: {advice}")
    return KernelCompileError("\n".join(lines))
