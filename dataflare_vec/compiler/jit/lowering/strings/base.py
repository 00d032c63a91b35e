"""How methods are registered, and the few steps that most of them are made of."""

from __future__ import annotations

from numba.core import cgutils, types
from numba.extending import intrinsic, overload, overload_method, register_jitable

from dataflare_vec.compiler.jit.lowering.strings.linked import LinkedCompiler
from dataflare_vec.compiler.jit.types.strings import BytesType, StringType, byte_pointer, make_view, offset_by

# No wrappers for Python: nobody calls these from there, and they'd be most of the compilation.
OPTIONS = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "forceinline": False,  # else it is inherited: what an inlined function calls would be compiled once more
    "pipeline_class": LinkedCompiler,
}


def is_string(value):
    """Whether a Numba type is one of our strings or a constant of them."""
    return isinstance(types.unliteral(value), StringType)


def is_bytes(value):
    """Whether a Numba type is ours of bytes."""
    return isinstance(value, BytesType)


def is_ascii(*kinds):
    """Whether all are known to be ASCII, or bytes: one byte is one character."""
    return all(is_bytes(kind) or types.unliteral(kind).ascii for kind in kinds)


def method(name, *, text=True, data=False, inlined=False):
    """Register a method of strings (``text``) and of bytes (``data``).

    One that is ``inlined`` is larger than what LLVM would inline, but small where constants are known.
    """
    options = {**OPTIONS, "forceinline": inlined}

    def register(function):
        function.__name__ = name  # by which messages call it
        if text:
            overload_method(StringType, name, jit_options=options)(function)
        if data:
            overload_method(BytesType, name, jit_options=options)(function)
        return function

    return register


def known_value(kind):
    """Return the value of a constant, given its type or itself; what isn't known is returned as it is."""
    return getattr(kind, "value", getattr(kind, "literal_value", kind))


def operation(function, *, inlined=False, **options):
    """Register what a function or an operator of Python does with ours."""
    return overload(function, jit_options={**OPTIONS, "forceinline": inlined}, **options)


helper = register_jitable(**OPTIONS)
#: One that is larger than what LLVM would inline, but small where constants are known.
inlined_helper = register_jitable(**{**OPTIONS, "forceinline": True})


@intrinsic
def copy_bytes(typing_context, to, source, nbytes):
    """Copy bytes that don't overlap."""

    def generate(context, builder, signature, arguments):
        cgutils.raw_memcpy(builder, *arguments, 1)
        return context.get_dummy_value()

    return types.none(byte_pointer, byte_pointer, types.int64), generate


def _bound(comparison):
    @intrinsic
    def bound(typing_context, number, limit):
        def generate(context, builder, signature, arguments):
            return builder.select(builder.icmp_signed(comparison, *arguments), *arguments)

        return types.int64(types.int64, types.int64), generate

    return bound


#: `min` and `max` of two integers. Numba's own would be compiled anew in each process, to machine code first.
at_most, at_least = _bound("<"), _bound(">")


@helper
def part(view, start, stop):
    """Return the bytes from ``start`` to ``stop``; the caller knows that they are there."""
    return make_view(view, offset_by(view._data, start), stop - start)
