"""The tables of a function as the C of a library reads them, in the memory of this process."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_int, c_int64, c_void_p
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflare_vec.arrow.layouts import Bits, FixedWidth
from dataflare_vec.compiler.kernel import LoopVariant
from dataflare_vec.polars_plugin.formats import format_of, result_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.compiler.kernel import Kernel
    from dataflare_vec.engine.stages.direct import DirectCall

#: Columns, results, and words of constants of a function, at most: see `runtime/plugin.h`.
_MOST = 64
#: `Kind` of `runtime/plugin.h`: a constant as its bits.
_INTEGER = 2

#: Loops by their number in `WhichLoop` of `runtime/call.h`.
LOOPS = (
    LoopVariant(nulls=False, records_errors=False),
    LoopVariant(nulls=True, records_errors=False),
    LoopVariant(nulls=True, records_errors=False, general=True),
)


class _Part(ctypes.Structure):
    _fields_ = (("format", c_char_p), ("count", c_int), ("field", c_int), ("nullable", c_bool))


class _Output(ctypes.Structure):
    _fields_ = (("name", c_char_p), ("format", c_char_p), ("count", c_int), ("nullable", c_bool))


class Signature(ctypes.Structure):
    """`Signature` of `runtime/plugin.h`; a loop that is made later is written into it."""

    _fields_ = (
        ("inputs", POINTER(c_char_p)),
        ("parts", POINTER(_Part)),
        ("part_count", c_int),
        ("outputs", POINTER(_Output)),
        ("output_count", c_int),
        ("loops", c_void_p * 2),
        ("general", c_void_p),
        ("records", c_void_p),
        ("notes", c_void_p),
        ("wide", c_void_p * 2),
        ("state", c_void_p),
    )

    def put(self, which: int, address: int) -> None:
        """Write where a loop is, by its number in `LOOPS`."""
        if LOOPS[which].general:
            self.general = address
        else:
            self.loops[which] = address


class _Constant(ctypes.Structure):
    _fields_ = (
        ("name", c_char_p),
        ("kind", c_int),
        ("bits", c_int64),
        ("text", c_char_p),
        ("size", c_int64),
        ("scale", c_int64),
    )


class _Parameter(ctypes.Structure):
    _fields_ = (("which", c_int), ("offset", c_int))


class Function(ctypes.Structure):
    """`Function` of `runtime/plugin.h`."""

    _fields_ = (
        ("name", c_char_p),
        ("columns", POINTER(c_char_p)),
        ("column_count", c_int),
        ("constants", POINTER(_Constant)),
        ("constant_count", c_int),
        ("parameters", POINTER(_Parameter)),
        ("parameter_count", c_int),
        ("signatures", POINTER(Signature)),
        ("signature_count", c_int),
        ("threads", c_int),
    )


#: What the library says of its own structures: see `dfv_bridge_open`.
SIZES = ctypes.sizeof(Function) << 16 | ctypes.sizeof(Signature)


class Tables(NamedTuple):
    """A function of one signature. It is to stay as long as anything may call it.

    Attributes
    ----------
    function, signature
        What C reads.
    kernel
        Whose loops they are.
    kept
        What these have the addresses of.
    """

    function: Function
    signature: Signature
    kernel: Kernel
    kept: tuple[Any, ...]


def tables_of(
    direct: DirectCall, columns: Sequence[str], dtypes: Sequence[Any], threads: int
) -> Tables | None:
    """Return a call's tables; None if a column or a result isn't of a fixed width, or there are too many.

    Parameters
    ----------
    direct
        What is to be called, of which no row fails.
    columns, dtypes
        All columns that Polars passes, in their order.
    threads
        How many share the rows of a long column.
    """
    layouts = [*direct.layouts, *(field.layout for field in direct.fields)]
    inputs = [format_of(dtype) for dtype in dtypes]
    results = [result_format(field.shown) for field in direct.fields]
    if not all(type(layout) in (FixedWidth, Bits) for layout in layouts) or None in (*inputs, *results):
        return None
    words, parameters = _parameters(direct, columns)
    if max(len(columns), len(results), len(words)) > _MOST:
        return None
    formats = [str(one).encode() for one in inputs]
    parts = [_Part(one, 1) for one in formats]
    outputs = [
        _Output(name.encode(), str(one).encode(), 1, field.nullable)
        for name, one, field in zip(direct.writes, results, direct.fields, strict=True)
    ]
    constants = [_Constant(b"", _INTEGER, word) for word in words]
    arrays = (
        (c_char_p * len(formats))(*formats),
        (_Part * len(parts))(*parts),
        (_Output * len(outputs))(*outputs),
        (_Constant * len(constants))(*constants),
        (_Parameter * len(parameters))(*parameters),
        (c_char_p * len(columns))(*(name.encode() for name in columns)),
    )
    signature = Signature(inputs=arrays[0], parts=arrays[1], outputs=arrays[2])
    signature.part_count, signature.output_count = len(parts), len(outputs)
    function = Function(name=b"fuse", columns=arrays[5], constants=arrays[3], parameters=arrays[4])
    function.column_count, function.constant_count = len(columns), len(constants)
    function.parameter_count, function.signature_count = len(parameters), 1
    function.signatures = ctypes.pointer(signature)
    function.threads = threads
    return Tables(function, signature, direct.kernel, (direct, arrays))


def _parameters(direct: DirectCall, columns: Sequence[str]) -> tuple[list[int], list[_Parameter]]:
    """Return the words of all constants, and what the loop receives: a column, or such a word."""
    words: list[int] = []
    parameters: list[_Parameter] = []
    read = iter(direct.reads)
    for given in direct.constants:
        if given is None:
            parameters.append(_Parameter(columns.index(next(read)), 0))
            continue
        for word in given:
            parameters.append(_Parameter(~len(words), 0))
            words.append(word)
    return words, parameters
