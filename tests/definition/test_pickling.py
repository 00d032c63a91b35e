"""Plugins go to other processes: by name where they can be imported, else with their functions."""

from __future__ import annotations

import base64
import concurrent.futures
import copy
import io
import math
import multiprocessing
import pickle
import subprocess
import sys
import threading
import zlib
from typing import NamedTuple

import cloudpickle
import numba
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv

FRAME = pl.DataFrame({"x": [1.0, 2.0, 4.0], "k": ["a", "b", "a"]})
TABLE = np.array([1.0, 2.0])
RATE = 2.0


class Two(NamedTuple):
    low: float
    high: float


def helper(x):
    return x * RATE


@dfv.plugin
def pickled(x, k=2.0):
    return helper(x) * k


@dfv.plugin
@numba.njit
def pickled_compiled(x):
    return x + TABLE[1]


def make(rate):
    """Return plugins that can't be imported, each with the name of its output."""

    @numba.njit
    def inner(x):
        return x * rate

    def plain(x):
        return inner(x) + RATE

    @dfv.plugin(replace=True)
    def local_row(x, k=1.0, name="a"):
        return plain(x) * k if name == "a" else 0.0

    @dfv.plugin(replace=True)
    @numba.njit
    def local_compiled(x):
        return inner(x)

    @dfv.plugin(replace=True, returns=(pl.Float32, None))
    def local_tuple(x: float | None) -> Two | None:
        return Two(x, x * rate) if x is not None else None

    @dfv.plugin(replace=True, lookback=1, lookahead=1)
    def local_neighbours(x: float | None):
        return x[1]

    @dfv.filter(replace=True)
    def local_filter(x):
        return x < rate

    @dfv.column(replace=True)
    def local_column(x):
        return np.sqrt(x) * rate

    @dfv.scan(replace=True, init=Two(0.0, 1.0))
    def local_scan(s, x):
        return Two(s.low + x, s.high), s.low * rate

    @dfv.reduce(replace=True, init=0.0, merge=lambda a, b: a + b, finish=lambda s: s * rate)
    def local_reduce(s, x):
        return s + x

    @dfv.expression(replace=True)
    def local_expression(x):
        return x * rate

    @dfv.plugin(replace=True, fallback="python", returns=pl.Float64)
    def local_fallback(x):
        return x * rate + 0 * id(x)

    @dfv.plugin(replace=True)
    def local_other(x):
        return local_compiled(x) + 1

    net = dfv.register("local_net", pl.col("x") * rate, replace=True)
    size = dfv.register("local_size", lambda x: x, replace=True, optimize_batch_size=lambda *_: 100)
    return [
        *(local_row, local_compiled, local_tuple, local_neighbours, local_filter, local_column, local_scan),
        *(local_reduce, local_expression, local_fallback, local_other, net, size),
    ]


def apply(plugin, frame=FRAME):
    return frame.lazy().collect().pipe(dfv.apply, plugin).rows()


@pytest.mark.filterwarnings("ignore::dataflare_vec.InterpretedWarning")
def test_plugins_that_cannot_be_imported():
    for plugin in make(3.0):
        before = apply(plugin)
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(plugin, protocol))
            assert again is not plugin
            assert (again.name, again.form, again.info) == (plugin.name, plugin.form, plugin.info)
        assert apply(again) == before, plugin
        assert apply(pickle.loads(pickle.dumps(again))) == before, "twice"
        assert apply(cloudpickle.loads(cloudpickle.dumps(plugin))) == before
        assert repr(again) == repr(plugin)
        assert again.__doc__ == plugin.__doc__


def test_what_a_function_captures_goes_with_it():
    first, second = make(3.0)[0], make(5.0)[0]
    assert apply(pickle.loads(pickle.dumps(first))) == apply(first) != apply(second)
    assert apply(pickle.loads(pickle.dumps(second))) == apply(second)


def test_one_process_compiles_a_plugin_once_however_often_it_comes():
    bytes_ = pickle.dumps(make(3.0)[0])
    assert pickle.loads(bytes_) is pickle.loads(bytes_)


@pytest.mark.parametrize("name", ["pickled", "pickled_compiled"])
@pytest.mark.parametrize("by", [pickle, cloudpickle])
def test_plugins_of_modules_go_by_name(name, by):
    plugin = globals()[name]
    data = by.dumps(plugin)
    assert len(data) < 150
    assert by.loads(data) is plugin


def test_plugins_of_packs_go_by_name():
    haversine = next(plugin for plugin in dfv.plugins() if plugin.name == "haversine")
    assert pickle.loads(pickle.dumps(haversine)) is haversine


def test_a_module_that_cloudpickle_is_told_to_send():
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        again = pickle.loads(pickle.dumps(pickled))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert again is not pickled
    assert apply(again) == apply(pickled)


def test_copies_are_the_same_plugin():
    apply(pickled)
    assert copy.copy(pickled) is pickled is copy.deepcopy(pickled)
    assert copy.deepcopy({"a": [pickled]})["a"][0] is pickled
    assert copy.deepcopy(dfv.step(pickled, output="o")).plugin is pickled


def test_a_copy_of_a_manager_goes_with_the_function_of_the_plugin():
    mine = dfv.PluginManager().register_plugin("mine", pickled)
    again = pickle.loads(pickle.dumps(mine))
    assert again.function is pickled.function
    assert FRAME.pipe(dfv.apply, again)["mine"].to_list() == [4.0, 8.0, 16.0]

    class Scaled:
        def __init__(self, factor):
            self.factor = factor

        def process(self, x):
            return x * self.factor

    scaled = dfv.PluginManager().register_plugin("scaled", Scaled(3.0))
    assert apply(pickle.loads(pickle.dumps(scaled))) == apply(scaled)


def test_a_plugin_that_names_itself_can_be_pickled():
    @dfv.plugin(replace=True, fallback="python", returns=pl.Float64)
    def names_itself(x):
        return x if x <= 1 else x * names_itself(x - 1)

    assert pickle.loads(pickle.dumps(names_itself))(3.0) == 6.0


def test_what_cannot_be_pickled_says_so():
    lock = threading.Lock()

    @dfv.plugin(replace=True, fallback="python", returns=pl.Float64)
    def holds_a_lock(x):
        return x if lock else 0.0

    with pytest.raises(pickle.PicklingError, match="plugin `holds_a_lock` can't be pickled: cannot pickle"):
        pickle.dumps(holds_a_lock)
    with pytest.raises(TypeError, match="a PluginManager can't be pickled or copied"):
        pickle.dumps(dfv.PluginManager())


def test_without_cloudpickle_numbas_copy_is_used(monkeypatch):
    plugin = make(7.0)[0]
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    data = pickle.dumps(plugin)
    assert b"numba.cloudpickle" in data
    assert apply(pickle.loads(data)) == apply(plugin)


def test_steps_and_queries():
    row, _, two, *_ = make(3.0)
    for plugin in (pickled, row):
        steps = pickle.loads(pickle.dumps([dfv.step(plugin, output="o", keep=False), dfv.step("haversine")]))
        assert (steps[0].output, steps[0].keep) == ("o", False)
        assert apply(steps[0].plugin) == apply(plugin)
        lazy = FRAME.lazy().pipe(dfv.apply, plugin)
        expected = lazy.collect()
        assert pickle.loads(pickle.dumps(lazy)).collect().equals(expected)
        assert pl.LazyFrame.deserialize(__import__("io").BytesIO(lazy.serialize())).collect().equals(expected)
        for expression in (dfv.expr(plugin, "x"), dfv.expr(plugin, pl.col("x") + 1)):
            again = pickle.loads(pickle.dumps(expression))
            assert FRAME.select(again).equals(FRAME.select(expression))
            assert FRAME.select(copy.deepcopy(expression)).equals(FRAME.select(expression))
    with pytest.raises(
        Exception, match=r"holds a PluginManager of its own.*leave out `manager=` and `errors=`"
    ):
        pickle.dumps(dfv.expr(pickled, "x", manager=dfv.PluginManager()))
    lazy = FRAME.lazy().pipe(dfv.apply, two, errors=dfv.ErrorLog(), on_error="null")
    with pytest.raises(Exception, match="holds an ErrorLog"):
        pickle.dumps(lazy)


def test_queries_with_states():
    plugins = {plugin.name: plugin for plugin in make(3.0)}
    state = dfv.run(FRAME, plugins["local_scan"], by="k").state
    lazy = FRAME.lazy().pipe(dfv.apply, plugins["local_scan"], by="k", state=state)
    assert pickle.loads(pickle.dumps(lazy)).collect().equals(lazy.collect())
    lazy = FRAME.lazy().pipe(dfv.apply, plugins["local_reduce"], by="k")
    assert pickle.loads(pickle.dumps(lazy)).collect().equals(lazy.collect())
    expression = dfv.expr(plugins["local_scan"], "x").over("k")
    assert FRAME.select(pickle.loads(pickle.dumps(expression))).equals(FRAME.select(expression))


def test_results():
    @dfv.plugin(replace=True)
    def local_failing(x):
        return 1 // (int(x) - 2)

    log = dfv.ErrorLog()
    FRAME.pipe(dfv.apply, local_failing, on_error="null", errors=log)
    for again in (pickle.loads(pickle.dumps(log)), copy.deepcopy(log)):
        assert again.frame.equals(log.frame)
        again.clear()
        assert (again.count, log.count) == (0, 1)
    result = dfv.run(FRAME, local_failing)
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert again.frame.equals(result.frame)
        assert again.errors.equals(result.errors)
        assert again.trace.equals(result.trace)
        assert (again.error_count, again.throughput_per_second > 0) == (1, True)
    scan = {plugin.name: plugin for plugin in make(3.0)}["local_scan"]
    result = dfv.run(FRAME, scan, by="k")
    again = pickle.loads(pickle.dumps(result))
    assert dict(again.state) == dict(result.state)
    assert FRAME.pipe(dfv.apply, scan, by="k", state=again.state).equals(
        FRAME.pipe(dfv.apply, scan, by="k", state=result.state)
    )


def work(task):
    plugin, rows = task
    return pl.DataFrame({"x": rows}).pipe(dfv.apply, plugin, keep=False).to_series().to_list()


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_pools_of_processes(method):
    row, compiled, *_ = make(3.0)
    tasks = [(pickled, [1.0]), (row, [1.0]), (compiled, [2.0]), (row, [1.0]), ("haversine", [])][:4]
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, context) as executor:
        assert list(executor.map(work, tasks)) == [[4.0], [5.0], [6.0], [5.0]]


SENDER = """
import pickle, sys
from typing import NamedTuple
import dataflare_vec as dfv, numba, polars as pl

RATE = 2.0
class Pair(NamedTuple):
    a: float
    b: float
@numba.njit
def helper(x): return x * RATE
@dfv.plugin
def sent(x): return Pair(helper(x), RATE)
@dfv.reduce(init=0.0, finish=lambda s: helper(s))
def total(s, x): return s + x
RATE = 3.0
frame = pl.DataFrame({"x": [1.0, 2.0]})
assert frame.pipe(dfv.apply, sent)["a"].to_list() == [3.0, 6.0]
things = {"sent": sent, "total": total, "lazy": frame.lazy().pipe(dfv.apply, sent)}
if sys.argv[1] == "cloudpickle":
    import cloudpickle as pickle
open("sent.pickle", "wb").write(pickle.dumps(things))
"""
RECEIVER = """
import pickle
import polars as pl
data = open("sent.pickle", "rb").read()
things, again = pickle.loads(data), pickle.loads(data)
import dataflare_vec as dfv
frame = pl.DataFrame({"x": [1.0, 2.0]})
assert frame.pipe(dfv.apply, things["sent"]).rows() == [(1.0, 3.0, 3.0), (2.0, 6.0, 3.0)]
assert frame.pipe(dfv.apply, things["total"]).item() == 9.0
assert things["lazy"].collect()["a"].to_list() == [3.0, 6.0]
assert again["sent"] is things["sent"]
assert "sent" not in [plugin.name for plugin in dfv.plugins()]
@dfv.plugin
def sent(x): return x
print("done")
"""


@pytest.mark.parametrize("by", ["pickle", "cloudpickle"])
def test_a_scripts_plugins_in_another_program(tmp_path, by):
    (tmp_path / "sender.py").write_text(SENDER)
    (tmp_path / "receiver.py").write_text(RECEIVER)
    for arguments in (["sender.py", by], ["receiver.py"]):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"


@pytest.mark.parametrize("by", [["k"], ["k", "x"]], ids=str)
def test_pickles_of_results_name_public_classes_only(by):
    """So that later versions can read them, wherever their files are."""
    frame = pl.DataFrame({"k": ["a", "b", None], "x": [1.0, 2.0, math.nan]})
    carry = dfv.scan(lambda s, x: ((s[0] + 1, x, s[2]), x), name="carried", init=(0, None, np.zeros(2)))
    result = dfv.run(frame, carry, by=by)
    assert result.state.to_frame().equals(pickle.loads(pickle.dumps(result.state)).to_frame())
    again = pickle.loads(pickle.dumps(result))
    assert list(map(repr, again.state)) == list(map(repr, result.state))
    assert dfv.run(frame, carry, by=by, state=again.state).frame.equals(
        dfv.run(frame, carry, by=by, state=result.state).frame
    )
    for value in (result, result.state, copy.deepcopy(result.state)):
        ours = {module for module in named_in(pickle.dumps(value)) if module.startswith("dataflare_vec")}
        assert ours == {"dataflare_vec"}


def named_in(pickled):
    """Return the modules that a pickle names."""
    found = set()

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            found.add(module)
            return super().find_class(module, name)

    Unpickler(io.BytesIO(pickled)).load()
    return found


#: The state of a scan by `k`, pickled before the files moved into their rooms.
EARLIER = """
eNqlUs9rE0EUfptN6TZWWauUgAdbTxuQJRFBD4VWK7W4JUgrXqSE3c3WDTY/2EyEgGI9NE1gbnmC+Bf4J/kX9ORBxJuCfjObynbp
RRyYeW/e931v3sy8o+KHU5P0kFYwaB2KVqfPcv5lJHwhEp6yvNz0hX9w6CdR43UUsix50TBq7gGPFLzQSKK+6CZRk0e8y46cD/0k
aWErl3tdyPquTpD47cjVKzSPENnS/pQr7/nhF4PoN8Zn1FHE/A7/uvYBUIkukYW1qOPbiNi64hItao6lWUr3A3gZVsUtrApT13tR
3acF2MbTncbWzoPHe/DPNF+huQ27gqm0RlnlXwJm01Xo02xEv8Arzip6RWm9HzM5jtJnpLRuE6prOo+q4hT47JnpGaYz4xFdwZlF
cGwdMej8KGT8M2xjZqs5zMzxftL/DZXHz+2Df9Cr91GWA7ncGbR7Q7cRok3c9gBNhhbxhywX0Txht9MXySAUqpvmNBMN2GmmlCl7
dMybRsAnqrs8wzOPOV6Sc00x7OkGNJ/fucuTcQqb0njDdWlUWRo1loXaOnRv2YlX4huy0LqfJa5xvV5/osrUi0eCA49GHK8q7kGG
GzsXMC0wbylmUMswb17AtEc88Moo3cZusrl9/pe/rRu18ad77yj/+xtG7kfTYf+Nsy64PuJ9dnBDaa7hgpWJOtSJV7HFHSpjzxIc
eeUTsHfZ/QP4MPH6
"""


def test_a_state_that_an_earlier_version_pickled():
    state = pickle.loads(zlib.decompress(base64.b64decode(EARLIER)))
    assert dict(state) == {"a": (1, 1.0), "b": (1, 2.0), None: (1, 4.0)}
    carry = dfv.scan(lambda s, x: ((s[0] + 1, x), x), name="carried", init=(0, None), replace=True)
    again = dfv.run(pl.DataFrame({"k": ["b", "c"], "x": [8.0, 9.0]}), carry, by="k", state=state)
    assert dict(again.state) == {"a": (1, 1.0), "b": (2, 8.0), None: (1, 4.0), "c": (1, 9.0)}
