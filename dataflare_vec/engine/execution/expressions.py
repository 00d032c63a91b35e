"""Plugins as Polars expressions, which Polars' own engines call, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import named, unnamed
from dataflare_vec.compiler.hot_reload import check
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.plugin import Form, PluginType
from dataflare_vec.engine.execution.in_query import run_in_query
from dataflare_vec.engine.execution.resume import open_states
from dataflare_vec.engine.planning.kept import RepeatedPlan
from dataflare_vec.engine.planning.steps import remember, use_key
from dataflare_vec.engine.stages.expression import (
    as_column,
    build_expression,
    rows_of,
    source_of,
    spread_out,
)
from dataflare_vec.engine.stages.scope import ColumnScope
from dataflare_vec.exceptions import DataFlareError, KernelResultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.compiler.remembered import Derived
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep

#: Name of the key in an aggregation; no parameter can be called so.
_GROUP = "number of the group"


def as_expression(request: Request, dtype: Any) -> pl.Expr:
    """Return the one plugin of a request as an expression: its column, a struct of several, or its mask.

    A scan's is of all rows at once, in their order.

    Parameters
    ----------
    dtype
        Of the result; None where it is known only when Polars knows the columns.
    """
    (step,) = request.steps
    plugin = step.plugin
    if plugin.form is Form.EXPRESSION:
        return build_expression(step.binding)
    use = _use_of(answering(step))
    sources = _sources(step)
    inner = of_one(request, use.step)
    if dtype is None:
        dtype = _Typed(inner, use).of(sources)
    compute = _Compute(plugin, inner, use)
    return pl.map_batches(sources, compute, dtype, is_elementwise=plugin.stateful is None)


@dataclass(frozen=True, slots=True, eq=False)
class _Compute:
    """What Polars calls for a plugin, from its own threads, several at once. An object can be pickled."""

    plugin: Plugin
    request: Request  # of the same, or of what a filter answers
    use: _Use

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        lengths = [len(s) for s in series]
        height = rows_of(lengths)
        if lengths.count(height) < len(lengths):
            series = [spread_out(s, height) for s in series]
        frame = named([s.alias(name) for s, name in zip(series, self.use.names, strict=True)])
        plugin = self.plugin
        outcome = run_in_query(self.request, frame, self.use.plan)
        if plugin.is_filter:
            check_answers(plugin, outcome.series)
        if len(outcome.series) == 1:
            return outcome.series[0].alias(plugin.name)
        return named(outcome.series).to_struct(plugin.name)


def of_one(request: Request, step: BoundStep) -> Request:
    """Return what is asked of one step, whose columns alone come back."""
    return request._replace(steps=(step,), keep=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Typed:
    """What Polars calls for the dtype of a result, with columns that hold nothing.

    Polars itself would try the function with two rows of values of its own, ``""`` or 1, on which a kernel
    may well fail.

    Attributes
    ----------
    in_groups
        Whether the columns come as lists, one for each group.
    """

    request: Request
    use: _Use
    in_groups: bool = False

    def __call__(self, series: Sequence[pl.Series]) -> pl.Series:
        dtypes: list[Any] = [one.dtype for one in series]
        if self.in_groups:
            dtypes = [*(one.inner for one in dtypes), pl.UInt32()]
        try:
            dtype = self.use.result(self.request, dtypes)
        except DataFlareError:
            dtype = pl.Null()  # Polars would hide the error, which comes again when it has the rows
        if self.in_groups and self.use.step.plugin.form is not Form.REDUCE:
            dtype = pl.List(dtype)
        return self.use.nothing(len(series[0]), dtype)

    def of(self, sources: Sequence[pl.Expr]) -> pl.DataTypeExpr:
        """Return a dtype that Polars asks for, by those of the sources, when it knows these."""
        return pl.dtype_of(pl.map_batches(sources, self, None, is_elementwise=True))


class _Use:
    """A plugin in queries: what expressions have in common that say the same of it, whatever it reads.

    Several threads may use it. One that comes out of a pickle begins with no plan.

    Parameters
    ----------
    step
        Which reads columns by names of its own.
    names
        Those, in the order of the sources.

    Attributes
    ----------
    plan : RepeatedPlan
        Of the batches.
    """

    __slots__ = ("_nothing", "_typed", "names", "plan", "step")

    def __init__(self, step: BoundStep, names: Sequence[str]) -> None:
        self.step = step
        self.names = names
        self.plan = RepeatedPlan()
        self._typed: tuple[list[Any], Derived, Any] | None = None
        self._nothing: pl.Series | None = None

    def result(self, request: Request, dtypes: list[Any]) -> Any:
        """Return the dtype of the result over columns of some dtypes: of its column, or a struct of them."""
        typed, plugin = self._typed, self.step.plugin
        if typed is not None and typed[0] == dtypes and check(plugin) is typed[1]:
            return typed[2]
        schema = dict(zip(self.names, dtypes, strict=True))
        derived = check(plugin)
        plan = self.plan(request, ColumnScope.of_schema(schema))
        columns = {name: dtype for name, dtype in plan.new.items() if name != _GROUP}
        dtype = next(iter(columns.values())) if len(columns) == 1 else pl.Struct(columns)
        self._typed = dtypes, derived, dtype
        return dtype

    def nothing(self, rows: int, dtype: Any) -> pl.Series:
        """Return a column of nulls; that of the last query if it is the same, for making one takes longer."""
        last = self._nothing
        if last is None or len(last) != rows or last.dtype != dtype:
            last = self._nothing = pl.Series([None] * rows, dtype=dtype)
        return last

    def __reduce__(self) -> tuple[Any, ...]:
        return _Use, (self.step, self.names)


def _use_of(step: BoundStep) -> _Use:
    """Return what is kept of a use of a plugin in queries, or begin with it."""
    said = use_key(step.binding, [key if isinstance(key, str) else key.meta.output_name() for key in step.by])
    uses = remembered(step.plugin).uses
    use: _Use | None = None if said is None else uses.get(said)
    if use is None:
        use = _Use(*_inner(step))
        remember(uses, said, use)
    return use


def answering(step: BoundStep) -> BoundStep:
    """Return a filter's step as one whose column is its answers: of a null it has none.

    The plugin of that is made once, so that it is compiled once. What is no filter is its own.
    """
    if not step.plugin.is_filter:
        return step
    derived = remembered(step.plugin).derived
    plugin = derived.answers
    if plugin is None:
        info = replace(step.plugin.info, plugin_type=PluginType.TRANSFORMER)
        plugin = derived.answers = replace(step.plugin, info=info)
    return step._replace(plugin=plugin, binding=replace(step.binding, plugin=plugin))


def check_answers(plugin: Plugin, answers: Sequence[pl.Series]) -> None:
    """Raise if a filter gives something else than a bool.

    Raises
    ------
    KernelResultError
        Saying what.
    """
    dtypes = [series.dtype for series in answers]
    if dtypes != [pl.Boolean]:
        got = ", ".join(map(str, dtypes))
        msg = f"a filter must return a bool, it returns {got}"
        raise KernelResultError(msg, plugin=plugin.name, expected="a bool", got=got)


def _inner(step: BoundStep) -> tuple[BoundStep, list[str]]:
    """Return a step that reads columns by names of its own, whatever expressions they come from.

    Those are the names of the parameters, and the keys' own, which a state is checked against.
    """
    keys = [key if isinstance(key, str) else key.meta.output_name() for key in step.by]
    names = [item.label for item in step.binding.columns]
    names = [f"{name} (column)" if name in keys else name for name in names]
    left = iter(names)
    items = tuple(
        Column(item.parameter, next(left), item.offset, is_there=True) if isinstance(item, Column) else item
        for item in step.binding.items
    )
    columns = tuple(item for item in items if isinstance(item, Column))
    binding = replace(step.binding, items=items, columns=columns)
    return step._replace(binding=binding, output=None, keep=True, by=tuple(keys)), [*names, *keys]


def _sources(step: BoundStep) -> list[pl.Expr]:
    """Return the expressions for the names of `_inner`."""
    return [*map(source_of, step.binding.columns), *map(as_column, step.by)]


def as_aggregation(request: Request) -> pl.Expr:
    """Return the one scan or reduce of a request as an expression that has a state for each group of Polars'.

    Polars would call a function that sees rows once for each group. But what is made of the lists of all
    groups it calls once, in ``select``, ``agg`` and ``over`` alike: so the columns come as lists, and each
    row's key is the number of its list.
    """
    (step,) = request.steps
    use = _use_of(step._replace(by=(pl.lit(0).alias(_GROUP),)))
    sources = [source.implode() for source in _sources(step)]
    inner = of_one(request, use.step)
    dtype = _Typed(inner, use, in_groups=True).of(sources)
    compute = _Aggregate(inner, use)
    expression = pl.map_batches(sources, compute, dtype, is_elementwise=True)
    return expression if step.plugin.form is Form.REDUCE else expression.explode(empty_as_null=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Aggregate:
    """What Polars calls for a plugin that has a state for each group, with the lists of all groups."""

    request: Request
    use: _Use

    def __call__(self, lists: Sequence[pl.Series]) -> pl.Series:
        import numpy as np  # which row kernels do without

        from dataflare_vec.engine.state.store import KeyStates

        count = rows_of([len(one) for one in lists])
        lists = [unnamed(spread_out(one, count)) for one in lists]
        lengths = np.array([one.list.len().to_numpy() for one in lists])
        sizes = pl.Series(np.where((lengths == 0).any(axis=0), 0, lengths.max(axis=0)))  # as in `_rows`
        numbers = np.arange(count, dtype=np.uint32)
        groups, of_row = pl.Series(_GROUP, numbers), pl.Series(_GROUP, np.repeat(numbers, sizes.to_numpy()))
        columns = [
            _flat(one, sizes, of_row).alias(name) for one, name in zip(lists, self.use.names, strict=False)
        ]
        frame = pl.DataFrame([*columns, of_row])
        states = open_states(self.use.plan(self.request, ColumnScope(frame)), None)
        for one in states.values():
            assert isinstance(one, KeyStates)
            one.encode([groups], None)  # a group without rows has a state too
        outcome = run_in_query(self.request._replace(state=states), frame, self.use.plan)
        series = [one for one in outcome.series if one.name != _GROUP]
        result = series[0] if len(series) == 1 else pl.DataFrame(series).to_struct()
        return (result if outcome.reduced else _as_lists(result, sizes)).alias(*self.request.names)


def _flat(lists: pl.Series, sizes: pl.Series, groups: pl.Series) -> pl.Series:
    """Return the values of all lists; a list of one value stands for as many as the group has rows."""
    values = lists.explode(empty_as_null=False)
    if len(values) == len(groups) or (lists.list.len() == sizes).all():
        return values
    return values.gather(groups)


def _as_lists(values: pl.Series, sizes: pl.Series) -> pl.Series:
    """Cut values into lists of given sizes."""
    import pyarrow as pa

    offsets = pl.concat([pl.Series([0], dtype=pl.Int64), sizes.cast(pl.Int64).cum_sum()])
    array = values.rechunk().to_arrow()
    lists = pl.from_arrow(pa.LargeListArray.from_arrays(offsets.to_arrow(), array))
    assert isinstance(lists, pl.Series)
    return lists.cast(pl.List(values.dtype))
