"""The progress bar of a run: rich's, with the rows so far, their rate, the memory and the failed rows."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dataflare_vec._util.formatting import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflare_vec.streams import StreamResult


@contextmanager
def progress_for(result: StreamResult, *, quiet: bool) -> Iterator[Callable[[StreamResult], None] | None]:
    """Give a function that shows the counts so far on standard error, if somebody is looking at it.

    None if nobody is, or without rich: the run says what it did when it has ended.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError:
        yield None
        return
    bar = Progress(
        BarColumn(bar_width=20),  # with the counts it has to fit into 80 columns
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=None)

        def update(result: StreamResult) -> None:
            # A bar of no known length swings; one of no rows would stay empty.
            total = result.total_count or None
            bar.update(task, description=describe(result), completed=result.processed_count, total=total)

        yield update


def describe(result: StreamResult) -> str:
    """Return the counts as a line of text."""
    if not result.processed_count:
        return "starting"
    parts = [
        f"{result.processed_count:,} rows",
        f"{result.throughput_per_second:,.0f} rows/s",
        size(resident_memory()),
    ]
    if result.error_count:
        parts.append(f"{result.error_count:,} failed")
    return " · ".join(parts)


def resident_memory() -> int:
    """Return the memory that this process has now, in bytes; 0 where that isn't known."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
