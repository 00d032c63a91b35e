"""Failed rows as files: one for each task, of which the first attempt that the engine takes counts.

Each attempt writes a file under a name that nobody else has, has it on the disk, and says that name in its
result. An engine takes the result of one attempt of each task, whatever was retried, ran twice or was killed:
the files that these results name become parts of the folder, and others go. Only then it has its name.
"""

from __future__ import annotations

import io
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import polars as pl

from dataflare_vec._util.foreign_errors import first_line
from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.distributed.batches import columns_of, conformed, of_columns, taken, without
from dataflare_vec.distributed.places import PLACES
from dataflare_vec.distributed.work import COUNTS, FAILURE_COLUMNS, Call, Steps, counts_of, reasons_of, summed
from dataflare_vec.exceptions import ArgumentError, SinkError, UnsupportedDataError
from dataflare_vec.files.atomic_write import atomic_folder
from dataflare_vec.interop import column_names, is_pandas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dataflare_vec._typing import OnError
    from dataflare_vec.distributed.calls import Over

#: The folder in which attempts write, inside the one that is to be.
_ATTEMPTS = ".attempts"
#: What an attempt says of its file, beside counts; the name is null if no row failed.
_NAME, _SIZE = "file", "size"
#: How often the folder of attempts is removed: one that lost may be about to make its file.
_TRIES = 50


class FailedToFiles(Steps):
    """Steps of which only failed rows are wanted, in a file; the result says in which, and has the counts.

    Parameters
    ----------
    attempts
        Where files are made. It is there already: who doesn't see it is on a machine that doesn't share it.
    folder
        What they will be part of, for messages.
    """

    def __init__(self, call: Call, empty: Any, attempts: Path, folder: Path) -> None:
        self.attempts = attempts
        self.folder = folder
        self.places = [name for name in column_names(empty) if name in PLACES]
        earlier = {*(name for name, _ in PLACES.values()), *FAILURE_COLUMNS}  # of an earlier run
        self.drops = [name for name in column_names(empty) if name in earlier or name in PLACES]
        super().__init__(call, empty)

    def over(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield what became of all batches of a task, of which the failed rows are in one file."""
        counts = dict.fromkeys(COUNTS, 0)
        with _Attempt(self.attempts, self.folder) as attempt:
            for batch in batches:
                found, failed = self._failed(conformed(batch, self.empty))
                for name in COUNTS:
                    counts[name] += found[name]
                if len(failed):
                    attempt.write(to_arrow(failed))
            written, size = attempt.finished()
        columns = [pl.Series(count, [n], pl.Int64) for count, n in counts.items()]
        columns += [pl.Series(_NAME, [written], pl.String), pl.Series(_SIZE, [size], pl.Int64)]
        yield of_columns(self.empty, columns)

    def compute(self, batch: Any) -> Any:
        """Return what became of one batch, which is all that a task has."""
        return next(self.over([batch]))

    def none(self) -> Any:
        """Return no failed rows, with their columns."""
        return self._failed(self.empty)[1]

    def _failed(self, batch: Any) -> tuple[dict[str, int], Any]:
        """Return what became of the rows of a batch, and those that failed: with places and reasons."""
        outcome = self.run_recording(without(batch, self.places))
        rows, reasons = reasons_of(outcome)
        known = columns_of(batch, self.places)[rows]
        places = [
            known[name].cast(dtype).alias(new)
            if name in self.places
            else pl.Series(new, [None], dtype).new_from_index(0, len(rows))
            for name, (new, dtype) in PLACES.items()
        ]
        return counts_of(outcome), taken(without(batch, self.drops), rows, [*places, *reasons])


class _Attempt:
    """The file of one attempt of a task: made when the first row is written, removed if the attempt fails."""

    def __init__(self, attempts: Path, folder: Path) -> None:
        self._path = attempts / f"{uuid4().hex}.parquet"
        self._folder = folder
        self._file: _Guarded | None = None
        self._writer: Any = None

    def write(self, rows: Any) -> None:
        """Append rows.

        Raises
        ------
        SinkError
            If they can't be written, as on a full disk.
        """
        import pyarrow.parquet as pq

        try:
            if self._file is None:
                self._file = _Guarded(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
                self._writer = pq.ParquetWriter(self._file, rows.schema)
            self._writer.write_table(rows)
        except OSError as error:
            raise self._refusal(error) from error

    def finished(self) -> tuple[str | None, int]:
        """Have the file on the disk, and return its name and size; no name if there are no rows."""
        if self._file is None:
            return None, 0
        try:
            self._writer.close()
            os.fsync(self._file.fileno())
            size = os.fstat(self._file.fileno()).st_size
            self._file.close()
        except OSError as error:
            raise self._refusal(error) from error
        return self._path.name, size

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        if error is None or self._file is None:
            return
        self._file.failed = True  # the writer would end it well when it is collected
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            os.unlink(self._path)

    def _refusal(self, error: OSError) -> SinkError:
        if not self._path.parent.is_dir():
            msg = "a worker doesn't see it, or the run has ended without it"
            return SinkError(msg, file=self._folder, hint="name a folder that all machines share")
        return SinkError(first_line(error), file=self._folder)


class _Guarded(io.FileIO):
    """An open file that takes nothing more, and says nothing, once writing has failed."""

    failed = False

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb")

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest and not self.failed:
            try:
                rest = rest[super().write(rest) :]
            except OSError:
                self.failed = True
                raise
        return size

    def flush(self) -> None:
        if not self.failed and not self.closed:
            super().flush()


def check_error_files(errors: Any, on_error: OnError) -> Path:
    """Return the folder for failed rows, once it is known that it can be one.

    Raises
    ------
    ArgumentError
        If that is no path, or no failed row is passed by.
    SinkError
        If something is there.
    """
    if not isinstance(errors, (str, Path)) or not str(errors):
        msg = f"`errors` must be the path of a folder, got {errors!r}"
        raise ArgumentError(msg, argument="errors", expected="a folder", got=errors)
    if "://" in str(errors):
        hint = "mount it as a folder, or write `result.errors` by the engine"
        msg = f"failed rows are written to folders of a file system, got `{errors}`"
        raise ArgumentError(msg, argument="errors", expected="a folder", got=errors, hint=hint)
    if on_error == "raise":
        msg = Phrase(
            Argument("errors"),
            " needs ",
            Argument("on_error", "null", "drop"),
            ': under "raise" the run ends at the first failed row',
        )
        raise ArgumentError(msg, argument="errors")
    folder = Path(os.path.abspath(errors))  # workers have other folders that they are in
    _check_free(folder)
    return folder


def _check_free(folder: Path) -> None:
    """Raise if something is there that isn't an empty folder."""
    try:
        is_empty = not any(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise SinkError(error.strerror or str(error), file=folder) from error
    if not is_empty:
        raise SinkError(problem="the folder isn't empty", file=folder, hint="remove it, or name another one")


def write_failed_rows(over: Over, folder: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """Run a call for its failed rows, and write them: return what was counted, and the files.

    Raises
    ------
    SinkError
        If they can't be written, here or by a worker: then none are.
    UnsupportedDataError
        If the data has a column that Parquet can't hold.
    """
    with atomic_folder(folder, lambda: _check_free(folder)) as temporary:
        attempts = temporary / _ATTEMPTS
        attempts.mkdir()
        data = over.engine.placed(over.data)
        placed = over._replace(data=data, empty=over.engine.empty(data))
        work = FailedToFiles(over.call, placed.empty, attempts, folder)
        none = _written_empty(work)
        results = over.engine.collect(placed.per_batch(work))
        names = columns_of(results, [_NAME, _SIZE]).drop_nulls().rows() if len(results) else []
        parts = [f"part-{number:05}.parquet" for number in range(max(1, len(names)))]
        for (name, size), part in zip(names, parts, strict=False):
            _take(attempts / name, size, temporary / part, folder)
        if not names:  # so that whoever reads it finds the columns
            (temporary / parts[0]).write_bytes(none)
        _remove(attempts)
    return summed(results), tuple(str(folder / part) for part in parts)


def _take(attempt: Path, size: int, part: Path, folder: Path) -> None:
    """Make the file of an attempt a part of the folder."""
    try:
        found = attempt.stat().st_size
    except FileNotFoundError:
        found = None
    if found != size:
        msg = f"a worker has written {size} bytes of failed rows, and here are {found or 0}"
        raise SinkError(msg, file=folder, hint="name a folder that all machines share")
    os.rename(attempt, part)


def _remove(attempts: Path) -> None:
    """Remove what attempts have left that lost; who hasn't made its file by then can't any more."""
    for _ in range(_TRIES):
        shutil.rmtree(attempts, ignore_errors=True)
        if not attempts.exists():
            return
        time.sleep(0.02)
    shutil.rmtree(attempts)


def _written_empty(work: FailedToFiles) -> bytes:
    """Return a file without rows: that the columns can be written is known before any work."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    try:
        pq.write_table(to_arrow(work.none()), buffer)
    except pa.ArrowException as error:
        msg = f"failed rows can't be written to Parquet: {first_line(error)}"
        hint = "drop the column, or write `result.errors` by the engine"
        raise UnsupportedDataError(msg, hint=hint) from error
    return buffer.getvalue()


def to_arrow(batch: Any) -> Any:
    """Return a batch as a table; of pandas with its index if that has a name."""
    if not is_pandas(batch):
        return batch
    import pyarrow as pa

    has_name = any(name is not None for name in batch.index.names)
    table = pa.Table.from_pandas(batch, preserve_index=has_name)
    fields = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))  # of objects that are all missing
