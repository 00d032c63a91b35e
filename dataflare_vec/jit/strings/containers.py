"""Strings and bytes in Numba's own dicts, sets and lists, which keep a view as it is.

What a view points to outlives the row (`arena.py`), and so does none of these: they are values of one row.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer, signature
from numba.extending import box

from dataflare_vec.jit.strings.base import is_string
from dataflare_vec.jit.strings.types import BytesType, StringType, utf8_string


def widened(ty: Any) -> Any:
    """Return a type that also takes strings which aren't ASCII, in tuples too."""
    if isinstance(ty, StringType):
        return utf8_string
    if isinstance(ty, types.BaseTuple):
        kind = getattr(ty, "instance_class", None)
        return types.BaseTuple.from_types([widened(item) for item in ty], kind)
    return ty


def _widen(container: type) -> None:
    """Let a container of Numba's have items of `widened` types.

    It takes its types from what is put into it first, which may be a constant, and later things are cast to
    these. Types without strings of ours stay as they are.
    """
    make = container.__init__  # type: ignore[misc]

    def make_widened(self: Any, *items: Any, **more: Any) -> None:
        make(self, *[widened(types.unliteral(item)) for item in items], **more)

    container.__init__ = make_widened  # type: ignore[misc]


for _container in (types.DictType, types.ListType, types.Set):
    _widen(_container)


def as_one_type(ty: Any) -> Any:
    """Return the type of a tuple of strings as one that a loop can go over; None if it isn't of strings."""
    if isinstance(ty, types.Tuple) and len(ty) and all(map(is_string, ty)):
        return types.UniTuple(utf8_string, len(ty))
    return None


@infer
class _Iterated(AbstractTemplate):  # type: ignore[misc]
    """``for key in (s, "EUR")``: strings that are known to be ASCII and others."""

    key = "getiter"

    def generic(self, args: Any, kws: Any) -> Any:
        strings = as_one_type(args[0])
        return None if strings is None else signature(strings.iterator_type, strings)


@box(StringType)
@box(BytesType)
def _box(ty: Any, value: Any, c: Any) -> Any:
    """Make Python's own of a view: Numba wants to know how where it raises KeyError for one."""
    view = c.context.make_helper(c.builder, ty, value)
    name = "PyBytes_FromStringAndSize" if isinstance(ty, BytesType) else "PyUnicode_FromStringAndSize"
    function_type = ir.FunctionType(c.pyapi.pyobj, [view.data.type, view.nbytes.type])
    make = cgutils.get_or_insert_function(c.builder.module, function_type, name)
    return c.builder.call(make, [view.data, view.nbytes])
