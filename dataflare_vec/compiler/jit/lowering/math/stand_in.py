"""The stand-in: what a replaced call of `math` or NumPy names.

Its type knows our signatures; for any argument types that ours don't handle (arrays, complex numbers) it is
typed and lowered as the function it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.imputils import lower_builtin
from numba.core.registry import cpu_target
from numba.core.typing import signature
from numba.core.typing.typeof import typeof_impl

from dataflare_vec.compiler.jit.lowering.math import emit
from dataflare_vec.compiler.jit.lowering.math.table import MathFunction
from dataflare_vec.compiler.jit.lowering.math.values import F32, F64
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )


@dataclass(frozen=True)
class StandIn:
    """What a replaced call names: one of our functions, in one variant, for one of Python's or NumPy's."""

    function: MathFunction
    original: Any
    mode: emit.Mode


class StandInType(types.Callable, types.Opaque):  # type: ignore[misc]
    """Numba's type of a stand-in."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        original = stand_in.original
        module = getattr(original, "__module__", None) or "numpy"
        super().__init__(f"dfv.{stand_in.function.name}.{module}.{original.__name__}.{stand_in.mode}")

    def get_call_type(self, context: TypingContext, args: Any, kws: Any) -> Any:
        """Return our signature where we have one, else that of the original."""
        ours = None if kws else _own_signature(self.stand_in.function, args)
        return ours or context.resolve_value_type(self.stand_in.original).get_call_type(context, args, kws)

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        """Return nothing: what fits depends on the arguments."""
        return [], True

    def get_impl_key(self, sig: Any) -> Any:
        """Return under which name the call is lowered."""
        if _own_signature(self.stand_in.function, sig.args) == sig:
            return self.stand_in
        original = cpu_target.typing_context.resolve_value_type(self.stand_in.original)
        return original.get_impl_key(sig)


register_default(StandInType)(models.OpaqueModel)


@typeof_impl.register(StandIn)  # type: ignore[untyped-decorator]
def _typeof_stand_in(value: StandIn, context: Any) -> StandInType:
    return StandInType(value)


def _own_signature(function: MathFunction, args: tuple[types.Type, ...]) -> Any:
    """Return the signature for numbers and bools, optional ones too; None for what ours don't handle."""
    if len(args) != function.arguments:
        return None
    # Numba casts the arguments to the signature's types; that of None raises.
    args = tuple(types.unliteral(arg.type if isinstance(arg, types.Optional) else arg) for arg in args)
    numbers = (types.Float, types.Integer, types.Boolean, WideIntType)
    if not all(isinstance(arg, numbers) and arg != types.float16 for arg in args):
        return None
    are_floats = [isinstance(arg, types.Float) for arg in args]
    kind = types.float32 if all(arg == types.float32 for arg in args) else types.float64
    if function.takes == "floats" and not all(are_floats):
        return None
    if function.takes in ("a float", "power") and not any(are_floats):
        return None
    if function.takes == "power" and args[0] == types.float32 and not are_floats[1]:
        return None
    if function.takes == "power of an integer":
        if not are_floats[0]:
            return None
        kind = args[0]
    returned = {"float": kind, "bool": types.boolean}[function.returns]
    return signature(returned, *[kind] * len(args))


def _lower(stand_in: StandIn) -> Callable[..., Any]:
    """Return Numba's lowering of one stand-in."""

    def call(context: Context, builder: Builder, sig: Signature, args: Values) -> Any:
        function, mode = stand_in.function, stand_in.mode
        fmt = F32 if sig.args[0] == types.float32 else F64
        result = emit.call(context, builder, function, fmt, mode, args)
        if function.is_guarded and not mode.general:
            large = builder.extract_value(result, 1)
            with builder.if_then(large, likely=False):
                context.call_conv._return_errcode_raw(builder, emit.STATUS(emit.LARGE_ANGLE))
            result = builder.extract_value(result, 0)
        return result

    return call


_stand_ins: dict[tuple[MathFunction, Any, emit.Mode], StandIn] = {}


def stand_in_for(function: MathFunction, original: Any, mode: emit.Mode) -> StandIn:
    """Return what stands in for one of Python's or NumPy's functions, in one variant."""
    key = (function, original, mode)
    if key not in _stand_ins:
        made = _stand_ins[key] = StandIn(function, original, mode)
        for kind in (types.float64, types.float32):
            lower_builtin(made, *[kind] * function.arguments)(_lower(made))
    return _stand_ins[key]
