"""Options of a wrong type are refused, in words that name them; none is taken for something else."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define


def half(x):
    return x / 2


def pair(x):
    return x, -x


HALF = define(half, name="half", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
PAIR = define(pair, name="pair", form=Form.ROW, plugin_type=dfv.PluginType.TRANSFORMER)
FRAME = pl.DataFrame({"x": [1.0, 2.0], "y": [3, 4]})

CALLS = {
    "apply": lambda **options: dfv.apply(FRAME, HALF, **options),
    "lazy": lambda **options: dfv.apply(FRAME.lazy(), HALF, **options),
    "series": lambda **options: dfv.apply(FRAME["x"], HALF, **options),
    "reader": lambda **options: dfv.apply(FRAME.to_arrow().to_reader(), HALF, **options),
    "run": lambda **options: dfv.run(FRAME, HALF, **options),
    "stream": lambda **options: dfv.stream(FRAME, HALF, **options),
    "process_batch": lambda **options: dfv.PluginManager().process_batch(HALF, FRAME, **options),
    "expr": lambda **options: dfv.expr(HALF, "x", **options),
    "step": lambda **options: dfv.apply(FRAME, [dfv.step(HALF, **options)]),
}
FLAGS = [["y"], "y", None, 0, 1, "", np.True_]


@pytest.mark.parametrize("call", [name for name in CALLS if name != "expr"])
def test_keep_and_replace_are_flags(call):
    for value in FLAGS:
        with pytest.raises(TypeError, match="`keep` must be True or False, got"):
            CALLS[call](keep=value)
        if call != "series":
            with pytest.raises(TypeError, match="`replace` must be True or False, got"):
                CALLS[call](replace=value)


@pytest.mark.parametrize("call", [name for name in CALLS if name != "step"])
def test_on_error_and_manager(call):
    for value in (None, True, "skip", ["null"], 3):
        with pytest.raises(ValueError, match="`on_error` must be"):
            CALLS[call](on_error=value)
    if call != "process_batch":
        for value in ("mine", 0, dfv.PluginManager):
            with pytest.raises(TypeError, match="`manager` must be a PluginManager, got"):
                CALLS[call](manager=value)


@pytest.mark.parametrize("call", ["apply", "lazy", "series", "reader", "run", "stream", "process_batch"])
def test_config_and_output(call):
    for value in ({"parallelism": 1}, 3, "fast", dfv.BatchConfig):
        with pytest.raises(TypeError, match="`config` must be a BatchConfig, got"):
            CALLS[call](config=value)
    for value in (3, True, {"a", "b"}, {"half": 1}, [1], pl.col("y")):
        with pytest.raises(
            dfv.OutputNameError, match="plugin `half`: `output` must be a name, a list of names or"
        ):
            CALLS[call](output=value)


@pytest.mark.parametrize("log", [[], "failed.parquet", dfv.ErrorLog])
def test_errors_is_a_log(log):
    with pytest.raises(TypeError, match=r"`errors` must be a `dfv.ErrorLog`, got"):
        dfv.apply(FRAME, HALF, errors=log)
    for limit in (True, "many", -1):
        with pytest.raises((TypeError, ValueError), match="`limit` must be"):
            dfv.ErrorLog(limit=limit)


@pytest.mark.parametrize("latency", ["1s", True, float("nan"), float("inf"), -1, [1]])
def test_durations(latency):
    with pytest.raises((TypeError, ValueError), match="`max_latency` must"):
        dfv.stream(FRAME, HALF, max_latency=latency)
    assert dfv.stream(FRAME, HALF, max_latency=timedelta(seconds=1)).schema.names() == ["x", "y", "half"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": "no"}, "`resume` must be True or False"),
        ({"overwrite": []}, "`overwrite` must be True or False"),
        ({"partition_by": 3}, "`partition_by` must be a column's name or a list of them, got 3"),
        ({"partition_by": [True]}, "`partition_by` must be"),
        ({"errors": 3}, "`errors` must be the path"),
        ({"progress": 3}, "`progress` must be a function"),
        ({"target": 3}, "the target must be a path, a function or an open binary file, got 3"),
    ],
)
def test_writing(tmp_path, options, message):
    options = {"target": tmp_path / "out.parquet", **options}
    with pytest.raises(TypeError, match=message):
        dfv.stream(FRAME, HALF, on_error="drop").write(**options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["xlsx", 3, True])
def test_formats(format, tmp_path):
    FRAME.write_parquet(tmp_path / "in")
    for source in (FRAME, tmp_path / "in"):
        with pytest.raises(
            ValueError, match="`format` must be one of parquet, ipc, ipc_stream, csv, ndjson, got"
        ):
            dfv.stream(source, HALF, format=format)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": 3}, "`name` of a plugin must be a string, got 3"),
        ({"name": ""}, "name of a plugin must be a string that isn't empty"),
        ({"version": 2}, "`version` of a plugin must be a string, got 2"),
        ({"author": ["me"]}, "`author` of a plugin must be a string"),
        ({"description": True}, "`description` of a plugin must be a string"),
        ({"lookback": "x"}, "`lookback` must be a number of rows from 0 to 32, got 'x'"),
        ({"lookahead": ["x"]}, "`lookahead` must be a number of rows from 0 to 32"),
        ({"lookback": 1.0}, "`lookback` must be a number of rows from 0 to 32, got 1.0"),
        ({"lookback": {"x": True}}, "`lookback` must be a number of rows from 0 to 32, got True"),
        ({"math": True}, "`math` must be"),
        ({"fallback": True}, "`fallback` must be"),
    ],
)
def test_definitions(options, message):
    with pytest.raises(dfv.PluginDefinitionError, match=message):
        dfv.plugin(**options)(half)


def test_registering():
    for register in (dfv.register, dfv.PluginManager().register_plugin):
        with pytest.raises(TypeError, match="`replace` must be True or False, got 'yes'"):
            register("half_again", half, replace="yes")
    with pytest.raises(TypeError, match="`replace` must be True or False"):
        dfv.plugin(name="half_again", replace=1)(half)


def test_managers():
    with pytest.raises(TypeError, match="`config` must be a PluginManagerConfig, got"):
        dfv.PluginManager({"enable_metrics": True})
    with pytest.raises(TypeError, match="`registry` must be a Registry, got"):
        dfv.PluginManager(registry={})
    with pytest.raises(TypeError, match="`pool` must be a MemoryPool, or a function that makes one, got 3"):
        dfv.PluginManager(pool=3)


def test_compiling_ahead():
    with pytest.raises(dfv.BindingError, match="`schema` must be a dict from parameter to dtype, got 3"):
        dfv.compile_ahead(HALF, 3)
    with pytest.raises(dfv.BindingError, match="the type of parameter `x` must be a Polars dtype, got 'f64'"):
        dfv.compile_ahead(HALF, {"x": "f64"})
    assert dfv.compile_ahead("haversine", dict.fromkeys(("lat1", "lon1", "lat2", "lon2"), pl.Float64))
