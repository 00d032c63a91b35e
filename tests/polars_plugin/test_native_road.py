"""`native=True`: which calls run natively, what they can't ask for, and that the plan needs Polars only."""

from __future__ import annotations

import ast
import json
import logging
import subprocess
import sys

import polars as pl
import pytest
from built_kernels import BUILT
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.polars_plugin import linker, source
from testing.oracle import identical, plugin
from testing.strategies import frames


def toll(km, lanes, base=1.0, night=False):
    if km < 0:
        raise ValueError("km is negative")
    return base + km * lanes * (2 if night else 1)


def near(km):
    return km < 10


def rooted(km):
    if km > 10:
        raise ValueError("km is large")
    return km >= 0


def shout(word, mark="!"):
    return word.upper() + str(mark)


def worded(km):
    return ast.literal_eval(str(km))


def listed(km):
    return {1.0: km}[1.0]


TOLL, SHOUT, WORDED = plugin(toll), plugin(shout), plugin(worded, returns=pl.Float64, fallback="python")
LISTED = plugin(listed)
NEAR, ROOTED = plugin(near, "filter"), plugin(rooted, "filter")
DOUBLED = define(lambda km: km * 2, name="doubled", form=Form.COLUMN, plugin_type=dfv.PluginType.TRANSFORMER)
FRAME = pl.DataFrame({"km": [1.0, -1.0, None, 20.0, 0.5], "lanes": [2, 3, 1, 2, 4], "word": list("abcde")})
LAZY = FRAME.lazy()


def nothing_of_python(query):
    plan = query.explain(engine="streaming")
    return "PYTHON" not in plan and "python" not in plan


@pytest.mark.parametrize("on_error", ["null", "drop"])
def test_each_step_is_a_native_expression(on_error):
    steps = [NEAR, dfv.step(TOLL, base=2.0, output="price"), dfv.step(TOLL, km="price", output="twice")]
    query = LAZY.pipe(dfv.apply, steps, on_error=on_error, native=True)
    assert nothing_of_python(query)
    assert identical(query.collect(), FRAME.pipe(dfv.apply, steps, on_error=on_error))
    explained = dfv.explain(query)
    assert explained.nodes == ()
    assert explained.native == (
        "filter near(km: Float64)",
        "row kernel toll(km: Float64, lanes: Int64)",
        "row kernel toll(km: Float64, lanes: Int64)",
    )
    assert "native: filter near(km: Float64), without Python" in str(explained)


def test_a_filter_is_not_asked_of_rows_that_one_before_has_left_out():
    """Polars makes one predicate of neighbouring filters, the user's too, and asks it of all rows."""
    for query in (LAZY.pipe(dfv.apply, [NEAR, ROOTED], native=True), LAZY.filter(pl.col("km") < 10)):
        query = query.pipe(dfv.apply, ROOTED, native=True)
        for engine in ("in-memory", "streaming"):
            assert query.collect(engine=engine)["km"].to_list() == [1.0, 0.5]


def test_namespaces_take_it():
    frame = FRAME.drop("word")
    expected = frame.pipe(dfv.apply, TOLL, on_error="null")
    query = frame.lazy().dfv.apply(TOLL, on_error="null", native=True)
    by_expression = frame.with_columns(
        pl.col("km").dfv.apply(TOLL, "lanes", on_error="null", native=True, schema=frame.schema)
    )
    assert nothing_of_python(query)
    assert identical(query.collect(), expected)
    assert identical(by_expression, expected)


@pytest.mark.parametrize(
    "bindings",
    [
        {"lanes": 3},  # a constant of its own type, not a column of some dtype
        {"km": 2.5},
        {"lanes": pl.lit(7), "base": 1},
        {"base": pl.col("km") * 2, "night": True},  # a column, where the author thought of a constant
        {"km": pl.col("km").cast(pl.Float32), "lanes": 0.1, "base": 0.2},
    ],
    ids=", ".join,
)
def test_bindings_are_those_of_apply(bindings):
    native = dfv.expr(TOLL, on_error="null", native=True, schema=FRAME, **bindings)
    ours = dfv.expr(TOLL, on_error="null", **bindings)
    assert identical(FRAME.select(native), FRAME.select(ours))
    query = LAZY.pipe(dfv.apply, TOLL, on_error="null", native=True, **bindings)
    assert identical(query.collect(), FRAME.pipe(dfv.apply, TOLL, on_error="null", **bindings))


@pytest.mark.parametrize("mark", ["\N{EURO SIGN}", None, 2], ids=str)
def test_constants_are_of_the_types_of_the_call(mark):
    """Whatever the default is of, as a call of `apply` takes them."""
    native = LAZY.pipe(dfv.apply, SHOUT, mark=mark, native=True)
    assert nothing_of_python(native)
    assert identical(native.collect(), FRAME.pipe(dfv.apply, SHOUT, mark=mark))


def test_another_value_needs_no_other_library():
    for base in (0.5, 1e300, -3):
        native = dfv.expr(TOLL, base=base, on_error="null", native=True, schema=FRAME)
        assert identical(FRAME.select(native), FRAME.select(dfv.expr(TOLL, base=base, on_error="null")))


CASES = [(one, schemas[-1]) for one, schemas in BUILT.items()][1::4]


@pytest.mark.parametrize(("kernel", "schema"), CASES, ids=[kernel.name for kernel, _ in CASES])
@given(data=st.data())
def test_columns_of_any_dtype(kernel, schema, data):
    """Of several pieces, sliced, and with nulls, as the frame says what they are of."""
    frame = data.draw(frames(st.integers(0, 200), **schema))
    native = dfv.expr(kernel, "x", "y", on_error="null", native=True, schema=frame)
    ours = dfv.expr(kernel, "x", "y", on_error="null")
    assert identical(frame.select(native), frame.select(ours))
    query = frame.lazy().pipe(dfv.apply, kernel, on_error="null", native=True)
    expected = frame.pipe(dfv.apply, kernel, on_error="null")
    assert query.collect_schema() == expected.schema
    assert identical(query.collect(engine="streaming"), expected)


def test_without_a_schema_dtypes_are_those_that_are_assumed():
    """Of annotations, else Float64; a column of another is an error while the query is planned."""
    expr = dfv.expr(TOLL, "km", pl.lit(2.0), native=True, on_error="struct")
    assert FRAME.select(expr.alias("it")).unnest("it")["error"].to_list()[1].startswith("ValueError: km is n")
    assert FRAME.select(dfv.expr(NEAR, native=True)).to_series().to_list() == [True, True, None, False, True]
    wrong = LAZY.select(dfv.expr(TOLL, native=True))
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        wrong.collect_schema()
    message = str(caught.value)
    assert "it wasn't built for (km: Float64, lanes: Int64), but for (km: Float64, lanes: Float64)" in message
    assert "(`schema`)" in message


# -- what can't be ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (
            lambda: dfv.apply(FRAME, TOLL, native=True),
            dfv.ArgumentError,
            "is for lazy frames and expressions",
        ),
        (lambda: dfv.apply(FRAME["km"], NEAR, native=True), dfv.ArgumentError, "got a Series"),
        (lambda: dfv.apply(FRAME, TOLL, native=1), TypeError, "`native` must be True or False"),
        (lambda: dfv.apply(LAZY, TOLL, native="yes"), TypeError, "`native` must be True or False"),
        (lambda: dfv.expr(TOLL, native=1), TypeError, "`native` must be True or False"),
        (lambda: dfv.apply(LAZY, TOLL, native=True, errors=dfv.ErrorLog()), dfv.ArgumentError, "`errors`"),
        (lambda: dfv.apply(LAZY, TOLL, native=True, config=dfv.BatchConfig()), dfv.ArgumentError, "`config`"),
        (lambda: dfv.apply(LAZY, TOLL, native=True, state=1), dfv.ArgumentError, "`state`"),
        (
            lambda: dfv.apply(LAZY, [NEAR, DOUBLED], native=True),
            dfv.BuildError,
            "`doubled`: it can't be built",
        ),
        (lambda: dfv.expr(DOUBLED, "km", native=True), dfv.BuildError, "it is a column kernel"),
        (lambda: dfv.apply(LAZY, WORDED, native=True), dfv.BuildError, "`worded`: it can't be built"),
        (lambda: dfv.expr(WORDED, native=True), dfv.KernelCompileError, "`worded` can't be compiled"),
        (lambda: dfv.apply(LAZY, NEAR, km="word", native=True), dfv.KernelCompileError, "can't be compiled"),
        (lambda: dfv.apply(LAZY, LISTED, native=True), dfv.BuildError, "it makes a dict when it runs"),
        (lambda: dfv.apply(LAZY, NEAR, km="kn", native=True), dfv.ColumnNotFoundError, "column `kn`"),
        (
            lambda: dfv.expr(TOLL, lanes="lane", native=True, schema=FRAME),
            dfv.ColumnNotFoundError,
            "column `lane` (for parameter `lanes`) not found",
        ),
        (
            lambda: dfv.expr(TOLL, native=True, schema=["km"]),
            dfv.ArgumentError,
            "`schema` must be a frame, or its schema",
        ),
        (lambda: dfv.expr(TOLL, on_error="struct"), dfv.ArgumentError, "pass `native=True`"),
        (lambda: dfv.expr(TOLL, on_error="drop", native=True), dfv.ArgumentError, "can't drop rows"),
        (
            lambda: dfv.apply(LAZY, TOLL, on_error="struct", native=True),
            dfv.ArgumentError,
            "`on_error` must be",
        ),
    ],
)
def test_what_is_refused(call, kind, said):
    with pytest.raises(kind) as caught:
        call()
    assert said in str(caught.value)


def test_a_disabled_plugin():
    with dfv.PluginManager() as manager:
        manager.register_plugin(TOLL)
        manager.disable("toll")
        with pytest.raises(dfv.PluginDisabledError, match="`toll`: it is disabled"):
            LAZY.pipe(dfv.apply, "toll", manager=manager, native=True)


@pytest.fixture
def no_linker(monkeypatch):
    monkeypatch.setattr(linker.shutil, "which", lambda name: None)
    monkeypatch.setattr(linker, "find_spec", lambda name: None)


def test_without_a_linker_it_is_an_error(no_linker):
    other = plugin(lambda km: km * 3, name="threefold")
    for call in (
        lambda: LAZY.pipe(dfv.apply, other, native=True),
        lambda: dfv.expr(other, native=True),
    ):
        with pytest.raises(dfv.MissingDependencyError, match="a native library needs a linker") as caught:
            call()
        assert caught.value.extra == "build"


# -- the setting ------------------------------------------------------------------------------------------


@pytest.fixture
def native_by_default():
    with dfv.PluginManager(dfv.PluginManagerConfig(native=True)) as manager:
        yield manager


def test_the_setting_is_for_queries_and_for_expressions_with_a_schema(native_by_default, caplog):
    caplog.set_level(logging.DEBUG, "dataflare_vec.api")
    about = {"manager": native_by_default, "on_error": "null"}
    query = LAZY.pipe(dfv.apply, TOLL, **about)
    assert nothing_of_python(query)
    assert nothing_of_python(LAZY.select(dfv.expr(TOLL, schema=FRAME, **about)))
    assert not caplog.messages
    assert not nothing_of_python(LAZY.pipe(dfv.apply, TOLL, native=False, **about))
    assert not nothing_of_python(LAZY.select(dfv.expr(TOLL, schema=FRAME, native=False, **about)))
    assert not nothing_of_python(LAZY.select(dfv.expr(TOLL, **about)))
    assert caplog.messages == [
        "`toll` doesn't run natively: the dtypes of its columns aren't known; pass `schema`, or `native=True`"
    ]
    assert FRAME.pipe(dfv.apply, TOLL, **about).equals(query.collect())


def test_what_the_setting_can_not_have_runs_as_ever(native_by_default, no_linker, caplog):
    """Each says why in one line of the log."""
    caplog.set_level(logging.DEBUG, "dataflare_vec.api")
    log, fresh = dfv.ErrorLog(), plugin(lambda km: km * 5, name="fivefold")
    manager = native_by_default
    words = pl.struct(pl.col("word").alias("first"), pl.col("word").alias("second" * 200))
    frame = FRAME.with_columns(words=words)  # a dtype that takes more bytes than libraries have room for
    called = plugin(lambda words: words.first.upper(), name="called")
    for steps, more, why in (
        (called, {}, "column `words` is Struct"),
        (TOLL, {"errors": log}, "`errors` means nothing in a native query"),
        (TOLL, {"config": dfv.BatchConfig()}, "`config` means nothing in a native query"),
        ([NEAR, DOUBLED], {}, "it is a column kernel"),
        (fresh, {}, "a native library needs a linker"),
    ):
        caplog.clear()
        query = frame.lazy().pipe(dfv.apply, steps, manager=manager, on_error="null", **more)
        assert query.collect().equals(frame.pipe(dfv.apply, steps, on_error="null"))
        (message,) = caplog.messages
        assert "doesn't run natively: " in message
        assert why in message
    assert log.count == 1


def test_the_setting_has_a_variable(monkeypatch):
    config = dfv.PluginManagerConfig.from_environment({"DATAFLARE_VEC_NATIVE": "1"})
    assert config.native
    assert not dfv.PluginManagerConfig().native
    with pytest.raises(ValueError, match="`native` must be true or false"):
        dfv.PluginManagerConfig.from_environment({"DATAFLARE_VEC_NATIVE": "maybe"})


# -- plans in other processes -----------------------------------------------------------------------------

ALONE = """
import json, sys

for name in ("dataflare_vec", "numba", "llvmlite", "numpy", "pyarrow"):
    sys.modules[name] = None  # an import of it fails
import polars as pl

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        query = pl.LazyFrame.deserialize(file)
    frames = [query.collect(engine=engine).to_dict(as_series=False) for engine in ("streaming", "in-memory")]
    assert frames[0] == frames[1]
    print(json.dumps(frames[0]))
"""


def test_a_plan_runs_where_there_is_polars_only(tmp_path):
    frame = FRAME.drop("word")
    steps = [NEAR, dfv.step(TOLL, base=2.0, output="price")]
    queries = [frame.lazy().pipe(dfv.apply, steps, on_error=how, native=True) for how in ("null", "drop")]
    struct = dfv.expr(TOLL, on_error="struct", native=True, schema=frame)
    queries.append(frame.lazy().select(struct).unnest("toll"))
    paths = [tmp_path / f"{i}.plan" for i in range(len(queries))]
    for path, query in zip(paths, queries, strict=True):
        path.write_bytes(query.serialize())
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *paths], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    got = [json.loads(line) for line in done.stdout.splitlines()]
    assert got[:2] == [
        frame.pipe(dfv.apply, steps, on_error=how).to_dict(as_series=False) for how in ("null", "drop")
    ]
    assert got[2]["error"][1].startswith("ValueError: km is negative (test_native_road.py, line ")


def test_a_plan_whose_library_is_gone(tmp_path):
    library = dfv.build(NEAR, output=tmp_path)
    plan = LAZY.filter(library.expr("near", "km")).serialize()
    gone = plan.replace(library.path.name.encode(), b"x" * len(library.path.name))
    with pytest.raises(pl.exceptions.ComputeError, match="error loading dynamic library"):
        pl.LazyFrame.deserialize(_file(tmp_path, gone)).collect_schema()
    left = pl.LazyFrame.deserialize(_file(tmp_path, plan))
    assert dfv.explain(left).native == ("filter near(km: Float64)",)


def test_a_plan_on_a_machine_of_another_processor(monkeypatch, tmp_path):
    """Libraries of `native=True` are for the processor at hand: one that has less refuses them."""
    monkeypatch.setattr(source, "_PROCESSORS", dict.fromkeys(("v3", "v8", "m1"), "WIDE + 1"))
    library = dfv.build(NEAR, output=tmp_path)
    with pytest.raises(
        pl.exceptions.ComputeError, match=r"processors \(with AVX-512\), which this one isn't"
    ):
        LAZY.filter(library.expr("near", "km")).collect_schema()


def _file(folder, content):
    path = folder / "a.plan"
    path.write_bytes(content)
    return path
