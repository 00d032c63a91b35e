"""`explain` of expressions: what `fuse` compiles of them, and what Polars keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.public_pickles import by_public_name
from dataflare_vec.arrow.layouts.item_sizes import value_bytes
from dataflare_vec.arrow.layouts.string_views import VIEW_BYTES
from dataflare_vec.config.settings import check_flag
from dataflare_vec.definition.trees.nodes import LEAVES, plant, walk
from dataflare_vec.engine.planning.neighbours import groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import polars as pl

    from dataflare_vec.definition.trees.nodes import Node
    from dataflare_vec.engine.planning.fusion import Fusing
    from dataflare_vec.engine.planning.neighbours import Group

#: Lines of one expression that are shown.
_LINES = 40


@by_public_name
@dataclass(frozen=True)
class ExpressionExplanation:
    """One expression, and who computes it.

    Attributes
    ----------
    name : str
        Of its column.
    is_fused : bool
        Whether it is computed in a compiled loop, with its neighbours.
    reason : str
        Why it isn't; "" if it is.
    tree : tuple of str
        What the loop computes, line by line, from the result down to columns and constants.
    by_polars : tuple of str
        Parts of it that Polars computes before, as columns that the loop reads.
    aggregation : str
        What Polars computes of the loop's column, such as a sum; "" for nothing.
    """

    name: str
    is_fused: bool
    reason: str = ""
    tree: tuple[str, ...] = ()
    by_polars: tuple[str, ...] = ()
    aggregation: str = ""

    def lines(self) -> list[str]:
        """Return what there is to say."""
        if not self.is_fused:
            return [f"{self.name}: by Polars: {self.reason}"]
        over = f", of which Polars computes the {self.aggregation.lower()}" if self.aggregation else ""
        shown = list(self.tree[:_LINES])
        if len(self.tree) > _LINES:
            shown.append(f"… {len(self.tree) - _LINES} more")
        before = [f"  before, by Polars: {one}" for one in self.by_polars]
        return [f"{self.name}: compiled{over}", *(f"  {line}" for line in shown), *before]


@by_public_name
@dataclass(frozen=True, repr=False)
class ExpressionsExplanation:
    """The result of `explain` of expressions; shown as text, in a notebook in a box.

    Attributes
    ----------
    expressions : tuple of ExpressionExplanation
        In their order.
    loops : int
        How many loops there are.
    reads : tuple of str
        The columns that these read.
    bytes_fused : float
        Bytes a row that the loops read and write.
    bytes_polars : float
        Bytes a row that Polars would read and write for the same, one operation after the other.

    Examples
    --------
    >>> import dataflare_vec as dfv
    >>> import polars as pl
    >>> df = pl.DataFrame({"x": [1.0]})
    >>> found = dfv.explain([pl.col("x") * 2 + 1, (pl.col("x") * 3).alias("y")], df, always=True)
    >>> found.loops, found.reads
    (1, ('x',))
    >>> found.bytes_fused, found.bytes_polars
    (24.0, 48.0)
    """

    expressions: tuple[ExpressionExplanation, ...]
    loops: int
    reads: tuple[str, ...]
    bytes_fused: float
    bytes_polars: float

    def __str__(self) -> str:
        rows = [line for one in self.expressions for line in one.lines()]
        rows.append(f"loops: {self.loops}, over {', '.join(self.reads) or 'nothing'}")
        rows.append(f"memory: {self.bytes_fused:g} B/row, {self.bytes_polars:g} with one operation at a time")
        return "\n".join(rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from dataflare_vec._util.html import text

        return text("expressions", str(self))


def explain_expressions(
    expressions: Sequence[pl.Expr], schema: Mapping[str, Any], *, always: bool = False
) -> ExpressionsExplanation:
    """Explain what `fuse` makes of expressions over columns of some dtypes.

    Parameters
    ----------
    expressions
        As `fuse` gets them.
    schema
        The columns.
    always
        As `fuse` gets it.
    """
    check_flag("always", always)
    explained: list[ExpressionExplanation] = []
    loops = 0
    reads: dict[str, None] = {}
    fused, by_polars = 0.0, 0.0
    for group in groups(expressions, always=always):
        if group.fusing is None:
            explained += [ExpressionExplanation(_name(part.whole), False, group.why) for part in group.parts]
            continue
        fusion = group.fusing.over(schema)
        nodes = dict(zip(fusion.fused, fusion.nodes, strict=True))
        explained += _explained(group, group.fusing, nodes, fusion.why)
        loops += len(fusion.steps)
        for step in fusion.steps:
            planted = plant([nodes[name] for name in step.output or ()])
            fused += sum(map(_bytes, (*planted.tree.columns, *(one.dtype for one in planted.tree.outputs))))
            reads |= dict.fromkeys(map(group.fusing.shown, planted.sources))
        by_polars += sum(map(_bytes_of, _operations(nodes.values())))
    return ExpressionsExplanation(tuple(explained), loops, tuple(reads), fused, by_polars)


def _name(expression: pl.Expr) -> str:
    meta = expression.meta
    return (
        str(expression)
        if meta.has_multiple_outputs()
        else meta.output_name(raise_if_undetermined=False) or ""
    )


def _explained(
    group: Group, fusing: Fusing, nodes: Mapping[str, Node], why: Mapping[str, str]
) -> Iterator[ExpressionExplanation]:
    aggregation = group.aggregation.name if group.aggregation is not None else ""
    for name in fusing.expressions:
        if name not in nodes:
            yield ExpressionExplanation(name, False, why.get(name, ""))
            continue
        columns = dict.fromkeys(one.options[0] for one in walk(nodes[name]) if one.operation == "column")
        before = tuple(
            f"{fusing.shown(one)}: {fusing.why(one)}"
            for one in columns
            if one.name is None or one.name in fusing.given
        )
        tree = tuple(_tree(fusing, nodes[name], 0))
        yield ExpressionExplanation(name, True, "", tree, before, aggregation)


def _tree(fusing: Fusing, node: Node, depth: int) -> Iterator[str]:
    if node.operation == "column":
        what = fusing.shown(node.options[0])
    elif node.operation == "constant":
        value, _, given = node.options
        what = str(value if given is None else fusing.given[given])
    else:
        what = " ".join([node.operation, *map(str, node.options)])
    yield f"{'  ' * depth}{what}: {node.dtype}"
    for argument in node.arguments:
        yield from _tree(fusing, argument, depth + 1)


def _operations(nodes: Iterable[Node]) -> list[Node]:
    """Return the operations of expressions, each once: Polars finds what is there twice."""
    return list(dict.fromkeys(one for node in nodes for one in walk(node) if one.operation not in LEAVES))


def _bytes_of(node: Node) -> float:
    """Bytes a row that an operation by itself reads and writes."""
    read = [one.dtype for one in node.arguments if one.operation not in ("constant", "null")]
    return sum(map(_bytes, (*read, node.dtype)))


def _bytes(dtype: Any) -> float:
    return value_bytes(dtype) or VIEW_BYTES
