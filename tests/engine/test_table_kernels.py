"""Kernels that look values up, in all forms and on all roads; what they refuse; how they are kept."""

from __future__ import annotations

import collections
import datetime as dt
import pickle
import subprocess
import sys

import cloudpickle
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.compiler.kernel import LoopVariant
from dataflare_vec.compiler.specialise import specialise
from dataflare_vec.definition.binding import bind
from dataflare_vec.definition.plugin import Form
from testing.oracle import identical, plugin
from testing.stateful import stateful

RATES = {"EUR": 1.0, "USD": 1.0625, "a code of more than twelve bytes": 0.25, "ISK": 0.0078125}
BLOCKED = {"USD", "XXX"}
PLACES = {(1, "EUR"): (52.5, "Berlin"), (2, "EUR"): (48.25, None)}
CODES = ["EUR", "ISK", None, "USD", "a code of more than twelve bytes", "GBP", ""] * 30
FRAME = pl.DataFrame(
    {"code": CODES, "amount": [float(i % 17) for i in range(len(CODES))], "shop": [i % 3 for i in range(210)]}
)


def in_euros(code, amount):
    return amount * RATES[code]


def welcome(code):
    return code not in BLOCKED


def place(shop, code):
    return PLACES.get((shop, code))


def total(state, code, amount):
    state += amount * RATES.get(code, 0.0)
    return state, state


def most(state, code):
    return max(state, RATES.get(code, -1.0))


IN_EUROS, WELCOME, PLACE = plugin(in_euros), plugin(welcome, "filter"), plugin(place)
TOTAL, MOST = stateful(total, Form.SCAN, init=0.0), stateful(most, Form.REDUCE, init=0.0)


def test_a_key_that_is_not_there_is_a_failed_row_that_names_it():
    result = dfv.run(FRAME, IN_EUROS, on_error="null", keep=False)
    known = FRAME["code"].is_in([*RATES])
    assert result.frame["in_euros"].is_not_null().equals(known.fill_null(False).alias("in_euros"))
    assert result.error_count == 60
    assert result.errors.select("row", "error", "message").row(0) == (5, "KeyError", "'GBP'")
    with pytest.raises(dfv.RowError, match="'GBP'"):
        dfv.apply(FRAME, IN_EUROS)


def test_all_roads_of_a_pipeline_give_the_same():
    steps = [WELCOME, IN_EUROS, PLACE]
    known = FRAME.filter(pl.col("code").is_in([*RATES]))
    wanted = known.filter(pl.col("code") != "USD").with_columns(
        in_euros=pl.col("amount") * pl.col("code").replace_strict(RATES, return_dtype=pl.Float64)
    )
    eager = known.pipe(dfv.apply, steps)
    assert identical(eager.drop("place_0", "place_1"), wanted)
    pairs = [PLACES.get(pair, (None, None)) for pair in wanted.select("shop", "code").iter_rows()]
    assert eager.select("place_0", "place_1").rows() == pairs
    for engine in ("in-memory", "streaming"):
        assert identical(known.lazy().pipe(dfv.apply, steps).collect(engine=engine), eager)
    config = dfv.BatchConfig(default_batch_size=64, tuner="fixed")
    assert identical(dfv.run(known, steps, config=config).frame, eager)
    assert identical(pl.concat(dfv.stream(iter([known[:50], known[50:]]), steps)), eager)
    expressions = known.filter(dfv.expr(WELCOME, "code")).with_columns(dfv.expr(IN_EUROS, "code", "amount"))
    assert identical(expressions, wanted)


def test_states_look_up_too():
    found = FRAME.pipe(dfv.apply, TOTAL, by="shop")["total"].to_list()
    sums = collections.defaultdict(float)
    for (code, amount, shop), value in zip(FRAME.iter_rows(), found, strict=True):
        if code is not None:
            sums[shop] += amount * RATES.get(code, 0.0)
        assert value == (None if code is None else sums[shop])
    assert dfv.apply(FRAME, MOST)["most"].to_list() == [1.0625]
    assert FRAME.group_by("shop").agg(dfv.expr(MOST, "code"))["most"].to_list() == [1.0625] * 3


def test_a_constant_is_bound_as_it_is_at_the_call():
    def rate(code, table={}):  # noqa: B006
        return table.get(code, 0.0)

    known = plugin(rate)
    table = dict(RATES)
    lazy = FRAME.lazy().pipe(dfv.apply, known, table=table, keep=False)
    before = FRAME.pipe(dfv.apply, known, table=table, keep=False)
    table["GBP"] = 3.0
    after = FRAME.pipe(dfv.apply, known, table=table, keep=False)
    assert before["rate"][5] == 0.0
    assert after["rate"][5] == 3.0
    assert identical(lazy.collect(), before)


# -- what is refused --------------------------------------------------------------------------------------

TALLY = collections.Counter("a")
UNLIKE = {"a": 1.0, "b": "one"}
NESTED = {"a": {"b": 1}, "b": [1]}
WITHIN, LISTS = {"a": {"b": 1}}, {"a": [1]}
OWN = {}
OWN["a"] = OWN
NUMPYS = {"a": np.int64(1)}
ZONED = {"a": dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)}
OF_ZONED = {dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc): 1}
LARGE = {"a": 1 << 200}
MANY = dict.fromkeys(map(str, range(20_000)), 1)
LIST = [1.0, 2.0]
INTEGERS = {1: 1}


def fills(code):
    INTEGERS[1] = 2
    return 1


def counts(code):
    TALLY[code] += 1
    return 1


def appends(code):
    LIST.append(1.0)
    return 1


def goes_over_many(code):
    n = 0
    for key in MANY:
        n += key == code
    return n


def goes_over_a_set(code):
    n = 0
    for key in BLOCKED:
        n += key == code
    return n


def fills_within(code):
    WITHIN[code]["b"] = 2
    return 1


def appends_within(code):
    LISTS[code].append(2)
    return 1


REFUSED = {
    "a Counter": (counts, "`TALLY` can't be a table: it is a `Counter`", "make it a dict"),
    "unlike values": (lambda code: UNLIKE[code], "('a' float, 'b' str)", "give them one type"),
    "dicts beside lists": (lambda code: len(NESTED[code]), "('a' dict, 'b' list)", "write the key itself"),
    "itself": (lambda code: len(OWN[code]), "it holds itself", "make it anew"),
    "items of one of its dicts are set": (fills_within, "the dict is read by all rows", "in the kernel"),
    "one of its lists is appended to": (appends_within, "no `append`", "in the kernel"),
    "NumPy's numbers": (lambda code: NUMPYS[code], "of type numpy.int64", "`.item()` of each"),
    "times in a zone": (lambda code: ZONED[code].year, "with a time zone", "in UTC"),
    "keys in a zone": (lambda code: len(OF_ZONED), "with a time zone", "in UTC"),
    "large integers": (lambda code: LARGE[code], "an integer of 201 bits", "128 bits at most"),
    "an item is set": (fills, "the dict is read by all rows", "in the kernel"),
    "an item is appended": (appends, "`append`", "in the kernel"),
    "many keys": (goes_over_many, "more than 10,000", "a tuple"),
    "a set in order": (goes_over_a_set, "a set whose items have no order", "a tuple"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_can_not_be_a_table_says_why(what):
    kernel, reason, advice = REFUSED[what]
    kernel.__name__ = "kernel"
    with pytest.raises(dfv.KernelCompileError) as caught:
        dfv.apply(FRAME, plugin(kernel))
    message = str(caught.value)
    assert reason in message.partition("reason: ")[2].partition("\n")[0]
    assert advice in message.partition("try: ")[2]


def test_a_constant_that_can_not_be_one_is_named():
    def rate(code, table={}):  # noqa: B006
        return table[code]

    with pytest.raises(dfv.BindingError, match="constant `table` can't be a table: its values are unlike"):
        dfv.apply(FRAME, plugin(rate), table={**UNLIKE, 3: 1})


# -- how they are kept ------------------------------------------------------------------------------------


def test_code_does_not_grow_with_the_table():
    def size(count):
        table = {f"key {i}": float(i) for i in range(count)}

        def found(code):
            return table[code]

        kernel = specialise(bind(plugin(found), {}), [pl.String()]).kernel.compiled
        return len(kernel.object_code(LoopVariant(nulls=True, records_errors=False)).code)

    assert abs(size(10) - size(200_000)) < 64  # names of symbols


@pytest.mark.parametrize("by", [pickle, cloudpickle])
def test_pickled_plugins_bring_their_tables(by):
    def found(code, table={"EUR": 0.5}):  # noqa: B006
        return table.get(code, 0.0), code in BLOCKED

    known = plugin(found)
    again = by.loads(by.dumps(known))
    assert identical(FRAME.pipe(dfv.apply, again, keep=False), FRAME.pipe(dfv.apply, known, keep=False))


PROGRAM = """
import sys
import polars as pl
import dataflare_vec as dfv
RATES = {"EUR": float(sys.argv[1]), "USD": 2.0, "a code of more than twelve bytes": 3.0}
NAMES = tuple(map(str, range(40)))
@dfv.plugin
def rate(code): return RATES.get(code, 0.0) + (code in NAMES)
frame = pl.DataFrame({"code": ["EUR", "a code of more than twelve bytes", "x", "7"]})
print(frame.pipe(dfv.apply, rate)["rate"].to_list(), "numba" in sys.modules)
"""


def test_a_warm_process_looks_up_without_numba_and_never_in_another_table(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLARE_VEC_CACHE_DIR", str(tmp_path))

    def run(rate):
        command = [sys.executable, "-c", PROGRAM, rate]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert run("5") == "[5.0, 3.0, 0.0, 1.0] True"
    assert run("5") == "[5.0, 3.0, 0.0, 1.0] False"
    assert run("6") == "[6.0, 3.0, 0.0, 1.0] True"
