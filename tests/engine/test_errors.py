"""Typical mistakes: each has its own error, before any work."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define
from dataflare_vec.definition.registry import default_registry


@pytest.fixture(autouse=True)
def _clean_registry():
    default_registry.load_packs()
    before, packs = dict(default_registry._plugins), set(default_registry._from_packs)
    yield
    default_registry._plugins.clear()
    default_registry._plugins.update(before)
    default_registry._from_packs.update(packs)


@pytest.fixture
def df() -> pl.DataFrame:
    return pl.DataFrame({"a": [1, 2, 3], "b": [0.5, None, 2.5]})


def test_unknown_plugin_names_near_ones(df):
    with pytest.raises(
        dfv.PluginNotFoundError, match="plugin `haversin` not found; did you mean `haversine`"
    ):
        df.pipe(dfv.apply, "haversin")


def test_missing_column_names_near_ones(df):
    @dfv.plugin
    def twice(aa):
        return aa * 2

    with pytest.raises(
        dfv.ColumnNotFoundError, match=r"column `aa` \(for parameter `aa`\) not found; did you mean `a`"
    ):
        df.pipe(dfv.apply, "twice")
    with pytest.raises(dfv.ColumnNotFoundError, match="none available"):
        pl.DataFrame().pipe(dfv.apply, "twice")


def test_wrong_column_type(df):
    @dfv.plugin
    def twice(a: float):
        return a * 2

    with pytest.raises(dfv.ColumnTypeError, match="plugin `twice`: column `a` must be a number, got String"):
        df.with_columns(a=pl.lit("x")).pipe(dfv.apply, "twice")

    @dfv.plugin
    def same(a):
        return a

    for values in (pl.Series("a", [None, None]), pl.Series("a", [object(), object()], dtype=pl.Object)):
        message = f"column `a` must be a number, a bool, a string.*got {values.dtype}; bind another"
        with pytest.raises(dfv.ColumnTypeError, match=message):
            values.to_frame().pipe(dfv.apply, "same")

    @dfv.plugin
    def text(a: str | None, b: bytes):
        return a

    with pytest.raises(dfv.ColumnTypeError, match="column `a` must be a string, got Int64"):
        df.pipe(dfv.apply, "text")
    with pytest.raises(dfv.ColumnTypeError, match="column `b` must be bytes, got Float64"):
        df.pipe(dfv.apply, "text", a=pl.lit("x"))

    @dfv.plugin
    def bits(a: int):
        return a & 1

    with pytest.raises(dfv.ColumnTypeError, match="column `b` must be an integer, got Float64"):
        df.pipe(dfv.apply, "bits", a="b")


def test_duplicate_registration():
    dfv.register("one", pl.col("a"))
    with pytest.raises(dfv.DuplicatePluginError, match=r"`one`: it is already registered as .*replace=True"):
        dfv.register("one", pl.col("b"))
    dfv.register("one", pl.col("b"), replace=True)
    assert [p.name for p in dfv.plugins()].count("one") == 1


def test_a_plugin_of_ones_own_wins_over_a_pack(df):
    def wind_chill(a):
        return a + 1

    assert dfv.register("wind_chill", wind_chill).name == "wind_chill"
    assert df.pipe(dfv.apply, "wind_chill")["wind_chill"].to_list() == [2, 3, 4]
    with pytest.raises(dfv.DuplicatePluginError):
        dfv.register("wind_chill", wind_chill)
    code = (
        "import dataflare_vec as dfv; dfv.register('dew_point', lambda a: a); names = dfv.plugins(); "
        "assert [p.info.author for p in names if p.name == 'dew_point'] == ['']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_output_names(df):
    @dfv.plugin
    def b(a):
        return a

    with pytest.raises(dfv.OutputNameError, match="the data already has a column `b`"):
        df.pipe(dfv.apply, "b")
    assert df.pipe(dfv.apply, "b", keep=False).columns == ["b"]
    assert df.pipe(dfv.apply, "b", output="c").columns == ["a", "b", "c"]
    with pytest.raises(dfv.OutputNameError, match="has 1 output columns"):
        df.pipe(dfv.apply, "b", output=["x", "y"])


def _generator(a):
    yield a


async def _coroutine(a):
    return a


def _star(*args):
    return args[0]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (3, "must be a function or a Polars expression, got int"),
        (_generator, "is a generator"),
        (_coroutine, "is async"),
        (_star, r"takes `\*args`; name each parameter"),
        (lambda: 1, "reads no column"),
        (lambda k=1: k, "reads no column"),
    ],
)
def test_what_cannot_be_a_plugin(target, message):
    with pytest.raises(dfv.PluginDefinitionError, match=message):
        dfv.register("bad", target)


def test_unknown_parameter_and_bad_values(df):
    @dfv.plugin
    def scaled(a, factor=2.0):
        return a * factor

    with pytest.raises(dfv.BindingError, match="has no parameter `facto`; did you mean `factor`"):
        df.pipe(dfv.apply, "scaled", facto=1)
    with pytest.raises(dfv.BindingError, match=r"is a constant, got the string \'b\'; for a column write"):
        df.pipe(dfv.apply, "scaled", factor="b")
    with pytest.raises(dfv.BindingError, match="must be a number of 64 bits"):
        df.pipe(dfv.apply, "scaled", factor=object())
    with pytest.raises(ValueError, match="`on_error` must be"):
        df.pipe(dfv.apply, "scaled", on_error="ignore")


def test_unequal_lengths(df):
    @dfv.plugin
    def twice(a):
        return a * 2

    with pytest.raises(dfv.BindingError, match="has 2 rows, the data has 3"):
        df.pipe(dfv.apply, "twice", a=pl.col("a").head(2))


def test_numba_errors_are_readable(df):
    @dfv.plugin
    def broken(a):
        text = str(a)
        return undefined_name(text)  # noqa: F821

    with pytest.raises(dfv.KernelCompileError) as caught:
        df.pipe(dfv.apply, "broken")
    message = str(caught.value)
    assert "plugin `broken` can't be compiled for the columns (a: Int64)" in message
    assert "undefined_name" in message
    assert "try:" in message
    assert len(message.splitlines()) <= 7


def test_results_that_are_no_columns(df):
    @dfv.plugin
    def nothing(a):
        pass

    with pytest.raises(dfv.KernelResultError, match="`nothing`: it returns None for every row"):
        df.pipe(dfv.apply, "nothing")

    @dfv.filter
    def number(a):
        return a * 2.5

    with pytest.raises(dfv.KernelResultError, match="`number`: a filter must return a bool"):
        df.pipe(dfv.apply, "number")

    @dfv.plugin(returns=pl.Int32)
    def cut(b):
        return b / 2

    with pytest.raises(dfv.KernelResultError, match="declares Int32"):
        df.pipe(dfv.apply, "cut")


def test_failed_rows(df):
    @dfv.plugin
    def picky(a, b):
        if a == 3:
            raise ValueError("three")
        return a + b

    with pytest.raises(
        dfv.RowError, match="`picky`: 1 of 3 rows failed, row 2; the first with ValueError: three"
    ) as caught:
        df.pipe(dfv.apply, "picky")
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.rows == (2,)
    assert df.pipe(dfv.apply, "picky", on_error="null")["picky"].to_list() == [1.5, None, None]
    assert df.pipe(dfv.apply, "picky", on_error="drop")["a"].to_list() == [1, 2]


def test_declared_integers_that_overflow_fail():
    @dfv.plugin(returns=pl.Int8)
    def small(a):
        return a * 100

    result = dfv.run(pl.DataFrame({"a": [1, 2, -2]}), "small")
    assert result.frame["small"].to_list() == [100, None, None]
    assert result.errors["error"].to_list() == ["OverflowError", "OverflowError"]
    assert "200 does not fit Int8" in result.errors["message"][0]


def test_empty_frames_keep_the_schema():
    result = pl.DataFrame(schema=dict.fromkeys(["lat1", "lon1", "lat2", "lon2"], pl.Float32)).pipe(
        dfv.apply, "haversine"
    )
    assert result.schema["haversine"] == pl.Float32
    assert result.height == 0


def test_data_of_no_known_kind():
    with pytest.raises(dfv.UnsupportedDataError, match="got dict"):
        dfv.apply({"a": [1]}, "haversine")


def test_a_column_kernel_that_returns_a_series(df):
    @dfv.column
    def doubled(a):
        return pl.Series(a) * 2

    with pytest.raises(dfv.KernelResultError, match=r"got a Polars Series; return `series\.to_numpy\(\)`"):
        df.pipe(dfv.apply, "doubled")


def test_what_a_column_kernel_declares_holds(df):
    @dfv.column(returns=pl.Int8)
    def doubled(a):
        return a * 2

    assert df.pipe(dfv.apply, "doubled").schema["doubled"] == pl.Int8
    big = pl.DataFrame({"a": [100]})
    with pytest.raises(dfv.KernelResultError, match="`doubled`: it returns values that don't fit Int8"):
        big.pipe(dfv.apply, "doubled")

    @dfv.column(returns=(None, "a"))
    def both(a, b):
        return b, a.astype("int16")

    assert df.pipe(dfv.apply, "both").dtypes[2:] == [pl.Float64, pl.Int64]

    @dfv.column(returns=pl.Int32)
    def halves(a):
        return a / 2

    with pytest.raises(dfv.KernelResultError, match="returns Float64, but `returns` declares Int32"):
        df.pipe(dfv.apply, "halves")
    with pytest.raises(dfv.KernelResultError, match="returns 1 arrays, but `returns` declares 2"):
        df.pipe(dfv.apply, _column(lambda a: a, (None, None)))
    with pytest.raises(dfv.KernelResultError, match=r"`returns` names the parameter `aa`.*did you mean `a`"):
        df.pipe(dfv.apply, _column(lambda a: a, "aa"))


def _column(function, returns):
    return define(
        function, name="c", form=Form.COLUMN, plugin_type=dfv.PluginType.TRANSFORMER, returns=returns
    )


def test_an_expression_over_a_wrong_type_is_the_caller_s_mistake(df):
    plugin = dfv.register("shout", pl.col("a").str.to_uppercase())
    with pytest.raises(dfv.BindingError, match=r"the expression doesn't fit the columns \(a: Int64\)"):
        df.pipe(dfv.apply, plugin)
    assert dfv.default_manager().get_state("shout") is not dfv.PluginState.FAILED


def test_a_kind_of_plugin_that_there_is_not():
    with pytest.raises(dfv.PluginDefinitionError, match="`plugin_type` is 'filtre'; did you mean `filter`"):
        dfv.register("kind", lambda a: a > 1, plugin_type="filtre")
