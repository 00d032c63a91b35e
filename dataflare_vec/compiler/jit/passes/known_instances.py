"""Before types are inferred: an `isinstance` that has one answer becomes it, what it rules out is dropped.

The answer is known by the type of the value, which is inferred as far as that goes. It is taken only where
everything that the value comes from has a type. Of a value that comes by several ways, these may be fewer
once another test is answered: such tests are answered last, one after the other, in the order of the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from numba.core import ir, types
from numba.core.analysis import dead_branch_prune
from numba.core.errors import TypingError
from numba.core.ir_utils import build_definitions, find_topo_order, get_definition, guard

from dataflare_vec.compiler.jit.lowering.instances import answer, is_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR


class _Answer(NamedTuple):
    statement: Any
    value: str
    classes: Any
    is_so: bool


def answer_tests(func_ir: FunctionIR, arguments: Any, infer: Callable[[], dict[str, Any]]) -> bool:
    """Answer the tests of a function; ``infer`` returns the types of its variables that are known."""
    given: list[_Answer] = []
    changed = False
    while given or any(_tests(func_ir)):
        typed = _Typed(func_ir, infer())
        for one in given:
            if typed.answer(one.value, one.classes) != one.is_so:
                msg = "what it is an instance of depends on another isinstance that follows it"
                raise TypingError(msg, loc=one.statement.loc)
        answers = typed.answers()
        if not answers:
            break
        for one in answers:
            one.statement.value = ir.Const(one.is_so, one.statement.loc)
        given += [one for one in answers if typed.has_ways(one.value)]
        func_ir._definitions = build_definitions(func_ir.blocks)
        dead_branch_prune(func_ir, arguments)
        func_ir._definitions = build_definitions(func_ir.blocks)
        changed = True
    return changed


def _tests(func_ir: FunctionIR) -> Iterator[Any]:
    """Go over the statements that are a test, in the order of the code."""
    for label in find_topo_order(func_ir.blocks):
        for statement in func_ir.blocks[label].find_insts(ir.Assign):
            value = statement.value
            if isinstance(value, ir.Expr) and value.op == "call":
                called = guard(get_definition, func_ir, value.func)
                if isinstance(called, ir.Global) and called.value is is_instance:
                    yield statement


class _Typed:
    """A function some of whose variables have types."""

    def __init__(self, func_ir: FunctionIR, typemap: dict[str, Any]) -> None:
        self.func_ir, self.typemap = func_ir, typemap
        self.values: dict[str, list[Any]] = {}
        self.sources: dict[str, set[str]] = {}
        for block in func_ir.blocks.values():
            for statement in block.body:
                self._note(statement)

    def _note(self, statement: Any) -> None:
        """Note what variables a statement gives another one, or puts into it."""
        if isinstance(statement, ir.Assign):
            self.values.setdefault(statement.target.name, []).append(statement.value)
            self._read(statement.target.name, _variables(statement.value))
            owner = self._owner(statement.value)
            if owner is not None:  # a method may have its object hold what it is given
                self._read(owner.name, [*_variables(statement.value), statement.target])
        elif isinstance(statement, ir.SetItem | ir.StaticSetItem | ir.SetAttr):
            self._read(statement.target.name, [statement.value])

    def _read(self, name: str, variables: Any) -> None:
        self.sources.setdefault(name, set()).update(var.name for var in variables)

    def _owner(self, value: Any) -> Any:
        if not isinstance(value, ir.Expr) or value.op != "call":
            return None
        made = guard(get_definition, self.func_ir, value.func)
        return made.value if isinstance(made, ir.Expr) and made.op == "getattr" else None

    def _reached(self, name: str) -> set[str]:
        """Return a variable, and all that its value comes from."""
        reached: set[str] = set()
        ahead = {name}
        while ahead:
            reached |= ahead
            ahead = set().union(*(self.sources.get(one, ()) for one in ahead)) - reached
        return reached

    def has_ways(self, name: str) -> bool:
        """Whether a value comes by several ways, of which one may be left out."""
        made = [value for one in self._reached(name) for value in self.values.get(one, [])]
        return any(getattr(value, "op", "") == "phi" for value in made)

    def answers(self) -> list[_Answer]:
        """Return the tests that can be answered now."""
        known: list[_Answer] = []
        for statement in _tests(self.func_ir):
            value, classes = statement.value.args
            wanted = self.typemap[classes.name].classes
            is_so = self.answer(value.name, wanted)
            if is_so is not None:
                known.append(_Answer(statement, value.name, wanted, is_so))
        return [one for one in known if not self.has_ways(one.value)] or known[:1]

    def answer(self, name: str, classes: Any) -> bool | None:
        """Return whether a variable is of some classes; None if that isn't known, or the rows tell."""
        if any(self.typemap.get(one, types.unknown) == types.unknown for one in self._reached(name)):
            return None
        try:
            return answer(self.typemap[name], classes)
        except TypingError:  # as it will be said once all types are known
            return None


def _variables(value: Any) -> list[Any]:
    """Return the variables that a value is made of."""
    if isinstance(value, ir.Var):
        return [value]
    if not isinstance(value, ir.Expr):
        return []
    held = value.incoming_values if value.op == "phi" else value.list_vars()
    return [var for var in held if isinstance(var, ir.Var)]
