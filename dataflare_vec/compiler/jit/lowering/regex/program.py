"""From what `re` has parsed to a program: a graph of characters, choices in order, groups and conditions.

The choices mean what Python's backtracking does: of several ways the first one that leads to a match counts.
"""

from __future__ import annotations

import re
import sys
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec.compiler.jit.lowering.regex.charsets import (
    NEWLINE,
    UNICODE,
    Alphabet,
    Set,
    category,
    complement,
    set_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")

#: What a pattern may become, in nodes; a count like ``{1000}`` repeats what it counts.
MOST_NODES = 20_000

#: Flags that change what a part of a pattern matches; of the first ones only one holds.
_TYPES = re.ASCII | re.LOCALE | re.UNICODE

#: Whether `\B` holds in an empty text, as it does from Python 3.14 on.
_EMPTY_IS_INSIDE = re.search(r"\B", "") is not None


class RefusedPattern(ValueError):
    """A pattern that compiled code doesn't take: what of it, and what to write instead."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}; {advice}")


class Condition(NamedTuple):
    """What has to hold between two characters.

    Attributes
    ----------
    kind
        ``"start"`` or ``"end"``: where the text begins or ends; ``"final"``: there, or before a newline that
        it ends with; ``"behind"`` or ``"ahead"``: the character there is one of ``chars``; ``"edge"`` or
        ``"inside"``: of the characters there one is of ``chars``, or both are or neither.
    chars
        A set of characters.
    negated
        Whether a character that isn't of the set, or none, is asked for.
    """

    kind: str
    chars: Set = ()
    negated: bool = False


@dataclass(eq=False)
class Node:
    """A step of a program.

    Attributes
    ----------
    kind
        ``"char"``: a character of the set ``value``; ``"choice"``; ``"tag"``: note where the text is, as
        number ``value``; ``"condition"``: the alternatives in ``value`` of which one has to hold;
        ``"enter"`` and ``"again"``: a repetition of number ``value`` begins, and ends; ``"match"``.
    then
        What follows, in the order of preference.
    exit
        What follows a repetition that matched nothing: no other is tried.
    """

    kind: str
    value: Any = None
    then: list[Node] = field(default_factory=list)
    exit: Node | None = None


@dataclass
class Program:
    """The program of a pattern.

    Attributes
    ----------
    start
        Its first node.
    groups
        How many groups it has; the tags of group ``i`` are ``2 * i - 1`` and ``2 * i``.
    """

    start: Node
    groups: int


def parse(pattern: Any, flags: int) -> Any:
    """Return what `re` parses a pattern to.

    Raises
    ------
    re.error
        If it isn't one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said where the author compiled it
        return _parser.parse(pattern, flags & ~re.DEBUG)


def compile_pattern(pattern: Any, flags: int, alphabet: Alphabet = UNICODE) -> Program:
    """Return the program of a pattern, for texts of an alphabet.

    Raises
    ------
    RefusedPattern
        If it has something that isn't supported, or is too large.
    """
    parsed = parse(pattern, flags)
    flags = parsed.state.flags
    if flags & re.LOCALE:
        raise RefusedPattern("`re.LOCALE` depends on where it runs", "leave it out, or write the letters out")
    compiler = _Compiler(alphabet)
    start = compiler.sequence(parsed.data, flags, compiler.node("match"))
    return Program(start, parsed.state.groups - 1)


class _Compiler:
    """Builds a program from its end to its start."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._nodes = 0
        self._loops = 0

    def node(self, kind: str, value: Any = None, *then: Node) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise RefusedPattern(
                f"the pattern has more than {MOST_NODES:,} steps, counts written out",
                "use smaller counts, or `*` and `+`",
            )
        return Node(kind, value, list(then))

    def sequence(self, items: Any, flags: int, then: Node) -> Node:
        """Return where items begin that ``then`` follows."""
        for op, value in reversed(items):
            then = self._item(op.name, value, flags, then)
        return then

    def _item(self, op: str, value: Any, flags: int, then: Node) -> Node:
        chars = self._chars(op, value, flags)
        if chars is not None:
            return self.node("char", chars, then)
        if op == "BRANCH":
            ways = [self.sequence(way, flags, then) for way in value[1]]
            return self.node("choice", None, *ways)
        if op == "SUBPATTERN":
            group, added, removed, inside = value
            if added & _TYPES:
                flags &= ~_TYPES
            flags = (flags | added) & ~removed
            if group is None:
                return self.sequence(inside, flags, then)
            inner = self.sequence(inside, flags, self.node("tag", 2 * group, then))
            return self.node("tag", 2 * group - 1, inner)
        if op in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, body = value
            return self._repeat(least, most, body, flags, then, greedy=op == "MAX_REPEAT")
        if op == "AT":
            return self.node("condition", self._at(value.name, flags), then)
        if op in ("ASSERT", "ASSERT_NOT"):
            direction, body = value
            return self._look(direction, body, flags, then, negated=op == "ASSERT_NOT")
        if op == "FAILURE":
            return self.node("choice")
        if op in ("POSSESSIVE_REPEAT", "ATOMIC_GROUP"):
            return self._possessive(op, value, flags, then)
        raise _refusal(op)

    def _chars(self, op: str, value: Any, flags: int) -> Set | None:
        """Return the set of an item that is one character; None if it isn't."""
        if op == "ANY":
            return self._alphabet.all if flags & re.DOTALL else complement(NEWLINE, self._alphabet)
        if op == "IN":
            return set_of(value, flags, self._alphabet)
        if op == "LITERAL":
            return set_of([(_NAMED["LITERAL"], value)], flags, self._alphabet)
        if op == "NOT_LITERAL":
            return set_of([(_NAMED["NEGATE"], None), (_NAMED["LITERAL"], value)], flags, self._alphabet)
        return None

    def _single(self, items: Any, flags: int) -> Set | None:
        """Return the set of items that are one character of a set; None if they aren't."""
        if len(items) != 1:
            return None
        op, value = items[0]
        if op.name == "SUBPATTERN" and value[0] is None and not value[1] and not value[2]:
            return self._single(value[3], flags)
        return self._chars(op.name, value, flags)

    # -- repetitions ----------------------------------------------------------------------------------------

    def _repeat(self, least: int, most: Any, body: Any, flags: int, then: Node, *, greedy: bool) -> Node:
        def ordered(again: Node) -> list[Node]:
            return [again, end] if greedy else [end, again]

        end = then
        may_be_empty = body.getwidth()[0] == 0
        endless = most is _parser.MAXREPEAT
        if endless and may_be_empty:
            again, enter = self._iteration(body, flags, end)
            again.then = ordered(enter)
            then = self.node("choice", None, *ordered(enter))
        elif endless:
            head = self.node("choice")
            inside = self.sequence(body, flags, head)
            head.then = ordered(inside)
            then = head if least == 0 else inside
            least = max(least - 1, 0)
        else:
            for _ in range(most - least):
                if may_be_empty:
                    again, inside = self._iteration(body, flags, end)
                    again.then = [then]
                else:
                    inside = self.sequence(body, flags, then)
                then = self.node("choice", None, *ordered(inside))
        for _ in range(least):
            then = self.sequence(body, flags, then)
        return then

    def _iteration(self, body: Any, flags: int, end: Node) -> tuple[Node, Node]:
        """Return end and start of an iteration that may match nothing, behind which none is tried then."""
        self._loops += 1
        again = self.node("again", self._loops)
        again.exit = end
        return again, self.node("enter", self._loops, self.sequence(body, flags, again))

    def _possessive(self, op: str, value: Any, flags: int, then: Node) -> Node:
        """Return a repetition that gives nothing back: of one character, behind which no other may follow."""
        if op == "ATOMIC_GROUP":
            if len(value) != 1 or value[0][0].name != "MAX_REPEAT":
                raise _refusal(op)
            value = value[0][1]
        least, most, body = value
        chars = self._single(body, flags)
        if chars is None:
            raise _refusal(op)
        stop = self.node("condition", (Condition("ahead", chars, negated=True),), then)
        if most is _parser.MAXREPEAT:
            head = self.node("choice")
            head.then = [self.node("char", chars, head), stop]
        else:
            head = then
            for _ in range(most - least):
                head = self.node("choice", None, self.node("char", chars, head), stop)
        for _ in range(least):
            head = self.node("char", chars, head)
        return head

    # -- conditions -----------------------------------------------------------------------------------------

    def _at(self, where: str, flags: int) -> tuple[Condition, ...]:
        if where == "AT_BEGINNING" and flags & re.MULTILINE:
            return Condition("start"), Condition("behind", NEWLINE)
        if where in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
            return (Condition("start"),)
        if where == "AT_END" and flags & re.MULTILINE:
            return Condition("end"), Condition("ahead", NEWLINE)
        if where == "AT_END":
            return (Condition("final"),)
        if where == "AT_END_STRING":
            return (Condition("end"),)
        word = category(r"\w", flags, self._alphabet)
        return (Condition("edge" if where == "AT_BOUNDARY" else "inside", word),)

    def _look(self, direction: int, body: Any, flags: int, then: Node, *, negated: bool) -> Node:
        """Return a look at one character; more of them would have to be matched at each place anew."""
        chars = self._single(body, flags)
        if chars is None:
            where, sign = ("ahead", "(?") if direction > 0 else ("behind", "(?<")
            raise RefusedPattern(
                f"`{sign}{'!' if negated else '='}…)` looks {where} at more than one character",
                "match what is there as well, and take the part with a group",
            )
        kind = "ahead" if direction > 0 else "behind"
        return self.node("condition", (Condition(kind, chars, negated),), then)


_NAMED = {name: getattr(_parser, name) for name in ("LITERAL", "NEGATE")}

_REFUSED = {
    "GROUPREF": (
        r"a back-reference such as `\1` compares with what a group found",
        "match both with groups, and compare them in the kernel: `m[1] == m[2]`",
    ),
    "GROUPREF_EXISTS": (
        "`(?(1)…|…)` depends on whether a group was found",
        "write both cases as alternatives, `…|…`",
    ),
    "ATOMIC_GROUP": (
        "`(?>…)` keeps what it has matched first, whatever follows",
        "write `(?:…)`, which may give back where that makes a match, and is as fast here",
    ),
    "POSSESSIVE_REPEAT": (
        "`++`, `*+` and `?+` of more than one character keep what they have matched, whatever follows",
        "write `+`, `*` and `?`, which may give back where that makes a match, and are as fast here",
    ),
}


def _refusal(op: str) -> RefusedPattern:
    known = f"`{op.lower()}` of patterns isn't known to compiled code", "write it in another way"
    return RefusedPattern(*_REFUSED.get(op, known))


def holds(condition: Condition, *, starts: bool, ends: bool, final: bool, behind: bool, ahead: bool) -> bool:
    """Whether a condition holds.

    Parameters
    ----------
    starts, ends
        Whether the text begins, and ends, there.
    final
        Whether a newline that the text ends with is next.
    behind, ahead
        Whether the characters there are of the condition's set.
    """
    if condition.kind == "start":
        return starts
    if condition.kind == "end":
        return ends
    if condition.kind == "final":
        return ends or final
    if condition.kind in ("ahead", "behind"):
        return (ahead if condition.kind == "ahead" else behind) != condition.negated
    if condition.kind == "edge":
        return ahead != behind
    return ahead == behind and (_EMPTY_IS_INSIDE or not (starts and ends))


def sets_of(program: Program) -> list[Set]:
    """Return all sets of characters that a program asks for."""
    found: dict[Set, None] = {}
    for node in nodes_of(program):
        if node.kind == "char":
            found[node.value] = None
        elif node.kind == "condition":
            found.update((one.chars, None) for one in node.value if one.chars)
            if any(one.kind == "final" for one in node.value):
                found[NEWLINE] = None
    return list(found)


def nodes_of(program: Program) -> Sequence[Node]:
    """Return all nodes."""
    seen: dict[int, Node] = {}
    waiting = [program.start]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            waiting += node.then if node.exit is None else [*node.then, node.exit]
    return list(seen.values())
