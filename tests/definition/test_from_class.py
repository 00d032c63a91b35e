"""Plugins written as classes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import numba
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv


def value_of(target, record=None, **about):
    manager = dfv.PluginManager()
    manager.register_plugin("mine", target, **about)
    return manager.process_record("mine", record or {"x": 2.0}).value


class Scaled:
    """Scales."""

    factor = 2.5

    def process(self, x):
        return x * self.factor


def test_an_attribute_of_the_class():
    assert value_of(Scaled()) == 5.0


def test_an_attribute_of_the_object_wins():
    scaled = Scaled()
    scaled.factor = 3.0
    assert value_of(scaled) == 6.0
    assert value_of(Scaled()) == 5.0


def test_an_attribute_of_a_base_class():
    class Shifted(Scaled):
        factor = 10.0
        shift = 1

    assert value_of(Shifted()) == 20.0


def test_objects_of_one_class_are_different_plugins():
    class Times:
        def __init__(self, factor):
            self.factor = factor

        def process(self, x):
            return x * self.factor

    manager = dfv.PluginManager()
    factors = {"two": 2.0, "three": 3.0, "int": 4, "yes": True}
    for name, factor in factors.items():
        manager.register_plugin(name, Times(factor))
    results = {name: manager.process_record(name, {"x": 2.0}).value for name in factors}
    assert results == {"two": 4.0, "three": 6.0, "int": 8.0, "yes": 2.0}


def test_attributes_are_those_of_registration():
    manager = dfv.PluginManager()
    scaled = Scaled()
    manager.register_plugin("scaled", scaled)
    scaled.factor = 100.0
    assert manager.process_record("scaled", {"x": 2.0}).value == 5.0
    manager.register_plugin("scaled", scaled, replace=True)
    assert manager.process_record("scaled", {"x": 2.0}).value == 200.0


def test_a_dataclass_slots_tuples_and_numpy_scalars():
    @dataclass(slots=True)
    class Polynomial:
        coefficients: tuple[float, float]
        count: np.int64
        scale: np.float32
        on: np.bool_
        name: str = "not read"

        def process(self, x):
            if not self.on:
                return -1.0
            return (self.coefficients[0] + self.coefficients[1] * x) * self.count * self.scale

    assert value_of(Polynomial((1.0, 2.0), np.int64(3), np.float32(0.5), np.bool_(True))) == 7.5
    assert value_of(Polynomial((1.0, 2.0), np.int64(3), np.float32(0.5), np.bool_(False))) == -1.0


def test_constants_static_methods_and_compiled_methods():
    class Static:
        @staticmethod
        def process(x, times=3):
            return x * times

    class Method:
        @classmethod
        def process(cls, x, times=3):
            return x * times

    class Compiled:
        factor = 2.0

        @numba.njit
        def process(self, x, times=3):
            return x * times * self.factor

    assert value_of(Static()) == 6.0
    assert value_of(Method()) == 6.0
    assert value_of(Compiled()) == 12.0
    manager = dfv.PluginManager()
    manager.register_plugin("mine", Static())
    assert manager.process_record("mine", {"x": 2.0}, times=5).value == 10.0


def test_a_filter():
    class Large:
        least = 2.0

        def process(self, x):
            return x >= self.least

    manager = dfv.PluginManager()
    manager.register_plugin("large", Large(), plugin_type="filter")
    frame = manager.process_batch("large", pl.DataFrame({"x": [1.0, 2.0, None, 3.0]})).frame
    assert frame["x"].to_list() == [2.0, 3.0]


def test_its_own_information():
    class Known:
        def process(self, x):
            return x > 0

        def info(self):
            return dfv.PluginInfo(
                name="known",
                version="2.1",
                plugin_type=dfv.PluginType.FILTER,
                description="Positive ones",
                author="Somebody",
            )

    manager = dfv.PluginManager()
    assert manager.register_plugin(Known()).info == Known().info()
    info = manager.register_plugin("other", Known(), version="3.0").info
    assert (info.name, info.version, info.author) == ("other", "3.0", "Somebody")
    assert manager.get_plugin_info("known").plugin_type is dfv.PluginType.FILTER


def test_the_exception_of_a_record_is_the_methods_own():
    class Picky:
        least = 0.0

        def process(self, x):
            if x < self.least:
                raise ValueError("below the least")
            return x

    manager = dfv.PluginManager()
    manager.register_plugin("picky", Picky())
    assert repr(manager.process_record("picky", {"x": -1.0}).error) == "ValueError('below the least')"
    batch = manager.process_batch("picky", pl.DataFrame({"x": [1.0, -1.0]}))
    assert batch.errors["message"].to_list() == ["below the least"]


# -- process_batch and optimize_batch_size ------------------------------------------------------------------


class Doubling:
    """Twice, by chunks."""

    def __init__(self):
        self.sizes, self.asked = [], []

    def process_batch(self, x, times=2):
        self.sizes.append(len(x))
        return x * times

    def optimize_batch_size(self, current_size, latency, throughput):
        self.asked.append((current_size, latency, throughput))
        return current_size * 2


def test_process_batch_gets_chunks_of_its_own_size():
    doubling = Doubling()
    manager = dfv.PluginManager()
    manager.register_plugin("doubling", doubling)
    config = dfv.BatchConfig(default_batch_size=128, enable_parallel=False)
    frame = pl.DataFrame({"x": np.arange(128 + 256 + 512 + 1024, dtype=np.int64)})
    result = manager.process_batch("doubling", frame, config=config)
    assert result.frame["doubling"].equals(frame["x"] * 2, check_names=False)
    assert [size for size in doubling.sizes if size] == [128, 256, 512, 1024]
    assert [size for size, _, _ in doubling.asked[:3]] == [128, 256, 512]
    assert all(isinstance(latency, timedelta) and latency > timedelta(0) for _, latency, _ in doubling.asked)
    assert all(throughput > 0 for _, _, throughput in doubling.asked)
    # The next run goes on where this one ended.
    doubling.sizes.clear()
    manager.process_batch("doubling", frame, config=config, times=3)
    assert [size for size in doubling.sizes if size] == [1920]


def test_its_rule_is_not_asked_without_auto_optimization():
    doubling = Doubling()
    manager = dfv.PluginManager(dfv.PluginManagerConfig(enable_auto_optimization=False))
    manager.register_plugin("doubling", doubling)
    manager.process_batch("doubling", pl.DataFrame({"x": range(10_000)}))
    assert doubling.asked == []


def test_the_rule_of_a_row_kernel():
    class Ruled(Scaled):
        asked = 0

        def optimize_batch_size(self, current_size, latency, throughput):
            Ruled.asked += 1
            return current_size

    manager = dfv.PluginManager()
    manager.register_plugin("ruled", Ruled())
    config = dfv.BatchConfig(default_batch_size=1000, enable_parallel=False)
    manager.process_batch("ruled", pl.DataFrame({"x": [1.0] * 5_000}), config=config)
    assert Ruled.asked >= 4


# -- what is refused ----------------------------------------------------------------------------------------


def refusal(*arguments):
    with pytest.raises(dfv.PluginDefinitionError) as caught:
        dfv.PluginManager().register_plugin(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("attribute", "value", "shown"),
    [
        ("name", "text", "str"),
        ("table", np.arange(3), "ndarray"),
        ("several", [1, 2], "list"),
        ("mixed", (1, "a"), "tuple"),
        ("nothing", (), "tuple"),
        ("none", None, "NoneType"),
        ("_hidden", 5.0, "starts with an underscore"),
    ],
)
def test_attributes_that_compiled_code_cannot_read(attribute, value, shown):
    scope = {}
    # On one line: Python 3.13 then stores `y` and loads `self` by one instruction.
    exec(f"class Reading:\n    def process(self, x):\n        y = x; return self.{attribute} + y", scope)
    reading = scope["Reading"]()
    setattr(reading, attribute, value)
    assert refusal("reading", reading) == (
        f"plugin `reading`: `process` reads `self.{attribute}` ({shown}); compiled code reads only numbers, "
        "booleans and tuples of these of `self`, under public names"
    )


def test_methods_and_properties_are_refused():
    class Calling:
        @property
        def ready(self):
            return 5.0

        def helper(self, x):
            return x

        def process(self, x):
            return self.helper(x)

    class Asking(Calling):
        def process(self, x):
            return x + self.ready

    assert "reads `self.helper` (method)" in refusal("calling", Calling())
    assert "reads `self.ready` (a property)" in refusal("asking", Asking())


def test_an_unreadable_attribute_hides_that_of_the_class():
    scaled = Scaled()
    scaled.factor = "a lot"
    assert "reads `self.factor` (str)" in refusal("scaled", scaled)


def test_other_objects_are_refused():
    class Nothing:
        def process(self):
            return 1.0

    class Nobody:
        def process(self, x, *rest):
            return x

    class Wrong:
        def process(self, x):
            return x

        def info(self):
            return {"name": "wrong"}

    assert refusal("nothing", Nothing()).startswith(
        "plugin `nothing`: it reads no column; give `process` at least"
    )
    assert refusal("nobody", Nobody()).startswith("plugin `nobody`: it takes `*rest`")
    assert "must return a PluginInfo, got {'name': 'wrong'}" in refusal(Wrong())
    assert re.match("a plugin of class Scaled needs a name; give it a method `info`", refusal(Scaled()))
    assert "a plugin must be an instance, got the class `Scaled`; register `Scaled(…)`" in refusal(
        "scaled", Scaled
    )
    assert "`optimize_batch_size` must be a function of" in refusal(
        "odd", type("Odd", (Scaled,), {"optimize_batch_size": 5})()
    )
