"""In kernels that ask what a caught exception says, each `raise` makes its message.

No other kernel has messages (`passes.raises`): the compiler tries without, and comes here if it then meets an
exception that is used as a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numba.core import ir, ir_utils

from dataflare_vec.compiler.jit.lowering import told, told_calls
from dataflare_vec.compiler.jit.passes.lookups import outer_value, replace_value
from dataflare_vec.compiler.jit.passes.rewriting import Rewriting
from dataflare_vec.compiler.jit.types.messages import SAID, TOLD, shows_argument

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import FunctionIR

_STATIC = {
    ir.DynamicRaise: ir.StaticRaise,
    ir.DynamicTryRaise: ir.StaticTryRaise,
    ir.StaticRaise: ir.StaticRaise,
    ir.StaticTryRaise: ir.StaticTryRaise,
}
#: Our own functions for them: nothing is replaced within.
CALLS = frozenset({told_calls.told_int, told_calls.told_whole, told_calls.told_float, told_calls.told_item})
#: By name, number of arguments and names of others, what stands for a function of Python.
_OURS: dict[tuple[Any, ...], Any] = {
    ("int", 1): told_calls.told_whole,
    ("int", 2): told_calls.told_int,
    ("int", 1, "base"): told_calls.told_int,
    ("float", 1): told_calls.told_float,
}


def tell_messages(func_ir: FunctionIR) -> bool:
    """Have each exception of a function be made with its message; whether there were any."""
    changed = False
    is_ours = func_ir.func_id.func in CALLS
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            telling = _Telling(func_ir, block, statement)
            kind = _STATIC.get(type(statement))
            if kind is not None and statement.exc_class is not None:
                statement = telling.told(kind)
                changed = True
            elif not is_ours and isinstance(getattr(statement, "value", None), ir.Expr):
                changed |= telling.calls_ours()
            body += telling.before
            body.append(statement)
        block.body = body
    return changed


class _Telling(Rewriting):
    """What becomes of one statement that raises, or calls what may."""

    def told(self, kind: Any) -> Any:
        """Return the statement that raises an exception with its message."""
        exception, arguments = self.statement.exc_class, tuple(self.statement.exc_args or ())
        if not shows_argument(exception):
            return kind(exception, (), self.loc)
        if not any(isinstance(one, ir.Var) for one in arguments):
            return kind(exception, (SAID, *arguments), self.loc)
        first, *others = (
            one if isinstance(one, ir.Var) else self.assigned(ir.Const(one, self.loc)) for one in arguments
        )
        function: Any = told.tell
        if others:
            function = told.tell_several
            first = self.assigned(ir.Expr.build_tuple([first, *others], self.loc))
        elif issubclass(exception, KeyError):
            function = told.tell_key
        self._called(told.keep_told, self._called(function, first))
        return kind(exception, (TOLD,), self.loc)

    def calls_ours(self) -> bool:
        """Whether it was a call or a look-up that fails with words of its own, and is one of ours now."""
        value = self.statement.value
        if value.op == "call" and value.vararg is None and value.varkwarg is None:
            names = [name for name, _ in value.kws]
            ours = _OURS.get((_name_of(self.func_ir, value), len(value.args), *names))
            if ours is not None:
                value.func = self._named(ours)
            return ours is not None
        if value.op not in ("getitem", "static_getitem") or not _is_dict(self.func_ir, value):
            return False
        key = value.index if value.op == "getitem" else value.index_var
        if key is None:
            return False
        function = self._named(told_calls.told_item)
        replace_value(self.func_ir, self.statement, ir.Expr.call(function, (value.value, key), (), self.loc))
        return True

    def _named(self, function: Any) -> Any:
        return self.assigned(ir.Global(function.__name__, function, self.loc))

    def _called(self, function: Any, argument: Any) -> Any:
        return self.assigned(ir.Expr.call(self._named(function), (argument,), (), self.loc))


def _name_of(func_ir: FunctionIR, call: Any) -> str:
    found = outer_value(func_ir, call.func)
    return found.__name__ if found is int or found is float else ""


def _is_dict(func_ir: FunctionIR, value: Any) -> bool:
    """Whether what is looked up in may be a dict."""
    owner = outer_value(func_ir, value.value)
    if owner is not None:
        return isinstance(owner, Mapping)
    made = ir_utils.guard(ir_utils.get_definition, func_ir, value.value)
    if isinstance(made, ir.Expr) and made.op == "build_map":
        return True
    return value.op == "getitem" and isinstance(made, ir.Arg)
