"""Polars expressions that are computed together in compiled loops, as expressions that Polars calls."""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.definition.plugin import root_names
from dataflare_vec.definition.trees.aggregations import aggregated
from dataflare_vec.definition.trees.nodes import may_fail
from dataflare_vec.engine.execution.execute import run_steps
from dataflare_vec.engine.execution.fast_path import OWN_ROWS
from dataflare_vec.engine.execution.in_query import run_in_query
from dataflare_vec.engine.planning.fusion import Fusing
from dataflare_vec.engine.planning.kept import RepeatedPlan
from dataflare_vec.engine.planning.request import Request
from dataflare_vec.engine.stages.direct import SomeFailed
from dataflare_vec.engine.stages.expression import (
    exactly,
    is_pattern,
    is_row_separable,
    named,
    rows_of,
    spread_out,
)
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import DataFlareError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dataflare_vec.definition.trees.aggregations import Aggregation
    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.planning.fusion import Fusion

_log = get_logger(__name__)

#: Fewer rows Polars computes: a loop's call takes longer.
FEWEST_ROWS = 4096

#: Of so many columns. Further ones take more rows: each has memory of its own to be found.
_COLUMNS = 4

#: More rows than a streaming query passes at once: then Polars' threads are idle meanwhile.
_WHOLE_FRAME = 1 << 18


def fused_columns(
    expressions: Sequence[pl.Expr],
    runtime: Runtime,
    *,
    always: bool = False,
    fewest_rows: int = FEWEST_ROWS,
    schema: Mapping[str, Any] | None = None,
) -> list[pl.Expr]:
    """Return expressions that are computed together where that may pay, in their order.

    Neighbours that see rows one by one are one expression, which stands for a column for each of them;
    so are neighbours that are aggregated alike. All else is returned as it is.

    Parameters
    ----------
    expressions
        What is to be computed.
    runtime
        The surroundings.
    always
        Whether to compile light work, too.
    fewest_rows
        Of fewer rows Polars computes each by itself.
    schema
        The columns, if they are known. Then what isn't compiled is returned as it is, and so is what may
        fail: Polars doesn't compute what nothing reads, and so doesn't fail by it.
    """
    made: list[pl.Expr] = []
    for group in groups(expressions, always=always):
        aggregation, parts, fusing = group.aggregation, group.parts, group.fusing
        if aggregation is None or fusing is None:
            made += [part.whole for part in parts]
        elif schema is None:
            together = _fused(fusing, runtime, fewest_rows)
            made.append(aggregation.over(together.struct.field(*fusing.expressions)))
        else:
            made += _fused_of(parts, fusing, schema, runtime, fewest_rows)
    return made


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


def groups(expressions: Sequence[pl.Expr], *, always: bool) -> Iterator[Group]:
    """Yield expressions with their neighbours that may be computed together, in their order."""
    for aggregation, neighbours in groupby(map(_part_of, expressions), key=lambda part: part.aggregation):
        parts = tuple(neighbours)
        by_name = {part.name: part.rows for part in parts}
        fusing = Fusing(by_name, always=always)
        if aggregation is None:
            yield Group(aggregation, parts, None, "it doesn't see rows one by one, or reads no column")
        elif len(by_name) < len(parts) or any(map(is_pattern, by_name)):
            yield Group(aggregation, parts, None, "columns have one name, or one like a pattern")
        elif not fusing.may_pay:
            yield Group(aggregation, parts, None, "it isn't worth a loop")
        else:
            yield Group(aggregation, parts, fusing)


def _fused_of(
    parts: Sequence[Part], fusing: Fusing, schema: Mapping[str, Any], runtime: Runtime, fewest_rows: int
) -> list[pl.Expr]:
    """Return neighbours over known columns, as they are if nothing of them is compiled."""
    fusion = fusing.over(schema)
    nodes = zip(fusion.fused, fusion.nodes, strict=True)
    surely = {name: fusing.expressions[name] for name, node in nodes if not may_fail(node)}
    if len(surely) < len(fusing.expressions):
        fusing = Fusing(surely, always=fusing.always)
        if not surely or not fusing.over(schema).steps:
            return [part.whole for part in parts]
    together = _fused(fusing, runtime, fewest_rows)
    return [
        part.aggregation.over(together.struct.field(part.name))
        if part.aggregation is not None and part.name in surely
        else part.whole
        for part in parts
    ]


class Part(NamedTuple):
    """An expression as it is, and what of it sees rows one by one."""

    whole: pl.Expr
    aggregation: Aggregation | None  # None if nothing does
    rows: pl.Expr
    name: str = ""


def _part_of(expression: pl.Expr) -> Part:
    meta = expression.meta
    if meta.has_multiple_outputs():
        return Part(expression, None, expression)
    aggregation, rows = aggregated(expression)
    if not is_row_separable(rows) or not root_names(rows):
        return Part(expression, None, expression)
    return Part(expression, aggregation, rows, meta.output_name())


def _fused(fusing: Fusing, runtime: Runtime, fewest_rows: int) -> pl.Expr:
    """Return expressions that see rows one by one as one: a struct that has a field for each of them."""
    expressions = fusing.expressions
    roots = list(dict.fromkeys(name for one in expressions.values() for name in root_names(one) or ()))
    compute = _Compute(fusing, roots, runtime, fewest_rows)
    sources = [exactly(name) for name in roots]
    dtype = pl.dtype_of(pl.map_batches(sources, _Typed(expressions, roots), None, is_elementwise=True))
    return pl.map_batches(sources, compute, dtype, is_elementwise=True)


class _Typed:
    """What Polars calls for the dtypes of the results."""

    def __init__(self, expressions: Mapping[str, pl.Expr], names: Sequence[str]) -> None:
        self.expressions = expressions
        self.names = names

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        schema = {name: one.dtype for name, one in zip(self.names, series, strict=True)}
        found = pl.DataFrame(schema=schema).select(
            expression.alias(name) for name, expression in self.expressions.items()
        )
        dtype = pl.Struct(found.schema)
        return pl.Series([None] * len(series[0]), dtype=dtype)


class _Compute:
    """What Polars calls for expressions, from its own threads, several at once. An object can be pickled."""

    def __init__(self, fusing: Fusing, names: Sequence[str], runtime: Runtime, fewest_rows: int) -> None:
        self.expressions = fusing.expressions
        self.names = names
        self.runtime = runtime
        self.fewest_rows = fewest_rows
        self._fusing = fusing
        self._known: dict[tuple[Any, ...], Loop] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _Compute, (self._fusing, self.names, self.runtime, self.fewest_rows)

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        rows = rows_of([len(one) for one in series])
        columns = {name: spread_out(one, rows) for name, one in zip(self.names, series, strict=True)}
        return pl.DataFrame(self._columns(columns, rows)).to_struct()

    def _columns(self, columns: Mapping[str, pl.Series], rows: int) -> list[pl.Series]:
        if rows >= self.fewest_rows * max(1, len(self.expressions) // _COLUMNS):
            loop = self._loop(columns)
            if loop.fusion.steps:
                try:
                    return loop(columns, rows)
                except (DataFlareError, pl.exceptions.PolarsError) as error:
                    # Polars says what is wrong, if anything is: what it computes here a part of may be of
                    # another dtype in the whole.
                    _log.debug("expressions are left to Polars: %s", error)
        frame = _frame(columns)
        return frame.select(one.alias(name) for name, one in self.expressions.items()).get_columns()

    def _loop(self, columns: Mapping[str, pl.Series]) -> Loop:
        key = tuple([one.dtype for one in columns.values()])
        loop = self._known.get(key)
        if loop is None:
            fusion = self._fusing.over(dict(zip(self.names, key, strict=True)))
            loop = self._known[key] = Loop(fusion, list(self.expressions), self.runtime.unseen())
        return loop


class Loop:
    """A compiled loop and its surroundings, for columns of some dtypes.

    Parameters
    ----------
    fusion
        What is compiled, and what Polars computes.
    names
        The columns that are to come back, in order.
    runtime
        The surroundings.
    """

    def __init__(self, fusion: Fusion, names: Sequence[str], runtime: Runtime) -> None:
        self.fusion = fusion
        self._names = names
        self._plan = RepeatedPlan()
        self._request = Request(fusion.steps, runtime, keep=False)

    def __call__(self, columns: Mapping[str, pl.Series], rows: int) -> list[pl.Series]:
        """Return the columns of all expressions, in their order.

        Parameters
        ----------
        columns
            Those that are read, by name, of so many rows.
        """
        fusion = self.fusion
        if not fusion.computed and not fusion.left:
            return self._run(columns, rows)
        frame = _frame(columns)
        found = {one.name: one for one in frame.select(*fusion.computed, *fusion.left)}
        found |= {one.name: one for one in self._run({**columns, **found}, rows)}
        return [spread_out(found[name], rows) for name in self._names]

    def _run(self, columns: Mapping[str, pl.Series], rows: int) -> list[pl.Series]:
        request = self._request
        runtime, plan = request.runtime, self._plan.last
        few = rows <= _WHOLE_FRAME
        if few and plan is not None and plan.direct is not None and not runtime.has_limit:
            # Which loop it is is known, and nobody is told: batch after batch goes straight to it.
            has_own = rows * len(plan.direct.writes) <= OWN_ROWS
            with suppress(SomeFailed):
                found = plan.direct.compute(columns, rows, None if has_own else runtime.pool)
                if found is not None:
                    return found[0]
        frame = _frame(columns)
        if few:
            return list(run_in_query(request, frame, self._plan).series)
        return list(run_steps(request, ColumnScope(frame), frame, self._plan).series)


def _frame(columns: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Return columns as a frame, whatever they are called themselves."""
    return named([one.alias(name) for name, one in columns.items()])
