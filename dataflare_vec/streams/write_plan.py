"""What `Stream.write` was asked for, and whether it can be done: told before any row is read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.suggestions import Argument, Phrase, near_matches
from dataflare_vec.config.extras import require
from dataflare_vec.config.settings import check_flag
from dataflare_vec.exceptions import ArgumentError, SinkError
from dataflare_vec.files.paths import check_apart, is_special
from dataflare_vec.streams.formats import ENDS, named, output_format, without_end, writer_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl

    from dataflare_vec._typing import OnError


class Kind(Enum):
    """What a target is."""

    FILE = "a file"
    PARTITIONS = "a folder of partitions"
    DELTA = "a Delta table"
    FOLDER = "a folder with a file for each input file"
    FUNCTION = "a function"
    HANDLE = "an open file"


@dataclass(frozen=True)
class Sink:
    """A file, or a folder of partitions, and how it is written."""

    target: Any
    format: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What messages call it."""
        is_path = isinstance(self.target, (str, Path))
        return str(self.target if is_path else getattr(self.target, "name", self.target))


@dataclass(frozen=True)
class WritePlan:
    """The arguments of `Stream.write`."""

    target: Any
    format: str | None = None
    partition_by: str | Sequence[str] = ()
    errors: str | Path | None = None
    resume: bool = False
    overwrite: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_flag("resume", self.resume)
        check_flag("overwrite", self.overwrite)
        names = [self.partition_by] if isinstance(self.partition_by, str) else self.partition_by
        problem = None
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            problem = f"`partition_by` must be a column's name or a list of them, got {self.partition_by!r}"
        elif self.errors is not None and not isinstance(self.errors, (str, Path)):
            problem = f"`errors` must be the path of a file or a folder, got {self.errors!r}"
        elif not isinstance(self.target, (str, Path)) and not callable(self.target):
            if not hasattr(self.target, "write"):
                problem = f"the target must be a path, a function or an open binary file, got {self.target!r}"
        if problem:
            raise TypeError(problem)
        for what, path in (("output", self.target), ("errors", self.errors)):
            if isinstance(path, str) and not path:  # as of a variable that isn't set
                msg = f"the path of the {what} is empty"
                raise ValueError(msg)

    @property
    def kind(self) -> Kind:
        """What the target is."""
        if not isinstance(self.target, (str, Path)):
            return Kind.FUNCTION if callable(self.target) else Kind.HANDLE
        path = Path(self.target)
        if self.format == "delta" or (path / "_delta_log").is_dir():
            return Kind.DELTA
        if self.partition_by:
            return Kind.PARTITIONS
        if path.is_dir() or str(self.target).endswith(("/", os.sep)):
            return Kind.FOLDER
        is_name_of_file = path.suffix or self.format is not None or path.exists()
        return Kind.FILE if is_name_of_file else Kind.FOLDER

    @property
    def partitions(self) -> list[str]:
        """The columns whose values make partitions."""
        return [self.partition_by] if isinstance(self.partition_by, str) else list(self.partition_by)

    @property
    def sink(self) -> Sink:
        """Where all rows go; not of a folder of files, nor of a function.

        Raises
        ------
        ValueError
            If that can't be told, or isn't possible.
        """
        if self.kind is Kind.HANDLE:
            kind = output_format("", self.format or "ipc_stream")
            return Sink(self.target, kind, writer_options("", kind, self.options))
        path = Path(self.target)
        if self.kind is Kind.FILE:
            return _file(path, self.format, self.options)
        kind = "delta" if self.kind is Kind.DELTA else output_format(path, self.format or "parquet")
        return Sink(path, kind, writer_options("", kind, self.options))

    @property
    def errors_sink(self) -> Sink | None:
        """Where failed rows go, if they go to one file."""
        return None if self.errors is None else _file(Path(self.errors), None, {})

    @property
    def written(self) -> list[Path]:
        """The files and folders that are named in the arguments."""
        return [Path(each) for each in (self.target, self.errors) if isinstance(each, (str, Path))]

    def sinks(self, files: Iterable[Path]) -> list[tuple[Sink, Sink | None]]:
        """Return where the rows, and the failed rows, of each input file go: names inside the folder.

        Raises
        ------
        ValueError
            If two files would be one.
        """
        found: list[tuple[Sink, Sink | None]] = []
        seen: set[Path] = set()
        for inside in files:
            name = inside
            if self.format is not None:
                name = inside.with_name(without_end(inside.name) + ENDS[self.format])
            target = Path(self.target) / name
            if target in seen:
                msg = f"two input files would be written to `{target}`"
                raise ArgumentError(msg, file=target, hint="give their folder instead")
            seen.add(target)
            failed = None if self.errors is None else _file(Path(self.errors) / name, self.format, {})
            found.append((_file(target, self.format, self.options), failed))
        return found

    def check(self, on_error: OnError) -> None:
        """Raise if the arguments don't fit each other, or what is there already.

        Raises
        ------
        ValueError
            Saying which don't.
        SinkError
            If there is a folder that must not be replaced, or a path can't be looked at.
        MissingDependencyError
            If the target is a Delta table and deltalake isn't installed.
        """
        for path in self.written:
            try:
                os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                pass  # the latter is told where it is made
            except (OSError, ValueError) as error:  # of a name that is too long, or with a null in it
                raise SinkError(str(getattr(error, "strerror", error)), file=path) from error
        kind = self.kind
        if self.errors is not None and on_error == "raise":
            msg = Phrase(
                Argument("errors"),
                " needs ",
                Argument("on_error", "null", "drop"),
                ': under "raise" the run ends at the first failed row',
            )
            raise ArgumentError(msg, argument="errors")
        if self.resume and kind is not Kind.FOLDER:
            msg = Phrase(
                Argument("resume"),
                f" needs a folder of files as output, to tell which are finished; the output is {kind.value}",
            )
            raise ArgumentError(msg, argument="resume", expected="a folder of files", got=kind.value)
        if self.partition_by and kind in (Kind.FUNCTION, Kind.HANDLE):
            msg = Phrase(Argument("partition_by"), f" writes folders; the output is {kind.value}")
            raise ArgumentError(msg, argument="partition_by", got=kind.value)
        if kind is Kind.FOLDER:
            self.sinks([Path("any.parquet")])
            if self.format == "delta" or (self.errors is not None and not _is_folder_name(self.errors)):
                msg = Phrase(
                    "the output is a folder of files, so ",
                    Argument("errors"),
                    f" must be a folder too, got `{self.errors}`",
                )
                raise ArgumentError(msg, argument="errors", expected="a folder", got=self.errors)
            return
        if kind is not Kind.FUNCTION:
            sink = self.sink
            if kind is Kind.PARTITIONS and sink.format == "ipc_stream":
                msg = Phrase(Argument("partition_by"), f" can't write {sink.format}")
                raise ArgumentError(msg, argument="partition_by", hint="use parquet, ipc, csv or ndjson")
            if kind is Kind.HANDLE and sink.format == "delta":
                msg = Phrase(Argument("format", "delta"), f" needs a folder; the output is {kind.value}")
                raise ArgumentError(msg, argument="format", expected="a folder", got=kind.value)
        if kind is Kind.PARTITIONS:
            self.check_replaceable()
        elif kind is Kind.DELTA:
            require("delta", "writing a Delta table")
        _ = self.errors_sink

    def check_columns(self, schema: pl.Schema) -> None:
        """Raise if a column to partition by isn't there.

        Raises
        ------
        ValueError
            With the nearest names.
        """
        for name in self.partitions:
            if name not in schema:
                msg = Phrase(Argument("partition_by"), f": column `{name}` not found")
                hint = near_matches(name, schema)
                raise ArgumentError(msg, argument="partition_by", column=name, hint=hint)

    def check_paths(
        self,
        files: Mapping[Path, Path] | None,
        also_read: Iterable[Path] = (),
        also_written: Sequence[tuple[str, Path]] = (),
    ) -> None:
        """Raise if something that is written is read too, or written twice.

        Parameters
        ----------
        files
            The input files, each with its path inside the folder that was named; None if there are others.
        also_read, also_written
            More paths of the run, such as a report, with what they are.

        Raises
        ------
        ValueError
            Saying which.
        """
        kind = self.kind
        reads = [*(files or ()), *also_read]
        writes = list(also_written)
        if kind is Kind.FOLDER:
            if files is None:
                msg = f"`{self.target}` is a folder, which gets a file for each input file"
                raise ArgumentError(msg, file=self.target, hint="name a file in it")
            for sink, failed in self.sinks(files.values()):
                writes.append(("the output", sink.target))
                if failed is not None:
                    writes.append(("the failed rows", failed.target))
        elif self.errors is not None:
            writes.append(("the failed rows", Path(self.errors)))
        if kind is Kind.FILE:
            writes.append(("the output", Path(self.target)))
        check_apart(reads, writes, [Path(self.target)] if kind is Kind.PARTITIONS else [])
        if kind is Kind.DELTA:  # whose log keeps what was read
            check_apart([], writes, [Path(self.target)])

    @property
    def makes_table(self) -> bool:
        """Whether a Delta table is to be made where nothing is; two that did so at once would share it."""
        if self.kind is not Kind.DELTA or self.options.get("mode", "error") != "error":
            return False
        path = Path(self.target)
        return not path.exists() or (path.is_dir() and not any(path.iterdir()))

    def check_no_table(self) -> None:
        """Raise if there is something by now where a Delta table is to be made.

        Raises
        ------
        SinkError
            Saying so.
        """
        if not self.makes_table:
            mode = Argument("mode", "append", "overwrite")
            hint = Phrase("pass ", mode, " to add to it or to replace it")
            raise SinkError(problem="another run created it in the meantime", file=self.target, hint=hint)

    def check_replaceable(self) -> None:
        """Raise if there is a folder that must not be replaced.

        Raises
        ------
        SinkError
            Saying why.
        """
        folder = Path(self.target)
        try:
            inside = [each.name for each in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return
        if inside and not self.overwrite:
            hint = Phrase("remove it, or pass ", Argument("overwrite", True), " to replace it")
            raise SinkError(problem="the folder isn't empty", file=folder, hint=hint)
        for name in inside:
            if "=" not in name:
                msg = f"won't replace the folder: `{name}` in it is not a partition"
                raise SinkError(msg, file=folder)


def _is_folder_name(path: str | Path) -> bool:
    if Path(path).exists():
        return Path(path).is_dir()
    return str(path).endswith(("/", os.sep)) or (named(path) is None and not Path(path).suffix)


def _file(path: Path, format: str | None, options: Mapping[str, Any]) -> Sink:
    says = named(path)
    if format is None and says is None and is_special(path):
        format = "ipc_stream"  # as on standard output
    kind = output_format(path, format)
    return Sink(path, kind, writer_options(path, kind, options))
