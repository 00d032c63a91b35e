"""Which calls run natively: what they say of it, else what the manager's settings do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from dataflare_vec._util.logs import get_logger
from dataflare_vec.config.settings import check_flag
from dataflare_vec.exceptions import ArgumentError, DataFlareError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.service.manager import PluginManager

    Made = TypeVar("Made", pl.LazyFrame, pl.Expr)

_log = get_logger(__name__)


def is_native(native: bool | None, manager: PluginManager) -> bool:
    """Whether a call is to run natively, if it can."""
    if native is None:
        return manager.config.native
    check_flag("native", native)
    return native


def check_data(native: bool, data: object) -> None:
    """Raise if a call is to run natively over what isn't a query.

    Raises
    ------
    ArgumentError
        Saying what to write.
    """
    check_flag("native", native)
    if native and not isinstance(data, pl.LazyFrame):
        got = type(data).__name__
        msg = f"`native=True` is for lazy frames and expressions, got a {got}"
        hint = "write `df.lazy().pipe(dfv.apply, …, native=True).collect()`"
        raise ArgumentError(msg, argument="native", got=got, hint=hint)


def natively(request: Request, make: Callable[[], Made], *, required: bool) -> Made | None:
    """Return what a call makes natively; None if that can't be and isn't required, and say why in the log.

    Raises
    ------
    DataFlareError
        If it can't be, and is required.
    """
    try:
        if request.runtime.states is not None:
            request.runtime.states.check(request.names)
        return make()
    except DataFlareError as reason:
        if required:
            raise
        _log.debug("`%s` doesn't run natively: %s", "`, `".join(request.names), reason)
        return None
