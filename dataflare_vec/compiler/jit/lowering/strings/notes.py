"""Messages of exceptions that a kernel makes when it raises, left with whoever runs it.

Only a native library has them compiled: elsewhere the plain Python function makes them. A message is handed
to the function whose address lies at `SYMBOL`, just before the exception is raised.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings.base import helper
from dataflare_vec.compiler.jit.lowering.strings.representation import repr_of
from dataflare_vec.compiler.jit.lowering.strings.symbols import external, symbol
from dataflare_vec.compiler.jit.lowering.strings.text import text_of
from dataflare_vec.compiler.jit.types.strings import StringConstant, utf8_string

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

#: Where the address of the function lies that gets a message.
SYMBOL = "dfv_note"

_I64 = ir.IntType(64)
_FUNCTION = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), _I64]).as_pointer()
_NOTHING = StringConstant("")


@symbol(SYMBOL)
def _nobody() -> Any:
    return ctypes.c_int64(0)


@intrinsic
def _leave(typing_context: TypingContext, text: Any) -> Any:
    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        view = cgutils.create_struct_proxy(utf8_string)(context, builder, value=arguments[0])
        function = builder.load(external(builder.module, SYMBOL, _FUNCTION))
        builder.call(function, [view.data, view.nbytes])
        return context.get_dummy_value()

    return types.none(utf8_string), generate


@helper
def leave_nothing():
    """Say that an exception has no message."""
    _leave(_NOTHING)


@helper
def leave_text(value):
    """Leave the message of an exception that shows its argument as `str` does."""
    _leave(text_of(value))


@helper
def leave_representation(value):
    """Leave the message of one that shows it as `repr` does."""
    _leave(repr_of(value))
