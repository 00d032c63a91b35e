"""A row of a List column of strings or bytes is a sequence of views on Arrow's memory: nothing is copied."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, make_attribute_wrapper, overload_method, register_model

from dataflare_vec.arrow.layouts import Layout, StringLists
from dataflare_vec.arrow.layouts.string_views import VIEW_BYTES
from dataflare_vec.compiler.jit.abi.buffers import Buffers
from dataflare_vec.compiler.jit.abi.elements import CheckedElement, element_of, register
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, operation
from dataflare_vec.compiler.jit.lowering.strings.compare import comparable
from dataflare_vec.compiler.jit.types.strings import byte_pointer

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values
    from dataflare_vec.compiler.jit.types.strings import ViewType

_I64 = ir.IntType(64)
_BYTES = ir.PointerType(ir.IntType(8))


class StringListType(types.IterableType):  # type: ignore[misc]
    """A sequence of strings or bytes of type ``view``."""

    def __init__(self, view: ViewType) -> None:
        self.view = view
        super().__init__(name=f"sequence of {view}")

    @property
    def iterator_type(self) -> StringListIterator:
        """What goes over the items."""
        return StringListIterator(self)


class StringListIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over the items of a sequence."""

    def __init__(self, strings: StringListType) -> None:
        self.strings = strings
        super().__init__(f"iter({strings})", strings.view)


@register_model(StringListType)
class _StringListModel(models.StructModel):  # type: ignore[misc]
    """Where the views of the items lie and the table of their buffers, and how many there are."""

    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("views", byte_pointer), ("table", types.int64), ("size", types.int64)]
        super().__init__(dmm, fe_type, members)


@register_model(StringListIterator)
class _IteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("strings", fe_type.strings), ("index", types.EphemeralPointer(types.int64))]
        super().__init__(dmm, fe_type, members)


make_attribute_wrapper(StringListType, "views", "_views")
make_attribute_wrapper(StringListType, "size", "_size")


# -- the column -------------------------------------------------------------------------------------------


class StringListColumn(types.Type):  # type: ignore[misc]
    """A column of sequences of type ``strings``."""

    def __init__(self, strings: StringListType) -> None:
        self.strings = strings
        super().__init__(name=f"rows of {strings}")


class _StringLists(CheckedElement):
    def kernel_type(self, ty: StringListColumn) -> types.Type:
        return ty.strings

    def layout(self, ty: StringListColumn) -> Layout:
        return StringLists()

    def argument_types(self, context: Context, ty: StringListColumn) -> list[ir.Type]:
        return [_I64.as_pointer(), _I64, _BYTES, _I64, _BYTES, _I64]

    def load_checked(
        self,
        context: Context,
        builder: Builder,
        ty: StringListColumn,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None,
    ) -> tuple[ir.Value, ir.Value | None]:
        begin, end = (
            builder.load(builder.gep(column.values, [builder.add(row, _I64(i))]), align=1) for i in (0, 1)
        )
        views, table = column.inner
        strings = cgutils.create_struct_proxy(ty.strings)(context, builder)
        strings.views = builder.gep(views, [builder.mul(begin, _I64(VIEW_BYTES))])
        strings.table = table
        strings.size = builder.sub(end, begin)
        if there is not None:
            strings.size = builder.select(there, strings.size, _I64(0))
        return strings._getvalue(), None


register(StringListColumn, _StringLists())


# -- what Python does with lists --------------------------------------------------------------------------


def _load(context: Context, builder: Builder, ty: StringListType, strings: Any, index: ir.Value) -> ir.Value:
    buffers = Buffers([strings.views, strings.table, None, None])
    return element_of(ty.view).load(context, builder, ty.view, buffers, index)


@intrinsic
def _item(typing_context, strings, index):
    """Return the item at an index that the caller knows to be there."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        given = context.make_helper(builder, strings, value=arguments[0])
        return _load(context, builder, strings, given, arguments[1])

    return strings.view(strings, types.int64), generate


@intrinsic
def _stretch(typing_context, strings, start, size):
    """Return ``size`` items from ``start`` on, which are there."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        part = context.make_helper(builder, strings, value=arguments[0])
        part.views = builder.gep(part.views, [builder.mul(arguments[1], _I64(VIEW_BYTES))])
        part.size = arguments[2]
        return part._getvalue()

    return strings(strings, types.int64, types.int64), generate


@operation(len)
def _len(strings):
    return (lambda strings: strings._size) if isinstance(strings, StringListType) else None


@operation(bool)
def _bool(strings):
    return (lambda strings: strings._size > 0) if isinstance(strings, StringListType) else None


@operation(operator.not_)
def _not(strings):
    return (lambda strings: strings._size == 0) if isinstance(strings, StringListType) else None


@operation(operator.getitem)
def _getitem(strings, index):
    if not isinstance(strings, StringListType):
        return None
    if isinstance(index, types.SliceType) and not index.has_step:

        def part(strings, index):
            start, stop, _ = index.indices(strings._size)
            return _stretch(strings, start, max(stop - start, 0))

        return part
    if not isinstance(index, types.Integer | types.Boolean):
        return None

    def get(strings, index):
        wanted = index
        if wanted < 0:
            wanted += strings._size
        if wanted < 0 or wanted >= strings._size:
            raise IndexError("list index out of range")  # noqa: EM101
        return _item(strings, wanted)

    return get


@operation(operator.contains)
def _contains(strings, item):
    if not (isinstance(strings, StringListType) and comparable(strings.view, item)):
        return None

    def contains(strings, item):
        for i in range(strings._size):  # compiled as it stands
            if _item(strings, i) == item:
                return True
        return False

    return contains


@overload_method(StringListType, "count", jit_options=OPTIONS)
def _count(strings, item):
    if not comparable(strings.view, item):
        return None

    def count(strings, item):
        found = 0
        for i in range(strings._size):
            if _item(strings, i) == item:
                found += 1
        return found

    return count


@overload_method(StringListType, "index", jit_options=OPTIONS)
def _index(strings, item):
    if not comparable(strings.view, item):
        return None

    def index(strings, item):
        for i in range(strings._size):
            if _item(strings, i) == item:
                return i
        raise ValueError("is not in list")  # noqa: EM101

    return index


@lower_builtin("getiter", StringListType)
def _getiter(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
    iterator = context.make_helper(builder, signature.return_type)
    iterator.strings = arguments[0]
    iterator.index = cgutils.alloca_once_value(builder, _I64(0))
    return iterator._getvalue()


@lower_builtin("iternext", StringListIterator)
@iternext_impl(RefType.UNTRACKED)
def _iternext(
    context: Context, builder: Builder, signature: Signature, arguments: Values, result: Any
) -> None:
    ty = signature.args[0].strings
    iterator = context.make_helper(builder, signature.args[0], value=arguments[0])
    strings = context.make_helper(builder, ty, value=iterator.strings)
    index = builder.load(iterator.index)
    valid = builder.icmp_signed("<", index, strings.size)
    result.set_valid(valid)
    with builder.if_then(valid):
        result.yield_(_load(context, builder, ty, strings, index))
        builder.store(builder.add(index, _I64(1)), iterator.index)
