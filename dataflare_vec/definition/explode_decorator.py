"""The decorator of kernels that give any number of rows for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from dataflare_vec.definition.plugin import Form, PluginType
from dataflare_vec.definition.registering import decorate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from typing_extensions import Unpack

    from dataflare_vec.definition.signatures import Decorated, Decorator, ExplodeOptions, Jitted, P, R


@overload
def explode(function: Jitted, **options: Unpack[ExplodeOptions]) -> Decorated[..., Any]: ...
@overload
def explode(function: Callable[P, R], **options: Unpack[ExplodeOptions]) -> Decorated[P, R]: ...
@overload
def explode(**options: Unpack[ExplodeOptions]) -> Decorator: ...
def explode(
    function: Callable[..., Any] | None = None,
    *,
    empty: Literal["drop", "null"] = "drop",
    name: str | None = None,
    returns: Any = None,
    replace: bool = False,
    version: str = "1.0.0",
    description: str | None = None,
    author: str = "",
    math: str = "precise",
    lookback: int | Mapping[str, int] = 0,
    lookahead: int | Mapping[str, int] = 0,
    fallback: str | None = None,
    optimize_batch_size: Callable[[int, timedelta, float], int] | None = None,
) -> Any:
    """Register a row kernel that gives any number of rows for one: a list of them, or by ``yield``.

    There is a row in the result for each that it gives, and the row's other columns are repeated. Rows that
    are single values make a column that is named after the plugin; tuples and named tuples make a column of
    each field, as those of a row kernel do.

    Parameters
    ----------
    function
        Returns a list of numbers, bools or strings, or of tuples or named tuples of these, or yields such;
        its parameters are as in `plugin`.
    empty
        What becomes of a row for which there is an empty list, nothing is yielded, or None is returned, and
        of one with a null, for which it isn't called: ``"drop"`` leaves it out, ``"null"`` keeps it as one
        row, with null in the new columns.
    returns
        Dtype of the values in the list; for several columns a tuple of dtypes, or a dict by field name.
    name, replace, version, description, author, math, lookback, lookahead, fallback, optimize_batch_size
        As in `plugin`.

    Returns
    -------
    Plugin
        Callable like the function.

    Raises
    ------
    PluginDefinitionError, DuplicatePluginError
        As in `plugin`.

    Notes
    -----
    A row for which it raises is one failed row, whatever it has given before: with ``on_error="null"`` one
    row with null in the new columns, also if ``empty="drop"``. Failed rows, also of later steps of a
    pipeline, are numbered by the rows of the data. `BatchResult` and `StreamResult` count with
    ``added_count`` how many rows there are more than came in.

    ``empty="drop"`` is ``unnest`` in SQL, ``LATERAL VIEW explode`` in Spark, and `polars.Expr.explode` with
    ``empty_as_null=False, keep_nulls=False``; ``empty="null"`` is ``LEFT JOIN LATERAL``,
    ``explode_outer``, and pandas' ``explode``.

    In lazy queries it takes the rows in their order, batch by batch. A batch and all its rows are in memory
    at a time. It is no expression, which can't change the number of rows, and no native library: there a row
    kernel that returns the list is, followed by Polars' own ``explode``.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.explode
    ... def word(line: str) -> list[str]:
    ...     return line.lower().split()
    >>> df = pl.DataFrame({"page": [1, 2, 3], "line": ["To be", "", "or not"]})
    >>> df.pipe(dfv.apply, "word").select("page", "word").rows()
    [(1, 'to'), (1, 'be'), (3, 'or'), (3, 'not')]

    Several columns, and ``yield``:

    >>> from collections.abc import Iterator
    >>> from typing import NamedTuple
    >>> class Event(NamedTuple):
    ...     name: str
    ...     value: float
    >>> @dfv.explode
    ... def events(line: str) -> Iterator[Event]:
    ...     for part in line.split(";"):
    ...         name, value = part.split("=")
    ...         yield Event(name, float(value))
    >>> pl.DataFrame({"line": ["cpu=0.5;ram=2"]}).pipe(dfv.apply, "events", keep=False).rows()
    [('cpu', 0.5), ('ram', 2.0)]
    """
    return decorate(
        function,
        form=Form.ROW,
        plugin_type=PluginType.EXPLODER,
        replace=replace,
        empty=empty,
        name=name,
        returns=returns,
        version=version,
        description=description,
        author=author,
        math=math,
        lookback=lookback,
        lookahead=lookahead,
        fallback=fallback,
        optimize_batch_size=optimize_batch_size,
    )
