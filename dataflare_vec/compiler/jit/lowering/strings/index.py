"""Indexing, slicing, iteration.

A slice with step 1 is a view on the same memory. In text that isn't known to be ASCII an index is found by
walking: from the beginning, or from the end if it is negative.
"""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import register_model

from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    at_most,
    copy_bytes,
    is_ascii,
    is_bytes,
    operation,
    part,
)
from dataflare_vec.compiler.jit.lowering.strings.codepoints import offset_of, start_before, width_at
from dataflare_vec.compiler.jit.types.strings import (
    BytesType,
    StringType,
    ViewIterator,
    ViewType,
    make_view,
    offset_by,
)


@operation(operator.getitem)
def _getitem(view, index):
    if not isinstance(view, ViewType):
        return None
    if isinstance(index, types.SliceType):
        return _step_slice(view) if index.has_step else _slice
    if not isinstance(index, types.Integer | types.Boolean):
        return None
    if is_ascii(view):
        as_number = is_bytes(view)
        words = "index out of range" if as_number else "string index out of range"

        def get_ascii(view, index):
            i = np.int64(index)
            if i < 0:
                i += view._nbytes
            if i < 0 or i >= view._nbytes:
                raise IndexError(words)
            return np.int64(view._data[i]) if as_number else part(view, i, i + 1)

        if as_number:
            return get_ascii

        def get_character(view, index):
            i = np.int64(index)
            if i < 0:
                i += view._nbytes
            if i < 0 or i >= view._nbytes:
                raise IndexError("string index out of range")
            return part(view, i, i + 1)

        return get_character

    def get_utf8(view, index):
        data, nbytes = view._data, view._nbytes
        i = np.int64(index)
        if i < 0:
            offset = nbytes
            while i < 0 and offset > 0:
                offset = start_before(data, offset)
                i += 1
            if i < 0:
                raise IndexError("string index out of range")
        else:
            offset = offset_of(view, i)
            if offset >= nbytes:
                raise IndexError("string index out of range")
        return part(view, offset, offset + width_at(data, offset))

    return get_utf8


def _slice(view, index):
    start = offset_of(view, index.start)
    stop = at_most(offset_of(view, index.stop), view._nbytes)
    return part(view, start, stop) if start < stop else part(view, 0, 0)


def _step_slice(view):
    if is_ascii(view):

        def slice_ascii(view, index):
            start, stop, step = index.indices(view._nbytes)
            if step == 1:
                return part(view, start, stop) if start < stop else part(view, 0, 0)
            count = len(range(start, stop, step))
            room = allocate(count)
            for i in range(count):
                room[i] = view._data[start + i * step]
            return make_view(view, room, count)

        return slice_ascii

    def slice_utf8(view, index):
        start, stop, step = index.indices(len(view))
        count = len(range(start, stop, step))
        if count == 0:
            return part(view, 0, 0)
        data = view._data
        offset = offset_of(view, start)
        if step == 1:
            return part(view, offset, offset_of(view, stop))
        room = allocate(view._nbytes)
        written = 0
        for i in range(count):
            for _ in range(abs(step) if i else 0):
                offset = offset + width_at(data, offset) if step > 0 else start_before(data, offset)
            width = width_at(data, offset)
            copy_bytes(offset_by(room, written), offset_by(data, offset), width)
            written += width
        return make_view(view, room, written)

    return slice_utf8


# -- iteration --------------------------------------------------------------------------------------------


@register_model(ViewIterator)
class _IteratorModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm, fe_type):
        members = [("view", fe_type.view), ("offset", types.EphemeralPointer(types.int64))]
        super().__init__(dmm, fe_type, members)


def _character_width(view, offset):
    return width_at(view._data, offset)


@lower_builtin("getiter", StringType)
@lower_builtin("getiter", BytesType)
def _getiter(context, builder, signature, arguments):
    iterator = context.make_helper(builder, signature.return_type)
    iterator.view = arguments[0]
    iterator.offset = cgutils.alloca_once_value(builder, ir.IntType(64)(0))
    builder.store(ir.IntType(64)(0), iterator.offset)
    return iterator._getvalue()


@lower_builtin("iternext", ViewIterator)
@iternext_impl(RefType.UNTRACKED)
def _iternext(context, builder, signature, arguments, result):
    kind = signature.args[0].view
    iterator = context.make_helper(builder, signature.args[0], value=arguments[0])
    view = context.make_helper(builder, kind, value=iterator.view)
    offset = builder.load(iterator.offset)
    valid = builder.icmp_signed("<", offset, view.nbytes)
    result.set_valid(valid)
    with builder.if_then(valid):
        address = builder.gep(view.data, [offset])
        width = ir.IntType(64)(1)
        if isinstance(kind, BytesType):
            result.yield_(builder.zext(builder.load(address), ir.IntType(64)))
        else:
            if not kind.ascii:
                types_ = types.int64(kind, types.int64)
                width = context.compile_internal(builder, _character_width, types_, [iterator.view, offset])
            character = context.make_helper(builder, kind)
            character.data, character.nbytes = address, width
            result.yield_(character._getvalue())
        builder.store(builder.add(offset, width), iterator.offset)
