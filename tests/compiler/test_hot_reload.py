"""Cells that are run again, as a notebook runs them: code of `__main__` out of no file."""

from __future__ import annotations

import itertools
import linecache
import subprocess
import sys

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.registry import default_registry

FRAME = pl.DataFrame({"x": [1.0, 2.0]})


class Notebook:
    """Runs source as cells of one notebook."""

    def __init__(self):
        self.names = {"__name__": "__main__", "dfv": dfv, "pl": pl}
        self._count = itertools.count(1)
        self.run("import numba, math")

    def run(self, source):
        name = f"<cell {next(self._count)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), self.names)

    def apply(self, plugin):
        return FRAME.pipe(dfv.apply, plugin, keep=False)[plugin].to_list()


@pytest.fixture
def notebook(monkeypatch):
    default_registry.load_packs()
    monkeypatch.setattr(default_registry, "_plugins", dict(default_registry._plugins))
    return Notebook()


def kernels_of(name):
    return list(remembered(default_registry.get(name)).derived.kernels.values())


def test_a_cell_that_is_run_again_replaces_its_plugin(notebook):
    notebook.run("@dfv.plugin\ndef tax(x):\n    return x * 2")
    assert notebook.apply("tax") == [2.0, 4.0]
    notebook.run("@dfv.plugin\ndef tax(x):\n    return x * 3")
    assert notebook.apply("tax") == [3.0, 6.0]


def test_what_has_not_changed_keeps_its_kernels(notebook):
    cell = "\n@dfv.plugin\ndef tax(x):\n    return x * 2"
    notebook.run(cell)
    notebook.apply("tax")
    before = kernels_of("tax")
    notebook.run("# a comment\n" + cell)
    notebook.run("# another one\n\n" + cell)  # never run between
    assert kernels_of("tax") == []
    notebook.apply("tax")
    assert [id(one) for one in kernels_of("tax")] == [id(one) for one in before]
    notebook.run(cell.replace("@dfv.plugin", "@dfv.plugin(math='libm')"))
    notebook.apply("tax")
    assert kernels_of("tax")[0] is not before[0]


def test_expressions_and_lambdas_are_replaced_too(notebook):
    for factor in (2, 3):
        notebook.run(f"_ = dfv.register('more', pl.col('x') * {factor})")
        notebook.run(f"_ = dfv.register('most', lambda x: x * {factor})")
        assert notebook.apply("more") == notebook.apply("most") == [1.0 * factor, 2.0 * factor]


def test_another_function_of_a_taken_name_still_raises(notebook):
    notebook.run("@dfv.plugin\ndef tax(x):\n    return x * 2")
    with pytest.raises(dfv.DuplicatePluginError, match="`tax`: it is already registered"):
        notebook.run("@dfv.plugin(name='tax')\ndef duty(x):\n    return x * 3")
    with pytest.raises(dfv.DuplicatePluginError):
        notebook.run("dfv.register('tax', pl.col('x'))")
    notebook.run("dfv.register('net', pl.col('x'))")
    with pytest.raises(dfv.DuplicatePluginError):  # not from the notebook, but from this module
        dfv.register("net", pl.col("x") * 2)


def test_two_functions_of_one_name_in_a_script_still_raise(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import dataflare_vec as dfv\n"
        "@dfv.plugin\ndef tax(x):\n    return x\n"
        "@dfv.plugin\ndef tax(x):\n    return x * 2\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert "DuplicatePluginError: plugin `tax`: it is already registered" in done.stderr


KERNEL = "@dfv.plugin\ndef total(x):\n    return added(x)"


def test_a_helper_that_is_redefined_is_used(notebook):
    notebook.run("@numba.njit\ndef added(x):\n    return x + 1")
    notebook.run(KERNEL)
    assert notebook.apply("total") == [2.0, 3.0]
    notebook.run("@numba.njit\ndef added(x):\n    return x + 10")
    assert notebook.apply("total") == [11.0, 12.0]
    assert FRAME.lazy().pipe(dfv.apply, "total").collect()["total"].to_list() == [11.0, 12.0]


@pytest.mark.parametrize("math", ["precise", "libm"])
def test_a_helper_of_a_helper_that_is_redefined_is_used(notebook, math):
    notebook.run("@numba.njit\ndef inner(x):\n    return x + 1")
    notebook.run("@numba.njit\ndef added(x):\n    return inner(x) * 2")
    notebook.run(KERNEL.replace("plugin", f"plugin(math={math!r})"))
    assert notebook.apply("total") == [4.0, 6.0]
    notebook.run("@numba.njit\ndef inner(x):\n    return x + 10")
    assert notebook.apply("total") == [22.0, 24.0]


def test_a_constant_that_is_redefined_is_used(notebook):
    notebook.run("RATE = 2.0")
    notebook.run("@dfv.plugin\ndef tax(x):\n    return x * RATE")
    assert notebook.apply("tax") == [2.0, 4.0]
    before = kernels_of("tax")
    notebook.run("RATE = 1.0 + 1.0")
    assert notebook.apply("tax") == [2.0, 4.0]
    assert kernels_of("tax")[0] is before[0]
    notebook.run("RATE = 3.0")
    assert notebook.apply("tax") == [3.0, 6.0]
    notebook.run("RATE = 3")
    assert notebook.apply("tax") == [3.0, 6.0]


@pytest.mark.parametrize("decorator", ["", "@numba.njit\n", "@dfv.plugin\n"])
def test_what_a_helper_names_is_redefined(notebook, decorator):
    notebook.run("RATE = 2.0")
    notebook.run("def inner(x):\n    return x * RATE")
    notebook.run(f"{decorator}def added(x):\n    return inner(x) + RATE")
    notebook.run(KERNEL)
    assert notebook.apply("total") == [4.0, 6.0]
    notebook.run("RATE = 3.0")
    assert notebook.apply("total") == [6.0, 9.0]
    notebook.run("def inner(x):\n    return x - RATE")
    assert notebook.apply("total") == [1.0, 2.0]


def test_a_helper_that_is_run_again_unchanged_compiles_nothing(notebook):
    helper = "@numba.njit\ndef added(x):\n    return x + 1"
    notebook.run(helper)
    notebook.run(KERNEL)
    notebook.apply("total")
    before = kernels_of("total")
    notebook.run("#\n" + helper)
    notebook.apply("total")
    assert kernels_of("total")[0] is before[0]


def test_a_column_kernel_sees_a_redefined_helper(notebook):
    notebook.run("@numba.njit\ndef added(x):\n    return x + 1")
    notebook.run("@dfv.column\n@numba.njit\ndef total(x):\n    return added(x)")
    assert notebook.apply("total") == [2.0, 3.0]
    notebook.run("@numba.njit\ndef added(x):\n    return x + 10")
    assert notebook.apply("total") == [11.0, 12.0]


def test_an_expression_made_before_sees_a_redefined_helper(notebook):
    notebook.run("@numba.njit\ndef added(x):\n    return x + 1")
    notebook.run(KERNEL)
    expression = dfv.expr("total", "x")
    assert FRAME.select(expression).to_series().to_list() == [2.0, 3.0]
    notebook.run("@numba.njit\ndef added(x):\n    return x + 10")
    assert FRAME.select(expression).to_series().to_list() == [11.0, 12.0]


def test_a_kernel_that_could_not_be_compiled_is_tried_again(notebook):
    notebook.run("def added(x):\n    return x + (id(x) and 1)")
    notebook.run(KERNEL.replace("plugin", "plugin(fallback='python', returns=pl.Float64)"))
    with pytest.warns(dfv.InterpretedWarning, match="the built-in `id` isn't supported"):
        assert notebook.apply("total") == [2.0, 3.0]
    notebook.run("def added(x):\n    return x + 1")
    assert notebook.apply("total") == [2.0, 3.0]
    (kernel,) = kernels_of("total")
    assert hasattr(kernel, "kernel")


def test_an_error_marks_the_line_of_the_cell(notebook):
    notebook.run("@dfv.plugin\ndef tax(x):\n    return x.mean()")
    with pytest.raises(dfv.KernelCompileError) as caught:
        notebook.apply("tax")
    assert 'File "<cell 2>", line 3, in tax\n    3 | return x.mean()\n      |        ^^^^^^' in str(
        caught.value
    )


#: A definition, and what in it is replaced by what; then what it gives before and after.
SCAN = "@dfv.scan(init=0.0)\ndef total(s, x):\n    return s + x, s + x"
REDUCE = (
    "@dfv.reduce(init=0.0, merge=lambda a, b: a + b, finish=lambda s: s * 2)\n"
    "def total(s, x):\n    return s + x"
)
REDEFINED = {
    "init of a scan": (SCAN, "init=0.0", "init=10.0", [1.0, 3.0], [11.0, 13.0]),
    "the type of init": (SCAN, "init=0.0", "init=0", [1.0, 3.0], [1.0, 3.0]),
    "the sign of init": (
        "@dfv.reduce(init=0.0)\ndef total(s, x):\n    return s * x",
        "init=0.0",
        "init=-0.0",
        [0.0],
        [-0.0],
    ),
    "an array of init": (
        "import numpy as np\n@dfv.scan(init=np.array([1.0, 2.0]))\ndef total(s, x):\n    return s, s[1] * x",
        "2.0]",
        "3.0]",
        [2.0, 4.0],
        [3.0, 6.0],
    ),
    "init of a reduce": (REDUCE, "init=0.0", "init=10.0", [6.0], [46.0]),
    "finish": (REDUCE, "s * 2", "s * 3", [6.0], [9.0]),
    "merge": (REDUCE, "a + b", "a * b", [6.0], [4.0]),
    "returns": (
        "@dfv.plugin(returns=pl.Float64)\ndef total(x):\n    return x",
        "Float64",
        "Float32",
        None,
        None,
    ),
    "lookback": (
        "@dfv.plugin(lookback=1)\ndef total(x: float | None):\n    return x[-1]",
        "=1",
        "=2",
        [None, 1.0],
        [None, 1.0],
    ),
    "an annotation": (
        "@dfv.plugin\ndef total(x: float):\n    return x + 1",
        "float",
        "float | None",
        None,
        None,
    ),
    "a constant": (
        "@dfv.plugin\ndef total(x, k=1.0):\n    return x * k",
        "k=1.0",
        "k=2",
        [1.0, 2.0],
        [2.0, 4.0],
    ),
    "fallback": (
        "@dfv.plugin\ndef total(x):\n    return x",
        "plugin",
        "plugin(fallback='python')",
        None,
        None,
    ),
    "a filter": ("@dfv.plugin\ndef total(x):\n    return x > 1", "plugin", "filter", [False, True], [2.0]),
}  # fmt: skip


@pytest.mark.parametrize("what", REDEFINED)
def test_whatever_is_said_anew_of_a_plugin_counts(notebook, monkeypatch, what):
    from dataflare_vec.engine.stages import partitioned

    monkeypatch.setattr(partitioned, "PARTITION_ROWS", 1)
    cell, old, new, before, after = REDEFINED[what]

    def values():
        kept = default_registry.get("total").is_filter
        found = FRAME.pipe(dfv.apply, "total", keep=kept).to_series().to_list()
        return [(type(one), str(one)) for one in found]

    notebook.run(cell)
    first = values()
    kernels = kernels_of("total")
    if before is not None:
        assert first == [(type(one), str(one)) for one in before]
    notebook.run(cell.replace(old, new, 1))
    second = values()
    if after is not None:
        assert second == [(type(one), str(one)) for one in after]
    assert kernels_of("total")[0] is not kernels[0]


def test_the_same_scan_again_compiles_nothing(notebook):
    for cell in (SCAN, REDUCE):
        notebook.run(cell.replace("total", "again"))
        notebook.apply("again")
        before = kernels_of("again")
        notebook.run("#\n" + cell.replace("total", "again"))
        notebook.apply("again")
        assert [id(one) for one in kernels_of("again")] == [id(one) for one in before]
        notebook.run("from dataflare_vec.definition.registry import default_registry as r; r.remove('again')")
