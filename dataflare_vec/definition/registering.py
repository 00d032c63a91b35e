"""What is defined becomes a plugin that is found by its name: by a decorator, or by `register`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from dataflare_vec.definition import pickling as pickling  # plugins can be pickled
from dataflare_vec.definition.plugin import Form, Plugin, PluginType, define
from dataflare_vec.definition.registry import default_registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta


def decorate(function: Any, *, form: Form, plugin_type: PluginType, replace: bool, **about: Any) -> Any:
    """Register a function, which stays callable as it was; without one return what does so.

    Parameters
    ----------
    function
        What is decorated; None if the decorator has arguments.
    **about
        As of `define`.
    """

    def decorated(target: Any) -> Plugin:
        made = define(target, form=form, plugin_type=plugin_type, **about)
        default_registry.add(made, replace=replace)
        return made

    return decorated if function is None else decorated(function)


def register(
    name: str,
    target: Any,
    *,
    plugin_type: PluginType | str = PluginType.TRANSFORMER,
    returns: Any = None,
    replace: bool = False,
    version: str = "1.0.0",
    description: str | None = None,
    author: str = "",
    math: str = "precise",
    fallback: str | None = None,
    optimize_batch_size: Callable[[int, timedelta, float], int] | None = None,
) -> Plugin:
    """Register a function (as a row kernel) or a Polars expression under ``name``.

    Parameters
    ----------
    name
        Name of the plugin and of its output column.
    target
        A function, a ``numba.njit`` function, a `functools.partial`, or a `polars.Expr`; an expression's
        parameters are the columns it reads.
    plugin_type
        ``"transformer"`` adds columns, ``"filter"`` keeps the rows for which the target is true,
        ``"exploder"`` gives the rows of the list that the target returns.
    returns, replace, version, description, author, math, fallback, optimize_batch_size
        As in `plugin`.

    Returns
    -------
    Plugin
        The registered plugin.

    Raises
    ------
    PluginDefinitionError
        If the target is neither a function nor an expression, or can't be a kernel.
    DuplicatePluginError
        If the name is taken and ``replace`` is false.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> _ = dfv.register("margin", pl.col("price") - pl.col("cost"))
    >>> _ = dfv.register("cheap", pl.col("price") < 10, plugin_type="filter")
    >>> df = pl.DataFrame({"price": [5.0, 50.0], "cost": [4.0, 30.0]})
    >>> df.pipe(dfv.apply, "margin").pipe(dfv.apply, "cheap").rows()
    [(5.0, 4.0, 1.0)]
    """
    made = define(
        target,
        name=name,
        form=Form.ROW,
        plugin_type=plugin_type,
        returns=returns,
        version=version,
        description=description,
        author=author,
        math=math,
        fallback=fallback,
        optimize_batch_size=optimize_batch_size,
    )
    default_registry.add(made, replace=replace)
    return made


class Plugins(list[Plugin]):
    """Plugins; a notebook shows them as a table."""

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Plugin: ...
    @overload
    def __getitem__(self, index: slice, /) -> Plugins: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Plugin | Plugins:
        """Return one of them, or some, which are shown in the same way."""
        if isinstance(index, slice):
            return Plugins(super().__getitem__(index))
        return super().__getitem__(index)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)  # what is stored names no module of the package

    def _repr_html_(self) -> str:
        from dataflare_vec._util.html import card

        rows = []
        for one in self:
            parameters = ", ".join(one.shown_parameters())
            rows.append((one.name, one.form.value, parameters, one.info.description, one.info.version))
        header = ("name", "kind", "parameters", "description", "version")
        return card(f"{len(self)} plugin{'' if len(self) == 1 else 's'}", rows, header, texts=4)


def plugins() -> list[Plugin]:
    """Return all registered plugins by name, including those of installed packs.

    Returns
    -------
    list of Plugin
        In the order of their names.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> "haversine" in [plugin.name for plugin in dfv.plugins()]
    True
    """
    return Plugins(default_registry.all())
