"""Runs at the limit of a pool that waits: they take turns, so that none waits for ever for another one."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.stages import builders
from dataflare_vec.memory import MemoryPool, PoolLimitError, fork
from dataflare_vec.memory.claims import Claim
from dataflare_vec.memory.size_classes import class_capacity

MB = 1 << 20
ROWS = 120_000
ONE_CHUNK = dfv.BatchConfig(enable_parallel=False, default_batch_size=1 << 20, tuner="fixed")
COLUMN = class_capacity(ROWS * 8)  # 1 MiB


def plugin(function, form=Form.ROW):
    return define(function, name=function.__name__, form=form, plugin_type=dfv.PluginType.TRANSFORMER)


@plugin
def both(x):
    return x + 1.0, x * 2.0


@plugin
def more(x):
    return x + 1.0


@plugin
def upper(s):
    return s.upper()


@plugin
def inverse(x):
    return 100 // x


@plugin
def some(x):
    return x if x > 10 else None


def running(total, x):
    return total + x, total + x


@partial(define, name="big", form=Form.ROW, plugin_type=dfv.PluginType.FILTER)
def big(x):
    return x > 50


@pytest.fixture(scope="module")
def frame():
    x = np.arange(ROWS) % 100
    strings = pl.Series([f"a text that is longer than twelve bytes {i}" for i in range(100)])
    return pl.DataFrame({"x": x * 1.0, "i": x, "s": strings.gather(x)})


def manager_of(max_bytes, wait_timeout=1.0, **settings):
    pool = dfv.MemoryPoolConfig(
        max_bytes=int(max_bytes), on_limit="wait", wait_timeout=wait_timeout, max_idle_bytes=0, **settings
    )
    batches = dfv.BatchConfig(parallelism=2)  # each thread has buffers of its own
    return dfv.PluginManager(dfv.PluginManagerConfig(memory_pool_config=pool, batch_config=batches))


def at_once(count, work) -> list:
    """Run something in so many threads; return what each returns, or raise what one raises."""
    with ThreadPoolExecutor(count) as executor:
        futures = [executor.submit(work) for _ in range(count)]
        return [future.result(60) for future in futures]


def test_two_runs_that_hold_half_each(frame, monkeypatch):
    manager = manager_of(2.5 * COLUMN)
    barrier, column = threading.Barrier(2), builders._column
    taken = threading.local()

    def one_each(*arguments, **more):
        if getattr(taken, "one", False):
            with suppress(threading.BrokenBarrierError):  # the other one is kept from beginning
                barrier.wait(0.2)
        taken.one = True
        return column(*arguments, **more)

    monkeypatch.setattr(builders, "_column", one_each)
    heights = at_once(2, lambda: dfv.apply(frame, both, x="x", manager=manager).height)
    assert heights == [ROWS, ROWS]
    assert manager.get_memory_pool_stats().peak_bytes <= 2.5 * COLUMN


@pytest.mark.parametrize(
    "steps", [[upper], [dfv.step(both, x="x"), dfv.step(upper, s="s")]], ids=["text", "numbers too"]
)
def test_runs_that_write_text_go_one_by_one(steps, frame):
    manager = manager_of(32 * MB)
    dfv.apply(frame, steps, manager=manager)
    expected = frame["s"].str.to_uppercase()

    def work():
        return dfv.apply(frame, steps, manager=manager)["upper"].equals(expected)

    for _ in range(3):
        assert all(at_once(4, work))
    assert manager.get_memory_pool_stats().peak_bytes <= 32 * MB


def test_runs_that_fit_go_side_by_side(frame, monkeypatch):
    manager = manager_of(8 * COLUMN)
    barrier, column = threading.Barrier(2), builders._column

    def together(*arguments, **more):
        barrier.wait(10)
        return column(*arguments, **more)

    dfv.apply(frame, both, x="x", manager=manager)
    monkeypatch.setattr(builders, "_column", together)
    assert at_once(2, lambda: dfv.apply(frame, both, x="x", manager=manager).width) == [5, 5]


def test_what_can_never_fit_is_refused_before_it_begins(frame):
    manager = manager_of(1.5 * COLUMN, wait_timeout=1e6)
    message = (
        r"the new columns take at least 2,097,152 bytes, more than the memory pool's `max_bytes=1,572,864`"
        r".*`dfv.stream`"
    )
    with pytest.raises(PoolLimitError, match=message) as caught:
        dfv.apply(frame, both, x="x", manager=manager)
    assert not caught.value.waited
    assert manager.get_memory_pool_stats().in_use_bytes == 0
    assert dfv.apply(frame[:1000], both, x="x", manager=manager).height == 1000


def test_results_that_are_held_end_the_wait(frame):
    manager = manager_of(2.5 * COLUMN, wait_timeout=0.1)
    held = dfv.apply(frame, both, x="x", manager=manager)
    message = "drop results you no longer need, or raise `max_bytes`$"
    with pytest.raises(PoolLimitError, match=message) as caught:
        dfv.apply(frame, both, x="x", manager=manager)
    assert caught.value.waited
    del held
    assert dfv.apply(frame, both, x="x", manager=manager).height == ROWS
    assert manager.runtime.pool._claims.inside == manager.runtime.pool._claims.queue == []


# -- needs that are said beforehand ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        [dfv.step(both, x="x")],
        [dfv.step(inverse, x="i")],
        [dfv.step(some, x="x"), dfv.step(inverse, x="i")],
        [dfv.step(big, x="x"), dfv.step(both, x="x"), dfv.step(inverse, x="i")],
        [dfv.step(dfv.scan(init=0.0)(running), x="x", output="total")],
    ],
    ids=["two", "failing", "nulls", "filter", "scan"],
)
def test_no_run_takes_more_than_it_was_promised(steps, frame, monkeypatch):
    manager = manager_of(64 * MB)
    get, promised = Claim.get_buffer, []

    def counted(claim, nbytes):
        promised.append((claim.is_alone, claim.left >= class_capacity(nbytes)))
        return get(claim, nbytes)

    monkeypatch.setattr(Claim, "get_buffer", counted)
    data = frame.with_columns(x=pl.when(pl.col("i") != 7).then("x"))
    dfv.apply(data, steps, on_error="null", manager=manager)
    assert set(promised) == {(False, True)}


# -- runs inside of runs -----------------------------------------------------------------------------------


def nested_in(frame, inner):
    """Apply a text kernel, and a kernel in Python that calls another run for each chunk."""
    manager = manager_of(24 * MB, wait_timeout=0.1)

    def outer(x):
        inner(manager)
        return x + 1

    steps = [dfv.step(upper, s="s"), dfv.step(plugin(outer, Form.COLUMN), x="x")]
    return dfv.apply(frame, steps, manager=manager, config=ONE_CHUNK)


@pytest.mark.parametrize("road", ["same thread", "lazily", "threads of its own"])
def test_a_run_inside_a_run(road, frame):
    small = frame[:5000]

    def inner(manager):
        if road == "same thread":
            result = dfv.apply(small, upper, s="s", manager=manager)
        elif road == "lazily":
            result = small.lazy().pipe(dfv.apply, upper, s="s", manager=manager).collect(engine="streaming")
        else:
            # It isn't known to be inside: it waits in vain for its turn, and begins then.
            result = at_once(1, lambda: dfv.apply(small, upper, s="s", manager=manager))[0]
        assert result.height == 5000

    assert nested_in(frame, inner)["outer"].equals(frame["x"] + 1)


def test_runs_inside_runs_of_two_pools(frame):
    """Each of two runs is in one pool and calls one in the other."""
    small, managers = frame[:5000], [manager_of(64 * MB), manager_of(64 * MB)]
    inside = threading.Barrier(2)

    def crossing(mine, others):
        def outer(x):
            with suppress(threading.BrokenBarrierError):
                inside.wait(1)
            assert dfv.apply(small, upper, s="s", manager=others).height == 5000
            return x + 1

        steps = [dfv.step(upper, s="s"), dfv.step(plugin(outer, Form.COLUMN), x="x")]
        return dfv.apply(frame, steps, manager=mine, config=ONE_CHUNK).height

    with ThreadPoolExecutor(2) as executor:
        runs = [executor.submit(crossing, *managers), executor.submit(crossing, *managers[::-1])]
        assert [run.result(60) for run in runs] == [ROWS, ROWS]


# -- lazy engines, streams ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_lazy_engines(engine, frame):
    manager = manager_of(32 * MB)
    query = (
        frame.lazy()
        .pipe(dfv.apply, upper, s="s", manager=manager)
        .select(pl.col("upper").str.len_bytes().sum())
    )
    totals = at_once(3, lambda: query.collect(engine=engine).item())
    assert totals == [frame["s"].str.len_bytes().sum()] * 3


def test_lazy_queries_that_hold_half_each(frame):
    """Nobody knows which query a batch is of, so they take no turns: the error says what to do."""
    manager = manager_of(2.5 * COLUMN, wait_timeout=0.05)
    errors = []

    def query(between):
        meeting = pl.col("more").map_batches(between, pl.Float64, is_elementwise=True)
        first = frame.lazy().pipe(dfv.apply, more, x="x", manager=manager).with_columns(met=meeting)
        return first.pipe(dfv.apply, more, x="met", output="again", manager=manager)

    inner = query(lambda series: series)

    def hold_half(series):
        try:
            inner.collect(engine="in-memory")
        except PoolLimitError as error:  # what would keep it would keep the memory too
            errors.append(str(error))
        return series

    assert query(hold_half).collect(engine="in-memory").height == ROWS
    assert inner.collect(engine="in-memory").height == ROWS
    assert len(errors) == 1
    assert "collect the queries of one manager one at a time, or give each a manager" in errors[0]


def added(state, x):
    return state + x, state


ADDED = define(added, name="added", form=Form.SCAN, plugin_type=dfv.PluginType.TRANSFORMER, init=0.0)


@pytest.mark.parametrize("form", ["expression", "grouped", "scan"])
def test_whatever_polars_calls_says_what_to_do_at_the_limit(form, frame):
    manager = manager_of(8 * MB, wait_timeout=0.01)
    if form == "expression":
        query = frame.lazy().select(dfv.expr(more, x="x", manager=manager))
    elif form == "scan":
        query = frame.lazy().pipe(dfv.apply, ADDED, x="x", manager=manager)
    else:
        query = frame.lazy().select(dfv.expr(more, x="x", manager=manager).sum().over("i"))
    held = manager.runtime.pool.get_buffer(8 * MB)
    with pytest.raises(PoolLimitError, match="one at a time"):
        query.collect()
    del held
    assert query.collect().height == ROWS


def test_streams_at_once(frame, tmp_path):
    manager = manager_of(64 * MB)
    for name in "abc":
        frame.write_parquet(tmp_path / f"{name}.parquet", row_group_size=20_000)

    def work():
        stream = dfv.stream(tmp_path / "[abc].parquet", upper, s="s", manager=manager)
        return sum(part.height for part in stream)

    assert at_once(3, work) == [3 * ROWS] * 3


LONG = pl.DataFrame({"x": np.arange(1 << 19, dtype=np.float64)})
THREE = [dfv.step(more, output=name) for name in "abc"]


@pytest.mark.parametrize("memory", [None, "128MiB"])
def test_the_reader_of_a_stream_has_a_frame_while_the_next_is_computed(memory):
    """Two of the size that they have without a limit would take more than there is."""
    rows, frame = 0, None
    for frame in dfv.stream(LONG, THREE, manager=manager_of(6 * MB), memory=memory):
        rows += frame.height
    assert rows == LONG.height
    assert frame["c"][-1] == LONG["x"][-1] + 1


@pytest.mark.parametrize("end", ["parquet", "arrows", "ndjson"])
def test_the_writer_of_a_stream_gathers_no_more_than_there_is(end, tmp_path):
    stream = dfv.stream(LONG, THREE, manager=manager_of(6 * MB), memory="128MiB")
    assert stream.write(tmp_path / f"o.{end}").output_count == LONG.height


# -- the turns themselves ----------------------------------------------------------------------------------


def wait_until(condition) -> None:
    ready = threading.Event()
    for _ in range(2000):
        if condition():
            return
        ready.wait(0.005)
    pytest.fail("it never came to that")


def test_no_one_is_overtaken():
    """A run that needs much isn't passed by those that need little, though they would fit."""
    pool = MemoryPool(dfv.MemoryPoolConfig(max_bytes=10 * MB, on_limit="wait", wait_timeout=30))
    order, go = [], threading.Event()

    def run(name, need, *, waits=False):
        with pool.claim(need):
            order.append(name)
            if waits:
                assert go.wait(20)

    threads = [threading.Thread(target=run, args=("first", 6 * MB), kwargs={"waits": True})]
    threads[0].start()
    wait_until(lambda: order)
    for name, need in (("large", 9 * MB), ("small", MB), ("unknown", None), ("last", MB)):
        threads.append(threading.Thread(target=run, args=(name, need)))
        threads[-1].start()
        wait_until(lambda: len(pool._claims.queue) == len(threads) - 1)
    assert order == ["first"]
    go.set()
    for thread in threads:
        thread.join(20)
    assert order == ["first", "large", "small", "unknown", "last"]
    assert pool._claims.inside == pool._claims.queue == []


def test_a_run_that_is_at_work_is_waited_for_beyond_the_timeout():
    pool = MemoryPool(dfv.MemoryPoolConfig(max_bytes=MB, on_limit="wait", wait_timeout=0.05))
    got = []

    def wait():
        with pool.claim(None) as memory:
            got.append(memory.get_buffer(MB).size)

    with pool.claim(None) as memory:
        mine = memory.get_buffer(MB)
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        del mine
    thread.join(20)
    assert got == [MB]


class Intruded:
    """A pool's lock; while somebody who waits at the limit has it, another thread does something."""

    def __init__(self, pool, intrusion) -> None:
        self._lock, self._pool, self._intrusion = pool._lock, pool, intrusion
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def __enter__(self):
        self._lock.acquire()
        if self._pool._gates:
            thread = threading.Thread(target=self._intrusion)
            thread.start()
            thread.join()

    def __exit__(self, *_):
        self._lock.release()


def test_what_comes_back_as_one_begins_to_wait_is_not_missed():
    """Who gives it back leaves it to whoever has the lock: that is the one who waits."""
    pool = MemoryPool(dfv.MemoryPoolConfig(max_bytes=MB, on_limit="wait", wait_timeout=3))
    held = [pool.get_buffer(MB)]
    with pool.claim(None) as claim:
        pool._lock = Intruded(pool, held.clear)
        assert claim.get_buffer(MB).size == MB  # and not an error, when nothing has come for so long


def test_what_comes_back_during_a_fork_is_not_missed():
    """The thread that forks has the lock meanwhile."""
    pool = MemoryPool(dfv.MemoryPoolConfig(max_bytes=MB, on_limit="wait", wait_timeout=3))
    held = [pool.get_buffer(MB)]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.get_buffer, MB)
        wait_until(lambda: pool._gates)
        fork._before()
        letting_go = threading.Thread(target=held.clear)
        letting_go.start()
        letting_go.join()
        fork._after_in_parent()
        assert waiting.result().size == MB


def test_what_is_promised_isn_t_lent_to_others():
    pool = MemoryPool(dfv.MemoryPoolConfig(max_bytes=4 * MB, on_limit="wait", wait_timeout=0.01))
    pool.warmup([MB])
    with pool.claim(4 * MB) as memory:
        errors = []

        def other():
            try:
                pool.get_buffer(MB)
            except PoolLimitError as error:
                errors.append(error)

        kept = [memory.get_buffer(MB) for _ in range(3)]
        assert not pool._claims.promised(pool._claims.inside[0])
        assert pool._claims.promised(None) == MB
        pool._claims.inside[0].waiting = 1  # or it would be waited for
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(20)
        assert len(errors) == 1
        kept.append(memory.get_buffer(MB))
    assert len(kept) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_goes_on_without_the_runs_of_other_threads():
    pool = MemoryPool(dfv.MemoryPoolConfig(max_bytes=MB, on_limit="wait", wait_timeout=5))
    inside, go = threading.Event(), threading.Event()

    def run():
        with pool.claim(None):
            inside.set()
            go.wait(20)

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(20)
    child = os.fork()
    if not child:
        code = 1
        with suppress(BaseException), pool.claim(None) as memory:
            code = memory.get_buffer(MB).size != MB
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    thread.join()
