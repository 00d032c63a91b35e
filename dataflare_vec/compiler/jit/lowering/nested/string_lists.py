"""A row of a List column of strings or bytes is a sequence of views on Arrow's memory: nothing is copied."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, make_attribute_wrapper, overload_method, register_model

from dataflare_vec.arrow.layouts import Layout, TextRows
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


class TextsType(types.IterableType):  # type: ignore[misc]
    """A sequence of strings or bytes of type ``view``."""

    def __init__(self, view: ViewType) -> None:
        self.view = view
        super().__init__(name=f"sequence of {view}")

    @property
    def iterator_type(self) -> TextsIterator:
        """What goes over the items."""
        return TextsIterator(self)


class TextsIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over the items of a sequence."""

    def __init__(self, texts: TextsType) -> None:
        self.texts = texts
        super().__init__(f"iter({texts})", texts.view)


@register_model(TextsType)
class _TextsModel(models.StructModel):  # type: ignore[misc]
    """Where the views of the items lie and the table of their buffers, and how many there are."""

    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("views", byte_pointer), ("table", types.int64), ("size", types.int64)]
        super().__init__(dmm, fe_type, members)


@register_model(TextsIterator)
class _IteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: types.Type) -> None:
        members = [("texts", fe_type.texts), ("index", types.EphemeralPointer(types.int64))]
        super().__init__(dmm, fe_type, members)


make_attribute_wrapper(TextsType, "views", "_views")
make_attribute_wrapper(TextsType, "size", "_size")


# -- the column -------------------------------------------------------------------------------------------


class TextRowsType(types.Type):  # type: ignore[misc]
    """A column of sequences of type ``texts``."""

    def __init__(self, texts: TextsType) -> None:
        self.texts = texts
        super().__init__(name=f"rows of {texts}")


class _TextRows(CheckedElement):
    def kernel_type(self, ty: TextRowsType) -> types.Type:
        return ty.texts

    def layout(self, ty: TextRowsType) -> Layout:
        return TextRows()

    def argument_types(self, context: Context, ty: TextRowsType) -> list[ir.Type]:
        return [_I64.as_pointer(), _I64, _BYTES, _I64, _BYTES, _I64]

    def load_checked(
        self,
        context: Context,
        builder: Builder,
        ty: TextRowsType,
        column: Buffers,
        row: ir.Value,
        there: ir.Value | None,
    ) -> tuple[ir.Value, ir.Value | None]:
        begin, end = (
            builder.load(builder.gep(column.values, [builder.add(row, _I64(i))]), align=1) for i in (0, 1)
        )
        views, table = column.inner
        texts = cgutils.create_struct_proxy(ty.texts)(context, builder)
        texts.views = builder.gep(views, [builder.mul(begin, _I64(VIEW_BYTES))])
        texts.table = table
        texts.size = builder.sub(end, begin)
        if there is not None:
            texts.size = builder.select(there, texts.size, _I64(0))
        return texts._getvalue(), None


register(TextRowsType, _TextRows())


# -- what Python does with lists --------------------------------------------------------------------------


def _load(context: Context, builder: Builder, ty: TextsType, texts: Any, index: ir.Value) -> ir.Value:
    buffers = Buffers([texts.views, texts.table, None, None])
    return element_of(ty.view).load(context, builder, ty.view, buffers, index)


@intrinsic
def _item(typing_context, texts, index):
    """Return the item at an index that the caller knows to be there."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        given = context.make_helper(builder, texts, value=arguments[0])
        return _load(context, builder, texts, given, arguments[1])

    return texts.view(texts, types.int64), generate


@intrinsic
def _stretch(typing_context, texts, start, size):
    """Return ``size`` items from ``start`` on, which are there."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        made = context.make_helper(builder, texts, value=arguments[0])
        made.views = builder.gep(made.views, [builder.mul(arguments[1], _I64(VIEW_BYTES))])
        made.size = arguments[2]
        return made._getvalue()

    return texts(texts, types.int64, types.int64), generate


@operation(len)
def _len(texts):
    return (lambda texts: texts._size) if isinstance(texts, TextsType) else None


@operation(bool)
def _bool(texts):
    return (lambda texts: texts._size > 0) if isinstance(texts, TextsType) else None


@operation(operator.not_)
def _not(texts):
    return (lambda texts: texts._size == 0) if isinstance(texts, TextsType) else None


@operation(operator.getitem)
def _getitem(texts, index):
    if not isinstance(texts, TextsType):
        return None
    if isinstance(index, types.SliceType) and not index.has_step:

        def part(texts, index):
            start, stop, _ = index.indices(texts._size)
            return _stretch(texts, start, max(stop - start, 0))

        return part
    if not isinstance(index, types.Integer | types.Boolean):
        return None

    def get(texts, index):
        wanted = index
        if wanted < 0:
            wanted += texts._size
        if wanted < 0 or wanted >= texts._size:
            raise IndexError("list index out of range")  # noqa: EM101
        return _item(texts, wanted)

    return get


@operation(operator.contains)
def _contains(texts, item):
    if not (isinstance(texts, TextsType) and comparable(texts.view, item)):
        return None

    def contains(texts, item):
        for i in range(texts._size):  # compiled as it stands
            if _item(texts, i) == item:
                return True
        return False

    return contains


@overload_method(TextsType, "count", jit_options=OPTIONS)
def _count(texts, item):
    if not comparable(texts.view, item):
        return None

    def count(texts, item):
        found = 0
        for i in range(texts._size):
            if _item(texts, i) == item:
                found += 1
        return found

    return count


@overload_method(TextsType, "index", jit_options=OPTIONS)
def _index(texts, item):
    if not comparable(texts.view, item):
        return None

    def index(texts, item):
        for i in range(texts._size):
            if _item(texts, i) == item:
                return i
        raise ValueError("is not in list")  # noqa: EM101

    return index


@lower_builtin("getiter", TextsType)
def _getiter(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
    iterator = context.make_helper(builder, signature.return_type)
    iterator.texts = arguments[0]
    iterator.index = cgutils.alloca_once_value(builder, _I64(0))
    return iterator._getvalue()


@lower_builtin("iternext", TextsIterator)
@iternext_impl(RefType.UNTRACKED)
def _iternext(
    context: Context, builder: Builder, signature: Signature, arguments: Values, result: Any
) -> None:
    ty = signature.args[0].texts
    iterator = context.make_helper(builder, signature.args[0], value=arguments[0])
    texts = context.make_helper(builder, ty, value=iterator.texts)
    index = builder.load(iterator.index)
    valid = builder.icmp_signed("<", index, texts.size)
    result.set_valid(valid)
    with builder.if_then(valid):
        result.yield_(_load(context, builder, ty, texts, index))
        builder.store(builder.add(index, _I64(1)), iterator.index)
