"""Streams that are left, shared between threads, used twice, or many in one event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import polars as pl
import pytest
from samples import SHARE, rows

import dataflare_vec as dfv


def ours() -> list[threading.Thread]:
    """The threads of streams; those of the engine, `dataflare_vec_0`, stay."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("dataflare_vec ")]


def until_none_is_left() -> None:
    gc.collect()
    end = time.monotonic() + 10
    while ours() and time.monotonic() < end:
        time.sleep(0.01)
    assert ours() == []


def feed(count: int = 10_000):
    for _ in range(count):
        yield rows(1, 50)


def test_threads_end_with_the_stream(folder):
    def leave(source: object) -> None:
        for _ in dfv.stream(source, SHARE, on_error="null", max_latency=1e-6):
            break

    for _ in range(5):
        leave(feed())
        leave(folder)
        leave(pl.scan_parquet(folder / "part 0.parquet"))
        next(dfv.stream(feed(), SHARE, max_latency=1e-6).to_reader())
    until_none_is_left()


def test_threads_end_with_a_sink_that_raises(folder, tmp_path):
    def sink(frame):
        raise RuntimeError("the service is gone")

    with pytest.raises(RuntimeError, match="is gone"):
        dfv.stream(feed(), SHARE, max_latency=1e-6).write(sink)
    with pytest.raises(dfv.RowError):
        dfv.stream(folder, SHARE).write(tmp_path / "o.parquet")
    until_none_is_left()


def test_a_stream_that_is_kept_goes_on():
    stream = dfv.stream(feed(20), SHARE, max_latency=1e-6)
    heights = [next(stream).height]
    time.sleep(0.05)
    gc.collect()
    heights += [frame.height for frame in stream]
    assert sum(heights) == 20 * 49
    until_none_is_left()


def test_threads_share_the_frames():
    source = (pl.DataFrame({"x": [i]}) for i in range(1, 2001))
    stream = dfv.stream(source, SHARE, max_latency=1e-6)
    taken: list[list[int]] = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def take(mine: list[int]) -> None:
        start.wait()
        for frame in stream:
            mine.extend(frame["x"])

    threads = [threading.Thread(target=take, args=(each,)) for each in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(x for each in taken for x in each) == list(range(1, 2001))
    assert stream.result.processed_count == stream.result.output_count == 2000


def test_an_error_is_told_to_each_thread():
    def broken():
        yield rows(1, 50)
        raise ConnectionError("the feed broke")

    stream = dfv.stream(broken(), SHARE, max_latency=1e-6)
    told = []

    def take() -> None:
        try:
            for _ in stream:
                pass
        except ConnectionError as error:
            told.append(str(error))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == ["the feed broke"] * 3


def test_a_used_stream_is_refused(tmp_path):
    def stream():
        return dfv.stream(feed(3), SHARE)

    used = stream()
    next(used)
    with pytest.raises(dfv.StreamUsedError, match="was iterated over already, and can be used only once"):
        used.write(tmp_path / "o.parquet")
    with pytest.raises(dfv.StreamUsedError, match="was iterated over already"):
        used.to_reader().read_all()
    used = stream()
    used.write(tmp_path / "o.parquet")
    for again in (lambda: used.write(tmp_path / "p.parquet"), lambda: list(used), used.to_reader().read_all):
        with pytest.raises(dfv.StreamUsedError, match="was written already"):
            again()
    used = stream()
    assert used.to_reader().read_all().num_rows == 147
    with pytest.raises(dfv.StreamUsedError, match="was read as an Arrow stream already"):
        next(used)
    # What was refused for its arguments wasn't used.
    used = stream()
    with pytest.raises(ValueError, match="can't infer the output format"):
        used.write(tmp_path / "o.xlsx")
    assert used.write(tmp_path / "q.parquet").processed_count == 147
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["o.parquet", "q.parquet"]


async def slowly(count: int):
    for _ in range(count):
        await asyncio.sleep(0)
        yield rows(1, 50)


def test_many_streams_in_one_event_loop():
    """More than the default executor has threads."""

    async def height(count: int) -> int:
        return sum([frame.height async for frame in dfv.stream(slowly(count), SHARE, max_latency=1e-6)])

    async def main() -> list[int]:
        return await asyncio.wait_for(asyncio.gather(*(height(20) for _ in range(40))), 60)

    assert asyncio.run(main()) == [20 * 49] * 40
    until_none_is_left()


def test_cancelling_ends_at_once():
    async def stuck():
        yield rows(1, 50)
        await asyncio.sleep(60)
        yield rows(1, 50)

    async def read() -> None:
        async for _ in dfv.stream(stuck(), SHARE, max_latency=1e-6):
            pass

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(read(), 0.3)

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 10
    until_none_is_left()


def test_an_asynchronous_stream_that_is_left_closes_its_source():
    closed = []

    async def source():
        try:
            while True:
                await asyncio.sleep(0)
                yield rows(1, 50)
        finally:
            closed.append(True)

    async def main() -> None:
        stream = dfv.stream(source(), SHARE, max_latency=1e-6)
        async for _ in stream:
            break
        stream.close()
        for _ in range(200):
            if closed:
                break
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert closed == [True]
    until_none_is_left()
