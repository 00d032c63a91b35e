"""From the state that a user gives to the states of a run, and back."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.exceptions import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dataflare_vec.engine.planning.plan import Plan
    from dataflare_vec.engine.state.store import StateStore


class OpenStates(dict[str, "StateStore"]):
    """States that runs go on with, by the name that each has in its plan; see `Plan.stateful`.

    Attributes
    ----------
    of_pipeline
        Whether they are of a pipeline, which may have several.
    given
        What the user gave, by the same names.
    more_follows
        Whether they are of a stream, so that a reduce's rows are made after the last batch.
    """

    given: Mapping[str, Any] = MappingProxyType({})
    of_pipeline: bool = False
    more_follows: bool = False

    @property
    def count(self) -> int:
        """How many states there are."""
        return sum(states.count for states in self.values())

    @property
    def expired(self) -> int:
        """How many have been dropped."""
        return sum(states.expired for states in self.values())

    def value(self) -> Any:
        """Return the state as the user sees it: of one plugin its own, of a pipeline a dict by name."""
        values = {name: states.value() for name, states in self.items()}
        return values if self.of_pipeline else next(iter(values.values()), None)


def open_states(plan: Plan, given: Any) -> OpenStates:
    """Return what the stages of a plan carry before the first row.

    Parameters
    ----------
    given
        The state of the one stage that carries any, or a dict by name of the plugin; None for the initial
        ones. What an earlier call returned is taken as it is.

    Raises
    ------
    StateError
        If it doesn't fit.
    """
    if isinstance(given, OpenStates):
        return given
    stages, is_pipeline = plan.stateful, plan.is_pipeline
    if given is None:
        by_name: Mapping[str, Any] = {}
    elif not stages:
        names = ", ".join(f"`{stage.plugin.name}`" for stage in plan.stages if stage.plugin is not None)
        msg = f"`state` was given, but {names} has none"
        raise StateError(msg, argument="state", hint="only a scan or a reduce has one")
    elif not is_pipeline or not isinstance(given, dict):
        if len(stages) > 1:
            names = ", ".join(stages)
            expected = f"a dict by name of the plugin, of {names}"
            raise StateError(argument="state", expected=expected, got=type(given).__name__)
        by_name = {next(iter(stages)): given}
    else:
        by_name = given
    for name in by_name:
        if name not in stages:
            msg = f"`state` has an entry for `{name}`, which is not a scan or reduce of this run"
            raise StateError(msg, plugin=None, argument="state", hint=near_matches(name, stages))
    states = OpenStates((name, stage.open_state(by_name.get(name))) for name, stage in stages.items())
    states.of_pipeline = is_pipeline
    states.given = by_name
    return states


def before_rows(states: OpenStates, plan: Plan, given: Any) -> Callable[[], OpenStates] | None:
    """Return what gives the states as they are now, after rows have changed them.

    None if a copy of them would take long: there is one for each key, or they have memory of their own.

    Parameters
    ----------
    plan, given
        What they were opened with.
    """
    owning = any(one.state_layout.owned for one in states.values())
    if not isinstance(given, OpenStates):
        return None if owning and given is not None else partial(open_states, plan, given)
    from dataflare_vec.engine.state.store import OneState  # brings NumPy

    ones = [one for one in states.values() if isinstance(one, OneState) and not one.state_layout.containers]
    if len(ones) < len(states):
        return None
    copies = [(one, one.state_layout.copied(one.records)) for one in ones]

    def put_back() -> OpenStates:
        for one, records in copies:
            one.records = records
        return states

    return put_back
