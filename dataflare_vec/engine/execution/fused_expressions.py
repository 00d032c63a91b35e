"""Polars expressions that are computed together in compiled loops, as expressions that Polars calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.definition.plugin import root_names
from dataflare_vec.engine.execution.execute import run_steps
from dataflare_vec.engine.execution.in_query import run_in_query
from dataflare_vec.engine.planning.fusion import Fusing
from dataflare_vec.engine.planning.kept import RepeatedPlan
from dataflare_vec.engine.planning.request import Request
from dataflare_vec.engine.stages.expression import exactly, named
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import DataFlareError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.execution.execute import Outcome
    from dataflare_vec.engine.planning.fusion import Fusion

_log = get_logger(__name__)

#: Fewer rows Polars computes: a loop's call takes longer.
FEWEST_ROWS = 4096

#: More rows than a streaming query passes at once: then Polars' threads are idle meanwhile.
_WHOLE_FRAME = 1 << 18


def fused(expressions: Mapping[str, pl.Expr], runtime: Runtime, fewest_rows: int = FEWEST_ROWS) -> pl.Expr:
    """Return expressions that see rows one by one as one, which stands for a column for each of them.

    Parameters
    ----------
    expressions
        By the names of their columns.
    runtime
        The surroundings.
    fewest_rows
        Of fewer Polars computes each by itself.
    """
    roots = dict.fromkeys(
        name for expression in expressions.values() for name in root_names(expression) or ()
    )
    compute = _Compute(expressions, list(roots), runtime.unseen(), fewest_rows)
    sources = [exactly(name) for name in roots]
    dtype = pl.dtype_of(pl.map_batches(sources, _Typed(expressions, list(roots)), None, is_elementwise=True))
    together = pl.map_batches(sources, compute, dtype, is_elementwise=True)
    return together.struct.field(*expressions)


class _Typed:
    """What Polars calls for the dtypes of the results."""

    def __init__(self, expressions: Mapping[str, pl.Expr], names: Sequence[str]) -> None:
        self.expressions = expressions
        self.names = names

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        schema = {name: one.dtype for name, one in zip(self.names, series, strict=True)}
        asked = pl.LazyFrame(schema=schema).select(
            expression.alias(name) for name, expression in self.expressions.items()
        )
        dtype = pl.Struct(asked.collect_schema())
        return pl.Series([None] * len(series[0]), dtype=dtype)


class _Compute:
    """What Polars calls for expressions, from its own threads, several at once. An object can be pickled."""

    def __init__(
        self, expressions: Mapping[str, pl.Expr], names: Sequence[str], runtime: Runtime, fewest_rows: int
    ) -> None:
        self.expressions = expressions
        self.names = names
        self.runtime = runtime
        self.fewest_rows = fewest_rows
        self._fusing = Fusing(expressions)
        self._known: dict[tuple[Any, ...], _Loop] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _Compute, (self.expressions, self.names, self.runtime, self.fewest_rows)

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        height = 0 if any(len(one) == 0 for one in series) else max(map(len, series))
        frame = pl.DataFrame(
            [
                (one if len(one) == height else one.new_from_index(0, height)).alias(name)
                for one, name in zip(series, self.names, strict=True)
            ]
        )
        columns = self._columns(frame)
        return named(columns).to_struct()

    def _columns(self, frame: pl.DataFrame) -> list[pl.Series]:
        if frame.height >= self.fewest_rows:
            loop = self._loop(frame)
            if loop.fusion.step is not None:
                try:
                    return loop(frame)
                except DataFlareError as error:  # Polars says what is wrong, in its own words
                    _log.debug("expressions are left to Polars: %s", error)
        return self._by_polars(frame).get_columns()

    def _by_polars(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(expression.alias(name) for name, expression in self.expressions.items())

    def _loop(self, frame: pl.DataFrame) -> _Loop:
        key = tuple(frame.dtypes)
        loop = self._known.get(key)
        if loop is None:
            loop = self._known[key] = _Loop(self._fusing.over(frame.schema), self)
        return loop


class _Loop:
    """A compiled loop and its surroundings, for columns of some dtypes."""

    def __init__(self, fusion: Fusion, of: _Compute) -> None:
        self.fusion = fusion
        self._order = list(of.expressions)
        self._plan = RepeatedPlan()
        if fusion.step is not None:
            self._request = Request((fusion.step,), of.runtime, keep=False)

    def __call__(self, frame: pl.DataFrame) -> list[pl.Series]:
        """Return the columns of all expressions, in their order."""
        fusion = self.fusion
        beside: dict[str, pl.Series] = {}
        given = frame
        if fusion.computed or fusion.left:
            found = frame.select(*fusion.computed, *fusion.left)
            inner = {expression.meta.output_name() for expression in fusion.computed}
            beside = {one.name: one for one in found if one.name not in inner}
            given = frame.with_columns(one for one in found if one.name in inner)
        outcome = self._run(given)
        beside.update((one.name, one) for one in outcome.series)
        return [_spread(beside[name], frame.height) for name in self._order]

    def _run(self, frame: pl.DataFrame) -> Outcome:
        if frame.height <= _WHOLE_FRAME:
            return run_in_query(self._request, frame, self._plan)
        return run_steps(self._request, ColumnScope(frame), frame, self._plan)


def _spread(values: pl.Series, rows: int) -> pl.Series:
    """Return a column of one value as one of that for each row."""
    return values if len(values) == rows else values.new_from_index(0, rows)
