"""`explain` of a lazy query: which steps are fused into which node of it, and what they read and compute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.engine.execution.query_node import nodes_of
from dataflare_vec.interop.queries import query_below
from dataflare_vec.polars_plugin.library import native_calls

if TYPE_CHECKING:
    from collections.abc import Set

    import polars as pl

    from dataflare_vec.engine.execution.query_node import NodeStep, QueryNode

#: A source of ours in Polars' plan, and the line that says what it does.
_SOURCE = re.compile(r"PYTHON\[dataflare_vec\] SCAN(?:.*\n)*?\s*INFO: (.*) \(source (\d+)\)")


@by_public_name
@dataclass(frozen=True)
class NodeExplanation:
    """Steps that run fused, batch by batch, as one node of a query.

    Attributes
    ----------
    steps : tuple of str
        Those that run, each with the columns that it reads and writes.
    not_run : tuple of str
        Those whose columns nothing reads.
    reads, gives : tuple of str
        The columns of the query below that are read, and those that come out of it, masks left out.
    reason : str
        Why the steps aren't part of the node below; "" if there is none.
    beside : tuple of str
        Expressions before, between and after the steps, which Polars computes itself, and where.
    """

    steps: tuple[str, ...]
    not_run: tuple[str, ...]
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    reason: str = ""
    beside: tuple[str, ...] = ()

    def lines(self) -> list[tuple[str, str]]:
        """Return what there is to say, as pairs of label and text."""
        pairs = [("step", step) for step in self.steps]
        pairs += [("not run", f"{step}: nothing reads it") for step in self.not_run]
        pairs += [("beside", f"{expression}, by Polars") for expression in self.beside]
        pairs.append(("reads", ", ".join(self.reads) or "nothing"))
        pairs.append(("gives", ", ".join(self.gives) or "which rows stay"))
        if self.reason:
            pairs.append(("apart", f"from the steps before: {self.reason}"))
        return pairs


@by_public_name
@dataclass(frozen=True, repr=False)
class QueryExplanation:
    """The result of `explain` of a lazy query; shown as text, in a notebook in a box.

    Attributes
    ----------
    nodes : tuple of NodeExplanation
        The first to run first.
    in_order : tuple of str
        Pipelines that carry a state: they take all rows in their order, batch by batch.
    plan : str
        Polars' own, in which a node is ``OPAQUE_PYTHON``. Plugins that are expressions are part of it.
    below : tuple of QueryExplanation
        For each pipeline of ``in_order`` the query whose rows it takes.
    native : tuple of str
        Plugins that run natively, without Python, each with the dtypes of its columns.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> point = pl.LazyFrame({"lat1": [52.5], "lon1": [13.4], "lat2": [48.9], "lon2": [2.4]})
    >>> found = dfv.explain(point.pipe(dfv.apply, "haversine"))
    >>> len(found.nodes), found.in_order, found.native
    (1, (), ())
    >>> "OPAQUE_PYTHON" in found.plan
    True
    """

    nodes: tuple[NodeExplanation, ...]
    in_order: tuple[str, ...]
    plan: str
    below: tuple[QueryExplanation, ...] = ()
    native: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = []
        for number, node in enumerate(self.nodes, 1):
            rows.append(f"node {number}: fused, batch by batch, on Polars' threads")
            rows += [f"  {label:<8} {text}" for label, text in node.lines()]
        rows += [f"native: {text}, without Python, on Polars' threads" for text in self.native]
        for text, below in zip(self.in_order, self.below, strict=True):
            rows.append(f"source: {text}, batch by batch, whatever is above it")
            if below.nodes or below.in_order:
                rows += ["  of the rows of:", *(f"    {line}" for line in str(below).splitlines())]
        return "\n".join([*rows, "plan:", *(f"  {line}" for line in self.plan.splitlines())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from dataflare_vec._util.html import text

        return text("lazy query", str(self))


def explain_query(query: pl.LazyFrame) -> QueryExplanation:
    """Explain what becomes of the plugins in a query, once Polars has optimised it."""
    plan = query.explain(engine="streaming")
    nodes = tuple(_explain(node, wanted) for node, wanted in nodes_of(plan))
    sources = {int(number): text for text, number in _SOURCE.findall(plan)}
    below = [query_below(number) for number in sources]
    explained = [QueryExplanation((), (), "") if one is None else explain_query(one) for one in below]
    return QueryExplanation(nodes, tuple(sources.values()), plan, tuple(explained), tuple(native_calls(plan)))


def _explain(node: QueryNode, wanted: Set[str]) -> NodeExplanation:
    outputs = {
        column: name for one in node.steps for column, name in zip(one.writes, one.outputs, strict=True)
    }
    needed = node.needed_for(wanted)
    reads = frozenset[str]().union(*(node.steps[i].reads for i in needed)) - {node.selected}
    return NodeExplanation(
        tuple(_shown(node.steps[i]) for i in sorted(needed)),
        tuple(_shown(one) for i, one in enumerate(node.steps) if i not in needed),
        tuple(sorted(name for name in reads if name is not None)),
        tuple(name for column, name in outputs.items() if column in wanted),
        node.reason,
        node.beside,
    )


def _shown(one: NodeStep) -> str:
    plugin = one.step.plugin
    reads = ", ".join(str(item.source) for item in one.step.binding.columns)
    kind = plugin.kind
    return f"{kind} {plugin.name}({reads}) → {', '.join(one.outputs) or 'rows to keep'}"
