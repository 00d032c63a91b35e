"""What a plugin captures changes between two calls: the new value is used, or the call is refused."""

from __future__ import annotations

import sys
import threading
import types
from dataclasses import make_dataclass
from enum import Enum
from typing import NamedTuple

import numba
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.remembered import remembered
from dataflare_vec.definition.registry import default_registry

FRAME = pl.DataFrame({"x": [1.0, 2.0, 4.0]})

#: How it is captured: source of a function ``taken`` that returns it, and source that sets it to ``new``.
#: ``cfg`` is a module.
WHERE = {
    "a global": ("RATE = 2.0\ndef taken(): return RATE", "global RATE; RATE = new"),
    "a module": ("def taken(): return cfg.RATE", "cfg.RATE = new"),
    "a module of a module": ("def taken(): return cfg.deep.RATE", "cfg.deep.RATE = new"),
    "a module of a module that is replaced": (
        "def taken(): return cfg.deep.RATE",
        "cfg.deep = module('deep', RATE=new)",
    ),
    "an array": ("TABLE = np.array([2.0, 7.0])\ndef taken(): return TABLE[0]", "TABLE[0] = new"),
    "an array in Fortran's order": (
        "TABLE = np.full((2, 3), 2.0, order='F')\ndef taken(): return TABLE[1, 2]",
        "TABLE[1, 2] = new",
    ),
    "an array with gaps": (
        "TABLE = np.full((4, 4), 2.0)[::2, ::2]\ndef taken(): return TABLE[1, 1]",
        "TABLE[1, 1] = new",
    ),
    "a large array": ("TABLE = np.full(200_000, 2.0)\ndef taken(): return TABLE[199_999]", "TABLE[-1] = new"),
    "a read-only view": (
        "TABLE = np.full(3, 2.0)\nVIEW = TABLE[:]\nVIEW.flags.writeable = False\ndef taken(): return VIEW[1]",
        "TABLE[1] = new",
    ),
    "an array of moments": (
        "TABLE = np.array([2], 'timedelta64[s]')\ndef taken(): return TABLE[0] / np.timedelta64(1, 's')",
        "TABLE[0] = int(new)",
    ),
    "an array of a module": ("def taken(): return cfg.TABLE[0]", "cfg.TABLE[0] = new"),
    "an array in a tuple": (
        "TABLES = (np.full(2, 2.0), 1)\ndef taken(): return TABLES[0][0]",
        "TABLES[0][0] = new",
    ),
    "a record": (
        "REC = np.array([(2.0, 1)], [('rate', 'f8'), ('n', 'i8')])[0]\ndef taken(): return REC.rate",
        "REC['rate'] = new",
    ),
    "a tuple": ("RATES = (1.0, 2.0)\ndef taken(): return RATES[1]", "global RATES; RATES = (1.0, new)"),
    "a named tuple": (
        "CFG = Config(2.0, 1)\ndef taken(): return CFG.rate",
        "global CFG; CFG = Config(new, 1)",
    ),
    "a closure": (
        "def make():\n    rate = 2.0\n    def taken(): return rate\n    def change(new):\n"
        "        nonlocal rate\n        rate = new\n    return taken, change\ntaken, set_rate = make()",
        "set_rate(new)",
    ),
    "a default": ("def taken(rate=2.0): return rate", "taken.__defaults__ = (new,)"),
    "a keyword's default": ("def taken(*, rate=2.0): return rate", "taken.__kwdefaults__ = {'rate': new}"),
    "a keyword's default in place": (
        "def taken(*, rate=2.0): return rate",
        "taken.__kwdefaults__['rate'] = new",
    ),
    "a function's code": (
        "def taken(): return 2.0\ndef other(): return 3.0",
        "taken.__code__ = compile(f'def taken(): return {new}', '<new>', 'exec').co_consts[0]",
    ),
    "a helper that is replaced": ("def taken(): return 2.0", "global taken; taken = lambda: new"),
    "a helper of a module": (
        "cfg.rate = lambda: 2.0\ndef taken(): return cfg.rate()",
        "cfg.rate = lambda: new",
    ),
    "a compiled helper of a module": (
        "cfg.rate = numba.njit(lambda: 2.0)\ndef taken(): return cfg.rate()",
        "cfg.rate = numba.njit(lambda: new)",
    ),
    "a helper's global": (
        "RATE = 2.0\n@numba.njit\ndef inner(): return RATE\ndef taken(): return inner()",
        "global RATE; RATE = new",
    ),
    "a helper of another module": (
        "exec('RATE = 2.0\\ndef rate(): return RATE', vars(cfg))\nrate = cfg.rate\n"
        "def taken(): return rate()",
        "cfg.RATE = new",
    ),
    "a helper's module, two deep": (
        "@numba.njit\ndef innermost(): return cfg.RATE\n@numba.njit\ndef inner(): return innermost()\n"
        "def taken(): return inner()",
        "cfg.RATE = new",
    ),
    "a helper out of a tuple": (
        "RATE = 2.0\n@numba.njit\ndef inner(): return RATE\nHELPERS = (inner, inner)\n"
        "def taken(): return HELPERS[0]()",
        "global RATE; RATE = new",
    ),
    "another plugin": (
        "def made(rate):\n    def inner(x): return x * 0 + rate\n"
        "    return dfv.plugin(inner, name='captured_inner', replace=True)\n"
        "inner = made(2.0)\ndef taken(): return inner(1.0)",
        "global inner; inner = made(new)",
    ),
    "another plugin's global": (
        "RATE = 2.0\n@dfv.plugin(name='captured_inner', replace=True)\ndef inner(x): return RATE + 0 * x\n"
        "def taken(): return inner(1.0)",
        "global RATE; RATE = new",
    ),
    "a built-in that is hidden": ("def taken(): return abs(-2.0)", "global abs; abs = lambda x: new"),
    "a module with attributes on demand": (
        "VALUES = {'RATE': 2.0}\ncfg.__getattr__ = lambda name: VALUES[name]\ndel cfg.RATE\n"
        "def taken(): return cfg.RATE",
        "VALUES['RATE'] = new",
    ),
    # What compiled code may come to know; today it is refused.
    "a class": ("class Config:\n    rate = 2.0\ndef taken(): return Config.rate", "Config.rate = new"),
    "an object": (
        "class Config:\n    def __init__(self): self.rate = 2.0\nCFG = Config()\n"
        "def taken(): return CFG.rate",
        "CFG.rate = new",
    ),
    "an object with slots": (
        "class Config:\n    __slots__ = ('rate',)\nCFG = Config()\nCFG.rate = 2.0\n"
        "def taken(): return CFG.rate",
        "CFG.rate = new",
    ),
    "an object of a module": (
        "class Config:\n    rate = 2.0\ncfg.CFG = Config()\ndef taken(): return cfg.CFG.rate",
        "cfg.CFG.rate = new",
    ),
    "a dataclass": (
        "Config = make_dataclass('Config', ['rate'])\nCFG = Config(2.0)\ndef taken(): return CFG.rate",
        "CFG.rate = new",
    ),
    "a dataclass with slots, of a module": (
        "Config = make_dataclass('Config', ['rate'], slots=True)\ncfg.CFG = Config(2.0)\n"
        "def taken(): return cfg.CFG.rate",
        "cfg.CFG.rate = new",
    ),
    "a name space": ("CFG = SimpleNamespace(rate=2.0)\ndef taken(): return CFG.rate", "CFG.rate = new"),
    "a class in a class": (
        "class Config:\n    class Inner:\n        rate = 2.0\ndef taken(): return Config.Inner.rate",
        "Config.Inner.rate = new",
    ),
    "a class's base": (
        "class Base:\n    rate = 2.0\nclass Config(Base): pass\ndef taken(): return Config.rate",
        "Base.rate = new",
    ),
    "a class that hides its base's": (
        "class Base:\n    rate = 2.0\nclass Config(Base): pass\ndef taken(): return Config.rate",
        "Config.rate = new",
    ),
    "a class's static method": (
        "RATE = 2.0\nclass Config:\n    @staticmethod\n    def rate(): return RATE\n"
        "def taken(): return Config.rate()",
        "global RATE; RATE = new",
    ),
    "a class's function": (
        "RATE = 2.0\nclass Config:\n    def rate(): return RATE\ndef taken(): return Config.rate()",
        "global RATE; RATE = new",
    ),
    "a static method that is replaced": (
        "class Config:\n    @staticmethod\n    def rate(): return 2.0\ndef taken(): return Config.rate()",
        "Config.rate = staticmethod(lambda: new)",
    ),
    "a function in a name space": (
        "RATE = 2.0\nCFG = SimpleNamespace(rate=lambda: RATE)\ndef taken(): return CFG.rate()",
        "global RATE; RATE = new",
    ),
    "an enumeration's static method": (
        "RATE = 2.0\nclass Rate(Enum):\n    PAID = 1\n    @staticmethod\n    def rate(): return RATE\n"
        "def taken(): return Rate.rate()",
        "global RATE; RATE = new",
    ),
    "a named tuple's static method": (
        "RATE = 2.0\nclass Rate(NamedTuple):\n    n: int\n    @staticmethod\n    def rate(): return RATE\n"
        "RATES = Rate(1)\ndef taken(): return RATES.rate()",
        "global RATE; RATE = new",
    ),
    "a named tuple's class": (
        "class Rate(NamedTuple):\n    n: int\n    RATE = 2.0\ndef taken(): return Rate.RATE",
        "Rate.RATE = new",
    ),
    "a class's class": (
        "class Meta(type):\n    rate = 2.0\nclass Config(metaclass=Meta): pass\n"
        "def taken(): return Config.rate",
        "Meta.rate = new",
    ),
    "an enum's member": (
        "class Rate(Enum):\n    PAID = 2.0\ndef taken(): return Rate.PAID.value",
        "Rate.PAID._value_ = new",
    ),
    "a module that is passed on": (
        "def read(module): return module.RATE\ndef taken(): return read(cfg)",
        "cfg.RATE = new",
    ),
    "a module that is passed on twice": (
        "def inner(module): return module.RATE\ndef read(module): return inner(module)\n"
        "def taken(): return read(cfg)",
        "cfg.RATE = new",
    ),
    "a module that is a default": (
        "def read(module=cfg): return module.RATE\ndef taken(): return read()",
        "cfg.RATE = new",
    ),
    "a text": (
        "CUR = 'EUR'\nSET = SimpleNamespace(cur='EUR')\ndef taken(): return 2.0 if CUR == SET.cur else 3.0",
        "SET.cur = 'USD'",
    ),
    "an enum that is replaced": (
        "Rate = Enum('Rate', {'PAID': 2.0})\ndef taken(): return Rate.PAID.value",
        "global Rate; Rate = Enum('Rate', {'PAID': new})",
    ),
    "a list": ("RATES = [2.0]\ndef taken(): return RATES[0]", "RATES[0] = new"),
    "a list of a module": ("cfg.RATES = [2.0]\ndef taken(): return cfg.RATES[0]", "cfg.RATES[0] = new"),
    "a dict": ("RATES = {'a': 2.0}\ndef taken(): return RATES['a']", "RATES['a'] = new"),
    "a set": (
        "RATES = {2.0}\ndef taken():\n    for r in RATES: return r\n    return 0.0",
        "RATES.clear(); RATES.add(new)",
    ),
}  # fmt: skip


class Config(NamedTuple):
    rate: float
    n: int


def module(name, **attributes):
    made = types.ModuleType(name)
    vars(made).update(attributes)
    return made


class Scope:
    """A module of the user's with a function `taken` and a way to change what it returns."""

    def __init__(self, where, kernels):
        setup, change = WHERE[where]
        cfg = module("cfg", RATE=2.0, TABLE=np.array([2.0, 1.0]), deep=module("deep", RATE=2.0))
        self.names = {
            "__name__": "captured_scope",
            "cfg": cfg,
            "np": np,
            "numba": numba,
            "dfv": dfv,
            "pl": pl,
        }
        self.names |= {"module": module, "Config": Config, "Enum": Enum, "NamedTuple": NamedTuple}
        self.names |= {"make_dataclass": make_dataclass, "SimpleNamespace": types.SimpleNamespace}
        source = f"{setup}\n{kernels}\ndef change(new):\n    {change}\n"
        exec(compile(source, "<captured>", "exec"), self.names)

    def __getitem__(self, name):
        return self.names[name]


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    default_registry.load_packs()
    monkeypatch.setattr(default_registry, "_plugins", dict(default_registry._plugins))


ROW = "@dfv.plugin\ndef out(x): return x * taken()"
NEW = 3.0


@pytest.mark.parametrize("where", WHERE)
def test_the_new_value_is_used_or_the_kernel_refused(where):
    scope = Scope(where, ROW)
    try:
        found = FRAME.pipe(dfv.apply, scope["out"])["out"].to_list()
    except dfv.KernelCompileError:
        scope["change"](NEW)
        with pytest.raises(dfv.KernelCompileError):
            FRAME.pipe(dfv.apply, scope["out"])
        return
    assert found == [2.0, 4.0, 8.0]
    scope["change"](NEW)
    assert FRAME.pipe(dfv.apply, scope["out"])["out"].to_list() == [3.0, 6.0, 12.0]
    assert FRAME.pipe(dfv.apply, scope["out"], x="x")["out"].to_list() == [3.0, 6.0, 12.0]


#: How a plugin is written that reads `taken`, and what it gives for a rate.
FORMS = {
    "row": (ROW, lambda r: [r, 2 * r, 4 * r]),
    "row, libm": (ROW.replace("plugin", "plugin(math='libm')"), lambda r: [r, 2 * r, 4 * r]),
    "row, interpreted": (
        "@dfv.plugin(fallback='python', returns=pl.Float64)\ndef out(x): return x * taken() + 0 * id(x)",
        lambda r: [r, 2 * r, 4 * r],
    ),
    "filter": (
        "@dfv.filter\ndef out(x): return x < taken()",
        lambda r: [x for x in (1.0, 2.0, 4.0) if x < r],
    ),
    "column": (
        "@dfv.column\n@numba.njit\ndef inner(x): return x * RATE if len(x) else x * 1.0\n"
        "@dfv.column\ndef out(x): return x * taken()",
        lambda r: [r, 2 * r, 4 * r],
    ),
    "compiled column": (
        "taken = numba.njit(taken)\n@dfv.column\n@numba.njit\ndef out(x): return x * taken()",
        lambda r: [r, 2 * r, 4 * r],
    ),
    "column with a compiled helper": (
        "@numba.njit\ndef helper(x): return x * RATE\n@dfv.column\ndef out(x): return helper(x)",
        lambda r: [r, 2 * r, 4 * r],
    ),
    "expression": ("@dfv.expression\ndef out(x): return x * taken()", lambda r: [r, 2 * r, 4 * r]),
    "scan": (
        "@dfv.scan(init=0.0)\ndef out(s, x): return s + x * taken(), s + x * taken()",
        lambda r: [r, 3 * r, 7 * r],
    ),
    "reduce": ("@dfv.reduce(init=0.0)\ndef out(s, x): return s + x * taken()", lambda r: [7 * r]),
    "finish": (
        "@dfv.reduce(init=0.0, finish=lambda s: s * taken())\ndef out(s, x): return s + x",
        lambda r: [7 * r],
    ),
    "merge": (
        "@dfv.reduce(init=0.0, merge=lambda a, b: (a + b) * taken())\ndef out(s, x): return s + x",
        lambda r: [7 * r],
    ),
}  # fmt: skip
#: How a plugin is run.
ROADS = {
    "apply": lambda p, f: f.pipe(dfv.apply, p, keep=p.is_filter),
    "run": lambda p, f: dfv.run(f, p, keep=p.is_filter, on_error="raise").frame,
    "pipeline": lambda p, f: f.pipe(dfv.apply, [p], keep=p.is_filter),
    "lazy": lambda p, f: f.lazy().pipe(dfv.apply, p, keep=p.is_filter).collect(),
    "stream": lambda p, f: pl.concat(list(dfv.stream(iter([f]), p, keep=p.is_filter))),
    "reader": lambda p, f: pl.from_arrow(dfv.apply(f.to_arrow().to_reader(), p, keep=p.is_filter).read_all()),
    "expr": lambda p, f: f.filter(dfv.expr(p, "x")) if p.is_filter else f.select(dfv.expr(p, "x")),
    "manager": lambda p, f: dfv.PluginManager().process_batch(p, f, keep=p.is_filter).frame,
}


@pytest.mark.filterwarnings("ignore::dataflare_vec.InterpretedWarning")
@pytest.mark.parametrize("form", FORMS)
def test_each_form_on_each_path(form, monkeypatch):
    from dataflare_vec.engine.stages import partitioned

    if form == "merge":
        monkeypatch.setattr(partitioned, "PARTITION_ROWS", 1)
    kernels, expected = FORMS[form]
    scope = Scope("a global", kernels)
    if form == "merge":

        def expected(rate):
            return [((1.0 + 2.0) * rate + 4.0) * rate]

    plugin = scope["out"]
    for i, (name, road) in enumerate(ROADS.items()):
        if (form, name) == ("merge", "expr"):
            continue  # one state for each group: nothing is merged
        scope["change"](2.0 + i)  # another one than on the road before
        found = road(plugin, FRAME)
        assert found.to_series().to_list() == expected(2.0 + i), name


def test_a_plan_made_before_computes_with_what_there_is_when_it_runs():
    scope = Scope("a global", ROW)
    expression = dfv.expr(scope["out"], "x")
    lazy = FRAME.lazy().pipe(dfv.apply, scope["out"])
    scope["change"](NEW)
    assert FRAME.select(expression).to_series().to_list() == [3.0, 6.0, 12.0]
    assert lazy.collect()["out"].to_list() == [3.0, 6.0, 12.0]


def test_an_expression_of_polars_is_made_when_the_query_is():
    scope = Scope("a global", FORMS["expression"][0])
    lazy = FRAME.lazy().pipe(dfv.apply, scope["out"])
    scope["change"](NEW)
    assert lazy.collect()["out"].to_list() == [2.0, 4.0, 8.0]


def test_batches_of_a_stream_are_computed_with_what_there_is_at_their_time():
    import pyarrow as pa

    kernels = "@dfv.reduce(init=0.0, finish=lambda s: s + RATE)\ndef total(s, x): return s + x * RATE"
    scope = Scope("a global", f"{ROW}\n{kernels}")

    def batches():
        yield from FRAME.to_arrow().to_batches()
        scope["change"](10.0)
        yield from FRAME.to_arrow().to_batches()
        scope["change"](0.5)

    def reader():
        scope["change"](2.0)
        return pa.RecordBatchReader.from_batches(FRAME.to_arrow().schema, batches())

    rows = dfv.apply(reader(), scope["out"]).read_all()["out"].to_pylist()
    assert rows == [2.0, 4.0, 8.0, 10.0, 20.0, 40.0]
    total = dfv.apply(reader(), scope["total"]).read_all()["total"].to_pylist()
    assert total == [7 * 2.0 + 7 * 10.0 + 0.5]
    # `stream` reads ahead, so what a source changes is there before its batches are computed.
    scope["change"](2.0)
    frames = dfv.stream(iter([FRAME]), scope["total"], memory=None)
    assert pl.concat(list(frames))["total"].to_list() == [7 * 2.0 + 2.0]


def test_a_state_whose_type_changes_in_a_stream_is_refused():
    import pyarrow as pa

    scope = Scope("a global", "@dfv.scan(init=0)\ndef out(s, n): return s + n * RATE, n")
    scope["change"](2)
    frame = pl.DataFrame({"n": [1, 2, 3]})

    def batches():
        yield from frame.to_arrow().to_batches()
        scope["change"](2.5)
        yield from frame.to_arrow().to_batches()

    reader = pa.RecordBatchReader.from_batches(frame.to_arrow().schema, batches())
    with pytest.raises((dfv.StateError, pa.ArrowInvalid), match="the state's type: it was"):
        dfv.apply(reader, scope["out"]).read_all()


def test_a_lazy_query_whose_type_changes_before_it_runs_is_right_or_refused():
    scope = Scope("a global", "@dfv.plugin\ndef out(n): return n * RATE")
    scope["change"](2)
    lazy = pl.LazyFrame({"n": [1, 2, 3]}).pipe(dfv.apply, scope["out"])
    scope["change"](2.5)
    try:
        found = lazy.collect()["out"].to_list()
    except pl.exceptions.PolarsError:
        return
    assert found == [2.5, 5.0, 7.5]


def test_an_attribute_that_is_there_only_later():
    kernels = (
        "@dfv.plugin\ndef out(x): return x * cfg.LATER\n"
        "@dfv.plugin\ndef some(x, factor=None): return x if factor is None else x * factor * cfg.LATER\n"
    )
    scope = Scope("a global", kernels)
    with pytest.raises(dfv.KernelCompileError):
        FRAME.pipe(dfv.apply, scope["out"])
    assert FRAME.pipe(dfv.apply, scope["some"])["some"].to_list() == [1.0, 2.0, 4.0]
    for later in (2.0, 3.0):
        scope["cfg"].LATER = later
        assert FRAME.pipe(dfv.apply, scope["out"])["out"].to_list() == [later, 2 * later, 4 * later]
        found = FRAME.pipe(dfv.apply, scope["some"], factor=1.0)
        assert found["some"].to_list() == [later, 2 * later, 4 * later]
    del scope["cfg"].LATER
    with pytest.raises(dfv.KernelCompileError):
        FRAME.pipe(dfv.apply, scope["out"])


def test_defaults_of_the_plugins_own_function_are_those_of_its_definition():
    scope = Scope("a global", "@dfv.plugin\ndef out(x, k=2.0): return x * k")
    plugin = scope["out"]
    assert FRAME.pipe(dfv.apply, plugin)["out"].to_list() == [2.0, 4.0, 8.0]
    plugin.function.__defaults__ = (3.0,)
    with pytest.raises(dfv.PluginDefinitionError, match="parameter `k` of its function has changed since"):
        FRAME.pipe(dfv.apply, plugin)


def test_the_same_value_again_compiles_nothing():
    scope = Scope("a module", ROW)
    plugin = scope["out"]
    FRAME.pipe(dfv.apply, plugin)
    kernels = remembered(plugin).derived.kernels
    scope["change"](float("2"))
    FRAME.pipe(dfv.apply, plugin)
    assert remembered(plugin).derived.kernels is kernels
    scope["change"](2)  # another type
    FRAME.pipe(dfv.apply, plugin)
    assert remembered(plugin).derived.kernels is not kernels


def test_a_helper_that_cannot_be_described_is_not_shared_with_a_plugin_that_is_new():
    kernels = (
        "RATE = 2.0\nLARGE = np.full(200_000, 1.0)\n"
        "@numba.njit\ndef helper(x): return x * RATE * LARGE[0]\n"
        "@dfv.plugin\ndef first(x): return helper(x)\n"
        "def second(x): return helper(x)\n"
    )
    scope = Scope("a global", kernels)
    assert FRAME.pipe(dfv.apply, scope["first"])["first"].to_list() == [2.0, 4.0, 8.0]
    scope["change"](NEW)
    second = dfv.plugin(scope["second"])
    assert FRAME.pipe(dfv.apply, second)["second"].to_list() == [3.0, 6.0, 12.0]
    assert FRAME.pipe(dfv.apply, scope["first"])["first"].to_list() == [3.0, 6.0, 12.0]


def test_copies_in_managers_see_it_too():
    scope = Scope("a module", ROW)
    manager = dfv.PluginManager()
    manager.register_plugin("mine", scope["out"])
    assert manager.process_batch("mine", FRAME).frame["mine"].to_list() == [2.0, 4.0, 8.0]
    scope["change"](NEW)
    assert manager.process_batch("mine", FRAME).frame["mine"].to_list() == [3.0, 6.0, 12.0]
    assert manager.process_record("mine", {"x": 1.0}).value == 3.0


def test_a_changed_setting_under_several_threads_is_never_lost():
    scope = Scope("a module", ROW)
    FRAME.pipe(dfv.apply, scope["out"])
    stop = threading.Event()
    failed = []

    def work():
        while not stop.is_set():
            try:
                FRAME.pipe(dfv.apply, scope["out"])
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for rate in (3.0, 2.0, 5.0):
        scope["change"](rate)
        assert FRAME.pipe(dfv.apply, scope["out"])["out"].to_list() == [rate, 2 * rate, 4 * rate]
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert FRAME.pipe(dfv.apply, scope["out"])["out"].to_list() == [5.0, 10.0, 20.0]


def test_a_compiled_plugin_is_looked_at_before_it_says_its_types():
    scope = Scope("a module", ROW)
    assert scope["out"].compile({"x": pl.Float64}) == {"out": pl.Float64}
    assert scope["out"].compile({"x": pl.Int64}) == {"out": pl.Float64}
    scope["change"](2)
    assert scope["out"].compile({"x": pl.Int64}) == {"out": pl.Int64}


def test_kernels_of_a_pack_see_a_helper_that_is_replaced():
    kernel = default_registry.get("destination_point")
    home = sys.modules[kernel.__module__]
    names = [parameter.name for parameter in kernel.parameters if parameter.is_column]
    frame = pl.DataFrame({name: [1.0] for name in names})
    before = frame.pipe(dfv.apply, kernel, keep=False).rows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home, "_wrapped", numba.njit(lambda lon: lon + 1000.0))
        assert frame.pipe(dfv.apply, kernel, keep=False).rows() != before
    assert frame.pipe(dfv.apply, kernel, keep=False).rows() == before
