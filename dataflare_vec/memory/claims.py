"""Runs that wait at a pool's limit: they are let in so that none waits for ever for what another one holds.

Two runs of which each holds half of the limit and wants more would wait for each other, though either fits.
So where a pool waits at its limit, a run is let in before it holds anything, in the order in which runs came:
as soon as all that it may need is free, and is promised to it then, or when no other run is in. Alone goes a
run of which nobody knows what it will need, as it writes text or calls Python. Whoever is in goes on to the
end with what it was promised, or waits for nobody but readers of results.

A run inside a run, as of a kernel in Python that calls `dataflare_vec.apply`, shares what the outer one has.
It is known by its thread; or it runs in a thread of Polars, while a run is in that calls Python. One inside a
run of another pool doesn't wait for its turn: two such runs could wait for each other.

Lazy queries take no turns. What Polars calls for a batch isn't told which query the batch is of: one that
runs several plugins, or joins two frames, would wait for itself, and two collections of one query would share
a turn. Nor is anybody told when a query ends. So each batch is a run, and an error says what to do.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dataflare_vec.exceptions import PoolLimitError
from dataflare_vec.memory.buffer import Lender, lend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from dataflare_vec.config.settings import MemoryPoolConfig
    from dataflare_vec.memory.buffer import Block, PooledBuffer
    from dataflare_vec.memory.free_lists import FreeLists


class Limited(Lender, Protocol):
    """What claims need of the pool that they are on."""

    config: MemoryPoolConfig
    _claims: Claims
    _free_lists: FreeLists
    _lock: Any
    _patience: float
    _clock: Callable[[], float]

    def _obtain(self, nbytes: int, *, request: bool = True, claim: Claim | None = None) -> Block: ...
    def _check_open(self) -> None: ...
    def _recycle(self) -> list[Block]: ...
    def _new_gate(self) -> Any: ...
    def _wait(self, gate: Any, deadline: float, claim: Claim | None) -> float: ...
    def _wake(self) -> None: ...


_Pool = TypeVar("_Pool", bound=Limited)


class _Within(threading.local):
    """The runs that this thread is in, the innermost first; of any pool."""

    claims: tuple[Claim, ...] = ()


_within = _Within()


class Claim:
    """A run's claim on the memory of a pool that waits at its limit; it lends buffers as the pool does.

    Attributes
    ----------
    left : int
        Bytes that are promised to the run and that it hasn't taken yet.
    is_alone : bool
        Whether it has to be the only one.
    calls_python : bool
        Whether it may contain other runs.
    waiting : int
        How many of its threads wait for memory.
    """

    __slots__ = ("_pool", "calls_python", "is_alone", "left", "waiting")

    def __init__(self, pool: Limited, need: int | None, *, calls_python: bool) -> None:
        self._pool = pool
        self.is_alone = need is None
        self.left = need or 0
        self.calls_python = calls_python
        self.waiting = 0

    def get_buffer(self, nbytes: int) -> PooledBuffer:
        """Lend a buffer: see `MemoryPool.get_buffer`."""
        pool = self._pool
        return lend(pool, pool._obtain(nbytes, claim=self), nbytes)

    def within(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose runs, in whatever thread it is called, are inside of this one."""
        if not self.calls_python:
            return work

        def inside(*arguments: Any) -> Any:
            with self.entered():
                return work(*arguments)

        return inside

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Take what this thread does for a part of the run."""
        before = _within.claims
        _within.claims = (self, *before)
        try:
            yield
        finally:
            _within.claims = before

    def claim(self, *_need: Any, **_more: Any) -> AbstractContextManager[Claim]:
        """Return the same: what a run does is all its own."""
        return nullcontext(self)


class Claims:
    """The runs that are in, and those that wait to be, in order. Plain data, used under the pool's lock."""

    __slots__ = ("inside", "queue")

    def __init__(self) -> None:
        self.inside: list[Claim] = []
        self.queue: list[Claim] = []

    def may_enter(self, claim: Claim, free: int) -> bool:
        """Whether it is a run's turn, when so many bytes are neither in use nor promised."""
        if self.queue[0] is not claim:
            return False
        if not self.inside:
            if claim.left > free:  # readers of results have the rest
                claim.left, claim.is_alone = 0, True
            return True
        return not claim.is_alone and not any(one.is_alone for one in self.inside) and claim.left <= free

    def will_end(self, but: Claim | None) -> bool:
        """Whether some other run goes on, so that what it holds will come back."""
        return any(not (one.waiting or one.calls_python) for one in self.inside if one is not but)

    def promised(self, but: Claim | None) -> int:
        """Return how many bytes are promised to other runs."""
        return sum(one.left for one in self.inside if one is not but)

    def after_fork(self) -> None:
        """Forget the runs of threads that aren't in a child."""
        self.inside = [one for one in self.inside if one in _within.claims]
        self.queue = []
        for claim in self.inside:
            claim.waiting = 0


def claim_of_thread(pool: Limited) -> Claim | None:
    """Return the run of a pool that this thread is in."""
    for claim in _within.claims:
        if claim._pool is pool:
            return claim
    if isinstance(threading.current_thread(), threading._DummyThread):  # made by Polars, not by Python
        return next((claim for claim in pool._claims.inside if claim.calls_python), None)
    return None


@contextmanager
def claim_memory(
    pool: _Pool, need: int | None, least: int = 0, *, calls_python: bool = False
) -> Iterator[_Pool | Claim]:
    """Wait for a run's turn; it gets its memory from what this gives.

    Parameters
    ----------
    pool
        One with ``on_limit="wait"`` and a limit.
    need
        Bytes that it needs at most; None if that can't be said.
    least
        Bytes that it needs in any case.
    calls_python
        Whether there may be other runs inside.

    Raises
    ------
    PoolLimitError
        If it needs more than the limit, or nothing comes back for ``wait_timeout``.
    PoolError
        If the pool is closed.
    """
    claims, limit = pool._claims, pool.config.max_bytes or 0
    outer = claim_of_thread(pool)
    if outer is not None or _within.claims:
        yield outer or pool
        return
    if least > limit:
        msg = (
            f"the new columns take at least {least:,} bytes, more than the memory pool's "
            f"`max_bytes={limit:,}`"
        )
        hint = "raise it, or pass the data on in smaller parts, as `dfv.stream` does"
        raise PoolLimitError(msg, hint=hint)
    claim = Claim(pool, need, calls_python=calls_python)
    try:
        _let_in(pool, claim)
        with claim.entered():
            yield claim
    finally:
        with pool._lock, suppress(ValueError):  # it may have waited in vain
            claims.inside.remove(claim)
        pool._settle()
        pool._wake()


def _let_in(pool: Limited, claim: Claim) -> None:
    """Wait until a run may begin."""
    claims, free_lists = pool._claims, pool._free_lists
    limit = pool.config.max_bytes or 0
    deadline = pool._clock() + pool._patience
    claims.queue.append(claim)
    try:
        while True:
            with pool._lock:
                pool._check_open()
                dropped = pool._recycle()
                if claims.may_enter(claim, limit - free_lists.in_use - claims.promised(None)):
                    claims.inside.append(claim)
                    return
                gate = pool._new_gate()
            pool._settle()
            dropped.clear()
            deadline = pool._wait(gate, deadline, None)
            if not deadline and any(one.calls_python for one in claims.inside):
                with pool._lock:  # it may be inside of that one, in a thread which that one waits for
                    claims.inside.append(claim)
                return
            if not deadline:
                msg = (
                    "a run timed out waiting for memory: nothing was returned to the memory pool for "
                    f"{pool._patience:g} seconds, and {free_lists.in_use:,} bytes of its "
                    f"`max_bytes={limit:,}` are in use"
                )
                hint = "drop results you no longer need, or raise `max_bytes` or `wait_timeout`"
                raise PoolLimitError(msg, waited=True, hint=hint)
    finally:
        claims.queue.remove(claim)
        pool._settle()
        if claims.queue:
            pool._wake()
