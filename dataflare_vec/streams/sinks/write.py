"""From a stream into files: which ones, what becomes of failed rows, and what is done already."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.prefetch import ClosedError, PrefetchQueue, run_interruptibly
from dataflare_vec._util.suggestions import Argument, Phrase
from dataflare_vec.exceptions import ArgumentError, SinkError
from dataflare_vec.files.atomic_write import atomic_file, atomic_folder
from dataflare_vec.streams.sinks.targets import write_frames
from dataflare_vec.streams.sources.files import DataFile
from dataflare_vec.streams.write_plan import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from dataflare_vec.streams.flow import Flow
    from dataflare_vec.streams.result import StreamResult
    from dataflare_vec.streams.sources.source import Part
    from dataflare_vec.streams.write_plan import Sink, WritePlan


@dataclass
class Writing:
    """A stream on its way into what a plan says."""

    plan: WritePlan
    flow: Flow
    progress: Callable[[StreamResult], None] | None = None

    def __post_init__(self) -> None:
        if self.progress is not None and not callable(self.progress):
            msg = f"`progress` must be a function of the counts, got {self.progress!r}"
            raise TypeError(msg)

    def check(self) -> None:
        """Raise if that can't be: see `WritePlan.check` and `WritePlan.check_paths`."""
        plan, flow = self.plan, self.flow
        plan.check(flow.transform.on_error)
        files = {part.path: part.inside for part in flow.parts if isinstance(part, DataFile)}
        plan.check_paths(files if len(files) == len(flow.parts) else None)
        if plan.partition_by:
            plan.check_columns(flow.schema)

    def run(self) -> StreamResult:
        """Write all that the stream gives; where that fails, read no further."""
        plan, flow = self.plan, self.flow
        try:
            if plan.kind is Kind.FOLDER:
                self._write_folder()
            elif plan.kind is Kind.FUNCTION:
                with self._failed_rows(plan.errors_sink):
                    for frame in flow.frames:
                        plan.target(frame)
            else:
                self._write_one(plan.sink)
        except BaseException:
            flow.close()
            raise
        return flow.transform.result

    def _write_one(self, sink: Sink) -> None:
        claim: AbstractContextManager[Any]
        if self.plan.kind is Kind.PARTITIONS:
            claim = atomic_folder(sink.target, self.plan.check_replaceable)
        elif self.plan.kind is Kind.FILE:
            claim = atomic_file(sink.target)
        elif self.plan.makes_table:
            claim = atomic_folder(sink.target, self.plan.check_no_table)
        else:  # an open file is somebody else's; the log of a Delta table that is there makes it whole
            claim = nullcontext(sink.target)
        with claim as temporary, self._failed_rows(self.plan.errors_sink):
            self._write(self.flow.parts, sink, temporary, self.plan.partitions)
        if self.plan.kind is not Kind.HANDLE:
            self.flow.transform.result.finished.append(str(sink.target))

    def _write(self, parts: Sequence[Part], sink: Sink, to: Any, partitions: Sequence[str] = ()) -> None:
        schema = self.flow.schema
        frames = self.flow.frames_of(parts)
        progress = self.progress
        try:
            run_interruptibly(
                lambda: write_frames(
                    frames,
                    schema,
                    to,
                    sink.format,
                    partition_by=partitions,
                    options=sink.options,
                    name=sink.name,
                    memory=self.flow.transform.writer_memory,
                ),
                self.flow.close,
                None if progress is None else lambda: progress(self.flow.transform.result),
            )
        except ClosedError as error:
            msg = "the stream was closed while it was written"
            raise SinkError(msg) from error

    # -- a file for each file -------------------------------------------------------------------------------

    def _write_folder(self) -> None:
        plan, transform = self.plan, self.flow.transform
        if transform.reduces or (plan.resume and transform.carries_state):
            what = (
                "a reduce combines the rows of all files"
                if transform.reduces
                else "a scan needs all files in order"
            )
            hint = Phrase("leave out ", Argument("resume"))
            raise ArgumentError(what, hint="name one file as output" if transform.reduces else hint)
        files = [part for part in self.flow.parts if isinstance(part, DataFile)]
        for file, (sink, failed) in zip(files, plan.sinks(file.inside for file in files), strict=True):
            wanted = [sink.target] if failed is None else [sink.target, failed.target]
            if plan.resume and all(_is_newer(target, file.path) for target in wanted):
                transform.result.skipped.append(str(sink.target))
                if transform.result.total_count is not None and file.rows is not None:
                    transform.result.total_count -= file.rows
                continue
            with atomic_file(sink.target) as temporary, self._failed_rows(failed):
                self._write([file], sink, temporary)
            transform.result.finished.append(str(sink.target))

    # -- failed rows ----------------------------------------------------------------------------------------

    @contextmanager
    def _failed_rows(self, sink: Sink | None) -> Iterator[None]:
        """Send failed rows to a file of their own, which is there before the output is."""
        if sink is None:
            yield
            return
        transform = self.flow.transform
        schema = transform.failed_schema(self.flow.input_schema)
        with atomic_file(sink.target) as temporary:
            queue = PrefetchQueue()
            raised: list[BaseException] = []

            def write() -> None:
                try:
                    write_frames(
                        queue,
                        schema,
                        temporary,
                        sink.format,
                        options=sink.options,
                        name=sink.name,
                        memory=transform.memory,
                    )
                except BaseException as error:  # it is raised where the stream is waited for
                    raised.append(error)
                    queue.close()

            writer = threading.Thread(target=write, name="dataflare_vec failed rows", daemon=True)
            writer.start()
            transform.on_failed = queue.put
            try:
                yield
                queue.finish()
                writer.join()
            except BaseException:
                is_cause = bool(raised)
                queue.close()
                writer.join(1)
                if not is_cause:
                    raise
            finally:
                transform.on_failed = None
            if raised:
                raise raised[0]


def _is_newer(target: Path, source: Path) -> bool:
    try:
        return os.stat(target).st_mtime_ns >= os.stat(source).st_mtime_ns
    except FileNotFoundError:
        return False
