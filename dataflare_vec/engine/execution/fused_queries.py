"""The expressions of a whole lazy query, compiled where that pays."""

from __future__ import annotations

from functools import partial, reduce
from operator import and_, is_
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.definition.trees.packed import Packed, has_frames
from dataflare_vec.definition.trees.reading import Reading, Unreadable
from dataflare_vec.definition.trees.viewed_query import Viewed
from dataflare_vec.engine.execution.fused_expressions import fused_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflare_vec.definition.trees.packed import PackedNode
    from dataflare_vec.definition.trees.reading import Read
    from dataflare_vec.definition.trees.viewed_query import ViewedNode
    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.execution.fused_expressions import Calls, Compute

_log = get_logger(__name__)

_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


def fused_query(
    query: pl.LazyFrame,
    runtime: Runtime,
    *,
    always: bool = False,
    calls: Callable[[Compute], Calls | None] = lambda _: None,
) -> pl.LazyFrame:
    """Return a query that computes its expressions in compiled loops, where that pays.

    Parameters
    ----------
    query
        The query; it comes back as it is if it isn't understood.
    runtime
        The surroundings.
    always
        Whether to compile light work, too.
    calls
        As `fused_columns`.
    """
    fused = partial(fused_columns, runtime=runtime, always=always, calls=calls)
    try:
        whole: Any = Viewed(query) if has_frames(query) else Packed(query)
        changed = {}
        for node in whole.nodes():
            found = _fused_node(node, whole, fused)
            if found is not None:
                changed[node.where] = found
        return whole.replaced(changed) if changed else query
    except (Unreadable, *_FAILURES, TypeError, ValueError) as error:
        _log.debug("a query is left to Polars: %s", error)
        return query


def _fused_node(
    node: PackedNode | ViewedNode, whole: Packed | Viewed, fused: Callable[..., list[pl.Expr]]
) -> Sequence[pl.Expr] | None:
    """Return other expressions for a node; None to leave it as it is."""
    try:
        schema = whole.below(node.source).collect_schema()
    except _FAILURES as error:  # which Polars raises in its own time
        _log.debug("a step of a query is left to Polars: %s", error)
        return None
    if node.kind == "Filter":
        simple, others = _conditions(node.expressions[0])
        if not others:
            return None
        given = [reduce(and_, others).alias("rows")]
        (found,) = fused(given, schema=schema)
        return None if found is given[0] else [reduce(and_, [*simple, found])]
    given = list(node.expressions)
    changed = fused(given, schema=schema)
    return None if all(map(is_, given, changed)) else changed


def _conditions(predicate: pl.Expr) -> tuple[list[pl.Expr], list[pl.Expr]]:
    """Return what a condition consists of: what Polars asks files for, by their statistics, and the rest."""
    reading = Reading()
    try:
        read = reading(predicate)
    except Unreadable:
        return [predicate], []
    simple: list[pl.Expr] = []
    others: list[pl.Expr] = []
    for one in _joined(read):
        is_simple = all(part.operation in ("column", "dynamic", "literal") for part in one.parts)
        (simple if is_simple else others).append(reading.expressions[one.text])
    return simple, others


def _joined(read: Read) -> Iterator[Read]:
    if read.operation != "And":
        yield read
    else:
        for part in read.parts:
            yield from _joined(part)
