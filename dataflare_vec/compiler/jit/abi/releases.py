"""What a function has that fails, it gives back: lists, arrays, dicts and sets, whose references are counted.

Numba gives them back where a variable isn't read any more, and nowhere else: a function that is left for an
exception, or left off for a handler, would lose what it holds. So while it is lowered it is known which
variables may hold something, and each way out begins with letting go of these.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llvmlite import ir as llvm_ir
from numba.core import cgutils, ir, types, typing
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.ir_utils import get_definition, guard
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering
from numba.core.unsafe import eh

from dataflare_vec.compiler.jit.abi.copied_generators import check_copies
from dataflare_vec.compiler.jit.abi.generators import OwnGeneratorLower, OwnYield

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dataflare_vec.compiler.jit.types.numba_types import Builder, FunctionIR

_ATTRIBUTE = "_dfv_releasing"


def releasing(builder: Builder) -> ReleasingLower | None:
    """Return what lowers the function of a builder, if it ever has something to give back."""
    found: ReleasingLower | None = getattr(builder, _ATTRIBUTE, None)
    return found


@contextmanager
def held_meanwhile(builder: Builder, values: Iterable[tuple[types.Type, llvm_ir.Value]]) -> Iterator[None]:
    """Have values given back, too, on ways out that are written meanwhile."""
    function = releasing(builder)
    if function is None:
        yield
        return
    before = function._temporary
    function._temporary = [*before, *values]
    yield
    function._temporary = before


class ReleasingLower(Lower):  # type: ignore[misc]
    """Numba's lowering of a function, that knows which variables hold references."""

    GeneratorLower = OwnGeneratorLower

    def init(self) -> None:
        """Look for variables that hold references."""
        super().init()
        models, typemap = self.context.data_model_manager, self.fndesc.typemap
        check_copies(self.func_ir, typemap, models, self.fndesc.restype)
        assigned = {s.target.name for block in self.blocks.values() for s in block.find_insts(ir.Assign)}
        self._counted = {name for name in assigned if models[typemap[name]].contains_nrt_meminfo()}
        self._held_at = _held_at_entries(self.func_ir, self._counted) if self._counted else {}
        self._held: set[str] = set()
        # Of the statement that is written: held, and in no variable.
        self._temporary: list[tuple[types.Type, llvm_ir.Value]] = []

    def setup_function(self, fndesc: Any) -> None:
        """Begin a function; a generator has two: one makes it, the other has its code."""
        super().setup_function(fndesc)
        if self._counted:
            setattr(self.builder, _ATTRIBUTE, self)

    def post_lower(self) -> None:
        """End the code of a function; what a generator has behind it holds nothing."""
        super().post_lower()
        self._held = set()

    def pre_block(self, block: Any) -> None:
        """Begin a block."""
        super().pre_block(block)
        self._await_try(block)
        label = next(label for label, one in self.blocks.items() if one is block)
        self._held = set(self._held_at.get(label, ()))
        if not self._disable_sroa_like_opt:
            self._held -= self._singly_assigned_vars  # those are values of one block

    def lower_inst(self, inst: Any) -> None:
        """Write a statement."""
        super().lower_inst(inst)
        _step(inst, self._held, self._counted)
        if self._awaited is not None and inst is self._awaited[0]:
            self.builder._in_try_block = self._awaited[1]

    def lower_yield(self, retty: types.Type, inst: Any) -> Any:
        """Write a `yield`."""
        kept = OwnYield(self, self.generator_info.yield_points[inst.index])
        kept.lower_yield_suspend()
        wanted, given = self.gentype.yield_type, self.typeof(inst.value.name)
        value = self.context.cast(self.builder, self.loadvar(inst.value.name), given, wanted)
        returned = self.context.get_return_value(self.builder, wanted, value)
        self.call_conv.return_value(self.builder, returned)
        kept.lower_yield_resume()
        return self.context.get_constant_generic(self.builder, retty, None)

    def _await_try(self, block: Any) -> None:
        """Keep what comes before a `try` out of it: Numba joins their blocks as it inlines closures."""
        self._awaited: tuple[Any, Any] | None = None
        handled = getattr(self.builder, "_in_try_block", None)
        if handled is None:
            return
        first = next((one for one in block.find_insts(ir.Assign) if self._begins_try(one.value)), None)
        if first is not None:
            del self.builder._in_try_block
            self._awaited = first, handled

    def _begins_try(self, value: Any) -> bool:
        if not (isinstance(value, ir.Expr) and value.op == "call"):
            return False
        function = guard(get_definition, self.func_ir, value.func)
        return isinstance(function, ir.Global) and function.value is eh.mark_try_block

    def release(self, builder: Builder, handler: llvm_ir.Block | None) -> None:
        """Let go of all that the function holds, or of what a handler wouldn't find.

        Parameters
        ----------
        handler
            Where the function goes on; None if it is left.
        """
        found: Iterable[str] = ()
        if handler is not None:
            label = next(label for label, one in self.blkmap.items() if one is handler)
            found = self._held_at[label] - self._singly_assigned_vars
        for name in sorted(self._held.difference(found)):
            kind = self.typeof(name)
            if name in self._singly_assigned_vars and not self._disable_sroa_like_opt:
                self.decref(kind, self._blk_local_varmap[name])
                continue
            slot = self.getvar(name)
            self.decref(kind, builder.load(slot))
            if handler is not None:
                builder.store(llvm_ir.Constant(slot.type.pointee, None), slot)
        for kind, value in self._temporary:
            self.decref(kind, value)

    def lower_expr(self, resty: types.Type, expr: Any) -> Any:
        """Write an expression."""
        if expr.op == "exhaust_iter":
            kind, value = self.typeof(expr.value.name), self.loadvar(expr.value.name)
            if isinstance(kind, types.Optional):
                kind, value = kind.type, self.context.cast(self.builder, value, kind, kind.type)
            if not isinstance(kind, types.BaseTuple):
                return self._unpack(kind, value, expr.count, resty)
        return super().lower_expr(resty, expr)

    def _unpack(self, kind: types.Type, value: llvm_ir.Value, count: int, resty: types.Type) -> llvm_ir.Value:
        """Return a tuple of what an iterable has; Numba, which does it so, loses the iterator if it fails."""
        builder, context, iterator = self.builder, self.context, kind.iterator_type
        pair = types.Pair(iterator.yield_type, types.boolean)
        begin = context.get_function("getiter", typing.signature(iterator, kind))
        proceed = context.get_function("iternext", typing.signature(pair, iterator))
        iterating = begin(builder, (value,))
        self._temporary.append((iterator, iterating))
        items = []
        for _ in range(count):
            found = proceed(builder, (iterating,))
            there = context.pair_second(builder, found, pair)
            with cgutils.if_unlikely(builder, builder.not_(there)):
                self.return_exception(ValueError, loc=self.loc)
            items.append(context.pair_first(builder, found, pair))
            self._temporary.append((iterator.yield_type, items[-1]))
        found = proceed(builder, (iterating,))
        with cgutils.if_unlikely(builder, context.pair_second(builder, found, pair)):
            self._temporary.append((iterator.yield_type, context.pair_first(builder, found, pair)))
            self.return_exception(ValueError, loc=self.loc)
        self._temporary.clear()
        self.decref(iterator, iterating)
        return context.make_tuple(builder, resty, items)


def _held_at_entries(func_ir: FunctionIR, counted: set[str]) -> Mapping[int, set[str]]:
    """Return which variables may hold something where each block begins."""
    flow = compute_cfg_from_blocks(func_ir.blocks)
    held: defaultdict[int, set[str]] = defaultdict(set)
    waiting = list(func_ir.blocks)
    while waiting:
        label = waiting.pop()
        leaving = set(held[label])
        for statement in func_ir.blocks[label].body:
            _step(statement, leaving, counted)
        for following, _ in flow.successors(label):
            if not leaving <= held[following]:
                held[following] |= leaving
                waiting.append(following)
    return held


def _step(statement: Any, held: set[str], counted: set[str]) -> None:
    """Have a set of variables that hold something be what it is behind a statement."""
    if isinstance(statement, ir.Assign) and statement.target.name in counted:
        held.add(statement.target.name)
    elif isinstance(statement, ir.Del):
        held.discard(statement.value)


# Functions of Numba's own, and of libraries, fail as well: all are to be lowered so.
NativeLowering.lowering_class = property(lambda lowering: ReleasingLower)
