"""A service with a manager of its own: settings, metrics, health, one record at a time."""

import polars as pl

import dataflare_vec as dfv


def risk(amount: float, age: int) -> float:
    return amount / age


config = dfv.PluginManagerConfig(
    batch_config=dfv.BatchConfig(target_latency=0.02),
    memory_pool_config=dfv.MemoryPoolConfig(max_bytes=64 << 20),
)
with dfv.PluginManager(config) as manager:
    risk_plugin: dfv.Plugin = manager.register_plugin("risk", risk, description="Amount per year")
    one: dfv.PluginResult = manager.process_record("risk", {"amount": 10.0, "age": 4})
    assert one.values["risk"] == 2.5
    frame = pl.DataFrame({"amount": [10.0, 3.0], "age": [2, 0]})
    many: dfv.BatchResult = manager.process_batch("risk", frame, on_error="null")
    metrics: dfv.PluginMetrics | None = manager.get_metrics("risk")
    assert metrics is not None
    busy: float = metrics.busy_time.total_seconds()
    assert busy > 0.0
    assert metrics.total_processed == many.processed_count + 1
    if not manager.health_check().healthy:
        raise SystemExit(1)
    states = manager.get_system_status().states
    state: dfv.PluginState = states["risk"]
    assert state is dfv.PluginState.READY
