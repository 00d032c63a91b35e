"""Which of a batch's expressions go into one compiled loop, and what Polars keeps."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.binding import bind
from dataflare_vec.definition.plugin import Form, Parameter, Plugin, PluginInfo
from dataflare_vec.definition.trees.cost import in_parts, is_small, may_pay, pays
from dataflare_vec.definition.trees.evaluate import function_of, zero_of
from dataflare_vec.definition.trees.kinds import kind_of
from dataflare_vec.definition.trees.nodes import LEAVES, may_fail, plant
from dataflare_vec.definition.trees.reading import UNKNOWN, Reading, Unreadable
from dataflare_vec.definition.trees.rules import RULES
from dataflare_vec.definition.trees.typed import Typing
from dataflare_vec.definition.trees.whole import is_scalar
from dataflare_vec.engine.planning.steps import BoundStep

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dataflare_vec.definition.binding import Binding
    from dataflare_vec.definition.trees.nodes import Node, Planted, Source, Tree
    from dataflare_vec.definition.trees.reading import Read


class Fusion(NamedTuple):
    """How expressions over columns of some dtypes are computed.

    Attributes
    ----------
    steps : tuple of BoundStep
        The loops; none if nothing is worth one.
    fused : tuple of str
        What it computes, by name.
    nodes : tuple of Node
        The same, as nodes.
    computed : tuple of pl.Expr
        What Polars computes before, under names that the loop reads.
    left : tuple of pl.Expr
        What Polars computes beside it.
    why : mapping
        By name why it does.
    """

    steps: tuple[BoundStep, ...]
    fused: tuple[str, ...]
    nodes: tuple[Node, ...]
    computed: tuple[pl.Expr, ...]
    left: tuple[pl.Expr, ...]
    why: Mapping[str, str] = MappingProxyType({})


class Fusing:
    """Expressions that are to be computed together, as far as that pays.

    Parameters
    ----------
    expressions
        By name; each sees rows one by one.
    always
        Whether to compile whatever can be, and not only what pays.
    given
        What Polars computes of all rows, by the names of the columns that the expressions read.
    """

    def __init__(
        self,
        expressions: Mapping[str, pl.Expr],
        *,
        always: bool = False,
        given: Mapping[str, pl.Expr] = MappingProxyType({}),
    ) -> None:
        self.expressions = dict(expressions)
        self.given = dict(given)
        self.always = always
        self._reading = Reading()
        self._reads: dict[str, Read] = {}
        for name, expression in self.expressions.items():
            try:
                self._reads[name] = self._reading(expression)
            except Unreadable:
                continue

    @property
    def may_pay(self) -> bool:
        """Whether that can be expected, of whatever dtypes the columns are."""
        return self.always or may_pay(self._reads.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Fusing, always=self.always, given=self.given), (self.expressions,)

    def of_some(self, names: Collection[str]) -> Fusing:
        """Return some of them, by their names."""
        expressions = {name: one for name, one in self.expressions.items() if name in names}
        return Fusing(expressions, always=self.always, given=self.given)

    def over(self, schema: Mapping[str, Any], scalars: Mapping[str, Any] | None = None) -> Fusion:
        """Return how they are computed over columns of some dtypes.

        Parameters
        ----------
        schema
            The columns. Those of `given` may be missing.
        scalars
            The values of those that have one for all rows, as far as loops compute with them; any will do if
            they aren't known yet.
        """
        schema, scalars = self._completed(schema, scalars)
        typing = Typing(self._reading, schema, list(self._reads.values()), scalars)
        nodes = {name: typing.result(read) for name, read in self._reads.items()}
        there = {name: node for name, node in nodes.items() if node is not None and _is_compiled(node)}
        why = {name: _reason(nodes.get(name)) for name in self.expressions if name not in there}
        if there and not (self.always or pays(list(there.values()))):
            why |= dict.fromkeys(there, "it isn't worth a loop")
            there = {}
        parts = in_parts(there)
        why |= dict.fromkeys(there, "there are enough loops")
        there = {name: node for part in parts for name, node in part.items()}
        why = {name: reason for name, reason in why.items() if name not in there}
        left = tuple(self.expressions[name].alias(name) for name in self.expressions if name not in there)
        if not there:
            return Fusion((), (), (), (), left, why)
        steps = []
        computed: dict[str, str] = {}  # by its JSON the name of what Polars computes
        for part in parts:
            planted = plant(list(part.values()))
            names = [
                source.name or computed.setdefault(source.text, internal(f"source {len(computed)}"))
                for source in planted.sources
            ]
            steps.append(_step(planted, names, list(part)))
        before = tuple(self._reading.expressions[text].alias(name) for text, name in computed.items())
        return Fusion(tuple(steps), tuple(there), tuple(there.values()), before, left, why)

    def _completed(
        self, schema: Mapping[str, Any], scalars: Mapping[str, Any] | None
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return the same with the columns of `given`, and with values."""
        missing = [one.alias(name) for name, one in self.given.items() if name not in schema]
        if missing:
            schema = {**schema, **pl.DataFrame(schema=schema).select(missing).schema}
        if scalars is None:
            dtypes = {name: schema[name] for name in self.given if is_scalar(name)}
            scalars = {name: zero_of(dtype) for name, dtype in dtypes.items() if kind_of(dtype) is not None}
        return schema, scalars

    def shown(self, source: Source) -> str:
        """Return what a loop reads, as Polars writes it."""
        if source.name is None:
            return str(self._reading.expressions[source.text])
        return str(self.given.get(source.name, source.name))

    def why(self, source: Source) -> str:
        """Return why Polars computes what a loop reads."""
        given = self.given.get(source.name or "")
        operation = (self._reading.reads[source.text] if given is None else Reading()(given)).operation
        if operation == UNKNOWN:
            return "not known to loops"
        return f"`{operation}` " + (
            "isn't compiled for such dtypes" if operation in RULES else "isn't compiled"
        )


def _reason(node: Node | None) -> str:
    """Return why an expression isn't compiled, whether it is worth it or not."""
    if node is None:
        return "something in it isn't known, or of a dtype that loops don't compute"
    return "there is nothing to compile in it" if node.operation in LEAVES else "it is too long"


def _is_compiled(node: Node) -> bool:
    """Whether there is something to compute, and not too much."""
    return node.operation not in LEAVES and is_small(node)


class Kernel(NamedTuple):
    """An expression plugin as a row kernel.

    Attributes
    ----------
    binding : Binding
        Of a plugin of the same name, whose function computes the expression.
    names : tuple of str
        The columns that it reads, as the expression names them.
    dtypes : tuple
        Theirs.
    """

    binding: Binding
    names: tuple[str, ...]
    dtypes: tuple[Any, ...]


def as_kernel(plugin: Plugin, expression: pl.Expr, schema: Mapping[str, Any]) -> Kernel | None:
    """Return an expression plugin as a row kernel, whose loop can be one with those of its neighbours.

    None if something in it is computed by Polars, or may fail: Polars' errors are of whole columns.
    """
    reading = Reading()
    try:
        read = reading(expression)
    except Unreadable:
        return None
    node = Typing(reading, schema, [read]).result(read)
    if node is None or not _is_compiled(node) or may_fail(node):
        return None
    planted = plant([node])
    names = tuple(source.name for source in planted.sources if source.name is not None)
    if len(names) < len(planted.sources):
        return None
    binding = _bound(_named(plugin, planted.tree), planted, names)
    return Kernel(binding, names, planted.tree.columns)


def _named(plugin: Plugin, tree: Tree) -> Plugin:
    """Return a plugin that computes a tree and is called like another; always the same one for both."""
    known = remembered(plugin)
    with known.lock:
        made = known.derived.kernels.get(tree)
        if made is None:
            made = known.derived.kernels[tree] = replace(_plugin_of(tree), info=plugin.info)
    return made


def _bound(plugin: Plugin, planted: Planted, names: Sequence[str]) -> Binding:
    given = [*names, *planted.values]
    bound = {parameter.name: value for parameter, value in zip(plugin.parameters, given, strict=True)}
    return bind(plugin, bound)


def _step(planted: Planted, names: Sequence[str], outputs: Sequence[str]) -> BoundStep:
    """Return the loop as a step of a pipeline."""
    plugin = _plugin_of(planted.tree)
    return BoundStep(plugin, _bound(plugin, planted, names), list(outputs))


@lru_cache(maxsize=1024)
def _plugin_of(tree: Tree) -> Plugin:
    """Return a plugin that computes a tree, always the same one, so that it is compiled once."""
    count = len(tree.columns)
    parameters = [Parameter(f"v{i}", is_column=True, nullable=True) for i in range(count)]
    parameters += [
        Parameter(f"v{i}", is_column=False, default=zero_of(dtype))
        for i, dtype in enumerate(tree.constants, count)
    ]
    returns = tuple(node.dtype for node in tree.outputs)
    info = PluginInfo(name="expressions")
    return Plugin(info, Form.ROW, function_of(tree), tuple(parameters), returns=returns)
