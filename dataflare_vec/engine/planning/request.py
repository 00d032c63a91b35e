"""What a call asks for: made where the call comes in, and handed down as it is."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec._typing import ON_ERROR
from dataflare_vec.config.settings import BatchConfig, check_flag
from dataflare_vec.engine.planning.steps import bind_steps
from dataflare_vec.exceptions import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypedDict

    from dataflare_vec._typing import OnError
    from dataflare_vec.definition.registry import Registry
    from dataflare_vec.engine.context.runtime import Runtime
    from dataflare_vec.engine.planning.steps import BoundStep, By
    from dataflare_vec.engine.state.expiry import Expire

    class CallOptions(TypedDict, total=False):
        """What a call says beside data and plugins: the parameters of `ask`."""

        output: str | Sequence[str] | Mapping[str, str] | None
        keep: bool
        on_error: OnError
        config: BatchConfig | None
        by: By
        expire: Expire
        state: Any
        replace: bool
        bindings: Mapping[str, Any]


class Request(NamedTuple):
    """Steps, and how they are to be run; frozen, and cheap to make: small calls take microseconds.

    Attributes
    ----------
    steps : sequence of BoundStep
        The plugins with their parameters bound, in order.
    runtime : Runtime
        The surroundings.
    keep : bool
        Whether the data's own columns come back.
    on_error : str
        What becomes of failed rows: "raise", "null" or "drop".
    config : BatchConfig or None
        Chunk size and threads, if not those of the runtime.
    state
        What scans and reduces go on from, as the user gave it or an earlier call left it; None to begin.
    of_record : bool
        Whether the data is one record, whose types are those of Python's values.
    """

    steps: Sequence[BoundStep]
    runtime: Runtime
    keep: bool = True
    on_error: OnError = "raise"
    config: BatchConfig | None = None
    state: Any = None
    of_record: bool = False

    @property
    def settings(self) -> BatchConfig:
        """Chunk size and threads."""
        return self.config or self.runtime.config

    @property
    def names(self) -> list[str]:
        """Names of the plugins."""
        return [step.plugin.info.name for step in self.steps]


def ask(
    registry: Registry,
    runtime: Runtime,
    plugin: Any,
    *,
    output: str | Sequence[str] | Mapping[str, str] | None = None,
    keep: bool = True,
    on_error: OnError = "raise",
    config: BatchConfig | None = None,
    by: By = None,
    expire: Expire = None,
    state: Any = None,
    replace: bool = False,
    bindings: Mapping[str, Any] = MappingProxyType({}),
) -> Request:
    """Return what a call asks for: its options checked, its plugins found and their parameters bound.

    Raises
    ------
    ValueError, TypeError
        If an option means nothing.
    PluginError
        If a plugin isn't known, or the bindings don't fit.
    """
    if on_error != "raise" or keep is not True or config is not None:  # most calls say nothing
        check_options(on_error, keep=keep, config=config)
    steps = bind_steps(registry, plugin, output, bindings, by, expire, replace=replace)
    return Request(steps, runtime, keep, on_error, config, state)


def check_options(on_error: object, *, keep: object = True, config: object = None) -> None:
    """Raise if an option of a call is of a type, or has a value, that means nothing.

    Raises
    ------
    ValueError, TypeError
        Saying what it may be.
    """
    if on_error not in ON_ERROR:
        expected = '"raise", "null" or "drop"'
        raise ArgumentError(argument="on_error", expected=expected, got=repr(on_error))
    check_flag("keep", keep)
    if config is not None and not isinstance(config, BatchConfig):
        msg = f"`config` must be a BatchConfig, got {config!r}"
        raise TypeError(msg)
