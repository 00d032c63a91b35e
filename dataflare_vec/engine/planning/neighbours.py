"""Neighbouring expressions that may be computed together, and what of each sees rows one by one."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from dataflare_vec.definition.plugin import mentions, root_names
from dataflare_vec.definition.trees.aggregations import aggregated
from dataflare_vec.definition.trees.whole import is_of_text, mentions_text, split
from dataflare_vec.engine.planning.fusion import Fusing
from dataflare_vec.engine.stages.expression import is_pattern, is_row_separable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflare_vec.definition.trees.aggregations import Aggregation


class Group(NamedTuple):
    """Neighbours that may be computed together.

    Attributes
    ----------
    aggregation : Aggregation or None
        What is at the top of them; None if they don't see rows one by one.
    parts : tuple of Part
        The expressions.
    fusing : Fusing or None
        None where it is plain before dtypes are known that Polars computes them.
    why : str
        The reason for that.
    """

    aggregation: Aggregation | None
    parts: tuple[Part, ...]
    fusing: Fusing | None
    why: str = ""


def groups(expressions: Sequence[pl.Expr], *, always: bool, of_frames: bool = True) -> Iterator[Group]:
    """Yield expressions with their neighbours that may be computed together, in their order.

    Of what needs all rows the rest is only compiled for frames, if that is asked for: in streams Python is
    called for each batch, with what is the same for all, and that takes longer than Polars does.
    """
    found = [_part_of(one, of_all_rows=always and of_frames) for one in expressions]
    for aggregation, neighbours in groupby(found, key=lambda part: part.aggregation):
        parts = tuple(neighbours)
        by_name = {part.name: part.rows for part in parts}
        given = {name: one for part in parts for name, one in part.given.items()}
        fusing = Fusing(by_name, always=always, given=given)
        if aggregation is None:
            yield Group(aggregation, parts, None, "it doesn't see rows one by one, or reads no column")
        elif len(by_name) < len(parts) or any(map(is_pattern, by_name)):
            yield Group(aggregation, parts, None, "columns have one name, or one like a pattern")
        elif not fusing.may_pay:
            yield Group(aggregation, parts, None, "it isn't worth a loop")
        else:
            yield Group(aggregation, parts, fusing)


class Part(NamedTuple):
    """An expression as it is, what of it sees rows one by one, and what Polars computes of all for that."""

    whole: pl.Expr
    aggregation: Aggregation | None  # None if nothing does
    rows: pl.Expr
    name: str = ""
    given: Mapping[str, pl.Expr] = MappingProxyType({})


def _part_of(expression: pl.Expr, *, of_all_rows: bool) -> Part:
    meta = expression.meta
    if meta.has_multiple_outputs():
        return Part(expression, None, expression)
    aggregation, rows = aggregated(expression)
    names = root_names(rows)
    sees_rows = bool(names) and is_row_separable(rows)
    name = meta.output_name(raise_if_undetermined=False) or ""
    plain = Part(expression, aggregation if sees_rows else None, rows, name)
    # Not below an aggregation what needs all rows: that is by group, mostly, and Polars calls for each.
    may_split = (
        (mentions_text(rows) and not is_of_text(rows)) if sees_rows else of_all_rows and not aggregation.name
    )
    if not names or not may_split or mentions(rows, "Series"):
        return plain
    found = split(rows, is_row_separable)
    if found is None:
        return plain
    return plain._replace(aggregation=aggregation, rows=found.rows, given=found.given)
