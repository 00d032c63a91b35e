"""Numba types of strings and bytes: a view {address, bytes} on memory that something else keeps alive.

A value is immutable, has no reference count and is no Python object. It lies in an Arrow buffer, in the
constants of the machine code, or in the thread's arena (`arena.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.typeconv import Conversion
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic, lower_cast, make_attribute_wrapper, register_model

from dataflare_vec.definition.text_subclasses import name_of, shown_by

if TYPE_CHECKING:
    from numba.core.types import Type

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

#: A byte's address: ``pointer[i]`` reads and writes without a check.
byte_pointer = types.CPointer(types.uint8)


class ViewType(types.IterableType, types.Hashable):  # type: ignore[misc]
    """What strings and bytes have in common."""

    @property
    def iterator_type(self) -> ViewIterator:
        """What goes over the characters, or the numbers of bytes."""
        return ViewIterator(self)


class ViewIterator(types.SimpleIteratorType):  # type: ignore[misc]
    """Iterator over the characters of a string, each a string, or the numbers of bytes."""

    def __init__(self, view: ViewType) -> None:
        self.view = view
        super().__init__(f"iter({view})", types.int64 if isinstance(view, BytesType) else view)


class StringType(ViewType):
    """A string in UTF-8.

    Parameters
    ----------
    ascii
        Whether every byte is below 0x80, so that bytes are code points: methods of this type are compiled
        without decoding. Text that isn't known to be ASCII has the other type.
    """

    def __init__(self, ascii: bool) -> None:
        self.ascii = ascii
        super().__init__(name="string[ascii]" if ascii else "string")

    def can_convert_to(self, typing_context: TypingContext, other: Type) -> Conversion | None:
        """ASCII text is text."""
        return Conversion.promote if self.ascii and other is utf8_string else None

    def unify(self, typing_context: TypingContext, other: Type) -> Type | None:
        """Return the type that holds values of both."""
        other = types.unliteral(other)
        if isinstance(other, StringType):
            return self if self == other else utf8_string
        return None


class BytesType(ViewType):
    """Bytes, as Python's ``bytes``."""

    def __init__(self) -> None:
        super().__init__(name="bytes view")


utf8_string = StringType(ascii=False)
ascii_string = StringType(ascii=True)
bytes_view = BytesType()


@register_model(StringType)
@register_model(BytesType)
class ViewModel(models.StructModel):  # type: ignore[misc]
    """``{i8* data, i64 nbytes}``."""

    def __init__(self, dmm: Any, fe_type: Type) -> None:
        super().__init__(dmm, fe_type, [("data", byte_pointer), ("nbytes", types.int64)])

    def inner_models(self) -> list[Any]:
        """Return the models of its members, and one with a reference count, of which there is none.

        Numba's dicts and typed sets ask for such a model in their keys, within tuples too: keys that have
        none they compare byte by byte, which here are an address and a length.
        """
        return [*super().inner_models(), self._dmm[types.MemInfoPointer(types.voidptr)]]


for _type in (StringType, BytesType):
    make_attribute_wrapper(_type, "data", "_data")
    make_attribute_wrapper(_type, "nbytes", "_nbytes")


@lower_cast(StringType, StringType)
def _cast(context: Context, builder: Builder, given: Type, wanted: Type, value: ir.Value) -> Any:
    return value


@intrinsic
def make_view(typing_context: TypingContext, kind: Any, data: Any, nbytes: Any) -> Any:
    """Return the view of type ``kind`` (the type, or a value of it) at an address."""
    wanted = kind.instance_type if isinstance(kind, types.TypeRef) else types.unliteral(kind)

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        view = cgutils.create_struct_proxy(wanted)(context, builder)
        view.data, view.nbytes = arguments[1], arguments[2]
        return view._getvalue()

    return wanted(kind, byte_pointer, types.int64), generate


@intrinsic
def offset_by(typing_context: TypingContext, data: Any, distance: Any) -> Any:
    """Return the address ``distance`` bytes further on."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return byte_pointer(byte_pointer, types.int64), generate


# -- constants --------------------------------------------------------------------------------------------


class StringConstant(str):
    """A string in a kernel's code, typed as ours instead of Numba's (see `constants.py`).

    Attributes
    ----------
    shown : frozenset of str
        What shows it as another text, ``"str"`` (and `format`) or ``"repr"``: see `members.py`.
    written : str
        What it was, for messages.
    """

    shown: frozenset[str] = frozenset()
    written = ""

    @classmethod
    def of(cls, value: str) -> StringConstant:
        """Return what a string is, whatever class it is of."""
        made = cls(str.__str__(value))
        if not isinstance(value, StringConstant):
            made.shown, made.written = shown_by(value), name_of(value)
        else:
            made.shown, made.written = value.shown, value.written
        return made


class WideConstant(StringConstant):
    """A string in a tuple with others that aren't ASCII: of their type, so that a loop can go over them."""


class BytesConstant(bytes):
    """Bytes in a kernel's code."""


class StringConstantType(types.Literal):  # type: ignore[misc]
    """Type of one constant, for what has to know its value while compiling: an encoding, a format."""

    def can_convert_to(self, typing_context: TypingContext, other: Type) -> Conversion | None:
        """Return as its own type does."""
        own = self.literal_type
        if own == other:
            return Conversion.exact
        return own.can_convert_to(typing_context, other) if isinstance(other, StringType) else None

    def unify(self, typing_context: TypingContext, other: Type) -> Type | None:
        """Return the type that holds values of both."""
        return self.literal_type.unify(typing_context, other)


types.Literal.ctor_map.update(dict.fromkeys((StringConstant, WideConstant), StringConstantType))


@register_model(StringConstantType)
class _ConstantModel(models.OpaqueModel):  # type: ignore[misc]
    """Nothing: the value is in the type."""


@typeof_impl.register(StringConstant)
def _typeof_string(value: StringConstant, context: Any) -> StringType:
    return ascii_string if value.isascii() and not isinstance(value, WideConstant) else utf8_string


@typeof_impl.register(BytesConstant)
def _typeof_bytes(value: BytesConstant, context: Any) -> BytesType:
    return bytes_view


def constant_view(context: Context, builder: Builder, kind: Type, value: bytes) -> Any:
    """Return a view on bytes in the machine code's constants."""
    array = ir.Constant(ir.ArrayType(ir.IntType(8), len(value)), bytearray(value))
    name = f".dfv.text.{value.hex()}"
    variable = builder.module.globals.get(name) or cgutils.global_constant(builder.module, name, array)
    zero = ir.IntType(32)(0)
    address = variable.gep([zero, zero])
    return ir.Constant.literal_struct([address, ir.IntType(64)(len(value))])


def _register_constants() -> None:
    from numba.core.imputils import lower_constant

    @lower_constant(StringType)
    def lower_string(context: Context, builder: Builder, kind: Type, value: str) -> Any:
        return constant_view(context, builder, kind, value.encode())

    @lower_constant(BytesType)
    def lower_bytes(context: Context, builder: Builder, kind: Type, value: bytes) -> Any:
        return constant_view(context, builder, kind, bytes(value))

    @lower_constant(StringConstantType)
    def lower_nothing(context: Context, builder: Builder, kind: Type, value: str) -> Any:
        return context.get_dummy_value()

    @lower_cast(StringConstantType, StringType)
    def cast_constant(context: Context, builder: Builder, given: Type, wanted: Type, value: ir.Value) -> Any:
        return constant_view(context, builder, wanted, given.literal_value.encode())


_register_constants()
