"""Numba type of a value that `json.loads` gives: its own text, which is read when something is asked of it.

Of what type it is in Python says its first byte. Spaces round it don't belong to it, and it is sound: that
was seen when it was loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic, make_attribute_wrapper, register_model

from dataflare_vec.compiler.jit.types.strings import byte_pointer

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )


#: What to do where its type has to be known.
SAY_WHAT = 'say what it is: `float(d["x"])`, `int(…)`, `str(…)` or `bool(…)`'


class JsonType(types.Type):  # type: ignore[misc]
    """A value of JSON, of whatever type."""

    def __init__(self) -> None:
        super().__init__("value of JSON")


json_type = JsonType()


@register_model(JsonType)
class _JsonModel(models.StructModel):  # type: ignore[misc]
    """``{i8* data, i64 nbytes}``, as a string's."""

    def __init__(self, dmm: Any, fe_type: JsonType) -> None:
        super().__init__(dmm, fe_type, [("data", byte_pointer), ("nbytes", types.int64)])


make_attribute_wrapper(JsonType, "data", "_data")
make_attribute_wrapper(JsonType, "nbytes", "_nbytes")


@intrinsic
def make_json(typing_context: TypingContext, data: Any, nbytes: Any) -> Any:
    """Return the value that is written at an address."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        made = cgutils.create_struct_proxy(json_type)(context, builder)
        made.data, made.nbytes = arguments
        return made._getvalue()

    return json_type(byte_pointer, types.int64), generate
