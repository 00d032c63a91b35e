"""What a kernel's key is made of: everything that changes its machine code, and nothing else."""

from __future__ import annotations

import math
import re
import types
from collections import namedtuple
from enum import IntEnum
from pathlib import Path

import numba
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.cache.environment import own_sources
from dataflare_vec.compiler.cache.fingerprint import NotCacheable, fingerprint
from dataflare_vec.compiler.cache.key import key_of
from dataflare_vec.definition.binding import bind
from dataflare_vec.definition.plugin import Form, PluginType, define

FLOAT = (pl.Float64(),)
Point = namedtuple("Point", "x y")


class Level(IntEnum):
    LOW = 1
    HIGH = 2


def make(source: str, **scope):
    """Return the function of a source, with globals of its own."""
    exec(compile(source, "<source>", "exec"), scope)
    return scope["f"]


def key(function, dtypes=FLOAT, **about):
    about.setdefault("plugin_type", PluginType.TRANSFORMER)
    plugin = define(function, name="f", form=Form.ROW, **about)
    return key_of(bind(plugin, {}), list(dtypes))


def test_the_same_source_has_the_same_key_wherever_it_stands():
    source = "def f(x):\n    return x * K + math.sin(x)"
    first = make(source, K=2.0, math=math)
    second = make("\n\n# moved\n" + source.replace("return", "return "), K=2.0, math=math)
    assert first is not second
    assert key(first) == key(second)


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    return x * K + math.cos(x)",
        "def f(x):\n    return x * K - math.sin(x)",
        "def f(x):\n    return x * K + 1 + math.sin(x)",
        "def f(y):\n    return y * K + math.sin(y)",
        "def f(x):\n    if x > 0:\n        return x * K + math.sin(x)\n    return x",
    ],
)
def test_another_body_has_another_key(other):
    assert key(make("def f(x):\n    return x * K + math.sin(x)", K=2.0, math=math)) != key(
        make(other, K=2.0, math=math)
    )


VALUES = [
    None, True, 1, 2, 1.0, 2.0, -0.0, 0.0, math.nan, math.inf, (1, 2), (1, 2.0), (2, 1), ((1,), 2), ((1, 2),),
    "1", b"1", 1j, Point(1, 2), Point(1, 3), Point, Level.LOW, Level.HIGH, Level, np.float32(1),
    np.float64(1), np.int64(1), np.array([1.0, 2.0]), np.array([1.0, 3.0]), np.array([1, 2]),
    np.array([[1.0, 2.0]]), np.array([[1.0], [2.0]]), np.array([1.0, 2.0], np.float32), np.zeros((2, 3)),
    np.zeros((2, 3), order="F"),
    np.zeros((3, 2)), [1, 2], {"a": 1}, {"a": 2}, frozenset({1, 2}), math.sin, math.cos, np.sin, np.cos, abs,
    float, int, ValueError, numba.float64, numba.int64, np.float32, np.dtype("f4"),
]  # fmt: skip


def test_each_value_of_a_global_has_a_key_of_its_own():
    keys = [key(make("def f(x):\n    return K", K=value)) for value in VALUES]
    assert len(set(keys)) == len(VALUES)


def test_each_value_of_a_closure_has_a_key_of_its_own():
    def kernel(value):
        return lambda x: value

    keys = [fingerprint(kernel(value)) for value in VALUES]
    assert len(set(keys)) == len(VALUES)


def test_arrays_count_by_content_not_by_identity():
    array = np.array([1.0, 2.0])
    function = make("def f(x):\n    return K[0] * x", K=array)
    before = key(function)
    array[0] = 5.0
    assert key(function) != before
    array[0] = 1.0
    assert key(function) == before


def module(name, **attributes):
    made = types.ModuleType(name)
    vars(made).update(attributes)
    return made


def test_attributes_of_modules_count_at_any_depth():
    source = "def f(x):\n    return x * pack.constants.RADIUS"
    inner = module("pack.constants", RADIUS=1.0, UNUSED=1.0)
    function = make(source, pack=module("pack", constants=inner))
    before = key(function)
    inner.UNUSED = 2.0
    assert key(function) == before
    inner.RADIUS = 2.0
    assert key(function) != before


def test_helpers_count_at_any_depth():
    def kernel(factor, option):
        innermost = numba.njit(make("def f(x):\n    return x * K", K=factor))
        helper = numba.njit(error_model=option)(make("def f(x):\n    return g(x) + 1", g=innermost))
        return make("def f(x):\n    return h(x)", h=helper)

    assert key(kernel(1.0, "python")) == key(kernel(1.0, "python"))
    assert len({key(kernel(k, o)) for k in (1.0, 2.0) for o in ("python", "numpy")}) == 4


def test_options_of_the_kernel_count():
    function = make("def f(x):\n    return x + 1.0")
    kernels = [
        function,
        numba.njit(function),
        numba.njit(fastmath=True)(function),
        numba.njit(fastmath={"contract"})(function),
        numba.njit(fastmath={"contract", "nsz"})(function),
        numba.njit(error_model="numpy")(function),
        numba.njit(boundscheck=True)(function),
    ]
    assert len({key(kernel) for kernel in kernels}) == len(kernels)


def test_a_function_that_calls_itself_has_a_key():
    @numba.njit
    def factorial(n):
        return n * factorial(n - 1) if n > 1 else 1

    @numba.njit
    def even(n):
        return n == 0 or factorial(n - 1) > 0

    assert key(lambda x: factorial(x) + even(x)) == key(lambda x: factorial(x) + even(x))


def test_defaults_of_helpers_count():
    def kernel(default):
        helper = numba.njit(make(f"def f(x, k={default}):\n    return x * k"))
        return make("def f(x):\n    return h(x)", h=helper)

    assert key(kernel(1.0)) != key(kernel(2.0))


def test_types_modes_and_declared_results_count():
    def f(x):
        return x

    def nullable(x: float | None):
        return x

    keys = [
        key(f),
        key(f, [pl.Float32()]),
        key(f, [pl.Datetime("us")]),
        key(f, [pl.Datetime("ns")]),
        key(f, [pl.Duration("us")]),
        key(f, math="fast"),
        key(f, math="libm"),
        key(f, returns=pl.Float32),
        key(f, returns="x"),
        key(f, plugin_type=PluginType.FILTER),
        key(nullable),
    ]
    assert len(set(keys)) == len(keys)


def test_types_of_constants_count_but_not_their_values():
    plugin = define(lambda x, k=1: x * k, name="f", form=Form.ROW, plugin_type=PluginType.TRANSFORMER)
    dtypes = [pl.Float64()]
    one, two, real = (key_of(bind(plugin, given), dtypes) for given in ({}, {"k": 2}, {"k": 2.5}))
    assert one == two != real


def test_fields_of_an_annotated_struct_count():
    def kernel(annotations):
        made = type("Trip", (namedtuple("Trip", annotations),), {"__annotations__": annotations})

        def f(trip):
            return trip.a

        f.__annotations__ = {"trip": made}
        return f

    struct = [pl.Struct({"a": pl.Float64, "b": pl.Float64})]
    shapes = [{"a": float}, {"a": int}, {"a": float | None}, {"a": float, "b": float}]
    assert len({key(kernel(shape), struct) for shape in shapes}) == len(shapes)


def plain_helper(x):
    return x


def test_what_cannot_be_hashed_safely_says_so():
    class Unknown:
        def method(self):
            return 1

    lazy = module("lazy", __getattr__=lambda name: 1.0)
    contains_itself: list = []
    contains_itself.append(contains_itself)
    refused = {
        "of type test_fingerprint": Unknown(),
        "the class": Unknown,
        "of type builtins.method": Unknown().method,
        "more than 1 MB": np.zeros(200_000),
        "or with gaps": np.zeros((4, 4))[::2, ::2],
        "of type ndarray": np.array([None], dtype=object),
        "contains itself": contains_itself,
    }
    for message, value in refused.items():
        with pytest.raises(NotCacheable, match=message):
            fingerprint(make("def f(x):\n    return K", K=value))
    with pytest.raises(NotCacheable, match="made on demand"):
        fingerprint(make("def f(x):\n    return lazy.K", lazy=lazy))


def test_a_name_of_numpy_must_be_numpys():
    def impostor(x):
        return x

    impostor.__module__, impostor.__qualname__ = "numpy", "sin"
    source = "def f(x):\n    return g(x)"
    assert fingerprint(make(source, g=impostor)) != fingerprint(make(source, g=np.sin))
    other = make("def f(x):\n    return x + 1")
    other.__module__, other.__qualname__ = "numpy", "sin"
    assert fingerprint(make(source, g=impostor)) != fingerprint(make(source, g=other))


def test_plain_functions_and_plugins_are_helpers_too():
    def kernel(factor, wrap):
        return make("def f(x):\n    return h(x)", h=wrap(make("def f(x):\n    return x * K", K=factor)))

    def as_plugin(function):
        return define(function, name="h", form=Form.ROW, plugin_type=PluginType.TRANSFORMER)

    for wrap in (plain_helper, as_plugin):
        assert key(kernel(2.0, wrap)) == key(kernel(2.0, wrap)) != key(kernel(3.0, wrap))


def test_ready_made_kernels_have_keys():
    for plugin in dfv.plugins():
        if plugin.form is Form.ROW and plugin.__module__.startswith("dataflare_vec_kernels"):
            assert fingerprint(plugin.function)


def test_what_the_compiler_imports_is_part_of_every_key():
    """Modules of messages and files apart: a function for kernels in a new module must not be left out."""
    package = Path(dfv.__file__).parent
    sources = set(own_sources())
    for path in sorted((package / "compiler").rglob("*.py")):
        text = path.read_text()
        names = set(re.findall(r"from dataflare_vec\.(\w+)", text))
        for line in re.findall(r"from dataflare_vec import (.+)", text):
            names |= {item.split()[0] for item in line.split(",")}
        for name in names - {"_util", "config", "exceptions"}:
            found = {package / f"{name}.py", *(package / name).rglob("*.py")}
            assert found & sources, f"{path.name} imports `{name}`"
