"""The functions of `dataflare_vec.vectors` in kernels: one pass, whole vectors at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, errors, types
from numba.extending import intrinsic, overload
from numba.np.arrayobj import make_array
from numba.np.numpy_support import from_dtype

from dataflare_vec import vectors
from dataflare_vec.vectors import DIFFER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflare_vec.compiler.jit.types.numba_types import (
        Builder,
        Context,
        Signature,
        TypingContext,
        Values,
    )

_I32, _I64 = ir.IntType(32), ir.IntType(64)


class _Arithmetic:
    """Addition, subtraction and multiplication of vectors of one type."""

    def __init__(self, builder: Builder, kind: types.Type) -> None:
        floats = isinstance(kind, types.Float)
        self.add = builder.fadd if floats else builder.add
        self.sub = builder.fsub if floats else builder.sub
        self.mul = builder.fmul if floats else builder.mul


# What sums add up: of items of the arrays, one vector each, the summands.


def _items(op: _Arithmetic, loaded: Sequence[ir.Value]) -> list[ir.Value]:
    return list(loaded)


def _squares(op: _Arithmetic, loaded: Sequence[ir.Value]) -> list[ir.Value]:
    return [op.mul(loaded[0], loaded[0])]


def _products(op: _Arithmetic, loaded: Sequence[ir.Value]) -> list[ir.Value]:
    return [op.mul(*loaded)]


def _squared_differences(op: _Arithmetic, loaded: Sequence[ir.Value]) -> list[ir.Value]:
    return _squares(op, [op.sub(*loaded)])


def _all_products(op: _Arithmetic, loaded: Sequence[ir.Value]) -> list[ir.Value]:
    a, b = loaded
    return [op.mul(a, b), op.mul(a, a), op.mul(b, b)]


def _powers(op: _Arithmetic, loaded: Sequence[ir.Value]) -> list[ir.Value]:
    (d,) = loaded
    square = op.mul(d, d)
    return [d, square, op.mul(square, d), op.mul(square, square)]


def _lane_sums(
    builder: Builder,
    readers: Sequence[_Reader],
    kind: types.Type,
    terms: Callable[[_Arithmetic, Sequence[ir.Value]], list[ir.Value]],
    count: int,
) -> list[ir.Value]:
    """Return ``count`` sums over equally long arrays, taken in the type ``kind``."""
    lanes = readers[0].lanes
    zero = ir.Constant(readers[0].wide, None)
    op = _Arithmetic(builder, kind)
    length = readers[0].length
    sums = [cgutils.alloca_once_value(builder, zero) for _ in range(count)]
    for slot in sums:
        builder.store(zero, slot)

    def add(loaded: list[ir.Value]) -> None:
        for slot, term in zip(sums, terms(op, loaded), strict=True):
            builder.store(op.add(builder.load(slot), term), slot)

    whole = builder.and_(length, _I64(-lanes))
    with cgutils.for_range_slice(builder, _I64(0), whole, _I64(lanes), _I64) as (at, _):
        add([reader.load(at) for reader in readers])
    with builder.if_then(builder.icmp_unsigned("!=", whole, length)):
        rest = builder.trunc(builder.sub(length, whole), _I32)
        numbers = ir.Constant(ir.VectorType(_I32, lanes), [_I32(i) for i in range(lanes)])
        mask = builder.icmp_unsigned("<", numbers, _splat(builder, rest, lanes))
        add([reader.load(whole, mask) for reader in readers])
    return [_fold(builder, op, builder.load(slot), lanes) for slot in sums]


class _Reader:
    """Reads vectors of an array's items, as numbers of the type ``kind``."""

    def __init__(
        self, context: Context, builder: Builder, ty: types.Array, value: ir.Value, kind: types.Type
    ) -> None:
        self.lanes = lanes = vectors.LANE_BYTES * 8 // kind.bitwidth
        array = make_array(ty)(context, builder, value)
        self.length = array.nitems
        self._builder = builder
        self._data = array.data
        self._given, self._kind = ty.dtype, kind
        self._stored = ir.VectorType(context.get_data_type(ty.dtype), lanes)
        self.wide = ir.VectorType(context.get_value_type(kind), lanes)

    def load(self, at: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """Return items from ``at`` on; 0 where the mask is false."""
        builder = self._builder
        pointer = builder.bitcast(builder.gep(self._data, [at]), self._stored.as_pointer())
        if mask is None:
            loaded = builder.load(pointer, align=1)
        else:
            lanes, item = self._stored.count, self._stored.element
            letter = {"float": "f32", "double": "f64"}.get(str(item)) or str(item)
            name = f"llvm.masked.load.v{lanes}{letter}.p0"
            arguments = [pointer.type, _I32, mask.type, self._stored]
            function = builder.module.globals.get(name) or ir.Function(
                builder.module, ir.FunctionType(self._stored, arguments), name
            )
            zero = ir.Constant(self._stored, None)
            loaded = builder.call(function, [pointer, _I32(1), mask, zero])
        return self._cast(loaded)

    def _cast(self, loaded: ir.Value) -> ir.Value:
        builder, given, kind = self._builder, self._given, self._kind
        if self._stored == self.wide:
            return loaded
        if isinstance(given, types.Float):
            return builder.fpext(loaded, self.wide)
        signed = isinstance(given, types.Integer) and given.signed
        if isinstance(kind, types.Float):
            return (builder.sitofp if signed else builder.uitofp)(loaded, self.wide)
        return (builder.sext if signed else builder.zext)(loaded, self.wide)


class _DistanceReader(_Reader):
    """Reads how far an array's items are from a number."""

    around: ir.Value

    def load(self, at: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """Return distances from ``at`` on; 0 where the mask is false."""
        builder = self._builder
        distances = builder.fsub(super().load(at, mask), _splat(builder, self.around, self.lanes))
        return distances if mask is None else builder.select(mask, distances, ir.Constant(self.wide, None))


def _splat(builder: Builder, value: ir.Value, lanes: int) -> ir.Value:
    wide = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(wide, ir.Undefined), value, _I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_I32, lanes), [_I32(0)] * lanes))


def _fold(builder: Builder, op: _Arithmetic, value: ir.Value, lanes: int) -> ir.Value:
    """Return the sum of a vector's lanes, added in halves."""
    while lanes > 1:
        lanes //= 2
        low, high = (
            builder.shuffle_vector(
                value, value, ir.Constant(ir.VectorType(_I32, lanes), [_I32(start + i) for i in range(lanes)])
            )
            for start in (0, lanes)
        )
        value = op.add(low, high)
    return builder.extract_element(value, _I32(0))


def _common(*arrays: types.Array) -> types.Type:
    """Return the type in which arrays are summed: as NumPy's, with integers of 64 bits."""
    kinds = [str(a.dtype) if isinstance(a.dtype, types.Float) else "int64" for a in arrays]
    return from_dtype(np.result_type(*kinds))


def _sums(terms: Any, count: int) -> Any:
    """Return an intrinsic ``(*arrays) -> tuple of sums``."""

    @intrinsic  # type: ignore[untyped-decorator]
    def sums(typing_context: TypingContext, arrays: Any) -> Any:
        kind = _common(*arrays)

        def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
            values = cgutils.unpack_tuple(builder, arguments[0], len(arrays))
            readers = [_Reader(context, builder, *pair, kind) for pair in zip(arrays, values, strict=True)]
            found = _lane_sums(builder, readers, kind, terms, count)
            return context.make_tuple(builder, signature.return_type, found)

        return types.UniTuple(kind, count)(arrays), generate

    return sums


_total, _squares_of, _dot = _sums(_items, 1), _sums(_squares, 1), _sums(_products, 1)
_distance, _cosine = _sums(_squared_differences, 1), _sums(_all_products, 3)


@intrinsic  # type: ignore[untyped-decorator]
def _power_sums(typing_context: TypingContext, array: Any, around: Any) -> Any:
    """Return the four sums of `vectors.power_sums`."""

    def generate(context: Context, builder: Builder, signature: Signature, arguments: Values) -> Any:
        reader = _DistanceReader(context, builder, array, arguments[0], types.float64)
        reader.around = arguments[1]
        found = _lane_sums(builder, [reader], types.float64, _powers, 4)
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.float64, 4)(array, types.float64), generate


def _row(name: str, array: Any) -> bool:
    """Whether an argument is a contiguous row of numbers.

    Raises
    ------
    TypingError
        If it is an array of another kind.
    """
    if not isinstance(array, types.Array):
        return False
    numbers = (types.Integer, types.Float, types.Boolean)
    if array.ndim != 1 or not isinstance(array.dtype, numbers) or array.layout != "C":
        msg = f"`dfv.vectors.{name}` takes contiguous 1-D arrays of numbers, got {array}"
        raise errors.TypingError(msg)
    return True


def _implement(function: Callable[..., Any], one: Any = None, two: Any = None) -> None:
    name = function.__name__
    options = {"forceinline": True}
    if one is not None:

        @overload(function, jit_options=options)
        def of_one(a):  # type: ignore[no-untyped-def]  # Numba compares the two signatures
            return one if _row(name, a) else None

    else:

        @overload(function, jit_options=options)
        def of_two(a, b):  # type: ignore[no-untyped-def]
            return two if _row(name, a) and _row(name, b) else None


@overload(vectors.power_sums, jit_options={"forceinline": True})
def _power_sums_of(a, around=0.0):  # type: ignore[no-untyped-def]
    if not _row("power_sums", a):
        return None
    return lambda a, around=0.0: _power_sums(a, around)


def _total_of(a):  # type: ignore[no-untyped-def]
    return _total((a,))[0]


def _norm_of(a):  # type: ignore[no-untyped-def]
    return np.sqrt(_squares_of((a,))[0])


def _dot_of(a, b):  # type: ignore[no-untyped-def]
    if len(a) != len(b):
        raise ValueError(DIFFER)
    return _dot((a, b))[0]


def _distance_of(a, b):  # type: ignore[no-untyped-def]
    if len(a) != len(b):
        raise ValueError(DIFFER)
    return _distance((a, b))[0]


def _cosine_of(a, b):  # type: ignore[no-untyped-def]
    if len(a) != len(b):
        raise ValueError(DIFFER)
    both, first, second = _cosine((a, b))
    return both / (np.sqrt(first) * np.sqrt(second))


_implement(vectors.total, one=_total_of)
_implement(vectors.norm, one=_norm_of)
_implement(vectors.dot, two=_dot_of)
_implement(vectors.squared_distance, two=_distance_of)
_implement(vectors.cosine_similarity, two=_cosine_of)
