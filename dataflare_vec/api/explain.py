"""`explain`: what became of a plugin's loop, and how near to the memory's speed it runs.

Not called ``explain``, because the module would hide the function of that name in the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, overload

import polars as pl

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.api.explain_expressions import explain_expressions
from dataflare_vec.api.explain_query import explain_query
from dataflare_vec.arrow.layouts.item_sizes import value_bytes
from dataflare_vec.arrow.layouts.string_views import INLINE_BYTES, VIEW_BYTES
from dataflare_vec.definition.annotations import assumed_dtype
from dataflare_vec.engine.execution.admission import admitted
from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.execution.run import Run
from dataflare_vec.engine.planning.plan import Plan
from dataflare_vec.engine.planning.steps import bind_steps
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import ArgumentError
from dataflare_vec.interop import column_names, to_polars
from dataflare_vec.interop.runner import readers_of
from dataflare_vec.service.manager import managed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.api.explain_expressions import ExpressionsExplanation
    from dataflare_vec.api.explain_query import QueryExplanation
    from dataflare_vec.compiler.jit.codegen.loop_report import LoopReport
    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.planning.steps import BoundStep
    from dataflare_vec.engine.stages.protocols import Stage
    from dataflare_vec.service.manager import PluginManager

#: Rows that are measured at most, and in chunks of how many.
_ROWS, _CHUNK = 4_000_000, 1 << 17
_REPEATS = 5
#: Below as many rows a time says more about the call than about the loop.
_FEWEST_ROWS = 10_000
#: A share of the memory's bandwidth means nothing for columns that fit in a cache.
_CACHE_BYTES = 64 << 20
_TRIAD_LENGTH = 8_000_000


@by_public_name
@dataclass(frozen=True)
class StageExplanation:
    """What became of one plugin of a pipeline.

    Attributes
    ----------
    name, kind
        The plugin's name, and what it is: ``"row kernel"``, ``"filter"``, ``"column kernel"``,
        ``"expression"``.
    reads, writes : dict
        Columns and their dtypes.
    loop : LoopReport or None
        Of a row kernel or filter.
    bytes_read, bytes_written : float
        For each row; bits of booleans and validity count as such.
    row_separable : bool or None
        Of an expression: whether it runs chunk by chunk.
    interpreted : str or None
        Why a kernel with ``fallback="python"`` isn't compiled.
    nanoseconds : float or None
        Measured time of a row on one thread.
    bandwidth : float or None
        Share of the memory's bandwidth that is reached on one thread.
    from_cache : bool or None
        Of a row kernel or filter: whether it was loaded from the cache, instead of compiled in this process.
    """

    name: str
    kind: str
    reads: Mapping[str, Any]
    writes: Mapping[str, Any]
    bytes_read: float
    bytes_written: float
    loop: LoopReport | None = None
    row_separable: bool | None = None
    interpreted: str | None = None
    nanoseconds: float | None = None
    bandwidth: float | None = None
    from_cache: bool | None = None

    def lines(self) -> list[tuple[str, str]]:
        """Return what there is to say, as pairs of label and text."""
        reads = ", ".join(f"{name}: {dtype}" for name, dtype in self.reads.items())
        writes = ", ".join(f"{name}: {dtype}" for name, dtype in self.writes.items()) or "rows to keep"
        pairs = [(self.kind, f"{self.name}({reads}) → {writes}")]
        if self.loop is not None:
            pairs += _loop_lines(self.loop)
        elif self.interpreted is not None:
            pairs.append(("loop", "none: runs in the Python interpreter, row by row"))
            pairs.append(("because", self.interpreted))
        elif self.row_separable is not None:
            separable = "row-separable: runs chunk by chunk"
            whole = "not row-separable: runs on the whole frame at once"
            pairs.append(("loop", f"Polars' own; {separable if self.row_separable else whole}"))
        else:
            pairs.append(("loop", "the function's own, over the arrays of a chunk"))
        if self.from_cache is not None:
            origin = "loaded from the cache" if self.from_cache else "compiled in this process"
            pairs.append(("code", origin))
        pairs.append(("memory", f"{self.bytes_read:g} bytes read, {self.bytes_written:g} written per row"))
        if self.nanoseconds is not None:
            text = f"{self.nanoseconds:.2f} ns per row on one thread"
            if self.bandwidth is not None:
                text += f", {self.bandwidth:.0%} of memory bandwidth"
            pairs.append(("time", text))
        return pairs


def _loop_lines(loop: LoopReport) -> list[tuple[str, str]]:
    if loop.vectorised:
        registers = f" ({loop.registers} registers of {loop.register_bits} bits)" if loop.registers else ""
        pairs = [("loop", f"vectorised: {loop.lanes} rows × {loop.lane_bits} bits{registers}")]
    else:
        pairs = [("loop", "not vectorised: one row at a time")]
    pairs += [("because", reason) for reason in loop.reasons]
    if loop.remarks:
        pairs.append(("LLVM says", "; ".join(loop.remarks)))
    if loop.calls:
        pairs.append(("calls", ", ".join(loop.calls)))
    pairs.append(("errors", "may raise" if loop.can_raise else "can't raise"))
    jumps = "skipped, with a branch" if loop.branches_on_null else "computed and dropped, without a branch"
    pairs.append(("nulls", jumps))
    return pairs


@by_public_name
@dataclass(frozen=True, repr=False)
class Explanation:
    """The result of `explain`; shown as text, in a notebook as a table.

    Attributes
    ----------
    stages : tuple of StageExplanation
        One for each plugin, and for each expression that a parameter is bound to.
    threads : int
        On how many threads chunks are run.
    assumed : bool
        Whether column types were assumed, because no data and no schema were given.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> found = dfv.explain("haversine")
    >>> found.stages[0].writes, found.assumed
    ({'haversine': Float64}, True)
    >>> print(found)  # doctest: +ELLIPSIS
    row kernel haversine(lat1: Float64, lon1: Float64, lat2: Float64, lon2: Float64) → haversine: Float64
      loop      ...
    """

    stages: tuple[StageExplanation, ...]
    threads: int
    assumed: bool = field(default=False)

    def _notes(self) -> list[tuple[str, str]]:
        notes = [("threads", str(self.threads))]
        if self.assumed:
            notes.append(("types", "assumed: pass a frame or a schema for the dtypes of your columns"))
        return notes

    def __str__(self) -> str:
        groups = [stage.lines() for stage in self.stages]
        rows = []
        for (kind, head), *rest in groups:
            rows.append(f"{kind} {head}")
            rows += [f"  {label:<9} {text}" for label, text in rest]
        return "\n".join([*rows, *(f"{label}: {text}" for label, text in self._notes())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from dataflare_vec._util.html import card

        groups = [stage.lines() for stage in self.stages]
        cards = [card(f"{kind} {head}", rest, texts=2) for (kind, head), *rest in groups]
        return "".join([*cards, card("all steps", self._notes(), texts=2)])


@overload
def explain(plugin: pl.LazyFrame) -> QueryExplanation: ...
@overload
def explain(
    plugin: pl.Expr | Sequence[pl.Expr], data_or_schema: Any, *, always: bool = False
) -> ExpressionsExplanation: ...
@overload
def explain(
    plugin: Any,
    data_or_schema: Any = None,
    *,
    manager: PluginManager | None = None,
    **bindings: Any,
) -> Explanation: ...
def explain(
    plugin: Any,
    data_or_schema: Any = None,
    *,
    manager: PluginManager | None = None,
    **bindings: Any,
) -> Explanation | QueryExplanation | ExpressionsExplanation:
    """Explain how a plugin, or a pipeline, was compiled: whether its loop is vectorised, and if not, why.

    Parameters
    ----------
    plugin
        As in `apply`: a plugin, its name, or a list of these and of steps. Or a LazyFrame with plugins in
        it, alone: which of their steps are fused, what of it runs, and what is read. Or Polars expressions:
        what `fuse` makes of them over such columns (with ``always=True`` of light ones, too), and what it
        leaves to Polars.
    data_or_schema
        A frame or Series, whose dtypes are used and some of whose rows are run and timed; a schema (names to
        Polars dtypes); or a LazyFrame, whose schema is used. Without it, columns are assumed to be Float64,
        or the type of the parameter's annotation.
    manager
        As in `apply`.
    **bindings
        As in `apply`.

    Returns
    -------
    Explanation, QueryExplanation of a LazyFrame, or ExpressionsExplanation
        Print it, or read its attributes.

    Raises
    ------
    PluginError
        If plugin, columns or types don't fit, as in `apply`.

    Notes
    -----
    Times are for one thread, failed rows included. Memory bandwidth is measured once per process, by a sum
    over arrays that don't fit in a cache; the share is given only for data that doesn't either.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def growth(before, after):
    ...     return after / before - 1.0
    >>> explained = dfv.explain("growth", {"before": pl.Float64, "after": pl.Float64})
    >>> print(str(explained).splitlines()[0])
    row kernel growth(before: Float64, after: Float64) → growth: Float64
    >>> explained.stages[0].loop.vectorised
    True

    Of a query:

    >>> query = pl.LazyFrame({"before": [1.0], "after": [2.0]}).pipe(dfv.apply, "growth")
    >>> print(dfv.explain(query.select("growth")).nodes[0].reads)
    ('after', 'before')

    Of expressions:

    >>> change = pl.col("after").log() - pl.col("before").log()
    >>> explained = dfv.explain(change.alias("change"), {"before": pl.Float64, "after": pl.Float64})
    >>> explained.expressions[0].is_fused, explained.reads
    (True, ('after', 'before'))
    """
    if isinstance(plugin, pl.Expr):
        plugin = [plugin]
    if isinstance(plugin, (list, tuple)) and plugin and all(isinstance(one, pl.Expr) for one in plugin):
        return explain_expressions(plugin, _schema(data_or_schema), **bindings)
    if isinstance(plugin, pl.LazyFrame):
        if data_or_schema is not None or manager is not None or bindings:
            msg, hint = "a query is explained with the plugins that are in it", "pass it alone"
            raise ArgumentError(msg, argument="plugin", hint=hint)
        return explain_query(plugin)
    manager = managed(manager)
    steps = bind_steps(manager.registry, plugin, None, bindings)
    frame, scope = _data(data_or_schema, steps)
    plan = Plan(steps, scope, keep_data=False)
    seconds: dict[int, float] = {}
    is_one_run = not plan.needs_all_rows and not any(stage.explosion for stage in plan.stages[:-1])
    if frame is not None and is_one_run and frame.height >= _FEWEST_ROWS:
        for stage in plan.stages:
            stage.forget_results()  # or looking them up would be measured
        rows = _ROWS if all(stage.is_compiled for stage in plan.stages) else _FEWEST_ROWS
        seconds = _measure(plan, frame.head(rows), manager.runtime)
    stages = tuple(_explain(stage, scope, frame, seconds.get(stage.index)) for stage in plan.stages)
    return Explanation(stages, manager.runtime.config.threads, assumed=data_or_schema is None)


def _schema(given: Any) -> dict[str, Any]:
    """Return the columns that expressions are explained over."""
    if given is None:
        msg, hint = "expressions are explained over columns", "pass a frame, or a schema"
        raise ArgumentError(msg, argument="data_or_schema", hint=hint)
    _, scope = _data(given, [])
    return {name: scope.dtype(name) for name in scope.names}


def _data(given: Any, steps: Sequence[BoundStep]) -> tuple[pl.DataFrame | None, ColumnScope]:
    """Return the frame if there is one, and the columns that can be read."""
    if given is None:
        return None, ColumnScope.of_schema(_assumed(steps))
    if isinstance(given, pl.Series):
        given = given.to_frame()
    if isinstance(given, pl.LazyFrame):
        return None, ColumnScope.of_schema(given.collect_schema())
    if isinstance(given, Mapping):
        return None, ColumnScope.of_schema(given)
    if isinstance(given, pl.DataFrame):
        frame, scope = given, ColumnScope(given)
    else:
        names = column_names(given)
        frame = to_polars(given, readers_of(steps, names))
        scope = ColumnScope(frame, names)
    scope.holds_all = True
    return frame, scope


def _assumed(steps: Sequence[BoundStep]) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for step in steps:
        for item in step.binding.columns:
            dtype = assumed_dtype(item.parameter.expects)
            names = [item.source] if isinstance(item.source, str) else item.source.meta.root_names()
            for name in names:
                schema.setdefault(name, dtype)
    return schema


def _explain(
    stage: Stage, scope: ColumnScope, frame: pl.DataFrame | None, seconds: float | None
) -> StageExplanation:
    reads = {name: scope.dtype(name) for name in stage.reads}
    nulls = frame is not None and any(frame[name].null_count() > 0 for name in reads if name in frame.columns)
    validity = 1 / 8 if nulls else 0.0
    there = {name: frame[name] for name in reads if frame is not None and name in frame.columns}
    read = sum(_size(dtype, there.get(name)) + validity for name, dtype in reads.items())
    written = sum(_size(dtype) + validity for dtype in stage.writes.values()) if stage.writes else 1 / 8
    report = stage.report(nulls=nulls)
    share = None
    if seconds and frame is not None and frame.height * (read + written) > _CACHE_BYTES:
        share = (read + written) / seconds / _bandwidth()
    return StageExplanation(
        name=stage.plugin.name if stage.plugin is not None else "expression",
        reads=reads,
        writes=stage.writes,
        bytes_read=read,
        bytes_written=written,
        nanoseconds=seconds * 1e9 if seconds else None,
        bandwidth=share,
        **report._asdict(),
    )


def _size(dtype: Any, series: pl.Series | None = None) -> float:
    """Bytes of a value; of strings those of a view, and with a Series what lies elsewhere, on average."""
    if dtype in (pl.String, pl.Binary) and series is not None:
        sizes = series.cast(pl.Binary).bin.size()
        return VIEW_BYTES + float(sizes.filter(sizes > INLINE_BYTES).sum()) / max(len(series), 1)
    return value_bytes(dtype) or VIEW_BYTES


def _measure(plan: Plan, frame: pl.DataFrame, runtime: Runtime) -> dict[int, float]:
    """Return the seconds that each stage takes for a row, in the best of some runs on one thread."""
    best: dict[int, float] = {}
    for _ in range(_REPEATS):
        states = open_states(plan, None)
        for state in states.values():
            state.begin(frame.height)
        with admitted(plan.stages, frame.height, runtime) as mine:
            run = Run(plan.stages, frame.height, frame.get_column, mine.pool, 0, states=states)
            for start in range(0, frame.height, _CHUNK):
                run.compute(start, min(start + _CHUNK, frame.height))
        total: dict[int, list[float]] = {}
        for index, rows, seconds in run.times:
            sums = total.setdefault(index, [0.0, 0.0])
            sums[0] += rows
            sums[1] += seconds
        for index, (rows_, seconds) in total.items():
            if rows_:
                best[index] = min(best.get(index, seconds / rows_), seconds / rows_)
    return best


@cache
def _bandwidth() -> float:
    """Return bytes a second of one thread that adds two arrays into a third."""
    import numpy as np

    a, b = np.ones(_TRIAD_LENGTH), np.ones(_TRIAD_LENGTH)
    out = np.zeros(_TRIAD_LENGTH)
    best = float("inf")
    for _ in range(_REPEATS):
        started = perf_counter()
        np.add(a, b, out=out)
        best = min(best, perf_counter() - started)
    return 3 * a.nbytes / best
