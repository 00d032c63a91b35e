"""The manager: eight threads at once, class plugins, states, records, reports."""

from __future__ import annotations

import gc
import json
import os
import threading

import polars as pl
import pytest

import dataflare_vec as dfv

CALLS = 10_000 if "DFV_TEST_STRESS" in os.environ else 1_250


def test_threads_add_up_and_leak_nothing():
    manager = dfv.PluginManager()
    manager.register_plugin("double", lambda x: x * 2.0)
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0]})
    wrong = []

    def work():
        for _ in range(CALLS):
            if manager.process_batch("double", frame).frame["double"].to_list() != [2.0, 4.0, 6.0]:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    metrics = manager.get_metrics("double")
    assert not wrong
    assert (metrics.runs, metrics.total_processed) == (8 * CALLS, 24 * CALLS)
    assert manager.get_memory_pool_stats().in_use_bytes == 0


def test_class_plugin_record_and_state():
    class Scaled:
        def __init__(self):
            self.factor = 2.5

        def process(self, value):
            return value * self.factor

    with dfv.PluginManager() as manager:
        manager.register_plugin("scaled", Scaled())
        assert manager.get_state("scaled") is dfv.PluginState.REGISTERED
        assert manager.process_record("scaled", {"value": 2.0}).value == 5.0
        assert manager.get_state("scaled") is dfv.PluginState.READY
        assert manager.health_check().healthy
        manager.disable("scaled")
        with pytest.raises(dfv.PluginDisabledError, match="`scaled` is disabled"):
            manager.process_batch("scaled", [{"value": 1.0}])


@pytest.mark.parametrize("suffix", ["json", "html"])
def test_report(tmp_path, suffix):
    manager = dfv.PluginManager()
    manager.register_plugin("<b>", lambda x: x + 1.0)
    manager.process_batch("<b>", [{"x": 1.0}])
    path = tmp_path / f"report.{suffix}"
    manager.export_performance_report(path)
    text = path.read_text()
    if suffix == "json":
        assert json.loads(text)["plugins"][0]["total_processed"] == 1
    else:
        assert "<b>:" not in text
        assert "http" not in text
