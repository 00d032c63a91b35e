"""A line about a run under way: share, rows, speed, memory, failed rows, time left."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from dataflare_vec.html import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflare_vec.streams import StreamResult

#: Seconds between two lines where there is no bar.
_INTERVAL = 1.0


@contextmanager
def progress_for(result: StreamResult, *, quiet: bool) -> Iterator[Callable[[StreamResult], None] | None]:
    """Give a function that shows the counts so far on standard error, if somebody is looking at it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.progress import Progress
    except ModuleNotFoundError:
        with _plain() as show:
            yield show
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn

    bar = Progress(
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=None)

        def update(result: StreamResult) -> None:
            # A bar of no known length swings; one of no rows would stay empty.
            total = result.total_count or None
            bar.update(task, description=line(result), completed=result.processed_count, total=total)

        yield update


@contextmanager
def _plain() -> Iterator[Callable[[StreamResult], None]]:
    last = monotonic()

    def show(result: StreamResult) -> None:
        nonlocal last
        if monotonic() - last >= _INTERVAL:
            last = monotonic()
            sys.stderr.write(f"\r\x1b[K{line(result)}")
            sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")


def line(result: StreamResult) -> str:
    """Return all there is to say, with the share and the time left where the rows in all are known."""
    if not result.processed_count:
        return "starting"
    return f"{_share(result)}{describe(result)}{_left(result)}"


def describe(result: StreamResult) -> str:
    """Return the counts as a line of text."""
    parts = [
        f"{result.processed_count:,} rows",
        f"{result.throughput_per_second:,.0f} rows/s",
        size(resident_memory()),
    ]
    if result.error_count:
        parts.append(f"{result.error_count:,} failed")
    return " · ".join(parts)


def _share(result: StreamResult) -> str:
    return f"{result.processed_count / result.total_count:4.0%} · " if result.total_count else ""


def _left(result: StreamResult) -> str:
    speed = result.throughput_per_second
    if not result.total_count or not speed:
        return ""
    left = result.total_count - result.processed_count
    return f" · {_duration(left / speed)} left" if left > 0 else " · finishing"


def _duration(seconds: float) -> str:
    """Return a time as a person reads it.

    Examples
    --------
    >>> _duration(7), _duration(83), _duration(7503)
    ('7 s', '1:23 min', '2:05 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"


def resident_memory() -> int:
    """Return the memory that this process has now, in bytes; 0 where that isn't known."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
