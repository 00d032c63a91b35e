"""The decorators of row and column kernels and of expressions; those with a state: `state_decorators`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from dataflare_vec.definition.plugin import Form, PluginType
from dataflare_vec.definition.registering import decorate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from typing_extensions import Unpack

    from dataflare_vec.definition.signatures import (
        ColumnOptions,
        Decorated,
        Decorator,
        FilterOptions,
        Jitted,
        P,
        PluginOptions,
        R,
        RowOptions,
    )


@overload
def plugin(function: Jitted, **options: Unpack[RowOptions]) -> Decorated[..., Any]: ...
@overload
def plugin(function: Callable[P, R], **options: Unpack[RowOptions]) -> Decorated[P, R]: ...
@overload
def plugin(**options: Unpack[RowOptions]) -> Decorator: ...
def plugin(
    function: Callable[..., Any] | None = None,
    *,
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
    """Register a row kernel: scalars of one row in, a scalar or a tuple of scalars out.

    Parameters
    ----------
    function
        A plain function, one decorated with ``numba.njit``, or a `functools.partial` of either. Parameters
        without a default are columns; those with a default, or that are bound, are constants. A parameter
        annotated ``X | None`` receives None for a null; with any other, a row with a null isn't computed and
        its result is null. See the notes for what else annotations say.
    name
        Name of the plugin and of its output column; by default the function's.
    returns
        Dtype of the output, if it is neither annotated nor to be inferred: a Polars dtype, or the name of a
        parameter whose dtype it has. For several outputs a tuple of these, or a dict by field
        name. ``pl.Struct``, with or without fields, makes one column of a named tuple.
    replace
        Replace a plugin of the same name instead of raising.
    version, description, author
        Kept in `PluginInfo`. The description is by default the first line of the docstring.
    math
        What `math.sin`, `numpy.exp` and the like are compiled to, here and in the functions that the kernel
        calls: ``"precise"`` to vector code with an error of at most 1 or 2 ULP, the same bits on any chunk;
        ``"fast"`` to the same, and the kernel's own sums and products may be reordered and fused (last bits
        may then depend on how the rows are cut into chunks); ``"libm"`` to one call a row of the system's
        library.
    lookback, lookahead
        How many rows before and after its own the kernel receives, for all columns or by parameter, as
        ``lookback={"x": 3}``. Such a parameter is a tuple: ``x[0]`` is the row's own value, ``x[-1]`` that of
        the row before, ``x[1]`` that of the row after. Beyond the first and the last row there is null. A row
        that has a null among them isn't computed, unless the parameter is annotated ``X | None``: then it is
        None.
    fallback
        What happens if it can't be compiled. None: a `KernelCompileError` that says why. ``"python"``: it
        runs row by row in the interpreter, some hundred times slower, with one `InterpretedWarning` that
        says so. What it returns should then be declared, by ``returns`` or an annotation (``-> float``): it
        is told from the values of all rows otherwise, and only in the first step over a frame in memory.
    optimize_batch_size
        ``(current_size, latency, throughput) -> size``: rows of the last chunk, its time as a `timedelta`,
        rows a second; the rows of the next chunk. By default the tuner that `BatchConfig` names decides.

    Returns
    -------
    Plugin
        Callable like the function.

    Raises
    ------
    PluginDefinitionError
        If the function can't be a kernel: async, a generator, ``*args``, no column.
    DuplicatePluginError
        If the name is taken and ``replace`` is false.

    Notes
    -----
    Numbers and booleans arrive as themselves, Date as days since 1970-01-01, Time as nanoseconds since
    midnight, Datetime (as UTC) and Duration as integers of the column's time unit. Integers are computed
    in 64 bits and wrap around; floats follow IEEE 754, so ``x / 0`` is infinite; ``7 // 0`` and ``7 % 0``
    raise ZeroDivisionError.

    *Parameters* annotated with one of `datetime`'s classes arrive as Python's own objects do, in
    microseconds; a value that Python doesn't have (a year after 9999), or a span of more than 64 bits of
    microseconds (292,271 years), is a failed row with an OverflowError. A column with a time zone arrives as
    aware datetimes. ``int``, ``float`` (any number, which
    stays what it is), ``bool``, ``str``, ``bytes``, ``Decimal`` and a `typing.NamedTuple` for a struct are
    checked against the column; so are ``list``, ``Sequence``, ``tuple[…, ...]``, ``numpy.ndarray`` and their
    items for lists. Aliases, `typing.NewType`, `typing.Annotated`, ``Literal`` and bounds of type variables
    are what they stand for; ``Any``, ``object``, protocols and unions of several classes allow any column.
    Anything else is refused. A name that exists for type checkers only is looked up in the modules that are
    loaded; if it isn't there, an `AnnotationWarning` says so.

    *The result's* annotation is what ``returns`` would be, compiled or not: ``float`` is Float64, ``int``
    Int64 (UInt64 and Int128, which that can't hold, stay what they are), ``bool``, ``str``, ``bytes`` and
    `datetime`'s classes their dtypes in microseconds, ``Decimal`` one with the scale of the value,
    ``list[…]`` a list, ``numpy.float32`` Float32; ``tuple[float, int]`` or a `typing.NamedTuple` several of
    them. So ``-> float`` makes floats of integers; a float under ``-> int``, or a number under ``-> str``, is
    a `KernelResultError` where it is compiled, a failed row where it isn't. ``X | None`` says the same as
    ``X``; what says nothing of the kind leaves the dtype to be inferred. An aware datetime is a column in its
    zone, one with an offset from UTC a column in UTC; of `datetime.fromisoformat` it is one without zone, and
    rows with an offset fail, unless ``returns`` says a zone: then those without one do.

    Decimals have up to 38 digits, and no negative zero. They are compared with floats exactly; ``/`` of two
    isn't exact and has to be written as one of floats.

    What the function names outside of itself (globals, attributes of modules, arrays, closures, helpers and
    what they name) counts as it is when rows are computed: each call looks whether it has changed, and
    compiles anew if it has. A lazy query looks when it is collected, a stream with each batch. A constant
    parameter changes without a compilation.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.plugin
    ... def fare(distance, minutes, base=2.5):
    ...     return base + 1.1 * distance + 0.3 * minutes
    >>> df = pl.DataFrame({"distance": [10.0, None], "minutes": [20, 5]})
    >>> df.pipe(dfv.apply, "fare")["fare"].to_list()
    [19.5, None]
    >>> fare(10.0, 20)
    19.5

    With neighbours:

    >>> @dfv.plugin(lookback=1, lookahead=1)
    ... def is_peak(x):
    ...     return x[-1] < x[0] > x[1]
    >>> pl.DataFrame({"x": [1, 5, 2, 3]}).pipe(dfv.apply, "is_peak")["is_peak"].to_list()
    [None, True, False, None]
    """
    return decorate(
        function,
        form=Form.ROW,
        plugin_type=PluginType.TRANSFORMER,
        replace=replace,
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


@overload
def filter(function: Jitted, **options: Unpack[FilterOptions]) -> Decorated[..., Any]: ...
@overload
def filter(function: Callable[P, R], **options: Unpack[FilterOptions]) -> Decorated[P, R]: ...
@overload
def filter(**options: Unpack[FilterOptions]) -> Decorator: ...
def filter(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
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
    """Register a row kernel that keeps the rows for which it is true.

    Rows with a null, or for which it returns None, aren't kept. Parameters as in `plugin`.

    Parameters
    ----------
    function
        Returns a bool, or None; its parameters are as in `plugin`.
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

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.filter
    ... def inside(x, y, radius=1.0):
    ...     return x * x + y * y <= radius * radius
    >>> df = pl.DataFrame({"x": [0.1, 0.9, None], "y": [0.1, 0.9, 0.0]})
    >>> df.pipe(dfv.apply, "inside").rows()
    [(0.1, 0.1)]
    """
    return decorate(
        function,
        form=Form.ROW,
        plugin_type=PluginType.FILTER,
        replace=replace,
        name=name,
        version=version,
        description=description,
        author=author,
        math=math,
        lookback=lookback,
        lookahead=lookahead,
        fallback=fallback,
        optimize_batch_size=optimize_batch_size,
    )


@overload
def column(function: Jitted, **options: Unpack[ColumnOptions]) -> Decorated[..., Any]: ...
@overload
def column(function: Callable[P, R], **options: Unpack[ColumnOptions]) -> Decorated[P, R]: ...
@overload
def column(**options: Unpack[ColumnOptions]) -> Decorator: ...
def column(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    returns: Any = None,
    replace: bool = False,
    version: str = "1.0.0",
    description: str | None = None,
    author: str = "",
    optimize_batch_size: Callable[[int, timedelta, float], int] | None = None,
) -> Any:
    """Register a column kernel: NumPy arrays of one chunk in, an array (or a tuple of arrays) out.

    The kernel must be row-separable: each row of the result depends on that row alone, so that it doesn't
    matter how the rows are split into chunks. Arrays are read-only and hold no nulls:
    rows with a null are left out of them, and are null in the result. Parameters as in `plugin`.

    Parameters
    ----------
    function
        Takes an array for each column, constants as in `plugin`, and returns an array as long as these, or a
        tuple of such.
    name, returns, replace, version, description, author, optimize_batch_size
        As in `plugin`.

    Returns
    -------
    Plugin
        Callable like the function.

    Raises
    ------
    PluginDefinitionError, DuplicatePluginError
        As in `plugin`.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import numpy as np
    >>> import polars as pl
    >>> @dfv.column
    ... def decibel(power):
    ...     return 10 * np.log10(power)
    >>> pl.DataFrame({"power": [1.0, None, 100.0]}).pipe(dfv.apply, "decibel")["decibel"].to_list()
    [0.0, None, 20.0]
    """
    return decorate(
        function,
        form=Form.COLUMN,
        plugin_type=PluginType.TRANSFORMER,
        replace=replace,
        name=name,
        returns=returns,
        version=version,
        description=description,
        author=author,
        optimize_batch_size=optimize_batch_size,
    )


@overload
def expression(function: Callable[P, R], **options: Unpack[PluginOptions]) -> Decorated[P, R]: ...
@overload
def expression(**options: Unpack[PluginOptions]) -> Decorator: ...
def expression(
    function: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    replace: bool = False,
    version: str = "1.0.0",
    description: str | None = None,
    author: str = "",
    optimize_batch_size: Callable[[int, timedelta, float], int] | None = None,
) -> Any:
    """Register a function that returns a Polars expression.

    It is called with ``pl.col(…)`` for each parameter without a default, and with constants for the others.

    Parameters
    ----------
    function
        Returns a `polars.Expr`.
    name, replace, version, description, author, optimize_batch_size
        As in `plugin`.

    Returns
    -------
    Plugin
        Callable like the function.

    Raises
    ------
    PluginDefinitionError, DuplicatePluginError
        As in `plugin`.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> @dfv.expression
    ... def net(gross, tax, discount=0.0):
    ...     return (gross - tax) * (1 - discount)
    >>> df = pl.DataFrame({"gross": [119.0], "tax": [19.0]})
    >>> df.pipe(dfv.apply, "net", discount=0.1)["net"].to_list()
    [90.0]
    """
    return decorate(
        function,
        form=Form.EXPRESSION,
        plugin_type=PluginType.TRANSFORMER,
        replace=replace,
        name=name,
        version=version,
        description=description,
        author=author,
        optimize_batch_size=optimize_batch_size,
    )
