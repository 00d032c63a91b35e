"""Files that a stream reads: which ones a path means, of what format, and whether their columns agree."""

from __future__ import annotations

import glob as globbing
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.foreign_errors import first_line, is_not_utf8
from dataflare_vec._util.suggestions import Argument, Phrase, near_matches
from dataflare_vec.exceptions import SourceError
from dataflare_vec.files.paths import Identity, identity, is_special
from dataflare_vec.interop import to_polars
from dataflare_vec.interop.arrow import empty_table
from dataflare_vec.streams.formats import TEXT, is_packed_otherwise, named, names
from dataflare_vec.streams.sources.batches import check_lengths, check_stream
from dataflare_vec.streams.sources.scanners import (
    INFERRED,
    as_utf8,
    check_end,
    check_read_options,
    damaged_row_group,
    options_of,
    read_ipc,
    read_ipc_stream,
    read_parquet,
    read_text,
    scan,
)
from dataflare_vec.streams.sources.schema_inference import ndjson_schema, rows_to_infer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: What each column has to be that a plugin's annotations say something about, by its name.
Types = dict[str, pl.DataType]


@dataclass(frozen=True)
class DataFile:
    """One file, with what is known of it before it is read."""

    path: Path
    format: str
    schema: pl.Schema
    rows: int | None  # None if only reading tells
    inside: Path  # where in the folder that was named; else its name
    options: Mapping[str, Any] = field(default_factory=dict)  # how it is read

    @property
    def label(self) -> str:
        """What messages and failed rows call it."""
        return str(self.path)

    def batches(self, size: int, memory: int | None = None) -> Iterator[pl.DataFrame]:
        """Read the file, in frames of about ``size`` rows.

        Parameters
        ----------
        size
            Rows of a frame, at most.
        memory
            Bytes that the stream may take. What is read at a time is counted by them.

        Raises
        ------
        SourceError
            If it is damaged; the message says in which row group.
        """
        done, names = 0, self.schema.names()
        before = _state(self.path)
        try:
            for batch in self._frames(size, memory):
                yield batch if batch.columns == names else batch.select(names)
                done += batch.height
        except GeneratorExit:
            raise
        except SourceError as error:
            error.fill(file=str(self.path), row=done)
            raise
        except BaseException as error:  # a panic of Polars is none of Exception
            # Arrow's MemoryError tells of a length that the file says.
            if isinstance(error, (KeyboardInterrupt, SystemExit)) or type(error) is MemoryError:
                raise
            hint = ""
            if self.format == "csv" and is_not_utf8(error):
                hint = Phrase("if it isn't UTF-8, pass ", Argument("encoding"))
            raise self._damaged(first_line(error), done, hint) from error
        if self.rows is not None and done != self.rows:
            msg = f"expected {self.rows} rows, found {done}"
            raise self._damaged(msg, done)
        if _state(self.path) != before and not (self.format in TEXT and _has_grown(self.path, before)):
            msg = "it was modified while it was read, so its rows may come from both versions"
            hint = "write a new file and rename it over the old one"
            raise SourceError(msg, file=self.path, row=done, hint=hint)

    def _damaged(self, problem: str, done: int, hint: str = "") -> SourceError:
        """Return what is wrong with the file, of which some rows could be read, and where."""
        group, groups = damaged_row_group(self.path) if self.format == "parquet" else (None, None)
        return SourceError(problem, file=self.path, row_group=group, row_groups=groups, row=done, hint=hint)

    def _frames(self, size: int, memory: int | None) -> Iterator[pl.DataFrame]:
        if self.format == "ipc_stream":
            yield from read_ipc_stream(self.path, size)
        elif self.format == "parquet":
            yield from read_parquet(self.path, self.rows or 0, size, memory)
        elif self.format == "ipc":
            yield from read_ipc(self.path, self.rows or 0, size, memory)
        else:
            with as_utf8(self.path, self.format, self.options) as path:
                yield from read_text(path, self.format, self.schema, self.options, size, memory)


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return the file, the size and the time that a path has now; None if it has gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _has_grown(path: Path, before: tuple[int, int, int] | None) -> bool:
    """Whether lines may have come to the end of a text, as of a log that is being written."""
    now = _state(path)
    return now is not None and before is not None and now[0] == before[0] and now[1] > before[1]


def find(paths: Sequence[str | Path], format: str | None = None) -> dict[Path, Path]:
    """Return the files that paths, folders and patterns mean, those of a folder sorted by name.

    Returns
    -------
    dict
        For each its path inside the folder that was named, else its name.

    Raises
    ------
    SourceError
        If there are none.
    """
    found: dict[Path, Path] = {}
    seen: set[str] = set()
    for path in paths:
        text = str(path)
        if not text:  # as of a variable that isn't set; `Path` takes it for the folder at hand
            msg = "the path of an input is empty"
            raise SourceError(msg)
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            pass  # it may be a pattern
        except (OSError, ValueError) as error:  # of a name that is too long, or with a null in it
            raise SourceError(str(getattr(error, "strerror", error)), file=path) from error
        if Path(path).is_dir():
            inside = sorted(p for p in _walk(Path(path)) if _is_data(p, format))
        elif Path(path).exists():
            inside = [Path(path)]
        elif any(sign in text for sign in "*?["):
            inside = sorted(
                Path(name) for name in globbing.glob(text, recursive=True) if Path(name).is_file()
            )
        else:
            parent = Path(path).parent
            near = [p.name for p in parent.iterdir()] if parent.is_dir() else []
            hint = near_matches(Path(path).name, near) if parent.is_dir() else ""
            raise SourceError(problem="no such file", file=path, hint=hint)
        if not inside and not Path(path).is_dir():
            msg = "no file matches the pattern"
            raise SourceError(msg, file=path)
        if not inside:
            msg = f"it has no files whose names end in one of {names()}"
            raise SourceError(msg, file=path)
        for file in inside:
            real = os.path.realpath(file)
            if real not in seen:  # else it was named before, perhaps in other words
                seen.add(real)
                found[file] = file.relative_to(path) if Path(path).is_dir() else Path(file.name)
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and those below it that aren't hidden, each once: links may lead anywhere.

    Raises
    ------
    SourceError
        If one of the folders can't be read.
    """
    seen: set[Identity] = set()
    links: list[Path] = []

    def refuse(error: OSError) -> None:
        raise SourceError(error.strerror or str(error), file=error.filename) from error

    for above, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        there = identity(Path(above))
        if there in seen:
            folders.clear()
            continue
        seen.add(there)
        # What is real goes before what leads to it.
        folders[:] = sorted(
            (name for name in folders if not _is_hidden(name)),
            key=lambda name: (Path(above, name).is_symlink(), name),
        )
        for path in (Path(above, name) for name in files if not _is_hidden(name)):
            if path.is_symlink():
                links.append(path)
            elif path.is_file():
                seen.add(identity(path))
                yield path
    for path in links:
        if path.is_file() and identity(path) not in seen:
            seen.add(identity(path))
            yield path


def _is_hidden(name: str) -> bool:
    """Whether a name is of none of the data: `_SUCCESS`, `.ipynb_checkpoints`, or what is half-written."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _is_data(path: Path, format: str | None) -> bool:
    if format is None and is_packed_otherwise(path):
        hint = "decompress it, move it away, or name the others by a pattern"
        raise SourceError(problem="its compression isn't supported", file=path, hint=hint)
    return format is not None or named(path) is not None


def open_files(
    paths: Sequence[str | Path],
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    types: Types | None = None,
) -> list[DataFile]:
    """Return the files that paths mean, after a look at the columns of each.

    Parameters
    ----------
    format
        Of the files; None if their names say it.
    options
        How CSV and NDJSON files are read, as `check_read_options` knows it.
    types
        What columns of CSV files are, where that can't be told from a text.

    Raises
    ------
    SourceError
        If one is damaged, or its columns aren't those of the first; the message names the file.
    """
    check_read_options(options or {})
    files: list[DataFile] = []
    for path, inside in find(paths, format).items():
        says = named(path)
        if format is None and says is None:
            hint = Phrase("or pass ", Argument("input_format"))
            raise SourceError(problem=f"the name must end in one of {names()}", file=path, hint=hint)
        kind = format or says.format  # type: ignore[union-attr]
        first = files[0] if files else None
        file = _open(path, inside, kind, first, options_of(path, kind, options or {}), types or {})
        if first is not None:
            check_same(file.schema, first.schema, f"in `{first.path}`", file=path)
            file = replace(file, schema=first.schema)
        files.append(file)
    return files


def _open(
    path: Path, inside: Path, kind: str, first: DataFile | None, options: dict[str, Any], types: Types
) -> DataFile:
    rows: int | None = None
    try:
        if is_special(path):
            msg = "it is not a file but a pipe or a device, which can be read only once"
            raise SourceError(msg, hint="save it to a file")
        if path.stat().st_size == 0:
            msg = "the file is empty (0 bytes)"
            raise SourceError(msg)
        if kind in ("parquet", "ipc"):
            query = scan(path, kind, None, options)
            schema = query.collect_schema()
            rows = query.select(pl.len()).collect().item()
            if kind == "ipc":
                check_lengths(path, len(schema))
        elif kind == "ipc_stream":
            import pyarrow as pa

            check_stream(path)
            with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
                names = dict.fromkeys(reader.schema.names, "")
                schema = to_polars(empty_table(reader.schema), names).schema
        elif kind == "csv":
            options = rows_to_infer(path, options)
            with as_utf8(path, kind, options, lines=INFERRED + 1) as text:
                schema = scan(text, kind, None, options).collect_schema()
            check_end(path, kind, len(schema), options)
            schema = _typed(schema, options.get("schema_overrides") or {}, types if first is None else {})
            if first is not None:
                # The first file's types hold for all: by its own a column of blanks would be text.
                schema = pl.Schema([(name, first.schema.get(name, pl.String())) for name in schema])
        else:
            check_end(path, kind, 0, options)
            schema = ndjson_schema(path, options)
            if first is not None:
                # A key may be missing in any record, so in a file too; but there are no new ones.
                new = [(name, dtype) for name, dtype in schema.items() if name not in first.schema]
                schema = pl.Schema([*first.schema.items(), *new])
        schema.to_frame()  # a type may be read that Polars can't hold: decimals of 60 digits
    except SourceError as error:
        error.fill(file=str(path), format=kind)
        raise
    except BaseException as error:  # a panic of Polars is none of Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise SourceError(first_line(error), file=path, format=kind) from error
    for name in options.get("schema_overrides") or {}:
        if name not in schema:
            msg = f"column `{name}` not found"
            raise SourceError(msg, file=path, column=name, hint=near_matches(name, schema))
    return DataFile(path, kind, schema, rows, inside, options)


def _typed(schema: pl.Schema, said: Mapping[str, Any], types: Types) -> pl.Schema:
    """Return a schema with the types that plugins expect, unless the user has said another."""
    expected = {
        name: dtype
        for name, dtype in types.items()
        if name in schema and name not in said and not _fits(schema[name], dtype)
    }
    return pl.Schema({**schema, **expected})


def _fits(found: Any, expected: Any) -> bool:
    if expected.is_integer():
        return bool(found.is_integer())
    return bool(found.base_type() is expected.base_type())


def check_same(schema: pl.Schema, expected: pl.Schema, where: str, **place: Any) -> None:
    """Raise if the columns of a file or batch aren't those of the first one.

    Parameters
    ----------
    where
        Which others have the expected ones, as the message says it.
    **place
        The file, or the batch and its first row.

    Raises
    ------
    SourceError
        Saying which column is missing, is one too many, or has another type.
    """
    if schema == expected:
        return
    for name, dtype in expected.items():
        if name not in schema:
            msg = f"column `{name}` is missing, but present {where}"
            raise SourceError(msg, column=name, hint=near_matches(name, schema), **place)
        if schema[name] != dtype:
            msg = f"column `{name}` is {schema[name]}, but {dtype} {where}"
            raise SourceError(msg, column=name, expected=str(dtype), got=schema[name], **place)
    for name in schema:
        if name not in expected:
            msg = f"unexpected column `{name}`, not present {where}"
            raise SourceError(msg, column=name, **place)
