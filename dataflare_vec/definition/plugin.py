"""What a plugin is: a named function or expression, its parameters, and what is known about it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util import hooks
from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec._util.suggestions import near_matches
from dataflare_vec.definition.annotation_scope import raw_annotations
from dataflare_vec.definition.annotations import (
    Reading,
    Result,
    parameter_problem,
    read_parameters,
    read_result,
)
from dataflare_vec.definition.exploding import problem_of_rows, read_rows
from dataflare_vec.definition.partials import as_function
from dataflare_vec.definition.state_containers import Container, containers_of
from dataflare_vec.definition.state_layout import Buffer, StateLayout, check_state, has_own_memory
from dataflare_vec.definition.tables.frozen import is_container
from dataflare_vec.exceptions import AnnotationWarning, PluginDefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

API_VERSION = "1.0"

#: What `math` may be: ours, which vectorise; ours, reassociated; Numba's, one call a row.
MATH = ("precise", "fast", "libm")

#: How many rows before or after its own a row kernel may receive: each is an argument of the compiled loop.
MOST_NEIGHBOURS = 32
#: What `fallback` may be: an error, or the interpreter.
FALLBACKS = (None, "python")
#: What `empty` may be: such a row is left out, or stays one with null.
EMPTY = ("drop", "null")

#: What `returns` may hold for one output: a dtype, or the name of the parameter whose dtype it has.
Returns = Any


@by_public_name
class PluginType(Enum):
    """Kind of a plugin: what it does with rows.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> @dfv.filter
    ... def adult(age):
    ...     return age >= 18
    >>> adult.info.plugin_type is dfv.PluginType.FILTER
    True
    >>> [kind.value for kind in dfv.PluginType]
    ['transformer', 'filter', 'exploder', 'aggregator']
    """

    TRANSFORMER = "transformer"  # adds columns
    FILTER = "filter"  # keeps rows
    EXPLODER = "exploder"  # gives any number of rows for one
    AGGREGATOR = "aggregator"  # makes one row of many


class Form(Enum):
    """How a plugin is written, and so how the engine runs it."""

    ROW = "row kernel"  # scalars in, scalars out
    COLUMN = "column kernel"  # arrays of a chunk in, arrays out
    SCAN = "scan"  # a state and scalars in, the next state and scalars out
    REDUCE = "reduce"  # a state and scalars in, the next state out
    EXPRESSION = "expression"  # a Polars expression


@by_public_name
@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """Metadata of a plugin.

    Attributes
    ----------
    name : str
        The name it is called by.
    version : str
        Version of the plugin.
    plugin_type : PluginType
        Whether it adds columns or keeps rows.
    description : str
        One line; by default the first line of the docstring.
    author : str
        Author of the plugin.
    api_version : str
        Version of the plugin interface it was written for.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> @dfv.plugin(version="1.2.0", author="Ada")
    ... def area(width, height):
    ...     'Return the area of a rectangle.'
    ...     return width * height
    >>> area.info.name, area.info.version, area.info.author
    ('area', '1.2.0', 'Ada')
    >>> area.info.description
    'Return the area of a rectangle.'
    """

    name: str
    version: str = "1.0.0"
    plugin_type: PluginType = PluginType.TRANSFORMER
    description: str = ""
    author: str = ""
    api_version: str = API_VERSION


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a plugin.

    A parameter without default is a column, one with a default is a constant. `nullable` is whether
    it is annotated ``X | None``; with `lookback` or `lookahead` it receives a tuple of that many rows more;
    `expects` is what it is annotated with, where that is one of Python's classes for a column (``int``,
    ``datetime.date``, …), ``list`` or ``list[int]`` for a list, or a class of named tuples for a struct.
    """

    name: str
    is_column: bool
    default: Any = None
    nullable: bool = False
    expects: Any = None
    lookback: int = 0
    lookahead: int = 0

    @property
    def offsets(self) -> tuple[int, ...]:
        """The rows it receives, counted from the kernel's own; ``x[i]`` of the tuple is row ``i``."""
        return (*range(self.lookahead + 1), *range(-self.lookback, 0))


@dataclass(frozen=True, slots=True)
class Stateful:
    """What a scan or a reduce carries.

    Attributes
    ----------
    parameter : str
        Name of the function's first parameter, which is the state.
    init
        The state before the first row.
    merge : Callable or None
        ``(state, state) -> state``, of two parts of the rows.
    finish : Callable or None
        ``state -> value``.
    block : Callable or None
        ``(state, array…) -> state``, of many rows.
    buffer : Buffer or None
        Of a state that holds rows of a block: how it is made; see `definition.blocks`.
    containers : dict
        What lists and deques of the state hold; see `state_containers`.
    """

    parameter: str
    init: Any
    merge: Callable[..., Any] | None = None
    finish: Callable[..., Any] | None = None
    block: Callable[..., Any] | None = None
    buffer: Buffer | None = None
    containers: dict[str, Container] = field(default_factory=dict)

    def complete(self, state_layout: StateLayout) -> StateLayout:
        """Return a layout with the plugin's own initial state, which no machine code depends on."""
        return replace(state_layout, init=self.init, containers=self.containers)


@dataclass(frozen=True, eq=False)
class Plugin:
    """A registered plugin, callable like the function it was made from.

    Made by the decorators and by `register`, not by hand.

    Attributes
    ----------
    info : PluginInfo
        Name, version, type, description, author.
    form : Form
        Row kernel, column kernel or expression.
    function : Callable or polars.Expr
        What was registered.
    parameters : tuple of Parameter
        In the order of the function; for an expression, the columns it reads.
    returns
        Declared output types, or None to infer them.
    result : Result or None
        Output types from the return annotation of a row kernel, if they aren't declared.
    math : str
        Which mathematical functions a row kernel is compiled with: "precise", "fast" or "libm".
    fallback : str or None
        How to treat a row kernel that can't be compiled: None is an error, "python" runs it row by row.
    optimize_batch_size : Callable or None
        The plugin's own ``(current_size, latency, throughput) -> size``, instead of the tuner's.
    stateful : Stateful or None
        The state that a scan or a reduce carries from row to row.
    empty : str
        What becomes of a row for which an explode gives none: "drop" or "null".

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> @dfv.plugin
    ... def volume(width, height, depth=1.0):
    ...     return width * height * depth
    >>> volume
    <row kernel `volume(width, height, depth=1.0)`>
    >>> volume(2.0, 3.0)
    6.0
    >>> [one.name for one in volume.parameters if one.is_column]
    ['width', 'height']
    """

    info: PluginInfo
    form: Form
    function: Any
    parameters: tuple[Parameter, ...]
    returns: Returns | tuple[Returns, ...] | dict[str, Returns] | None = None
    math: str = "precise"
    optimize_batch_size: Callable[[int, timedelta, float], int] | None = None
    fallback: str | None = None
    stateful: Stateful | None = None
    result: Result | None = None
    empty: str = "drop"

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", getattr(self.function, "__doc__", None))
        object.__setattr__(self, "__wrapped__", self.function)
        # Of the module that defines it: doctest passes over what seems imported.
        module = getattr(plain(self.function), "__module__", None)
        if module and not isinstance(self.function, pl.Expr):
            object.__setattr__(self, "__module__", module)

    @property
    def name(self) -> str:
        """The name it is called by."""
        return self.info.name

    @cached_property
    def containers(self) -> tuple[Any, ...]:
        """The dicts, sets and lists that constants of it are, if a call says nothing else."""
        return tuple(
            p.default
            for p in self.parameters
            if not p.is_column and is_container(p.default) and not isinstance(p.default, (tuple, frozenset))
        )

    @property
    def is_filter(self) -> bool:
        """Whether it keeps rows instead of adding columns."""
        return self.info.plugin_type is PluginType.FILTER

    @property
    def is_exploder(self) -> bool:
        """Whether it gives any number of rows for one."""
        return self.info.plugin_type is PluginType.EXPLODER

    @property
    def kind(self) -> str:
        """What it is, in a word or two."""
        if self.is_filter:
            return "filter"
        return "explode" if self.is_exploder else self.form.value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function that was registered."""
        if isinstance(self.function, pl.Expr):
            msg = f"plugin `{self.name}` is an expression; use it with `apply` or `dfv.expr`"
            raise TypeError(msg)
        return self.function(*args, **kwargs)

    def __copy__(self) -> Plugin:
        return self  # its definition can't be changed

    def __deepcopy__(self, memo: object) -> Plugin:
        return self

    def compile(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Compile a row kernel for given dtypes; see `dataflare_vec.compile_ahead`.

        Parameters
        ----------
        schema
            From column to dtype.
        """
        return hooks.compile_ahead(self, schema)

    def __repr__(self) -> str:
        return f"<{self.form.value} `{self.name}({', '.join(self.shown_parameters())})`>"

    def shown_parameters(self) -> list[str]:
        """Return the parameters as a signature has them: columns by name, constants with their defaults."""
        return [p.name if p.is_column else f"{p.name}={p.default!r}" for p in self.parameters]


def plain(function: Any) -> Any:
    """Return the Python function that Numba has wrapped, without importing numba."""
    return getattr(function, "py_func", function)


@lru_cache(256)
def by_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function as one that takes all arguments by their place, those of keyword-only ones too."""
    parameters = inspect.signature(plain(function)).parameters.values()
    named = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    if not named:
        return function
    count = len(parameters) - len(named)
    return lambda *given: function(*given[:count], **dict(zip(named, given[count:], strict=True)))


def root_names(expression: pl.Expr) -> list[str] | None:
    """Return the columns that an expression reads; None if it means them by a pattern, as ``pl.all()``."""
    if mentions(expression, "Selector"):
        return None  # Polars itself would say that it reads none
    return list(dict.fromkeys(expression.meta.root_names()))


def mentions(expression: pl.Expr, kind: str) -> bool:
    """Whether the tree of an expression, as Polars writes it, has a node of some kind."""
    try:
        return f'"{kind}"' in expression.meta.serialize(format="json")
    except pl.exceptions.ComputeError:  # a Python function in it, as of `dfv.expr`, that can't be pickled
        return any(mentions(part, kind) for part in expression.meta.pop())


def define(
    target: Any,
    *,
    name: str | None,
    form: Form,
    plugin_type: PluginType | str,
    returns: Any = None,
    version: str = "1.0.0",
    description: str | None = None,
    author: str = "",
    math: str = "precise",
    optimize_batch_size: Callable[[int, timedelta, float], int] | None = None,
    init: Any = None,
    merge: Callable[..., Any] | None = None,
    finish: Callable[..., Any] | None = None,
    block: Callable[..., Any] | None = None,
    lookback: int | Mapping[str, int] = 0,
    lookahead: int | Mapping[str, int] = 0,
    fallback: str | None = None,
    empty: str = "drop",
) -> Plugin:
    """Make a plugin of a function or an expression.

    Raises
    ------
    PluginDefinitionError
        If it can't be one; the message says why.
    """
    _check_texts(name=name, description=description, version=version, author=author)
    if isinstance(target, partial):
        target = _of_partial(target, name)
    _check_choices(name, plugin_type, math, fallback, empty)
    if isinstance(target, pl.Expr):
        form = Form.EXPRESSION
        if name is None:
            msg, hint = "an expression has no name of its own", "register it as `register(name, expr)`"
            raise PluginDefinitionError(msg, hint=hint)
        parameters = tuple(Parameter(root, is_column=True) for root in root_names(target) or ())
    else:
        is_exploder = PluginType(plugin_type) is PluginType.EXPLODER
        name = _name_of(target, name, may_yield=is_exploder)
        parameters = _parameters_of(name, plain(target), skip=form in (Form.SCAN, Form.REDUCE))
        parameters = _with_neighbours(name, parameters, "lookback", lookback)
        parameters = _with_neighbours(name, parameters, "lookahead", lookahead)
        parameters = _with_annotations(name, parameters, plain(target), form)
    if description is None:
        description = (inspect.getdoc(plain(target)) or "").partition("\n")[0]
        description = "" if isinstance(target, pl.Expr) else description
    info = PluginInfo(
        name=name,
        version=version,
        plugin_type=PluginType(plugin_type),
        description=description,
        author=author,
    )
    if optimize_batch_size is not None and not callable(optimize_batch_size):
        raise PluginDefinitionError(
            plugin=name,
            argument="optimize_batch_size",
            expected="a function of (current_size, latency, throughput)",
            got=repr(optimize_batch_size),
        )
    stateful = None
    if form in (Form.SCAN, Form.REDUCE):
        stateful = _stateful(name, plain(target), init, merge, finish, block)
    plugin = Plugin(
        info, form, target, parameters, returns, math, optimize_batch_size, fallback, stateful, empty=empty
    )
    if plugin.is_exploder:
        return _exploding(plugin)
    if form is Form.ROW and returns is None and not plugin.is_filter:
        return replace(plugin, result=read_result(plain(target)))
    return plugin


def _of_partial(target: partial[Any], name: str | None) -> Any:
    """Return the function of a partial one, with what is bound as defaults."""
    called = target.func
    function = plain(called.function if isinstance(called, Plugin) else called)
    try:
        return as_function(target, function)
    except TypeError as error:
        problem = f"what it binds doesn't fit `{inspect.signature(function)}`: {error}"
        raise PluginDefinitionError(problem, plugin=name or getattr(function, "__name__", None)) from None


def _exploding(plugin: Plugin) -> Plugin:
    """Return an explode with what its function's annotation says."""
    if plugin.form is not Form.ROW:
        problem = f"it is an explode, and {plugin.form.value}s can't be"
        hint = "register a function of one row"
    else:
        problem, hint = problem_of_rows(plain(plugin.function), plugin.returns)
    if problem:
        raise PluginDefinitionError(problem, plugin=plugin.name, hint=hint)
    if plugin.returns is not None:
        return plugin
    return replace(plugin, result=read_rows(plain(plugin.function)))


def _check_choices(
    name: str | None, plugin_type: object, math: object, fallback: object, empty: object
) -> None:
    """Raise if what is said of a plugin means nothing."""
    if empty not in EMPTY:
        expected = '"drop" or "null"'
        raise PluginDefinitionError(plugin=name, argument="empty", expected=expected, got=repr(empty))
    if math not in MATH:
        expected = '"precise", "fast" or "libm"'
        raise PluginDefinitionError(plugin=name, argument="math", expected=expected, got=repr(math))
    if fallback not in FALLBACKS:
        expected = 'None or "python"'
        raise PluginDefinitionError(plugin=name, argument="fallback", expected=expected, got=repr(fallback))
    kinds = [kind.value for kind in PluginType]
    if not isinstance(plugin_type, PluginType) and plugin_type not in kinds:
        hint = near_matches(str(plugin_type), kinds)
        msg = f"`plugin_type` is {plugin_type!r}"
        raise PluginDefinitionError(msg, plugin=name, argument="plugin_type", got=plugin_type, hint=hint)


def _check_texts(**said: object) -> None:
    """Raise if the name of a plugin, or what else is text, isn't."""
    for what, given in said.items():
        if given is not None and not isinstance(given, str):
            msg = f"`{what}` of a plugin must be a string, got {given!r}"
            raise PluginDefinitionError(msg, argument=what, expected="a string", got=repr(given))
    if said["name"] == "":
        msg = "the name of a plugin must be a string that isn't empty, got ''"
        raise PluginDefinitionError(msg, argument="name")


def _stateful(
    name: str,
    function: Callable[..., Any],
    init: Any,
    merge: Callable[..., Any] | None,
    finish: Callable[..., Any] | None,
    block: Callable[..., Any] | None,
) -> Stateful:
    problem = check_state("`init`", init)
    parameters = inspect.signature(function).parameters
    for what, given, count, takes in (
        ("merge", merge, 2, "two states"),
        ("finish", finish, 1, "one state"),
        ("block", block, len(parameters), "what the function takes, with arrays for values"),
    ):
        if given is None or problem:
            continue
        if not callable(given):
            problem = f"`{what}` must be a function, got {type(given).__name__}"
        elif len(inspect.signature(plain(given)).parameters) != count:
            problem = f"`{what}` must take {takes}, it takes `{inspect.signature(plain(given))}`"
    if block is not None and not problem:
        if merge is None or finish is None:
            problem = "`block` needs `merge` and `finish`"
        elif any(parameter.default is not parameter.empty for parameter in parameters.values()):
            problem = "`block` is for functions of columns, without constants"
        elif has_own_memory(init):
            problem = "`block` is for states of numbers"
    containers: dict[str, Container] = {}
    if not problem:
        try:
            containers = containers_of(function, init)
        except ValueError as error:
            problem = str(error)
    if problem:
        raise PluginDefinitionError(problem, plugin=name)
    return Stateful(next(iter(parameters)), init, merge, finish, block, containers=containers)


def _name_of(target: Any, name: str | None, *, may_yield: bool) -> str:
    function = plain(target)
    shown = name or getattr(function, "__name__", None) or repr(target)
    problem, hint = None, ""
    if not callable(target) or isinstance(target, type):
        problem = f"it must be a function or a Polars expression, got {type(target).__name__}"
    elif inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        problem, hint = "it is async", "a kernel computes, it can't wait: remove `async`"
    elif inspect.isgeneratorfunction(function) and not may_yield:
        problem = "it is a generator"
        hint = "return one value for a row instead of `yield`, or decorate it with `dfv.explode`"
    elif name is None and shown == "<lambda>":
        problem, hint = "it is a lambda without a name", "give it one: `register(name, function)`"
    elif not inspect.isfunction(function):
        problem = f"it must be a Python function or a `numba.njit` one, got {type(function).__name__}"
    if problem:
        raise PluginDefinitionError(problem, plugin=shown, hint=hint)
    return str(shown)


def _parameters_of(name: str, function: Callable[..., Any], *, skip: bool) -> tuple[Parameter, ...]:
    """Return the parameters; without the first, the state, if ``skip``."""
    parameters = []
    for i, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginDefinitionError(
                problem=f"it takes `{parameter}`",
                plugin=name,
                parameter=parameter.name,
                hint="name each parameter, because each is bound to a column by its name",
            )
        if skip and i == 0:
            continue
        is_column = parameter.default is parameter.empty
        default = None if is_column else parameter.default
        parameters.append(Parameter(parameter.name, is_column, default))
    if not any(parameter.is_column for parameter in parameters):
        after = "after the state " if skip else ""
        hint = f"give it at least one parameter without default {after}"
        hint += "(a parameter with a default is a constant)"
        raise PluginDefinitionError(problem="it reads no column", plugin=name, hint=hint)
    return tuple(parameters)


def _with_neighbours(
    name: str, parameters: tuple[Parameter, ...], what: str, given: int | Mapping[str, int]
) -> tuple[Parameter, ...]:
    """Return parameters that receive as many rows before or after as ``given`` says, for all or by name."""
    columns = [parameter.name for parameter in parameters if parameter.is_column]
    counts = given if isinstance(given, Mapping) else dict.fromkeys(columns, given)
    for parameter, count in counts.items():
        problem = None
        hint = "a scan can look back further"
        if parameter not in columns:
            problem, hint = f"names `{parameter}`, which is not a column", near_matches(parameter, columns)
        elif not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST_NEIGHBOURS:
            problem = f"must be a number of rows from 0 to {MOST_NEIGHBOURS}, got {count!r}"
        if problem:
            msg = f"`{what}` {problem}"
            raise PluginDefinitionError(msg, plugin=name, parameter=parameter, argument=what, hint=hint)
    if what == "lookback":
        return tuple(replace(p, lookback=counts.get(p.name, 0)) for p in parameters)
    return tuple(replace(p, lookahead=counts.get(p.name, 0)) for p in parameters)


def _with_annotations(
    name: str, parameters: tuple[Parameter, ...], function: Callable[..., Any], form: Form
) -> tuple[Parameter, ...]:
    """Return parameters with what their annotations say."""
    readings = read_parameters(function)
    found = []
    for parameter in parameters:
        reading = readings.get(parameter.name, Reading())
        if len(parameter.offsets) > 1 and reading.item is not None:  # the tuple of rows that it receives
            item = reading.item
            reading = replace(item, nullable=reading.nullable or item.nullable)
        # Of a constant the value counts; what a column kernel receives are arrays.
        if parameter.is_column and parameter.name != "self" and form not in (Form.COLUMN, Form.EXPRESSION):
            _check_annotation(name, parameter.name, function, reading)
        found.append(replace(parameter, nullable=reading.nullable, expects=_expected(reading, form)))
    return tuple(found)


def _expected(reading: Reading, form: Form) -> Any:
    if form is Form.COLUMN and reading.kind is list:  # an array of the column's values
        reading = reading.item or Reading()
    return None if parameter_problem(reading) else reading.expects


def _check_annotation(name: str, parameter: str, function: Callable[..., Any], reading: Reading) -> None:
    if reading.unknown:
        code = function.__code__
        msg = (
            f"plugin `{name}`: the annotation of parameter `{parameter}` can't be evaluated: "
            f"`{reading.unknown}` isn't defined at run time. The parameter accepts values of any type, and "
            "dates as integers; import the name outside `if TYPE_CHECKING:`"
        )
        warnings.warn_explicit(
            msg, AnnotationWarning, code.co_filename, code.co_firstlineno, function.__module__
        )
    if problem := parameter_problem(reading):
        shown = raw_annotations(function)[parameter]
        shown = shown if isinstance(shown, str) else inspect.formatannotation(shown)
        msg = f"parameter `{parameter}` is annotated `{shown}`: {problem}"
        raise PluginDefinitionError(msg, plugin=name, parameter=parameter)
