"""`fuse`: Polars expressions, compiled together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import polars as pl

from dataflare_vec.config.settings import check_flag
from dataflare_vec.engine.execution.fused_expressions import fused_columns
from dataflare_vec.engine.execution.fused_queries import fused_query
from dataflare_vec.exceptions import ArgumentError
from dataflare_vec.polars_plugin.sites import calls_of
from dataflare_vec.service.manager import managed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflare_vec.engine.execution.fused_expressions import Calls, Compute
    from dataflare_vec.service.manager import PluginManager


@overload
def fuse(
    query: pl.LazyFrame, /, *, always: bool = False, native: bool = True, manager: PluginManager | None = None
) -> pl.LazyFrame: ...
@overload
def fuse(
    expression: pl.Expr, /, *, always: bool = False, native: bool = True, manager: PluginManager | None = None
) -> pl.Expr: ...
@overload
def fuse(
    *expressions: pl.Expr,
    always: bool = False,
    native: bool = True,
    manager: PluginManager | None = None,
    **named: pl.Expr,
) -> list[pl.Expr]: ...
def fuse(
    *expressions: Any,
    always: bool = False,
    native: bool = True,
    manager: PluginManager | None = None,
    **named: Any,
) -> Any:
    """Return expressions, or a lazy query, that Polars computes together: all of them in one loop.

    Polars passes through memory once for each operation. Here the operations of all expressions become one
    compiled loop: each column is read once, what several expressions share is computed once, and nothing
    between is stored. What can't be compiled, or isn't worth it, is computed by Polars: any expression may be
    given, and results are the same.

    Parameters
    ----------
    *expressions
        Expressions, to be named as Polars names them. Or a LazyFrame, alone: its ``with_columns``,
        ``select``, ``filter`` and aggregations by group are looked at.
    always
        Whether to compile what is light, too, as a few steps of arithmetic. On a frame that pays from two
        steps on; on the batches of a lazy query from five on, where they run without Python.
    native
        Whether Polars may run what is compiled without Python. A query that another machine is to run needs
        False.
    manager
        Whose settings and memory are used, as in `apply`.
    **named
        Further ones, by the names of their columns.

    Returns
    -------
    polars.Expr, list of polars.Expr or polars.LazyFrame
        For a query a query. For one expression one, for several a list, for ``with_columns``, ``select``,
        ``filter`` and ``agg``, of frames and lazy frames. Sums and the like over compiled expressions are
        Polars' own.

    Raises
    ------
    ArgumentError
        If something isn't an expression, or a query.

    Notes
    -----
    Values, nulls, dtypes and errors are Polars'. So is arithmetic to the last bit; of logarithms, angles and
    the like the last bits may differ, as this library's own are used, whose errors are bounded.

    Compiled are arithmetic, comparisons and logic, ``when``, casts between numbers, ``is_null``, ``is_nan``,
    ``is_between``, ``is_in`` of some literals, ``fill_null``, ``fill_nan``, ``coalesce``, ``clip``, ``abs``,
    ``sign``, rounding, roots, powers, exponential and trigonometric functions, and ``min_horizontal`` and its
    like where the order of numbers doesn't show (sums and means of up to four floats), of numbers and
    Booleans; differences and sums of instants and durations, their parts, ``dt.truncate`` and
    ``dt.offset_by`` of fixed lengths. What is made of text, Polars computes before, as a comparison with a
    text, or a field of a struct. With ``always`` so is what needs all rows, as ``x.mean()`` in
    ``x - x.mean()``, a shift or a window: on frames that is faster, on the batches of a lazy query slower.
    Otherwise, and below a sum and the like, such an expression is Polars' as a whole.

    A frame of fewer than some thousand rows is Polars' as a whole, unless it has been compiled for another.

    Where there is a C compiler or ``ziglang``, and a cache, Polars runs the loop from its own threads and
    without Python: if one loop computes all of them, no row can fail, as by a strict cast, and it has been
    compiled, by an earlier query or another process. The plan names a file of the cache then. Queries go to
    other processes of the machine as pickles or serialised. Expressions that were used for columns of some
    dtypes are of no use for others: Polars keeps the dtypes of results; call `fuse` again.

    A query over files is rewritten in Polars' own form of it. What conditions ask of single columns stays
    as it is, as files are read by it. A query over frames is rebuilt from the plan that Polars shows to
    other engines, if all in it is known. A query over both comes back as it was, and so does one in which
    Polars calls Python.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> df = pl.DataFrame({"gross": [119.0, 10.7], "tax": [19.0, 0.7], "cost": [60.0, 12.0]})
    >>> net = pl.col("gross") - pl.col("tax")
    >>> df.with_columns(dfv.fuse(net=net, margin=((net - pl.col("cost")) / net).clip(0, 1)))
    shape: (2, 5)
    ┌───────┬──────┬──────┬───────┬────────┐
    │ gross ┆ tax  ┆ cost ┆ net   ┆ margin │
    │ ---   ┆ ---  ┆ ---  ┆ ---   ┆ ---    │
    │ f64   ┆ f64  ┆ f64  ┆ f64   ┆ f64    │
    ╞═══════╪══════╪══════╪═══════╪════════╡
    │ 119.0 ┆ 19.0 ┆ 60.0 ┆ 100.0 ┆ 0.4    │
    │ 10.7  ┆ 0.7  ┆ 12.0 ┆ 10.0  ┆ 0.0    │
    └───────┴──────┴──────┴───────┴────────┘

    One condition, over all threads:

    >>> df.filter(dfv.fuse((net > 50) & (pl.col("cost") / net < 0.7)))["gross"].to_list()
    [119.0]

    The expressions of a whole query:

    >>> df.lazy().with_columns(net=net).filter(pl.col("net") > 50).pipe(dfv.fuse).collect()["net"].to_list()
    [100.0]
    """
    if any(isinstance(one, pl.LazyFrame) for one in expressions):
        return _whole_query(expressions, named, always=always, native=native, manager=manager)
    given = [*expressions, *(one for one in named.values())]
    for one in given:
        if not isinstance(one, pl.Expr):
            raise ArgumentError(
                argument="expressions",
                expected="Polars expressions or a LazyFrame",
                got=type(one).__name__,
                hint=_hint(one),
            )
    if not given:
        msg = "`fuse` needs at least one expression"
        raise ArgumentError(msg, argument="expressions")
    renamed = [one.alias(name) for name, one in named.items()]
    check_flag("always", always)
    calls = _calls(native)
    runtime = managed(manager).runtime
    columns = fused_columns([*expressions, *renamed], runtime, always=always, calls=calls)
    return columns[0] if len(given) == 1 else columns


def _calls(native: bool) -> Callable[[Compute], Calls | None]:
    check_flag("native", native)
    return calls_of if native else lambda _: None


def _whole_query(
    given: Sequence[Any],
    named: Mapping[str, Any],
    *,
    always: bool,
    native: bool,
    manager: PluginManager | None,
) -> pl.LazyFrame:
    if len(given) > 1 or named:
        msg, hint = "a query is fused with the expressions that are in it", "pass it alone"
        raise ArgumentError(msg, argument="expressions", hint=hint)
    check_flag("always", always)
    return fused_query(given[0], managed(manager).runtime, always=always, calls=_calls(native))


def _hint(given: Any) -> str:
    if isinstance(given, str):
        return "write `pl.col(…)` for a column"
    if isinstance(given, pl.DataFrame):
        return "write `df.with_columns(dfv.fuse(…))` with expressions, or `df.lazy().….pipe(dfv.fuse)`"
    return ""
