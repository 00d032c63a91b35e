"""Divisions of integers by what is the same for all rows, as `x % n` with a constant ``n`` of the call.

A multiplication stands for them, as for a divisor in the source (`constant_divisors`). Its factor is computed
from the divisor, in front of the loop: LLVM moves there what doesn't depend on the row. So the loop is vector
code, and isn't compiled anew for another value.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm

from dataflare_vec.compiler.jit.codegen.constant_divisors import UPPER_HALF

if TYPE_CHECKING:
    from collections.abc import Collection

_VALUE = r"%(?:[-\w.$]+|\"[^\"]*\")"
_DIVISION = re.compile(
    rf"^  (?P<name>\S+) = (?P<operation>[su](?:div|rem)) (?:exact )?(?P<type>i32|i64) "
    rf"(?P<value>[^,]+), (?P<divisor>{_VALUE})",
    re.MULTILINE,
)
_RESULT = re.compile(rf"^  (?P<name>{_VALUE}) = (?P<code>.*)$", re.MULTILINE)
# What has no effect and doesn't trap, of operands that are values: the same for the same ones.
_PLAIN = re.compile(
    r"(?:add|sub|mul|and|or|xor|shl|lshr|ashr|select|icmp|zext|sext|trunc"
    r"|(?:tail )?call \S+ @llvm\.(?:abs|[su](?:min|max))\.i\d+)\b"
)
# Where LLVM has a division look at its operands first, for processors that divide 32 bits sooner than 64.
_SHORT_WAY = re.compile(
    rf"  (?P<both>{_VALUE}) = or i64 (?P<a>[^\s,]+), (?P<b>[^\s,]+)\n"
    rf"  (?P<upper>{_VALUE}) = and i64 (?P=both), -4294967296\n"
    rf"  (?P<fits>{_VALUE}) = icmp eq i64 (?P=upper), 0\n"
    rf"(?P<branch>  br i1 (?P=fits), label (?P<short>{_VALUE}), label (?P<long>{_VALUE})[^\n]*)\n\n"
    r"\S+:[^\n]*\n"
    rf"(?P<narrow>(?:  {_VALUE} = (?:trunc i64 [^\n]* to i32|u(?:div|rem) i32 [^\n]*|zext [^\n]* to i64)\n)+)"
    rf"  br label (?P<end>{_VALUE})\n\n"
    r"\S+:[^\n]*\n"
    rf"(?P<wide>(?:  {_VALUE} = [su](?:div|rem) i64 (?:(?P=a), (?P=b)|(?P=b), (?P=a))\n)+)"
    r"  br label (?P=end)\n\n"
    r"\S+:[^\n]*\n"
    rf"(?P<joined>(?:  {_VALUE} = phi [^\n]*\n)+)"
)
# T. Granlund, P. L. Montgomery, "Division by Invariant Integers using Multiplication", PLDI 1994, figure 4.1,
# for any divisor. The factor is a quotient of 128 by 64 bits, of two digits: H. S. Warren, "Hacker's
# Delight", section 9-4. LLVM mustn't see that both its halves are of one number, or it would put the four
# products together to one of 128 bits. Zero, for which something comes out, is defined without a look at the
# divisor: LLVM would leave that out behind the kernel's own, and compute the rest before.
_FUNCTIONS = (
    UPPER_HALF
    + """
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.usub.sat.i64(i64, i64)

define internal i64 @dfv.digit(i64 %x, i64 %high, i64 %low) alwaysinline memory(none) {
  %digit.0 = udiv i64 %x, %high
  %product = mul i64 %digit.0, %high
  %rest.0 = sub i64 %x, %product
  %left.0 = shl i64 %rest.0, 32
  %next.0 = mul i64 %digit.0, %low
  %above.0 = icmp ugt i64 %next.0, %left.0
  %large.0 = icmp ugt i64 %digit.0, 4294967295
  %less.0 = or i1 %above.0, %large.0
  %by.0 = zext i1 %less.0 to i64
  %digit.1 = sub i64 %digit.0, %by.0
  %more.0 = select i1 %less.0, i64 %high, i64 0
  %rest.1 = add i64 %rest.0, %more.0
  %left.1 = shl i64 %rest.1, 32
  %next.1 = mul i64 %digit.1, %low
  %above.1 = icmp ugt i64 %next.1, %left.1
  %large.1 = icmp ugt i64 %digit.1, 4294967295
  %too.1 = or i1 %above.1, %large.1
  %fits.1 = icmp ult i64 %rest.1, 4294967296
  %less.1 = and i1 %too.1, %fits.1
  %by.1 = zext i1 %less.1 to i64
  %digit.2 = sub i64 %digit.1, %by.1
  ret i64 %digit.2
}

define internal i64 @dfv.factor(i64 %divisor) alwaysinline memory(none) {
  %zeros = call i64 @llvm.ctlz.i64(i64 %divisor, i1 false)
  %count = and i64 %zeros, 63
  %normal = shl i64 %divisor, %count
  %upper = lshr i64 %normal, 32
  %high = or i64 %upper, 2147483648
  %low = and i64 %normal, 4294967295
  %left.1 = sub i64 0, %normal
  %digit.1 = call i64 @dfv.digit(i64 %left.1, i64 %high, i64 %low)
  %product = mul i64 %digit.1, %normal
  %shifted = shl i64 %left.1, 32
  %left.0 = sub i64 %shifted, %product
  %digit.0 = call i64 @dfv.digit(i64 %left.0, i64 %high, i64 %low)
  %first = shl i64 %digit.1, 32
  %both = add i64 %first, %digit.0
  %factor = add i64 %both, 1
  %less = sub i64 %divisor, 1
  %common = and i64 %divisor, %less
  %is.power = icmp eq i64 %common, 0
  %result = select i1 %is.power, i64 1, i64 %factor
  ret i64 %result
}

define internal i64 @dfv.factor.low(i64 %divisor)
    noinline nounwind willreturn speculatable memory(none) {
  %factor = call i64 @dfv.factor(i64 %divisor)
  ret i64 %factor
}

define internal i64 @dfv.factor.high(i64 %divisor)
    noinline nounwind willreturn speculatable memory(none) {
  %factor = call i64 @dfv.factor(i64 %divisor)
  %high = lshr i64 %factor, 32
  ret i64 %high
}

define internal i64 @dfv.udiv.by(i64 %x, i64 %divisor) alwaysinline memory(none) {
  %less = sub i64 %divisor, 1
  %zeros = call i64 @llvm.ctlz.i64(i64 %less, i1 false)
  %log = sub i64 64, %zeros
  %first = call i64 @llvm.umin.i64(i64 %log, i64 1)
  %second = call i64 @llvm.usub.sat.i64(i64 %log, i64 1)
  %factor.low = call i64 @dfv.factor.low(i64 %divisor)
  %factor.high = call i64 @dfv.factor.high(i64 %divisor)
  %low = and i64 %factor.low, 4294967295
  %high = and i64 %factor.high, 4294967295
  %upper = call i64 @dfv.upper_half(i64 %x, i64 %low, i64 %high)
  %difference = sub i64 %x, %upper
  %half = lshr i64 %difference, %first
  %sum = add i64 %half, %upper
  %result = lshr i64 %sum, %second
  ret i64 %result
}

define internal i64 @dfv.sdiv.by(i64 %x, i64 %given) alwaysinline memory(none) {
  %x.sign = ashr i64 %x, 63
  %x.complement = xor i64 %x, %x.sign
  %x.positive = sub i64 %x.complement, %x.sign
  %sign = ashr i64 %given, 63
  %complement = xor i64 %given, %sign
  %positive = sub i64 %complement, %sign
  %quotient = call i64 @dfv.udiv.by(i64 %x.positive, i64 %positive)
  %signs = xor i64 %x.sign, %sign
  %flipped = xor i64 %quotient, %signs
  %result = sub i64 %flipped, %signs
  ret i64 %result
}
"""
    # Of 32 bits the upper half is one product of 64, and the factor one division.
    + """
define internal i64 @dfv.factor.i32(i64 %divisor)
    noinline nounwind willreturn speculatable memory(none) {
  %zeros = call i64 @llvm.ctlz.i64(i64 %divisor, i1 false)
  %shift = sub i64 %zeros, 32
  %count = and i64 %shift, 31
  %shifted = shl i64 %divisor, %count
  %normal = or i64 %shifted, 2147483648
  %over = sub i64 4294967296, %normal
  %above = shl i64 %over, 32
  %quotient = udiv i64 %above, %normal
  %factor = add i64 %quotient, 1
  %less = sub i64 %divisor, 1
  %common = and i64 %divisor, %less
  %is.power = icmp eq i64 %common, 0
  %result = select i1 %is.power, i64 1, i64 %factor
  ret i64 %result
}

define internal i32 @dfv.udiv.by.i32(i32 %x, i32 %given) alwaysinline memory(none) {
  %divisor = zext i32 %given to i64
  %less = sub i64 %divisor, 1
  %zeros = call i64 @llvm.ctlz.i64(i64 %less, i1 false)
  %log = sub i64 64, %zeros
  %first = call i64 @llvm.umin.i64(i64 %log, i64 1)
  %second = call i64 @llvm.usub.sat.i64(i64 %log, i64 1)
  %factor = call i64 @dfv.factor.i32(i64 %divisor)
  %x.wide = zext i32 %x to i64
  %product = mul i64 %x.wide, %factor
  %upper = lshr i64 %product, 32
  %difference = sub i64 %x.wide, %upper
  %half = lshr i64 %difference, %first
  %sum = add i64 %half, %upper
  %result = lshr i64 %sum, %second
  %narrow = trunc i64 %result to i32
  ret i32 %narrow
}

define internal i32 @dfv.sdiv.by.i32(i32 %x, i32 %given) alwaysinline memory(none) {
  %x.wide = sext i32 %x to i64
  %divisor = sext i32 %given to i64
  %quotient = call i64 @dfv.sdiv.by(i64 %x.wide, i64 %divisor)
  %narrow = trunc i64 %quotient to i32
  ret i32 %narrow
}
"""
)
# What LLVM made of a kernel before may call these, too.
_DECLARED = re.compile(r"^declare \S+ (?P<name>@[^\n(]+\().*\n", re.MULTILINE)


def multiplied_by(module: Any, function: str, constants: Collection[str]) -> Any:
    """Return an LLVM module with other code for the divisions of a function by what no row changes.

    None if it has none.

    Parameters
    ----------
    function
        Its name.
    constants
        Names of its arguments that are the same for all rows.
    """
    given = str(module)
    found = re.search(rf'^define [^\n]*@"?{re.escape(function)}"?\(.*?^}}', given, re.MULTILINE | re.DOTALL)
    if found is None or not constants:
        return None
    same = _invariant(found.group(), {f"%{name}" for name in constants})
    names = (f"%dfv.by.{n}" for n in itertools.count())

    def other(match: re.Match[str]) -> str:
        return _multiplied(match, next(names)) if match["divisor"] in same else match.group()

    text = _DIVISION.sub(other, _SHORT_WAY.sub(_taken_long, found.group()))
    if next(names) == "%dfv.by.0":
        return None
    added = _DECLARED.sub(lambda one: "" if one["name"] in given else one.group(), _FUNCTIONS)
    return llvm.parse_assembly(given[: found.start()] + text + given[found.end() :] + added)


def _taken_long(match: re.Match[str]) -> str:
    """Return divisions of 64 bits without a short way that leads to the same: vectors would take both."""
    kinds: dict[str, str | None] = {}
    for name, code in _RESULT.findall(match["narrow"] + match["wide"]):
        divides = re.match(r"[su](div|rem) ", code)
        kinds[name] = divides[1] if divides else kinds.get(code.removeprefix("zext i32 ").partition(" ")[0])
    for _, code in _RESULT.findall(match["joined"]):
        ways = {way: value for value, way in re.findall(rf"\[ (\S+), ({_VALUE}) \]", code)}
        first, second = (kinds.get(ways.get(match[way], "")) for way in ("short", "long"))
        if first is None or first != second:
            return match.group()
    return match.group().replace(match["branch"], f"  br label {match['long']}")


def _invariant(function: str, known: set[str]) -> set[str]:
    """Return the names of values that are computed of known ones alone."""
    for match in _RESULT.finditer(function):  # each is computed before it is used, except by a phi
        operands = re.findall(_VALUE, match["code"])
        if operands and known.issuperset(operands) and _PLAIN.match(match["code"]):
            known.add(match["name"])
    return known


def _multiplied(match: re.Match[str], unused: str) -> str:
    """Return what stands for one division; names that begin with ``unused`` aren't taken."""
    kind, value, divisor, name = match["type"], match["value"], match["divisor"], match["name"]
    suffix = ".i32" if kind == "i32" else ""
    call = f"call {kind} @dfv.{match['operation'][0]}div.by{suffix}({kind} {value}, {kind} {divisor})"
    if match["operation"].endswith("div"):
        return f"  {name} = {call}"
    return (
        f"  {unused}.quotient = {call}\n"
        f"  {unused}.product = mul {kind} {unused}.quotient, {divisor}\n"
        f"  {name} = sub {kind} {value}, {unused}.product"
    )
