"""Values in a dtype: silent conversions, and literals that take the dtype of what they meet."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.definition.trees.kinds import BOOL, is_number, kind_of
from dataflare_vec.definition.trees.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.definition.trees.kinds import Kind

#: Integers that a Float32 holds exactly.
_EXACT_IN_SINGLE = 1 << 24


def dynamic(value: float) -> Node:
    """Return a literal that has no dtype yet."""
    return Node("dynamic", pl.Unknown(), (), (value, str(value)))


def constant(value: Any, dtype: Any, name: str | None = None) -> Node:
    """Return a value of a dtype that is the same for all rows, None for a null; some have names."""
    if value is None:
        return Node("null", dtype)
    return Node("constant", dtype, (), (value, str(value), name))  # -0.0 equals 0.0, and isn't it


def given(value: Any, dtype: Any) -> Node:
    """Return a text or a list of values, for rules to look at: loops don't compute with it."""
    return Node("given", dtype, (), (tuple(value) if isinstance(value, list) else value, str(value)))


def is_dynamic(node: Node) -> bool:
    """Whether it takes the dtype of what it meets: a literal without one, or a choice of such."""
    return bool(node.dtype.base_type() is pl.Unknown)


def literals_in(node: Node) -> Iterator[float]:
    """Yield the literals that a value without a dtype is one of."""
    if node.operation == "dynamic":
        yield node.options[0]
    else:
        for argument in node.arguments[1:]:  # of a choice, whose condition is the first
            yield from literals_in(argument)


def as_dtype(node: Node, dtype: Any) -> Node | None:
    """Return a value in the dtype that an operation computes in; None if that isn't known to be exact.

    Nothing fails: a number becomes the nearest one there is, as Rust's ``as`` makes it.
    """
    if node.operation == "dynamic":
        return _literal(node.options[0], dtype)
    if is_dynamic(node):
        condition, *choices = node.arguments
        chosen = [as_dtype(choice, dtype) for choice in choices]
        there = [one for one in chosen if one is not None]
        return Node("when", dtype, (condition, *there)) if len(there) == len(chosen) else None
    if node.dtype == dtype:
        return node
    if node.dtype.base_type() is pl.Null:
        return Node("null", dtype)
    source, target = kind_of(node.dtype), kind_of(dtype)
    if source is None or target is None or not is_number(dtype):
        return None
    if node.is_constant:  # and stays one
        given = pl.Series(node.options[:1], dtype=node.dtype)
        found = given.cast(dtype, strict=False).item()
        return None if found is None else constant(found, dtype, node.options[2])
    if not fits(source, target) or not (is_number(node.dtype) or source == BOOL):
        return None
    return Node("convert", dtype, (node,))


def has_room(node: Node, dtype: Any) -> bool:
    """Whether the literals that a value without a dtype is one of are integers that a dtype holds."""
    kind = kind_of(dtype)
    if kind is None or not kind.is_integer:
        return True
    low, high = kind.range
    return all(isinstance(value, float) or low <= value <= high for value in literals_in(node))


def fits(source: Kind, target: Kind) -> bool:
    """Whether each value of a kind is one of another, be it the nearest."""
    if target.is_float or source == BOOL:
        return True
    if source.is_float:
        return False
    return source.range[0] >= target.range[0] and source.range[1] <= target.range[1]


def _literal(value: float, dtype: Any) -> Node | None:
    kind = kind_of(dtype)
    if kind is None or not is_number(dtype):
        return None
    if kind.is_integer:
        low, high = kind.range
        return constant(value, dtype) if isinstance(value, int) and low <= value <= high else None
    if isinstance(value, int):
        return constant(float(value), dtype) if abs(value) <= _EXACT_IN_SINGLE else None
    if kind.bits == 32:
        try:
            (value,) = struct.unpack("<f", struct.pack("<f", value))
        except OverflowError:
            return None
    return constant(value, dtype)


def common(left: Node, right: Node) -> Any:
    """Return the dtype in which Polars compares two values; None if that isn't known."""
    if is_dynamic(left) and is_dynamic(right):
        return None
    for one, other in ((left, right), (right, left)):
        if is_dynamic(one):
            found = {_beside(value, other.dtype) for value in literals_in(one)}
            return found.pop() if len(found) == 1 else None
        if one.dtype.base_type() is pl.Null:
            return other.dtype if kind_of(other.dtype) is not None else None
    if left.dtype == right.dtype:
        return left.dtype if kind_of(left.dtype) is not None else None
    if is_number(left.dtype) and is_number(right.dtype):
        found = _supertype(left.dtype, right.dtype)
        return found if found is not None and is_number(found) else None
    return None


def _beside(value: float, dtype: Any) -> Any:
    """Return the dtype in which a literal is compared with a column."""
    kind = kind_of(dtype)
    if kind is None or not is_number(dtype):
        return None
    if kind.is_float:
        return dtype
    if isinstance(value, int):
        low, high = kind.range
        return dtype if low <= value <= high else None
    return pl.Float64()


@lru_cache(maxsize=256)
def _supertype(left: Any, right: Any) -> Any:
    frame = pl.LazyFrame(schema={"left": left, "right": right})
    try:
        chosen = frame.select(pl.when(True).then("left").otherwise("right"))
        return chosen.collect_schema().dtypes()[0]
    except pl.exceptions.PolarsError:
        return None
