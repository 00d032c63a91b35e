"""Settings out of TOML, the environment and arguments; what is refused, word for word."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta

import pytest

import dataflare_vec as dfv
from dataflare_vec import BatchConfig, MemoryPoolConfig, PluginManagerConfig


def refusal(error, make, *args, **settings):
    with pytest.raises(error) as caught:
        make(*args, **settings)
    return str(caught.value)


# -- TOML ---------------------------------------------------------------------------------------------------

TOML = """
max_plugin_instances = 4
enable_debug_mode = true
monitoring_interval = "2min"
health_check_interval = 0

[batch_config]
default_batch_size = 100
target_latency = "50ms"
min_throughput = 2000
parallelism = 2

[memory_pool_config]
max_tiny_buffers = 2000
max_idle_time = 1.5
"""
EXPECTED = PluginManagerConfig(
    max_plugin_instances=4,
    enable_debug_mode=True,
    monitoring_interval=120,
    health_check_interval=0,
    batch_config=BatchConfig(
        default_batch_size=100, target_latency=0.05, min_throughput=2000.0, parallelism=2
    ),
    memory_pool_config=MemoryPoolConfig(max_tiny_buffers=2000, max_idle_time=1.5),
)


def written(tmp_path, text, name="dataflare.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_toml(tmp_path):
    path = written(tmp_path, TOML)
    assert PluginManagerConfig.from_toml(path) == EXPECTED
    assert PluginManagerConfig.from_toml(str(path)) == EXPECTED
    assert PluginManagerConfig.from_toml(written(tmp_path, "")) == PluginManagerConfig()


def test_toml_of_a_project(tmp_path):
    text = '[project]\nname = "x"\n' + TOML.replace("\n[", "\n[tool.dataflare_vec.").replace(
        "\nmax_plugin", "\n[tool.dataflare_vec]\nmax_plugin"
    )
    assert PluginManagerConfig.from_toml(written(tmp_path, text, "pyproject.toml")) == EXPECTED
    nothing = written(tmp_path, "[project]\nname = 'x'\n", "pyproject.toml")
    assert PluginManagerConfig.from_toml(nothing) == PluginManagerConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "max_plugin_instance = 4",
            "unknown setting `max_plugin_instance`; did you mean `max_plugin_inst",
        ),
        (
            "[batch_config]\nchunk = 4",
            "`batch_config`: unknown setting `chunk`; available: `default_batch_",
        ),
        ("[batch_config]\ntarget_latncy = 4", "`target_latncy`; did you mean `target_latency`?"),
        ("batch_config = 4", "`batch_config` must be a table of settings, got 4"),
        ("batch_config = 'fast'", "`batch_config` must be a table of settings, got 'fast'"),
        ("[batch_config]\nparallelism = 0", "`batch_config`: `parallelism` must be 1 or more, got 0"),
        ("[batch_config]\nparallelism = 1.5", "`parallelism` must be an integer, got 1.5"),
        ("enable_metrics = 1", "`enable_metrics` must be True or False, got 1"),
        ("monitoring_interval = '5 weeks'", "with a unit (us, ms, s, min, h), such as `50ms`, got '5 weeks'"),
        ("monitoring_interval = 2020-01-01", "`monitoring_interval` must be a timedelta or a number of"),
        ("max_plugin_instances = = 4", "is not valid TOML: "),
    ],
)
def test_toml_that_is_refused(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises((ValueError, TypeError)) as caught:
        PluginManagerConfig.from_toml(path)
    assert str(caught.value).startswith(f"`{path}`")
    assert message in str(caught.value)


def test_a_project_with_a_setting_where_the_table_should_be(tmp_path):
    path = written(tmp_path, "[tool]\ndataflare_vec = 3\n", "pyproject.toml")
    assert refusal(ValueError, PluginManagerConfig.from_toml, path) == (
        f"`{path}`: `tool.dataflare_vec` must be a table of settings, got 3"
    )


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.toml"):
        PluginManagerConfig.from_toml(tmp_path / "missing.toml")


# -- the environment ----------------------------------------------------------------------------------------


def test_environment():
    environ = {
        "DATAFLARE_VEC_MAX_PLUGIN_INSTANCES": "4",
        "DATAFLARE_VEC_ENABLE_DEBUG_MODE": "yes",
        "DATAFLARE_VEC_MONITORING_INTERVAL": "2min",
        "DATAFLARE_VEC_HEALTH_CHECK_INTERVAL": "0",
        "DATAFLARE_VEC_BATCH_DEFAULT_BATCH_SIZE": " 100 ",
        "DATAFLARE_VEC_BATCH_TARGET_LATENCY": "50 ms",
        "DATAFLARE_VEC_BATCH_MIN_THROUGHPUT": "2e3",
        "DATAFLARE_VEC_BATCH_PARALLELISM": "2",
        "DATAFLARE_VEC_MEMORY_POOL_MAX_TINY_BUFFERS": "2000",
        "DATAFLARE_VEC_MEMORY_POOL_MAX_IDLE_TIME": "1.5",
        "DATAFLARE_VEC_CACHE_DIR": "/elsewhere",
        "HOME": "/root",
    }
    assert PluginManagerConfig.from_environment(environ) == EXPECTED
    assert PluginManagerConfig.from_environment({}) == PluginManagerConfig()


def test_each_setting_has_a_variable():
    for prefix, name, cls in (
        ("", None, PluginManagerConfig),
        ("BATCH_", "batch_config", BatchConfig),
        ("MEMORY_POOL_", "memory_pool_config", MemoryPoolConfig),
    ):
        for field in fields(cls):
            if field.name.endswith("_config"):
                continue
            expected = getattr(cls(), field.name)
            text = str(expected.total_seconds()) if isinstance(expected, timedelta) else str(expected)
            environ = {f"DATAFLARE_VEC_{prefix}{field.name.upper()}": text}
            config = PluginManagerConfig.from_environment(environ)
            assert getattr(getattr(config, name) if name else config, field.name) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250us", 250e-6), ("50ms", 0.05), ("3", 3), ("3s", 3), ("1.5min", 90), ("2h", 7200), ("1e-3", 0.001)],
)
def test_durations(text, expected):
    config = PluginManagerConfig.from_environment({"DATAFLARE_VEC_BATCH_TARGET_LATENCY": text})
    assert config.batch_config.target_latency == timedelta(seconds=expected)


@pytest.mark.parametrize("text", ["none", "None", ""])
def test_no_limit(text):
    config = PluginManagerConfig.from_environment({"DATAFLARE_VEC_MAX_PLUGIN_INSTANCES": text})
    assert config.max_plugin_instances is None


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (
            "MAX_PLUGIN_INSTANCE",
            "4",
            "unknown setting `DATAFLARE_VEC_MAX_PLUGIN_INSTANCE` in the environment; did you mean ",
        ),
        ("BATCH_TARGET", "4", "`DATAFLARE_VEC_BATCH_TARGET_LATENCY`"),
        ("MAX_PLUGIN_INSTANCES", "four", "`max_plugin_instances` must be an integer, got 'four'"),
        ("MAX_PLUGIN_INSTANCES", "0", "the environment: `max_plugin_instances` must be 1 or more, got 0"),
        ("ENABLE_METRICS", "maybe", "`enable_metrics` must be true or false, got 'maybe'"),
        ("ENABLE_METRICS", "", "`enable_metrics` must be true or false, got ''"),
        ("BATCH_MIN_THROUGHPUT", "fast", "`min_throughput` must be a number, got 'fast'"),
        ("BATCH_MIN_THROUGHPUT", "nan", "`min_throughput` must be finite and non-negative, got nan"),
        (
            "BATCH_TARGET_LATENCY",
            "--",
            "`target_latency` must be a number of seconds, optionally with a unit",
        ),
        (
            "BATCH_TARGET_LATENCY",
            "1e999s",
            "`target_latency` must be a number of seconds, optionally with a unit",
        ),
        ("BATCH_TARGET_LATENCY", "-1", "`target_latency` must not be negative, got -1 day, 23:59:59"),
        (
            "BATCH_TUNER",
            "magic",
            "`batch_config`: `tuner` must be one of 'chunk', 'rule', 'fixed'; got 'magic'",
        ),
    ],
)
def test_environment_that_is_refused(variable, text, message):
    environ = {f"DATAFLARE_VEC_{variable}": text}
    assert message in refusal(ValueError, PluginManagerConfig.from_environment, environ)


# -- precedence ---------------------------------------------------------------------------------------------


def test_a_variable_wins_over_the_file_and_the_file_over_the_defaults(tmp_path):
    environ = {
        "DATAFLARE_VEC_CONFIG": str(written(tmp_path, TOML)),
        "DATAFLARE_VEC_BATCH_PARALLELISM": "8",
        "DATAFLARE_VEC_MAX_PLUGIN_INSTANCES": "none",
    }
    config = PluginManagerConfig.from_environment(environ)
    assert config.max_plugin_instances is None
    assert (config.batch_config.parallelism, config.batch_config.default_batch_size) == (8, 100)
    assert config.batch_config.tuner == BatchConfig().tuner
    assert config.memory_pool_config == EXPECTED.memory_pool_config


def test_an_error_in_the_file_names_the_file(tmp_path):
    path = written(tmp_path, "[batch_config]\nparallelism = 0")
    environ = {"DATAFLARE_VEC_CONFIG": str(path), "DATAFLARE_VEC_BATCH_PARALLELISM": "8"}
    message = refusal(ValueError, PluginManagerConfig.from_environment, environ)
    assert message == f"`{path}`, `batch_config`: `parallelism` must be 1 or more, got 0"


def test_the_config_of_a_call_wins_over_the_managers():
    manager = dfv.PluginManager(PluginManagerConfig(batch_config=BatchConfig(max_error_details=1)))

    def failing(x):
        if x > 0:
            raise ValueError("too large")
        return x

    manager.register_plugin(failing)
    records = [{"x": 1}, {"x": 2}, {"x": 3}]
    assert manager.process_batch("failing", records).errors.height == 1
    config = BatchConfig(max_error_details=2)
    assert manager.process_batch("failing", records, config=config).errors.height == 2


@pytest.mark.parametrize("service", ["DATAFLARE_VEC", "DATAFLARE_VEC_BATCH", "DATAFLARE_VEC_MEMORY_POOL"])
def test_variables_of_a_kubernetes_service_are_no_settings(service):
    """They are in each container of a namespace that has a service called `dataflare-vec`."""
    environ = {
        f"{service}_SERVICE_HOST": "10.0.0.11",
        f"{service}_SERVICE_PORT": "80",
        f"{service}_SERVICE_PORT_HTTP_METRICS": "80",
        f"{service}_PORT": "tcp://10.0.0.11:80",
        f"{service}_PORT_80_TCP": "tcp://10.0.0.11:80",
        f"{service}_PORT_80_TCP_PROTO": "tcp",
        f"{service}_PORT_80_TCP_PORT": "80",
        f"{service}_PORT_80_TCP_ADDR": "10.0.0.11",
    }
    assert PluginManagerConfig.from_environment(environ) == PluginManagerConfig()


def test_a_manager_without_config_does_not_read_the_environment(monkeypatch):
    monkeypatch.setenv("DATAFLARE_VEC_MAX_PLUGIN_INSTANCES", "3")
    assert dfv.PluginManager().config.max_plugin_instances is None


def test_the_default_manager_reads_the_environment():
    code = "import dataflare_vec as dfv; print(dfv.default_manager().config.batch_config.parallelism)"
    environ = {**os.environ, "DATAFLARE_VEC_BATCH_PARALLELISM": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environ, timeout=60
    )
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_auto_optimization_of_either_is_needed():
    for one in (True, False):
        for other in (True, False):
            config = PluginManagerConfig(
                enable_auto_optimization=one, batch_config=BatchConfig(enable_auto_optimization=other)
            )
            assert config.run_config.enable_auto_optimization is (one and other)


# -- what a dataclass refuses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"default_batch_size": 0}, ValueError, "`default_batch_size` must be 1 or more, got 0"),
        ({"min_batch_size": "64"}, TypeError, "`min_batch_size` must be an integer, got '64'"),
        (
            {"max_batch_size": 8},
            ValueError,
            "`max_batch_size` must not be below `min_batch_size` (64), got 8",
        ),
        ({"max_error_details": True}, TypeError, "`max_error_details` must be an integer, got True"),
        ({"target_latency": 0}, ValueError, "`target_latency` must be more than 0, got 0:00:00"),
        (
            {"target_latency": float("nan")},
            ValueError,
            "`target_latency` must be a finite number of seconds, got nan",
        ),
        (
            {"target_latency": "50ms"},
            TypeError,
            "`target_latency` must be a timedelta or a number of seconds, got '50ms'",
        ),
        (
            {"min_throughput": float("inf")},
            ValueError,
            "`min_throughput` must be finite and non-negative, got inf",
        ),
        ({"min_throughput": "1"}, TypeError, "`min_throughput` must be a number, got '1'"),
        ({"tuner": "best"}, ValueError, "`tuner` must be one of 'chunk', 'rule', 'fixed'; got 'best'"),
        ({"parallelism": 0}, ValueError, "`parallelism` must be 1 or more, got 0"),
        ({"enable_parallel": 1}, TypeError, "`enable_parallel` must be True or False, got 1"),
        (
            {"enable_auto_optimization": None},
            TypeError,
            "`enable_auto_optimization` must be True or False, got None",
        ),
    ],
)
def test_batch_config(settings, error, message):
    assert refusal(error, BatchConfig, **settings) == message


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"batch_config": {}}, TypeError, "`batch_config` must be a BatchConfig, got {}"),
        (
            {"memory_pool_config": None},
            TypeError,
            "`memory_pool_config` must be a MemoryPoolConfig, got None",
        ),
        (
            {"monitoring_interval": -1},
            ValueError,
            "`monitoring_interval` must not be negative, got -1 day, 23:59:59",
        ),
        (
            {"health_check_interval": "1"},
            TypeError,
            "`health_check_interval` must be a timedelta or a number of seconds, got '1'",
        ),
        ({"max_plugin_instances": 0}, ValueError, "`max_plugin_instances` must be 1 or more, got 0"),
        ({"max_plugin_instances": 1.0}, TypeError, "`max_plugin_instances` must be an integer, got 1.0"),
        ({"enable_debug_mode": 1}, TypeError, "`enable_debug_mode` must be True or False, got 1"),
        ({"enable_metrics": "on"}, TypeError, "`enable_metrics` must be True or False, got 'on'"),
        (
            {"enable_auto_optimization": 0},
            TypeError,
            "`enable_auto_optimization` must be True or False, got 0",
        ),
    ],
)
def test_manager_config(settings, error, message):
    assert refusal(error, PluginManagerConfig, **settings) == message


def test_configs_are_frozen_and_equal_by_value():
    config = PluginManagerConfig()
    with pytest.raises(AttributeError):
        config.enable_metrics = False
    assert config == PluginManagerConfig()
    assert hash(config) == hash(PluginManagerConfig())
    assert BatchConfig(target_latency=0.1) == BatchConfig(target_latency=timedelta(milliseconds=100))
