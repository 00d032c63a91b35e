"""Expression plugins: chunk by chunk where rows are separate, on the whole frame where they aren't."""

from __future__ import annotations

import json
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from polars import selectors as cs

from dataflare_vec._util.foreign_errors import without_context
from dataflare_vec._util.names import named
from dataflare_vec.definition.binding import Column
from dataflare_vec.definition.plugin import by_place, mentions, root_names
from dataflare_vec.engine.stages.protocols import Stage, StageReport
from dataflare_vec.exceptions import BindingError, KernelResultError, PluginDefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflare_vec.definition.binding import Binding, Constant
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.engine.stages.direct import Computed
    from dataflare_vec.engine.stages.protocols import Chunk
    from dataflare_vec.engine.stages.scope import ColumnScope
    from dataflare_vec.engine.tuner import Cut
    from dataflare_vec.memory import MemoryPool


#: Columns that a message names.
_SHOWN_COLUMNS = 8


class Owner(NamedTuple):
    """Whose an expression is: a plugin's, or that of a parameter (or a key) that it is bound to."""

    plugin: str
    parameter: str | None = None

    def __str__(self) -> str:
        return "the expression" + ("" if self.parameter is None else f" for parameter `{self.parameter}`")


class ExpressionStage(Stage):
    """A Polars expression.

    Parameters
    ----------
    plugin
        The plugin, None for an expression that a parameter is bound to.
    of
        Whose it is.
    reads
        The columns that it reads, by the names under which it does.
    binding
        Of a plugin what its parameters are bound to.

    Attributes
    ----------
    expression, names
        See above; the latter are ``reads``.
    """

    def __init__(
        self,
        plugin: Plugin | None,
        of: Owner,
        expression: pl.Expr,
        reads: Mapping[str, str],
        writes: Mapping[str, Any],
        *,
        in_result: bool,
        binding: Binding | None = None,
    ) -> None:
        self.plugin = plugin
        self.reads = list(reads.values())
        self.writes = writes
        self.in_result = in_result
        self.is_filter = plugin is not None and plugin.is_filter
        self.needs_all_rows = not is_row_separable(expression)
        self.expression = expression
        self.names = reads
        self._of = of
        self._error = KernelResultError if plugin is not None else BindingError
        self._made_by = None if plugin is None or isinstance(plugin.function, pl.Expr) else binding

    def is_current(self) -> bool:
        """Whether a function that returns the expression still returns it."""
        return self._made_by is None or self.expression.meta.eq(build_expression(self._made_by))

    def report(self, *, nulls: bool) -> StageReport:
        """Return whether it runs chunk by chunk."""
        return StageReport("expression", row_separable=not self.needs_all_rows)

    def run(self, chunk: Chunk) -> None:
        """Compute the chunk's rows."""
        height = chunk.stop - chunk.start
        selected = chunk.selection(self)
        frame = self._frame(chunk.series)
        if selected is not None:
            frame = frame.filter(selected) if self.reads else frame
            height = int(selected.sum())
        values = self._values(frame, height)
        if selected is not None:
            values = spread(values, selected)
        if self.is_filter:
            chunk.run.select(self, chunk.start, values)
        else:
            for name in self.writes:
                chunk.put(self, name, values)

    def direct(self) -> DirectExpression | None:
        """Return what evaluates it for all rows, without a run."""
        return None if self.needs_all_rows else DirectExpression(self)

    def _frame(self, column: Callable[[str], pl.Series]) -> pl.DataFrame:
        return pl.DataFrame({name: column(of) for name, of in self.names.items()})

    def compute(self, known: Mapping[str, pl.Series], rows: int) -> pl.Series:
        """Return the values for some rows."""
        return self._values(self._frame(known.__getitem__), rows)

    def evaluate(self, frame: pl.DataFrame) -> pl.Series:
        """Return the values for all rows of a frame."""
        # Without columns a frame has no rows, and ``pl.len()`` reads none.
        return self._values(frame.select(map(exactly, self.reads)) if self.reads else frame, frame.height)

    def _values(self, frame: pl.DataFrame, height: int) -> pl.Series:
        try:
            values = frame.select(self.expression).to_series()
        except pl.exceptions.PolarsError as error:
            types = ", ".join(f"{name}: {frame[name].dtype}" for name in frame.columns[:_SHOWN_COLUMNS])
            msg = f"{self._of} doesn't fit the columns ({types}): {without_context(error)}"
            # Whose types or values they are: not the plugin's.
            raise BindingError(msg, plugin=self._of.plugin, parameter=self._of.parameter) from error
        if len(values) == height:
            return values
        if len(values) == 1:  # an aggregate or a literal, for each row as in `with_columns`
            return values.new_from_index(0, height)
        msg = f"{self._of} has {len(values)} rows, the data has {height}"
        raise self._error(
            msg, plugin=self._of.plugin, parameter=self._of.parameter, hint="give one value for each row"
        )


class DirectExpression:
    """An expression over rows that are computed at once: as `DirectCall`.

    Parameters
    ----------
    stage
        Its stage.
    """

    is_fused = False
    gives_kept = False
    may_share = False  # Polars has threads of its own

    def __init__(self, stage: ExpressionStage) -> None:
        self._stage = stage
        self.reads = stage.reads
        self.writes = stage.writes
        self.is_filter = self.selects = stage.is_filter

    def needs_pool(self, rows: int) -> bool:
        """Whether the column of some rows takes memory of a pool: never."""
        return False

    def compute(
        self, known: Mapping[str, pl.Series], rows: int, pool: MemoryPool | None, cut: Cut | None = None
    ) -> Computed:
        """Return the new column, or which rows a filter keeps, and the seconds it took."""
        began = perf_counter()
        values = self._stage.compute(known, rows)
        values = values.fill_null(value=False) if self.is_filter else values.alias(*self.writes)
        elapsed = perf_counter() - began
        return [values], ((rows, elapsed, elapsed),)


def spread(values: pl.Series, selected: pl.Series) -> pl.Series:
    """Return values of the selected rows at their places among all rows, null elsewhere."""
    if len(values) == len(selected):
        return values
    if not len(values):
        return pl.Series(values.name, [None], dtype=values.dtype).new_from_index(0, len(selected))
    places = pl.select(pl.when(selected).then(selected.cum_sum() - 1)).to_series()
    return values.gather(places)


def build_expression(binding: Binding) -> pl.Expr:
    """Return the plugin's expression over the data's columns."""
    target = binding.plugin.function
    sources = [_source(item) for item in binding.items]
    if not isinstance(target, pl.Expr):
        expression = by_place(target)(*sources)
        if not isinstance(expression, pl.Expr):
            got = type(expression).__name__
            msg = f"it must return a Polars expression, got {got}"
            raise PluginDefinitionError(
                msg, plugin=binding.plugin.name, expected="a Polars expression", got=got
            )
        return expression
    renamed = {
        item.parameter.name: source
        for item, source in zip(binding.items, sources, strict=True)
        if not _is_own_name(item)
    }
    return _substitute(target, renamed) if renamed else target


def _is_own_name(item: Column | Constant) -> bool:
    return isinstance(item, Column) and isinstance(item.source, str) and item.source == item.parameter.name


def _source(item: Any) -> Any:
    if not isinstance(item, Column):
        return item.value
    return pl.col(item.source) if isinstance(item.source, str) else item.source


def _substitute(expression: pl.Expr, renamed: dict[str, Any]) -> pl.Expr:
    """Return ``expression`` with columns replaced, by way of its serialised tree."""
    tree = json.loads(expression.meta.serialize(format="json"))
    replacements = {
        name: json.loads(
            (value if isinstance(value, pl.Expr) else pl.lit(value)).meta.serialize(format="json")
        )
        for name, value in renamed.items()
    }

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            if len(node) == 1 and node.get("Column") in replacements:
                return replacements[node["Column"]]
            return {key: walk(value) for key, value in node.items()}
        return [walk(item) for item in node] if isinstance(node, list) else node

    wanted = walk(tree)
    # Polars reads some floats of 16 digits and more as their neighbours, and can't read infinity.
    with suppress(pl.exceptions.ComputeError):
        made = pl.Expr.deserialize(json.dumps(wanted).encode(), format="json")
        if json.loads(made.meta.serialize(format="json")) == wanted:
            return made
    return _over_renamed(expression, renamed)


def _over_renamed(expression: pl.Expr, renamed: dict[str, Any]) -> pl.Expr:
    """Return an expression over columns that have other names: a function that is given them by its own."""
    names = root_names(expression) or []
    sources = [renamed.get(name, exactly(name)) for name in names]
    columns = [one if isinstance(one, pl.Expr) else pl.lit(one) for one in sources]

    def compute(series: Sequence[pl.Series]) -> pl.Series:
        rows = rows_of([len(one) for one in series])
        whole = [spread_out(one, rows).alias(name) for one, name in zip(series, names, strict=True)]
        frame = named(whole)
        return frame.select(expression).to_series()

    by_rows = is_row_separable(expression)
    dtype = pl.dtype_of(pl.map_batches(columns, compute, None, is_elementwise=by_rows))
    return pl.map_batches(
        columns, compute, dtype, is_elementwise=by_rows, returns_scalar=expression.meta.is_scalar()
    )


def is_row_separable(expression: pl.Expr) -> bool:
    """Whether each row of the result depends on that row alone, as far as Polars can tell.

    Polars' own `is_row_separable` looks at the outermost operation: it says yes to
    ``col("a") - col("a").mean()`` (Polars 2.1). So each operation inside is asked too, and has to keep the
    number of rows. An exception means no, and so does a Series inside, whose rows belong to the whole.
    """
    names = root_names(expression)
    if names is None or mentions(expression, "Series"):
        return False
    return (bool(names) or expression.meta.is_literal()) and _each_separable(expression)


def _each_separable(expression: pl.Expr) -> bool:
    meta = expression.meta
    try:
        if meta.is_literal():
            return True
        own = meta.is_row_separable() and meta.is_length_preserving()
        return own and all(_each_separable(part) for part in meta.pop())
    except Exception:  # whatever Polars raises, it doesn't say yes
        return False


def rows_of(lengths: Sequence[int]) -> int:
    """Return how many rows columns have together; one of one row has that for all, be it for none."""
    return 0 if 0 in lengths else max(lengths)


def spread_out(values: pl.Series, rows: int) -> pl.Series:
    """Return a column of one value as one of that for each row, any other as it is."""
    return values if len(values) == rows else values.new_from_index(0, rows)


def exactly(name: str) -> pl.Expr:
    """Return the column of a name, also of one that Polars would take for a pattern."""
    return cs.by_name(name).as_expr() if is_pattern(name) else pl.col(name)


def is_pattern(name: str) -> bool:
    """Whether Polars would take a name for a pattern of names."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def as_column(source: str | pl.Expr) -> pl.Expr:
    """Return a column by its name, an expression as it is."""
    return exactly(source) if isinstance(source, str) else source


def source_of(item: Column) -> pl.Expr:
    """Return what a parameter is bound to, moved to the row that it reads."""
    source = as_column(item.source)
    return source if item.is_there or not item.offset else source.shift(-item.offset)


def columns_of(expression: pl.Expr, scope: ColumnScope) -> Sequence[str]:
    """Return the columns that an expression reads; all there are if it means them by a pattern."""
    names = root_names(expression)
    return scope.names if names is None else names


def expression_dtype(of: Owner, expression: pl.Expr, scope: ColumnScope) -> Any:
    """Return the dtype of an expression over the columns of ``scope``.

    Raises
    ------
    BindingError
        If Polars can't evaluate it; the message says whose it is.
    """
    names = columns_of(expression, scope)
    if not all(name in scope for name in names):
        names = scope.names  # for Polars' message
    try:
        return scope.empty(names).lazy().select(expression).collect_schema().dtypes()[0]
    except pl.exceptions.PolarsError as error:
        msg = f"{of}: {without_context(error)}"
        raise BindingError(msg, plugin=of.plugin, parameter=of.parameter) from error
