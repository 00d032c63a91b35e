"""Positions as a deterministic automaton: its states are lists of positions, in order of preference.

A state says where the ways are that may still match, the preferred one first, and what of the character
before counts. Each way has notes of its own: where its match and its groups start and end. An action takes
one symbol, and says what becomes of the ways and their notes (tagged automata: V. Laurikari, "NFAs with
tagged transitions, their conversion to deterministic automata", 2000). What holds between two characters is
known when the second one is: a match is found one symbol behind its end.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from dataflare_vec.compiler.jit.lowering.regex.charsets import NEWLINE, Classes
from dataflare_vec.compiler.jit.lowering.regex.positions import MATCH, AnyOf, Positions, Step
from dataflare_vec.compiler.jit.lowering.regex.program import Condition, holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dataflare_vec.compiler.jit.lowering.regex.charsets import Alphabet, Set

#: The most states that become code, and ways in one of them.
MOST_STATES = 250
MOST_WAYS = 12

#: What a step leads to that ends all ways.
DEAD = -1


class Symbols:
    """What an automaton reads: classes of characters, a newline that ends the text, and its end.

    Attributes
    ----------
    classes : Classes
        The first symbols.
    final, end : int
        The numbers of the others.
    """

    def __init__(self, positions: Positions, alphabet: Alphabet) -> None:
        conditions = list(dict.fromkeys(chain.from_iterable(_conditions(positions))))
        has_final = any(one.kind == "final" for one in conditions)
        sets = [*positions.chars, *(one.chars for one in conditions)]
        self.classes = Classes([*sets, NEWLINE] if has_final else sets, alphabet)
        self.final = self.classes.count if has_final else MATCH
        self.end = self.classes.count + has_final
        self.all = (1 << self.end + 1) - 1
        self._newline = self.classes.mask(NEWLINE) if has_final else 0
        self._backward = [one for one in conditions if one.kind in ("start", "behind", "edge", "inside")]
        #: What of the character before counts, as it is told apart.
        self.contexts: dict[tuple[bool, ...], int] = {}
        self._context_of = [self._context(symbol) for symbol in range(self.end)]
        #: The context at the start of the text.
        self.at_start = self._context(None)
        samples = {context: symbol for symbol, context in enumerate(self._context_of)}
        self._samples = [samples.get(context) for context in range(len(self.contexts))]
        self._masks: dict[tuple[AnyOf, int], int] = {}

    def mask(self, chars: Set) -> int:
        """Return the symbols that a set of characters is made of, as bits."""
        mask = self.classes.mask(chars)
        return mask | 1 << self.final if self.final >= 0 and mask & self._newline else mask

    def _context(self, symbol: int | None) -> int:
        def holds_behind(one: Condition) -> bool:
            if one.kind == "start" or (one.kind == "inside" and symbol is None):
                return symbol is None
            return symbol is not None and bool(self.mask(one.chars) >> symbol & 1)

        signature = (symbol is None, *map(holds_behind, self._backward)) if self._backward else ()
        return self.contexts.setdefault(signature, len(self.contexts))

    def context(self, symbol: int) -> int:
        """Return which context there is behind a symbol."""
        return self._context_of[symbol]

    def allowed(self, any_of: AnyOf, context: int) -> int:
        """Return the symbols before which one of some conditions holds, as bits."""
        key = any_of, context
        if key not in self._masks:
            self._masks[key] = sum(
                1 << symbol
                for symbol in range(self.end + 1)
                if any(self._holds(one, context, symbol) for one in any_of)
            )
        return self._masks[key]

    def _holds(self, condition: Condition, context: int, symbol: int) -> bool:
        before, mask = self._samples[context], self.mask(condition.chars) if condition.chars else 0
        return holds(
            condition,
            starts=before is None,
            ends=symbol == self.end,
            final=symbol == self.final,
            behind=before is not None and bool(mask >> before & 1),
            ahead=bool(mask >> symbol & 1),
        )


def _conditions(positions: Positions) -> Iterator[AnyOf]:
    for steps in positions.steps:
        for step in steps:
            yield from step.conditions


class Way(NamedTuple):
    """What becomes of one way: which one it was, and what is noted of it before the symbol."""

    origin: int
    tags: frozenset[int]


class Action(NamedTuple):
    """What a state does with a symbol.

    Attributes
    ----------
    match
        The way that is a match before the symbol; None if none is.
    target
        The next state; `DEAD` if no way goes on.
    ways
        For each way of the target where it comes from.
    """

    match: Way | None
    target: int
    ways: tuple[Way, ...]


class State(NamedTuple):
    """A state.

    Attributes
    ----------
    positions
        Where its ways are, in order of preference.
    actions
        Symbols, as bits, and what is done with them.
    """

    positions: tuple[int, ...]
    actions: list[tuple[int, Action]]


class TooLarge(Exception):  # not an error: the pattern is matched in another way
    """An automaton has too many states, or ways in one."""


class Automaton:
    """An automaton that begins at some of the positions of a pattern.

    Parameters
    ----------
    positions, symbols
        The pattern's.
    starts
        The positions at which it begins.
    tags
        What has to be noted.

    Attributes
    ----------
    states : list of State
        Its states.
    initial : dict of (int, int) to int
        By starting position and context the state in which it begins.

    Raises
    ------
    TooLarge
        If it is.
    """

    def __init__(
        self, positions: Positions, symbols: Symbols, starts: Iterable[int], tags: frozenset[int]
    ) -> None:
        self.symbols = symbols
        self._positions = positions
        self._tags = tags
        self.states: list[State] = []
        self._numbers: dict[tuple[tuple[int, ...], int], int] = {}
        self._waiting: list[tuple[tuple[int, ...], int]] = []
        takes = {chars: symbols.mask(chars) for chars in positions.chars}
        every = symbols.all & ~(1 << symbols.end)
        self._takes = {
            MATCH: symbols.all,
            positions.loop: every,
            **{position: takes[chars] for position, chars in enumerate(positions.chars)},
        }
        self.initial = {
            (start, context): self._number((start,), context)
            for start in starts
            for context in symbols.contexts.values()
        }
        while len(self.states) < len(self._waiting):
            self.states.append(self._state(*self._waiting[len(self.states)]))
        self.slots = self._slots()

    def _number(self, positions: tuple[int, ...], context: int) -> int:
        if not positions:
            return DEAD
        key = positions, context
        if key not in self._numbers:
            if len(self._numbers) == MOST_STATES or len(positions) > MOST_WAYS:
                raise TooLarge
            self._numbers[key] = len(self._numbers)
            self._waiting.append(key)
        return self._numbers[key]

    def _state(self, positions: tuple[int, ...], context: int) -> State:
        steps: list[tuple[int, Step, int]] = []
        groups = [self.symbols.all]
        for origin, position in enumerate(positions):
            for step in self._positions.steps[position]:
                allowed = self._takes[step.to]
                for any_of in step.conditions:
                    allowed &= self.symbols.allowed(any_of, context)
                steps.append((origin, step, allowed))
                if allowed:
                    split = ((group & allowed, group & ~allowed) for group in groups)
                    groups = [part for parts in split for part in parts if part]
        found: dict[Action, int] = {}
        for group in groups:
            for symbols, context_behind in self._by_context(group):
                action = self._action(steps, symbols, context_behind)
                found[action] = found.get(action, 0) | symbols
        return State(positions, [(symbols, action) for action, symbols in found.items()])

    def _by_context(self, symbols: int) -> Iterator[tuple[int, int]]:
        """Yield symbols by the context behind them."""
        found: dict[int, int] = {}
        for symbol in range(self.symbols.end + 1):
            if symbols >> symbol & 1:
                context = MATCH if symbol == self.symbols.end else self.symbols.context(symbol)
                found[context] = found.get(context, 0) | 1 << symbol
        for context, some in found.items():
            yield some, context

    def _action(self, steps: list[tuple[int, Step, int]], symbols: int, context: int) -> Action:
        """Return what is done with symbols that all steps treat alike."""
        ways: dict[int, Way] = {}
        match = None
        for origin, step, allowed in steps:
            if not symbols & allowed:
                continue
            way = Way(origin, step.tags & self._tags)
            if step.to == MATCH:
                match = way
                break
            ways.setdefault(step.to, way)
        return Action(match, self._number(tuple(ways), context), tuple(ways.values()))

    def _slots(self) -> dict[int, tuple[int, ...]]:
        """Return what is to be remembered of a way, by its position: what was noted, and may be asked for."""
        steps = self._positions.steps
        used = {position for state in self.states for position in state.positions}
        noted: dict[int, frozenset[int]] = dict.fromkeys(used, frozenset())
        asked: dict[int, frozenset[int]] = dict.fromkeys(used, frozenset())
        changed = bool(self._tags)
        while changed:
            changed = False
            for position in used:
                for step in steps[position]:
                    tags = step.tags & self._tags
                    if step.to == MATCH:
                        wanted = asked[position] | (self._tags - tags)
                    elif step.to in used:
                        wanted = asked[position] | (asked[step.to] - tags)
                        known = noted[step.to] | noted[position] | tags
                        changed |= known != noted[step.to]
                        noted[step.to] = known
                    else:
                        continue
                    changed |= wanted != asked[position]
                    asked[position] = wanted
        return {position: tuple(sorted(noted[position] & asked[position])) for position in used}

    def always_matches(self, state: int) -> bool:
        """Whether a match is found in a state whatever comes."""
        return state != DEAD and all(action.match is not None for _, action in self.states[state].actions)
