"""From bytecode to Numba's IR: ``a, *rest = …``, ``(*a, b)``, and ``match`` on sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import ir

from dataflare_vec.compiler.jit.lowering.standard.unpacking import (
    followed_by,
    followed_by_all,
    is_sequence,
    middle,
    taken_apart,
)
from dataflare_vec.compiler.jit.passes.imports import ImportingInterpreter, ImportingTracer

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnpackingTracer(ImportingTracer):
    """Which values instructions take from Python's stack."""

    def op_UNPACK_EX(self, state: Any, inst: Any) -> None:
        """Take apart what is unpacked into names, of which one is starred."""
        before, after = inst.arg & 255, inst.arg >> 8
        stores = [state.make_temp() for _ in range(before + 1 + after)]
        state.append(inst, iterable=state.pop(), before=before, after=after, stores=stores)
        for one in reversed(stores):
            state.push(one)

    def op_MATCH_SEQUENCE(self, state: Any, inst: Any) -> None:
        """Say whether the value is a sequence, and keep it."""
        self._ask(state, inst)

    def op_GET_LEN(self, state: Any, inst: Any) -> None:
        """Say how long the value is, and keep it."""
        self._ask(state, inst)

    def op_TUPLE_EXTEND(self, state: Any, inst: Any) -> None:
        """Put the items of a tuple behind those of another (`jit.passes.starred_tuples`)."""
        self._lengthen(state, inst)

    def op_TUPLE_APPEND(self, state: Any, inst: Any) -> None:
        """Put one item behind those of a tuple."""
        self._lengthen(state, inst)

    def _lengthen(self, state: Any, inst: Any) -> None:
        more, items = state.pop(), state.pop()
        names = [state.make_temp() for _ in range(2)]
        state.append(inst, items=items, more=more, names=names)
        state.push(names[-1])

    def _ask(self, state: Any, inst: Any) -> None:
        value = state.pop()
        state.push(value)
        names = [state.make_temp() for _ in range(2)]
        state.append(inst, value=value, names=names)
        state.push(names[-1])


class UnpackingInterpreter(ImportingInterpreter):
    """What instructions are in Numba's IR."""

    def op_UNPACK_EX(self, inst: Any, iterable: str, before: int, after: int, stores: Sequence[str]) -> None:
        """Assign the first values, a list of those in the middle, and the last ones."""
        first, last = (self._new(ir.Const(number, self.loc)) for number in (before, after))
        whole = self._call(taken_apart, self.get(iterable), first, last)
        for i, name in enumerate(stores):
            if i == before:
                rest = self._call(middle, whole, first, last)
                self.store(rest, name)
            else:
                index = i if i < before else i - len(stores)
                at = self._new(ir.Const(index, self.loc))
                self.store(ir.Expr.static_getitem(whole, index, at, self.loc), name)

    def op_MATCH_SEQUENCE(self, inst: Any, value: str, names: Sequence[str]) -> None:
        """Call what says it."""
        self._call_built_in(is_sequence, names, value)

    def op_GET_LEN(self, inst: Any, value: str, names: Sequence[str]) -> None:
        """Call what says it."""
        self._call_built_in(len, names, value)

    def op_TUPLE_EXTEND(self, inst: Any, items: str, more: str, names: Sequence[str]) -> None:
        """Call what puts them together."""
        self._call_built_in(followed_by_all, names, items, more)

    def op_TUPLE_APPEND(self, inst: Any, items: str, more: str, names: Sequence[str]) -> None:
        """Call what puts them together."""
        self._call_built_in(followed_by, names, items, more)

    def _new(self, value: Any) -> Any:
        name = f"$dfv_unpacked.{len(self.definitions)}"
        self.store(value, name)
        return self.get(name)

    def _call(self, function: Any, *arguments: Any) -> Any:
        called = self._new(ir.Global(function.__name__, function, loc=self.loc))
        return self._new(ir.Expr.call(called, arguments, (), loc=self.loc))
