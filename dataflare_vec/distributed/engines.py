"""What is asked of an engine, and which one a frame is of."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.distributed.work import Work

#: The module of each engine's frames, where it is of one; the engine's file, and the names of the classes.
_FRAMES = {
    "ray.data": ("ray", ("Dataset",)),
    "pyspark.sql": ("spark", ("DataFrame",)),
    "dask.dataframe": ("dask", ("DataFrame",)),
    "daft": ("daft", ("DataFrame",)),
}


class Engine(Protocol):
    """An engine, as work sees it: frames of one are lazy, and in parts that don't share memory.

    A batch is a `pyarrow.Table`, or a pandas DataFrame where the engine's own parts are such.

    Attributes
    ----------
    name : str
        What people call it.
    extra : str
        What installs it: ``dataflare_vec[extra]``.
    """

    name: str
    extra: str

    def empty(self, data: Any) -> Any:
        """Return a batch without rows that has the columns of ``data``."""

    def map(self, data: Any, work: Work) -> Any:
        """Return what work makes of each batch of ``data``, however its rows are cut into batches."""

    def group(self, data: Any, keys: Sequence[str], work: Work) -> Any:
        """Return what work makes of batches that have all rows of each of their keys.

        A null is a key. NaN equals NaN, and -0.0 equals 0.0.
        """

    def together(self, data: Any, work: Work) -> Any:
        """Return what work makes of all rows of ``data``, of which there are some, as one batch."""

    def union(self, data: Any, batch: Any) -> Any:
        """Return the rows of a frame, and those of a batch that has the same columns."""

    def placed(self, data: Any) -> Any:
        """Return rows with columns of `PLACES`, as far as the engine knows where they are from.

        Raises
        ------
        BindingError
            If the rows have no end.
        """

    def collect(self, data: Any) -> Any:
        """Return all rows of a small frame as a batch."""


def engine_of(data: Any) -> Engine | None:
    """Return the engine that a frame is of; None if it is in memory, or Polars' own query.

    None is imported: who has its frame has imported it.
    """
    top = type(data).__module__.partition(".")[0]
    if top not in _TOPS:
        return None
    for module, (file, names) in _FRAMES.items():
        if module.partition(".")[0] == top and module in sys.modules:
            classes = [getattr(sys.modules[module], name, None) for name in names]
            if any(isinstance(data, one) for one in classes if one is not None):
                found: Engine = import_module(f"dataflare_vec.distributed.{file}_engine").ENGINE
                return found
    return None


_TOPS = frozenset(module.partition(".")[0] for module in _FRAMES)
