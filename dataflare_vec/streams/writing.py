"""From a stream into files: which ones, what becomes of failed rows, and what is done already."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec.config import check_flag
from dataflare_vec.errors import SinkError
from dataflare_vec.streams.ahead import Ahead, run_interruptibly
from dataflare_vec.streams.files import DataFile, format_of
from dataflare_vec.streams.sinks import output_format, write_frames
from dataflare_vec.streams.whole import whole_file, whole_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dataflare_vec.streams.passing import Passing
    from dataflare_vec.streams.result import StreamResult
    from dataflare_vec.streams.source import Part
    from dataflare_vec.streams.stream import Stream


@dataclass
class Writing:
    """What `Stream.write` was asked for."""

    target: Any
    format: str | None
    partition_by: str | Sequence[str]
    errors: str | Path | None
    resume: bool
    overwrite: bool
    progress: Callable[[StreamResult], None] | None
    options: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_flag("resume", self.resume)
        check_flag("overwrite", self.overwrite)
        names = [self.partition_by] if isinstance(self.partition_by, str) else self.partition_by
        problem = None
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            problem = f"`partition_by` must be a column's name or a list of them, got {self.partition_by!r}"
        elif self.errors is not None and not isinstance(self.errors, (str, Path)):
            problem = f"`errors` must be the path of a file or a folder, got {self.errors!r}"
        elif self.progress is not None and not callable(self.progress):
            problem = f"`progress` must be a function of the counts, got {self.progress!r}"
        elif not isinstance(self.target, (str, Path)) and not callable(self.target):
            if not hasattr(self.target, "write"):
                problem = f"the target must be a path, a function or an open binary file, got {self.target!r}"
        if problem:
            raise TypeError(problem)

    def run(self, stream: Stream, passing: Passing) -> StreamResult:
        """Write all that the stream gives."""
        if self.errors is not None and passing.on_error == "raise":
            msg = (
                '`errors` needs `on_error="null"` or `"drop"`: under "raise" the first failed row is the end'
            )
            raise ValueError(msg)
        if isinstance(self.target, (str, Path)):
            target = Path(self.target)
            if self._is_folder_of_files(target):
                self._write_folder(stream, passing, target)
            else:
                self._write_one(stream, passing, target)
        elif callable(self.target):
            self._refuse_resume()
            with self._failed_rows(self._errors_file(), stream, passing):
                for frame in stream:
                    self.target(frame)
        else:
            self._refuse_resume()
            with self._failed_rows(self._errors_file(), stream, passing):
                self._write(stream, stream.parts, self.target, self.format or "ipc_stream")
        return passing.result

    # -- one file, or one folder of partitions --------------------------------------------------------------

    def _write_one(self, stream: Stream, passing: Passing, target: Path) -> None:
        self._refuse_resume()
        partitions = [self.partition_by] if isinstance(self.partition_by, str) else list(self.partition_by)
        kind = output_format(target, self.format or ("parquet" if partitions else None))
        errors = self._errors_file()
        for name in partitions:
            if name not in stream.schema:
                msg = f"`partition_by`: there is no column `{name}`; there are {', '.join(stream.schema)}"
                raise ValueError(msg)
        _check_not_input(stream.parts, [target, errors])
        claim: AbstractContextManager[Path]
        if kind == "delta":
            claim = nullcontext(target)  # its log makes it whole
        elif partitions:
            self._check_replaceable(target)
            claim = whole_folder(target)
        else:
            claim = whole_file(target)
        with claim as temporary, self._failed_rows(errors, stream, passing):
            self._write(stream, stream.parts, temporary, kind, partitions)
        passing.result.finished.append(str(target))

    def _check_replaceable(self, folder: Path) -> None:
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        if not self.overwrite:
            msg = f"the folder `{folder}` isn't empty; remove it, or pass `overwrite=True` to replace it"
            raise SinkError(msg)
        for each in folder.iterdir():
            if "=" not in each.name:
                msg = f"won't replace the folder `{folder}`: `{each.name}` in it is no partition"
                raise SinkError(msg)

    def _write(
        self,
        stream: Stream,
        parts: Sequence[Part],
        target: Any,
        kind: str,
        partitions: Sequence[str] = (),
    ) -> None:
        schema = stream.schema
        frames = stream.frames_of(parts)
        tick = None if self.progress is None else lambda: self.progress(stream.result)  # type: ignore[misc]
        run_interruptibly(
            lambda: write_frames(frames, schema, target, kind, partition_by=partitions, options=self.options),
            stream.close,
            tick,
        )

    # -- a file for each file -------------------------------------------------------------------------------

    def _is_folder_of_files(self, target: Path) -> bool:
        if self.partition_by or self.format == "delta" or (target / "_delta_log").is_dir():
            return False
        return target.is_dir() or (format_of(target) is None and self.format is None)

    def _write_folder(self, stream: Stream, passing: Passing, folder: Path) -> None:
        if passing.reduces or (self.resume and passing.carries_state):
            what = (
                "a reduce makes rows of all files" if passing.reduces else "a scan needs all files in order"
            )
            msg = f"{what}: {'name one file as output' if passing.reduces else 'leave out `resume`'}"
            raise ValueError(msg)
        files = [part for part in stream.parts if isinstance(part, DataFile)]
        if len(files) < len(stream.parts):
            msg = f"`{folder}` is a folder, which gets a file for each input file; name a file in it"
            raise ValueError(msg)
        errors = None if self.errors is None else Path(self.errors)
        if errors is not None and format_of(errors) is not None:
            msg = f"the output is a folder of files, so `errors` must be a folder too, got `{errors}`"
            raise ValueError(msg)
        targets = [folder / file.inside for file in files]
        twice = {target for target in targets if targets.count(target) > 1} if len(targets) > 1 else set()
        if twice:
            msg = f"two input files would be written to `{min(twice)}`; give their folder instead"
            raise ValueError(msg)
        _check_not_input(files, targets)
        for file, target in zip(files, targets, strict=True):
            if self.resume and _is_newer(target, file.path):
                passing.result.skipped.append(str(target))
                if passing.result.total_count is not None and file.rows is not None:
                    passing.result.total_count -= file.rows
                continue
            failed = None if errors is None else errors / file.inside
            with whole_file(target) as temporary, self._failed_rows(failed, stream, passing):
                self._write(stream, [file], temporary, file.format)
            passing.result.finished.append(str(target))

    # -- failed rows ----------------------------------------------------------------------------------------

    def _errors_file(self) -> Path | None:
        return None if self.errors is None else Path(self.errors)

    @contextmanager
    def _failed_rows(self, path: Path | None, stream: Stream, passing: Passing) -> Iterator[None]:
        """Send failed rows to a file of their own, which is there before the output is."""
        if path is None:
            yield
            return
        kind = output_format(path, None)
        schema = passing.failed_schema(stream.input_schema)
        with whole_file(path) as temporary:
            queue = Ahead()
            raised: list[BaseException] = []

            def write() -> None:
                try:
                    write_frames(queue, schema, temporary, kind)
                except BaseException as error:  # it is raised where the stream is waited for
                    raised.append(error)
                    queue.close()

            writer = threading.Thread(target=write, name="dataflare_vec failed rows", daemon=True)
            writer.start()
            passing.on_failed = queue.put
            try:
                yield
                queue.finish()
                writer.join()
            except BaseException:
                queue.close()
                writer.join(1)
                if not raised:
                    raise
            finally:
                passing.on_failed = None
            if raised:
                raise raised[0]

    def _refuse_resume(self) -> None:
        if self.resume:
            msg = "`resume` needs a folder of files as output, so that it can be told which are finished"
            raise ValueError(msg)


def _check_not_input(parts: Sequence[Part], targets: Sequence[Path | None]) -> None:
    inputs = {file.path.resolve() for file in parts if isinstance(file, DataFile)}
    for target in targets:
        if target is not None and target.resolve() in inputs:
            msg = f"`{target}` is an input too; write to another file"
            raise ValueError(msg)


def _is_newer(target: Path, source: Path) -> bool:
    try:
        return os.stat(target).st_mtime_ns >= os.stat(source).st_mtime_ns
    except FileNotFoundError:
        return False
