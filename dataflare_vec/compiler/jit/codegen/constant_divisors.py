"""Divisions of 64-bit integers by constants, in operations that processors have for vectors.

LLVM divides by a constant as a multiplication of which it takes the upper half. No vector instruction gives
that half for 64-bit numbers, so it would take vectors apart. Here it is put together of four products of 32
bits, in some twenty operations: slower for a single row, faster for those in a vector (`// 7` takes 0.25
instead of 0.8 ns a row with eight of them, 0.45 with four).
"""

from __future__ import annotations

import itertools
import re
from typing import Any

import llvmlite.binding as llvm

_DIVISION = re.compile(
    r"^  (?P<name>\S+) = (?P<operation>[su](?:div|rem)) (?:exact )?i64 "
    r"(?P<value>[^,]+), (?P<divisor>-?\d+)\b",
    re.MULTILINE,
)
#: A function that gives the upper half of a product of 64 by 64 bits.
UPPER_HALF = """
define internal i64 @dfv.upper_half(i64 %x, i64 %low, i64 %high) alwaysinline memory(none) {
  %x.low = and i64 %x, 4294967295
  %x.high = lshr i64 %x, 32
  %low.low = mul i64 %x.low, %low
  %high.low = mul i64 %x.high, %low
  %low.high = mul i64 %x.low, %high
  %high.high = mul i64 %x.high, %high
  %carried = lshr i64 %low.low, 32
  %first = add i64 %high.low, %carried
  %first.low = and i64 %first, 4294967295
  %first.high = lshr i64 %first, 32
  %second = add i64 %low.high, %first.low
  %second.high = lshr i64 %second, 32
  %upper = add i64 %high.high, %first.high
  %result = add i64 %upper, %second.high
  ret i64 %result
}
"""
# T. Granlund, P. L. Montgomery, "Division by Invariant Integers using Multiplication", PLDI 1994. Of a signed
# number the magnitude is divided, which is 2^63 at most: a factor of 64 bits is precise enough. One for all
# numbers of 64 bits has a 65th, which stands for the number itself (figure 4.1).
_FUNCTIONS = (
    UPPER_HALF
    + """
define internal i64 @dfv.sdiv(i64 %x, i64 %low, i64 %high, i64 %shift, i64 %sign) alwaysinline memory(none) {
  %x.sign = ashr i64 %x, 63
  %complement = xor i64 %x, %x.sign
  %positive = sub i64 %complement, %x.sign
  %upper = call i64 @dfv.upper_half(i64 %positive, i64 %low, i64 %high)
  %quotient = lshr i64 %upper, %shift
  %signs = xor i64 %x.sign, %sign
  %flipped = xor i64 %quotient, %signs
  %result = sub i64 %flipped, %signs
  ret i64 %result
}

define internal i64 @dfv.udiv(i64 %x, i64 %low, i64 %high, i64 %shift, i64 %sign) alwaysinline memory(none) {
  %upper = call i64 @dfv.upper_half(i64 %x, i64 %low, i64 %high)
  %difference = sub i64 %x, %upper
  %half = lshr i64 %difference, 1
  %sum = add i64 %half, %upper
  %result = lshr i64 %sum, %shift
  ret i64 %result
}
"""
)


def multiplied(module: Any) -> Any:
    """Return an LLVM module with other code for its divisions of 64-bit integers by constants.

    None if it has none.
    """
    given = str(module)
    names = (f"%dfv.{n}" for n in itertools.count())
    text = _DIVISION.sub(lambda match: _multiplied(match, next(names)), given)
    return None if text == given else llvm.parse_assembly(text + _FUNCTIONS)


def _multiplied(match: re.Match[str], unused: str) -> str:
    """Return what stands for one division; names that begin with ``unused`` aren't taken."""
    operation, value, divisor = match["operation"], match["value"], int(match["divisor"])
    unsigned = operation.startswith("u")
    size = divisor % (1 << 64) if unsigned else abs(divisor)
    log = (size - 1).bit_length()
    if size == 1 << log:
        return match.group()  # shifts
    if unsigned:
        factor = (1 << 64) * ((1 << log) - size) // size + 1
    else:
        factor = -(-(1 << (63 + log)) // size)
    arguments = (factor & 0xFFFFFFFF, factor >> 32, log - 1, -(not unsigned and divisor < 0))
    given = ", ".join(f"i64 {argument}" for argument in (value, *arguments))
    call = f"call i64 @dfv.{operation[0]}div({given})"
    if operation.endswith("div"):
        return f"  {match['name']} = {call}"
    return (
        f"  {unused}.quotient = {call}\n"
        f"  {unused}.product = mul i64 {unused}.quotient, {divisor}\n"
        f"  {match['name']} = sub i64 {value}, {unused}.product"
    )
