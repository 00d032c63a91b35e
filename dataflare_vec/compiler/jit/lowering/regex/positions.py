"""A program as positions: behind each of its characters, what may come next, in order of preference.

All that takes no character is gone then: choices, repetitions, groups and conditions are in the steps from
one position to the next. (These are Glushkov's positions, with the order of Perl's and Python's choices.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dataflare_vec.compiler.jit.lowering.regex.program import (
    MOST_NODES,
    Condition,
    Node,
    Program,
    RefusedPattern,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflare_vec.compiler.jit.lowering.regex.charsets import Set

#: What a step to no position leads to: the end of a match.
MATCH = -1
#: Tag of where a match starts, which a search notes.
START_TAG = 0

#: How many positions a pattern may have, and steps between them.
MOST_POSITIONS = 4_000
MOST_STEPS = 100_000

#: Alternatives, of which one has to hold.
AnyOf = tuple[Condition, ...]


class Step(NamedTuple):
    """What may follow a position.

    Attributes
    ----------
    to
        The position, which takes a character; or `MATCH`.
    tags
        What is noted before it is taken.
    conditions
        All of these have to hold before.
    """

    to: int
    tags: frozenset[int]
    conditions: frozenset[AnyOf]


class Positions:
    """The positions of a program.

    Parameters
    ----------
    whole
        Whether a match has to end where the text does.

    Attributes
    ----------
    chars : list of Set
        What each takes.
    steps : list of list of Step
        What may follow each. Four more are where nothing is taken yet: see below.
    start : int
        Where a match begins.
    loop : int
        Where a search for one is: it begins, or the next character is passed over.
    start_later, loop_later : int
        The same for a match that must not be empty.
    groups : int
        How many groups there are.
    always : frozenset of int
        The tags that each match has.
    """

    def __init__(self, program: Program, *, whole: bool = False) -> None:
        self._at_match: frozenset[AnyOf] = frozenset({(Condition("end"),)} if whole else ())
        self._numbers: dict[int, int] = {}
        self._nodes: list[Node] = []
        self.groups = program.groups
        first = self._follow([program.start])
        self.chars: list[Set] = []
        self.steps: list[list[Step]] = []
        count = 0
        while len(self.steps) < len(self._nodes):
            node = self._nodes[len(self.steps)]
            self.chars.append(node.value)
            self.steps.append(self._follow(node.then))
            count += len(self.steps[-1])
            if count > MOST_STEPS or len(self._nodes) > MOST_POSITIONS:
                raise RefusedPattern(
                    f"the pattern has more than {MOST_POSITIONS:,} characters or {MOST_STEPS:,} steps, "
                    "counts written out",
                    "use smaller counts, or `*` and `+`, and fewer repetitions within others",
                )
        self.start, self.loop, self.start_later, self.loop_later = range(len(self.steps), len(self.steps) + 4)
        later = [step for step in first if step.to != MATCH]
        again = Step(self.loop, frozenset(), frozenset())
        self.steps += [first, [*_started(first), again], later, [*_started(later), again]]
        self.always = self._always()

    def _number(self, node: Node) -> int:
        if id(node) not in self._numbers:
            self._numbers[id(node)] = len(self._nodes)
            self._nodes.append(node)
        return self._numbers[id(node)]

    def _follow(self, nodes: Iterable[Node]) -> list[Step]:
        """Return the steps from nodes on, without those that an earlier one makes useless."""
        steps: list[Step] = []
        # By where it is, and which repetitions have begun there: the conditions under which it was come by.
        seen: dict[tuple[int, frozenset[int]], list[frozenset[AnyOf]]] = {}
        nothing: frozenset[int] = frozenset()
        waiting = [(node, nothing, nothing, frozenset[AnyOf]()) for node in reversed(list(nodes))]
        visited = 0
        while waiting:
            node, begun, tags, conditions = waiting.pop()
            takes = node.kind in ("char", "match")
            earlier = seen.setdefault((id(node), nothing if takes else begun), [])
            if any(one <= conditions for one in earlier):
                continue
            earlier.append(conditions)
            visited += 1
            if visited > MOST_NODES:
                raise RefusedPattern(
                    "the pattern has too many conditions and repetitions side by side",
                    "write it with fewer of `\\b`, `^`, `$` and `(…)*`",
                )
            if takes:
                if node.kind == "match":
                    steps.append(Step(MATCH, tags, conditions | self._at_match))
                else:
                    steps.append(Step(self._number(node), tags, conditions))
                continue
            then = node.then
            if node.kind == "tag":
                tags |= {node.value}
            elif node.kind == "condition":
                conditions |= {node.value}
            elif node.kind == "enter":
                begun |= {node.value}
            elif node.kind == "again":
                if node.value in begun:  # nothing was matched
                    assert node.exit is not None
                    then = [node.exit]
                begun -= {node.value}
            waiting += [(one, begun, tags, conditions) for one in reversed(then)]
        return steps

    def longest(self) -> int | None:
        """Return how many characters a match has at most; None if there is no limit."""
        counts = dict.fromkeys(range(self.start), 0)  # of steps that lead to a position
        for position in counts:
            for step in self.steps[position]:
                if step.to != MATCH:
                    counts[step.to] += 1
        lengths = dict.fromkeys(counts, 1)
        waiting = [position for position, count in counts.items() if not count]
        for position in waiting:  # those before it are done
            for step in self.steps[position]:
                if step.to != MATCH:
                    counts[step.to] -= 1
                    lengths[step.to] = max(lengths[step.to], lengths[position] + 1)
                    if not counts[step.to]:
                        waiting.append(step.to)
        return max(lengths.values(), default=0) if len(waiting) == len(counts) else None

    def _always(self) -> frozenset[int]:
        """Return the tags that are noted on every way to a match."""
        every = frozenset(range(2 * self.groups + 1))
        known: dict[int, frozenset[int]] = {self.start: frozenset()}
        found = every
        waiting = [self.start]
        while waiting:
            position = waiting.pop()
            for step in self.steps[position]:
                tags = known[position] | step.tags
                if step.to == MATCH:
                    found &= tags
                    continue
                merged = known.get(step.to, every) & tags
                if step.to not in known or merged != known[step.to]:
                    known[step.to] = merged
                    waiting.append(step.to)
        return found


def _started(steps: list[Step]) -> list[Step]:
    return [step._replace(tags=step.tags | {START_TAG}) for step in steps]
