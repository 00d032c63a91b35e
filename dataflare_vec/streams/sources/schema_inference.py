"""What the columns of a text are, by as much of it as it takes, of which little is held at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.streams.sources.scanners import INFERRED, opened, scan
from dataflare_vec.streams.sources.text_blocks import RowSplitter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Bytes of CSV that hold the rows which types are inferred from: more rows than that aren't looked at.
_MOST = 64 << 20
#: Bytes of NDJSON that are looked at together.
_BLOCK = 8 << 20
#: Keys of an object whose order Polars keeps; of more it hashes them.
_ORDERED = 32
#: A value of JSON for each type that Polars infers.
_EXAMPLES: dict[Any, Any] = {
    pl.Boolean: True,
    pl.Int64: 1,
    pl.Int128: 1 << 64,
    pl.Float64: 0.5,
    pl.String: "",
    pl.Null: None,
}


def rows_to_infer(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a CSV file, where rows are long with how many its types are inferred from."""
    end = (options.get("eol_char") or "\n").encode()
    found = read = 0
    with opened(path) as file:
        while found <= INFERRED and read < _MOST and (data := file.read(1 << 20)):
            found, read = found + data.count(end), read + len(data)
    if found > INFERRED or read < _MOST:
        return dict(options)
    return {"infer_schema_length": max(found, 1), **options}


def ndjson_schema(path: Path, options: Mapping[str, Any]) -> pl.Schema:
    """Return the columns of an NDJSON file by all of its rows: Polars drops a key that it doesn't know of."""
    if options.get("infer_schema_length") is not None:
        return scan(path, "ndjson", None, options).collect_schema()
    # Each block is stood for by a few rows of its columns, so what they have in common is told by Polars too.
    examples: dict[str, None] = {}
    how = {"ignore_errors": options.get("ignore_errors", False), "infer_schema_length": None}
    with opened(path) as file:
        for block in RowSplitter().blocks(file, _BLOCK):
            if not block.isspace():
                found = scan(path, "ndjson", None, how, block).collect_schema()
                examples.update((json.dumps(row), None) for row in _examples(pl.Struct(found)))
    content = "\n".join(examples).encode()
    return scan(path, "ndjson", None, {**options, "infer_schema_length": None}, content).collect_schema()


def _examples(dtype: Any) -> list[Any]:
    """Return values of JSON that Polars takes together for ones of a type."""
    if isinstance(dtype, pl.Struct):
        return _objects([(field.name, _examples(field.dtype)) for field in dtype.fields])
    if isinstance(dtype, pl.List):
        return [_examples(dtype.inner)]
    return [_EXAMPLES[dtype]]


def _objects(fields: list[tuple[str, list[Any]]]) -> list[Any]:
    """Return objects that have all fields with all their values, in order."""
    found: list[Any] = []
    for start in range(0, len(fields), _ORDERED) or (0,):
        some = fields[start : start + _ORDERED]
        most = max((len(values) for _, values in some), default=1)
        found += [{name: values[min(i, len(values) - 1)] for name, values in some} for i in range(most)]
    return found
