"""How each format is read: as a Polars query, in frames of which none goes missing."""

from __future__ import annotations

import codecs
import glob as globbing
import io
import os
import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.suggestions import Argument, Phrase, near_matches
from dataflare_vec.exceptions import ArgumentError, SourceError
from dataflare_vec.interop import to_polars
from dataflare_vec.interop.query_rows import rows_of
from dataflare_vec.streams.bounds import block_bytes, piece_bytes
from dataflare_vec.streams.formats import named
from dataflare_vec.streams.parquet.row_groups import MALFORMED, FileLayout, file_layout
from dataflare_vec.streams.sources.batches import check_end_of_stream
from dataflare_vec.streams.sources.parquet_pieces import Pieces
from dataflare_vec.streams.sources.queries import FIRST, slices_of
from dataflare_vec.streams.sources.text_blocks import RowSplitter, check_last_line, check_last_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa


#: Rows that the types of a CSV file are inferred from.
INFERRED = 10_000
#: Bytes of a footer that are decoded in less time than importing PyArrow takes.
_SMALL_FOOTER = 1 << 14
#: Bytes at the end of a CSV file that are looked at.
_TAIL = 1 << 16

#: What may be said about how a format is read, as the scans of Polars call it.
READ_OPTIONS = {
    "csv": (
        "separator",
        "has_header",
        "new_columns",
        "quote_char",
        "null_values",
        "empty_string_is_null",
        "schema_overrides",
        "encoding",
        "decimal_comma",
        "comment_prefix",
        "skip_rows",
        "skip_lines",
        "skip_rows_after_header",
        "eol_char",
        "try_parse_dates",
        "infer_schema",
        "infer_schema_length",
        "truncate_ragged_lines",
        "ignore_errors",
    ),
    "ndjson": ("schema_overrides", "infer_schema_length", "ignore_errors"),
}
#: Those about the beginning of a CSV file.
_SKIPPED = ("skip_rows", "skip_lines", "skip_rows_after_header")
_OF_HEADS = (*_SKIPPED, "has_header", "new_columns", "schema_overrides")
#: What packed texts begin with.
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
#: Encodings that Polars reads by itself.
_UTF8 = ("utf8", "utf8-lossy")


def check_read_options(options: Mapping[str, Any]) -> None:
    """Raise if one isn't known.

    Raises
    ------
    ValueError
        Saying which, and what there is.
    """
    known = READ_OPTIONS["csv"]
    for name in options:
        if name not in known:
            msg = f"`read_options`: unknown option `{name}`"
            raise ArgumentError(msg, argument="read_options", got=name, hint=near_matches(name, known))
    encoding = options.get("encoding", "utf8")
    try:
        _is_utf8(encoding)
    except (LookupError, TypeError):
        msg = Phrase(Argument("encoding", encoding), ": unknown encoding")
        hint = "such as utf8, latin1, cp1252, utf16"
        raise ArgumentError(msg, argument="encoding", got=encoding, hint=hint) from None
    for name in ("separator", "quote_char", "eol_char"):
        value = options.get(name)
        if value is not None and (not isinstance(value, str) or len(value.encode()) != 1):
            msg = Phrase(Argument(name, value), ": it has to be one ASCII character")
            raise ArgumentError(msg, argument=name, expected="one ASCII character", got=repr(value))


def _is_utf8(encoding: str) -> bool:
    return encoding in _UTF8 or codecs.lookup(encoding).name == "utf-8"


def options_of(path: Path, kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the options that say how this file is read.

    Raises
    ------
    SourceError
        If its format has no use for one.
    """
    known = READ_OPTIONS.get(kind, ())
    for name in options:
        if name not in known:
            msg = Phrase(f"it is {kind}, which doesn't take ", Argument(name, options[name]))
            raise SourceError(msg, file=path, argument=name)
    return dict(options)


def scan(
    path: Path,
    kind: str,
    schema: pl.Schema | None,
    options: Mapping[str, Any],
    content: bytes | None = None,
) -> pl.LazyFrame:
    """Return a query for the rows of a file; a CSV file of another encoding than UTF-8 by `as_utf8` first.

    Parameters
    ----------
    content
        Some of a text, which is read instead of the file.
    """
    if kind == "parquet":
        return pl.scan_parquet(path, glob=False)
    if kind == "ipc":
        return pl.scan_ipc(path, glob=False)
    said = dict(options)
    if kind == "csv":
        said = {
            "separator": _separator(path, options),
            "try_parse_dates": True,
            "infer_schema_length": INFERRED,
            **said,
        }
        if said.get("encoding") not in _UTF8:  # a copy is in UTF-8
            said.pop("encoding", None)
        overrides = {**(said.pop("schema_overrides", None) or {}), **(schema or {})}
        text = path if content is None else content
        return pl.scan_csv(text, glob=False, schema_overrides=overrides or None, **said)
    if schema is not None:
        said.pop("schema_overrides", None)
    source = globbing.escape(str(path)) if content is None else content
    return pl.scan_ndjson(source, schema=schema, **said)


def read_parquet(path: Path, rows: int, size: int, memory: int | None) -> Iterator[pl.DataFrame]:
    """Yield the rows of a Parquet file; where there is a limit, decoded in pieces of some bytes."""
    groups = _row_groups(path)
    if groups and sum(groups) != rows:  # Polars reads as many as the footer says
        msg = f"its footer counts {rows} rows, but its row groups hold {sum(groups)}"
        raise SourceError(msg)
    query = scan(path, "parquet", None, {})
    if memory is None:
        yield from rows_of(query, size)
    elif (layout := file_layout(path, rows)) is not None:
        yield from Pieces(layout, piece_bytes(memory)).frames(size)
    else:  # Polars may be able to read it all the same
        yield from _slices(query, path, rows, size, piece_bytes(memory))


def read_text(
    path: Path, kind: str, schema: pl.Schema, options: Mapping[str, Any], size: int, memory: int | None
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a CSV or NDJSON file; where there is a limit, of some bytes of it at a time.

    So also those of a compressed CSV file, whose end nothing but reading it tells.
    """
    if memory is None and (kind != "csv" or _codec(path) is None):
        if kind == "csv":
            check_end(path, kind, len(schema), {**options, "encoding": "utf8"})
        yield from rows_of(scan(path, kind, schema, options), size)
        return
    with opened(path) as file:
        if kind == "csv":
            yield from _csv_blocks(file, path, schema, options, size, block_bytes(memory))
        else:
            for block in RowSplitter().blocks(file, block_bytes(memory)):
                yield from rows_of(scan(path, kind, schema, options, block), size)


def _csv_blocks(
    file: Any, path: Path, schema: pl.Schema, options: Mapping[str, Any], size: int, nbytes: int
) -> Iterator[pl.DataFrame]:
    end, quote, comment = (
        said.encode() if said else None
        for said in (
            options.get("eol_char", "\n"),
            options.get("quote_char", '"'),
            options.get("comment_prefix"),
        )
    )
    skipped = sum(options.get(name, 0) for name in _SKIPPED)
    blocks = RowSplitter(end or b"\n", quote, comment).blocks(file, nbytes, 1 + skipped)
    separator = _separator(path, options)
    first = next(blocks, b"")
    check_last_line(first[-_TAIL:], len(schema), separator, options)
    yield from rows_of(scan(path, "csv", schema, options, first), size)
    # The others get a head, of which Polars takes how many columns there are, and not of their first row.
    letter = "b" if comment is not None and comment.startswith(b"a") else "a"
    columns = pl.Schema((f"{letter}{index}", dtype) for index, dtype in enumerate(schema.values()))
    head = separator.join(columns).encode() + (end or b"\n")
    said = {name: value for name, value in options.items() if name not in _OF_HEADS}
    nulls = said.get("null_values")
    if isinstance(nulls, dict):
        said["null_values"] = {
            column: nulls[name] for name, column in zip(schema, columns, strict=True) if name in nulls
        }
    names = schema.names()
    for block in blocks:
        text = head + block
        check_last_line(text[-_TAIL:], len(schema), separator, options)
        try:
            for frame in rows_of(scan(path, "csv", columns, said, text), size):
                frame.columns = names
                yield frame
        except pl.exceptions.PolarsError as error:  # which names a column as the head does
            told = re.sub(rf"(?<=column '){letter}(\d+)(?=')", lambda at: names[int(at[1])], str(error))
            raise type(error)(told) from error


def _slices(query: pl.LazyFrame, path: Path, rows: int, size: int, nbytes: int) -> Iterator[pl.DataFrame]:
    """Yield the rows in slices, of which the first is by the file's size: more bytes, if it is compressed."""
    first = max(1, min(FIRST, rows * nbytes // max(1, path.stat().st_size)))
    yield from slices_of(query, 0, rows, size, nbytes, first)


def read_ipc(path: Path, rows: int, size: int, memory: int | None) -> Iterator[pl.DataFrame]:
    """Yield the rows of an Arrow IPC file."""
    query = scan(path, "ipc", None, {})
    if memory is None:
        yield from rows_of(query, size)
    else:
        yield from _slices(query, path, rows, size, piece_bytes(memory))


def read_ipc_stream(path: Path, size: int) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file that is an Arrow IPC stream, if it is one to its end.

    Raises
    ------
    ValueError
        If it breaks off, or another one follows, of which PyArrow says nothing.
    """
    import pyarrow as pa

    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in validated(reader):
            yield from to_polars(batch, dict.fromkeys(batch.schema.names, "")).iter_slices(size)
        end = file.tell()
        check_end_of_stream(file.read_at(4, 0), file.read_at(8, max(0, end - 8)))
        if end < file.size():
            msg = f"{file.size() - end} bytes follow its end"
            raise SourceError(msg, hint="put each stream into a file of its own")


def validated(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield the batches of somebody else's bytes, whose columns are as long as they say.

    Raises
    ------
    pyarrow.ArrowInvalid
        If one isn't. What is in the columns is looked at where they go to Polars.
    """
    for batch in reader:
        batch.validate()
        yield batch


def damaged_row_group(path: Path) -> tuple[int | None, int | None]:
    """Return the first row group of a Parquet file that can't be read and how many there are, if known."""
    groups = _row_groups(path)
    if not groups:
        return None, None
    begin = 0
    for index, rows in enumerate(groups):
        try:
            found = sum(
                f.height for f in rows_of(scan(path, "parquet", None, {}).slice(begin, rows), 1 << 16)
            )
        except BaseException as error:  # a panic of Polars is none of Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
                raise
            found = -1
        if found != rows:
            return index, len(groups)
        begin += rows
    return None, len(groups)


def _row_groups(path: Path) -> list[int]:
    """Return the rows of each row group by a file's footer; nothing if it can't be read."""
    with suppress(*MALFORMED):
        layout = FileLayout(path)
        if layout.footer_bytes <= _SMALL_FOOTER:
            return layout.row_counts()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError):  # as of integers of 128 bits
        return []
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


# -- CSV ----------------------------------------------------------------------------------------------------


@contextmanager
def as_utf8(path: Path, kind: str, options: Mapping[str, Any], lines: int | None = None) -> Iterator[Path]:
    """Give the path of a text in UTF-8: the file's own, or that of a copy while the block runs.

    Parameters
    ----------
    lines
        How many are wanted; None for all.
    """
    encoding = options.get("encoding", "utf8")
    if kind != "csv" or _is_utf8(encoding):
        yield path
        return
    says = named(path)
    with tempfile.TemporaryDirectory(prefix="dataflare_vec-") as folder:
        copy = Path(folder, f"copy{'.csv' if says is None else says.end.split('.gz')[0].split('.zst')[0]}")
        with (
            io.TextIOWrapper(opened(path), encoding=encoding, newline="") as source,
            copy.open("w", encoding="utf-8", newline="") as target,
        ):
            if lines is None:
                shutil.copyfileobj(source, target)
            else:
                target.writelines(islice(source, lines))
        yield copy


def opened(path: Path) -> Any:
    """Open a text, unpacked. As for Polars, its bytes say how it is packed, not its name."""
    codec = _codec(path)
    if codec is None:
        return path.open("rb")
    import pyarrow as pa

    return pa.input_stream(str(path), compression=codec)


def _codec(path: Path) -> str | None:
    with path.open("rb") as file:
        first = file.read(4)
    return next((codec for magic, codec in _PACKED.items() if first.startswith(magic)), None)


def check_end(path: Path, kind: str, columns: int, options: Mapping[str, Any]) -> None:
    """Raise if a CSV or NDJSON file ends amid a row, as far as its last bytes tell.

    Raises
    ------
    SourceError
        Saying how its last line ends.
    """
    encoding = options.get("encoding", "utf8")
    if _codec(path) is not None or not (_is_utf8(encoding) or ",\n".encode(encoding) == b",\n"):
        return  # it is looked at when it is read
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        tail = file.read()
    if kind == "csv":
        check_last_line(tail, columns, _separator(path, options), options)
    elif not options.get("ignore_errors"):
        check_last_record(tail)


def _separator(path: Path, options: Mapping[str, Any]) -> str:
    says = named(path)
    separator: str = options.get("separator", "," if says is None else says.separator)
    return separator
