"""Which keys of a dict that a kernel makes are one: those that are equal, as 0.0 and -0.0 are.

Numba compares keys without references byte by byte, which tells the zeros of floats and complex numbers
apart. Keys that hold such are compared by ``==``, as those with references are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types, typing
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.typed import dictobject
from numba.typed.typedobjectutils import _get_incref_decref

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, TypingContext, Values

_I32 = ir.IntType(32)
_FUNCTION = cgutils.voidptr_t


def _holds_floats(kind: types.Type) -> bool:
    """Whether values of a type may be equal where their bytes aren't."""
    if isinstance(kind, types.BaseTuple):
        return any(map(_holds_floats, kind))
    if isinstance(kind, types.Optional) and _holds_floats(kind.type):
        msg = f"Dict.key_type cannot be of type {kind}"  # as Numba says of one that isn't in a tuple
        raise TypingError(msg)
    return isinstance(kind, types.Float | types.Complex)


def _same(a, b):  # type: ignore[no-untyped-def]
    return a == b


def _comparison(context: Context, builder: Builder, kind: types.Type) -> ir.Function:
    """Return what compares the keys at two addresses: 1 if they are equal, -1 if that fails."""
    model = context.data_model_manager[kind]
    at = model.get_data_type().as_pointer()
    name = f".dfv_{context.fndesc.mangled_name}_same_key"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_I32, [at, at]), name)
    function.linkage = "internal"
    within = ir.IRBuilder(function.append_basic_block())
    keys = [model.load_from_data_pointer(within, one) for one in function.args]
    signature = typing.signature(types.boolean, kind, kind)
    compiled = context.compile_subroutine(within, _same, signature)
    status, same = context.call_internal_no_propagate(within, compiled.fndesc, signature, keys)
    within.ret(within.select(status.is_ok, within.zext(same, _I32), _I32(-1)))
    return function


@intrinsic  # type: ignore[untyped-decorator]
def _set_method_table(typing_context: TypingContext, dp: Any, keyty: Any, valty: Any) -> Any:
    """Say how keys of a dict are compared, and what counts references to keys and values."""
    key, value = keyty.instance_type, valty.instance_type
    holds_floats = _holds_floats(key)

    def generate(context: Context, builder: Builder, signature: Any, arguments: Values) -> Any:
        null = _FUNCTION(None)
        compares = holds_floats or context.data_model_manager[key].contains_nrt_meminfo()
        functions = [_comparison(context, builder, key) if compares else null]
        for kind, name in ((key, "dict_key"), (value, "dict_value")):
            model = context.data_model_manager[kind]
            counted = model.contains_nrt_meminfo()
            functions += _get_incref_decref(context, builder.module, model, name) if counted else (null, null)
        table = cgutils.pack_array(builder, [builder.bitcast(one, _FUNCTION) for one in functions])
        at = cgutils.alloca_once_value(builder, table)
        taken = ir.FunctionType(ir.VoidType(), [dictobject.ll_dict_type, at.type])
        set_table = cgutils.get_or_insert_function(builder.module, taken, "numba_dict_set_method_table")
        builder.call(set_table, [arguments[0], at])

    return types.void(dp, keyty, valty), generate


dictobject._dict_set_method_table = _set_method_table  # which `new_dict` names
