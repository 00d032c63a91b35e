"""Types of DuckDB: each goes in and comes out as it is, or is refused in words of ours."""

from __future__ import annotations

import datetime
import decimal
from typing import NamedTuple

import duckdb
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form, define

Decimal = decimal.Decimal
UTC = datetime.timezone.utc


class Point(NamedTuple):
    x: float
    day: datetime.date


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Europe/Berlin'")
        yield connection


def plugin(function, kind=dfv.PluginType.TRANSFORMER, **about):
    return define(function, name=function.__name__, form=Form.ROW, plugin_type=kind, **about)


def same(x):
    return x


def annotated(annotation):
    def same(x):
        return x

    same.__annotations__["x"] = annotation
    return same


TYPES = {
    "TINYINT": (pl.Int8, "-128", -128),
    "SMALLINT": (pl.Int16, "-32768", -32768),
    "INTEGER": (pl.Int32, "-2147483648", -(2**31)),
    "BIGINT": (pl.Int64, "-9223372036854775808", -(2**63)),
    "UTINYINT": (pl.UInt8, "255", 255),
    "USMALLINT": (pl.UInt16, "65535", 65535),
    "UINTEGER": (pl.UInt32, "4294967295", 2**32 - 1),
    "UBIGINT": (pl.UInt64, "18446744073709551615", 2**64 - 1),
    "HUGEINT": (pl.Int128, "-99999999999999999999999999999999999999", -(10**38) + 1),
    "FLOAT": (pl.Float32, "0.5", 0.5),
    "DOUBLE": (pl.Float64, "0.1", 0.1),
    "BOOLEAN": (pl.Boolean, "true", True),
    "DECIMAL(5,2)": (pl.Decimal(5, 2), "-123.45", Decimal("-123.45")),
    "DECIMAL(38,10)": (pl.Decimal(38, 10), "0.0000000001", Decimal("0.0000000001")),
    "VARCHAR": (pl.String, "'größe 🦀, longer than twelve'", "größe 🦀, longer than twelve"),
    "BLOB": (pl.Binary, "'\\xAA\\x00'", b"\xaa\x00"),
    "DATE": (pl.Date, "'0001-02-03'", datetime.date(1, 2, 3)),
    "TIME": (pl.Time, "'23:59:59.999999'", datetime.time(23, 59, 59, 999999)),
    "TIMESTAMP": (
        pl.Datetime("us"),
        "'2026-01-02 03:04:05.678901'",
        datetime.datetime(2026, 1, 2, 3, 4, 5, 678901),
    ),
    "TIMESTAMP_MS": (
        pl.Datetime("ms"),
        "'2026-01-02 03:04:05.678'",
        datetime.datetime(2026, 1, 2, 3, 4, 5, 678000),
    ),
    "TIMESTAMP_NS": (pl.Datetime("ns"), "'2026-01-02 03:04:05'", datetime.datetime(2026, 1, 2, 3, 4, 5)),
    "TIMESTAMPTZ": (
        pl.Datetime("us", "Europe/Berlin"),
        "'2026-01-02 03:04:05+00'",
        datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    ),
    "INTERVAL": (
        pl.Duration("us"),
        "'-2 days 3 hours 0.000001 seconds'",
        datetime.timedelta(days=-2, hours=3, microseconds=1),
    ),
    "INTEGER[]": (pl.List(pl.Int32), "[1, -2]", [1, -2]),
    "VARCHAR[]": (pl.List(pl.String), "['a', '']", ["a", ""]),
}


@pytest.mark.parametrize("name", TYPES)
def test_each_type(connection, name):
    dtype, literal, value = TYPES[name]
    text = isinstance(dtype, pl.List) and dtype.inner == pl.String
    kernel = define(
        (lambda x: [s for s in x]) if text else same,
        name="same",
        form=Form.ROW,
        plugin_type=dfv.PluginType.TRANSFORMER,
        returns=None if text or isinstance(dtype, pl.List) else "x",
    )
    dfv.duckdb.register(connection, kernel, types={"x": dtype})
    connection.execute(f"create table t as select ({literal})::{name} as x union all select null::{name}")
    rows = connection.sql("select same(x), typeof(same(x)), x from t order by x nulls last").fetchall()
    if name == "INTEGER[]":
        assert rows[0][0] == value
    else:
        assert rows[0][:2] == (value, rows[0][1])
        assert rows[0][0] == rows[0][2]
        wanted = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}.get(name, name)
        assert rows[0][1] == wanted
    assert rows[1][0] is None
    assert (
        connection.execute(f"select same(({literal})::{name}), same(null::{name})").fetchall()[0][1] is None
    )


@pytest.mark.parametrize(
    ("annotation", "literal", "value"),
    [
        (datetime.date, "date '2026-01-02'", datetime.date(2026, 1, 2)),
        (
            datetime.datetime,
            "timestamp '2026-01-02 03:04:05.000001'",
            datetime.datetime(2026, 1, 2, 3, 4, 5, 1),
        ),
        (datetime.datetime, "timestamp_s '2026-01-02 03:04:05'", datetime.datetime(2026, 1, 2, 3, 4, 5)),
        (datetime.time, "time '03:04:05.000001'", datetime.time(3, 4, 5, 1)),
        (datetime.timedelta, "interval '1 day 2 hours'", datetime.timedelta(days=1, hours=2)),
        (datetime.timedelta, "interval '36500000 days'", datetime.timedelta(days=36_500_000)),
        (bytes, "'ab'::blob", b"ab"),
        (str, "'ab'::enum('ab', 'c')", "ab"),
        (
            str,
            "('00000000-0000-0000-0000-000000000001'::uuid)::varchar",
            "00000000-0000-0000-0000-000000000001",
        ),
        (int, "2::tinyint", 2),
        (bool, "true", True),
        (float, "2", 2.0),
    ],
)
def test_annotations_say_the_type(connection, annotation, literal, value):
    returns = {bytes: None, str: None}.get(annotation, "x")
    dfv.duckdb.register(connection, plugin(annotated(annotation), returns=returns))
    assert connection.execute(f"select same({literal}), same(null)").fetchall()[0] == (value, None)


def test_computing_with_times(connection):
    def later(day: datetime.date, when: datetime.datetime, span: datetime.timedelta) -> datetime.datetime:
        return when + span if when.date() == day else when - span

    dfv.duckdb.register(connection, plugin(later))
    query = "select later(date '2026-01-02', timestamp '2026-01-02 01:00:00', interval '30 minutes')"
    assert connection.execute(query).fetchall()[0] == (datetime.datetime(2026, 1, 2, 1, 30),)


def test_structs_and_arrays_and_enums(connection):
    def of_point(p: Point):
        return p.x + p.day.year

    def head(values):
        return values[0]

    dfv.duckdb.register(connection, plugin(of_point))
    query = "select of_point({'x': 1.5, 'day': date '2026-01-02'}), of_point(null)"
    assert connection.execute(query).fetchall()[0] == (2027.5, None)
    dfv.duckdb.register(connection, plugin(head), types={"values": pl.Array(pl.Int64, 2)})
    assert connection.execute("select head([7, 8]::bigint[2])").fetchall()[0] == (7,)
    dfv.duckdb.register(connection, plugin(same), types={"x": pl.Enum(["a", "b"])})
    assert connection.execute("select same('b'::enum('b', 'a')), same('a')").fetchall()[0] == ("b", "a")
    with pytest.raises(duckdb.Error, match="plugin `same`: parameter `x` can't be read as Enum"):
        connection.execute("select same('c')").fetchall()


# -- filters ----------------------------------------------------------------------------------------------


def positive(x):
    if x > 100:
        raise ValueError("too much")
    return x > 0


def known(x: float | None):
    return x is not None


FILTER = dfv.PluginType.FILTER
VALUES = "(values (1), (-2), (null)) as t(x)"


def test_a_filter_of_null_is_null(connection):
    dfv.duckdb.register(connection, plugin(positive, FILTER))
    assert connection.sql(f"select x from {VALUES} where positive(x)").fetchall() == [(1,)]
    assert connection.sql(f"select x from {VALUES} where not positive(x)").fetchall() == [(-2,)]
    assert connection.sql(f"select x from {VALUES} where positive(x) is null").fetchall() == [(None,)]
    dfv.duckdb.register(connection, plugin(known, FILTER))
    assert connection.sql(f"select x from {VALUES} where not known(x)").fetchall() == [(None,)]
    with pytest.raises(
        duckdb.Error, match=r"1 of 1 rows failed, row 0 of a batch passed by DuckDB.*ValueError: too much"
    ):
        connection.sql("select positive(101)").fetchall()
    dfv.duckdb.register(connection, plugin(positive, FILTER), name="careful", on_error="null")
    assert connection.execute("select careful(101), not careful(101), careful(5)").fetchall()[0] == (
        None,
        None,
        True,
    )


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_filter_of_null_is_null_in_expressions_too(engine):
    frame = pl.DataFrame({"x": [1.0, -2.0, None]})
    filter_ = plugin(positive, FILTER)
    answers = frame.lazy().select(dfv.expr(filter_, "x"), no=~dfv.expr(filter_, "x")).collect(engine=engine)
    assert answers.rows() == [(True, False), (False, True), (None, None)]
    assert frame.lazy().filter(~dfv.expr(filter_, "x")).collect(engine=engine).rows() == [(-2.0,)]
    assert frame.lazy().pipe(dfv.apply, filter_).collect(engine=engine).rows() == [(1.0,)]
    failing = pl.DataFrame({"x": [101.0, 1.0]})
    assert failing.select(dfv.expr(filter_, "x", on_error="null")).to_series().to_list() == [None, True]
    assert failing.lazy().pipe(dfv.apply, filter_, on_error="null").collect().rows() == [(1.0,)]


def test_a_filter_has_to_answer(connection):
    with pytest.raises(
        dfv.KernelResultError, match="plugin `same`: a filter must return a bool, it returns Float64"
    ):
        dfv.duckdb.register(connection, plugin(same, FILTER))
    with pytest.raises(
        dfv.KernelResultError, match="plugin `same`: a filter must return a bool, it returns Float64"
    ):
        pl.DataFrame({"x": [1.0]}).select(dfv.expr(plugin(same, FILTER), "x"))


# -- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "options", "error", "message"),
    [
        (
            annotated(Decimal),
            {},
            dfv.BindingError,
            r"`x` is annotated with doesn't say all.*pl.Decimal\(18, 2\)",
        ),
        (
            same,
            {"types": {"x": pl.Decimal}},
            dfv.BindingError,
            "`types` of `x` must be with precision and scale",
        ),
        (same, {"types": {"x": "int"}}, dfv.BindingError, "`types` of `x` must be a Polars dtype.*got 'int'"),
        (same, {"types": [pl.Int8]}, dfv.BindingError, "`types` must be a dict from parameter"),
        (same, {"types": {"x": pl.UInt128}}, dfv.ColumnTypeError, "must be a number.*got UInt128"),
        (same, {"types": {"x": pl.Object}}, dfv.ColumnTypeError, "must be a number.*got Object"),
        (same, {"types": {"x": pl.Null}}, dfv.ColumnTypeError, "must be a number.*got Null"),
        (same, {"types": {"x": pl.List(pl.List(pl.Int8))}}, dfv.ColumnTypeError, "must be a number"),
        (same, {"x": 1.0}, dfv.BindingError, "a function needs at least one"),
        (same, {"manager": "mine"}, TypeError, "`manager` must be a PluginManager, got 'mine'"),
    ],
)
def test_what_does_not_fit_is_told_at_once(connection, function, options, error, message):
    with pytest.raises(error, match=message):
        dfv.duckdb.register(connection, plugin(function), **options)


def test_what_does_not_fit_in_a_query(connection):
    dfv.duckdb.register(connection, plugin(annotated(datetime.timedelta), returns="x"))
    for interval in ("1 month", "3 years"):
        with pytest.raises(
            duckdb.Error, match="parameter `x`: an interval with months or years has no fixed length"
        ):
            connection.execute(f"select same(interval '{interval}')").fetchall()
    with pytest.raises(duckdb.Error, match="an interval doesn't fit 64 bits of microseconds"):
        connection.execute("select same(interval (2000000000) day)").fetchall()
    dfv.duckdb.register(connection, plugin(same), name="wide", types={"x": pl.Int128})
    with pytest.raises(duckdb.Error, match="integers of more than 38 digits"):
        connection.execute("select wide(170141183460469231731687303715884105727::hugeint)").fetchall()
    with pytest.raises(TypeError, match="`connection` must be a DuckDB connection, got str"):
        dfv.duckdb.register("file.db", plugin(same))


def test_many_rows_of_intervals(connection):
    dfv.duckdb.register(connection, plugin(annotated(datetime.timedelta), returns="x"))
    query = """
        select count(*), sum((same(x) is distinct from x)::int) from (
            select case when i % 7 = 0 then null else to_hours(i) end as x from range(10_000) as t(i))
    """
    assert connection.execute(query).fetchall()[0] == (10_000, 0)
