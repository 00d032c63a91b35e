"""A query over frames, rebuilt from the plan that Polars shows to other engines.

Its binary form holds the data of frames: copying that takes longer than most queries. What is rebuilt here is
only used if Polars shows the very same plan of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dataflare_vec.definition.trees.reading import Unreadable
from dataflare_vec.definition.trees.viewed import viewed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Make = Callable[[Sequence[pl.LazyFrame], Sequence[pl.Expr]], pl.LazyFrame]

#: Of a slice to the end.
_TO_THE_END = ((1 << 32) - 1, (1 << 64) - 1)

#: Whose expressions may be computed otherwise.
_COMPUTING = ("HStack", "Select", "Filter", "GroupBy")


class ViewedNode(NamedTuple):
    """A step of a query.

    Attributes
    ----------
    kind : str
        As Polars calls it.
    source : int
        The number of its first input.
    where : int
        Its own.
    expressions : tuple of pl.Expr
        What it computes.
    """

    kind: str
    source: int
    where: int
    expressions: tuple[pl.Expr, ...]


class _Step(NamedTuple):
    kind: str
    sources: tuple[int, ...]
    expressions: tuple[pl.Expr, ...]
    make: Make


class Viewed:
    """A query over frames.

    Parameters
    ----------
    query
        The query.

    Raises
    ------
    Unreadable
        If something of it isn't known.
    """

    def __init__(self, query: pl.LazyFrame) -> None:
        self._steps: list[_Step] = []
        plan = _Plan(query)
        self._read(plan, plan.root)
        self._made = self._make({})
        again = _Plan(self._made[-1])
        if plan.shape(plan.root) != again.shape(again.root):
            msg = "Polars shows another plan of what was read"
            raise Unreadable(msg)

    def nodes(self) -> Iterator[ViewedNode]:
        """Yield the nodes whose expressions may be computed otherwise, inputs first."""
        for number, step in enumerate(self._steps):
            if step.kind in _COMPUTING:
                yield ViewedNode(step.kind, step.sources[0], number, step.expressions)

    def below(self, number: int) -> pl.LazyFrame:
        """Return the query up to one of its nodes."""
        return self._made[number]

    def replaced(self, nodes: Mapping[int, Sequence[pl.Expr]]) -> pl.LazyFrame:
        """Return the query with other expressions in some nodes."""
        return self._make(nodes)[-1]

    def _make(self, nodes: Mapping[int, Sequence[pl.Expr]]) -> list[pl.LazyFrame]:
        made: list[pl.LazyFrame] = []
        for number, step in enumerate(self._steps):
            sources = [made[source] for source in step.sources]
            made.append(step.make(sources, nodes.get(number, step.expressions)))
        return made

    def _read(self, plan: _Plan, number: int) -> int:
        """Add a node and all below it; return its number."""
        sources = tuple(self._read(plan, one) for one in plan.inputs(number))
        kind, view = plan.node(number)
        reader = _STEPS.get(kind)
        if reader is None:
            msg = f"{kind} isn't known"
            raise Unreadable(msg)
        expressions, make = reader(view, plan)
        self._steps.append(_Step(kind, sources, tuple(expressions), make))
        return len(self._steps) - 1


class _Plan:
    """What Polars shows of a query that isn't optimised."""

    def __init__(self, query: pl.LazyFrame) -> None:
        try:
            plain = query._ldf.with_optimizations(pl.QueryOptFlags.none()._pyoptflags)
            self._traverser = plain.visit()
            self.root: int = self._traverser.get_node()
        except AttributeError as error:  # another version's
            raise Unreadable(str(error)) from error

    def node(self, number: int) -> tuple[str, Any]:
        self._traverser.set_node(number)
        try:
            view = self._traverser.view_current_node()
        except NotImplementedError as error:
            raise Unreadable(str(error)) from error
        return type(view).__name__, view

    def inputs(self, number: int) -> list[int]:
        self._traverser.set_node(number)
        return list(self._traverser.get_inputs())

    def expression(self, part: Any) -> pl.Expr:
        """Return an expression that Polars shows, with its name."""
        return self.unnamed(part).alias(part.output_name)

    def unnamed(self, part: Any) -> pl.Expr:
        """Return an expression that Polars shows, by the name that it has itself."""
        return viewed(self._show, part.node)

    def _show(self, number: int) -> Any:
        try:
            return self._traverser.view_expression(number)
        except NotImplementedError as error:
            raise Unreadable(str(error)) from error

    def shape(self, number: int) -> Any:
        """Return all that Polars shows of a node and what is below it."""
        kind, view = self.node(number)
        said = {
            key: repr(value)
            for key, value in _attributes(view).items()
            if key not in _LINKS and not _is_expression(value)
        }
        if kind == "DataFrameScan":
            said["df"] = repr(pl.DataFrame._from_pydf(view.df).schema)
        elif kind == "GroupBy":
            said["options"] = repr(_attributes(view.options))
        expressions = [(one.output_name, self._shape_of(one.node)) for one in self._traverser.get_exprs()]
        if kind == "Select" and all(shape[0] == "Column" for _, shape in expressions):
            del said["should_broadcast"]  # columns have one length
        return kind, said, expressions, [self.shape(one) for one in self.inputs(number)]

    def _shape_of(self, number: int) -> Any:
        view = self._show(number)
        said: list[tuple[str, Any]] = []
        for key, value in _attributes(view).items():
            is_window = type(view).__name__ == "Window"
            if value is not None and key in (_OF_WINDOW if is_window else _PARTS):
                parts = value if isinstance(value, list) else [value]
                said.append((key, [self._shape_of(one) for one in parts]))
            elif is_window and key == "options":
                said.append((key, value.kind))
            else:
                said.append((key, repr(value)))
        return type(view).__name__, said


#: What refers to other nodes, or is compared otherwise.
_LINKS = frozenset({"input", "input_left", "input_right", "inputs", "df"})
_OF_WINDOW = frozenset({"function", "partition_by", "order_by"})
_PARTS = frozenset({"left", "right", "expr", "truthy", "falsy", "predicate", "input", "by", "arguments"})


def _attributes(view: Any) -> dict[str, Any]:
    return {name: getattr(view, name) for name in dir(view) if not name.startswith("_")}


def _is_expression(value: Any) -> bool:
    several = isinstance(value, list) and bool(value)
    return type(value[0] if several else value).__name__ == "PyExprIR"


def _frame(view: Any, _: _Plan) -> tuple[list[pl.Expr], Make]:
    if view.projection is not None or view.selection is not None:
        msg = "a frame of which less is read"
        raise Unreadable(msg)
    df = pl.DataFrame._from_pydf(view.df)
    return [], lambda *_: df.lazy()


def _with_columns(view: Any, plan: _Plan) -> tuple[list[pl.Expr], Make]:
    return [plan.expression(one) for one in view.exprs], lambda given, exprs: given[0].with_columns(exprs)


def _select(view: Any, plan: _Plan) -> tuple[list[pl.Expr], Make]:
    return [plan.expression(one) for one in view.expr], lambda given, exprs: given[0].select(exprs)


def _filter(view: Any, plan: _Plan) -> tuple[list[pl.Expr], Make]:
    predicate = plan.unnamed(view.predicate)
    return [predicate], lambda given, exprs: given[0].filter(*exprs)


def _group_by(view: Any, plan: _Plan) -> tuple[list[pl.Expr], Make]:
    if view.apply or any(value is not None for value in _attributes(view.options).values()):
        msg = "groups of another kind"
        raise Unreadable(msg)
    keys = [plan.expression(one) for one in view.keys]
    in_order = view.maintain_order
    return [
        plan.expression(one) for one in view.aggs
    ], lambda given, exprs: given[0].group_by(keys, maintain_order=in_order).agg(exprs)


def _sort(view: Any, plan: _Plan) -> tuple[list[pl.Expr], Make]:
    by = [plan.unnamed(one) for one in view.by_column]
    in_order, nulls_last, descending = view.sort_options
    return [], lambda given, _: given[0].sort(
        by, descending=descending, nulls_last=nulls_last, maintain_order=in_order
    )


def _slice(view: Any, _: _Plan) -> tuple[list[pl.Expr], Make]:
    offset, length = view.offset, None if view.len in _TO_THE_END else view.len
    return [], lambda given, _: given[0].slice(offset, length)


def _unique(view: Any, _: _Plan) -> tuple[list[pl.Expr], Make]:
    keep, subset, in_order, _rows = view.options
    return [], lambda given, _: given[0].unique(subset, keep=keep, maintain_order=in_order)


def _join(view: Any, plan: _Plan) -> tuple[list[pl.Expr], Make]:
    how, nulls_equal, _rows, suffix, coalesce, order = view.options
    left_on, right_on = ([plan.unnamed(one) for one in side] for side in (view.left_on, view.right_on))
    how = str(how).lower()
    return [], lambda given, _: given[0].join(
        given[1], left_on=left_on, right_on=right_on, how=how, nulls_equal=nulls_equal, suffix=suffix,
        coalesce=coalesce, maintain_order=order,
    )  # fmt: skip


_STEPS: dict[str, Callable[[Any, _Plan], tuple[list[pl.Expr], Make]]] = {
    "DataFrameScan": _frame,
    "HStack": _with_columns,
    "Select": _select,
    "Filter": _filter,
    "GroupBy": _group_by,
    "Sort": _sort,
    "Slice": _slice,
    "Distinct": _unique,
    "Join": _join,
    "Union": lambda *_: ([], lambda given, _: pl.concat(given)),
}
