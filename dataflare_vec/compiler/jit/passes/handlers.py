"""From bytecode to Numba's IR, with `except` of classes, `as`, and exceptions that are raised again.

Numba's own knows `except Exception:` only. Here a function keeps which exception it handles, as Python does:
a handler puts the one before aside as it begins, and back as it ends. Where it is put says the depth of
Python's stack, which handlers within each other have different.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from numba.core import byteflow, interpreter, ir
from numba.core.errors import UnsupportedError
from numba.core.unsafe import eh
from numba.core.utils import PYVERSION

from dataflare_vec.compiler.jit.passes.caught import begin, end, handled, matcher, take_again
from dataflare_vec.compiler.jit.passes.lookups import drop_unused, outer_value
from dataflare_vec.compiler.jit.passes.raises import CAUGHT_NAME
from dataflare_vec.compiler.jit.passes.unpacking import UnpackingInterpreter, UnpackingTracer
from dataflare_vec.compiler.jit.types.raised import Again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

#: Whether bytecode says where handlers begin.
_KNOWN = PYVERSION >= (3, 11)
#: Instructions that no exception comes of, so that they stay in a block with what follows: Numba forgets the
#: names of arguments at its end, and from Python 3.13 on a function is made by several.
_RAISE_NOTHING = {*byteflow._NO_RAISE_OPS, "CACHE", "KW_NAMES", "MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"}


# -- from bytecode ----------------------------------------------------------------------------------------


def _tries(bytecode: Any, pc: int) -> tuple[Any, ...]:
    """Return the `try`s round an instruction, as Numba's blocks, from the outermost.

    Numba has them as they are come by, and misses one that is jumped into, as an `except` that doesn't
    match jumps to the end of its handler.
    """
    known = bytecode.__dict__.setdefault("_dfv_tries", {})
    found: list[Any] = []
    entry = bytecode.find_exception_entry(pc)
    while entry is not None and entry.target not in {one["end"] for one in found}:
        key = entry.target, entry.depth, entry.lasti
        if key not in known:
            known[key] = {
                "kind": byteflow.BlockKind("TRY"),
                "end": entry.target,
                "entry_stack": entry.depth,
                "stack_depth": entry.depth,
                "push_lasti": entry.lasti,
            }
        found.append(known[key])
        entry = bytecode.find_exception_entry(entry.target)
    return tuple(reversed(found))


class _State(byteflow.State):  # type: ignore[misc]
    """Where the tracer is: within the `try`s of the instruction."""

    def fork(self, pc: int, npop: int = 0, npush: int = 0, extra_block: Any = None) -> None:
        super().fork(pc, npop, npush, extra_block)
        edge = self._outedges[-1]
        if not any(one["kind"] == byteflow.BlockKind("WITH") for one in edge.blockstack):
            self._outedges[-1] = edge._replace(blockstack=_tries(self._bytecode, pc))


class _Flow(byteflow.Flow):  # type: ignore[misc]
    """A block ends where a `try` does."""

    def _run_handle_exception(self, runner: Any, state: Any) -> bool:
        if state.in_with() or (state.has_active_try() and state.get_inst().opname not in _RAISE_NOTHING):
            return bool(super()._run_handle_exception(runner, state))
        state.advance_pc()
        if state._blockstack[-1:] == list(_tries(self._bytecode, state._pc)[-1:]):
            return False
        state.split_new_block()
        return True


class _LoopTracer(UnpackingTracer):
    """Which values instructions take from Python's stack."""

    def op_FOR_ITER(self, state: Any, inst: Any) -> None:
        super().op_FOR_ITER(state, inst)
        if state.has_active_try() and not (_KNOWN and state.in_with()):
            state._outedges.pop()  # what follows, and the handler beside it, are the way of any instruction
            byteflow.Flow._run_handle_exception(None, self, state)


class _Tracer(_LoopTracer):
    """Which values instructions take from Python's stack."""

    def op_PUSH_EXC_INFO(self, state: Any, inst: Any) -> None:
        state.pop()
        caught = state.make_temp(CAUGHT_NAME[1:])
        state.append(inst, depth=state.stack_depth, caught=caught)
        state.push(state.make_temp("exception"))
        state.push(caught)

    def op_POP_EXCEPT(self, state: Any, inst: Any) -> None:
        state.pop()
        state.append(inst, depth=state.stack_depth)

    def op_RAISE_VARARGS(self, state: Any, inst: Any) -> None:
        if inst.arg == 2:
            state.pop()  # what it is raised from
        state.append(inst, exc=state.pop() if inst.arg else None)
        if state.has_active_try():
            self._adjust_except_stack(state)
        else:
            state.terminate()

    def op_SET_FUNCTION_ATTRIBUTE(self, state: Any, inst: Any) -> None:
        attribute = state._stack[-2]
        super().op_SET_FUNCTION_ATTRIBUTE(state, inst)
        state._used_regs.add(attribute)  # else it isn't known here where it comes from another block


class _LoopInterpreter(UnpackingInterpreter):
    """What instructions are in Numba's IR; within a `try` what a loop goes over may fail, as all else."""

    def op_FOR_ITER(self, inst: Any, iterator: str, pair: str, indval: str, pred: str) -> None:
        super().op_FOR_ITER(inst, iterator, pair, indval, pred)
        handler = self.dfainfo.active_try_block
        if handler is None or handler["end"] not in self.cfa.graph.nodes():
            return
        branch = self.current_block.body.pop()
        self._insert_exception_check()
        # Whether the loop goes on is asked in a block that bytecode hasn't: its offsets are even.
        asked = inst.offset + 1
        raised = self.get("$exception_check")
        self.current_block.append(ir.Branch(raised, handler["end"], asked, loc=self.loc))
        self.__dict__.setdefault("_going_on", {})[asked] = branch

    def op_MAKE_FUNCTION(self, inst: Any, *, kwdefaults: str | None, res: str, **about: Any) -> None:
        super().op_MAKE_FUNCTION(inst, kwdefaults=None, res=res, **about)
        if kwdefaults is not None:  # they come in a dict, which nothing else reads
            (made,) = self.definitions[kwdefaults]
            named = [(self.definitions[key.name][0].value, value) for key, value in made.items]
            self.definitions[res][0].keyword_defaults = tuple(named)
            self._replace(made, ir.Const(None, self.loc))

    def _replace(self, value: Any, other: Any) -> None:
        """Replace what a variable is assigned."""
        for block in self.blocks.values():
            for statement in block.find_insts(ir.Assign):
                if statement.value is value:
                    statement.value = other
                    self.definitions[statement.target.name] = [other]

    def post_process(self, peepholes: Any, func_ir: FunctionIR) -> FunctionIR:
        for offset, branch in self.__dict__.get("_going_on", {}).items():
            block = func_ir.blocks[offset] = ir.Block(func_ir.blocks[offset - 1].scope, branch.loc)
            block.append(branch)
        return super().post_process(peepholes, func_ir)


class _Interpreter(_LoopInterpreter):
    """What instructions are in Numba's IR."""

    tells = False

    def op_PUSH_EXC_INFO(self, inst: Any, depth: int, caught: str) -> None:
        self._inject_call(begin(depth, tells=self.tells), "begin_handler", caught)

    def op_POP_EXCEPT(self, inst: Any, depth: int) -> None:
        self._inject_call(end(depth), "end_handler")

    def op_CHECK_EXC_MATCH(self, inst: Any, pred: str, tos: str, tos1: str) -> None:
        function = ir.Global("exception_match", eh.exception_match, loc=self.loc)
        self.store(value=function, name="$exc_match", redefine=True)
        call = ir.Expr.call(self.get("$exc_match"), (self.get(tos),), (), loc=self.loc)
        self.store(call, pred)

    def op_RERAISE(self, inst: Any, exc: str) -> None:
        self._again(self.get(exc))

    def op_RAISE_VARARGS(self, inst: Any, exc: str | None) -> None:
        if exc is None:
            self._inject_call(handled, "handled", "$handled")
            self._again(self.get("$handled"))
        elif self._is_caught(self.get(exc)):
            self._again(self.get(exc))
        else:
            super().op_RAISE_VARARGS(inst, exc)

    def op_STORE_FAST(self, inst: Any, value: str) -> None:
        following = self.bytecode[inst.next] if inst.next in self.bytecode else inst
        ends = following.opname == "DELETE_FAST" and following.arg == inst.arg
        if not (ends and self._is_caught_as(inst)):  # else it is None, as the handler ends
            super().op_STORE_FAST(inst, value)

    def op_DELETE_FAST(self, inst: Any) -> None:
        if not self._is_caught_as(inst):
            super().op_DELETE_FAST(inst)

    def _is_caught_as(self, inst: Any) -> bool:
        """Whether an instruction's variable is the one of an `except … as …`."""
        name = self.code_locals[inst.arg]
        return name in self.definitions and self._is_caught(self.get(name))

    def _is_caught(self, var: Any) -> bool:
        """Whether a variable holds nothing but what handlers caught, and None as they end."""
        seen: set[str] = set()
        waiting, found = [var.name], False
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for value in self.definitions.get(name, ()):
                if isinstance(value, ir.Var):
                    waiting.append(value.name)
                elif isinstance(value, ir.Const) and value.value is None:
                    continue
                elif name.startswith(CAUGHT_NAME):
                    found = True
                else:
                    return False
        return found

    def _again(self, exception: Any) -> None:
        """Raise an exception again."""
        function = ir.Global("take_again", take_again, loc=self.loc)
        self.store(value=function, name="$take_again", redefine=True)
        call = ir.Expr.call(self.get("$take_again"), (exception,), (), loc=self.loc)
        self.store(call, "$taken_again", redefine=True)
        handler = self.dfainfo.active_try_block
        if handler is None:
            self.current_block.append(ir.StaticRaise(Again, (), self.loc))
            return
        self.current_block.append(ir.StaticTryRaise(Again, (), self.loc))
        self._insert_try_block_end()
        self.current_block.append(ir.Jump(handler["end"], loc=self.loc))

    def _legalize_exception_vars(self) -> None:
        """Let exceptions be kept in variables: what can't be done with them their type says."""


_OWN = (
    (byteflow, "TraceRunner", _Tracer),
    (byteflow, "State", _State),
    (interpreter, "Flow", _Flow),
)


@contextmanager
def traced(*own: tuple[Any, str, Any]) -> Iterator[None]:
    """Have Numba use our classes and functions instead of its own: by module and name."""
    # Numba makes its own by these names. One thread at a time compiles.
    with ExitStack() as stack:
        for module, name, one in own:
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, one)
        yield


def interpret(function: Any, bytecode: Any, *, tells: bool = False) -> FunctionIR:
    """Return Numba's IR of a function; before Python 3.11, whose bytecode is another, as Numba makes it."""
    if not _KNOWN:
        with traced((byteflow, "TraceRunner", _LoopTracer)):
            return _LoopInterpreter(function).interpret(bytecode)
    with traced(*_OWN):
        reader = _Interpreter(function)
        reader.tells = tells
        func_ir = reader.interpret(bytecode)
    _choose_matchers(func_ir)
    return func_ir


# -- which classes are caught -----------------------------------------------------------------------------


def _choose_matchers(func_ir: FunctionIR) -> None:
    """Have each `except` ask for its classes."""
    named: set[str] = set()
    for block in func_ir.blocks.values():
        body = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(value, ir.Expr) and value.op == "call" and _is_match(func_ir, value):
                (given,) = value.args
                asked = matcher(frozenset(_classes(func_ir, given)))
                chosen = block.scope.make_temp(value.loc)
                function = ir.Global(f"except_{chosen.name}", asked, value.loc)
                body.append(ir.Assign(function, chosen, value.loc))
                func_ir._definitions[chosen.name].append(function)
                value.func, value.args = chosen, ()
                named.add(given.name)
            body.append(statement)
        block.body = body
    _drop_classes(func_ir, named)


def _is_match(func_ir: FunctionIR, call: Any) -> bool:
    values = func_ir._definitions.get(call.func.name, ())
    return any(isinstance(one, ir.Global) and one.value is eh.exception_match for one in values)


def _classes(func_ir: FunctionIR, given: Any) -> list[type[BaseException]]:
    """Return the classes that an `except` names."""
    found = []
    for value in func_ir._definitions.get(given.name, ()):
        if isinstance(value, ir.Var):
            found.append(_classes(func_ir, value))
        elif isinstance(value, ir.Expr) and value.op == "build_tuple":
            found.append([one for item in value.items for one in _classes(func_ir, item)])
        else:
            found.append(list(_flat(outer_value(func_ir, given), given)))
    return found[0] if found and all(one == found[0] for one in found) else list(_flat(None, given))


def _flat(value: Any, given: Any) -> Iterator[type[BaseException]]:
    if isinstance(value, type) and issubclass(value, BaseException):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _flat(one, given)
    else:
        msg = "an `except` of classes that aren't known"
        raise UnsupportedError(msg, loc=given.loc)


def _drop_classes(func_ir: FunctionIR, named: set[str]) -> None:
    """Drop what only said which classes are caught: a tuple of them is no value of compiled code."""
    tuples = [
        statement
        for block in func_ir.blocks.values()
        for statement in block.body
        if isinstance(statement, ir.Assign)
        and statement.target.name in named
        and isinstance(statement.value, ir.Expr)
        and statement.value.op == "build_tuple"
    ]
    items = {item.name for one in tuples for item in one.value.items}
    gone = set(map(id, tuples))
    for block in func_ir.blocks.values():
        block.body = [one for one in block.body if id(one) not in gone]
    drop_unused(func_ir, named | items)
