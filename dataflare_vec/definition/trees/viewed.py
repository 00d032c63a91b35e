"""Expressions of a plan, as Polars shows them to other engines, back to expressions.

What is made here is only used if Polars shows the same of it again: a method that is wrong here is found out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.trees.reading import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

_OPERATORS: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "Plus": lambda a, b: a + b,
    "Minus": lambda a, b: a - b,
    "Multiply": lambda a, b: a * b,
    "TrueDivide": lambda a, b: a / b,
    "FloorDivide": lambda a, b: a // b,
    "Modulus": lambda a, b: a % b,
    "Eq": lambda a, b: a == b,
    "NotEq": lambda a, b: a != b,
    "Lt": lambda a, b: a < b,
    "LtEq": lambda a, b: a <= b,
    "Gt": lambda a, b: a > b,
    "GtEq": lambda a, b: a >= b,
    "EqValidity": lambda a, b: a.eq_missing(b),
    "NotEqValidity": lambda a, b: a.ne_missing(b),
    "And": lambda a, b: a & b,
    "Or": lambda a, b: a | b,
    "Xor": lambda a, b: a ^ b,
    "LogicalOr": lambda a, b: pl.any_horizontal(a, b),
    "LogicalAnd": lambda a, b: pl.all_horizontal(a, b),
}

_AGGREGATIONS = frozenset(
    {"sum", "mean", "min", "max", "median", "first", "last", "n_unique", "count", "var", "std"}
)

#: Functions that a method of the same name calls, with the other inputs as arguments, and no settings.
_PLAIN = frozenset(
    {
        "abs", "sign", "floor", "ceil", "sqrt", "cbrt", "exp", "log1p", "log", "pow", "sin", "cos", "tan",
        "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "degrees",
        "radians", "fill_null", "shift",
    }
)  # fmt: skip
_OF_SETTINGS: dict[str, Callable[..., pl.Expr]] = {
    "negate": lambda parts: -parts[0],
    "round": lambda parts, decimals, mode: parts[0].round(decimals, mode=mode),
    "truncate": lambda parts, decimals: parts[0].truncate(decimals),
    "atan2": lambda parts: pl.arctan2(*parts),
    "coalesce": lambda parts: pl.coalesce(*parts),
    "rank": lambda parts, method, descending, seed: (
        parts[0].rank(method, descending=descending, seed=seed)
    ),
    "fill_null_with_strategy": lambda parts, strategy, limit: (
        parts[0].fill_null(strategy=strategy, limit=limit)
    ),
    "min_horizontal": lambda parts: pl.min_horizontal(*parts),
    "max_horizontal": lambda parts: pl.max_horizontal(*parts),
    "sum_horizontal": lambda parts, ignore: pl.sum_horizontal(*parts, ignore_nulls=ignore),
    "mean_horizontal": lambda parts, ignore: pl.mean_horizontal(*parts, ignore_nulls=ignore),
    "quantile": lambda parts, method: parts[0].quantile(parts[1], method),
    **{
        f"cum_{name}": lambda parts, reverse, name=name: getattr(parts[0], f"cum_{name}")(reverse=reverse)
        for name in ("sum", "min", "max", "prod", "count")
    },
    "clip": lambda parts, low, high: _clipped(parts, has_min=low, has_max=high),
    "BooleanFunction.Not": lambda parts: parts[0].not_(),
    "BooleanFunction.IsBetween": lambda parts, closed: parts[0].is_between(*parts[1:], closed=closed),
    "BooleanFunction.IsIn": lambda parts, nulls: parts[0].is_in(parts[1], nulls_equal=nulls),
    "BooleanFunction.Any": lambda parts, ignore: parts[0].any(ignore_nulls=ignore),
    "BooleanFunction.All": lambda parts, ignore: parts[0].all(ignore_nulls=ignore),
    "StringFunction.Contains": lambda parts, literal, strict: (
        parts[0].str.contains(parts[1], literal=literal, strict=strict)
    ),
}  # fmt: skip

#: Methods of the namespaces, by what Polars calls their functions.
_NAMESPACES = {
    "BooleanFunction": ("", {"IsNull", "IsNotNull", "IsNan", "IsNotNan", "IsFinite", "IsInfinite"}),
    "TemporalFunction": (
        "dt",
        {
            "Year", "Month", "Day", "WeekDay", "OrdinalDay", "Quarter", "Hour", "Minute", "Second",
            "Millisecond", "Microsecond", "Nanosecond", "Date", "Truncate", "OffsetBy", "TimeStamp",
        },
    ),
    "StringFunction": (
        "str",
        {"LenChars", "LenBytes", "StartsWith", "EndsWith", "Uppercase", "Lowercase"},
    ),
}  # fmt: skip
_NAMES = {
    "week_day": "weekday",
    "time_stamp": "timestamp",
    "uppercase": "to_uppercase",
    "lowercase": "to_lowercase",
}
_TOTAL = re.compile(r"TemporalFunction\.Total(\w+)")

#: Of literals of these dtypes Polars shows the whole value.
_LITERALS = (pl.Boolean, pl.String, pl.Null, pl.Date, pl.Duration)
#: What a cast does with values that have no room.
_CASTS: dict[int, dict[str, bool]] = {0: {}, 1: {"strict": False}, 2: {"wrap_numerical": True}}


def viewed(show: Callable[[int], Any], number: int) -> pl.Expr:
    """Return an expression of a plan.

    Parameters
    ----------
    show
        Returns how Polars shows a part of it, by its number.

    Raises
    ------
    Unreadable
        If something in it isn't known.
    """
    view = show(number)
    kind = type(view).__name__
    reader = _READERS.get(kind)
    if reader is None:
        msg = f"{kind} isn't known"
        raise Unreadable(msg)
    try:
        return reader(view, lambda part: viewed(show, part))
    except (AttributeError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        msg = f"{kind} isn't understood: {error}"
        raise Unreadable(msg) from error


def _literal(view: Any, _: Any) -> pl.Expr:
    dtype, value = view.dtype, view.value
    base = dtype.base_type()
    if base is pl.List and dtype.inner.base_type() in (*_LITERALS[:-1], *_NUMBERS):
        return pl.lit(value, dtype=dtype)
    is_whole = base in _LITERALS or base in _NUMBERS
    if not is_whole and not (base is pl.Datetime and dtype.time_unit != "ns" and dtype.time_zone is None):
        msg = f"a literal of {dtype}"
        raise ValueError(msg)
    return pl.lit(value) if base is pl.Null else pl.lit(value, dtype=dtype)


_NUMBERS = frozenset(
    {getattr(pl, f"{sign}{bits}") for sign in ("Int", "UInt") for bits in (8, 16, 32, 64)}
    | {pl.Int128, pl.Float32, pl.Float64}
)


def _aggregation(view: Any, part: Callable[[int], pl.Expr]) -> pl.Expr:
    (given,) = map(part, view.arguments)
    if view.name not in _AGGREGATIONS:
        raise KeyError(view.name)
    if view.name in ("var", "std"):
        return getattr(given, view.name)(ddof=view.options)  # type: ignore[no-any-return]
    name = f"nan_{view.name}" if view.name in ("min", "max") and view.options else view.name
    return getattr(given, name)()  # type: ignore[no-any-return]


def _function(view: Any, part: Callable[[int], pl.Expr]) -> pl.Expr:
    function, *settings = view.function_data
    parts = [part(one) for one in view.input]
    name = str(function)
    if name in _OF_SETTINGS:
        return _OF_SETTINGS[name](parts, *settings)
    if name in _PLAIN:
        return getattr(parts[0], name)(*parts[1:], *settings)  # type: ignore[no-any-return]
    total = _TOTAL.fullmatch(name)
    if total is not None:
        method = getattr(parts[0].dt, f"total_{total[1].lower()}")
        return method(fractional=settings[0]) if settings else method()  # type: ignore[no-any-return]
    family, _, short = name.partition(".")
    namespace, known = _NAMESPACES[family]
    if short not in known:
        raise KeyError(name)
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", short).lower()
    of = getattr(parts[0], namespace) if namespace else parts[0]
    return getattr(of, _NAMES.get(snake, snake))(*parts[1:], *settings)  # type: ignore[no-any-return]


def _window(view: Any, part: Callable[[int], pl.Expr]) -> pl.Expr:
    keys = [part(one) for one in view.partition_by]
    order = None if view.order_by is None else part(view.order_by)
    return part(view.function).over(
        keys or None,
        order_by=order,
        descending=view.order_by_descending,
        nulls_last=view.order_by_nulls_last,
        mapping_strategy=_MAPPINGS[view.options.kind],
    )


_MAPPINGS: dict[str, Any] = {"groups_to_rows": "group_to_rows", "explode": "explode", "join": "join"}


def _clipped(parts: list[pl.Expr], *, has_min: bool, has_max: bool) -> pl.Expr:
    value, *bounds = parts
    return value.clip(bounds[0] if has_min else None, bounds[-1] if has_max else None)


_READERS: dict[str, Callable[[Any, Callable[[int], pl.Expr]], pl.Expr]] = {
    "Column": lambda view, _: pl.col(view.name),
    "Literal": _literal,
    "Len": lambda *_: pl.len(),
    "Agg": _aggregation,
    "Function": _function,
    "Window": _window,
    "Filter": lambda view, part: part(view.input).filter(part(view.by)),
    "BinaryExpr": lambda view, part: _OPERATORS[str(view.op).rpartition(".")[2]](
        part(view.left), part(view.right)
    ),
    "Cast": lambda view, part: part(view.expr).cast(view.dtype, **_CASTS[view.options]),
    "Ternary": lambda view, part: (
        pl.when(part(view.predicate)).then(part(view.truthy)).otherwise(part(view.falsy))
    ),
}
