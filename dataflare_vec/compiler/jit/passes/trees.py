"""Calls of trees of Polars' operations, in one variant of the mathematical functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import signature
from numba.core.typing.typeof import typeof_impl

from dataflare_vec.compiler.jit.lowering.math.emit import LARGE_ANGLE, STATUS, Mode
from dataflare_vec.compiler.jit.lowering.trees.emitter import TRUE, Emitter, Maybe, llvm_type
from dataflare_vec.compiler.jit.lowering.trees.functions import has_guarded
from dataflare_vec.definition.trees.kinds import BOOL, kind_of
from dataflare_vec.definition.trees.nodes import may_be_null

if TYPE_CHECKING:
    from llvmlite import ir

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )
    from dataflare_vec.definition.trees.nodes import Node, Tree


@dataclass(frozen=True)
class TreeStandIn:
    """What a kernel calls instead of a tree."""

    tree: Tree
    mode: Mode


class TreeType(types.Callable, types.Opaque):  # type: ignore[misc]
    """Numba's type of it."""

    def __init__(self, stand_in: TreeStandIn) -> None:
        self.stand_in = stand_in
        super().__init__(f"dfv.tree.{stand_in.mode}.{stand_in.tree.described()}")

    def get_call_type(self, context: TypingContext, args: Any, kws: Any) -> Any:
        """Return the signature, whose results are as wide as Polars'."""
        tree = self.stand_in.tree
        results = [_result_type(node) for node in tree.outputs]
        returned = results[0] if len(results) == 1 else types.Tuple(results)
        return signature(returned, *args)

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        """Return nothing: there is one."""
        return [], False

    def get_impl_key(self, sig: Any) -> Any:
        """Return under which name the call is lowered."""
        return self.stand_in


register_default(TreeType)(models.OpaqueModel)


@typeof_impl.register(TreeStandIn)  # type: ignore[untyped-decorator]
def _typeof(value: TreeStandIn, context: Any) -> TreeType:
    return TreeType(value)


def _result_type(node: Node) -> types.Type:
    kind = kind_of(node.dtype)
    assert kind is not None
    ty = types.boolean if kind == BOOL else getattr(types, f"{kind.family}{kind.bits}")
    return types.Optional(ty) if may_be_null(node) else ty


def calls_guarded(tree: Tree) -> bool:
    """Whether a tree calls a function whose guarded variant only reports some arguments."""
    return any(map(has_guarded, tree.outputs))


_stand_ins: dict[tuple[Tree, Mode], TreeStandIn] = {}


def stand_in(tree: Tree, mode: Mode | None) -> TreeStandIn:
    """Return what stands in for a tree in a variant of the kernel."""
    mode = Mode(general=mode is None or mode.general)
    found = _stand_ins.get((tree, mode))
    if found is None:
        found = _stand_ins[tree, mode] = TreeStandIn(tree, mode)
        lower_builtin(found, types.VarArg(types.Any))(_lowering(found))
    return found


def _lowering(one: TreeStandIn) -> Any:
    def lower(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        tree = one.tree
        count = len(tree.columns)
        columns = [
            _column(context, builder, ty, value, dtype)
            for ty, value, dtype in zip(sig.args, args, tree.columns, strict=False)
        ]
        constants = [
            _fitted(builder, value, dtype) for value, dtype in zip(args[count:], tree.constants, strict=True)
        ]
        emit = Emitter(context, builder, columns, constants, one.mode)
        results = [emit(node) for node in tree.outputs]
        if emit.rare:
            with builder.if_then(emit.either(*emit.rare), likely=False):
                context.call_conv._return_errcode_raw(builder, STATUS(LARGE_ANGLE))
        if emit.failed:
            with builder.if_then(emit.either(*emit.failed), likely=False):
                context.call_conv.return_user_exc(builder, ValueError, ("a value has no room in its dtype",))
        made = [
            _returned(context, builder, node, result)
            for node, result in zip(tree.outputs, results, strict=True)
        ]
        return made[0] if len(made) == 1 else context.make_tuple(builder, sig.return_type, made)

    return lower


def _column(context: Context, builder: Builder, ty: types.Type, value: Any, dtype: Any) -> Maybe:
    if not isinstance(ty, types.Optional):
        return Maybe(_fitted(builder, value, dtype))
    optional = context.make_helper(builder, ty, value=value)
    return Maybe(_fitted(builder, optional.data, dtype), cgutils.as_bool_bit(builder, optional.valid))


def _fitted(builder: Builder, value: Any, dtype: Any) -> ir.Value:
    """Return an argument, which may come in more bits, as a value of its dtype."""
    kind = kind_of(dtype)
    assert kind is not None
    wanted = llvm_type(kind)
    if value.type == wanted:
        return value
    if kind.is_float:
        return builder.fptrunc(value, wanted)
    return builder.trunc(value, wanted)


def _returned(context: Context, builder: Builder, node: Node, result: Maybe) -> Any:
    ty = _result_type(node)
    if not isinstance(ty, types.Optional):
        return result.value
    if result.valid is TRUE:
        return context.make_optional_value(builder, ty.type, result.value)
    optional = context.make_helper(builder, ty)
    optional.data, optional.valid = result.value, result.valid
    return optional._getvalue()
