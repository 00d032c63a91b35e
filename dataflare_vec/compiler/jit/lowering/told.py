"""What a caught exception says: `str` and `repr` of it, its first argument, the name of its class.

Only where a kernel asks for that does each `raise` make its message (`jit.passes.told`). An exception whose
message is made at run time lies in the thread's arena, laid out as constant ones are (`jit.abi.raises`).
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.callconv import excinfo_ptr_t
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload_attribute

from dataflare_vec.compiler.jit.abi.raises import INSIDE, NAME, SAYS, TEXT, message, tag, variable
from dataflare_vec.compiler.jit.lowering.exact.overlay import overlay
from dataflare_vec.compiler.jit.lowering.strings.arena import allocate
from dataflare_vec.compiler.jit.lowering.strings.base import (
    OPTIONS,
    helper,
    is_bytes,
    is_string,
    known_value,
    operation,
)
from dataflare_vec.compiler.jit.lowering.strings.representation import repr_of
from dataflare_vec.compiler.jit.lowering.strings.text import text_of
from dataflare_vec.compiler.jit.types.caught import (
    CAUGHT,
    CAUGHT_ARGUMENTS,
    CAUGHT_CLASS,
    TELLING,
    CaughtArguments,
    CaughtClass,
    CaughtType,
)
from dataflare_vec.compiler.jit.types.messages import Kind
from dataflare_vec.compiler.jit.types.raised import Untold
from dataflare_vec.compiler.jit.types.strings import StringConstant, byte_pointer, utf8_string
from dataflare_vec.compiler.jit.types.temporal import TemporalType
from dataflare_vec.compiler.jit.types.wide_integers import WideIntType

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_EMPTY, _OPENED, _CLOSED, _COMMA = map(StringConstant, ("", "(", ")", ", "))
_UNTOLD = (
    "what a caught exception says isn't known to compiled code for this row; raise one of your own with a "
    'message that is text or a number, or run the function in the interpreter with `fallback="python"`'
)
_TEXTS, _ARGUMENT, _KEY, _TEXT, _UNKNOWN = map(int, Kind)
#: How much memory an exception takes (Numba's: 40 bytes), and what it says behind it.
_ROOM, _SIZE = 48, 48 + 56


# -- made before it is raised -----------------------------------------------------------------------------


@intrinsic
def _made(typing_context, room, kind, text, inside):
    """Return an exception in some memory, of which what is to be said is written."""

    def generate(context, builder, signature, arguments):
        room, kind, *texts = arguments
        made = builder.bitcast(room, excinfo_ptr_t)
        address = cgutils.gep(builder, room, _ROOM)
        builder.store(address, cgutils.gep_inbounds(builder, made, 0, SAYS))
        said = message(builder, made)
        builder.store(kind, cgutils.gep_inbounds(builder, said, 0, 0))
        for at, given in zip((TEXT, INSIDE), texts, strict=True):
            view = cgutils.create_struct_proxy(utf8_string)(context, builder, value=given)
            builder.store(view.data, cgutils.gep_inbounds(builder, said, 0, at))
            builder.store(view.nbytes, cgutils.gep_inbounds(builder, said, 0, at + 1))
        return made

    return CAUGHT(byte_pointer, types.int64, utf8_string, utf8_string), generate


@intrinsic
def keep_told(typing_context, exception):
    """Have an exception be the one that is raised next."""

    def generate(context, builder, signature, arguments):
        builder.store(arguments[0], variable(builder, "told"))
        return context.get_dummy_value()

    return types.none(CAUGHT), generate


@helper
def _told(kind, text, inside):
    return _made(allocate(_SIZE), kind, text, inside)


def tell(argument):
    """Return what is raised with one argument."""


def tell_key(argument):
    """Return a `KeyError` with one argument."""


def tell_several(arguments):
    """Return what is raised with several arguments, a tuple."""


def _has_repr(kind):
    kind = types.unliteral(kind)
    if isinstance(kind, types.Optional):
        return _has_repr(kind.type)
    numbers = isinstance(kind, types.Number | types.Boolean | types.NoneType | WideIntType)
    # How NumPy shows a narrow float differs between its versions.
    unlike = isinstance(kind, types.Complex) or (isinstance(kind, types.Float) and kind != types.float64)
    return (numbers and not unlike) or is_string(kind) or is_bytes(kind)


def _teller(argument, kind):
    if is_string(argument):
        return lambda argument: _told(kind, text_of(argument), _EMPTY)
    if is_bytes(argument) or (kind == _KEY and _has_repr(argument)):
        return lambda argument: _told(_TEXTS, repr_of(argument), repr_of(argument))
    if isinstance(argument, types.Optional) and is_string(argument.type):
        none = StringConstant("None")

        def told(argument):
            if argument is None:
                return _told(_TEXTS, none, none)
            return _told(kind, text_of(argument), _EMPTY)

        return told
    if _has_repr(argument):
        return lambda argument: _told(_TEXTS, text_of(argument), repr_of(argument))
    if isinstance(argument, TemporalType) and kind != _KEY:
        return lambda argument: _told(_TEXT, text_of(argument), _EMPTY)
    return lambda argument: _told(_UNKNOWN, _EMPTY, _EMPTY)


@operation(tell)
def _tell(argument):
    return _teller(argument, _ARGUMENT)


@operation(tell_key)
def _tell_key(argument):
    return _teller(argument, _KEY)


@operation(tell_several)
def _tell_several(arguments):
    if not all(map(_has_repr, arguments)):
        return lambda arguments: _told(_UNKNOWN, _EMPTY, _EMPTY)
    shown = " + comma + ".join(f"repr_of(arguments[{i}])" for i in range(len(arguments)))
    names = {"repr_of": repr_of, "comma": _COMMA}
    inside = helper(eval(f"lambda arguments: {shown}", names))

    def told(arguments):
        shown = inside(arguments)
        return _told(_TEXTS, _OPENED + shown + _CLOSED, shown)

    return told


# -- asked when it is caught ------------------------------------------------------------------------------


@intrinsic
def _kind(typing_context, exception):
    """Return which kind of message an exception has; one of Numba's own may have a function in that place."""

    def generate(context, builder, signature, arguments):
        ours = builder.icmp_signed("<", tag(builder, arguments[0]), _I32(0))
        said = message(builder, arguments[0])
        found = cgutils.alloca_once_value(builder, _I64(_UNKNOWN))
        with builder.if_then(builder.and_(ours, cgutils.is_not_null(builder, said))):
            builder.store(builder.load(cgutils.gep_inbounds(builder, said, 0, 0)), found)
        return builder.load(found)

    return types.int64(exception), generate


def _part(at):
    @intrinsic
    def part(typing_context, exception):
        def generate(context, builder, signature, arguments):
            said = message(builder, arguments[0])
            view = cgutils.create_struct_proxy(utf8_string)(context, builder)
            view.data, view.nbytes = (
                builder.load(cgutils.gep_inbounds(builder, said, 0, at + i)) for i in range(2)
            )
            return view._getvalue()

        return utf8_string(exception), generate

    return part


_name, _text, _inside = map(_part, (NAME, TEXT, INSIDE))


@helper
def _shown(exception):
    kind = _kind(exception)
    if kind == _UNKNOWN:
        raise Untold(_UNTOLD)
    return repr_of(_text(exception)) if kind == _KEY else _text(exception)


@helper
def _represented(exception):
    kind = _kind(exception)
    if kind == _UNKNOWN or kind == _TEXT:
        raise Untold(_UNTOLD)
    inside = _inside(exception) if kind == _TEXTS else repr_of(_text(exception))
    return _name(exception) + _OPENED + inside + _CLOSED


@helper
def _named(exception):
    if _kind(exception) == _UNKNOWN:
        raise Untold(_UNTOLD)
    return _name(exception)


@helper
def _first(exception):
    kind = _kind(exception)
    if kind != _ARGUMENT and kind != _KEY:
        raise Untold(_UNTOLD)
    return _text(exception)


@operation(text_of)
def _text_of(value=_EMPTY):
    return (lambda value=_EMPTY: _shown(value)) if value == TELLING else None


@operation(repr_of)
def _repr_of(value):
    return (lambda value: _represented(value)) if value == TELLING else None


@intrinsic
def _arguments(typing_context, exception):
    return CAUGHT_ARGUMENTS(exception), lambda context, builder, signature, arguments: arguments[0]


@intrinsic
def _class_of(typing_context, exception):
    return CAUGHT_CLASS(exception), lambda context, builder, signature, arguments: arguments[0]


@helper
def class_of(exception):
    """Return the class of a caught exception."""
    return _class_of(exception)


@overload_attribute(CaughtType, "args", jit_options=OPTIONS)
def _args(exception):
    return (lambda exception: _arguments(exception)) if exception == TELLING else None


@overload_attribute(CaughtType, "__class__", jit_options=OPTIONS)
def _own_class(exception):
    return (lambda exception: _class_of(exception)) if exception == TELLING else None


@overload_attribute(CaughtClass, "__name__", jit_options=OPTIONS)
def _class_name(kind):
    return lambda kind: _named(kind)


@operation(operator.getitem)
def _item(arguments, index):
    if not isinstance(arguments, CaughtArguments):
        return None
    if known_value(index) != 0:
        msg = "of the arguments of a caught exception the first is known, if it is text"
        raise TypingError(msg)
    return lambda arguments, index: _first(arguments)


@overlay(type, "value")
def _type(value):
    return class_of if value == TELLING else None
