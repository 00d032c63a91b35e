"""Rules for what is computed over several columns: the least, the greatest, sums and means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dataflare_vec.definition.trees.kinds import is_number, kind_of
from dataflare_vec.definition.trees.rules import all_as, are_numbers, made, rule
from dataflare_vec.definition.trees.values import as_dtype, is_dynamic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.definition.trees.nodes import Node
    from dataflare_vec.definition.trees.reading import Read


@rule("MinHorizontal", "MaxHorizontal")
def _least(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    name = "min_horizontal" if read.operation == "MinHorizontal" else "max_horizontal"
    kind = kind_of(dtype)
    if kind is None or not is_number(dtype) or not are_numbers(parts) or not parts:
        return None
    if kind.is_float and sum(map(_may_be_zero, parts)) > 1:
        return None  # which of two zeros it is depends on how Polars was compiled
    return made(name, dtype, all_as(parts, dtype))


def _may_be_zero(node: Node) -> bool:
    """Whether a value is one of a row, or a constant that is 0 or none."""
    is_one = node.operation in ("dynamic", "constant")
    return not is_one or not node.options[0] or math.isnan(node.options[0])


@rule("SumHorizontal")
def _sum_horizontal(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    kind = kind_of(dtype)
    if kind is None or not is_number(dtype) or not are_numbers(parts) or len(parts) < 2:
        return None
    if kind.is_float and (
        len(parts) > _MOST_ADDED or any(is_dynamic(one) or one.is_constant for one in parts)
    ):
        return None  # a constant of 0 isn't added
    if not all(is_dynamic(one) or one.dtype == dtype for one in parts):
        return None
    return _sum_of(all_as(parts, dtype), dtype, ignore_nulls=dict(read.options)["ignore_nulls"])


#: Floats that Polars adds in one order: half of them and half of them. Of more that depends on its threads.
_MOST_ADDED = 4


def _sum_of(parts: Sequence[Node | None], dtype: Any, *, ignore_nulls: bool) -> Node | None:
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    halves = [_sum_of(some, dtype, ignore_nulls=ignore_nulls) for some in (parts[:middle], parts[middle:])]
    return made("sum_horizontal" if ignore_nulls else "add", dtype, halves)


@rule("MeanHorizontal")
def _mean_horizontal(read: Read, dtype: Any, parts: list[Node]) -> Node | None:
    if len(parts) < 2 or any(is_dynamic(one) or one.is_constant for one in parts):
        return None
    if (
        not is_number(dtype)
        or not is_number(parts[0].dtype)
        or any(one.dtype != parts[0].dtype for one in parts)
    ):
        return None
    total = _sum_horizontal(read, parts[0].dtype, parts)
    if total is None:
        return None
    return made("mean_horizontal", dtype, [as_dtype(total, dtype), *parts])
