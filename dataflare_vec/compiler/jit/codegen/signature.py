"""Polars dtypes and Numba types, and what a kernel's return type says about its columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args, get_origin

import polars as pl
from numba.core import types

from dataflare_vec.compiler.jit.abi.arguments import Output
from dataflare_vec.compiler.jit.diagnostics.inferred import plain_type
from dataflare_vec.compiler.jit.lowering.decimals.column import DecimalColumn, WideIntColumn, decimal_result
from dataflare_vec.compiler.jit.lowering.nested.list_result import ListResultColumn, list_result_column
from dataflare_vec.compiler.jit.lowering.nested.lists import list_column
from dataflare_vec.compiler.jit.lowering.nested.row_lists import RowListIterator, RowListType
from dataflare_vec.compiler.jit.lowering.nested.string_lists import StringListColumn, StringListType
from dataflare_vec.compiler.jit.lowering.nested.struct_result import StructResultColumn, struct_result_column
from dataflare_vec.compiler.jit.lowering.nested.structs import struct_column
from dataflare_vec.compiler.jit.lowering.strings.column import CategoryColumn, CodeColumn
from dataflare_vec.compiler.jit.lowering.tables.enum_result import EnumColumn
from dataflare_vec.compiler.jit.lowering.temporal.column import TemporalColumn, result_column, temporal_column
from dataflare_vec.compiler.jit.types.clocks import type_of_moment, type_of_zone
from dataflare_vec.compiler.jit.types.json import SAY_WHAT, JsonType
from dataflare_vec.compiler.jit.types.regex import MatchType
from dataflare_vec.compiler.jit.types.strings import (
    StringType,
    ViewType,
    ascii_string,
    bytes_view,
    utf8_string,
)
from dataflare_vec.compiler.jit.types.tables import TableType
from dataflare_vec.compiler.jit.types.temporal import BY_CLASS, TemporalType
from dataflare_vec.compiler.jit.types.wide_integers import (
    DecimalType,
    NaturalType,
    WideIntType,
    has_point,
    natural,
    wide_int,
)
from dataflare_vec.definition.annotations import Result, is_dtype, likely_dtype, mismatch, shown_kind
from dataflare_vec.definition.python_values import digits_of
from dataflare_vec.definition.tables.frozen import Frozen
from dataflare_vec.exceptions import KernelResultError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBERS: dict[Any, types.Type] = {
    pl.Int8: types.int8,
    pl.Int16: types.int16,
    pl.Int32: types.int32,
    pl.Int64: types.int64,
    pl.UInt8: types.uint8,
    pl.UInt16: types.uint16,
    pl.UInt32: types.uint32,
    pl.UInt64: types.uint64,
    pl.Float32: types.float32,
    pl.Float64: types.float64,
    pl.Boolean: types.boolean,
}
# Instants and spans are integers: days for Date, nanoseconds for Time, the column's unit for the rest.
_TEMPORAL: dict[Any, types.Type] = {
    pl.Date: types.int32,
    pl.Time: types.int64,
    pl.Datetime: types.int64,
    pl.Duration: types.int64,
}
_TEXT: dict[Any, types.Type] = {pl.String: utf8_string, pl.Binary: bytes_view}
#: What is stored as a list.
_LISTS = types.Array, types.List, StringListType, RowListType
_DTYPES = {numba_type: dtype for dtype, numba_type in (_NUMBERS | _TEXT).items()}
_ITEM_DTYPES = {numba_type: dtype() for numba_type, dtype in _DTYPES.items()}


def column_type(dtype: pl.DataType, expects: Any = None) -> types.Type | None:
    """Return the type of a column for a kernel; None where it can't be read.

    Parameters
    ----------
    expects
        What the kernel's parameter is annotated with.

    Raises
    ------
    ColumnTypeError
        If the column doesn't suit the annotation: what is expected, and why it isn't so.
    """
    base = dtype.base_type()
    if expects in BY_CLASS:
        return temporal_column(dtype, expects)
    if base is pl.Decimal:
        return DecimalType(dtype.scale)  # type: ignore[attr-defined]
    if base is pl.Int128:
        return wide_int
    if base is pl.Struct:
        return struct_column(dtype, expects, column_type)
    if base in (pl.List, pl.Array):
        text = _TEXT.get(dtype.inner.base_type())  # type: ignore[attr-defined]
        return list_column(dtype, _number_type) if text is None else StringListColumn(StringListType(text))
    if base in (pl.Categorical, pl.Enum):
        code = _code_type(dtype)
        return CodeColumn(code) if expects is int else CategoryColumn(code.bitwidth // 8, utf8_string)
    return _TEXT.get(base) or _number_type(dtype)


def _number_type(dtype: pl.DataType) -> types.Type | None:
    base = dtype.base_type()
    return _NUMBERS.get(base) or _TEMPORAL.get(base)


def _code_type(dtype: pl.DataType) -> types.Type:
    return _NUMBERS[pl.Series(dtype=dtype).to_physical().dtype.base_type()]


def _item_type(dtype: pl.DataType) -> types.Type | None:
    return _TEXT.get(dtype.base_type()) or _number_type(dtype)


def polars_dtype(numba_type: types.Type) -> pl.DataType:
    """Return the dtype in which a column of ``numba_type`` is stored."""
    if isinstance(numba_type, TemporalColumn):
        return pl.Int64() if numba_type.unit else pl.Int32()
    if isinstance(numba_type, DecimalColumn):
        return pl.Decimal(numba_type.precision, numba_type.scale)
    if isinstance(numba_type, StructResultColumn):
        fields = zip(numba_type.names, numba_type.fields, strict=True)
        return pl.Struct({name: polars_dtype(field.type) for name, field in fields})
    if isinstance(numba_type, WideIntColumn):
        return pl.Decimal(38, 0)  # the same bits, which Arrow knows
    if isinstance(numba_type, ListResultColumn):
        return pl.Binary()
    if isinstance(numba_type, EnumColumn):
        return _DTYPES[numba_type.code]()  # type: ignore[no-any-return]
    return _DTYPES[numba_type]()  # type: ignore[no-any-return]


def written_type(dtype: pl.DataType) -> types.Type | None:
    """Return the type in which a result is stored that is declared as ``dtype``; None if it can't be."""
    base = dtype.base_type()
    if base is pl.Int128:
        return WideIntColumn()
    if isinstance(dtype, pl.Enum):
        return EnumColumn(dtype, _code_type(dtype))
    return utf8_string if base is pl.Categorical else _item_type(dtype)


def constant_type(value: Any, *, any_text: bool = False) -> types.Type:
    """Return the type of a constant: a number, a bool, a string, bytes, None, a tuple of these, a table.

    Parameters
    ----------
    any_text
        Whether another string may be in the place of one that is ASCII.
    """
    if isinstance(value, Frozen):
        return TableType(*value.signature)
    if value is None:
        return types.none
    if isinstance(value, bool):
        return types.boolean
    if isinstance(value, Decimal):
        return DecimalType(digits_of(value)[1])
    if isinstance(value, (datetime, time)):
        return type_of_moment(value)
    if isinstance(value, tzinfo):
        return type_of_zone(value)
    if type(value) in BY_CLASS:
        return BY_CLASS[type(value)]
    if isinstance(value, str):
        return ascii_string if value.isascii() and not any_text else utf8_string
    if isinstance(value, bytes):
        return bytes_view
    if isinstance(value, tuple):
        # A named tuple stays one, for kernels that read its fields by name.
        kind = type(value) if hasattr(value, "_fields") else None
        return types.BaseTuple.from_types([constant_type(item, any_text=any_text) for item in value], kind)
    if isinstance(value, int):
        return types.int64 if value < 1 << 63 else natural
    return types.float64


def outputs_of(
    return_type: types.Type, declared: Sequence[Any] | Result | None
) -> tuple[tuple[Output, ...], tuple[str, ...] | None, bool]:
    """Return a kernel's outputs, the names of its fields, and whether it returns a tuple.

    Raises
    ------
    KernelResultError
        If the kernel returns something that can't be a column, or not what was declared.
    """
    declares = "`returns` declares"
    if isinstance(declared, Result):
        declared, declares = declared.items, "its annotation says"
    whole_optional = isinstance(return_type, types.Optional)
    inner = return_type.type if whole_optional else return_type
    if declared is not None and len(declared) == 1 and isinstance(declared[0], pl.Struct):
        return (_output(return_type, declared[0], None),), None, False
    returns_tuple = isinstance(inner, types.BaseTuple)
    items = list(inner) if returns_tuple else [inner]
    names = tuple(inner.fields) if isinstance(inner, types.BaseNamedTuple) else None
    if declared is not None and len(declared) != len(items):
        msg = f"it returns {len(items)} values, but {declares} {len(declared)}"
        raise KernelResultError(msg)
    if not items:
        msg = "it returns an empty tuple"
        raise KernelResultError(msg, hint="return at least one value")
    outputs = []
    for i, item in enumerate(items):
        wanted = declared[i] if declared is not None else None
        output = _output(item, wanted, i if returns_tuple else None)
        outputs.append(replace(output, nullable=output.nullable or whole_optional))
    return tuple(outputs), names, returns_tuple


def _output(item: types.Type, wanted: Any, position: int | None) -> Output:
    """Return how a value of the kernel's result is stored, which may be None if its type says so."""
    optional = isinstance(item, types.Optional)
    value = types.unliteral(item.type if optional else item)
    if isinstance(value, StringType):
        value = utf8_string  # columns are; both lie alike
    if wanted is not None and not is_dtype(wanted):
        wanted = _annotated(value, wanted)
    stored, dtype = _stored(value, wanted, position)
    return Output(stored, nullable=optional, dtype=dtype)


def _stored(value: types.Type, wanted: Any, position: int | None) -> tuple[types.Type, Any]:
    """Return the type in which a result is stored, and the dtype of its column."""
    if (
        isinstance(value, types.BaseTuple)
        and len(value)
        and (isinstance(wanted, pl.Struct) or position is not None)
    ):
        return struct_result_column(value, wanted, lambda item, dtype: _output(item, dtype, 0))
    if isinstance(wanted, pl.Struct):
        msg = f"it returns `{plain_type(str(value))}`, but `returns` declares a struct"
        raise KernelResultError(msg, hint="return a named tuple")
    if isinstance(value, TemporalType):
        found = result_column(value, wanted)
        if found is None:
            msg = f"it returns `{value}`, but `returns` declares {wanted}"
            raise KernelResultError(msg)
        return found
    if isinstance(value, NaturalType) and wanted is None:
        return types.uint64, pl.UInt64()
    if isinstance(value, WideIntType) and isinstance(number := _NUMBERS.get(_base(wanted)), types.Number):
        return number, wanted
    if isinstance(value, (*_LISTS, DecimalType)):
        if isinstance(value, DecimalType):
            return decimal_result(value, wanted)
        return list_result_column(value, wanted, _item_type, _ITEM_DTYPES.get, plain_type)
    if value not in _DTYPES:
        raise _not_a_column(value, position)
    if wanted is None:
        return value, polars_dtype(value)
    number = written_type(wanted)
    if number is None:
        msg = f"`returns` declares {wanted}, which a kernel can't write"
        raise KernelResultError(msg)
    _check_declared(value, number, wanted)
    return number, wanted


def _annotated(value: types.Type, kind: Any) -> Any:
    """Return the dtype of a result that is annotated with a class of Python's; None if it stays as it is.

    Raises
    ------
    KernelResultError
        If it isn't of that class, nor of one that becomes it without loss.
    """
    is_integer = isinstance(value, (types.Integer, types.Boolean, WideIntType))
    if kind is int and is_integer:
        # Int64 doesn't hold those.
        return None if value == types.uint64 or isinstance(value, WideIntType) else pl.Int64()
    if kind is float and (is_integer or isinstance(value, types.Float)):
        return pl.Float64()
    if kind is bool and value == types.boolean:
        return pl.Boolean()
    if kind in (str, bytes) and value in _TEXT.values() and _DTYPES[value] == likely_dtype(kind):
        return likely_dtype(kind)
    if kind is Decimal and has_point(value):
        return None
    if isinstance(value, TemporalType) and value.python is kind:
        return None
    if get_origin(kind) is list and isinstance(value, _LISTS):
        own = value.view if isinstance(value, StringListType) else types.unliteral(value.dtype)
        own = utf8_string if isinstance(own, StringType) else own
        (item,) = get_args(kind)
        if own in _ITEM_DTYPES and mismatch(item, _ITEM_DTYPES[own]) is None:
            if item is not float or isinstance(own, types.Float):
                return None
    if value not in _DTYPES:
        shown = f"`{plain_type(str(value))}`"
    else:
        shown = str(_DTYPES[value])
    said = shown_kind(kind)
    msg = f"it returns {shown}, but is annotated `-> {said}`"
    raise KernelResultError(msg, hint="convert in the kernel, or say what it returns")


def _base(dtype: Any) -> Any:
    return None if dtype is None else dtype.base_type()


def _not_a_column(value: types.Type, position: int | None) -> KernelResultError:
    where = "" if position is None else f" at position {position}"
    got = f"`{plain_type(str(value))}`"
    hint = "return a number, a bool, a string, bytes, a list or array of these, None, or a tuple of these"
    if isinstance(value, (types.Poison, types.LiteralList)):
        got, hint = "a list of items of unlike types", "give them one type, or return a tuple"
    elif isinstance(value, (types.DictType, types.Set)):
        got, hint = "a dict or set", "return a tuple, a named tuple (a struct) or a list"
    elif isinstance(value, types.NoneType):
        where += " for every row"
        got, hint = (
            "None",
            "return a value on at least one path (a kernel without a `return` statement returns None)",
        )
    elif isinstance(value, types.Complex):
        got, hint = "a complex number", "return `z.real, z.imag` as two columns, or `abs(z)`"
    elif isinstance(value, MatchType):
        got, hint = "a match", "return its groups, as `m[1]`, or `m is not None`"
    elif isinstance(value, JsonType):
        got, hint = "a value of JSON, which may be of any type", SAY_WHAT
    elif isinstance(value, RowListIterator):
        got, hint = "the matches of `finditer`", "return their groups, as `[m[1] for m in …]`"
    return KernelResultError(f"it returns {got}{where}", got=got, hint=hint)


def _check_declared(value: types.Type, wanted: types.Type, declared: Any) -> None:
    hint, why = "", ""
    if isinstance(wanted, EnumColumn):
        wanted = utf8_string
    if isinstance(value, types.Float) and not isinstance(wanted, types.Float):
        hint, why = "convert in the kernel, as `int(...)`", ", which is stored as an integer"
    elif wanted == types.boolean and value != types.boolean:
        hint = "compare in the kernel, as `x != 0`"
    elif value != wanted and (isinstance(value, ViewType) or isinstance(wanted, ViewType)):
        hint = "convert in the kernel, as `str(...)`, `s.encode()` or `int(s)`"
    if hint:
        msg = f"it returns {polars_dtype(value)}, but `returns` declares {declared}{why}"
        raise KernelResultError(msg, hint=hint)
