"""What type checkers are told: a decorated function stays callable as it was, a frame's kind comes back.

Nothing of this exists when the program runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from typing import Generic, Literal, ParamSpec, Protocol, TypedDict, TypeVar

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from dataflare_vec.definition.plugin import Plugin

    P = ParamSpec("P")
    R = TypeVar("R")

    #: Polars' own kinds.
    Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame, pl.Series)
    #: Other libraries', if they have types; anything else comes back as anything.
    Table = TypeVar("Table", pa.Table, pa.RecordBatch, pa.RecordBatchReader, pd.DataFrame)

    class Decorated(Plugin, Generic[P, R]):
        """A plugin, callable like the function that it was made of."""

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Call the function that was registered."""
            ...

    Function = TypeVar("Function", bound=Callable[..., object])

    class Jitted(Protocol):
        """What Numba's stubs take ``@numba.njit`` without parentheses for: the decorator itself."""

        def __call__(self, function: Function, /) -> Any:
            """Decorate."""
            ...

    class Decorator(Protocol):
        """A decorator that was given its options."""

        @overload
        def __call__(self, function: Jitted, /) -> Decorated[..., Any]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Decorated[P, R]: ...

    class PluginOptions(TypedDict, total=False):
        """What every decorator takes."""

        name: str | None
        replace: bool
        version: str
        description: str | None
        author: str
        optimize_batch_size: Callable[[int, timedelta, float], int] | None

    class ColumnOptions(PluginOptions, total=False):
        """What `column` takes."""

        returns: Any

    class FilterOptions(PluginOptions, total=False):
        """What `filter` takes."""

        math: str
        lookback: int | Mapping[str, int]
        lookahead: int | Mapping[str, int]
        fallback: str | None

    class RowOptions(FilterOptions, total=False):
        """What `plugin` takes."""

        returns: Any

    class ExplodeOptions(RowOptions, total=False):
        """What `explode` takes."""

        empty: Literal["drop", "null"]

    class StateOptions(PluginOptions, total=False):
        """What `scan` and `reduce` take, besides their state."""

        returns: Any
        math: str
