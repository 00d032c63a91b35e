"""What Python does with the lists and deques in a state."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import overload_attribute, overload_method

from dataflare_vec.compiler.jit.lowering.state_items import (
    adder,
    exchange_items,
    item_at,
    read_item,
    text_bytes,
    texts_of,
    width_of,
    write_item,
)
from dataflare_vec.compiler.jit.lowering.state_sequences import (
    cell_of,
    make_text_room,
    own_items,
    place_before,
    writable,
)
from dataflare_vec.compiler.jit.lowering.strings.base import OPTIONS, helper, operation
from dataflare_vec.compiler.jit.types.state_sequences import (
    ContainerType,
    DictType,
    SequenceIterator,
    SequenceType,
    SetType,
)
from dataflare_vec.compiler.jit.types.strings import ViewType
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType
from dataflare_vec.definition.state_memory import COUNT, HEAD

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I64 = ir.IntType(64)


def check_item(sequence: ContainerType, item: types.Type, wanted: types.Type | None = None) -> None:
    """Raise if an item would become another value in the list."""
    if not _fits(types.unliteral(item), sequence.dtype if wanted is None else wanted):
        msg = f"an item of type {types.unliteral(item)} in a {sequence.form} of {sequence.dtype}"
        raise TypingError(msg)


def _fits(given: types.Type, wanted: types.Type) -> bool:
    given = types.unliteral(given)
    if isinstance(wanted, types.BaseTuple):
        return (
            isinstance(given, types.BaseTuple)
            and len(given) == len(wanted)
            and getattr(given, "instance_class", None) is getattr(wanted, "instance_class", None)
            and all(map(_fits, given, wanted))
        )
    if isinstance(wanted, ViewType):
        return type(given) is type(wanted)
    if isinstance(given, WideIntType):
        return False
    if wanted == types.float64:
        return isinstance(given, types.Float | types.Integer)
    return isinstance(given, types.Boolean if wanted == types.boolean else types.Integer)


@helper
def _as_list(sequence):
    """Return the items as a list of Numba's."""
    items = []
    for item in sequence:
        items.append(item)
    return items


# -- adding ------------------------------------------------------------------------------------------------


@overload_method(SequenceType, "append", jit_options=OPTIONS)
def _append(sequence, item):
    check_item(sequence, item)
    add_behind, maxlen = adder(sequence), sequence.maxlen
    if maxlen == 0:
        return lambda sequence, item: None

    def append(sequence, item):
        add_behind(sequence, item)
        cell = cell_of(sequence)
        if maxlen is not None and cell[COUNT] == maxlen:
            cell[HEAD] += 1
        else:
            cell[COUNT] += 1

    return append


@overload_method(SequenceType, "appendleft", jit_options=OPTIONS)
def _appendleft(sequence, item):
    if sequence.form != "deque":
        return None
    check_item(sequence, item)
    width, texts, maxlen = width_of(sequence), texts_of(sequence.dtype), sequence.maxlen
    if maxlen == 0:
        return lambda sequence, item: None

    def appendleft(sequence, item):
        cell = cell_of(sequence)
        if texts:
            make_text_room(cell, width, texts, text_bytes(sequence, item))
        write_item(sequence, place_before(cell, width), item)
        cell[HEAD] -= 1
        if maxlen is None or cell[COUNT] < maxlen:
            cell[COUNT] += 1

    return appendleft


@overload_method(SequenceType, "extend", jit_options=OPTIONS)
def _extend(sequence, items):
    if isinstance(items, SequenceType):

        def extend_by_state(sequence, items):
            for item in _as_list(items):  # they may be the same
                sequence.append(item)

        return extend_by_state

    def extend(sequence, items):
        for item in items:
            sequence.append(item)

    return extend


@overload_method(SequenceType, "insert", jit_options=OPTIONS)
def _insert(sequence, index, item):
    if sequence.form != "list" or not isinstance(index, types.Integer):
        return None
    check_item(sequence, item)
    width = width_of(sequence)

    def insert(sequence, index, item):
        sequence.append(item)
        cell = cell_of(sequence)
        last = cell[COUNT] - 1
        wanted = max(index + last, 0) if index < 0 else min(index, last)
        if wanted < last:
            own_items(cell, width)
            for i in range(last, wanted, -1):
                exchange_items(sequence, i, i - 1)

    return insert


# -- taking off --------------------------------------------------------------------------------------------


@overload_method(SequenceType, "popleft", jit_options=OPTIONS)
def _popleft(sequence):
    if sequence.form != "deque":
        return None

    def popleft(sequence):
        cell = cell_of(sequence)
        if cell[COUNT] == 0:
            raise IndexError("pop from an empty deque")  # noqa: EM101
        item = item_at(sequence, 0)
        cell[HEAD] += 1
        cell[COUNT] -= 1
        return item

    return popleft


@overload_method(SequenceType, "pop", jit_options=OPTIONS)
def _pop(sequence, index=-1):
    message = "pop from an empty deque" if sequence.form == "deque" else "pop from empty list"
    width = width_of(sequence)
    if isinstance(index, types.Omitted | int):

        def pop(sequence, index=-1):
            cell = cell_of(sequence)
            if cell[COUNT] == 0:
                raise IndexError(message)
            cell[COUNT] -= 1
            return item_at(sequence, cell[COUNT])

        return pop
    if sequence.form != "list" or not isinstance(index, types.Integer):
        return None

    def pop_at(sequence, index=-1):
        cell = cell_of(sequence)
        count = cell[COUNT]
        if count == 0:
            raise IndexError("pop from empty list")  # noqa: EM101
        wanted = index + count if index < 0 else index
        if wanted < 0 or wanted >= count:
            raise IndexError("pop index out of range")  # noqa: EM101
        item = item_at(sequence, wanted)
        if wanted == 0:
            cell[HEAD] += 1
        elif wanted < count - 1:
            own_items(cell, width)
            for i in range(wanted, count - 1):
                exchange_items(sequence, i, i + 1)
        cell[COUNT] -= 1
        return item

    return pop_at


@overload_method(SequenceType, "remove", jit_options=OPTIONS)
def _remove(sequence, item):
    message = f"{sequence.form}.remove(x): x not in {sequence.form}"
    if sequence.form != "list":
        return None

    def remove(sequence, item):
        for i in range(cell_of(sequence)[COUNT]):
            if item_at(sequence, i) == item:
                sequence.pop(i)
                return
        raise ValueError(message)

    return remove


@operation(operator.delitem)
def _delitem(sequence, index):
    if not isinstance(sequence, SequenceType) or not isinstance(index, types.Integer):
        return None
    if sequence.form != "list":
        return None

    def delete(sequence, index):
        count = cell_of(sequence)[COUNT]
        if index < -count or index >= count:
            raise IndexError("list assignment index out of range")  # noqa: EM101
        sequence.pop(index)

    return delete


@overload_method(SequenceType, "rotate", jit_options=OPTIONS)
def _rotate(sequence, steps=1):
    if sequence.form != "deque" or not isinstance(steps, types.Integer | types.Omitted | int):
        return None

    def rotate(sequence, steps=1):
        count = cell_of(sequence)[COUNT]
        for _ in range(steps % count if count else 0):
            item = sequence.pop()
            sequence.appendleft(item)

    return rotate


@overload_method(SequenceType, "clear", jit_options=OPTIONS)
@overload_method(DictType, "clear", jit_options=OPTIONS)
@overload_method(SetType, "clear", jit_options=OPTIONS)
def _clear(sequence):
    def clear(sequence):
        cell = cell_of(sequence)
        cell[HEAD] += cell[COUNT]  # what was there stays, if the row fails
        cell[COUNT] = 0

    return clear


@overload_method(SequenceType, "reverse", jit_options=OPTIONS)
def _reverse(sequence):
    width = width_of(sequence)

    def reverse(sequence):
        cell = cell_of(sequence)
        own_items(cell, width)
        count = cell[COUNT]
        for i in range(count // 2):
            exchange_items(sequence, i, count - 1 - i)

    return reverse


def assign(sequence, items):
    """Have a list hold the items of another one."""
    sequence.clear()
    sequence.extend(items)


def may_be_assigned(sequence: ContainerType, items: types.Type) -> bool:
    """Whether a list of Numba's may be a state's next one."""
    return sequence.form == "list" and isinstance(items, types.List) and _fits(items.dtype, sequence.dtype)


# -- looking -----------------------------------------------------------------------------------------------


@operation(len)
def _len(sequence):
    return (lambda sequence: cell_of(sequence)[COUNT]) if isinstance(sequence, ContainerType) else None


@operation(bool)
def _bool(sequence):
    return (lambda sequence: cell_of(sequence)[COUNT] > 0) if isinstance(sequence, ContainerType) else None


@operation(operator.not_)
def _not(sequence):
    return (lambda sequence: cell_of(sequence)[COUNT] == 0) if isinstance(sequence, ContainerType) else None


@overload_attribute(SequenceType, "maxlen", jit_options=OPTIONS)
def _maxlen(sequence):
    maxlen = sequence.maxlen
    return (lambda sequence: maxlen) if sequence.form == "deque" else None


@overload_method(SequenceType, "copy", jit_options=OPTIONS)
def _copy(sequence):
    return (lambda sequence: _as_list(sequence)) if sequence.form == "list" else None


@operation(operator.add)
def _add(sequence, items):
    for one in (sequence, items):
        if not isinstance(one, SequenceType | types.List) or getattr(one, "form", "list") != "list":
            return None
    if not (isinstance(sequence, SequenceType) or isinstance(items, SequenceType)):
        return None
    return lambda sequence, items: _as_list(sequence) + _as_list(items)


@operation(reversed)
def _reversed(sequence):
    if not isinstance(sequence, SequenceType):
        return None

    def backwards(sequence):
        items = _as_list(sequence)
        items.reverse()
        return items

    return backwards


@operation(operator.getitem)
def _slice(sequence, index):
    if not isinstance(sequence, SequenceType) or not isinstance(index, types.SliceType):
        return None
    return (lambda sequence, index: _as_list(sequence)[index]) if sequence.form == "list" else None


@operation(operator.getitem)
def _getitem(sequence, index):
    if not isinstance(sequence, SequenceType) or not isinstance(index, types.Integer | types.Boolean):
        return None
    message = f"{sequence.form} index out of range"

    def get(sequence, index):
        count = cell_of(sequence)[COUNT]
        wanted = index + count if index < 0 else index + 0
        if wanted < 0 or wanted >= count:
            raise IndexError(message)
        return item_at(sequence, wanted)

    return get


@operation(operator.setitem)
def _setitem(sequence, index, item):
    if not isinstance(sequence, SequenceType) or not isinstance(index, types.Integer | types.Boolean):
        return None
    check_item(sequence, item)
    name = "list assignment" if sequence.form == "list" else "deque"
    message = f"{name} index out of range"
    width, texts = width_of(sequence), texts_of(sequence.dtype)

    def put(sequence, index, item):
        cell = cell_of(sequence)
        count = cell[COUNT]
        wanted = index + count if index < 0 else index + 0
        if wanted < 0 or wanted >= count:
            raise IndexError(message)
        if texts:
            make_text_room(cell, width, texts, text_bytes(sequence, item))
        write_item(sequence, writable(cell, width, wanted), item)

    return put


@operation(operator.contains)
def _contains(sequence, item):
    if not isinstance(sequence, SequenceType):
        return None

    def contains(sequence, item):
        for i in range(cell_of(sequence)[COUNT]):  # compiled as it stands
            if item_at(sequence, i) == item:
                return True
        return False

    return contains


@overload_method(SequenceType, "count", jit_options=OPTIONS)
def _count(sequence, item):
    def count(sequence, item):
        found = 0
        for i in range(cell_of(sequence)[COUNT]):
            if item_at(sequence, i) == item:
                found += 1
        return found

    return count


@overload_method(SequenceType, "index", jit_options=OPTIONS)
def _index(sequence, item):
    message = f"it is not in the {sequence.form}"

    def index(sequence, item):
        for i in range(cell_of(sequence)[COUNT]):
            if item_at(sequence, i) == item:
                return i
        raise ValueError(message)

    return index


@lower_builtin("getiter", SequenceType)
@lower_builtin("getiter", DictType)
@lower_builtin("getiter", SetType)
def _getiter(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
    iterator = context.make_helper(builder, signature.return_type)
    iterator.sequence = arguments[0]
    iterator.index = cgutils.alloca_once_value(builder, _I64(0))
    builder.store(_I64(0), iterator.index)
    return iterator._getvalue()


@lower_builtin("iternext", SequenceIterator)
@iternext_impl(RefType.UNTRACKED)
def _iternext(
    context: Context, builder: Builder, signature: Signature, arguments: Values, result: Any
) -> None:
    ty = signature.args[0].sequence
    iterator = context.make_helper(builder, signature.args[0], value=arguments[0])
    cell = builder.bitcast(iterator.sequence, _I64.as_pointer())
    index = builder.load(iterator.index)
    valid = builder.icmp_signed("<", index, builder.load(builder.gep(cell, [_I64(COUNT)])))
    result.set_valid(valid)
    with builder.if_then(valid):
        item = read_item(context, builder, ty, iterator.sequence, index)
        result.yield_(builder.extract_value(item, 0) if isinstance(ty, DictType) else item)
        builder.store(builder.add(index, _I64(1)), iterator.index)
