"""Files that a stream reads: which ones a path means, of what format, and whether their columns agree."""

from __future__ import annotations

import glob as globbing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec.errors import SourceError
from dataflare_vec.hints import near_matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Format by the end of a file's name.
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".ipc": "ipc",
    ".feather": "ipc",
    ".arrows": "ipc_stream",
    ".csv": "csv",
    ".tsv": "csv",
    ".csv.gz": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}

#: Row groups of this share of the memory are few enough bytes for Polars to decode some of them at once.
_ROW_GROUPS = 16

#: Rows that the types of a CSV or NDJSON file are inferred from.
_INFERRED = 10_000


@dataclass(frozen=True)
class DataFile:
    """One file, with what is known of it before it is read."""

    path: Path
    format: str
    schema: pl.Schema
    rows: int | None  # None if only reading tells
    inside: Path  # where in the folder that was named; else its name

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
            Bytes that the stream may take: row groups that are large for it are read in pieces, by PyArrow.

        Raises
        ------
        SourceError
            If it is damaged; the message says in which row group.
        """
        done = 0
        try:
            if self.format == "ipc_stream":
                batches = _read_ipc_stream(self.path, size)
            elif self.format == "parquet" and memory and _row_groups_exceed(self.path, memory):
                batches = _read_in_pieces(self.path, self.schema, size)
            else:
                batches = _scan(self.path, self.format, self.schema).collect_batches(chunk_size=size)
            for batch in batches:
                yield batch.select(self.schema.names())
                done += batch.height
        except GeneratorExit:
            raise
        except BaseException as error:  # a panic of Polars is none of Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit, MemoryError)):
                raise
            where = _damaged_row_group(self.path) if self.format == "parquet" else f"after row {done}"
            msg = f"can't read `{self.path}`, {where}: {_first_line(error)}"
            raise SourceError(msg) from error


def find(paths: Sequence[str | Path], format: str | None = None) -> dict[Path, Path]:  # noqa: A002
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
    for path in paths:
        text = str(path)
        if Path(path).is_dir():
            inside = sorted(p for p in Path(path).rglob("*") if p.is_file() and _is_data(p, format))
        elif Path(path).exists():
            inside = [Path(path)]
        elif any(sign in text for sign in "*?["):
            inside = sorted(
                Path(name) for name in globbing.glob(text, recursive=True) if Path(name).is_file()
            )
        else:
            msg = f"there is no file `{path}`"
            parent = Path(path).parent
            if parent.is_dir():
                msg += f"; {near_matches(Path(path).name, [p.name for p in parent.iterdir()])}"
            raise SourceError(msg)
        if not inside and not Path(path).is_dir():
            msg = f"there is no file `{path}`: nothing matches the pattern"
            raise SourceError(msg)
        if not inside:
            kinds = ", ".join(FORMATS)
            msg = f"there are no files in `{path}` that can be read: their names must end in one of {kinds}"
            raise SourceError(msg)
        for file in inside:
            found.setdefault(file, file.relative_to(path) if Path(path).is_dir() else Path(file.name))
    return found


def _is_data(path: Path, format: str | None) -> bool:  # noqa: A002
    hidden = path.name.startswith((".", "_"))  # a file that is being written is hidden
    return not hidden and (format is not None or format_of(path) is not None)


def format_of(path: str | Path) -> str | None:
    """Return the format that the end of a name says, None if it says nothing."""
    name = str(path).lower()
    for end, known in FORMATS.items():
        if name.endswith(end):
            return known
    return None


def open_files(paths: Sequence[str | Path], format: str | None = None) -> list[DataFile]:  # noqa: A002
    """Return the files that paths mean, after a look at the columns of each.

    Raises
    ------
    SourceError
        If one is damaged, or its columns aren't those of the first; the message names the file.
    """
    files: list[DataFile] = []
    for path, inside in find(paths, format).items():
        kind = format or format_of(path)
        if kind is None:
            msg = f"`{path}`: the name must end in one of {', '.join(FORMATS)}; or say the format"
            raise SourceError(msg)
        first = files[0] if files else None
        file = _open(path, inside, kind, first)
        if first is not None:
            check_same(file.schema, first.schema, f"`{path}`", f"in `{first.path}`")
            file = replace(file, schema=first.schema)
        files.append(file)
    return files


def _open(path: Path, inside: Path, kind: str, first: DataFile | None) -> DataFile:
    try:
        if path.stat().st_size == 0:
            msg = "the file is empty, 0 bytes"
            raise ValueError(msg)  # noqa: TRY301
        rows: int | None = None
        if kind == "parquet":
            query = _scan(path, kind, None)
            schema = query.collect_schema()
            rows = query.select(pl.len()).collect().item()
        elif kind == "ipc_stream":
            import pyarrow as pa

            with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as reader:
                schema = pl.DataFrame(reader.schema.empty_table()).schema
        elif kind == "csv" and first is not None:
            # The first file's types hold for all: by its own a column of blanks would be text.
            names = _scan(path, kind, None).collect_schema().names()
            schema = pl.Schema([(name, first.schema.get(name, pl.String())) for name in names])
        elif kind == "ndjson" and first is not None:
            # A key may be missing in any record, so in a file too; but there are no new ones.
            own = _scan(path, kind, None).collect_schema()
            schema = pl.Schema(
                [*first.schema.items(), *((n, t) for n, t in own.items() if n not in first.schema)]
            )
        else:
            schema = _scan(path, kind, None).collect_schema()
    except BaseException as error:  # a panic of Polars is none of Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        msg = f"can't read `{path}` as {kind}: {_first_line(error)}"
        raise SourceError(msg) from error
    return DataFile(path, kind, schema, rows, inside)


def _scan(path: Path, kind: str, schema: pl.Schema | None) -> pl.LazyFrame:
    if kind == "parquet":
        return pl.scan_parquet(path, glob=False)
    if kind == "ipc":
        return pl.scan_ipc(path, glob=False)
    if kind == "csv":
        separator = "\t" if ".tsv" in path.name.lower() else ","
        return pl.scan_csv(
            path,
            separator=separator,
            schema_overrides=schema,
            infer_schema_length=_INFERRED,
            try_parse_dates=True,
            glob=False,
        )
    escaped = globbing.escape(str(path))
    return pl.scan_ndjson(escaped, schema=schema, infer_schema_length=_INFERRED)


def _read_ipc_stream(source: Any, size: int) -> Iterator[pl.DataFrame]:
    import pyarrow as pa

    with pa.OSFile(str(source)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            yield from frame.iter_slices(size)


def _row_groups_exceed(path: Path, memory: int) -> bool:
    """Whether some row groups at once, as Polars decodes them, would be too much."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    sizes = (metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    return max(sizes, default=0) > memory / _ROW_GROUPS


def _read_in_pieces(path: Path, schema: pl.Schema, size: int) -> Iterator[pl.DataFrame]:
    import pyarrow.parquet as pq

    # Polars decodes whole row groups, some at once; PyArrow page by page.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(batch_size=size):
            yield pl.DataFrame(batch).cast(schema)


def check_same(schema: pl.Schema, expected: pl.Schema, what: str, where: str) -> None:
    """Raise if the columns of a file or batch aren't those of the first one.

    Raises
    ------
    SourceError
        Saying which column is missing, is one too many, or has another type.
    """
    if schema == expected:
        return
    for name, dtype in expected.items():
        if name not in schema:
            msg = f"{what}: column `{name}` is missing, which is there {where}; {near_matches(name, schema)}"
            raise SourceError(msg)
        if schema[name] != dtype:
            msg = f"{what}: column `{name}` is {schema[name]}, but {dtype} {where}"
            raise SourceError(msg)
    for name in schema:
        if name not in expected:
            msg = f"{what}: there is a column `{name}` that isn't {where}"
            raise SourceError(msg)


def _damaged_row_group(path: Path) -> str:
    """Return the first row group that can't be read, as another reader finds it."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            count = file.num_row_groups
            for index in range(count):
                try:
                    for _ in file.iter_batches(row_groups=[index]):
                        pass
                except Exception:
                    return f"row group {index} of {count}"
    except Exception:
        return "its footer"
    return f"one of its {count} row groups"


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
