"""How a pattern is searched for, and matched: which of its automata run, in LLVM IR.

Groups come from an automaton that begins where a match does. Where that is a search finds out: it tries the
first place that may be one, and passes over the rest of the text with an automaton of its own. Before all
that it looks for a text that each match holds, if there is one (`literals.py`).
"""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types

from dataflare_vec.compiler.jit.lowering.regex.automaton import Automaton, Symbols, TooLarge
from dataflare_vec.compiler.jit.lowering.regex.charsets import union
from dataflare_vec.compiler.jit.lowering.regex.code import NONE, emit
from dataflare_vec.compiler.jit.lowering.regex.decode import constant_table, start_from, width_of
from dataflare_vec.compiler.jit.lowering.regex.literals import find_literal, required
from dataflare_vec.compiler.jit.lowering.regex.members import call_helper
from dataflare_vec.compiler.jit.lowering.regex.positions import MATCH, START_TAG, Positions
from dataflare_vec.compiler.jit.lowering.regex.program import RefusedPattern, compile_pattern
from dataflare_vec.compiler.jit.lowering.regex.scan import scan, scannable
from dataflare_vec.compiler.jit.lowering.regex.simulation import room_for, simulate, table_of, words
from dataflare_vec.compiler.jit.lowering.strings.viewcode import define, load
from dataflare_vec.compiler.jit.types.strings import byte_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataflare_vec.compiler.jit.lowering.regex.charsets import Alphabet, Set
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_I1, _I8, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(64)
_BYTES = _I8.as_pointer()

#: How many characters a match may have at most if a search begins anew at each place.
MOST_TRIED = 64


@lru_cache(maxsize=256)
def engine_of(pattern: Any, flags: int, alphabet: Alphabet) -> Engine:
    """Return the engine of a pattern for texts of an alphabet."""
    return Engine(pattern, flags, alphabet)


class Engine:
    """Writes functions that search for a pattern.

    All are ``{i64 start, i64 end, …} name(i8* data, i64 at, i64 end, i1 later)``: of the match and of each
    group where they start and end, as offsets of bytes, -1 where there is none. ``later`` asks for a match
    that isn't empty if it starts at ``at``.
    """

    def __init__(self, pattern: Any, flags: int, alphabet: Alphabet) -> None:
        self._program = compile_pattern(pattern, flags, alphabet)
        self.alphabet = alphabet
        self.positions = Positions(self._program)
        self.groups = self.positions.groups
        self.literal = required(pattern, flags, alphabet)
        self._digest = hashlib.sha256(repr((pattern, flags, alphabet)).encode()).hexdigest()[:16]
        self._tags = range(1, 2 * self.groups + 1)
        self._spans = ir.LiteralStructType([_I64] * (2 + 2 * self.groups))

    # -- automata -------------------------------------------------------------------------------------------

    @cached_property
    def _symbols(self) -> Symbols:
        return Symbols(self.positions, self.alphabet)

    def _automaton(
        self, positions: Positions, starts: Sequence[int], tags: Iterable[int]
    ) -> Automaton | None:
        """Return an automaton, None if it would be too large."""
        symbols = self._symbols if positions is self.positions else Symbols(positions, self.alphabet)
        try:
            return Automaton(positions, symbols, starts, frozenset(tags))
        except TooLarge:
            return None

    @cached_property
    def _anchored(self) -> Automaton | None:
        return self._automaton(self.positions, self._starts, self._tags)

    @cached_property
    def _searching(self) -> Automaton | None:
        return self._automaton(self.positions, self._loops, [START_TAG])

    @cached_property
    def _whole(self) -> tuple[Positions, Automaton | None]:
        positions = Positions(self._program, whole=True)
        return positions, self._automaton(positions, [positions.start], self._tags)

    @property
    def _starts(self) -> tuple[int, int]:
        return self.positions.start, self.positions.start_later

    @property
    def _loops(self) -> tuple[int, int]:
        return self.positions.loop, self.positions.loop_later

    def check(self) -> None:
        """Raise RefusedPattern if it is too large to be simulated, and has to be."""
        try:
            room_for(self.positions)
        except RefusedPattern:
            searches = self._searching is not None or self._is_short()
            if self._anchored is None or self._whole[1] is None or not searches:
                raise

    # -- functions ------------------------------------------------------------------------------------------

    def _name(self, role: str) -> str:
        return f"dfv.regex.{self._digest}.{role}"

    def _define(self, module: ir.Module, role: str) -> tuple[ir.Function, Builder]:
        function, builder = define(module, self._name(role), self._spans, [_BYTES, _I64, _I64, _I1])
        if builder is not None:
            function.linkage = "internal"
            _, at, end, _ = function.args
            with builder.if_then(builder.icmp_signed(">", at, end), likely=False):
                builder.ret(self._none())
        return function, builder

    def find(self, context: Context, builder: Builder, how: str, arguments: Sequence[ir.Value]) -> ir.Value:
        """Return the spans of what is found, in a function of Numba's.

        Parameters
        ----------
        how
            ``"search"``, ``"match"`` or ``"fullmatch"``.
        arguments
            As above.
        """
        if how != "search" or self.literal is None:
            return self._find(context, builder, how, arguments)
        text, before, is_whole = self.literal
        data, at, end, later = arguments
        place = builder.call(find_literal(builder.module, text), [data, at, end])
        spans = cgutils.alloca_once(builder, self._spans)
        builder.store(self._none(), spans)
        with builder.if_then(builder.icmp_signed(">=", place, _I64(0))):
            if is_whole:
                found = self._joined(builder, [place, builder.add(place, _I64(len(text)))])
            else:
                here = at
                if before is not None:
                    near = builder.sub(place, _I64(before))
                    here = builder.select(builder.icmp_signed(">", near, at), near, at)
                    if before and self.alphabet.last > 0xFF:
                        here = builder.call(start_from(builder.module), [data, here])
                later = builder.and_(later, builder.icmp_signed("==", here, at))
                found = self._find(context, builder, how, [data, here, end, later])
            builder.store(found, spans)
        return builder.load(spans)

    def _find(self, context: Context, builder: Builder, how: str, arguments: Sequence[ir.Value]) -> ir.Value:
        later = arguments[3]
        if how == "search":
            if self._searching is None and self._anchored is not None and self._is_short():
                return builder.call(self._search_by_trying(builder.module, self._anchored), arguments)
            if self._searching is not None and not self.groups:
                return builder.call(self._search_alone(builder.module, self._searching), arguments)
            if self._searching is not None and self._anchored is not None:
                code = self._search_and_match(builder.module, self._anchored, self._searching)
                return builder.call(code, arguments)
            first = builder.select(later, *map(_I64, reversed(self._loops)))
            return self._simulated(context, builder, self.positions, first, arguments)
        positions, automaton = self._whole if how == "fullmatch" else (self.positions, self._anchored)
        if automaton is not None:
            return builder.call(self._match(builder.module, how, positions, automaton), arguments)
        first = builder.select(later, _I64(positions.start_later), _I64(positions.start))
        return self._simulated(context, builder, positions, first, arguments)

    def _match(self, module: ir.Module, how: str, positions: Positions, automaton: Automaton) -> ir.Function:
        """Return the function that matches at a place, or a whole text."""
        function, builder = self._define(module, how)
        if builder is not None:
            starts = (positions.start, positions.start) if how == "fullmatch" else self._starts
            name = self._name("whole" if how == "fullmatch" else "anchored")
            found = builder.call(emit(module, name, automaton, starts, self._tags), function.args)
            self._return_if_found(builder, found, function.args[1])
            builder.ret(self._none())
        return function

    def _anchored_code(self, module: ir.Module, automaton: Automaton) -> ir.Function:
        return emit(module, self._name("anchored"), automaton, self._starts, self._tags)

    def _search_code(self, module: ir.Module, automaton: Automaton) -> ir.Function:
        return emit(module, self._name("searching"), automaton, self._loops, [START_TAG])

    def _search_alone(self, module: ir.Module, searching: Automaton) -> ir.Function:
        """Return the function that searches for a pattern without groups."""
        function, builder = self._define(module, "search")
        if builder is not None:
            found = builder.call(self._search_code(module, searching), function.args)
            builder.ret(self._joined(builder, [builder.extract_value(found, i) for i in (1, 0)]))
        return function

    def _search_and_match(self, module: ir.Module, anchored: Automaton, searching: Automaton) -> ir.Function:
        """Return the function that tries the first place that may be one, and then finds the one that is."""
        function, builder = self._define(module, "search")
        if builder is None:
            return function
        data, start, end, later = function.args
        at = cgutils.alloca_once_value(builder, start)
        builder.store(self._next_place(builder, data, start, end), at)
        tried = cgutils.alloca_once_value(builder, _I1(0))
        builder.store(_I1(0), tried)
        attempt = builder.append_basic_block("attempt")
        builder.branch(attempt)
        builder.position_at_end(attempt)
        here = builder.load(at)
        still_later = builder.and_(later, builder.icmp_signed("==", here, start))
        found = builder.call(self._anchored_code(module, anchored), [data, here, end, still_later])
        self._return_if_found(builder, found, here)
        with builder.if_then(builder.load(tried), likely=False):
            builder.unreachable()
        found = builder.call(self._search_code(module, searching), [data, here, end, still_later])
        with builder.if_then(builder.icmp_signed("<", builder.extract_value(found, 0), _I64(0))):
            builder.ret(self._none())
        builder.store(builder.extract_value(found, 1), at)
        builder.store(_I1(1), tried)
        builder.branch(attempt)
        return function

    def _search_by_trying(self, module: ir.Module, anchored: Automaton) -> ir.Function:
        """Return the function that tries each place that may be one."""
        function, builder = self._define(module, "search")
        if builder is None:
            return function
        data, start, end, later = function.args
        at = cgutils.alloca_once_value(builder, start)
        builder.store(start, at)
        attempt = builder.append_basic_block("attempt")
        builder.branch(attempt)
        builder.position_at_end(attempt)
        here = self._next_place(builder, data, builder.load(at), end)
        still_later = builder.and_(later, builder.icmp_signed("==", here, start))
        found = builder.call(self._anchored_code(module, anchored), [data, here, end, still_later])
        self._return_if_found(builder, found, here)
        with builder.if_then(builder.icmp_signed(">=", here, end)):
            builder.ret(self._none())
        width = width_of(builder, load(builder, data, here, _I8), is_utf8=self.alphabet.last > 0xFF)
        builder.store(builder.add(here, width), at)
        builder.branch(attempt)
        return function

    def _is_short(self) -> bool:
        """Whether no match is longer than `MOST_TRIED`, so that a search may begin anew at each place."""
        length = self.positions.longest()
        return length is not None and length <= MOST_TRIED

    def _simulated(
        self,
        context: Context,
        builder: Builder,
        positions: Positions,
        first: ir.Value,
        arguments: Sequence[ir.Value],
    ) -> ir.Value:
        """Return what a simulation finds that begins at a position."""
        symbols = self._symbols if positions is self.positions else Symbols(positions, self.alphabet)
        name = "." + self._name("table" if positions is self.positions else "table.whole")
        table = constant_table(builder.module, name, table_of(positions, symbols), _I64)
        size = 2 + 2 * self.groups
        room, spans = (
            builder.bitcast(cgutils.alloca_once(builder, ir.ArrayType(_I64, some)), _I64.as_pointer())
            for some in (room_for(positions), size)
        )
        ends = [builder.gep(spans, [_I64(i)]) for i in range(size)]
        for one in ends:
            builder.store(NONE, one)
        data, at, end, _ = arguments
        with builder.if_then(builder.icmp_signed("<=", at, end)):
            given = [data, at, end, first, room, spans, builder.gep(table, [_I64(0), _I64(0)])]
            kinds = byte_pointer, types.int64, types.int64, types.int64, words, words, words
            call_helper(context, builder, simulate, kinds, given)
            found = builder.icmp_signed(">=", builder.load(ends[1]), _I64(0))
            unknown = builder.icmp_signed("<", builder.load(ends[0]), _I64(0))
            with builder.if_then(builder.and_(found, unknown)):
                builder.store(at, ends[0])
        return self._joined(builder, [builder.load(one) for one in ends])

    def _next_place(self, builder: Builder, data: ir.Value, at: ir.Value, end: ir.Value) -> ir.Value:
        """Return the first place from ``at`` on where a match may start."""
        first = self._first_bytes()
        if first is None or scannable(first) is None:
            return at
        return builder.call(scan(builder.module, first), [data, at, end])

    def _first_bytes(self) -> Set | None:
        """Return the bytes that matches begin with; None if one may be empty."""
        ranges: list[tuple[int, int]] = []
        for step in self.positions.steps[self.positions.start]:
            if step.to == MATCH:
                return None
            for first, last in self.positions.chars[step.to]:
                if self.alphabet.last <= 0xFF or last <= 0x7F:
                    ranges.append((first, last))
                else:  # by its first byte
                    ranges.append((min(first, 0x80), 0xFF))
        return union(ranges)

    def _return_if_found(self, builder: Builder, found: ir.Value, start: ir.Value) -> None:
        """Return what an automaton has found from a place on, if it has."""
        end, *groups = (builder.extract_value(found, i) for i in range(1 + 2 * self.groups))
        with builder.if_then(builder.icmp_signed(">=", end, _I64(0))):
            builder.ret(self._joined(builder, [start, end, *groups]))

    def _joined(self, builder: Builder, values: Sequence[ir.Value]) -> ir.Value:
        spans = ir.Constant(self._spans, ir.Undefined)
        for i, value in enumerate(values):
            spans = builder.insert_value(spans, value, i)
        return spans

    def _none(self) -> ir.Constant:
        return ir.Constant(self._spans, [NONE] * (2 + 2 * self.groups))
