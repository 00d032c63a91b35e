"""Which library a frame is of, told without importing any."""

from __future__ import annotations

import sys


def is_pyarrow(data: object, *names: str) -> bool:
    """Whether ``data`` is one of PyArrow's classes, without importing PyArrow."""
    return _is_of("pyarrow", data, *names)


def is_pandas(data: object) -> bool:
    """Whether ``data`` is a pandas DataFrame, without importing pandas."""
    return _is_of("pandas", data, "DataFrame")


def is_pandas_series(data: object) -> bool:
    """Whether ``data`` is a pandas Series, without importing pandas."""
    return _is_of("pandas", data, "Series")


def is_narwhals(data: object) -> bool:
    """Whether ``data`` is a frame or a Series of Narwhals, around one of another library."""
    return _is_of("narwhals", data, "DataFrame", "LazyFrame", "Series")


def is_stream(data: object) -> bool:
    """Whether ``data`` is read batch by batch."""
    return is_pyarrow(data, "RecordBatchReader") or (
        hasattr(data, "__arrow_c_stream__")
        and not is_pyarrow(data, "Table", "RecordBatch")
        and not is_pandas(data)
    )


def _is_of(library: str, data: object, *names: str) -> bool:
    module = sys.modules.get(library)
    if module is None:
        return False
    for name in names:
        kind = getattr(module, name, None)  # another thread may just be importing it
        if kind is not None and isinstance(data, kind):
            return True
    return False
