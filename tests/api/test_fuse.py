"""`dfv.fuse`: what it returns, where it can be used, and that it changes nothing but the time it takes."""

from __future__ import annotations

import datetime as dt
import logging
import pickle
from functools import partial

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.engine.execution.fused_expressions import Compute, Loop
from dataflare_vec.engine.planning.fusion import Fusing
from dataflare_vec.engine.planning.neighbours import groups
from testing.sales import FOUR, cost, gross, net, pieces, sales, tax
from testing.trees import same

fused = partial(dfv.fuse, always=True)

ROWS = 10_000
ENGINES = ["in-memory", "streaming"]

WHICH = (gross > 20) & (tax < 9) & (net > cost) & (pieces != 7)


@pytest.fixture(scope="module")
def df():
    return sales(ROWS)


@pytest.fixture(autouse=True)
def nothing_is_left(caplog):
    """Fail where a loop was made and Polars had to compute all the same."""
    caplog.set_level(logging.DEBUG, logger="dataflare_vec")
    yield
    assert "left to Polars" not in caplog.text


def is_compiled(expression: pl.Expr) -> bool:
    return "python_udf" in str(expression)


def test_columns_are_added(df):
    assert_frame_equal(df.with_columns(fused(**FOUR)), df.with_columns(**FOUR), check_exact=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_of_a_lazy_frame(df, engine):
    ours = df.lazy().with_columns(fused(**FOUR)).collect(engine=engine)
    assert_frame_equal(ours, df.with_columns(**FOUR), check_exact=True)


def test_the_schema_is_known(df):
    query = df.lazy().with_columns(fused(**FOUR, whole=(pieces + 1) // 7 % 3))
    assert query.collect_schema() == df.with_columns(**FOUR, whole=(pieces + 1) // 7 % 3).schema


def test_rows_are_kept(df):
    assert_frame_equal(df.filter(fused(WHICH)), df.filter(WHICH))


def test_one_expression_is_one(df):
    one = fused(FOUR["rate"].alias("rate"))
    assert isinstance(one, pl.Expr)
    assert df.select(one * 2).to_series().equals(df.select(FOUR["rate"].alias("rate") * 2).to_series())


def test_several_are_a_list(df):
    several = fused(FOUR["rate"].alias("rate"), net=net, text=pl.col("text").str.len_chars())
    assert isinstance(several, list)
    assert df.select(several).columns == ["rate", "net", "text"]


AGGREGATIONS = {
    **{
        method: partial(lambda method, one: getattr(one, method)(), method)
        for method in ("sum", "mean", "min", "max", "median", "count", "len", "n_unique", "first", "nan_max")
    },
    "var": lambda one: one.var(),
    "std of all": lambda one: one.std(ddof=0),
    "any": lambda one: (one > 30).any(),
    "all or null": lambda one: (one > -90).all(ignore_nulls=False),
}


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_aggregations_are_those_of_polars(df, name):
    aggregated = AGGREGATIONS[name]
    expressions = [aggregated(one).alias(name) for name, one in FOUR.items()]
    ours = fused(*expressions)
    assert all(map(is_compiled, ours))
    assert_frame_equal(df.select(ours), df.select(expressions), check_exact=True)
    by_key = [
        df.lazy().group_by("key", maintain_order=True).agg(some).sort("key") for some in (ours, expressions)
    ]
    assert_frame_equal(*[query.collect() for query in by_key])


def test_order_is_kept(df):
    mixed = [
        FOUR["net"].alias("a"), pl.col("text").alias("b"), FOUR["rate"].sum().alias("c"),
        pl.len().alias("d"), FOUR["margin"].alias("e"), FOUR["score"].alias("f"),
    ]  # fmt: skip
    assert_frame_equal(df.select(fused(*mixed)), df.select(mixed), check_exact=True)


def test_what_is_not_known_is_computed_by_polars(df):
    mixed = {
        "words": pl.col("text").str.replace_all("c", "d").str.len_chars() * pieces + 3 - pieces,
        "plain": pl.col("text").str.to_uppercase(),
        "window": gross.mean().over("key"),
        "all": net - net.mean(),
    }
    assert_frame_equal(df.with_columns(fused(**FOUR, **mixed)), df.with_columns(**FOUR, **mixed))


def test_several_columns_by_one_expression(df):
    ours = df.select(fused(pl.all().exclude("text") * 2, **FOUR))
    assert_frame_equal(ours, df.select(pl.all().exclude("text") * 2, **FOUR), check_exact=True)


def test_light_work_is_left_alone(df):
    light, heavy = (gross + tax) * cost / 3 - 1, (gross.log() * cost.sin()).tanh()
    assert not is_compiled(dfv.fuse(light))
    assert is_compiled(fused(light))
    assert is_compiled(dfv.fuse(heavy))


def test_few_rows_are_left_alone(df, caplog):
    few = df.head(100)
    assert_frame_equal(few.with_columns(fused(**FOUR)), few.with_columns(**FOUR), check_exact=True)
    assert "`expressions`" not in caplog.text


@pytest.mark.parametrize("rows", [0, 1])
def test_of_no_rows_and_of_one(df, rows):
    few = df.head(rows)
    assert_frame_equal(few.with_columns(fused(**FOUR)), few.with_columns(**FOUR), check_exact=True)


def test_slices_and_chunks(df):
    parts = pl.concat([df[3:5000], df[77:9000], df[9001:]], rechunk=False)
    assert_frame_equal(parts.with_columns(fused(**FOUR)), parts.with_columns(**FOUR), check_exact=True)


def test_other_literals_are_not_compiled_again(df, caplog):
    for least in (1, 2, 3):
        limited = pl.when(pieces > least).then(net * least).otherwise(cost / 7 + least)
        assert df.select(fused(x=limited))["x"].equals(df.select(x=limited)["x"])
    assert caplog.text.count("`expressions`: compiled") <= 1


def test_a_pickled_query_is_computed(df):
    query = pickle.loads(pickle.dumps(df.lazy().with_columns(fused(**FOUR))))
    assert_frame_equal(query.collect(), df.with_columns(**FOUR), check_exact=True)


def test_a_manager_is_not_told(df):
    with dfv.PluginManager() as manager:
        df.with_columns(fused(**FOUR, manager=manager))
        assert manager.get_metrics("expressions") is None


def test_expressions_are_asked_for():
    with pytest.raises(dfv.ArgumentError, match=r"Polars expressions or a LazyFrame, got str; write `pl.col"):
        dfv.fuse("gross", net)
    with pytest.raises(dfv.ArgumentError, match="needs at least one"):
        dfv.fuse()


class TestErrors:
    """What Polars refuses, it refuses in its own words."""

    @pytest.fixture(autouse=True)
    def nothing_is_left(self):
        """Let Polars compute."""

    def test_a_strict_cast_that_fails(self, df):
        cast = (pieces * 1000 - 7).cast(pl.Int8) * 2 + 1
        with pytest.raises(pl.exceptions.InvalidOperationError) as theirs:
            df.select(x=cast)
        with pytest.raises(pl.exceptions.InvalidOperationError) as ours:
            df.select(fused(x=cast))
        assert str(theirs.value).splitlines()[0] in str(ours.value)

    @pytest.mark.parametrize("unit", ["us", "ms"])
    def test_instants_beyond_the_calendar(self, unit):
        last = (1 << 63) - 1
        moments = pl.DataFrame({"t": pl.Series([0, last, -last, None] * 2000).cast(pl.Datetime(unit))})
        t = pl.col("t")
        ways = {"second": t.dt.second() * 2, "hour": t.dt.hour() + 1, "year": t.dt.year() - 1}
        for name, way in ways.items():
            assert same(moments.select(fused(way))["t"], moments.select(way)["t"]), name

    def test_a_column_that_is_not_there(self, df):
        with pytest.raises(pl.exceptions.ColumnNotFoundError, match="missing"):
            df.select(fused(x=(pl.col("missing") + 1) * gross / 3))

    def test_dtypes_that_do_not_fit(self, df):
        with pytest.raises(pl.exceptions.PolarsError):
            df.select(fused(x=(pl.col("text") - 1) * gross / 3))


class TestManyOperations:
    """Loops don't grow without bounds, and neither does the time to compile them."""

    def test_of_many_columns(self, df):
        many = {f"x{i}": (gross * i + tax) / (cost + i) - i for i in range(1, 61)}
        fusion = Fusing(many, always=True).over(df.schema)
        assert 1 < len(fusion.steps) <= 6
        assert fusion.left
        assert len(fusion.fused) + len(fusion.left) == 60
        loop = Loop(fusion, list(many), dfv.default_manager().runtime.unseen())
        found = loop({one.name: one for one in df}, len(df))
        assert_frame_equal(pl.DataFrame(found), df.select(**many), check_exact=True)

    def test_of_a_long_chain(self, df):
        chain = gross
        for i in range(1, 400):
            chain = chain * 1.0001 + (tax if i % 2 else cost) / i
        assert df.select(fused(x=chain))["x"].equals(df.select(x=chain)["x"])


def test_what_is_compiled_of_literals(df):
    """Values and lengths of time are constants of the call; long lists and months are Polars'."""
    moments = df.select(
        t=pl.datetime_range(dt.datetime(1960, 1, 1), dt.datetime(2090, 1, 1), "1h").head(ROWS), n=pieces
    )
    t, n = pl.col("t"), pl.col("n")
    ways = {
        "some": n.is_in([1, 7, None, 1000]),
        "many": n.is_in(list(range(0, 100, 3))),
        "nulls": n.is_in([1, None], nulls_equal=True),
        "hours": t.dt.truncate("6h"),
        "weeks": t.dt.truncate("1w"),
        "later": t.dt.offset_by("1w2h"),
        "month": t.dt.offset_by("-1mo"),
        "least": pl.min_horizontal(n / 3, 7.5),
    }
    fusion = Fusing(ways, always=True).over(moments.schema)
    assert fusion.fused == ("some", "hours", "later", "least")
    ours, theirs = moments.select(fused(**ways)), moments.select(**ways)
    assert all(same(ours[name], theirs[name]) for name in ways)


@pytest.mark.parametrize("ignore", [True, False])
def test_sums_and_means_of_several(df, ignore):
    """Of more than four floats the order in which Polars adds depends on its threads."""
    of = [gross, tax, cost, gross * cost, tax / 7]
    ways = {f"sum {n}": pl.sum_horizontal(*of[:n], ignore_nulls=ignore) for n in (2, 3, 4, 5)}
    ways |= {f"mean {n}": pl.mean_horizontal(*of[:n], ignore_nulls=ignore) for n in (2, 3, 4)}
    ways["whole"] = pl.mean_horizontal(pieces, pl.col("key"), pieces * 2, pieces - 3, pieces + 1)
    fusion = Fusing(ways, always=True).over(df.schema)
    assert set(fusion.fused) == {*ways} - {"sum 5"}
    ours, theirs = df.select(fused(**ways)), df.select(**ways)
    assert all(same(ours[name], theirs[name]) for name in ways if name != "sum 5")


def test_text_is_a_column_of_its_own(df):
    """Polars computes it before, and the loop may run without Python."""
    text = pl.col("text")
    fields = pl.struct(p=gross, q=text).alias("s")
    p, q = (pl.col("s").struct.field(name) for name in "pq")
    ways = {
        "lengths": text.str.len_bytes() * pieces + 3 - text.str.len_chars(),
        "comparison": (text == "bb") & (gross > 50) | (pieces > 3),
        "other": pl.when(text != "a").then(gross * 2).otherwise(tax - 1),
        "ends": (text.str.starts_with("b") | text.str.ends_with("c")) & ~text.str.contains("b", literal=True),
        "among": text.is_in(["a", "ccc"]) & (gross > 20),
        "fields": pl.when(q == "a").then(p * 2 + tax).otherwise(p / 3),
    }
    of_fields = df.with_columns(fields)
    assert_frame_equal(of_fields.select(fused(**ways)), of_fields.select(**ways), check_exact=True)
    streamed = of_fields.lazy().select(fused(**ways)).collect(engine="streaming")
    assert_frame_equal(streamed, of_fields.select(**ways), check_exact=True)
    for name, way in ways.items():
        (group,) = groups([way.alias(name)], always=True)
        compute = Compute(group.fusing, dfv.default_manager().runtime, 0)
        sources = [compute.given.get(one, pl.col(one)).alias(one) for one in compute.names]
        assert compute.one_loop(of_fields.head(0).select(sources).dtypes) is not None, name


def test_names_like_patterns(df):
    named = {"^n.*$": (gross + 1) * tax - 3, "net": net * 2 / cost}
    assert_frame_equal(df.select(fused(**named)), df.select(**named), check_exact=True)


def test_what_stays_a_constant_to_polars():
    """It adds no constant of 0, and multiplies by the reciprocal of another."""
    df = pl.DataFrame({"x": [-0.0, 1.0, 4.7e17, None] * 3000, "n": [1, 2, None, 3] * 3000})
    x, n = pl.col("x"), pl.col("n")
    ways = {
        "sum": pl.sum_horizontal(x, 0) * 2 + 1,
        "sum of zeros": pl.sum_horizontal(x, pl.lit(0.0)) - 0.0,
        "remainder": x % pl.lit(3).fill_null(n) + 0,
        "quotient": x / pl.coalesce(pl.lit(3), n) - 1,
        "added": -0.0 + x * 1 - 0.0,
    }
    ours, theirs = df.select(fused(**ways)), df.select(**ways)
    assert all(same(ours[name], theirs[name]) for name in ways)
