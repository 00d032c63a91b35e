"""What the workers of an engine run: a batch in, a batch out, each as if it were the only one."""

from __future__ import annotations

import dataclasses
import sys
from abc import ABC, abstractmethod
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._version import __version__
from dataflare_vec.definition.pickling import cloudpickle
from dataflare_vec.distributed.batches import (
    columns_of,
    conformed,
    knowing_nulls,
    of_columns,
    selected,
    taken,
)
from dataflare_vec.distributed.compiled import keep
from dataflare_vec.engine.planning.kept import RepeatedPlan
from dataflare_vec.engine.planning.plan import Plan
from dataflare_vec.engine.planning.request import ask
from dataflare_vec.engine.stages.failures import all_details, in_batch
from dataflare_vec.interop import assemble, column_names
from dataflare_vec.interop.runner import readers_of, run_data, scope_of
from dataflare_vec.service.manager import default_manager

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dataflare_vec.engine.execution.outcome import Outcome
    from dataflare_vec.engine.planning.request import Request

#: What a failed row has beside its own columns, in the frame of failed rows.
FAILURE_COLUMNS = {"error_plugin": pl.String, "error_type": pl.String, "error_message": pl.String}
#: What of `Steps` isn't sent.
_OF_PROCESS = ("asked", "plan", "_planner")
#: What became of rows, in the frame of a `Count`.
COUNTS = ("processed", "success", "error", "filtered", "added")


@dataclasses.dataclass(frozen=True)
class Call:
    """What a user asked for, to be asked again by a worker.

    Attributes
    ----------
    plugin
        A plugin, or a list of plugins and steps; found already.
    options : dict
        The keywords of `ask`.
    engine : str
        What the engine is called.
    loops : dict
        What `compiled_loops` has found.
    """

    plugin: Any
    options: Mapping[str, Any]
    engine: str
    loops: Mapping[str, bytes] = dataclasses.field(default_factory=dict, repr=False)

    def __dask_tokenize__(self) -> Any:
        """Return what tells a call from others: not which loops the cache has just now."""
        return cloudpickle().dumps((self.plugin, self.options))

    def request(self) -> Request:
        """Return the request, in this process."""
        keep(self.loops)
        manager = default_manager()
        return ask(manager.registry, manager.runtime, self.plugin, **self.options)


class Work(ABC):
    """What workers do with batches, each for itself. It is pickled, and begins anew on each worker.

    Parameters
    ----------
    empty
        A batch without rows: the columns of those to come.
    name
        What people see of it, as in an engine's dashboard.

    Attributes
    ----------
    output
        What comes of no rows: the columns of what comes out.
    """

    def __init__(self, empty: Any, name: str) -> None:
        self.__name__ = name
        self.empty = empty
        self.output = knowing_nulls(self.compute(empty), empty, self.replaces)

    @property
    def replaces(self) -> Collection[str]:
        """Columns of the batches in whose place others come."""
        return ()

    def __call__(self, batch: Any) -> Any:
        """Return what comes of a batch."""
        return conformed(self.compute(conformed(batch, self.empty)), self.output)

    def over(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield what comes of the batches of a task, where an engine tells which are one's."""
        yield from map(self, batches)

    def going_on(self, state: Any) -> Work:
        """Return the same, going on from a state."""
        raise TypeError(state)

    def narrow(self) -> Narrow | None:
        """Return work that only adds columns to the same rows, without those columns that nobody reads.

        For engines that hand over columns one by one. None if rows may go, or others come.
        """
        return None

    def __dask_tokenize__(self) -> Any:
        """Return what tells work from other work: each part by itself, whatever else is the same object."""
        from dask.base import tokenize

        parts = sorted(self.__getstate__().items())
        return type(self).__qualname__, [(name, tokenize(part)) for name, part in parts]

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled."""
        return self.__dict__

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what is pickled, behind the versions: a worker looks at those before it reads functions."""
        return _begun, (type(self), _Versions(_versions()), self.__getstate__())

    @abstractmethod
    def compute(self, batch: Any) -> Any:
        """Return what comes of a batch that has the columns of `empty`."""


def plan_of(request: Request, empty: Any) -> Plan:
    """Return the plan over batches that have the columns of one."""
    scope, _, _ = scope_of(empty, request.steps)
    return Plan(request.steps, scope, keep_data=request.keep)


def _versions() -> str:
    python = ".".join(map(str, sys.version_info[:2]))
    return f"Python {python}, Polars {pl.__version__} and dataflare_vec {__version__}"


class _Versions(str):
    """Versions that are checked as they are unpickled."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _checked, (str(self),)


def _checked(versions: str) -> _Versions:
    """Return versions if this process has them.

    Raises
    ------
    RuntimeError
        If it has others: Python's functions are of one version, of another Polars keys have other hashes, and
        of ours states another layout.
    """
    if versions != _versions():
        msg = f"this worker has {_versions()}, and what sent the work {versions}: install the same"
        raise RuntimeError(msg)
    return _Versions(versions)


def _begun(kind: type[Work], versions: str, state: dict[str, Any]) -> Work:
    """Return work as it begins on a worker."""
    work = object.__new__(kind)
    work.__dict__.update(state)
    return work


class Steps(Work):
    """Work that runs the steps of a call.

    Raises
    ------
    PluginError
        If plugins, columns or types don't fit.
    """

    #: What it goes on from; None to begin.
    state: Any = None

    def __init__(self, call: Call, empty: Any) -> None:
        self.call = call
        super().__init__(empty, ", ".join(self.asked.names))

    @cached_property
    def asked(self) -> Request:
        """The call, in this process."""
        return self.call.request()

    @property
    def request(self) -> Request:
        """The call, with the state to go on from."""
        return self.asked if self.state is None else self.asked._replace(state=self.state)

    def going_on(self, state: Any) -> Steps:
        """Return the same, going on from a state."""
        other = copy(self)
        other.state = state
        return other

    @cached_property
    def plan(self) -> Plan:
        """What the call comes to over such batches, in this process."""
        return plan_of(self.asked, self.empty)

    @property
    def renews(self) -> bool:
        """Whether rows are made anew from all rows so far, as a reduce's are."""
        return False

    @cached_property
    def _planner(self) -> RepeatedPlan:
        return RepeatedPlan()

    @property
    def replaces(self) -> Collection[str]:
        """Columns of the batches in whose place others come."""
        plan = self._planner.last
        return () if plan is None else plan.new.keys()

    def run(self, batch: Any, **changes: Any) -> Outcome:
        """Return what becomes of a batch."""
        with in_batch(len(batch), self.call.engine):
            return run_data(batch, self.request._replace(**changes), self._planner)

    def run_recording(self, batch: Any, **changes: Any) -> Outcome:
        """Return what becomes of a batch, with details of every row that fails."""
        config = dataclasses.replace(self.request.settings, max_error_details=sys.maxsize)
        return self.run(batch, config=config, **changes)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled."""
        return {name: value for name, value in self.__dict__.items() if name not in _OF_PROCESS}


class Rows(Steps):
    """The rows that steps make of those of a batch."""

    @property
    def renews(self) -> bool:
        """Whether rows are made anew from all rows so far, as a reduce's are."""
        return self.plan.reduces is not None

    def compute(self, batch: Any) -> Any:
        """Return the rows with what they come to."""
        return assemble(batch, self.run(batch), keep=self.request.keep)

    def narrow(self) -> Narrow | None:
        """Return the same over the columns that steps read, for the columns that they add."""
        request, names = self.request, column_names(self.empty)
        plugins = [step.plugin for step in request.steps]
        added = [name for name in column_names(self.output) if name not in names]
        if not request.keep or request.on_error == "drop" or not added:
            return None
        if any(one.is_filter or one.is_exploder or one.stateful for one in plugins):
            return None
        if any(step.replace for step in request.steps):
            return None
        reads = readers_of(request.steps, names)
        return Narrow(self.call, selected(self.empty, list(reads)), added) if reads else None


class Narrow(Rows):
    """Steps that add columns to the rows that there are, over the columns that they read.

    Parameters
    ----------
    adds
        The columns that come out.

    Attributes
    ----------
    reads : list of str
        The columns that it is to be given.
    """

    def __init__(self, call: Call, empty: Any, adds: Sequence[str]) -> None:
        self.reads = column_names(empty)
        self.adds = list(adds)
        super().__init__(call, empty)

    def compute(self, batch: Any) -> Any:
        """Return the new columns."""
        return selected(super().compute(batch), self.adds)


class Failed(Steps):
    """The rows on which steps fail, with why."""

    def compute(self, batch: Any) -> Any:
        """Return the rows that fail, as they came in."""
        return taken(batch, *reasons_of(self.run_recording(batch, on_error="null")))


def reasons_of(outcome: Outcome) -> tuple[pl.Series, list[pl.Series]]:
    """Return which rows failed, and why, as columns."""
    details = all_details(outcome.failures, sys.maxsize)
    names = zip(("plugin", "error", "message"), FAILURE_COLUMNS, strict=True)
    return details["row"], [details[name].alias(new) for name, new in names]


def counts_of(outcome: Outcome) -> dict[str, int]:
    """Return what became of rows."""
    success = outcome.rows + outcome.added - outcome.failed
    counts = (outcome.rows, success, outcome.failed, outcome.filtered, outcome.added)
    return dict(zip(COUNTS, counts, strict=True))


def summed(counted: Any) -> dict[str, int]:
    """Return the counts of several batches, each of them a row, together; no rows may have no columns."""
    if not len(counted):
        return dict.fromkeys(COUNTS, 0)
    return columns_of(counted, COUNTS).sum().row(0, named=True)


class Count(Steps):
    """How many rows there were, and what became of them."""

    def compute(self, batch: Any) -> Any:
        """Return one row of counts."""
        outcome = self.run(
            batch, on_error="null" if self.request.on_error == "raise" else self.request.on_error
        )
        return of_columns(batch, [pl.Series(n, [c], pl.Int64) for n, c in counts_of(outcome).items()])
