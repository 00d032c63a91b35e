"""Whether somebody else's Arrow data leads out of its memory: compiled code and Polars take it at its word.

PyArrow looks at neither offsets nor text, unless it is asked. What a function of its own, a memory map or
another library made of damaged bytes may therefore say anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec._util.foreign_errors import first_line
from dataflare_vec.exceptions import UnsupportedDataError
from dataflare_vec.interop.columns import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MOST_SECONDS = (2**63 - 1) // 1000


def check(column: Any, name: str, readers: Mapping[str, str]) -> None:
    """Raise if offsets or indices of an Array or a ChunkedArray lead out of it, or its text isn't UTF-8.

    Numbers cost nothing, text some nanoseconds a row.

    Parameters
    ----------
    readers
        Plugins by the column that they read, for the message.

    Raises
    ------
    UnsupportedDataError
        Naming the column.
    ColumnTypeError
        If Polars would read other values.
    """
    import pyarrow as pa

    try:
        for chunk in getattr(column, "chunks", [column]):
            for part in _parts(chunk):
                # Any bytes are a number: a decimal of too many digits hurts nobody.
                is_number = pa.types.is_primitive(part.type) or pa.types.is_decimal(part.type)
                _check_shape(part, full=pa.types.is_time(part.type) or not is_number)
                if getattr(part.type, "unit", None) == "s" and not pa.types.is_time(part.type):
                    _check_seconds(part, name, readers)
    except (pa.ArrowInvalid, pa.ArrowIndexError) as error:
        said = first_line(error)
        raise UnsupportedDataError(
            problem=f"column `{name}` holds damaged Arrow data of type {column.type} ({said})",
            plugin=readers.get(name) or None,
            column=name,
            hint="check with PyArrow's `validate(full=True)`; `pa.binary()` is for bytes that aren't UTF-8",
        ) from error


def _check_shape(array: Any, *, full: bool = False) -> None:
    """Raise if buffers are too short, or there are other nulls than it says: Polars believes the number."""
    import pyarrow as pa

    array.validate(full=full)
    bits = None if full or pa.types.is_null(array.type) else array.buffers()[0]
    if bits is not None:
        valid = pa.Array.from_buffers(pa.bool_(), len(array), [None, bits], offset=array.offset)
        if valid.true_count != len(array) - array.null_count:
            msg = f"it declares {array.null_count} nulls, but has {valid.false_count}"
            raise pa.ArrowInvalid(msg)


def _check_seconds(array: Any, name: str, readers: Mapping[str, str]) -> None:
    """Raise if instants or durations in seconds don't fit milliseconds, which Polars lets them wrap to."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.min_max(array.view(pa.int64())).as_py()
    if not all(-_MOST_SECONDS <= value <= _MOST_SECONDS for value in found.values() if value is not None):
        refuse(name, readers, f"of type {array.type} holds what doesn't fit 64 bits of milliseconds")


def _parts(array: Any) -> Iterator[Any]:
    """Yield arrays that together are all that an array's rows lead to, each when the ones before are sound.

    PyArrow would look at all values of nested ones, also where the array is a small part of a large one: the
    batches of a table would take the square of its length.
    """
    import pyarrow as pa

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        array, kind = array.storage, kind.storage_type
    if pa.types.is_struct(kind):
        _check_shape(array)
        for index in range(kind.num_fields):
            yield from _parts(array.field(index))
        return
    if pa.types.is_fixed_size_list(kind):
        _check_shape(array)
        yield from _parts(array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size))
        return
    is_large = pa.types.is_large_list(kind)
    if not (is_large or pa.types.is_list(kind) or pa.types.is_map(kind)) or not len(array):
        yield array
        return
    _check_shape(array)
    values = array.values if not pa.types.is_map(kind) else _entries(array)
    hollow = (pa.large_list if is_large else pa.list_)(pa.null())
    yield pa.Array.from_buffers(
        hollow, len(array), array.buffers()[:2], offset=array.offset, children=[pa.nulls(len(values))]
    )
    first, last = array.offsets[0].as_py(), array.offsets[len(array)].as_py()
    yield from _parts(values.slice(first, last - first))


def _entries(maps: Any) -> Any:
    """Return the pairs of all keys and values of a map."""
    import pyarrow as pa

    return pa.StructArray.from_arrays([maps.keys, maps.items], names=["key", "value"])
