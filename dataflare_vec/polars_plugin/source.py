"""The tables of a library, as C: its functions, their dtypes and loops, and what they raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec.compiler.kernel import LoopVariant
from dataflare_vec.polars_plugin.constants import kind_of, leaves_of, table_value
from dataflare_vec.polars_plugin.functions import NOTES, BuiltLoop
from dataflare_vec.polars_plugin.raised import parts_of
from dataflare_vec.polars_plugin.states import FINISH, MERGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dataflare_vec.polars_plugin.constants import Leaf
    from dataflare_vec.polars_plugin.functions import BuiltFunction, BuiltSignature
    from dataflare_vec.polars_plugin.states import BuiltState
    from dataflare_vec.polars_plugin.targets import Target


#: What runs the loops of a level; any other level is the one that all processors of its target have.
_PROCESSORS = {"v4": "WIDE"}


def tables(name: str, functions: Sequence[BuiltFunction], target: Target) -> str:
    """Return the tables of the library ``name``."""
    lines = ['#include "plugin.h"', "", f"const char dfv_library[] = {_text(name)};"]
    lines += [f"const Processor dfv_needs = {_PROCESSORS.get(target.lowest, 'FIT')};", ""]
    lines += _exceptions(functions)
    for function in functions:
        lines += _function(function, target)
    return "\n".join([*lines, ""])


def _exceptions(functions: Sequence[BuiltFunction]) -> Iterator[str]:
    pickles = dict.fromkeys(
        pickled
        for function in functions
        for signature in function.signatures
        for loop in signature.loops.values()
        for pickled in loop.exceptions
    )
    rows = [f"{{{_bytes(one)}, {len(one)}, {', '.join(map(_text, parts_of(one)))}}}" for one in pickles]
    yield f"const ExceptionText dfv_exceptions[] = {{{', '.join(rows or ['{0}'])}}};"
    yield f"const int dfv_exception_count = {len(rows)};"


def _function(function: BuiltFunction, target: Target) -> Iterator[str]:
    name = function.plugin.name
    yield ""
    columns = [_text(parameter.name) for parameter in function.columns]
    yield from _array("const char *const", f"columns_{name}", columns)
    yield from _array("const ConstantParameter", f"constants_{name}", map(_constant, function.constants))
    parameters = [f"{{{which}, {offset}}}" for which, offset in _parameters(function)]
    yield from _array("const Parameter", f"parameters_{name}", parameters)
    for i, signature in enumerate(function.signatures):
        yield from _parts(signature, f"{name}_{i}")
    signatures = [
        _signature(signature, f"{name}_{i}", target) for i, signature in enumerate(function.signatures)
    ]
    yield from _array("const Signature", f"signatures_{name}", signatures)
    fields = [
        _text(name),
        f"columns_{name}, {len(function.columns)}",
        f"constants_{name}, {len(function.constants)}",
        f"parameters_{name}, {len(parameters)}",
        f"signatures_{name}, {len(signatures)}",
    ]
    yield f"static const Function function_{name} = {{{', '.join(fields)}}};"
    yield f"DFV_FUNCTION({name})"


def _constant(leaf: Leaf) -> str:
    bits, content, scale = table_value(leaf.value)
    value = f"{{(int64_t)0x{bits % (1 << 64):x}u, {_bytes(content)}, {len(content)}}}"
    return f"{{{_text(leaf.name)}, {kind_of(leaf.value).name}, {value}, {scale}}}"


def _parameters(function: BuiltFunction) -> Iterator[tuple[int, int]]:
    """Yield what the kernel receives: a column's number, or ~ of a constant's, and the offset of the row."""
    column = constant = 0
    for parameter in function.plugin.parameters:
        if parameter.is_column:
            yield from ((column, offset) for offset in parameter.offsets)
            column += 1
        else:
            for _ in leaves_of(parameter):
                yield ~constant, 0
                constant += 1


def _parts(signature: BuiltSignature, suffix: str) -> Iterator[str]:
    for loop in signature.loops:
        yield f"extern int64_t {signature.symbol(loop)}(const int64_t *arguments, int64_t rows);"
    yield from _array("const char *const", f"inputs_{suffix}", map(_text, signature.inputs))
    parts = (
        f"{{{_text(one.format)}, {one.size}, {one.field}, {int(one.nullable)}}}" for one in signature.parts
    )
    yield from _array("const Part", f"parts_{suffix}", parts)
    outputs = (
        f"{{{_text(one.name)}, {_text(one.format)}, {one.size}, {int(one.nullable)}}}"
        for one in signature.outputs
    )
    yield from _array("const Output", f"outputs_{suffix}", outputs)
    if signature.state is not None:
        yield f"static const State state_{suffix} = {_state(signature, signature.state)};"


def _signature(signature: BuiltSignature, suffix: str, target: Target) -> str:
    def symbol(level: str, *, nulls: bool, general: bool = False) -> str:
        loop = BuiltLoop(level, LoopVariant(nulls, False, general))
        return signature.symbol(loop) if loop in signature.loops else "NULL"

    def pair(level: str) -> str:
        return f"{{{symbol(level, nulls=False)}, {symbol(level, nulls=True)}}}"

    lowest, *higher = target.levels
    wide = higher[0] if higher else "none"
    recording = {one.kernel: signature.symbol(one) for one in signature.loops if one.variant.records_errors}
    records, notes = recording[""], recording.get(NOTES, "NULL")
    fields = [
        f"inputs_{suffix}, parts_{suffix}, {len(signature.parts)}",
        f"outputs_{suffix}, {len(signature.outputs)}",
        f"{pair(lowest)}, {symbol(lowest, nulls=True, general=True)}, {records}, {notes}, {pair(wide)}",
        "NULL" if signature.state is None else f"&state_{suffix}",
    ]
    return f"{{{', '.join(fields)}}}"


def _state(signature: BuiltSignature, state: BuiltState) -> str:
    def loops(kernel: str, *variants: LoopVariant) -> str:
        found = {loop.variant: signature.symbol(loop) for loop in signature.loops if loop.kernel == kernel}
        return f"{{{', '.join(found.get(variant, 'NULL') for variant in variants)}}}"

    plain, general = (LoopVariant(False, False, general) for general in (False, True))
    has_general = any(loop.kernel == FINISH and loop.variant == general for loop in signature.loops)
    fields = [
        str(state.size),
        _bytes(state.first) if any(state.first) else "NULL",
        str(int(state.has_arrays)),
        str(state.partition_rows),
        loops(MERGE, plain, LoopVariant(True, True)),
        loops(FINISH, plain, general, LoopVariant(True, True, has_general)),
    ]
    return f"{{{', '.join(fields)}}}"


def _array(kind: str, name: str, items: Iterable[str]) -> Iterator[str]:
    """Yield the lines of an array, which C wants to have an item."""
    yield f"static {kind} {name}[] = {{{', '.join(items) or '0'}}};"


def _text(text: str) -> str:
    return _bytes(text.encode())


def _bytes(content: bytes) -> str:
    r"""Return a C string literal, with three octal digits for each byte that isn't plain.

    Examples
    --------
    >>> print(_bytes(b'a"1\x00'))
    "a\0421\000"
    """
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in content) + '"'
