"""An automaton as code in LLVM IR: each state a block that reads a byte and jumps.

What is noted of the ways lies in variables of the function, which LLVM keeps in registers; a state that goes
on to itself looks for the next byte that leads elsewhere, many at a time.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils

from dataflare_vec.compiler.jit.lowering.regex.automaton import DEAD, Action, Automaton, State, Way
from dataflare_vec.compiler.jit.lowering.regex.charsets import union
from dataflare_vec.compiler.jit.lowering.regex.decode import classify, start_before, width
from dataflare_vec.compiler.jit.lowering.regex.scan import scan, scannable
from dataflare_vec.compiler.jit.lowering.strings.viewcode import define, load

if TYPE_CHECKING:
    from collections.abc import Sequence

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_BYTES = _I8.as_pointer()
#: What isn't noted.
NONE = _I64(-1)

#: Where a note comes from: number of the way, and tag; or one of the two below.
_Source = tuple[int, int]
_HERE, _NOTHING = (-1, 0), (-1, 1)


def emit(
    module: ir.Module, name: str, automaton: Automaton, starts: Sequence[int], tags: Sequence[int]
) -> ir.Function:
    """Return ``{i64 end, i64 tag, …} name(i8* data, i64 at, i64 end, i1 later)``.

    Parameters
    ----------
    starts
        The positions at which it begins: if not ``later``, and if.
    tags
        What it returns behind the end of the match; all are -1 where there is none.
    """
    returned = ir.LiteralStructType([_I64] * (1 + len(tags)))
    function, builder = define(module, name, returned, [_BYTES, _I64, _I64, ir.IntType(1)])
    if builder is not None:
        function.linkage = "internal"
        _Writer(builder, automaton, tags).write(starts)
    return function


class _Writer:
    """Writes the function of one automaton."""

    def __init__(self, builder: ir.IRBuilder, automaton: Automaton, tags: Sequence[int]) -> None:
        self._builder = builder
        self._automaton = automaton
        self._symbols = automaton.symbols
        self._tags = tags
        self._data, start, self._end, self._later = builder.function.args
        self._at = cgutils.alloca_once_value(builder, start)
        self._step = cgutils.alloca_once_value(builder, _I64(1))
        self._found = [cgutils.alloca_once_value(builder, NONE) for _ in range(1 + len(tags))]
        self._notes: dict[tuple[int, int], ir.Value] = {}
        self._blocks: dict[Any, ir.Block] = {}
        self._states = [builder.append_basic_block(f"state.{i}") for i in range(len(automaton.states))]
        alphabet = self._symbols.classes.alphabet
        #: Whether a byte with the highest bit set is part of a character.
        self._is_utf8 = alphabet.last > 0xFF
        self._bytes = [self._symbols.classes.of(byte) for byte in range(min(alphabet.last, 0xFF) + 1)]
        if self._is_utf8:
            self._bytes = self._bytes[:0x80]
            ranges = self._symbols.classes.ranges
            ends = [first for first, _ in ranges[1:]] + [alphabet.last + 1]
            self._wide = {number for (_, number), end in zip(ranges, ends, strict=True) if end > 0x80}

    def write(self, starts: Sequence[int]) -> None:
        """Write all of it."""
        normal, later = starts
        builder = self._builder
        if self._initial(normal) == self._initial(later):
            self._begin(self._initial(normal))
        else:
            with builder.if_then(self._later):
                self._begin(self._initial(later))
            self._begin(self._initial(normal))
        for number, state in enumerate(self._automaton.states):
            builder.position_at_end(self._states[number])
            self._state(number, state)

    def _initial(self, start: int) -> list[int]:
        contexts = self._symbols.contexts.values()
        return [self._automaton.initial[start, context] for context in contexts]

    def _begin(self, initial: list[int]) -> None:
        """Jump to the state in which it begins, which depends on the character before."""
        builder = self._builder
        if len(set(initial)) == 1:
            builder.branch(self._states[initial[0]])
            return
        at = builder.load(self._at)
        behind = builder.append_basic_block("behind")
        first = builder.icmp_signed("<=", at, _I64(0))
        builder.cbranch(first, self._states[initial[self._symbols.at_start]], behind)
        builder.position_at_end(behind)
        byte = load(builder, self._data, builder.sub(at, _I64(1)), _I8)

        def state_behind(symbol: int) -> ir.Block:
            return self._states[initial[self._symbols.context(symbol)]]

        if self._is_utf8:
            wide, narrow = (builder.append_basic_block(name) for name in ("wide", "narrow"))
            builder.cbranch(builder.icmp_signed("<", byte, _I8(0)), wide, narrow)
            builder.position_at_end(wide)
            start = builder.call(start_before(builder.module), [self._data, at])
            number = builder.call(classify(builder.module, self._symbols.classes), [self._data, start])
            self._switch(number, {symbol: state_behind(symbol) for symbol in self._wide})
            builder.position_at_end(narrow)
        self._switch(byte, {value: state_behind(symbol) for value, symbol in enumerate(self._bytes)})

    def _switch(self, value: ir.Value, targets: dict[int, ir.Block]) -> None:
        """Jump by a value; the most frequent target is the one of all values that aren't named."""
        default = Counter(targets.values()).most_common(1)[0][0]
        if len(set(targets.values())) == 1:
            self._builder.branch(default)
            return
        switch = self._builder.switch(value, default)
        for case, target in targets.items():
            if target is not default:
                switch.add_case(value.type(case), target)

    def _state(self, number: int, state: State) -> None:
        builder = self._builder
        by_symbol: dict[int, Action] = {}
        for symbols, action in state.actions:
            for symbol in range(self._symbols.end + 1):
                if symbols >> symbol & 1:
                    by_symbol[symbol] = action
        stays = [symbols for symbols, action in state.actions if self._stays(number, action)]
        self._scan(stays[0] if stays else 0)
        at = builder.load(self._at)
        read, at_end = (builder.append_basic_block(name) for name in ("read", "end"))
        builder.cbranch(builder.icmp_signed("<", at, self._end), read, at_end)
        builder.position_at_end(at_end)
        builder.branch(self._block_of(state, by_symbol[self._symbols.end]))
        builder.position_at_end(read)
        blocks = {action: self._block_of(state, action) for _, action in state.actions}
        byte = load(builder, self._data, at, _I8)
        if self._is_utf8:
            self._read_wide(byte, by_symbol, blocks)
        targets = {value: blocks[by_symbol[symbol]] for value, symbol in enumerate(self._bytes)}
        if self._symbols.final >= 0:
            last = by_symbol[self._symbols.final]
            if last != by_symbol[self._bytes[10]]:
                targets[10] = builder.append_basic_block("newline")
        self._switch(byte, targets)
        if 10 in targets and targets[10].name.startswith("newline"):
            builder.position_at_end(targets[10])
            is_last = builder.icmp_signed("==", builder.add(at, _I64(1)), self._end)
            builder.cbranch(is_last, blocks[last], blocks[by_symbol[self._bytes[10]]])

    def _read_wide(
        self, byte: ir.Value, by_symbol: dict[int, Action], blocks: dict[Action, ir.Block]
    ) -> None:
        """Write what is done with characters beyond ASCII; go on where a byte is one of ASCII."""
        builder = self._builder
        wide, narrow = (builder.append_basic_block(name) for name in ("wide", "narrow"))
        builder.store(_I64(1), self._step)
        builder.cbranch(builder.icmp_signed("<", byte, _I8(0)), wide, narrow)
        builder.position_at_end(wide)
        builder.store(width(builder, byte), self._step)
        targets = {symbol: blocks[by_symbol[symbol]] for symbol in self._wide}
        number: ir.Value = _I8(0)
        if len(set(targets.values())) > 1:
            number = builder.call(
                classify(builder.module, self._symbols.classes), [self._data, builder.load(self._at)]
            )
        self._switch(number, targets)
        builder.position_at_end(narrow)

    def _stays(self, number: int, action: Action) -> bool:
        """Whether an action leaves all as it is, but for the place in the text."""
        return (
            action.target == number
            and all(way == Way(i, frozenset()) for i, way in enumerate(action.ways))
            and (action.match is None or self._automaton.always_matches(number))
        )

    def _scan(self, symbols: int) -> None:
        """Pass over all bytes that are part of some symbols."""
        if not symbols:
            return
        stops = [(byte, byte) for byte, symbol in enumerate(self._bytes) if not symbols >> symbol & 1]
        newline_matters = self._symbols.final >= 0 and symbols >> self._bytes[10] & 1
        if newline_matters and not symbols >> self._symbols.final & 1:
            stops.append((10, 10))
        if self._is_utf8 and not all(symbols >> symbol & 1 for symbol in self._wide):
            stops.append((0x80, 0xFF))
        found = union(stops)
        builder = self._builder
        if not found:
            builder.store(self._end, self._at)
        elif scannable(found) is not None:
            function = scan(builder.module, found)
            at = builder.call(function, [self._data, builder.load(self._at), self._end])
            builder.store(at, self._at)

    def _block_of(self, state: State, action: Action) -> ir.Block:
        """Return the block in which an action is done; of actions that do the same there is one.

        An action notes a match, moves the notes, and jumps.
        """
        found: tuple[_Source, ...] | None = None
        if action.match is not None and (
            action.target == DEAD or not self._automaton.always_matches(action.target)
        ):
            match = action.match
            found = (_HERE, *(self._source(state, match, tag) for tag in self._tags))
        moves: tuple[tuple[tuple[int, int], _Source], ...] = ()
        if action.target != DEAD:
            positions = self._automaton.states[action.target].positions
            moves = tuple(
                ((i, tag), source)
                for i, (way, position) in enumerate(zip(action.ways, positions, strict=True))
                for tag in self._automaton.slots[position]
                if (source := self._source(state, way, tag)) != (i, tag)
            )
        key = found, moves, action.target
        if key not in self._blocks:
            self._blocks[key] = self._builder.append_basic_block("act")
            with self._builder.goto_block(self._blocks[key]):
                self._act(found, moves, action.target)
        return self._blocks[key]

    def _act(
        self,
        found: tuple[_Source, ...] | None,
        moves: tuple[tuple[tuple[int, int], _Source], ...],
        target: int,
    ) -> None:
        builder = self._builder
        if target == DEAD:
            if found is None:
                self._return([builder.load(variable) for variable in self._found])
            else:
                self._return([self._value(source) for source in found])
            return
        for source, variable in zip(found or (), self._found, strict=False):
            builder.store(self._value(source), variable)
        values = [self._value(source) for _, source in moves]
        for (note, _), value in zip(moves, values, strict=True):
            builder.store(value, self._note(*note))
        builder.store(builder.add(builder.load(self._at), builder.load(self._step)), self._at)
        builder.branch(self._states[target])

    def _source(self, state: State, way: Way, tag: int) -> _Source:
        """Return where a note of a way comes from: the place in the text, nothing, or a note of a state's."""
        if tag in way.tags:
            return _HERE
        if tag not in self._automaton.slots[state.positions[way.origin]]:
            return _NOTHING
        return way.origin, tag

    def _value(self, source: _Source) -> ir.Value:
        if source == _HERE:
            return self._builder.load(self._at)
        return NONE if source == _NOTHING else self._builder.load(self._note(*source))

    def _note(self, way: int, tag: int) -> ir.Value:
        if (way, tag) not in self._notes:
            self._notes[way, tag] = cgutils.alloca_once(self._builder, _I64)
        return self._notes[way, tag]

    def _return(self, values: list[ir.Value]) -> None:
        result = ir.Constant(self._builder.function.function_type.return_type, ir.Undefined)
        for i, value in enumerate(values):
            result = self._builder.insert_value(result, value, i)
        self._builder.ret(result)
