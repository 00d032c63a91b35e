"""How deep helpers that call themselves may go: a row fails with RecursionError, as in Python.

Without a limit such a helper overruns the stack, which ends the process. Before each call of a function that
may come to call itself, the caller leaves its own depth with the thread; the callee begins with one more. So
nothing has to be counted down again, however a call ends.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from llvmlite import ir as llvm_ir
from numba.core import ir, ir_utils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings.symbols import external, symbol
from dataflare_vec.compiler.native import thread_keys
from dataflare_vec.definition.call_graph import may_recurse

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        FunctionIR,
        Signature,
        TypingContext,
        Values,
    )

KEY_SYMBOL = thread_keys.DEPTH

#: Calls within each other; Python's own limit, unless somebody sets another.
LIMIT = 1000
_TOO_DEEP = f"compiled code goes {LIMIT} calls deep; write it as a loop"

_I32, _I64 = llvm_ir.IntType(32), llvm_ir.IntType(64)
_BYTES = llvm_ir.PointerType(llvm_ir.IntType(8))

symbol(KEY_SYMBOL)(partial(thread_keys.thread_key, KEY_SYMBOL))


def _call(builder: Builder, name: str, returned: Any, arguments: list[Any]) -> Any:
    """Call a function of the C library with the thread's key."""
    module = builder.module
    key = builder.load(external(module, KEY_SYMBOL, _I32))
    kind = llvm_ir.FunctionType(returned, [_I32, *(argument.type for argument in arguments)])
    function = module.globals.get(name) or llvm_ir.Function(module, kind, name)
    return builder.call(function, [key, *arguments])


@intrinsic  # type: ignore[untyped-decorator]
def _enter(typing_context: TypingContext) -> Any:
    """Return one more than the caller's depth; raise RecursionError if that is too deep."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        before = builder.ptrtoint(_call(builder, "pthread_getspecific", _BYTES, []), _I64)
        depth = builder.add(before, _I64(1))
        with builder.if_then(builder.icmp_signed(">", depth, _I64(LIMIT)), likely=False):
            context.call_conv.return_user_exc(builder, RecursionError, (_TOO_DEEP,))
        return depth

    return types.int64(), generate


@intrinsic  # type: ignore[untyped-decorator]
def _leave_depth(typing_context: TypingContext, depth: Any) -> Any:
    """Leave a depth for the function that is called next."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        _call(builder, "pthread_setspecific", _I32, [builder.inttoptr(arguments[0], _BYTES)])
        return context.get_dummy_value()

    return types.none(types.int64), generate


class Depth:
    """The depth of one function while its calls are rewritten.

    An outermost one is at 0: it is called by a loop, or by a library that knows nothing of depths (as a
    ``key=`` of `sorted`), and what the thread says is of an earlier call.
    """

    def __init__(self, func_ir: FunctionIR, *, is_outermost: bool) -> None:
        self._func_ir = func_ir
        self._is_outermost = is_outermost
        first = func_ir.blocks[min(func_ir.blocks)]
        self._var = ir.Var(first.scope, ir_utils.mk_unique_var("$dfv_depth"), first.loc)
        self._is_needed = False

    def before(self, block: Any, loc: Any) -> list[Any]:
        """Return the statements to put before a call of a function that may recurse."""
        self._is_needed = True
        nothing = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv_depth"), loc)
        return self._call(_leave_depth, (self._var,), nothing)

    def begin(self) -> None:
        """Put at the beginning of the function what says how deep it is, if that is of interest."""
        first = self._func_ir.blocks[min(self._func_ir.blocks)]
        if not self._is_outermost and may_recurse(self._func_ir.func_id.func):
            first.body[:0] = self._call(_enter, (), self._var)
        elif self._is_needed:
            first.body[:0] = [self._assign(ir.Const(0, first.loc), self._var)]

    def _call(self, function: Any, arguments: tuple[Any, ...], result: Any) -> list[Any]:
        name = ir.Var(result.scope, ir_utils.mk_unique_var("$dfv_depth"), result.loc)
        return [
            self._assign(ir.Global(function.__name__, function, result.loc), name),
            self._assign(ir.Expr.call(name, arguments, (), result.loc), result),
        ]

    def _assign(self, value: Any, var: Any) -> Any:
        self._func_ir._definitions[var.name].append(value)
        return ir.Assign(value, var, var.loc)
