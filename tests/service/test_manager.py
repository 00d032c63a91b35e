"""The manager: records, plugins and their states, runs at once, health, monitor, logs, forks."""

from __future__ import annotations

import gc
import logging
import os
import re
import subprocess
import sys
import threading
import time
from typing import NamedTuple

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec import PluginState as State
from dataflare_vec.memory import PoolError

CALLS = 10_000 if "DFV_TEST_STRESS" in os.environ else 500


def in_threads(work, count):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_add_up_and_leak_nothing():
    manager = dfv.PluginManager()
    manager.register_plugin("double", lambda x: x * 2.0)
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0]})
    wrong = []

    def work():
        for _ in range(CALLS):
            if manager.process_batch("double", frame).frame["double"].to_list() != [2.0, 4.0, 6.0]:
                wrong.append(1)

    in_threads(work, 8)
    gc.collect()
    metrics = manager.get_metrics("double")
    assert not wrong
    assert (metrics.runs, metrics.total_processed) == (8 * CALLS, 24 * CALLS)
    assert manager.get_memory_pool_stats().in_use_bytes == 0


# -- records ------------------------------------------------------------------------------------------------


def ratio(part, whole, scale=1):
    if part < 0:
        raise ValueError("negative")
    return scale * part // whole


class Both(NamedTuple):
    low: float
    missing: bool


def both(x: float | None, y):
    if x is None:
        return Both(-1.0, True)
    return Both(min(x, y), False)


@pytest.mark.parametrize("name", ["ratio", "both", "wanted", "total"])
def test_a_record_gives_what_a_batch_gives(name):
    manager = dfv.PluginManager()
    manager.register_plugin(ratio)
    manager.register_plugin("both", both)
    manager.register_plugin("wanted", lambda part: part > 1, plugin_type="filter")
    manager.register_plugin("total", pl.col("part") + pl.col("y"))
    frame = pl.DataFrame(
        {
            "part": pl.Series([7, -1, 0, None, 1], dtype=pl.Int16),
            "whole": [2, 2, 0, 1, None],
            "x": [1.5, None, float("nan"), 2.0, -0.0],
            "y": pl.Series([2.5, 1.0, 1.0, None, 0.0], dtype=pl.Float32),
        }
    )
    batch = manager.process_batch(name, frame)
    new = batch.frame.drop(frame.columns)
    errors = {row["row"]: row for row in batch.errors.iter_rows(named=True)}
    kept = iter(new.iter_rows(named=True) if new.width else batch.frame.iter_rows(named=True))
    for i, record in enumerate(frame.iter_rows(named=True)):
        result = manager.process_record(name, record)
        if i in errors:
            assert not result.success
            assert (type(result.error).__name__, str(result.error)) == (
                errors[i]["error"],
                errors[i]["message"],
            )
            if new.width:
                next(kept)
        elif result.filtered:
            assert (result.success, result.values, result.value) == (True, {}, False)
        else:
            expected = next(kept)
            assert result.success
            if new.width:
                assert pl.DataFrame([result.values]).equals(pl.DataFrame([expected]))
    assert list(kept) == []


def test_a_record_with_bindings_and_extra_fields():
    manager = dfv.PluginManager()
    manager.register_plugin(ratio)
    record = {"a": 9, "b": 2, "note": ["anything", {}]}
    assert manager.process_record("ratio", record, part="a", whole="b", scale=10).value == 45
    with pytest.raises(
        dfv.ColumnNotFoundError, match="plugin `ratio`: the record has no field `part`; available:"
    ):
        manager.process_record("ratio", record)
    with pytest.raises(TypeError, match="`record` must be a dict of one row, got list;"):
        manager.process_record("ratio", [record])


def test_a_record_before_a_frame_does_not_fix_the_types():
    manager = dfv.PluginManager()
    manager.register_plugin("half", lambda x: x / 2)
    manager.register_plugin("same", lambda x: x)
    assert manager.process_record("same", {"x": 3}).value == 3
    manager.process_batch("same", pl.DataFrame({"x": [1.5]}))
    assert repr(manager.process_record("same", {"x": 3}).value) == "3.0"  # as in that frame
    assert repr(manager.process_record("same", {"x": None}).value) == "None"
    assert manager.process_record("same", {"x": True}).success


def test_a_column_kernel_that_raises_gives_a_record_an_error():
    class Picky:
        def process_batch(self, x):
            if len(x) and x[0] < 0:
                raise ValueError("negative")
            return x * 2

    manager = dfv.PluginManager()
    manager.register_plugin("picky", Picky())
    assert manager.process_record("picky", {"x": 2.0}).value == 4.0
    result = manager.process_record("picky", {"x": -2.0})
    assert (result.success, result.values, repr(result.error)) == (False, {}, "ValueError('negative')")
    assert manager.get_metrics("picky").error_count == 1


def test_lists_of_records():
    manager = dfv.PluginManager()
    manager.register_plugin("double", lambda x: x * 2)
    assert manager.process_batch("double", [{"x": 1}, {"x": None}, {}]).frame["double"].to_list() == [
        2,
        None,
        None,
    ]
    assert manager.process_batch("double", []).frame.schema == {"x": pl.Int64, "double": pl.Int64}
    assert manager.process_batch("double", [], x="y").frame.columns == ["y", "double"]
    manager.register_plugin("more", lambda double: double + 1)
    assert manager.process_batch(["double", "more"], []).frame.columns == ["x", "double", "more"]
    with pytest.raises(TypeError, match="a list of records must hold dicts, got int at index 1: 5"):
        manager.process_batch("double", [{"x": 1}, 5])


# -- plugins and states -------------------------------------------------------------------------------------


def test_unregister_and_register_again():
    manager = dfv.PluginManager()
    manager.register_plugin("step", lambda x: x + 1)
    with pytest.raises(dfv.DuplicatePluginError, match="`step`: it is already registered"):
        manager.register_plugin("step", lambda x: x + 2)
    assert manager.process_record("step", {"x": 1}).value == 2
    manager.unregister("step")
    with pytest.raises(dfv.PluginNotFoundError, match="plugin `step` not found"):
        manager.process_record("step", {"x": 1})
    with pytest.raises(dfv.PluginNotFoundError):
        manager.unregister("step")
    assert manager.get_metrics("step") is None
    assert "step" not in manager.get_system_status().states
    manager.register_plugin("step", lambda x: x + 3)
    assert manager.get_state("step") is State.REGISTERED
    assert manager.process_record("step", {"x": 1}).value == 4
    manager.register_plugin("step", lambda x: x + 5, replace=True)
    assert manager.get_metrics("step") is None
    assert manager.process_record("step", {"x": 1}).value == 6


def test_a_plugin_of_the_default_registry_is_hidden_and_seen_again():
    manager = dfv.PluginManager()
    with pytest.raises(dfv.PluginNotFoundError, match="isn't registered here but in the default registry"):
        manager.unregister("haversine")
    manager.register_plugin("haversine", lambda x: x)
    assert [p.name for p in manager.registry.get("haversine").parameters] == ["x"]
    manager.unregister("haversine")
    assert len(manager.registry.get("haversine").parameters) == 5


def test_a_plugin_registered_again_under_another_name():
    manager = dfv.PluginManager()
    plugin = manager.register_plugin("one", lambda x: x, author="A", version="1.1")
    manager.register_plugin("two", plugin, version="2.0", description="the same")
    info = manager.get_plugin_info("two")
    assert (info.name, info.version, info.author, info.description) == ("two", "2.0", "A", "the same")
    assert manager.get_plugin_info("one").version == "1.1"


@pytest.mark.parametrize(
    ("arguments", "about", "message"),
    [
        (("name",), {}, "`register_plugin` needs a function or an object to register as `name`"),
        (("name", 5), {}, "plugin `name`: it must be a function or a Polars expression, got int"),
        ((lambda x: x,), {}, "is a lambda without a name"),
        ((pl.col("x"),), {}, "an expression has no name of its own"),
        (("name", lambda x: x), {"versio": "1"}, "has no option `versio`; did you mean `version`"),
        (
            ("name", lambda x: x),
            {"plugin_type": "sink"},
            'must be one of "transformer", "filter"',
        ),
        (("name", lambda x: x), {"optimize_batch_size": 5}, "`optimize_batch_size` must be a function of"),
    ],
)
def test_what_cannot_be_registered(arguments, about, message):
    with pytest.raises(dfv.PluginDefinitionError, match=re.escape(message)):
        dfv.PluginManager().register_plugin(*arguments, **about)


def test_states():
    manager = dfv.PluginManager()
    seen = []

    class Watching:
        def process_batch(self, x):
            seen.append((manager.get_state("watching"), manager.get_system_status().running))
            return x * 2

    manager.register_plugin("watching", Watching())
    assert manager.get_state("watching") is State.REGISTERED
    with pytest.raises(dfv.ColumnNotFoundError):  # the caller's fault
        manager.process_batch("watching", [{"y": 1.0}])
    assert manager.get_state("watching") is State.REGISTERED
    manager.process_batch("watching", [{"x": 1.0}])
    assert set(seen) == {(State.RUNNING, 1)}
    assert manager.get_state("watching") is State.READY
    assert manager.get_system_status().running == 0
    with pytest.raises(dfv.PluginNotFoundError, match="did you mean `watching`"):
        manager.get_state("watchin")


def test_failed_and_ready_again():
    manager = dfv.PluginManager()
    manager.register_plugin("shift", lambda x, by=1: x << by)
    manager.process_batch("shift", [{"x": 1}])
    with pytest.raises(dfv.KernelCompileError):
        manager.process_batch("shift", [{"x": 1.5}])
    assert manager.get_state("shift") is State.FAILED
    with pytest.raises(dfv.ColumnNotFoundError):  # says nothing about the plugin
        manager.process_batch("shift", [{"y": 1}])
    assert manager.get_state("shift") is State.FAILED
    assert manager.process_record("shift", {"x": 3}).value == 6
    assert manager.get_state("shift") is State.READY


def test_rows_that_fail_do_not_make_a_plugin_fail():
    manager = dfv.PluginManager()
    manager.register_plugin(ratio)
    assert not manager.process_record("ratio", {"part": -1, "whole": 1}).success
    with pytest.raises(dfv.RowError):
        manager.process_batch("ratio", [{"part": -1, "whole": 1}], on_error="raise")
    assert manager.get_state("ratio") is State.READY
    assert manager.get_metrics("ratio").error_count == 2


def test_only_the_guilty_plugin_of_a_pipeline_fails():
    manager = dfv.PluginManager()
    manager.register_plugin("good", lambda x: x * 2.0)
    manager.register_plugin("bad", lambda good: good << 1)
    with pytest.raises(dfv.KernelCompileError, match="`bad`"):
        manager.process_batch(["good", "bad"], [{"x": 1.0}])
    assert manager.get_state("bad") is State.FAILED
    assert manager.get_state("good") is State.REGISTERED


def test_disable_and_enable():
    manager = dfv.PluginManager()
    manager.register_plugin("double", lambda x: x * 2)
    manager.process_record("double", {"x": 1})
    manager.disable("double")
    assert manager.get_state("double") is State.DISABLED
    for run in (manager.process_record, manager.process_batch):
        data = {"x": 1} if run == manager.process_record else [{"x": 1}]
        with pytest.raises(dfv.PluginDisabledError, match=r"disabled; `manager\.enable\('double'\)` lets it"):
            run("double", data)
    assert manager.get_system_status().running == 0
    assert manager.health_check().plugins["double"].status == "disabled"
    assert manager.get_state("double") is State.DISABLED
    manager.enable("double")
    assert manager.get_state("double") is State.REGISTERED
    assert manager.process_record("double", {"x": 1}).value == 2
    with pytest.raises(dfv.PluginNotFoundError):
        manager.disable("unknown")


def test_two_managers_with_a_plugin_of_the_same_name():
    one, other = dfv.PluginManager(), dfv.PluginManager()
    one.register_plugin("step", lambda x: x + 1)
    other.register_plugin("step", lambda x: x + 2)
    assert one.process_record("step", {"x": 1}).value == 2
    assert other.get_state("step") is State.REGISTERED
    assert other.get_metrics("step") is None
    assert other.process_record("step", {"x": 1}).value == 3
    other.disable("step")
    other.unregister("step")
    assert one.process_record("step", {"x": 1}).value == 2
    assert one.get_metrics("step").runs == 2


def test_two_managers_with_one_plugin():
    one, other = dfv.PluginManager(), dfv.PluginManager()
    plugin = one.register_plugin("step", lambda x: x + 1)
    other.register_plugin("step", plugin)
    other.disable("step")
    assert one.process_record("step", {"x": 1}).value == 2
    assert one.get_state("step") is State.READY


# -- runs at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3])
def test_runs_at_once_are_bounded_and_wait(limit):
    manager = dfv.PluginManager(dfv.PluginManagerConfig(max_plugin_instances=limit))
    lock = threading.Lock()
    now, most, full = [0], [0], threading.Event()

    class Slow:
        def process_batch(self, x):
            if not len(x):
                return x
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
                if now[0] == limit:
                    full.set()
            full.wait(5)
            time.sleep(0.005)
            with lock:
                now[0] -= 1
            return x

    manager.register_plugin("slow", Slow())
    results = []

    def work():
        results.append(manager.process_batch("slow", [{"x": 1.0}]).success_count)
        manager.process_record("slow", {"x": 1.0})

    in_threads(work, 8)
    assert results == [1] * 8  # who had to wait got a result, too
    assert most[0] == limit
    assert manager.get_metrics("slow").runs == 16


def test_a_run_that_fails_gives_its_turn_back():
    manager = dfv.PluginManager(dfv.PluginManagerConfig(max_plugin_instances=1))
    manager.register_plugin(ratio)
    for _ in range(3):
        with pytest.raises(dfv.ColumnNotFoundError):
            manager.process_batch("ratio", [{"x": 1}])
    assert manager.process_record("ratio", {"part": 4, "whole": 2}).value == 2


def test_a_run_within_a_run_does_not_wait_for_itself():
    manager = dfv.PluginManager(dfv.PluginManagerConfig(max_plugin_instances=1))

    class Outer:
        def process_batch(self, x):
            return manager.process_batch("inner", pl.DataFrame({"x": x})).frame["inner"].to_numpy()

    manager.register_plugin("inner", lambda x: x + 1.0)
    manager.register_plugin("outer", Outer())
    assert manager.process_record("outer", {"x": 1.0}).value == 2.0


# -- health -------------------------------------------------------------------------------------------------


def test_health_check_finds_what_is_broken_and_counts_nothing():
    manager = dfv.PluginManager()
    manager.register_plugin("good", lambda x: x * 2)
    manager.register_plugin("of_text", pl.col("name").str.to_uppercase())
    manager.register_plugin("broken", lambda x: x.upper().nonsense())
    manager.process_batch("good", [{"x": 1}])
    with pytest.raises(dfv.KernelCompileError):
        manager.process_batch("broken", [{"x": 1}])
    before, pool = manager.get_metrics("good"), manager.get_memory_pool_stats()
    tuners = len(manager.runtime.tuners)
    report = manager.health_check()
    found = {name: one.status for name, one in report.plugins.items()}
    assert found == {"good": "healthy", "of_text": "healthy", "broken": "unhealthy"}
    assert not report.healthy
    assert "can't be compiled" in report.plugins["broken"].message
    assert report.plugins["good"].message == "runs on 3 rows of (x: Int64)"
    assert report.pool.status == "healthy"
    assert manager.get_state("broken") is State.FAILED
    assert manager.get_state("of_text") is State.READY
    assert manager.get_metrics("good") == before
    assert manager.get_metrics("broken") is None
    assert manager.get_metrics("of_text") is None
    assert len(manager.runtime.tuners) == tuners
    assert manager.get_memory_pool_stats().in_use_bytes == pool.in_use_bytes
    assert manager.get_system_status().health is report
    manager.unregister("broken")
    assert manager.health_check().healthy


def test_a_plugin_that_failed_is_tried_on_what_it_failed_on():
    """Of other dtypes, such as text, it may well do."""
    manager = dfv.PluginManager()
    manager.register_plugin("loud", lambda x: x.upper())
    manager.register_plugin("half", lambda x: x / 2)
    frame = pl.DataFrame({"x": [1.0], "s": ["a"]})
    assert manager.health_check(["loud"]).plugins["loud"].message == "runs on 3 rows of (x: String)"
    for steps in ("loud", ["half", dfv.step("loud", x="half")]):
        with pytest.raises(dfv.KernelCompileError):
            manager.process_batch(steps, frame)
        health = manager.health_check().plugins
        assert {name: one.status for name, one in health.items()} == {"half": "healthy", "loud": "unhealthy"}
        said = health["loud"].message
        assert said.startswith("plugin `loud` can't be compiled for the columns (x: Float64)")
        assert manager.get_state("loud") is State.FAILED
        with pytest.raises(dfv.ColumnNotFoundError):  # no fault of its own
            manager.process_batch("loud", frame, x="y")
        assert manager.health_check(["loud"]).plugins["loud"].status == "unhealthy"
        manager.process_batch("loud", frame, x="s")
        assert manager.health_check().healthy
        assert manager.get_state("loud") is State.READY


def test_a_plugin_that_was_never_run_is_tried_on_what_it_declares():
    def loud(x: float):
        return x.upper()

    manager = dfv.PluginManager()
    manager.register_plugin(loud)
    health = manager.health_check().plugins["loud"]
    assert health.status == "unhealthy"
    assert health.message.startswith("plugin `loud` can't be compiled for the columns (x: Float64)")


def test_what_an_expression_gave_is_guessed():
    manager = dfv.PluginManager()
    manager.register_plugin("loud", lambda x: x.upper())
    manager.register_plugin("total", pl.sum_horizontal(pl.all()))
    manager.process_batch("loud", pl.DataFrame({"s": ["a"]}), x=pl.col("s") + "b")
    manager.process_batch("total", pl.DataFrame({"x": [1.0]}))
    assert manager.health_check().plugins["loud"].message == "runs on 3 rows of (x: String)"
    assert manager.health_check().plugins["total"].status != "unhealthy"


def test_health_of_a_plugin_that_was_never_run():
    manager = dfv.PluginManager()
    manager.register_plugin("hopeless", lambda x: x.mend())
    one = manager.health_check(["hopeless"]).plugins["hopeless"]
    assert one.status == "unknown"
    assert "with Float64 KernelCompileError: plugin `hopeless` can't be compiled" in one.message
    assert manager.get_state("hopeless") is State.REGISTERED
    with pytest.raises(dfv.PluginNotFoundError):
        manager.health_check(["missing"])


def test_health_finds_that_memory_is_nearly_at_its_limit():
    manager = dfv.PluginManager(
        dfv.PluginManagerConfig(memory_pool_config=dfv.MemoryPoolConfig(max_bytes=17 << 16))
    )
    manager.register_plugin("double", lambda x: x * 2)
    frame = pl.DataFrame({"x": [0.0] * 125_000})
    kept = manager.process_batch("double", frame)
    report = manager.health_check()
    assert report.pool.status == "unhealthy"
    assert "more than 90 % of `max_bytes=1,114,112`" in report.pool.message
    with pytest.raises(MemoryError, match="would take the memory pool over"):
        manager.process_batch("double", frame)
    assert manager.get_state("double") is State.READY  # it isn't the plugin's fault
    del kept
    gc.collect()
    assert manager.health_check().healthy


# -- monitor, logs, end -------------------------------------------------------------------------------------


def monitors():
    return [thread for thread in threading.enumerate() if thread.name == "dataflare_vec monitor"]


def test_the_monitor_lives_as_long_as_the_context(caplog):
    config = dfv.PluginManagerConfig(monitoring_interval=0.01, health_check_interval=0.01)
    manager = dfv.PluginManager(config)
    manager.register_plugin("double", lambda x: x * 2)
    assert monitors() == []
    assert not manager.get_system_status().monitoring
    with caplog.at_level(logging.INFO, "dataflare_vec"):
        with manager:
            manager.start()  # twice is once
            assert len(monitors()) == 1
            assert manager.get_system_status().monitoring
            deadline = time.monotonic() + 20
            while "double: ready" not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.01)
        assert monitors() == []
    assert "double: ready" in caplog.text  # the health check tried it, the status says so
    assert not manager.get_system_status().monitoring
    manager.stop()


def test_the_monitor_survives_errors(caplog):
    class Failing(dfv.PluginManager):
        def health_check(self, names=None):
            raise RuntimeError("broken check")

    with Failing(dfv.PluginManagerConfig(monitoring_interval=0, health_check_interval=0.005)):
        deadline = time.monotonic() + 10
        while len(caplog.records) < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
    assert caplog.text.count("monitoring failed") >= 2
    assert "broken check" in caplog.text


def test_the_monitor_ends_with_its_manager():
    manager = dfv.PluginManager(dfv.PluginManagerConfig(monitoring_interval=0.005))
    manager.start()
    (thread,) = monitors()
    del manager
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_an_interval_of_zero_is_never():
    with dfv.PluginManager(
        dfv.PluginManagerConfig(monitoring_interval=0, health_check_interval=0)
    ) as manager:
        assert monitors() == []
        assert not manager.get_system_status().monitoring


def test_the_end_of_the_context_closes_the_own_pool_and_results_stay():
    with dfv.PluginManager() as manager:
        manager.register_plugin("double", lambda x: x * 2.0)
        frame = manager.process_batch("double", pl.DataFrame({"x": range(100_000)})).frame
    assert frame["double"].sum() == 2.0 * sum(range(100_000))
    assert manager.get_memory_pool_stats().in_use_bytes > 0
    with pytest.raises(PoolError, match="the memory pool is closed"):
        manager.process_batch("double", [{"x": 1}])
    assert manager.get_state("double") is State.READY
    assert manager.get_metrics("double").total_processed == 100_000
    del frame
    gc.collect()
    assert manager.get_memory_pool_stats().in_use_bytes == 0
    assert manager.get_memory_pool_stats().idle_bytes == 0
    manager.close()


def test_a_pool_that_was_given_stays_open():
    with dfv.MemoryPool() as pool:
        for _ in range(2):
            with dfv.PluginManager(pool=pool) as manager:
                manager.register_plugin("double", lambda x: x * 2.0)
                assert manager.process_record("double", {"x": 1.0}).value == 2.0
            assert not pool.closed
            assert pool.get_buffer(1).size == 1
    assert pool.closed


def test_debug_mode_says_what_is_decided(caplog):
    logger = logging.getLogger("dataflare_vec")
    before = logger.level
    batch = dfv.BatchConfig(default_batch_size=1024, tuner="fixed", enable_parallel=False)
    config = dfv.PluginManagerConfig(
        enable_debug_mode=True, batch_config=batch, monitoring_interval=0, health_check_interval=0
    )
    with dfv.PluginManager(config) as manager:
        manager.register_plugin(ratio)
        manager.process_batch("ratio", pl.DataFrame({"part": [-1] + [1] * 2999, "whole": 1}))
        assert logger.level == logging.DEBUG
    assert "`ratio`: compiled for (Int64, Int32) -> (Int64) in " in caplog.text
    assert re.search(r"`ratio`: rows 0 to \d+ ran in the error-recording loop, 1 failed", caplog.text)
    assert "`ratio`: 3000 rows in 3 chunks of 952 to 1024 rows, " in caplog.text
    assert "best size 1024 rows (FixedTuner)" in caplog.text
    assert logger.level == before
    caplog.clear()
    dfv.PluginManager().register_plugin("quiet", lambda x: x)
    assert caplog.text == ""


def test_a_failure_is_logged_as_a_warning(caplog):
    manager = dfv.PluginManager()
    manager.register_plugin("broken", lambda x: x.upper().nonsense())
    with pytest.raises(dfv.KernelCompileError):
        manager.process_batch("broken", [{"x": 1}])
    assert "plugin `broken` failed: plugin `broken` can't be compiled" in caplog.text


def test_debug_mode_ends_with_its_manager():
    logger = logging.getLogger("dataflare_vec")
    before = logger.level
    one, other = (dfv.PluginManager(dfv.PluginManagerConfig(enable_debug_mode=True)) for _ in range(2))
    one.close()
    one.close()
    assert logger.level == logging.DEBUG
    del other
    gc.collect()
    assert logger.level == before


FORK = """
import os, threading, time, warnings
warnings.simplefilter("ignore")
import polars as pl
import dataflare_vec as dfv

config = dfv.PluginManagerConfig(
    max_plugin_instances=1, monitoring_interval=0.01, health_check_interval=0.01,
    batch_config=dfv.BatchConfig(default_batch_size=1024, tuner="fixed", parallelism=2),
)
manager = dfv.PluginManager(config)
started, go_on = threading.Event(), threading.Event()

class Slow:
    def process_batch(self, x):
        if len(x):
            started.set()
            go_on.wait(30)
        return x

manager.register_plugin("double", lambda x: x * 2.0)
manager.register_plugin("slow", Slow())
frame = pl.DataFrame({"x": [1.0] * 10_000})
manager.process_batch("double", frame)
manager.start()
thread = threading.Thread(target=manager.process_batch, args=("slow", [{"x": 1.0}]))
thread.start()
started.wait()
child = os.fork()  # while a run holds the only turn
if not child:
    code = 1
    try:
        status = manager.get_system_status()
        assert not status.monitoring and status.running == 0, status
        assert manager.get_state("slow") is dfv.PluginState.REGISTERED
        for _ in range(3):
            assert manager.process_batch("double", frame).frame["double"].sum() == 20_000.0
        assert manager.get_metrics("double").total_processed == 40_000
        manager.register_plugin("new", lambda x: x + 1.0)
        assert manager.process_record("new", {"x": 1.0}).value == 2.0
        assert manager.health_check(["double"]).healthy
        manager.start()
        assert manager.get_system_status().monitoring
        manager.close()
        code = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
go_on.set()
thread.join()
assert manager.get_system_status().monitoring
assert manager.get_metrics("double").total_processed == 10_000
manager.close()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_goes_on():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_the_types_that_a_plugin_last_had_are_known():
    manager = dfv.PluginManager()
    manager.register_plugin("double", lambda value: value * 2)
    for dtype in (pl.Int64, pl.Float64, pl.Float64, pl.Int32):
        manager.process_batch("double", pl.DataFrame({"value": [1, 2]}, schema={"value": dtype}))
        assert manager._states.dtypes["double"] == {"value": dtype}
    manager.process_record("double", {"value": 0.5})  # a record doesn't take the place of a frame
    assert manager._states.dtypes["double"] == {"value": pl.Int32}
