"""Polars expressions that are computed together in compiled loops, as expressions that Polars calls."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec._util.names import named
from dataflare_vec.compiler.prepare import is_at_hand
from dataflare_vec.definition.plugin import root_names
from dataflare_vec.definition.trees.kinds import kind_of
from dataflare_vec.definition.trees.nodes import may_fail
from dataflare_vec.definition.trees.whole import is_scalar
from dataflare_vec.engine.execution.execute import run_steps
from dataflare_vec.engine.execution.fast_path import OWN_ROWS
from dataflare_vec.engine.execution.in_query import run_in_query
from dataflare_vec.engine.planning.fusion import Fusing
from dataflare_vec.engine.planning.kept import RepeatedPlan
from dataflare_vec.engine.planning.neighbours import groups
from dataflare_vec.engine.planning.plan import Plan
from dataflare_vec.engine.planning.request import Request
from dataflare_vec.engine.stages.direct import DirectCall, SomeFailed
from dataflare_vec.engine.stages.expression import (
    exactly,
    is_row_separable,
    rows_of,
    spread_out,
)
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import DataFlareError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.planning.fusion import Fusing, Fusion
    from dataflare_vec.engine.planning.neighbours import Part
    from dataflare_vec.engine.planning.steps import BoundStep

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
    calls: Callable[[Compute], Calls | None] = lambda _: None,
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
    calls
        Returns how Polars may call them without Python; None if it can't.
    """

    def fused(fusing: Fusing) -> Callable[..., pl.Expr]:
        return _fused(Compute(fusing, runtime, fewest_rows), calls)

    made: list[pl.Expr] = []
    for group in groups(expressions, always=always, of_frames=schema is None):
        aggregation, parts, fusing = group.aggregation, group.parts, group.fusing
        if aggregation is None or fusing is None:
            made += [part.whole for part in parts]
        elif schema is None:
            made.append(aggregation.over(fused(fusing)(*fusing.expressions)))
        else:
            made += _fused_of(parts, fusing, schema, fused)
    return made


def _fused_of(
    parts: Sequence[Part],
    fusing: Fusing,
    schema: Mapping[str, Any],
    fused: Callable[[Fusing], Callable[..., pl.Expr]],
) -> list[pl.Expr]:
    """Return neighbours over known columns, as they are if nothing of them is compiled."""
    fusion = fusing.over(schema)
    nodes = zip(fusion.fused, fusion.nodes, strict=True)
    surely = {name for name, node in nodes if not may_fail(node)}
    if len(surely) < len(fusing.expressions):
        fusing = fusing.of_some(surely)
        if not surely or not fusing.over(schema).steps:
            return [part.whole for part in parts]
    by_name = fused(fusing)
    return [
        part.aggregation.over(by_name(part.name))
        if part.aggregation is not None and part.name in surely
        else part.whole
        for part in parts
    ]


class Calls(Protocol):
    """How Polars calls what is compiled of expressions without Python."""

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        """Return what Python computes, where nothing is compiled; to be pickled with the others."""

    def is_compiled(self, sources: Sequence[pl.Expr]) -> pl.Expr:
        """Return whether there is something, which is known when the columns' dtypes are."""

    def result(self, sources: Sequence[pl.Expr]) -> pl.Expr:
        """Return its result: a column, a struct of several; Null if there is none."""


def _fused(compute: Compute, calls: Callable[[Compute], Calls | None]) -> Callable[..., pl.Expr]:
    """Return what gives expressions that see rows one by one, by their names, all computed as one."""
    sources = [compute.given[name] if name in compute.given else exactly(name) for name in compute.names]
    typed = _Typed(compute.expressions, compute.names)
    dtype = pl.dtype_of(pl.map_batches(sources, typed, None, is_elementwise=True))
    # Constants are fixed there; and over what needs all rows Polars would compute both ways.
    native = calls(compute) if all(map(is_row_separable, compute.given.values())) else None
    by_python = pl.map_batches(sources, native or compute, dtype, is_elementwise=True)
    if native is None:
        return by_python.struct.field
    # Polars knows the condition when it plans, and keeps one of both.
    begun = pl.when(native.is_compiled(sources)).then(native.result(sources))
    if len(compute.expressions) > 1:
        return begun.otherwise(by_python).struct.field
    return lambda name: begun.otherwise(by_python.struct.field(name)).alias(name)


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


class Compute:
    """What Polars calls for expressions, from its own threads, several at once. An object can be pickled.

    Attributes
    ----------
    expressions : dict
        By name.
    names : list of str
        The columns that they read.
    given : dict
        What of them Polars computes of all rows.
    scalars : list of str
        Those of them that have one value for all rows.
    runtime : Runtime
        The surroundings.
    """

    def __init__(self, fusing: Fusing, runtime: Runtime, fewest_rows: int) -> None:
        self.expressions = fusing.expressions
        roots = (name for one in self.expressions.values() for name in root_names(one) or ())
        self.names = list(dict.fromkeys(roots))
        self.given = fusing.given
        self.runtime = runtime
        self.fewest_rows = fewest_rows
        self._fusing = fusing
        self.scalars = [name for name in self.names if is_scalar(name)]
        self._known: dict[tuple[Any, ...], tuple[str, Loop]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Compute, (self._fusing, self.runtime, self.fewest_rows)

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        """Return a struct of all expressions; the columns come in the order of `names`."""
        rows = rows_of([len(one) for one in series])
        columns = dict(zip(self.names, series, strict=True))
        scalars = {name: columns.pop(name)[:1] for name in self.scalars}
        columns = {name: spread_out(one, rows) for name, one in columns.items()}
        return pl.DataFrame(self._columns(columns, scalars, rows)).to_struct()

    @cached_property
    def content(self) -> tuple[Any, ...] | None:
        """What is computed, and how, as it is the same for others like it; None if it can't be said."""
        try:
            written = tuple([one.meta.serialize() for one in self.expressions.values()])
        except pl.exceptions.PolarsError:  # as of a Python function in it
            return None
        return self._fusing.always, self.runtime.config.threads, tuple(self.expressions), written

    def one_loop(self, dtypes: Sequence[Any]) -> OneLoop | None:
        """Return the loop that computes all, for columns of ``dtypes``; None if not, or a row may fail."""
        schema = dict(zip(self.names, dtypes, strict=True))
        fusion = self._fusing.over(schema)
        is_all = len(fusion.steps) == 1 and not fusion.computed and not fusion.left
        return OneLoop(fusion.steps[0], schema) if is_all and not any(map(may_fail, fusion.nodes)) else None

    def _columns(
        self, columns: Mapping[str, pl.Series], scalars: Mapping[str, pl.Series], rows: int
    ) -> list[pl.Series]:
        if rows and rows >= self.fewest_rows * max(1, len(self.expressions) // _COLUMNS):
            loop = self._loop(columns, scalars)
            if loop.fusion.steps:
                try:
                    return loop(columns, rows, scalars)
                except (DataFlareError, pl.exceptions.PolarsError) as error:
                    # Polars says what is wrong, if anything is: what it computes here a part of may be of
                    # another dtype in the whole.
                    _log.debug("expressions are left to Polars: %s", error)
        frame = _frame({**columns, **scalars}, rows)
        return frame.select(one.alias(name) for name, one in self.expressions.items()).get_columns()

    def _loop(self, columns: Mapping[str, pl.Series], scalars: Mapping[str, pl.Series]) -> Loop:
        key = tuple([one.dtype for one in columns.values()] + [one.dtype for one in scalars.values()])
        known = {name: one.to_physical()[0] for name, one in scalars.items() if kind_of(one.dtype)}
        values = repr(known)
        of_values, loop = self._known.get(key, ("", None))
        if loop is None or of_values != values:
            schema = dict(zip([*columns, *scalars], key, strict=True))
            loop = Loop(self._fusing.over(schema, known), list(self.expressions), self.runtime.unseen())
            self._known[key] = values, loop  # of the latest values alone
        return loop


class OneLoop(NamedTuple):
    """A loop over columns of some dtypes, by name. It may not have been compiled yet."""

    step: BoundStep
    schema: Mapping[str, Any]

    def is_at_hand(self) -> bool:
        """Whether it has been compiled."""
        binding = self.step.binding
        return is_at_hand(binding, [self.schema[str(item.source)] for item in binding.columns])

    def direct(self) -> DirectCall | None:
        """Return how it is called for all rows at once, if it can be."""
        plan = Plan([self.step], ColumnScope.of_schema(self.schema), keep_data=False)
        return plan.direct if type(plan.direct) is DirectCall else None


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

    def __call__(
        self,
        columns: Mapping[str, pl.Series],
        rows: int,
        scalars: Mapping[str, pl.Series] = MappingProxyType({}),
    ) -> list[pl.Series]:
        """Return the columns of all expressions, in their order.

        Parameters
        ----------
        columns
            Those that are read, by name, of so many rows.
        scalars
            What Polars reads besides, of one value for all rows; to the loop they are constants.
        """
        fusion = self.fusion
        if not fusion.computed and not fusion.left:
            return self._run(columns, rows)
        frame = _frame({**columns, **scalars}, rows)
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
        frame = _frame(columns, rows)
        if few:
            return list(run_in_query(request, frame, self._plan).series)
        return list(run_steps(request, ColumnScope(frame), frame, self._plan).series)


def _frame(columns: Mapping[str, pl.Series], rows: int) -> pl.DataFrame:
    """Return columns as a frame of so many rows, whatever they are called themselves."""
    return named([spread_out(one, rows).alias(name) for name, one in columns.items()])
