"""Chunks over threads."""

from __future__ import annotations

import threading
import time

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec._util import interrupts
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.engine.execution.threads import over_chunks
from dataflare_vec.engine.tuner import FixedTuner

CONFIG = dfv.BatchConfig(default_batch_size=64, tuner="fixed", parallelism=2)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("rows", [1, 64, 65, 1000])
def test_every_row_once(threads, rows):
    taken = []
    over_chunks(lambda start, stop: taken.append((start, stop)), rows, FixedTuner(CONFIG), threads)
    assert [row for start, stop in sorted(taken) for row in range(start, stop)] == list(range(rows))
    assert all(start % 64 == 0 for start, _ in taken)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_of_one_thread_is_raised(threads):
    def work(start, stop):
        if start == 640:
            raise KeyError(start)

    with pytest.raises(KeyError, match="640"):
        over_chunks(work, 10_000, FixedTuner(CONFIG), threads)


def test_a_run_that_was_interrupted_lets_later_loops_run():
    """Loops of unknown length fail their rows as long as Ctrl-C counts as pressed."""

    def work(start, stop):
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        while not interrupts.words[0]:
            time.sleep(0.001)

    for _ in range(20):  # until the other thread has got a chunk
        with pytest.raises(KeyboardInterrupt):
            over_chunks(work, 10_000, FixedTuner(CONFIG), 2)
        assert not interrupts.words[0]


def test_a_column_kernel_may_apply_a_plugin():
    inner = define(lambda x: x + 1, name="inner", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)

    def outer(x):
        return dfv.apply(pl.DataFrame({"x": x}), inner, config=CONFIG)["inner"].to_numpy()

    plugin = define(outer, name="outer", form=Form.COLUMN, plugin_type=dfv.PluginType.TRANSFORMER)
    config = dfv.BatchConfig(default_batch_size=4096, tuner="fixed", parallelism=2)
    frame = pl.DataFrame({"x": range(50_000)})
    assert dfv.apply(frame, plugin, config=config)["outer"].to_list() == list(range(1, 50_001))
