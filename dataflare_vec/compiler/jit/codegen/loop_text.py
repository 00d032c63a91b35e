"""What the optimised LLVM IR of a loop says: its function over rows, vectors in it, and calls."""

from __future__ import annotations

import math
import re

#: A type of several lanes: how many, and of what.
VECTOR = re.compile(r"<(\d+) x (double|float|half|ptr|i\d+)>")

_CALL = re.compile(r"\b(?:call|invoke)\b[^@\n]*@(\"[^\"]+\"|[\w.$]+)\(")
_LOOP = re.compile(r"!llvm\.loop (!\d+)")
_WIDE = re.compile(r"= (?:add|sub|mul) [^,\n]*i128 |\.i128\(")
# By hand, and only where numbers are too large for the processor's own.
_DIVISIONS = {"dfv.ratio": "/ (of integers beyond 2^53)", "dfv.divide": "// (of decimals)"}
# Intrinsics that no instruction does: LLVM calls the C library for them.
_LIBM = re.compile(
    r"llvm\.(pow|powi|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|exp|exp2|exp10|log|log2|log10|sincos)"
    r"\.[fi]\d+"
)


def rows_function(module: str) -> tuple[str, str]:
    """Return name and text of the function with the loop over rows."""
    for match in re.finditer(r"^define [^@]*@(\"[^\"]+\"|[\w.$]+)\(.*?^}", module, re.MULTILINE | re.DOTALL):
        name = match[1].strip('"')
        if name.endswith(".rows"):
            return name, match.group()
    msg = "the module has no loop over rows"
    raise LookupError(msg)


def may_be_vectors(module: str) -> bool:
    """Whether LLVM can vectorise the loop over rows, and has vectors for all that is computed.

    It then has done so, or computes single rows side by side, if it takes that for better.
    """
    _, text = rows_function(module)
    if calls_in(text) or _WIDE.search(text):
        return False
    # Several loops, where a condition is the same for all rows. Such as it can't keep what was wished for.
    return _has_loop(module, text, "isvectorized") and not _has_loop(module, text, "interleave.count")


def _has_loop(module: str, function: str, mark: str) -> bool:
    """Whether a loop of a function has some metadata."""
    node = re.search(rf'^(!\d+) = !\{{!"llvm\.loop\.{re.escape(mark)}"', module, re.MULTILINE)
    return node is not None and any(
        re.search(rf"^{loop} = distinct .*{node[1]}\b", module, re.MULTILINE)
        for loop in set(_LOOP.findall(function))
    )


def has_vectors(module: str) -> bool:
    """Whether anything in the loop over rows is computed in vectors."""
    return VECTOR.search(rows_function(module)[1]) is not None


def calls_in(text: str) -> tuple[str, ...]:
    """Return what the text of a function calls, as somebody who wrote the kernel would call it."""
    found = []
    for raw in _CALL.findall(text):
        name = raw.strip('"')
        intrinsic = _LIBM.fullmatch(name)
        if intrinsic:
            found.append(readable(intrinsic[1]))
        elif not name.startswith(("llvm.", "dfv.put", "dfv.payload", "dfv.is_ascii", "dfv.factor")):
            found.append(readable(name))
    return tuple(dict.fromkeys(found))


def readable(symbol: str) -> str:
    """Return a symbol as somebody who wrote the kernel would call it.

    Examples
    --------
    >>> readable("_ZN8__main__6helperB2v1B8c8tJTIeF_3E")
    'helper (a function that was not inlined)'
    >>> readable("numba_gamma"), readable("pow"), readable("NRT_Allocate")
    ('math.gamma', 'pow', 'NRT_Allocate (memory for an object)')
    """
    if symbol.startswith("_Z"):
        names, left = [], symbol[3:]
        while match := re.match(r"(\d+)", left):
            size = int(match[1])
            names.append(left[match.end() : match.end() + size])
            left = left[match.end() + size :]
        return f"{names[-1] if names else symbol} (a function that was not inlined)"
    if symbol.startswith("NRT_"):
        return f"{symbol} (memory for an object)"
    if symbol in _DIVISIONS:
        return _DIVISIONS[symbol]
    if symbol.startswith("dfv.math."):
        symbol = symbol.split(".")[2]
    name = symbol.removeprefix("numba_")
    return f"math.{name}" if hasattr(math, name) and name != "pow" else name
