"""After Numba has inferred types: None is equal to nothing but None, in no set of texts, and false.

Numba takes what an optional holds and raises TypeError where that is None: also for ``x == 1``,
``x in (1, 2)`` and ``if x:``, which in Python are False then. These get code of ours.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir as llvm
from numba.core import cgutils, ir, ir_utils, types
from numba.core.errors import NumbaError
from numba.core.imputils import lower_builtin
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from dataflare_vec.compiler.jit.lowering.absent import FIRST
from dataflare_vec.compiler.jit.passes.exact_integers import plain_kind, sign_for
from dataflare_vec.compiler.jit.types.strings import ViewType
from dataflare_vec.compiler.jit.types.tables import TableType, TableView

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, FunctionIR, Signature, Values

_BOOL = llvm.IntType(1)


class _Code:
    """What stands for an operator: a key of Numba's registries."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.__name__ = function.__name__


def _code(function: Any, lower: Callable[..., Any], arity: int) -> _Code:
    key = _Code(function)

    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            """Return the one signature there is: the types have been inferred."""
            return signature(types.boolean, *args)

    Template.key = key
    infer_global(key, types.Function(Template))
    lower_builtin(key, *[types.Any] * arity)(lower)
    return key


def _held(context: Context, builder: Builder, kind: Any, value: ir.Value) -> tuple[Any, Any]:
    """Return whether there is a value, and the value."""
    if not isinstance(kind, types.Optional):
        return _BOOL(not isinstance(kind, types.NoneType)), value
    optional = context.make_helper(builder, kind, value=value)
    return cgutils.as_bool_bit(builder, optional.valid), optional.data


def _answer(function: Any, if_absent: Callable[..., Any]) -> Callable[..., Any]:
    """Return what emits the code of a function for values, and ``if_absent(…)`` without them."""

    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        kinds = [kind.type if isinstance(kind, types.Optional) else kind for kind in sig.args]
        pairs = [_held(context, builder, kind, value) for kind, value in zip(sig.args, args, strict=True)]
        flags = [flag for flag, _ in pairs]
        result = cgutils.alloca_once_value(builder, if_absent(context, builder, flags, (sig.args, args)))
        present = flags[0] if len(flags) == 1 else builder.and_(*flags)
        with builder.if_then(present):
            called, found = _inner(function, tuple(kinds))
            values = [
                context.cast(builder, value, kind, wanted)
                for (_, value), kind, wanted in zip(pairs, kinds, found.args, strict=True)
            ]
            answer = context.get_function(called, found)(builder, values)
            builder.store(context.cast(builder, answer, found.return_type, types.boolean), result)
        return builder.load(result)

    return lower


def _inner(function: Any, kinds: tuple[types.Type, ...]) -> tuple[Any, Any]:
    """Return the function for values that are there, and its signature."""
    context = cpu_target.typing_context
    plain = tuple(map(plain_kind, kinds))
    own = sign_for(function, plain)
    called = context.resolve_value_type(own or function)
    return called, called.get_call_type(context, plain, {})


def both_absent(context: Context, builder: Builder, flags: Any, operands: Any) -> Any:
    """Return whether both operands are None, of which one is."""
    return builder.not_(builder.or_(*flags))


def one_absent(context: Context, builder: Builder, flags: Any, operands: Any) -> Any:
    """Return whether only one operand is None, if one is."""
    return builder.xor(*flags)


def _none_within(context: Context, builder: Builder, flags: Any, operands: Any) -> Any:
    (kind, *_), (value, *_) = operands
    if isinstance(kind, types.BaseTuple):
        found = _BOOL(0)
        for i, item in enumerate(kind):
            there, _ = _held(context, builder, item, builder.extract_value(value, i))
            found = builder.or_(found, builder.not_(there))
        return found
    if isinstance(getattr(kind, "dtype", None), types.Optional):
        return context.compile_internal(builder, _has_none, signature(types.boolean, kind), (value,))
    return _BOOL(0)


def _has_none(items: Any) -> bool:
    for item in items:  # compiled as it stands
        if item is None:
            return True
    return False


def code_for(function: Any, if_absent: Callable[..., Any]) -> _Code:
    """Return what stands for an operator with two operands, of which ``if_absent`` answers if one is None."""
    return _code(function, _answer(function, if_absent), 2)


_OF_TWO = {
    function: code_for(function, if_absent)
    for function, if_absent in (
        (operator.eq, both_absent),
        (operator.ne, one_absent),
        (operator.contains, _none_within),
    )
}
_TRUE = _code(bool, _answer(bool, lambda *_: _BOOL(0)), 1)
_NOT = _code(operator.not_, _answer(operator.not_, lambda *_: _BOOL(1)), 1)


def _compared(function: Any, lower: Callable[..., Any]) -> None:
    """Have Numba's own code, of tuples and lists, compare items of which one may be None."""

    @infer_global(function)
    class Template(AbstractTemplate):  # type: ignore[misc]
        metadata = FIRST

        def generic(self, args: Any, kws: Any) -> Any:
            """Return the signature for two values, if one may be None and they are comparable when there."""
            if kws or not any(isinstance(kind, types.Optional) for kind in args) or types.none in args:
                return None
            try:
                found = _inner(function, tuple(map(plain_kind, args)))[1]
            except NumbaError:
                return None
            return found and signature(types.boolean, *args)

    for kinds in ((types.Optional, types.Optional), (types.Optional, types.Any), (types.Any, types.Optional)):
        lower_builtin(function, *kinds)(lower)


def _of_present(function: Any) -> Callable[..., Any]:
    """Return what emits the code of an operator for two values, which raises TypeError if one is None."""

    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        called, found = _inner(function, tuple(map(plain_kind, sig.args)))
        values = [context.cast(builder, *one) for one in zip(args, sig.args, found.args, strict=True)]
        answer = context.get_function(called, found)(builder, values)
        return context.cast(builder, answer, found.return_type, types.boolean)

    return lower


for _function, _if_absent in ((operator.eq, both_absent), (operator.ne, one_absent)):
    _compared(_function, _answer(_function, _if_absent))
for _ordering in (operator.lt, operator.le, operator.gt, operator.ge):
    _compared(_ordering, _of_present(_ordering))


def compare_none(func_ir: FunctionIR, typemap: Any, calltypes: Any) -> bool:
    """Change a typed function so; whether there was anything to change."""
    context = cpu_target.typing_context
    changed = False
    for block in func_ir.blocks.values():
        body: list[Any] = []
        for statement in block.body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ir.Assign) and isinstance(value, ir.Expr):
                code, operands = _replacement(func_ir, value)
                kinds = tuple(typemap[var.name] for var in operands)
                if code is not None and _is_for(code, kinds):
                    function = context.resolve_value_type(code)
                    if value.op == "call":
                        name = ir.Var(block.scope, ir_utils.mk_unique_var("$dfv"), value.loc)
                        body.append(ir.Assign(ir.Global("dfv_none", code, value.loc), name, value.loc))
                        typemap[name.name] = function
                        value.func = name
                    else:
                        value.fn = value.immutable_fn = code
                    retype(value, code, kinds, calltypes)
                    changed = True
            body.append(statement)
        block.body = body
    return changed


def retype(value: Any, code: Any, kinds: tuple[types.Type, ...], calltypes: Any) -> None:
    """Give an expression, which calls a function now, that function's signature."""
    context = cpu_target.typing_context
    del calltypes[value]  # which takes no key twice
    calltypes[value] = context.resolve_value_type(code).get_call_type(context, kinds, {})


def _replacement(func_ir: FunctionIR, value: Any) -> tuple[_Code | None, tuple[Any, ...]]:
    """Return what stands for an expression with an optional, and its operands."""
    if value.op == "binop":
        return _OF_TWO.get(value.fn), (value.lhs, value.rhs)
    if value.op == "unary":
        return (_NOT if value.fn is operator.not_ else None), (value.value,)
    if value.op == "call" and len(value.args) == 1 and not value.kws:
        found = ir_utils.guard(ir_utils.find_outer_value, func_ir, value.func)
        return (_TRUE if found is bool else None), tuple(value.args)
    return None, ()


def _is_for(code: _Code, kinds: tuple[types.Type, ...]) -> bool:
    """Whether one of the operands may be None, and the values that are there have such an operator."""
    looked_for = kinds[1:] if code.function is operator.contains else kinds
    if looked_for is not kinds and isinstance(plain_kind(kinds[0]), TableType | TableView | ViewType):
        return False  # None may be a key; of a text it can be no part, which raises
    if not any(isinstance(kind, types.Optional) for kind in looked_for) or types.none in kinds:
        return False
    try:
        inner = tuple(kind.type if isinstance(kind, types.Optional) else kind for kind in kinds)
        return _inner(code.function, inner)[1] is not None
    except NumbaError:
        return False


@lower_builtin("static_getitem", types.Optional, types.IntegerLiteral)  # type: ignore[untyped-decorator]
def _item_of_tuple(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
    """Take an item of a tuple that may be None: Numba has a type for that, and no code."""
    optional, index = sig.args
    value = context.cast(builder, args[0], optional, optional.type)
    inner = signature(sig.return_type, optional.type, index)
    return context.get_function("static_getitem", inner)(builder, (value, args[1]))
