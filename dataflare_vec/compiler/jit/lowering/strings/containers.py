"""Strings and bytes in Numba's own dicts, sets and lists, which keep a view as it is.

What a view points to outlives the row (`arena.py`), and so does none of these: they are values of one row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer, signature
from numba.extending import box, lower_cast

from dataflare_vec.compiler.jit.lowering.strings.base import is_string
from dataflare_vec.compiler.jit.types.strings import BytesType, StringType, ascii_string, utf8_string

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context


def widened(ty: types.Type) -> Any:
    """Return a type that also takes strings which aren't ASCII, in tuples too; others as they are."""
    if is_string(ty):
        return utf8_string
    if isinstance(ty, types.BaseTuple):
        items = [widened(item) for item in ty]
        if any(new is not old for new, old in zip(items, ty, strict=True)):
            return types.BaseTuple.from_types(items, getattr(ty, "instance_class", None))
    return ty


def _widen(container: type) -> None:
    """Let a container of Numba's have items of `widened` types.

    It takes its types from what is put into it first, which may be a constant, and later things are cast to
    these. Types without strings of ours stay as they are.
    """
    make = container.__init__  # type: ignore[misc]

    def make_widened(self: Any, *items: Any, **more: Any) -> None:
        make(self, *map(widened, items), **more)

    container.__init__ = make_widened  # type: ignore[misc]


for _container in (types.DictType, types.ListType, types.Set):
    _widen(_container)


@infer
class _Iterated(AbstractTemplate):  # type: ignore[misc]
    """``for key in (s, "EUR")``: strings that are known to be ASCII and others."""

    key = "getiter"

    def generic(self, args: Any, kws: Any) -> Any:
        (items,) = args
        if not (isinstance(items, types.Tuple) and len(items) and all(map(is_string, items))):
            return None
        strings = types.UniTuple(utf8_string, len(items))
        return signature(strings.iterator_type, strings)


@lower_cast(types.List(ascii_string), types.List(utf8_string))
def _widen_list(context: Context, builder: Builder, given: Any, wanted: Any, value: ir.Value) -> Any:
    """Take a list of ASCII text, which goes on as one of any text: its items are views of one form."""
    return value


@box(StringType)
@box(BytesType)
def _box(ty: types.Type, value: Any, c: Any) -> Any:
    """Make Python's own of a view: Numba wants to know how where it raises KeyError for one."""
    view = c.context.make_helper(c.builder, ty, value)
    name = "PyBytes_FromStringAndSize" if isinstance(ty, BytesType) else "PyUnicode_FromStringAndSize"
    function_type = ir.FunctionType(c.pyapi.pyobj, [view.data.type, view.nbytes.type])
    make = cgutils.get_or_insert_function(c.builder.module, function_type, name)
    return c.builder.call(make, [view.data, view.nbytes])
