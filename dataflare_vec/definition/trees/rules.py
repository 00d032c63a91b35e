"""What Polars' operations compute, as typed nodes: one rule for each.

A rule gets an operation as it was read, the dtype that Polars gives its result, and its parts as nodes. It
returns a node that computes the same bits, with each conversion written out; None leaves it to Polars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.trees.kinds import BOOL, is_number, kind_of
from dataflare_vec.definition.trees.nodes import Node
from dataflare_vec.definition.trees.values import as_dtype, common, constant, fits, has_room, is_dynamic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.definition.trees.reading import Read

    Rule = Callable[[Read, Any, list[Node]], "Node | None"]

RULES: dict[str, Rule] = {}


def rule(*operations: str) -> Callable[[Rule], Rule]:
    """Say that a function is the rule for operations."""

    def register(function: Rule) -> Rule:
        for operation in operations:
            RULES[operation] = function
        return function

    return register


def made(operation: str, dtype: Any, arguments: Sequence[Node | None], *options: Any) -> Node | None:
    """Return a node, if all its arguments are there."""
    there = [one for one in arguments if one is not None]
    return Node(operation, dtype, tuple(there), options) if len(there) == len(arguments) else None


def all_as(parts: Sequence[Node], dtype: Any) -> list[Node | None]:
    """Return values in one dtype."""
    return [as_dtype(one, dtype) for one in parts]


def are_numbers(parts: Sequence[Node]) -> bool:
    """Whether all values are numbers, or none."""
    return all(is_dynamic(one) or is_number(one.dtype) or _is_null(one) for one in parts)


def _is_null(node: Node) -> bool:
    return not is_dynamic(node) and bool(node.dtype.base_type() is pl.Null)


_ARITHMETIC = {"Plus": "add", "Minus": "sub", "Multiply": "mul"}


@rule(*_ARITHMETIC)
def _arithmetic(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    if not are_numbers(parts) or not is_number(dtype):
        return _moments(read, dtype, parts)
    return made(_ARITHMETIC[read.operation], dtype, all_as(parts, dtype))


def _moments(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    """Instants and spans of one unit, which are added as the integers that they are."""
    left, right = parts
    if read.operation == "Multiply" or is_dynamic(left) or is_dynamic(right):
        return None
    shapes = tuple(_unit(one.dtype) for one in (left, right))
    if None in shapes or shapes[0] != shapes[1] or _unit(dtype) != shapes[0]:
        return None
    bases = left.dtype.base_type(), right.dtype.base_type()
    allowed = {
        ("Plus", pl.Datetime, pl.Duration): pl.Datetime,
        ("Plus", pl.Duration, pl.Datetime): pl.Datetime,
        ("Plus", pl.Duration, pl.Duration): pl.Duration,
        ("Minus", pl.Datetime, pl.Duration): pl.Datetime,
        ("Minus", pl.Datetime, pl.Datetime): pl.Duration,
        ("Minus", pl.Duration, pl.Duration): pl.Duration,
    }
    if allowed.get((read.operation, *bases)) is not dtype.base_type():
        return None
    zones = {getattr(one.dtype, "time_zone", None) for one in parts if one.dtype.base_type() is pl.Datetime}
    return made(_ARITHMETIC[read.operation], dtype, [left, right]) if len(zones) <= 1 else None


def _unit(dtype: Any) -> str | None:
    return getattr(dtype, "time_unit", None)


@rule("TrueDivide")
def _true_divide(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    if not are_numbers(parts) or kind_of(dtype) is None or not kind_of(dtype).is_float:  # type: ignore[union-attr]
        return None
    left, right = parts
    for one, other in ((left, right), (right, left)):
        if is_dynamic(one) and not is_dynamic(other) and not has_room(one, other.dtype):
            return None  # Polars makes a null of it
    return made("div", dtype, all_as(parts, dtype))


@rule("FloorDivide", "Modulus")
def _floor_divide(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    kind = kind_of(dtype)
    if kind is None or not are_numbers(parts) or not is_number(dtype):
        return None
    name = "floor_div" if read.operation == "FloorDivide" else "mod"
    return made(f"int_{name}" if kind.is_integer else name, dtype, all_as(parts, dtype))


_COMPARISONS = {
    "Eq": "eq", "NotEq": "ne", "Lt": "lt", "LtEq": "le", "Gt": "gt", "GtEq": "ge",
    "EqValidity": "eq_missing", "NotEqValidity": "ne_missing",
}  # fmt: skip


@rule(*_COMPARISONS)
def _comparison(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    compared = common(*parts)
    if compared is None or dtype != pl.Boolean:
        return None
    return made(_COMPARISONS[read.operation], dtype, all_as(parts, compared))


_BOUNDS = {"Both": ("ge", "le"), "Left": ("ge", "lt"), "Right": ("gt", "le"), "None": ("gt", "lt")}


@rule("Boolean.IsBetween")
def _is_between(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    names = _BOUNDS.get(dict(read.options)["closed"])
    if names is None:
        return None
    value, *bounds = parts
    if is_dynamic(value):
        return None
    compared = [common(value, bound) for bound in bounds]
    if None in compared or compared[0] != compared[1]:
        return None
    sides = [
        made(name, dtype, all_as([value, bound], compared[0]))
        for name, bound in zip(names, bounds, strict=True)
    ]
    return made("and", dtype, sides)


#: Values that are compared one after the other; more Polars looks up.
_MOST_VALUES = 16


@rule("Boolean.IsIn")
def _is_in(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    value, among = parts
    if among.operation != "given" or is_dynamic(value) or dict(read.options)["nulls_equal"]:
        return None
    kind, inner = kind_of(value.dtype), among.dtype.inner
    values = [one for one in among.options[0] if one is not None]
    if value.dtype != inner:
        of = kind_of(inner)
        if kind is None or of is None or not (kind.is_integer and of.is_integer):
            return None
        if not (is_number(value.dtype) and is_number(inner)):
            return None
        low, high = kind.range
        values = [one for one in values if low <= one <= high]
    if kind is None or not 0 < len(values) <= _MOST_VALUES:
        return None
    found = made("eq", dtype, [value, constant(values[0], value.dtype)])
    for one in values[1:]:
        found = made("or", dtype, [found, made("eq", dtype, [value, constant(one, value.dtype)])])
    return found


_LOGIC = {"And": "and", "Or": "or", "Xor": "xor", "LogicalAnd": "and", "LogicalOr": "or"}


@rule(*_LOGIC)
def _logic(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    name = _LOGIC[read.operation]
    kind = kind_of(dtype)
    if kind == BOOL and all(not is_dynamic(one) and one.dtype == pl.Boolean for one in parts):
        return made(name, dtype, parts)
    if kind is not None and kind.is_integer and is_number(dtype) and are_numbers(parts):
        if all(is_dynamic(one) or one.dtype == dtype for one in parts):
            return made(f"bit_{name}", dtype, all_as(parts, dtype))
    return None


@rule("Boolean.Not")
def _not(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    (part,) = parts
    kind = kind_of(dtype)
    if is_dynamic(part) or part.dtype != dtype or kind is None or kind.is_float:
        return None
    return (
        made("not" if kind == BOOL else "bit_not", dtype, parts) if kind == BOOL or is_number(dtype) else None
    )


@rule("Boolean.AnyHorizontal", "Boolean.AllHorizontal")
def _any_all(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    if not all(not is_dynamic(one) and one.dtype == pl.Boolean for one in parts):
        return None
    name = "or" if read.operation == "Boolean.AnyHorizontal" else "and"
    found = parts[0]
    for part in parts[1:]:
        found = Node(name, dtype, (found, part))
    return found


@rule("Boolean.IsNull", "Boolean.IsNotNull")
def _is_null_rule(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    name = "is_null" if read.operation == "Boolean.IsNull" else "is_not_null"
    return None if is_dynamic(parts[0]) else made(name, dtype, parts)


@rule("Boolean.IsNan", "Boolean.IsNotNan", "Boolean.IsFinite", "Boolean.IsInfinite")
def _of_float(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    if is_dynamic(parts[0]) or not is_number(parts[0].dtype):
        return None
    kind = kind_of(parts[0].dtype)
    if kind is None or not kind.is_float:
        return None
    name = read.operation.removeprefix("Boolean.")
    names = {
        "IsNan": "is_nan",
        "IsNotNan": "is_not_nan",
        "IsFinite": "is_finite",
        "IsInfinite": "is_infinite",
    }
    return made(names[name], dtype, parts)


@rule("when")
def _when(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    predicate, truthy, falsy = parts
    if is_dynamic(predicate) or predicate.dtype != pl.Boolean:
        return None
    if all(is_dynamic(one) or _is_null(one) for one in (truthy, falsy)):
        return made("when", pl.Unknown(), parts)
    if kind_of(dtype) is None:
        return None
    return made("when", dtype, [predicate, *all_as([truthy, falsy], dtype)])


#: What gives the first value that is there.
FILLING = ("FillNull", "Coalesce")


@rule(*FILLING)
def _fill_null(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    if kind_of(dtype) is None:
        return None
    return made("coalesce", dtype, all_as(parts, dtype))


@rule("Clip")
def _clip(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    """Bounds become of the column's dtype, where that can be told before: else Polars may have to raise."""
    options = dict(read.options)
    value, *bounds = parts
    if is_dynamic(value) or value.dtype != dtype or not is_number(dtype):
        return None
    bounds = [one for one in all_as(bounds, dtype) if one is not None]
    if len(bounds) != options["has_min"] + options["has_max"]:
        return None
    if not all(one.operation != "convert" for one in bounds):
        return None
    return made("clip", dtype, [value, *bounds], options["has_min"], options["has_max"])


_CASTS = {"Strict": True, "NonStrict": False}


@rule("cast")
def _cast(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    (part,) = parts
    strict = _CASTS.get(read.options)
    if strict is None:
        return None
    if is_dynamic(part):
        return as_dtype(part, dtype)
    if part.dtype == dtype:
        return part
    if _is_null(part):
        return Node("null", dtype) if kind_of(dtype) is not None else None
    source, target = kind_of(part.dtype), kind_of(dtype)
    if source is None or target is None:
        return None
    if not (is_number(part.dtype) or source == BOOL) or not (is_number(dtype) or target == BOOL):
        return None
    if target == BOOL:
        zero = constant(0.0 if source.is_float else 0, part.dtype)
        return made("is_not_zero", dtype, [part, zero])
    if fits(source, target):
        return Node("convert", dtype, (part,))
    return Node("cast", dtype, (part,), (strict,))


@rule("Abs", "Negate")
def _sign_change(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    (part,) = parts
    kind = kind_of(dtype)
    if is_dynamic(part) or part.dtype != dtype or kind is None:
        return None
    if not is_number(dtype) and dtype.base_type() is not pl.Duration:
        return None
    if kind.family == "uint":
        return part if read.operation == "Abs" else None
    return made("abs" if read.operation == "Abs" else "neg", dtype, parts)


@rule("Sign", "Floor", "Ceil")
def _of_number(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    (part,) = parts
    kind = kind_of(dtype)
    if is_dynamic(part) or part.dtype != dtype or kind is None or not is_number(dtype):
        return None
    if read.operation != "Sign" and kind.is_integer:
        return part
    return made(read.operation.lower(), dtype, parts)


#: From here on powers of ten aren't exact: they depend on how they are computed.
_MOST_DECIMALS = 22


@rule("Round", "Truncate")
def _round(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    (part,) = parts
    options = dict(read.options)
    decimals = options["decimals"]
    mode = options.get("mode", "ToZero")
    kind = kind_of(dtype)
    if is_dynamic(part) or part.dtype != dtype or kind is None or not is_number(dtype):
        return None
    if kind.is_integer:
        return part
    if decimals > _MOST_DECIMALS or mode not in ("HalfToEven", "HalfAwayFromZero", "ToZero"):
        return None
    return made("round", dtype, parts, mode, decimals)


_FUNCTIONS = {
    "Exp": "exp", "Log1p": "log1p", "Pow.Cbrt": "cbrt", "Pow.Sqrt": "sqrt",
    **{
        f"Trigonometry.{name}": function
        for name, function in {
            "Sin": "sin", "Cos": "cos", "Tan": "tan", "ArcSin": "asin", "ArcCos": "acos", "ArcTan": "atan",
            "Sinh": "sinh", "Cosh": "cosh", "Tanh": "tanh", "ArcSinh": "asinh", "ArcCosh": "acosh",
            "ArcTanh": "atanh", "Degrees": "degrees", "Radians": "radians",
        }.items()
    },
}  # fmt: skip


@rule(*_FUNCTIONS)
def _function(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    kind = kind_of(dtype)
    if is_dynamic(parts[0]) or not is_number(parts[0].dtype) or kind is None or not kind.is_float:
        return None
    return made("function", dtype, all_as(parts, dtype), _FUNCTIONS[read.operation])


@rule("Log")
def _log(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    value, base = parts
    kind = kind_of(dtype)
    if is_dynamic(value) or not is_number(value.dtype) or kind is None or not kind.is_float:
        return None
    logs = [made("function", dtype, [as_dtype(one, dtype)], "log") for one in (value, base)]
    if base.operation == "dynamic" and base.options[0] == _E:
        return logs[0]
    return made("quotient", dtype, logs)


_E = 2.718281828459045


@rule("Atan2")
def _atan2(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    if any(is_dynamic(one) or one.dtype != dtype for one in parts) or not is_number(dtype):
        return None
    return made("function", dtype, parts, "atan2")


_REPEATED = range(2, 10)


@rule("Pow.Generic")
def _pow(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    """Polars multiplies for small whole exponents, and takes a square root for 0.5."""
    base, exponent = parts
    kind = kind_of(dtype)
    if is_dynamic(base) or base.dtype != dtype or kind is None or not is_number(dtype):
        return None
    value = exponent.options[0] if exponent.operation in ("dynamic", "constant") else None
    if value == 1:
        return base
    if value in _REPEATED:
        return made("power", dtype, [base], int(value))  # type: ignore[arg-type]
    if kind.is_integer:
        return None
    if value == 0.5:
        return made("function", dtype, [base], "sqrt")
    if is_dynamic(exponent) or exponent.dtype == dtype:
        return made("function", dtype, [base, as_dtype(exponent, dtype)], "pow")
    return None


#: What takes Polars several passes' time.
SLOW = frozenset({*_FUNCTIONS, "Log", "Atan2"})
