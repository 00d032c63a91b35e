"""One use of a plugin: its bindings, the names of its outputs, and whether they come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.suggestions import Argument, Phrase, near_matches
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.config.settings import check_flag
from dataflare_vec.definition.annotations import likely_dtype
from dataflare_vec.definition.binding import Column, bind
from dataflare_vec.definition.plugin import root_names
from dataflare_vec.definition.tables.frozen import frozen, is_container
from dataflare_vec.definition.tables.kinds import NotATable
from dataflare_vec.engine.state.expiry import expiry_of
from dataflare_vec.exceptions import BindingError, OutputNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.plugin import Plugin
    from dataflare_vec.definition.registry import Registry
    from dataflare_vec.engine.state.expiry import Expire, Expiry

    #: Key columns: a name, an expression, or a list of these.
    By = str | pl.Expr | Sequence[str | pl.Expr] | None

#: Calls of a plugin that are remembered, and what is said in them that can be.
_MOST_CALLS = 64
_COMPARABLE = frozenset({str, int, bool, float, type(None)})

#: What no text is read as.
_NO_TEXT = (pl.Duration, pl.List, pl.Binary)


@dataclass(frozen=True, slots=True)
class Step:
    """A plugin in a pipeline, with everything that is said about this use of it; made by `step`.

    Attributes
    ----------
    plugin : str or Plugin
        Its name, or the plugin itself.
    output
        Names of its output columns, as in `apply`.
    keep : bool
        Whether its columns come back; with False they are only for later steps of the pipeline.
    bindings : dict
        Columns and constants by parameter.
    by
        Key columns of a scan or a reduce, as in `apply`.
    replace : bool
        Whether its columns may take the place of others.
    expire
        After what states of keys are dropped, as in `apply`.
    """

    plugin: str | Plugin
    output: str | Sequence[str] | Mapping[str, str] | None = None
    keep: bool = True
    bindings: Mapping[str, Any] = field(default_factory=dict)
    by: By = None
    replace: bool = False
    expire: Expire = None


class KeptPlan:
    """Where the plan of the last call like this one is kept; a copy begins with none."""

    __slots__ = ("plan",)

    def __init__(self) -> None:
        self.plan: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return KeptPlan, ()


class BoundStep(NamedTuple):
    """A `Step` whose plugin is found and whose parameters are bound.

    Attributes
    ----------
    plugin, output, keep, by, replace
        As of a `Step`.
    binding : Binding
        The parameters.
    kept : KeptPlan or None
        Of the first step of a call where its plan is kept.
    names : dict or None
        The columns of the data by the names under which the step reads them, where these aren't their own.
    expiry : Expiry or None
        After what states of keys are dropped.
    """

    plugin: Plugin
    binding: Binding
    output: str | Sequence[str] | Mapping[str, str] | None = None
    keep: bool = True
    by: tuple[str | pl.Expr, ...] = ()
    replace: bool = False
    kept: KeptPlan | None = None
    names: Mapping[str, str] | None = None
    expiry: Expiry | None = None

    def column(self, name: str) -> str:
        """Return the column that the step reads under a name."""
        return name if self.names is None else self.names[name]

    @property
    def column_names(self) -> set[str] | None:
        """Names of the data's columns that are read, keys included; None if they may be any."""
        names = self.binding.column_names
        for key in self.by:
            roots = [key] if isinstance(key, str) else root_names(key)
            if names is None or roots is None:
                return None
            names = {*names, *roots}
        if names is not None and self.expiry is not None and self.expiry.column is not None:
            names = {*names, self.expiry.column}
        return names


def bind_steps(
    registry: Registry,
    plugins: Any,
    output: str | Sequence[str] | Mapping[str, str] | None,
    bindings: Mapping[str, Any],
    by: By = None,
    expire: Expire = None,
    *,
    replace: bool = False,
) -> list[BoundStep]:
    """Return the steps that a call names: one plugin, or a list of plugins and steps.

    Calls that say the same get the same list, which isn't to be changed.

    Raises
    ------
    PluginError
        If a plugin isn't known, or the bindings don't fit.
    """
    if replace is not False:
        check_flag("replace", replace)
    if not isinstance(plugins, (list, tuple)):
        if not isinstance(plugins, Step):
            found = registry.resolve(plugins)
            return _bind_one(found, output, bindings, by, expire, replace=replace)
        plugins = [plugins]
    if not plugins:
        msg = "a pipeline needs at least one plugin, got an empty list"
        raise BindingError(msg)
    if output is not None:
        msg, hint = "`output` names the columns of one plugin", "dfv.step(plugin, output=…)"
        raise BindingError(msg, argument="output", hint=f"in a pipeline write `{hint}`")
    if by is not None:
        msg, hint = "`by` names the keys of one plugin", "dfv.step(plugin, by=…)"
        raise BindingError(msg, argument="by", hint=f"in a pipeline write `{hint}`")
    if expire is not None:
        msg, hint = "`expire` is about the keys of one plugin", "dfv.step(plugin, by=…, expire=…)"
        raise BindingError(msg, argument="expire", hint=f"in a pipeline write `{hint}`")
    found_all = [registry.resolve(item.plugin if isinstance(item, Step) else item) for item in plugins]
    calls = remembered(found_all[0]).calls
    key = _pipeline_key(plugins, found_all, bindings, replace=replace)
    known: list[BoundStep] | None = calls.get(key)
    if known is None:
        known = _bind_pipeline(plugins, found_all, bindings, replace=replace)
        remember(calls, key, known)
    return known


def _bind_pipeline(
    plugins: Sequence[Any], found_all: Sequence[Plugin], bindings: Mapping[str, Any], *, replace: bool
) -> list[BoundStep]:
    steps = [item if isinstance(item, Step) else Step(item) for item in plugins]
    _check_shared(found_all, bindings)
    result = []
    for item, found in zip(steps, found_all, strict=True):
        names = {parameter.name for parameter in found.parameters}
        shared = {name: value for name, value in bindings.items() if name in names}
        binding = bind(found, {**shared, **item.bindings})
        keys = _keys(found, item.by)
        _check_output(found, item.output)
        expiry = _expiry(found, item.expire, keys)
        replaces = replace or item.replace
        result.append(BoundStep(found, binding, item.output, item.keep, keys, replaces, expiry=expiry))
    result[0] = result[0]._replace(kept=KeptPlan())
    return result


def _bind_one(
    plugin: Plugin,
    output: str | Sequence[str] | Mapping[str, str] | None,
    bindings: Mapping[str, Any],
    by: By,
    expire: Expire,
    *,
    replace: bool,
) -> list[BoundStep]:
    """Return the only step of a call; that of an earlier one that said the same."""
    calls = remembered(plugin).calls
    plain = output is None and by is None and not bindings
    expiry = None if expire is None else expiry_of(plugin.name, expire)
    key: Any = replace if plain else _call_key(output, bindings, by, replace=replace)
    if expiry is not None and key is not None:
        key = (key, expiry)
    if plugin.containers and key is not None:
        key = _with_containers(key, plugin)
    steps: list[BoundStep] | None = calls.get(key)
    if steps is None:
        if output is not None:
            _check_output(plugin, output)
        binding = bind(plugin, bindings)
        keys = _keys(plugin, by)
        expiry = _expiry(plugin, expiry, keys)
        kept = KeptPlan()
        steps = [BoundStep(plugin, binding, output, by=keys, replace=replace, kept=kept, expiry=expiry)]
        remember(calls, key, steps)
    return steps


def remember(calls: dict[Any, Any], key: Any, made: Any) -> None:
    """Keep what was made of a call by what was said in it, if that can be compared."""
    if key is None:
        return
    if len(calls) >= _MOST_CALLS:
        calls.clear()
    calls[key] = made


def _pipeline_key(
    plugins: Sequence[Any], found_all: Sequence[Plugin], bindings: Mapping[str, Any], *, replace: bool
) -> Any:
    """Return what tells a pipeline from others that begin with the same plugin, as `_call_key`.

    Raises
    ------
    TypeError
        If a flag of a step is none.
    """
    said: list[Any] = [_call_key(None, bindings, None, replace=replace)]
    for item, found in zip(plugins, found_all, strict=True):
        said.append(_with_containers(id(found), found))  # it lives as long as it is remembered
        if isinstance(item, Step):
            check_flag("keep", item.keep)
            check_flag("replace", item.replace)
            said += (item.keep, _call_key(item.output, item.bindings, item.by, replace=item.replace))
            said.append((expiry_of(found.name, item.expire),))
        else:
            said.append(True)
    return None if None in said else tuple(said)


def _call_key(output: Any, bindings: Mapping[str, Any], by: Any, *, replace: bool) -> Any:
    """Return what tells a call from others of its plugin; None if it holds what can't be compared."""
    said = [replace, output, by]
    if type(output) not in _COMPARABLE or type(by) not in _COMPARABLE:
        return None
    for name, value in bindings.items():
        told = _told(value)
        if told is None:
            return None
        said += (name, told)
    return tuple(said)


def _with_containers(key: Any, plugin: Plugin) -> Any:
    """Return a key with what the constants of a plugin hold that may change; None if that can't be told."""
    told = tuple(map(_told, plugin.containers))
    return None if None in told else (key, *told)


def _told(value: Any) -> Any:
    """Return what tells a value from others: 1 isn't 1.0 nor True, and 0.0 isn't -0.0.

    None of what can't be compared. A dict, a set or a list is told by what it holds now.
    """
    kind = type(value)
    if kind is str:
        return value
    if kind in _COMPARABLE:
        return kind, value.hex() if kind is float else value
    try:
        return frozen(value) if is_container(value) else None
    except NotATable:  # binding it will say why
        return None


def use_key(binding: Binding, keys: Sequence[str]) -> Any:
    """Return what tells a use of a plugin from others, whatever its columns are bound to.

    None if a constant can't be compared.

    Parameters
    ----------
    keys
        Names of its key columns.
    """
    said: list[Any] = list(keys)
    for item in binding.items:
        if isinstance(item, Column):
            said += (item.label, None)
        else:
            told = _told(item.value) if item.table is None else item.table
            if told is None:
                return None
            said += (item.parameter.name, told)
    return tuple(said)


def annotated_types(steps: Sequence[BoundStep]) -> dict[str, pl.DataType]:
    """Return what columns have to be by the annotations of the parameters that read them.

    Only those that a text can be read as; none of a column that is annotated in two ways. A step after one
    that has replaced a column says nothing about what the data holds.
    """
    found: dict[str, set[pl.DataType]] = {}
    replaced: set[str] = set()
    for step in steps:
        for item in step.binding.columns:
            dtype = likely_dtype(item.parameter.expects)
            if not isinstance(item.source, str) or item.source in replaced:
                continue
            if dtype is not None and not isinstance(dtype, _NO_TEXT):
                found.setdefault(item.source, set()).add(dtype)
        if step.replace:
            replaced.update(_output_names(step))
    return {name: types.pop() for name, types in found.items() if len(types) == 1}


def _output_names(step: BoundStep) -> Iterable[str]:
    """Return the names that a step's columns are given, by itself or by whoever calls it."""
    if step.output is None:
        return [step.plugin.name]
    if isinstance(step.output, str):
        return [step.output]
    return step.output.values() if isinstance(step.output, Mapping) else step.output


def _check_output(plugin: Plugin, output: Any) -> None:
    if output is None or isinstance(output, str):
        return
    names = output.values() if isinstance(output, Mapping) else output
    if not isinstance(output, (list, tuple, Mapping)) or not all(isinstance(name, str) for name in names):
        expected = "a name, a list of names or a dict from field to name"
        raise OutputNameError(plugin=plugin.name, argument="output", expected=expected, got=repr(output))


def _keys(plugin: Plugin, by: By) -> tuple[str | pl.Expr, ...]:
    if by is None:
        return ()
    if plugin.stateful is None:
        raise BindingError(
            Phrase("it carries no state, so it doesn't take ", Argument("by")),
            plugin=plugin.name,
            argument="by",
            hint="only scans and reduces do",
        )
    keys = tuple(by) if isinstance(by, (list, tuple)) else (by,)
    for key in keys:
        if not isinstance(key, (str, pl.Expr)):
            raise BindingError(
                plugin=plugin.name,
                argument="by",
                expected="a column name, a Polars expression or a list of these",
                got=type(key).__name__,
            )
    if not keys:
        hint = "leave it out for one state of all rows"
        raise BindingError(problem="`by` is an empty list", plugin=plugin.name, argument="by", hint=hint)
    return keys


def _expiry(plugin: Plugin, expire: Expire | Expiry, keys: Sequence[str | pl.Expr]) -> Expiry | None:
    expiry = expiry_of(plugin.name, expire)
    if expiry is not None and not keys:
        raise BindingError(
            problem="`expire` drops the states of keys, and there are none",
            plugin=plugin.name,
            argument="expire",
            hint=Phrase("give keys with ", Argument("by")),
        )
    return expiry


def _check_shared(plugins: Sequence[Plugin], bindings: Mapping[str, Any]) -> None:
    known = {parameter.name for plugin in plugins for parameter in plugin.parameters}
    for name in bindings:
        if name not in known:
            shown = ", ".join(f"`{plugin.name}`" for plugin in plugins)
            msg = f"none of the plugins {shown} has a parameter `{name}`"
            raise BindingError(msg, parameter=name, hint=near_matches(name, known))
