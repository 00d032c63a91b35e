"""A short queue between two threads, so that their work overlaps and neither gets far ahead."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Iterator

#: Items in a queue: one that is worked on next, one in reserve.
DEPTH = 2
#: Seconds between two looks at a work that is waited for.
_TICK = 0.1


class ClosedError(Exception):
    """The queue was closed before its end: nobody takes from it, or makes items, any more."""


class PrefetchQueue:
    """Items that are made while earlier ones are used; at most ``depth`` of them wait.

    An iterator over them, for any number of threads: each item goes to one of them. An exception of the maker
    is raised where its item would have come, once in each thread.

    Parameters
    ----------
    depth
        How many items may wait.
    """

    def __init__(self, depth: int = DEPTH) -> None:
        self._depth = depth
        self._items: deque[Any] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        # Whether a thread knows of it: to none is it a plain end. Not by number: later threads get it again.
        self._told = threading.local()
        self._finished = self._closed = False
        # Coroutines that wait for a change: a thread of an executor for each would soon be one too many.
        self._waiting: list[asyncio.Future[None]] = []

    @classmethod
    def of(cls, items: Iterable[Any], depth: int = DEPTH) -> PrefetchQueue:
        """Return a queue that a thread of its own fills from an iterable."""
        queue = cls(depth)
        queue.fill(items)
        return queue

    def fill(self, items: Iterable[Any]) -> None:
        """Let a thread of its own put the items of an iterable, to the end or until nobody takes them."""
        threading.Thread(target=self._fill, args=(items,), name="dataflare_vec prefetch", daemon=True).start()

    def _fill(self, items: Iterable[Any]) -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                try:
                    self.put(item)
                except ClosedError:
                    _close(iterator)
                    return
        except BaseException as error:  # also another queue's: it belongs to whoever takes them
            self.finish(error)
        else:
            self.finish()

    # -- making items ---------------------------------------------------------------------------------------

    def put(self, item: Any, timeout: float | None = None) -> bool:
        """Add an item, when there is room; return whether there was, within some seconds.

        Raises
        ------
        ClosedError
            If nobody will take it.
        """
        with self._changed:
            if self._changed.wait_for(self._has_room, timeout):
                self._add(item)
                return True
        return False

    async def put_async(self, item: Any) -> None:
        """Do the same in an event loop, which goes on meanwhile."""
        while True:
            with self._changed:
                if self._has_room():
                    self._add(item)
                    return
                change = self._change()
            await change

    def finish(self, error: BaseException | None = None) -> None:
        """Say that there will be no more items, or why."""
        with self._changed:
            self._finished, self._error = True, error
            self._tell()

    def close(self) -> None:
        """Take no more items; whoever makes them stops at the next one."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._tell()

    def _has_room(self) -> bool:
        return self._closed or len(self._items) < self._depth

    def _add(self, item: Any) -> None:
        if self._closed:
            raise ClosedError
        self._items.append(item)
        self._tell()

    # -- taking them ----------------------------------------------------------------------------------------

    def take(self, until: float | None = None) -> Any:
        """Return the next item, or None if there is none at the monotonic time ``until``.

        Raises
        ------
        StopIteration
            If there are no more.
        ClosedError
            If there may have been more, but the queue was closed.
        """
        with self._changed:
            timeout = None if until is None else max(0.0, until - monotonic())
            self._changed.wait_for(self._has_news, timeout)
            return self._next() if self._has_news() else None

    async def take_async(self) -> Any:
        """Return the next item, waiting for it in an event loop.

        Raises
        ------
        StopAsyncIteration
            If there are no more, or the queue was closed.
        """
        while True:
            with self._changed:
                if self._has_news():
                    try:
                        return self._next()
                    except (StopIteration, ClosedError):
                        raise StopAsyncIteration from None
                change = self._change()
            await change

    def _has_news(self) -> bool:
        return bool(self._items) or self._finished or self._closed

    def _next(self) -> Any:
        if self._items:
            item = self._items.popleft()
            self._tell()
            return item
        if self._error is not None and not hasattr(self._told, "error"):
            self._told.error = True
            raise self._error
        if self._closed:
            raise ClosedError
        raise StopIteration

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.take()

    # -- telling of changes ---------------------------------------------------------------------------------

    def _tell(self) -> None:
        self._changed.notify_all()
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            loop = change.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_set, change)

    def _change(self) -> asyncio.Future[None]:
        import asyncio

        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        return change


def one_ahead(parts: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Yield the items of one part after the other; each is begun as soon as the one before has given one."""
    begun = (PrefetchQueue.of(part, 1) for part in parts)
    part, following = next(begun, None), None
    try:
        while part is not None:
            following = None
            for item in part:
                following = following or next(begun, None)
                yield item
            part = following or next(begun, None)
    finally:
        for queue in (part, following):
            if queue is not None:
                queue.close()


def _set(change: asyncio.Future[None]) -> None:
    if not change.done():  # it may have been cancelled
        change.set_result(None)


def _close(iterator: Any) -> None:
    close: Callable[[], None] | None = getattr(iterator, "close", None)
    if close is not None:
        close()


def run_interruptibly(
    work: Callable[[], Any],
    stop: Callable[[], None],
    tick: Callable[[], None] | None = None,
    patience: float = 0.5,
) -> Any:
    """Run ``work`` in a thread, so that Ctrl-C is noticed at once whatever the work waits for.

    Parameters
    ----------
    work
        Its result is returned, its exception raised.
    stop
        Called when the wait is interrupted: it has to make the work end soon.
    tick
        Called some times a second meanwhile.
    patience
        Seconds that an interrupted work may take to end.
    """
    outcome: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # it is raised where the result is wanted
            errors.append(error)

    thread = threading.Thread(target=run, name="dataflare_vec sink", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_TICK)
            if tick is not None:
                tick()
    except BaseException:
        stop()
        thread.join(patience)
        raise
    if errors:
        raise errors[0]
    return outcome[0]
