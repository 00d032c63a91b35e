"""What a run over an engine's frame gives back: frames as lazy as the engine's are, and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dataflare_vec.distributed.work import Count, Failed, summed
from dataflare_vec.exceptions import BindingError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflare_vec.distributed.calls import Over


@dataclass(frozen=True)
class DistributedResult:
    """The result of `run` over a frame of Ray Data, Spark, Dask or Daft.

    Frames are of that engine, and lazy: each is computed from the data when it is asked for its rows. So keep
    data whose reading is dear (``persist()``, ``materialize()``) before. Kernels give the same results each
    time, and so the frames, errors and counts of one run are of the same rows, also where tasks were retried.

    Attributes
    ----------
    frame
        The data with the plugin's columns.
    errors
        The failed rows as they came in, with ``error_plugin``, ``error_type`` and ``error_message``.
    error_files : tuple of str
        The Parquet files of ``errors=``, if that was given: the failed rows, with ``error_file``,
        ``error_partition`` and ``error_row`` as far as the engine knows them, and why they failed.
    state
        A row for each state of a scan by key or a reduce: its key, ``state_bytes``, and ``state_of``, the
        name and version of the plugin. To be stored, and given to a later call as ``state=``.
    processed_count, success_count, error_count, filtered_count, added_count : int
        As of `BatchResult`. The first that is asked for counts all of them, in one pass over the data; with
        ``errors=`` they were counted as the files were written.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import dataflare_vec as dfv
    >>> trips = dd.from_dict({"cents": [600, 100], "people": [3, 0]}, npartitions=2)
    >>> @dfv.plugin
    ... def cents_apiece(cents, people):
    ...     return cents // people
    >>> result = dfv.run(trips, cents_apiece)
    >>> result.frame["cents_apiece"].compute().to_list()
    [200, <NA>]
    >>> result.error_count, result.errors["error_type"].compute().to_list()
    (1, ['ZeroDivisionError'])
    """

    frame: Any
    over: Over = field(repr=False)
    error_files: tuple[str, ...] = ()
    counts: Mapping[str, int] | None = field(default=None, repr=False)

    @cached_property
    def errors(self) -> Any:
        """The failed rows, with why they failed."""
        return self.over.per_batch(Failed(self.over.call, self.over.empty))

    @cached_property
    def state(self) -> Any:
        """What a scan by key or a reduce carries after the last rows."""
        if not self.over.stateful:
            names = ", ".join(f"`{name}`" for name in self.over.request.names)
            msg = f"{names} carries no state"
            raise StateError(msg, argument="state", hint="only a scan or a reduce has one")
        return self.over.states()

    @cached_property
    def _counts(self) -> dict[str, int]:
        if self.counts is not None:
            return dict(self.counts)
        if self.over.is_stream:
            raise BindingError(
                problem="the rows of a stream aren't counted before it ends",
                plugin=self.over.request.names[0],
                hint="see the query's `lastProgress`, and `errors`, a stream of the failed rows",
            )
        counted = self.over.per_batch(Count(self.over.call, self.over.empty))
        return summed(self.over.engine.collect(counted))

    @property
    def processed_count(self) -> int:
        """Rows that came in."""
        return self._counts["processed"]

    @property
    def success_count(self) -> int:
        """Rows that were computed; those that were filtered out are among them."""
        return self._counts["success"]

    @property
    def error_count(self) -> int:
        """Rows that failed."""
        return self._counts["error"]

    @property
    def filtered_count(self) -> int:
        """Rows that were filtered out."""
        return self._counts["filtered"]

    @property
    def added_count(self) -> int:
        """How many more rows `explode` has given than it was given."""
        return self._counts["added"]
