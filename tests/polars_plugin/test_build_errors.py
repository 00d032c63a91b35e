"""What can't be built, and what a library refuses: named, before any work, and never a crash."""

from __future__ import annotations

import datetime
import shutil

import numpy as np
import polars as pl
import pytest
from polars.plugins import register_plugin_function

import dataflare_vec as dfv
from dataflare_vec.definition.plugin import Form
from dataflare_vec.polars_plugin import linker, targets
from testing.oracle import plugin
from testing.stateful import stateful


def fare(distance, minutes, base=3.5, stops=0, night=False):
    if distance < 0:
        raise ValueError("distance is negative: \N{EURO SIGN}")
    if stops > 100:
        raise KeyError(f"{stops} stops")
    return base + 1.2 * distance + minutes // (stops + 1)


def dated(day: datetime.date, when: datetime.datetime, on: bool, n: int | None):
    if on:
        raise ValueError
    return day


def small(x):
    return x + 1


FARE, DATED, SMALL = plugin(fare), plugin(dated), plugin(small, returns=pl.Int8)
SCHEMA = {"distance": pl.Float64, "minutes": pl.Int64}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    dated_of = {"day": pl.Date, "when": pl.Datetime("ms"), "on": pl.Boolean, "n": pl.Int32}
    return dfv.build(
        {FARE: [SCHEMA, dict.fromkeys(SCHEMA, pl.Float64)], DATED: dated_of, SMALL: {"x": pl.Int8}},
        output=tmp_path_factory.mktemp("library"),
    )


def failing(frame, expr):
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        frame.lazy().select(expr).collect(engine="in-memory")  # else each row may be a batch
    message = str(caught.value)
    assert message.startswith("the plugin failed with message: ")
    return message.removeprefix("the plugin failed with message: ").partition("\n")[0]


def test_a_row_that_fails_is_named(library):
    frame = pl.DataFrame({"d": [1.0, 0.1, -0.1], "m": [1, 2, -7]})
    message = failing(frame, library.expr("fare", "d", "m"))
    line = fare.__code__.co_firstlineno + 2
    assert message == (
        "plugin `fare`: row 2 of a batch of 3 (distance=-0.1, minutes=-7): ValueError: distance is negative: "
        f'\N{EURO SIGN} (test_build_errors.py, line {line}); pass on_error="null" to go on without such rows'
    )


def test_values_of_a_failed_row(library):
    when = datetime.datetime(1969, 12, 31, 23, 59, 59, 250_000)
    frame = pl.DataFrame(
        {"day": [datetime.date(1900, 2, 28)], "when": [when], "on": [True], "n": [None]},
        schema={"day": pl.Date, "when": pl.Datetime("ms"), "on": pl.Boolean, "n": pl.Int32},
    )
    message = failing(frame, library.expr("dated", "day", "when", "on", "n"))
    assert "(day=1900-02-28, when=1969-12-31 23:59:59.250, on=true, n=null): ValueError" in message


def test_a_message_that_is_made_when_it_raises(library):
    frame = pl.DataFrame({"d": [1.0], "m": [1]})
    message = failing(frame, library.expr("fare", "d", "m", stops=101))
    assert "(distance=1.0, minutes=1): KeyError: '101 stops' (test_build_errors.py, line " in message


def test_a_result_that_does_not_fit(library):
    frame = pl.DataFrame({"x": pl.Series([1, 127, 2], dtype=pl.Int8)})
    assert "(x=127): OverflowError: the result does not fit Int8" in failing(
        frame, library.expr("small", "x")
    )
    assert frame.select(library.expr("small", "x", on_error="null"))["small"].to_list() == [2, None, 3]


def test_a_division_by_zero(library):
    frame = pl.DataFrame({"d": [1.0], "m": [1]})
    message = failing(frame, library.expr("fare", "d", "m", stops=-1))
    assert "(distance=1.0, minutes=1): ZeroDivisionError: integer division by zero" in message


def test_columns_that_it_was_not_built_for(library):
    frame = pl.LazyFrame({"d": ["1"], "m": [1]})
    with pytest.raises(pl.exceptions.ComputeError) as caught:
        frame.select(library.expr("fare", "d", "m")).collect_schema()
    assert (
        "plugin `fare`: it wasn't built for (distance: String, minutes: Int64), but for "
        "(distance: Float64, minutes: Int64), (distance: Float64, minutes: Float64); convert with"
        in str(caught.value)
    )


@pytest.mark.parametrize(
    ("dtype", "shown"),
    [
        (pl.Datetime("us", "Asia/Tokyo"), "Datetime[μs, Asia/Tokyo]"),
        (pl.Duration("ns"), "Duration[ns]"),
        (pl.Categorical(), "Categorical or Enum with codes of 32 bits"),
        (pl.Decimal(10, 2), "Decimal[10,2]"),
        (pl.List(pl.Int8), "List(Int8)"),
        (pl.Array(pl.Struct({"a": pl.Int8}), 3), "Array(Struct({a: Int8}), 3)"),
        (pl.Null(), "Null"),
        (pl.Binary(), "Binary"),
        (pl.Struct({"a": pl.Int8, "b": pl.List(pl.Date)}), "Struct({a: Int8, b: List(Date)})"),
        (pl.Float16(), "Float16"),
    ],
    ids=str,
)
def test_any_dtype_has_a_name(library, dtype, shown):
    message = failing(pl.DataFrame(schema={"x": dtype}), library.expr("small", "x"))
    assert f"it wasn't built for (x: {shown})" in message


#: Calls by hand, as somebody without this library writes them.
@pytest.mark.parametrize(
    ("columns", "kwargs", "message"),
    [
        (["d"], {}, "it reads 2 columns, got 1"),
        (["d", "m", "m"], {}, "it reads 2 columns, got 3"),
        (["d", "m"], {"bas": 1.0}, "it has no constant `bas`; it has `base`, `stops`, `night`, `on_error`"),
        (["d", "m"], {"base": "x"}, "constant `base` must be a number"),
        (["d", "m"], {"stops": 1.5}, "constant `stops` must be an integer of 64 bits"),
        (["d", "m"], {"night": 1}, "constant `night` must be True or False"),
        (["d", "m"], {"stops": 1 << 64}, "constant `stops` must be an integer of 64 bits"),
        (["d", "m"], {"base": [1.0]}, "constant `base` must be a number"),
        (["d", "m"], {"base": (1.0, 2.0)}, "constant `base` must be a number"),
        (["d", "m"], {"on_error": "drop"}, 'on_error must be "raise", "null" or "struct"'),
        (["d", "m"], {"base": None}, "constant `base` must be a number"),
        (["d", "m"], {"base": datetime.date(2020, 1, 1)}, "constant `base` must be a number"),
        (["d", "m"], {str(i): i for i in range(1000)}, "the keyword arguments can't be read"),
        (["d", "m"], {"on_error": "null", "base": "null"}, "constant `base` must be a number"),
    ],
)
def test_wrong_calls(library, columns, kwargs, message):
    frame = pl.DataFrame({"d": [1.0], "m": [1]})
    expr = register_plugin_function(
        plugin_path=library.path, function_name="fare", args=columns, kwargs=kwargs, is_elementwise=True
    )
    assert failing(frame, expr).startswith(f"plugin `fare`: {message}")


def test_a_call_by_hand(library):
    expr = register_plugin_function(
        plugin_path=library.path,
        function_name="fare",
        args=["d", "m"],
        kwargs={"base": 1},
        is_elementwise=True,
    )
    assert pl.DataFrame({"d": [10.0], "m": [1]}).select(expr).rows() == [(14.0,)]


@pytest.mark.parametrize(
    ("arguments", "constants", "kind", "message"),
    [
        (["d", "m", "m"], {}, dfv.BindingError, "it reads 2 columns, got 3"),
        (["d", "m"], {"bas": 1.0}, dfv.BindingError, "it has no parameter `bas`; did you mean `base`?"),
        (["d", "m"], {"base": True}, dfv.BindingError, "constant `base` must be a number, got True"),
        (
            ["d", "m"],
            {"stops": 1 << 63},
            dfv.BindingError,
            "must be an integer of 64 bits, got 9223372036854775808",
        ),
        (["d", "m"], {"base": pl.col("d")}, dfv.BindingError, "constant `base` has one value for all rows"),
        (
            ["d", "m"],
            {"on_error": "drop"},
            dfv.ArgumentError,
            '`on_error` must be "raise", "null" or "struct"',
        ),
    ],
)
def test_wrong_expressions(library, arguments, constants, kind, message):
    with pytest.raises(kind) as caught:
        library.expr("fare", *arguments, **constants)
    assert message in str(caught.value)


def test_unknown_plugin(library):
    with pytest.raises(dfv.PluginNotFoundError, match="did you mean `fare`"):
        library.expr("far", "d", "m")


def test_columns_of_unlike_lengths(library):
    """As Polars may be told to pass, where it is told that the function isn't by element."""
    frame = pl.DataFrame({"d": [1.0, 2.0, 3.0], "m": [1, 2, 3]})
    expr = register_plugin_function(
        plugin_path=library.path, function_name="fare", args=["d", pl.col("m").head(2)], is_elementwise=False
    )
    assert "column `minutes` has 2 rows, others have 3" in failing(frame, expr)


# -- what can't be built ----------------------------------------------------------------------------------


def tall(x):
    return x.a0


def coded(x: int):
    return x


def counts(s, x):
    s[0, 0] += x
    return s


KEPT = dfv.plugin(lambda x, *, tag="a": x, name="tagged")


@pytest.mark.parametrize(
    ("refused", "schema", "reason"),
    [
        (
            dfv.column(lambda x: x, name="arrays"),
            None,
            "it is a column kernel, and only row",
        ),
        (stateful(counts, Form.REDUCE, init=np.zeros((2, 2))), None, "`state` of its state is an array"),
        (dfv.register("plus_one", pl.col("a") + 1), None, "it is an expression"),
        (plugin(small), {"x": pl.Float16}, "column `x` is Float16"),
        (plugin(small), {"x": pl.Struct({"\x1f": pl.Int8})}, "column `x` is Struct"),
        (plugin(small), {"x": pl.Struct({"a" * 1020: pl.Int8, "b": pl.Int8})}, "column `x` is Struct"),
        (plugin(tall), {"x": pl.Struct({f"a{i}": pl.Int8 for i in range(64)})}, "more than 64 columns"),
        (plugin(coded), {"x": pl.Categorical}, "`x` is read as the codes of a Categorical"),
        (plugin(small), [{"x": pl.Int8}, {"x": pl.Int8}], "it is given the same dtypes twice"),
        (plugin(small, name="no-name"), None, "its name has to be an identifier"),
        (plugin(lambda x, pair=(1, {2}): x, name="paired"), None, "its constant `pair` is (1, {2})"),
        (plugin(lambda x, on_error=1: x, name="named"), None, "its constant `on_error` is called as"),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_what_can_not_be_built(refused, schema, reason, tmp_path):
    with pytest.raises(dfv.BuildError, match="it can't be built into a native library: ") as caught:
        dfv.build(refused, schema, output=tmp_path / "dist")
    assert reason in str(caught.value)
    assert caught.value.plugin == refused.name
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize(
    ("plugins", "schema", "kind", "message"),
    [
        ([], None, dfv.ArgumentError, "`plugins` must be a plugin at least"),
        ([SMALL, FARE], {"x": pl.Int8}, dfv.ArgumentError, "`schema` goes with one plugin"),
        ([SMALL, plugin(small)], None, dfv.ArgumentError, "the plugin `small` is given twice"),
        (FARE, {"distance": pl.Float64}, dfv.BindingError, "the schema has no type for parameter `minutes`"),
        (
            SMALL,
            {"x": "f64"},
            dfv.BindingError,
            "the type of parameter `x` must be a Polars dtype, got 'f64'",
        ),
        ("nothing_is_called_so", None, dfv.PluginNotFoundError, "not found"),
    ],
)
def test_wrong_arguments(plugins, schema, kind, message, tmp_path):
    with pytest.raises(kind) as caught:
        dfv.build(plugins, schema, output=tmp_path)
    assert message in str(caught.value)


def test_no_linker(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(linker, "find_spec", lambda name: None)
    with pytest.raises(dfv.MissingDependencyError, match="needs a linker") as caught:
        dfv.build(SMALL, output=tmp_path)
    assert (caught.value.library, caught.value.extra) == ("ziglang", "build")


def test_a_linker_that_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(dfv.BuildError, match=r"the linker `.*false` failed"):
        dfv.build(SMALL, {"x": pl.Int8}, output=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_linker_that_is_named_may_have_arguments(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setenv("CC", "python -m ziglang cc")
    here = targets.target_of(None)
    assert linker.linker(here) == ["/bin/python", "-m", "ziglang", "cc"]
    monkeypatch.delenv("CC")
    assert linker.linker(here) == ["/bin/cc"]


def test_another_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(targets.platform, "machine", lambda: "riscv64")
    with pytest.raises(dfv.BuildError, match="windows-x86_64, and this is linux-riscv64; pass `target`"):
        dfv.build(SMALL, output=tmp_path)


def test_an_unknown_target(tmp_path):
    with pytest.raises(
        dfv.ArgumentError, match=r"`target` must be one of linux-x86_64, .*did you mean"
    ) as caught:
        dfv.build(SMALL, output=tmp_path, target="linux-arm64")
    assert caught.value.argument == "target"


def test_another_target_needs_ziglang(monkeypatch, tmp_path):
    monkeypatch.setattr(linker, "find_spec", lambda name: None)
    with pytest.raises(
        dfv.MissingDependencyError, match="for windows-x86_64 is linked by `ziglang`"
    ) as caught:
        dfv.build(SMALL, output=tmp_path, target="windows-x86_64")
    assert (caught.value.library, caught.value.extra) == ("ziglang", "build")
