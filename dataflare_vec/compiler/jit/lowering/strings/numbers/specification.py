"""Format specifications, read while a kernel is compiled.

``[[fill]align][sign][#][0][width][,][.precision][type]``
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from numba.core.errors import TypingError

_GRAMMAR = re.compile(
    r"(?:(?P<fill>.)?(?P<align>[<>=^]))?(?P<sign>[-+ ])?(?P<alternate>#)?(?P<zero>0)?"
    r"(?P<width>\d+)?(?P<group>[,_])?(?:\.(?P<precision>\d+))?(?P<kind>[a-zA-Z%])?",
    re.DOTALL,
)
#: Types that are written here; what Python knows besides is refused.
KINDS = {"text": "s", "integer": "bcdoxX", "float": "eEfFgG%"}


#: Of width and precision; Python has the same bound for the latter.
LARGEST = (1 << 31) - 1


@dataclass(frozen=True)
class Specification:
    """One format, taken apart; ``""`` and -1 stand for what isn't given."""

    fill: str
    align: str
    sign: str
    alternate: bool
    width: int
    group: str
    precision: int
    kind: str


def specification(text: str, family: str) -> Specification:
    """Read a specification for a ``"text"``, ``"integer"`` or ``"float"``.

    Raises
    ------
    numba.core.errors.TypingError
        If it isn't one that kernels know.
    """
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        msg = f"kernels don't know the format {text!r}"
        raise TypingError(msg)
    given = found.groupdict(default="")
    kind = given["kind"]
    if kind and kind not in KINDS[family] and not (family == "integer" and kind in KINDS["float"]):
        msg = f"kernels don't know the format {text!r} for {family}s"
        raise TypingError(msg)
    fill, align = given["fill"], given["align"]
    if given["zero"]:
        fill, align = fill or "0", align or ("<" if family == "text" else "=")
    made = Specification(
        fill or " ",
        align or ("<" if family == "text" else ">"),
        given["sign"],
        bool(given["alternate"]),
        int(given["width"] or 0),
        given["group"],
        int(given["precision"] or -1),
        kind,
    )
    _check(made, text, family)
    return made


def _check(made: Specification, text: str, family: str) -> None:
    is_integer = family == "integer" and made.kind not in tuple(KINDS["float"])
    wrong = (
        max(made.width, made.precision) > LARGEST
        or (family == "text" and (made.sign or made.alternate or made.group or made.align == "="))
        or (is_integer and made.precision >= 0)
        or (family != "text" and not is_integer and made.alternate)
        or (made.group == "," and made.kind in tuple("bcoxX"))
        or (made.kind == "c")
    )
    if wrong:
        msg = f"kernels don't know the format {text!r} for {family}s"
        raise TypingError(msg)
