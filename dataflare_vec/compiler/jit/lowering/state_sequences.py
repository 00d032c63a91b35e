"""Memory of the containers in a state, as compiled code reads and changes it.

Items lie in a block side by side, from a first place on; what is added goes behind the last one, and what is
taken off the front moves the first place. Strings are added behind the text of a block of their own. So most
of what a row does leaves what was there before as it was, and a row that fails is undone by a few words of
the cell. An item of before that is overwritten is noted first; for more of these, and where a block is full,
the items move to a new block. Old blocks are freed when the next row begins: until then values may lie in
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.state_cells import function_of
from dataflare_vec.compiler.jit.lowering.strings.base import at_least, copy_bytes, helper, inlined_helper
from dataflare_vec.compiler.jit.lowering.strings.viewcode import define
from dataflare_vec.compiler.jit.types.raised import NoRoom
from dataflare_vec.compiler.jit.types.strings import byte_pointer
from dataflare_vec.definition.state_memory import (
    COUNT,
    DATA,
    FRESH,
    GARBAGE,
    HEAD,
    HEADER_BYTES,
    INDEXED,
    LIMIT,
    MOST_NOTED,
    NOTED,
    NOTES,
    OLD_COUNT,
    OLD_DATA,
    OLD_HEAD,
    OLD_TEXT,
    OLD_USED,
    TEXT,
    USED,
)

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context, Signature, Values

_I8, _I64 = ir.IntType(8), ir.IntType(64)
_BYTES, _WORDS = _I8.as_pointer(), _I64.as_pointer()

#: A word's address: ``pointer[i]`` reads and writes without a check.
word_pointer = types.CPointer(types.int64)

#: What a row begins with, and where it is noted. The block itself is noted when the row makes another one.
_PLACES = ((HEAD, OLD_HEAD), (COUNT, OLD_COUNT))
_TEXTS = ((TEXT, OLD_TEXT), (USED, OLD_USED))
_LEAST_ITEMS, _LEAST_TEXT = 8, 64

_NO_ROOM = "the lists of a state take more than there is memory"


# -- a row begins, and fails -------------------------------------------------------------------------------


def begin(builder: Builder, address: ir.Value, *, has_text: bool) -> None:
    """Write what is done before a row: note how the list is, and free blocks of the row before."""
    cell = builder.bitcast(address, _WORDS)
    for word in (FRESH, NOTED):
        store_word(builder, _I64(0), cell, word)
    for now, old in (*_PLACES, *(_TEXTS if has_text else ())):
        store_word(builder, load_word(builder, cell, now), cell, old)
    some = builder.icmp_unsigned("!=", load_word(builder, cell, GARBAGE), _I64(0))
    with builder.if_then(some, likely=False):
        builder.call(_free_blocks(builder.module), [cell])


def undo(builder: Builder, address: ir.Value, width: int) -> None:
    """Write how a list becomes again what it was before the row."""
    cell = builder.bitcast(address, _WORDS)
    builder.call(_undo(builder.module), [cell, _I64(width)])


def fetch(builder: Builder, address: ir.Value) -> None:
    """Have what is at an address in the cache; it may be any."""
    kind = ir.FunctionType(ir.VoidType(), [_BYTES, *[ir.IntType(32)] * 3])
    prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    builder.call(prefetch, [address, *(ir.IntType(32)(i) for i in (1, 3, 1))])


def fetch_ends(builder: Builder, address: ir.Value, width: int) -> None:
    """Have a list's first and last items in the cache."""
    cell = builder.bitcast(address, _WORDS)
    data, head, count = (load_word(builder, cell, word) for word in (DATA, HEAD, COUNT))
    for place in (head, builder.add(head, count)):
        at = builder.add(data, builder.mul(place, _I64(8 * width)))
        fetch(builder, builder.inttoptr(at, _BYTES))


def load_word(builder: Builder, cell: ir.Value, word: int) -> ir.Value:
    """Return a word of a cell."""
    return builder.load(builder.gep(cell, [_I64(word)]))


def store_word(builder: Builder, value: ir.Value, cell: ir.Value, word: int) -> None:
    """Write a word of a cell."""
    builder.store(value, builder.gep(cell, [_I64(word)]))


def _free(builder: Builder, address: ir.Value) -> None:
    block = builder.inttoptr(builder.sub(address, _I64(HEADER_BYTES)), _BYTES)
    builder.call(function_of(builder.module, "free", ir.VoidType(), [_BYTES]), [block])


def _free_blocks(module: ir.Module) -> ir.Function:
    """Return ``void dfv.state.free_blocks(cell)``: free all but those that the list was in before the row."""
    function, builder = define(module, "dfv.state.free_blocks", ir.VoidType(), [_WORDS])
    if builder is None:
        return function
    (cell,) = function.args
    slot = cgutils.alloca_once_value(builder, load_word(builder, cell, GARBAGE))
    head, body, done = (function.append_basic_block(name) for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    block = builder.load(slot)
    builder.cbranch(builder.icmp_unsigned("!=", block, _I64(0)), body, done)
    builder.position_at_end(body)
    link = builder.inttoptr(builder.sub(block, _I64(8)), _WORDS)
    builder.store(builder.load(link), slot)
    was, is_fresh = (load_word(builder, cell, word) for word in (OLD_DATA, FRESH))
    kept = builder.and_(
        builder.icmp_unsigned("==", block, was), builder.icmp_unsigned("!=", is_fresh, _I64(0))
    )
    kept = builder.or_(kept, builder.icmp_unsigned("==", block, load_word(builder, cell, OLD_TEXT)))
    with builder.if_then(builder.not_(kept)):
        _free(builder, block)
    builder.branch(head)
    builder.position_at_end(done)
    store_word(builder, _I64(0), cell, GARBAGE)
    builder.ret_void()
    return function


def _undo(module: ir.Module) -> ir.Function:
    """Return ``void dfv.state.undo(cell, width)``."""
    function, builder = define(module, "dfv.state.undo", ir.VoidType(), [_WORDS, _I64])
    if builder is None:
        return function
    cell, width = function.args
    text = load_word(builder, cell, TEXT)
    with builder.if_then(builder.icmp_unsigned("!=", text, load_word(builder, cell, OLD_TEXT))):
        _free(builder, text)
    builder.call(_free_blocks(module), [cell])
    with builder.if_then(builder.icmp_unsigned("!=", load_word(builder, cell, FRESH), _I64(0))):
        _free(builder, load_word(builder, cell, DATA))
        before = load_word(builder, cell, OLD_DATA)
        store_word(builder, before, cell, DATA)
        store_word(builder, _I64(0), cell, LIMIT)
        with builder.if_then(builder.icmp_unsigned("!=", before, _I64(0))):
            header = builder.inttoptr(builder.sub(before, _I64(HEADER_BYTES)), _WORDS)
            places = builder.udiv(builder.load(header), builder.mul(width, _I64(8)))
            store_word(builder, places, cell, LIMIT)
    store_word(builder, _I64(0), cell, INDEXED)
    data = builder.inttoptr(load_word(builder, cell, DATA), _WORDS)
    noted = load_word(builder, cell, NOTED)
    with cgutils.for_range(builder, noted, intp=_I64) as loop:
        # The last one first: it may be the second of one item.
        i = builder.sub(builder.sub(noted, loop.index), _I64(1))
        note = builder.gep(cell, [builder.add(_I64(NOTES), builder.mul(i, builder.add(width, _I64(1))))])
        place = builder.gep(data, [builder.mul(builder.load(note), width)])
        cgutils.raw_memcpy(builder, place, builder.gep(note, [_I64(1)]), width, 8)
    for now, old in (*_PLACES, *_TEXTS):
        store_word(builder, load_word(builder, cell, old), cell, now)
    builder.ret_void()
    return function


# -- memory ------------------------------------------------------------------------------------------------


@intrinsic
def cell_of(typing_context, sequence):
    """Return the words of a list's cell."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return builder.bitcast(arguments[0], _WORDS)

    return word_pointer(sequence), generate


@intrinsic
def _bytes_at(typing_context, address):
    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return builder.inttoptr(arguments[0], _BYTES)

    return byte_pointer(types.int64), generate


@intrinsic
def words_at(typing_context, address):
    """Return the words at an address."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return builder.inttoptr(arguments[0], _WORDS)

    return word_pointer(types.int64), generate


@intrinsic
def new_block(typing_context, nbytes):
    """Return the address of a new block's bytes."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        malloc = function_of(builder.module, "malloc", _BYTES, [_I64])
        block = builder.call(malloc, [builder.add(arguments[0], _I64(HEADER_BYTES))])
        with builder.if_then(builder.icmp_unsigned("==", block, _BYTES(None)), likely=False):
            context.call_conv.return_user_exc(builder, NoRoom, (_NO_ROOM,))
        builder.store(arguments[0], builder.bitcast(block, _WORDS))
        return builder.add(builder.ptrtoint(block, _I64), _I64(HEADER_BYTES))

    return types.int64(types.int64), generate


@intrinsic
def free_block(typing_context, address):
    """Free a block, to which nothing refers."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        _free(builder, arguments[0])
        return context.get_dummy_value()

    return types.none(types.int64), generate


@helper
def capacity(address):
    """Return how many bytes there is room for in a block, 0 if nothing may be written there."""
    return words_at(address - 16)[0] if address != 0 else 0


@helper
def _discard(cell, address):
    """Have a block freed when the next row begins, if it is of the list alone."""
    if capacity(address) > 0:
        words_at(address - 8)[0] = cell[GARBAGE]
        cell[GARBAGE] = address


@helper
def move(cell, width, before, behind):
    """Move the items to a new block, with room for some before them and behind."""
    count = cell[COUNT]
    wanted = at_least(count + count // 2 + before + behind, _LEAST_ITEMS)
    new = new_block(wanted * width * 8)
    old = cell[DATA]
    if count > 0:
        start = old + cell[HEAD] * width * 8
        copy_bytes(_bytes_at(new + before * width * 8), _bytes_at(start), count * width * 8)
    _discard(cell, old)
    if cell[FRESH] == 0:
        cell[OLD_DATA] = old
        cell[FRESH] = 1
    cell[DATA] = new
    cell[LIMIT] = wanted
    cell[HEAD] = before
    cell[INDEXED] = 0


@inlined_helper
def writable(cell, width, i):
    """Return the place of item ``i``, which may be overwritten."""
    place = cell[HEAD] + i
    if cell[FRESH] == 0:
        old = place - cell[OLD_HEAD]
        if cell[LIMIT] == 0 or (0 <= old < cell[OLD_COUNT] and cell[NOTED] == MOST_NOTED):
            move(cell, width, 1, 1)  # it may be the place before the first one
            return cell[HEAD] + i
        if 0 <= old < cell[OLD_COUNT]:
            note = NOTES + cell[NOTED] * (1 + width)
            cell[note] = place
            words = words_at(cell[DATA])
            for word in range(width):
                cell[note + 1 + word] = words[place * width + word]
            cell[NOTED] += 1
    return place


@helper
def _make_room_behind(cell, width):
    """Have a place behind the last item: at the front of the block, if others have left it, or in a new one.

    The items of before the row stay where they are.
    """
    count, head = cell[COUNT], cell[HEAD]
    used = head if cell[FRESH] != 0 or cell[OLD_HEAD] > head else cell[OLD_HEAD]
    if cell[LIMIT] == 0 or used <= count:
        move(cell, width, 0, at_least(count, 1))
        return
    start = cell[DATA]
    copy_bytes(_bytes_at(start), _bytes_at(start + head * width * 8), count * width * 8)
    cell[HEAD] = 0
    cell[INDEXED] = 0


@inlined_helper
def place_behind(cell, width):
    """Return a place for an item behind the last one."""
    if cell[HEAD] + cell[COUNT] >= cell[LIMIT]:
        _make_room_behind(cell, width)
    return writable(cell, width, cell[COUNT])


@inlined_helper
def place_before(cell, width):
    """Return a place for an item before the first one."""
    if cell[HEAD] == 0:
        move(cell, width, at_least(cell[COUNT], _LEAST_ITEMS // 2), 1)
    return writable(cell, width, -1)


@helper
def own_items(cell, width):
    """Have the items in a block that this row has made, so that all may be overwritten."""
    if cell[FRESH] == 0:
        move(cell, width, 0, 1)


@helper
def make_text_room(cell, width, texts, nbytes):
    """Have room for text; ``texts`` has a bit for each word of an item that says where a string begins."""
    if cell[USED] + nbytes <= capacity(cell[TEXT]):
        return
    own_items(cell, width)
    words = words_at(cell[DATA])
    first, last = cell[HEAD] * width, (cell[HEAD] + cell[COUNT]) * width
    live = 0
    for at in range(first, last):
        if (texts >> (at % width)) & 1:
            live += words[at + 1]
    new = new_block(at_least(2 * (live + nbytes), _LEAST_TEXT))
    used, old = 0, cell[TEXT]
    for at in range(first, last):
        if (texts >> (at % width)) & 1:
            copy_bytes(_bytes_at(new + used), _bytes_at(old + words[at]), words[at + 1])
            words[at] = used
            used += words[at + 1]
    _discard(cell, old)
    cell[TEXT] = new
    cell[USED] = used
