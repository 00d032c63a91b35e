"""The decorators of kernels that carry a state from row to row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from dataflare_vec.definition.plugin import Form, PluginType
from dataflare_vec.definition.registering import decorate

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from typing_extensions import Unpack

    from dataflare_vec.definition.signatures import Decorated, Decorator, Jitted, P, R, StateOptions


@overload
def scan(function: Jitted, *, init: Any, **options: Unpack[StateOptions]) -> Decorated[..., Any]: ...
@overload
def scan(function: Callable[P, R], *, init: Any, **options: Unpack[StateOptions]) -> Decorated[P, R]: ...
@overload
def scan(*, init: Any, **options: Unpack[StateOptions]) -> Decorator: ...
def scan(
    function: Callable[..., Any] | None = None,
    *,
    init: Any,
    name: str | None = None,
    returns: Any = None,
    replace: bool = False,
    version: str = "1.0.0",
    description: str | None = None,
    author: str = "",
    math: str = "precise",
    optimize_batch_size: Callable[[int, timedelta, float], int] | None = None,
) -> Any:
    """Register a kernel that carries a state from row to row: ``(state, row…) -> (state, value)``.

    The state is carried from chunk to chunk, and from batch to batch of a stream; with ``by=`` in `apply`
    there is one per key. Rows come in order. A row with a null isn't computed, nor is one that an earlier
    step has filtered out; the state skips it, and also a row that raises.

    Parameters
    ----------
    function
        Its first parameter is the state, then columns and constants as in `plugin`. It returns the next
        state, and a value as a row kernel does: a scalar, None, or a tuple of these.
    init
        The state before the first row: a number, a bool, a string, bytes, None, a NumPy array of numbers, a
        list, deque, dict or set, or a tuple or named tuple of these. An integer becomes a float if the
        function returns floats for it, and None becomes what it returns. An array may be changed in place;
        its shape stays.
        What an empty container will hold is said by its annotation, as ``deque[float]``: of the field, or of
        the function's first parameter.
    name, returns, replace, version, description, author, math, optimize_batch_size
        As in `plugin`.

    Notes
    -----
    The state after the last row is the ``state`` of `run`'s result; pass it to the next run as ``state=``.
    `apply` takes the rows of a lazy query in order, batch by batch. As an expression (`expr`), or in a
    pipeline whose later steps need all rows at once, it has all rows of the columns it reads in memory.

    Returns
    -------
    Plugin
        Callable like the function.

    Raises
    ------
    PluginDefinitionError
        If the function can't be a kernel, or ``init`` no state.
    DuplicatePluginError
        If the name is taken and ``replace`` is false.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.scan(init=0.0)
    ... def smooth(level, x, alpha=0.5):
    ...     level += alpha * (x - level)
    ...     return level, level
    >>> df = pl.DataFrame({"sensor": ["a", "b", "a"], "x": [8.0, 2.0, 4.0]})
    >>> df.pipe(dfv.apply, "smooth")["smooth"].to_list()
    [4.0, 3.0, 3.5]
    >>> df.pipe(dfv.apply, "smooth", by="sensor")["smooth"].to_list()
    [4.0, 1.0, 4.0]

    Go on later:

    >>> first = dfv.run(df, "smooth", by="sensor")
    >>> first.state["a"]
    4.0
    >>> dfv.apply(df, "smooth", by="sensor", state=first.state)["smooth"].to_list()
    [6.0, 1.5, 5.0]
    """
    return decorate(
        function,
        form=Form.SCAN,
        plugin_type=PluginType.TRANSFORMER,
        replace=replace,
        name=name,
        returns=returns,
        version=version,
        description=description,
        author=author,
        math=math,
        optimize_batch_size=optimize_batch_size,
        init=init,
    )


@overload
def reduce(
    function: Jitted,
    *,
    init: Any,
    merge: Callable[..., Any] | None = None,
    finish: Callable[..., Any] | None = None,
    block: Callable[..., Any] | None = None,
    **options: Unpack[StateOptions],
) -> Decorated[..., Any]: ...
@overload
def reduce(
    function: Callable[P, R],
    *,
    init: Any,
    merge: Callable[..., Any] | None = None,
    finish: Callable[..., Any] | None = None,
    block: Callable[..., Any] | None = None,
    **options: Unpack[StateOptions],
) -> Decorated[P, R]: ...
@overload
def reduce(
    *,
    init: Any,
    merge: Callable[..., Any] | None = None,
    finish: Callable[..., Any] | None = None,
    block: Callable[..., Any] | None = None,
    **options: Unpack[StateOptions],
) -> Decorator: ...
def reduce(
    function: Callable[..., Any] | None = None,
    *,
    init: Any,
    merge: Callable[..., Any] | None = None,
    finish: Callable[..., Any] | None = None,
    block: Callable[..., Any] | None = None,
    name: str | None = None,
    returns: Any = None,
    replace: bool = False,
    version: str = "1.0.0",
    description: str | None = None,
    author: str = "",
    math: str = "precise",
    optimize_batch_size: Callable[[int, timedelta, float], int] | None = None,
) -> Any:
    """Register a kernel that reduces many rows to one: ``(state, row…) -> state``.

    The result is one row, or with ``by=`` in `apply` one row per key, in the order in which keys are first
    seen. Rows with a null, and rows that raise, are skipped. In a pipeline it is the last step. As
    `expr` it aggregates: in ``select``, in ``group_by(…).agg(…)`` and with ``.over(…)``.

    Parameters
    ----------
    function
        Its first parameter is the state, then columns and constants as in `plugin`.
    init
        The state before the first row, as in `scan`.
    merge
        ``(state, state) -> state``, combining two consecutive parts of the rows; then several threads can
        work. Each part begins with ``init``, so ``init`` has to be neutral. Without it, and with keys, the
        rows of a state are taken one after the other.
    finish
        ``state -> value``: a scalar, None, a tuple or a named tuple. Without it the state is the result, with
        one column per field.
    block
        ``(state, array…) -> state``, what the function would make of many rows, which it gets as arrays: in
        vector code, as by `dataflare_vec.vectors`. It is called instead of the function where there are no
        keys and all columns are floats or integers of up to 64 bits. It needs `merge` and `finish`, and takes
        no constants; it should not raise.
    name, returns, replace, version, description, author, math, optimize_batch_size
        As in `plugin`.

    Notes
    -----
    Parts that are merged are partitions of 65,536 rows, whatever the chunks and threads are: the same rows
    give the same bits. A state that is passed to a run begins a new partition.

    A block has 256 rows of one partition, not counting those that are skipped; the last one has fewer. If
    ``block`` raises, the row fails that fills the block; for the last block ``finish`` fails.

    Returns
    -------
    Plugin
        Callable like the function.

    Raises
    ------
    PluginDefinitionError
        If the function can't be a kernel, or ``init`` no state; if ``merge``, ``finish`` or ``block`` isn't a
        function.
    DuplicatePluginError
        If the name is taken and ``replace`` is false.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> class Moments(NamedTuple):
    ...     count: int
    ...     total: float
    >>> @dfv.reduce(
    ...     init=Moments(0, 0.0),
    ...     merge=lambda a, b: Moments(a.count + b.count, a.total + b.total),
    ...     finish=lambda s: s.total / s.count if s.count else None,
    ... )
    ... def average(s, x):
    ...     return Moments(s.count + 1, s.total + x)
    >>> df = pl.DataFrame({"shop": ["a", "b", "a"], "x": [1.0, 2.0, 6.0]})
    >>> df.pipe(dfv.apply, "average").item()
    3.0
    >>> df.pipe(dfv.apply, "average", by="shop").rows()
    [('a', 3.5), ('b', 2.0)]
    >>> df.group_by("shop", maintain_order=True).agg(dfv.expr("average", "x")).rows()
    [('a', 3.5), ('b', 2.0)]

    In vector code:

    >>> @dfv.reduce(
    ...     init=0.0,
    ...     merge=lambda a, b: a + b,
    ...     finish=lambda total: total,
    ...     block=lambda total, x: total + dfv.vectors.dot(x, x),
    ... )
    ... def squares(total, x):
    ...     return total + x * x
    >>> df.pipe(dfv.apply, "squares").item()
    41.0
    """
    return decorate(
        function,
        form=Form.REDUCE,
        plugin_type=PluginType.AGGREGATOR,
        replace=replace,
        name=name,
        returns=returns,
        version=version,
        description=description,
        author=author,
        math=math,
        optimize_batch_size=optimize_batch_size,
        init=init,
        merge=merge,
        finish=finish,
        block=block,
    )
