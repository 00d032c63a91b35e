"""Memory for the strings that a kernel makes: a bump allocator of each thread.

An arena is a block of 64-bit words ``{top, end, newest block, bytes that this row has used of the blocks
before}``; a block starts with the address of the one before. `allocate` moves ``top``. The loop calls `reset`
after each row, when what the kernel returned has been copied, and `release` at the end of its chunk. Nothing
is freed within a row, so a view on the arena stays good; a kernel that makes no string never calls in here.

The arena is found through a pthread key, without the GIL. Besides libc's functions the machine code needs
one symbol of ours, `KEY_SYMBOL`: the address of that key.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from dataflare_vec.compiler.jit.lowering.strings import output
from dataflare_vec.compiler.jit.lowering.strings.symbols import external, symbol
from dataflare_vec.compiler.jit.lowering.strings.viewcode import define
from dataflare_vec.compiler.jit.types.raised import NoRoom
from dataflare_vec.compiler.jit.types.strings import byte_pointer
from dataflare_vec.compiler.native import thread_keys

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

KEY_SYMBOL = thread_keys.ARENA

#: Bytes of the first block; later ones are larger.
FIRST_BLOCK = 1 << 16

#: What the strings of one row may take together; beyond, the row fails with MemoryError.
LIMIT = 1 << 31

#: What that says.
TOO_MUCH = "the strings of one row take more than 2 GiB, or than there is memory; make shorter ones"

_I1, _I8, _I32, _I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
_BYTES, _WORDS = ir.PointerType(_I8), ir.PointerType(_I64)
_TOP, _END, _NEWEST, _USED = range(4)

symbol(KEY_SYMBOL)(partial(thread_keys.thread_key, KEY_SYMBOL))


def _function(module: ir.Module, name: str, returned: ir.Type, arguments: list[ir.Type]) -> ir.Function:
    found = module.globals.get(name)
    return found or ir.Function(module, ir.FunctionType(returned, arguments), name)


def _arena(builder: Builder, *, once: bool = False) -> ir.Value:
    """Return the thread's arena; null if it has none.

    With ``once`` LLVM may look only once in a function, which has to do with it if there was none before.
    """
    module = builder.module
    get = _function(module, "pthread_getspecific", _BYTES, [_I32])
    key = builder.load(external(module, KEY_SYMBOL, _I32))
    if once:
        key.set_metadata("invariant.load", module.add_metadata([]))
    return builder.bitcast(builder.call(get, [key], attrs=("readnone", "nounwind") if once else ()), _WORDS)


def _word(builder: Builder, arena: ir.Value, index: int) -> ir.Value:
    return builder.gep(arena, [_I64(index)])


def allocate_function(module: ir.Module) -> ir.Function:
    """Return ``i8* dfv.arena.allocate(i64 nbytes, i8* before, i64 size)``.

    The result has room for ``nbytes`` bytes. If ``before`` is the newest thing in the arena, of ``size``
    bytes, and there is room, it is ``before`` itself, grown: appending copies nothing. Null if there is no
    memory.
    """
    function, builder = define(module, "dfv.arena.allocate", _BYTES, [_I64, _BYTES, _I64])
    if builder is None:
        return function
    nbytes, before, size = function.args
    slow = function.append_basic_block("slow")
    look = function.append_basic_block("look")
    arena = _arena(builder, once=True)
    builder.cbranch(builder.icmp_unsigned("==", arena, _WORDS(None)), slow, look).set_weights([1, 99])

    builder.position_at_end(look)
    top, end = (builder.load(_word(builder, arena, i)) for i in (_TOP, _END))
    address = builder.ptrtoint(before, _I64)
    grows = builder.icmp_unsigned("==", builder.add(address, size), top)
    grows = builder.and_(grows, builder.icmp_unsigned("!=", before, _BYTES(None)))
    start = builder.select(grows, address, top)
    # Of an arena that is new both are 0, and not even nothing fits.
    fits = builder.icmp_unsigned("<", nbytes, builder.sub(end, start))
    fast = function.append_basic_block("fast")
    builder.cbranch(fits, fast, slow).set_weights([99, 1])

    builder.position_at_end(fast)
    builder.store(builder.add(start, nbytes), _word(builder, arena, _TOP))
    builder.ret(builder.inttoptr(start, _BYTES))

    builder.position_at_end(slow)
    builder.ret(builder.call(_grow_function(module), [nbytes]))
    return function


def open_function(module: ir.Module) -> ir.Function:
    """Return ``i64* dfv.arena.open()``: the thread's arena, a new one if need be; null without memory."""
    function, builder = define(module, "dfv.arena.open", _WORDS, [])
    if builder is None:
        return function
    function.attributes.add("noinline")
    arena = _arena(builder)
    with builder.if_then(builder.icmp_unsigned("!=", arena, _WORDS(None))):
        builder.ret(arena)
    raw = builder.call(_function(module, "malloc", _BYTES, [_I64]), [_I64(8 * 4)])
    with builder.if_then(builder.icmp_unsigned("==", raw, _BYTES(None)), likely=False):
        builder.ret(_WORDS(None))
    made = builder.bitcast(raw, _WORDS)
    for i in range(4):
        builder.store(_I64(0), _word(builder, made, i))
    set_specific = _function(module, "pthread_setspecific", _I32, [_I32, _BYTES])
    builder.call(set_specific, [builder.load(module.globals[KEY_SYMBOL]), raw])
    builder.ret(made)
    return function


def _grow_function(module: ir.Module) -> ir.Function:
    """Return ``i8* dfv.arena.grow(i64 nbytes)``: allocate from a new block, of a new arena if need be."""
    function, builder = define(module, "dfv.arena.grow", _BYTES, [_I64])
    if builder is None:
        return function
    function.attributes.add("noinline")
    (nbytes,) = function.args
    malloc = _function(module, "malloc", _BYTES, [_I64])
    arena = builder.call(open_function(module), [])
    with builder.if_then(builder.icmp_unsigned("==", arena, _WORDS(None)), likely=False):
        builder.ret(_BYTES(None))
    # Whoever calls may have looked when the thread had no arena yet.
    top, end = (builder.load(_word(builder, arena, i)) for i in (_TOP, _END))
    with builder.if_then(builder.icmp_unsigned("<", nbytes, builder.sub(end, top))):
        builder.store(builder.add(top, nbytes), _word(builder, arena, _TOP))
        builder.ret(builder.inttoptr(top, _BYTES))
    before = builder.load(_word(builder, arena, _USED))
    newest = builder.load(_word(builder, arena, _NEWEST))
    # What blocks have room for may be left from earlier rows: only what this row has used of it counts.
    mine = builder.sub(builder.load(_word(builder, arena, _TOP)), builder.add(newest, _I64(8)))
    mine = builder.select(builder.icmp_unsigned("==", newest, _I64(0)), _I64(0), mine)
    used = builder.add(before, mine)
    wanted = builder.add(nbytes, used)  # at least doubles what there is
    # A size that has overflowed is negative, which is large, and may be small again in the sum.
    too_much = builder.or_(
        builder.icmp_unsigned(">", nbytes, _I64(LIMIT)), builder.icmp_unsigned(">", wanted, _I64(LIMIT))
    )
    with builder.if_then(too_much, likely=False):
        builder.ret(_BYTES(None))
    with builder.if_then(builder.icmp_unsigned("==", used, _I64(0)), likely=False):
        _free_blocks(builder, newest)  # of an earlier row, and too small
        builder.store(_I64(0), _word(builder, arena, _NEWEST))
        builder.store(_I64(0), _word(builder, arena, _TOP))
        builder.store(_I64(0), _word(builder, arena, _END))
    few = builder.icmp_unsigned("<", wanted, _I64(FIRST_BLOCK - 8))
    size = builder.add(builder.select(few, _I64(FIRST_BLOCK - 8), wanted), _I64(8))
    block = builder.call(malloc, [size])
    with builder.if_then(builder.icmp_unsigned("==", block, _BYTES(None)), likely=False):
        builder.ret(_BYTES(None))
    newest = builder.load(_word(builder, arena, _NEWEST))
    builder.store(newest, builder.bitcast(block, _WORDS))
    start = builder.ptrtoint(block, _I64)
    first = builder.add(start, _I64(8))
    builder.store(start, _word(builder, arena, _NEWEST))
    builder.store(used, _word(builder, arena, _USED))
    builder.store(builder.add(first, nbytes), _word(builder, arena, _TOP))
    builder.store(builder.add(start, size), _word(builder, arena, _END))
    builder.ret(builder.inttoptr(first, _BYTES))
    return function


def _free_blocks(builder: Builder, newest: ir.Value) -> None:
    """Free a block and all before it."""
    function = builder.function
    free = _function(builder.module, "free", ir.VoidType(), [_BYTES])
    slot = builder.alloca(_I64)
    builder.store(newest, slot)
    head, body, done = (function.append_basic_block(name) for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    block = builder.load(slot)
    builder.cbranch(builder.icmp_unsigned("!=", block, _I64(0)), body, done)
    builder.position_at_end(body)
    builder.store(builder.load(builder.inttoptr(block, _WORDS)), slot)
    builder.call(free, [builder.inttoptr(block, _BYTES)])
    builder.branch(head)
    builder.position_at_end(done)


def opened(builder: Builder) -> ir.Value:
    """Return the thread's arena at the beginning of a function, in which LLVM then looks for it once."""
    arena = builder.call(open_function(builder.module), [])
    _arena(builder, once=True)  # what every allocation in the function finds
    return arena


def reset_function(module: ir.Module) -> ir.Function:
    """Return ``void dfv.arena.reset(arena)``: forget all its strings; its largest block is kept."""
    function, builder = define(module, "dfv.arena.reset", ir.VoidType(), [_WORDS])
    if builder is None:
        return function
    (arena,) = function.args
    with builder.if_then(builder.icmp_unsigned("!=", arena, _WORDS(None))):
        newest = builder.load(_word(builder, arena, _NEWEST))
        with builder.if_then(builder.icmp_unsigned("!=", newest, _I64(0))):
            link = builder.inttoptr(newest, _WORDS)
            before = builder.load(link)
            with builder.if_then(builder.icmp_unsigned("!=", before, _I64(0)), likely=False):
                builder.store(_I64(0), link)
                builder.store(_I64(0), _word(builder, arena, _USED))
                _free_blocks(builder, before)
            builder.store(builder.add(newest, _I64(8)), _word(builder, arena, _TOP))
    builder.ret_void()
    return function


def lend_function(module: ir.Module) -> ir.Function:
    """Return ``void dfv.arena.lend(arena, data builder)``: forget all strings, and make the next ones there.

    The first one of a row that is its result then lies where it belongs; `put` only has to move others. What
    the data builder's buffer has no room for is made in blocks, as ever.
    """
    function, builder = define(module, "dfv.arena.lend", ir.VoidType(), [_WORDS, _WORDS])
    if builder is None:
        return function
    arena, data_builder = function.args
    with builder.if_then(builder.icmp_unsigned("!=", arena, _WORDS(None))):
        newest = builder.load(_word(builder, arena, _NEWEST))
        with builder.if_then(builder.icmp_unsigned("!=", newest, _I64(0)), likely=False):
            _free_blocks(builder, newest)
            builder.store(_I64(0), _word(builder, arena, _NEWEST))
            builder.store(_I64(0), _word(builder, arena, _USED))
        for ours, its in ((_TOP, output.NEXT), (_END, output.END)):
            builder.store(builder.load(_word(builder, data_builder, its)), _word(builder, arena, ours))
    builder.ret_void()
    return function


def release_function(module: ir.Module) -> ir.Function:
    """Return ``void dfv.arena.release()``: give back everything of this thread."""
    function, builder = define(module, "dfv.arena.release", ir.VoidType(), [])
    if builder is None:
        return function
    set_specific = _function(module, "pthread_setspecific", _I32, [_I32, _BYTES])
    free = _function(module, "free", ir.VoidType(), [_BYTES])
    arena = _arena(builder)
    with builder.if_then(builder.icmp_unsigned("!=", arena, _WORDS(None))):
        _free_blocks(builder, builder.load(_word(builder, arena, _NEWEST)))
        builder.call(free, [builder.bitcast(arena, _BYTES)])
        builder.call(set_specific, [builder.load(module.globals[KEY_SYMBOL]), _BYTES(None)])
    builder.ret_void()
    return function


def uses_arena(library: Any) -> bool:
    """Whether a kernel's compiled library may make strings, so that its loop has to reset and release."""
    return KEY_SYMBOL in library.get_llvm_str()


def _room(context: Context, builder: Builder, arguments: list[Any]) -> Any:
    room = builder.call(allocate_function(builder.module), arguments)
    with builder.if_then(builder.icmp_unsigned("==", room, _BYTES(None)), likely=False):
        context.call_conv.return_user_exc(builder, NoRoom, (TOO_MUCH,))
    return room


@intrinsic
def allocate(typing_context: TypingContext, nbytes: Any) -> Any:
    """Return room for ``nbytes`` bytes; raise MemoryError if there is none."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return _room(context, builder, [arguments[0], _BYTES(None), _I64(0)])

    return byte_pointer(types.int64), generate


@intrinsic
def allocate_after(typing_context: TypingContext, before: Any, size: Any, nbytes: Any) -> Any:
    """Return room for ``nbytes`` bytes: ``before`` itself if it can grow from ``size`` bytes."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        before, size, nbytes = arguments
        return _room(context, builder, [nbytes, before, size])

    return byte_pointer(byte_pointer, types.int64, types.int64), generate
