"""How compiled code raises: Numba's convention, with the class in each exception; what was caught is kept.

A function has a variable of its caller for the exception. Where a `try` ends, Numba empties it; what was in
it is kept in a variable of the function, where handlers find it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import callconv, cgutils, serialize
from numba.core.cpu import CPUContext
from numba.core.utils import PYVERSION

from dataflare_vec.compiler.jit.abi.releases import releasing
from dataflare_vec.compiler.jit.types.messages import SAID, TOLD, message_of
from dataflare_vec.compiler.jit.types.raised import SHOWN, UNCAUGHT, Again, tag_of

if TYPE_CHECKING:
    from dataflare_vec.compiler.jit.types.numba_types import Builder, Context

_POINTER = callconv.excinfo_ptr_t
_RETURNED = (callconv.RETCODE_OK, callconv.RETCODE_NONE)
_I32, _I64 = ir.IntType(32), ir.IntType(64)
#: What an exception says (`types.messages`): the kind of that, then texts, each an address and a size.
MESSAGE = ir.LiteralStructType([_I64, *[cgutils.voidptr_t, _I64] * 3])
#: Where they begin: the name of the class, the text, the arguments as `repr` shows them.
NAME, TEXT, INSIDE = 1, 3, 5
#: Where the address of a message is in an exception; for Numba, the function that makes values of run time.
SAYS = 3
_NEVER_RAISED = "no exception is there to be raised again: `raise` is outside of `except`"


def variable(builder: Builder, name: str) -> ir.Value:
    """Return a variable of the function for an exception: empty at first."""
    kept: dict[str, ir.Value] = builder.__dict__.setdefault("_dfv_exceptions", {})
    if name not in kept:
        kept[name] = cgutils.alloca_once(builder, _POINTER, name=f"dfv_{name}", zfill=True)
    return kept[name]


def last(builder: Builder) -> ir.Value:
    """Return the variable for the exception that was caught last."""
    return variable(builder, "last")


def tag(builder: Builder, exception: ir.Value) -> ir.Value:
    """Return the tag of an exception that is there."""
    return builder.load(cgutils.gep_inbounds(builder, exception, 0, 4))


def message(builder: Builder, exception: ir.Value) -> ir.Value:
    """Return the address of what an exception says."""
    found = builder.load(cgutils.gep_inbounds(builder, exception, 0, SAYS))
    return builder.bitcast(found, MESSAGE.as_pointer())


def _completed(context: Context, builder: Builder, made: ir.Value, kind: Any, constant: ir.Value) -> ir.Value:
    """Let an exception that was made for its message be in all else as a constant one."""
    for i in {*range(len(_POINTER.pointee.elements))} - {SAYS}:
        value = builder.load(cgutils.gep_inbounds(builder, constant, 0, i))
        builder.store(value, cgutils.gep_inbounds(builder, made, 0, i))
    said = message(builder, made)
    for i, value in enumerate(_text(context, builder, kind.__name__), NAME):
        builder.store(value, cgutils.gep_inbounds(builder, said, 0, i))
    return made


def _bytes(context: Context, builder: Builder, name: str, data: bytes) -> ir.Value:
    made = context.insert_unique_const(builder.module, name, cgutils.make_bytearray(data))
    return made.bitcast(cgutils.voidptr_t)


def _text(context: Context, builder: Builder, text: str) -> tuple[ir.Value, ir.Value]:
    """Return address and size of a text."""
    data = text.encode()
    name = f".const.dfv.said.{hashlib.sha1(data).hexdigest()}"
    return _bytes(context, builder, name, data), _I64(len(data))


class CallConvention(callconv.CPUCallConv):  # type: ignore[misc]
    """Numba's, with tags.

    Whether code is within a `try` is known while it is lowered. Numba's counter of run time is wrong behind
    a ``raise`` within a `try`, which ends it twice: functions that fail later would go on.
    """

    def set_static_user_exc(
        self,
        builder: Builder,
        exc: Any,
        exc_args: Any = None,
        loc: Any = None,
        func_name: Any = None,
    ) -> None:
        """Leave an exception for the caller, or for the handler."""
        target = self._get_excinfo_argument(builder.function)
        if exc is Again:
            found = builder.load(last(builder))
            missing = self._constant(builder, RuntimeError, (_NEVER_RAISED,), loc, func_name)
            value = builder.select(cgutils.is_null(builder, found), missing, found)
        else:
            value = self._constant(builder, exc, exc_args, loc, func_name)
            if exc_args == (TOLD,):
                made = builder.load(variable(builder, "told"))
                value = _completed(self.context, builder, made, exc, value)
        store = builder.store(value, target)
        if releasing(builder) is None:  # else LLVM isn't to think that references are missing on this way out
            store.set_metadata("numba_exception_output", builder.module.add_metadata([ir.IntType(1)(1)]))

    def _constant(self, builder: Builder, kind: Any, arguments: Any, loc: Any, func_name: Any) -> ir.Value:
        """Return the address of an exception, as Numba lays it out; names tell of the contents alone."""
        shown, arguments = SHOWN.get(kind, kind), tuple(arguments or ())
        said = message_of(kind, arguments)
        if arguments[:1] in ((TOLD,), (SAID,)):
            arguments = arguments[1:]
        data = serialize.dumps(self.build_excinfo_struct(shown, arguments, loc, func_name))
        digest = hashlib.sha1(data).digest()
        number = 0 if kind is None else tag_of(kind)
        name = f".const.pickledata.{digest.hex()}"
        pickled = _bytes(self.context, builder, name, data)
        hashed = _bytes(self.context, builder, f"{name}.sha1", digest)
        says = cgutils.get_null_value(cgutils.voidptr_t)
        name = f".const.picklebuf.{digest.hex()}.{~number:x}"
        if said is not None:
            texts = kind.__name__, said.text, said.inside
            views = [part for text in texts for part in _text(self.context, builder, text)]
            value = ir.Constant.literal_struct([_I64(said.kind), *views])
            name = f"{name}.{hashlib.sha1(repr((said, texts)).encode()).hexdigest()}"
            says = self.context.insert_unique_const(builder.module, f"{name}.said", value)
            says = says.bitcast(cgutils.voidptr_t)
        tagged = ir.Constant.literal_struct([pickled, _I32(len(data)), hashed, says, _I32(number)])
        return self.context.insert_unique_const(builder.module, name, tagged)

    def return_user_exc(
        self,
        builder: Builder,
        exc: Any,
        exc_args: Any = None,
        loc: Any = None,
        func_name: Any = None,
    ) -> None:
        """Raise an exception."""
        self.set_static_user_exc(builder, exc, exc_args, loc, func_name)
        self._leave(builder, callconv.RETCODE_USEREXC)

    def return_status_propagate(self, builder: Builder, status: Any) -> None:
        """Hand on the exception of a function that was called."""
        builder.store(status.excinfoptr, self._get_excinfo_argument(builder.function))
        self._leave(builder, status.code)

    def _leave(self, builder: Builder, code: Any) -> None:
        """Go to the handler, or to the caller."""
        handled = getattr(builder, "_in_try_block", None)
        if not handled:
            self._return_errcode_raw(builder, code)
            return
        if PYVERSION < (3, 11):  # there the look-out for exceptions ends the `try`, not the handler
            # Nor does the handler look what it is.
            self.leave_if_uncaught(builder, builder.load(self._get_excinfo_argument(builder.function)))
            self.unset_try_status(builder)
        if (function := releasing(builder)) is not None:
            function.release(builder, handled["target"])
        builder.branch(handled["target"])

    def _return_errcode_raw(self, builder: Builder, code: Any) -> None:
        """Return to the caller: with a result, or without anything."""
        if code not in _RETURNED and (function := releasing(builder)) is not None:
            function.release(builder, None)
        super()._return_errcode_raw(builder, code)

    def set_try_status(self, builder: Builder) -> None:
        """Begin a `try`."""

    def unset_try_status(self, builder: Builder) -> None:
        """End a `try`: keep its exception, if there is one."""
        target, kept = self._get_excinfo_argument(builder.function), last(builder)
        raised = builder.load(target)
        none = cgutils.is_null(builder, raised)
        builder.store(builder.select(none, builder.load(kept), raised), kept)
        builder.store(cgutils.get_null_value(_POINTER), target)

    def check_try_status(self, builder: Builder) -> Any:
        """Return what is asked where an exception may have been raised."""
        raised = builder.load(self._get_excinfo_argument(builder.function))
        return callconv.TryStatus(in_try=cgutils.false_bit, excinfo=raised)

    def leave_if_uncaught(self, builder: Builder, exception: ir.Value) -> None:
        """Leave the function with what no handler catches."""
        there = cgutils.is_not_null(builder, exception)
        with builder.if_then(there):
            with builder.if_then(
                builder.icmp_signed("==", tag(builder, exception), _I32(UNCAUGHT)), likely=False
            ):
                builder.store(exception, self._get_excinfo_argument(builder.function))
                self._return_errcode_raw(builder, callconv.RETCODE_USEREXC)


def _call_convention(context: Context) -> CallConvention:
    return CallConvention(context)


# Functions of Numba's own, and those of this library, are compiled by its context: all are to have tags.
CPUContext.call_conv = property(_call_convention)
