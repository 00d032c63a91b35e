"""A node of a lazy query: neighbouring steps that see rows one by one, run over batch after batch.

Polars calls a function with frames. What it does with the columns that come back, it tells nobody: but of the
columns that go in it leaves out those that nothing above the node reads. So what the node may compute goes in
as placeholders, null and without memory, under names that no column has. Those that are there are wanted; the
function puts the values in their place. Above the node, an expression takes each result together with the
columns that it is computed of, so that these go in too. To Polars all that is known by name and dtype; rows
and their order stay as they are. So projections, predicates and slices pass the node as if it weren't there;
where a Polars to come sees through this, only slices do (`_lets_pass`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import polars as pl

from dataflare_vec._util.names import internal
from dataflare_vec.definition.plugin import Form
from dataflare_vec.engine.execution.in_query import run_in_query
from dataflare_vec.engine.execution.outcome import InPlace
from dataflare_vec.engine.planning.kept import RepeatedPlan
from dataflare_vec.engine.stages.expression import exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from dataflare_vec.engine.planning.request import Request
    from dataflare_vec.engine.planning.steps import BoundStep

#: Which rows are left.
_LEFT = internal("rows that are left")

#: All rows, as a mask of one.
_ALL = pl.Series([True])

#: The nodes that queries have, each by the number that its placeholders tell.
_numbers = count(1)
_nodes: WeakValueDictionary[int, ComputedNode] = WeakValueDictionary()


class NodeStep(NamedTuple):
    """A row kernel, a filter or an expression of a node.

    Attributes
    ----------
    step : BoundStep
        It, writing columns by names that none of another step has.
    writes : dict
        Those that it writes, with their dtypes.
    outputs : tuple of str
        Their names for the user.
    needs : frozenset of int
        The steps that have to run for it, itself included.
    reads : frozenset of str
        The columns of the data that all of these read.
    """

    step: BoundStep
    writes: Mapping[str, Any]
    outputs: tuple[str, ...]
    needs: frozenset[int]
    reads: frozenset[str]


@dataclass(frozen=True, slots=True)
class QueryNode:
    """Steps that run fused over the batches of a query.

    Attributes
    ----------
    request : Request
        How they are run; the steps of its own mean nothing.
    selected : str or None
        The column of the data that says which rows are to be computed at all; None for all.
    depth : int
        How many nodes there are below, of the same call.
    reason : str
        Why its steps aren't part of the node before; "" if there is none.
    steps : tuple of NodeStep
        In order.
    beside : tuple of str
        What Polars computes itself of the steps before, between and after these.
    """

    request: Request
    selected: str | None = None
    depth: int = 0
    reason: str = ""
    steps: tuple[NodeStep, ...] = ()
    beside: tuple[str, ...] = ()

    def adding(self, step: BoundStep, names: Mapping[str, str], writes: Mapping[str, Any]) -> QueryNode:
        """Return the node with one more step.

        Parameters
        ----------
        step
            Its parameters are bound to columns, or to expressions that see rows one by one.
        names
            For each name that the step may read the column of the data, or of an earlier step.
        writes
            The columns that it writes, by their names for the user.
        """
        index = len(self.steps)
        read = step.column_names
        assert read is not None
        own = {
            internal(f"{name} of `{step.plugin.name}`, step {index}"): dtype for name, dtype in writes.items()
        }
        bound = step._replace(
            names={name: names[name] for name in sorted(read)},
            output=list(own) or None,
            keep=True,
            replace=False,
            kept=None,
        )
        sources = {names[name] for name in read}
        made = {name for earlier in self.steps for name in earlier.writes}
        before = [
            earlier
            for earlier in self.steps
            if self._decides(earlier) or not sources.isdisjoint(earlier.writes)
        ]
        needs = frozenset({index}).union(*(earlier.needs for earlier in before))
        reads = frozenset(sources - made).union(*(earlier.reads for earlier in before))
        if self.selected is not None:
            reads |= {self.selected}
        return replace(self, steps=(*self.steps, NodeStep(bound, own, tuple(writes), needs, reads)))

    def _decides(self, one: NodeStep) -> bool:
        """Whether it depends on a step which rows later ones compute."""
        plugin = one.step.plugin
        return plugin.is_filter or (self.request.on_error != "raise" and plugin.form is not Form.EXPRESSION)

    @property
    def _deciding(self) -> list[NodeStep]:
        return [one for one in self.steps if self._decides(one)]

    @property
    def decides(self) -> bool:
        """Whether a step says which rows one that is added now computes."""
        return bool(self._deciding)

    @property
    def well(self) -> str | None:
        """The column that says which rows haven't failed; None if that doesn't matter."""
        if not self._deciding or self.request.on_error != "null":
            return self.selected
        return self.well_of_next

    @property
    def well_of_next(self) -> str:
        """The column that says to the next node which rows haven't failed."""
        return internal(f"rows that haven't failed, {self.depth}")

    def masks(self) -> dict[str, NodeStep]:
        """Return for each mask that the node may compute the last step that decides about it."""
        deciding = self._deciding
        if not deciding:
            return {}
        masks = {}
        on_error = self.request.on_error
        leave_out = [one for one in deciding if one.step.plugin.is_filter or on_error == "drop"]
        if leave_out:
            masks[_LEFT] = leave_out[-1]
        if self.well is not None:
            masks[self.well] = deciding[-1]
        return masks

    def needed_for(self, wanted: Collection[str]) -> frozenset[int]:
        """Return the steps that have to run for some columns and masks."""
        return frozenset[int]().union(
            *(one.needs for one in self.steps if not one.writes.keys().isdisjoint(wanted)),
            *(one.needs for mask, one in self.masks().items() if mask in wanted),
        )

    def over(self, frame: pl.LazyFrame, results: Mapping[str, str], *, well: bool = False) -> pl.LazyFrame:
        """Return a query with the node in it.

        Parameters
        ----------
        results
            By name the columns that come back, of the data or of a step.
        well
            Whether the column `well` does, too.
        """
        masks = self.masks()
        if not well:
            masks = {name: one for name, one in masks.items() if name == _LEFT}
        made = {column: (dtype, one.reads) for one in self.steps for column, dtype in one.writes.items()}
        made |= {name: (pl.Boolean(), one.reads) for name, one in masks.items()}
        columns = {**results, **{name: name for name in masks}}
        if well and self.well is not None:
            columns[self.well] = self.well  # the data's own, if no step here fails
        wanted = {name: column for name, column in columns.items() if column in made}
        if wanted:
            number = next(_numbers)
            placeholders = {f"{column} of node {number}": column for column in wanted.values()}
            frame = frame.with_columns(
                pl.lit(None, dtype=made[column][0]).alias(name) for name, column in placeholders.items()
            )
            compute = _nodes[number] = ComputedNode(self, placeholders)
            frame = _mapped(frame, compute, pushdown=_lets_pass())
            frame = frame.with_columns(
                _together(placeholder, made[column][1]).alias(name)
                for (name, column), placeholder in zip(wanted.items(), placeholders, strict=True)
            )
        if _LEFT in masks:
            frame = frame.filter(_LEFT)
        return frame.select(exactly(name) for name in columns if name != _LEFT)


def _mapped(
    frame: pl.LazyFrame, compute: Callable[[pl.DataFrame], pl.DataFrame], *, pushdown: bool
) -> pl.LazyFrame:
    return frame.map_batches(
        compute,
        predicate_pushdown=pushdown,
        projection_pushdown=pushdown,
        slice_pushdown=True,
        streamable=True,
    )


@cache
def _lets_pass() -> bool:
    """Whether predicates and projections can pass a node.

    They can as long as Polars takes a result together with what it is computed of. A version that sees that
    it needn't would filter by placeholders, or leave out what they are computed of: one small query tells.
    """
    data = pl.LazyFrame({"a": [1, 2]}).with_columns(pl.lit(None, dtype=pl.Int64).alias("made"))
    node = _mapped(data, lambda batch: batch.with_columns(made="a"), pushdown=True)
    query = node.select(_together("made", ["a"])).filter(pl.col("made") > 1)
    try:
        return query.collect().rows() == query.collect(engine="streaming").rows() == [(2,)]
    except pl.exceptions.PolarsError:
        return False


def nodes_of(plan: str) -> Iterator[tuple[QueryNode, set[str]]]:
    """Yield the nodes that are in a plan as Polars shows it, the first to run first; and what each computes.

    Parameters
    ----------
    plan
        After projections were pushed down: then placeholders that nothing reads are gone.
    """
    numbers = dict.fromkeys(int(number) for number in re.findall(r" of node (\d+)\"", plan))
    for number in reversed(numbers):
        compute = _nodes.get(number)
        if compute is not None:
            there = {column for name, column in compute.placeholders.items() if f'.alias("{name}")' in plan}
            yield compute.node, there


def _together(column: str, reads: Iterable[str]) -> pl.Expr:
    """Return a column in such a way that Polars believes others to be needed for it."""
    return pl.struct(exactly(column), *map(exactly, sorted(reads))).struct.field(column)


class ComputedNode:
    """What Polars calls for a node, from its own threads, several at once. An object can be pickled.

    Parameters
    ----------
    node
        The node.
    placeholders
        For the name of each placeholder the column, or the mask, that it stands for.
    """

    __slots__ = ("__weakref__", "_parts", "node", "placeholders")

    def __init__(self, node: QueryNode, placeholders: Mapping[str, str]) -> None:
        self.node = node
        self.placeholders = placeholders
        self._parts: dict[tuple[str, ...], _Part] = {}

    def __call__(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Put values in the place of placeholders."""
        if not frame.height:
            return frame
        names = tuple(frame.columns)
        part = self._parts.get(names)
        if part is None:
            wanted = {self.placeholders[name]: i for i, name in enumerate(names) if name in self.placeholders}
            part = self._parts[names] = self._part(wanted)
        selected = self.node.selected
        if part.places:
            places = InPlace(None if selected is None else frame.get_column(selected))
            outcome = run_in_query(part.request, frame, part.plan, places)
            made = {one.name: one for one in outcome.series}
            for name, at in part.places.items():
                values = made.get(name)
                if values is None:
                    mask = outcome.remaining if name == _LEFT else outcome.selected
                    values = _ALL.new_from_index(0, frame.height) if mask is None else mask
                frame.replace_column(at, _cut_like(frame, values.alias(names[at])))
        return frame

    def _part(self, wanted: dict[str, int]) -> _Part:
        node = self.node
        steps = [
            one.step._replace(keep=not one.writes.keys().isdisjoint(wanted))
            for one in map(node.steps.__getitem__, sorted(node.needed_for(wanted)))
        ]
        return _Part(node.request._replace(steps=steps, keep=False), wanted, RepeatedPlan())

    def __reduce__(self) -> tuple[Any, ...]:
        return ComputedNode, (self.node, self.placeholders)


class _Part(NamedTuple):
    """What of a node a query wants."""

    request: Request
    places: dict[str, int]  # of the columns that are made
    plan: RepeatedPlan


def _cut_like(frame: pl.DataFrame, values: pl.Series) -> pl.Series:
    """Cut a column where those of the data are: Polars would copy all of them to have them in one piece."""
    if frame.n_chunks() == 1:
        return values
    lengths = next((frame.to_series(i).chunk_lengths() for i in range(frame.width)), [])
    cut, start = values[:0], 0
    for length in lengths:
        cut.append(values[start : start + length])
        start += length
    return cut
