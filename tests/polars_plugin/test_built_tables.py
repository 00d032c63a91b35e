"""Native libraries of kernels that look values up: the tables are part of the file."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import identical, plugin

RATES = {"EUR": 1.0, "USD": 1.0625, "a code of more than twelve bytes": 0.25}
PLACES = {(i, f"{i % 7}"): (i * 0.5, None if i % 3 else f"place {i}") for i in range(500)}
ODD = frozenset(range(1, 1000, 2))
NAMES = [f"name {i}" for i in range(40)]
LARGE = {f"{i:016}": i for i in range(300_000)}


def rate(code):
    return RATES[code]


def told(n, code: str | None):
    if code is None:
        return None, None, n in ODD, NAMES[n % 40]
    lat, name = PLACES.get((n, code), (-1.0, "nowhere"))
    return lat, name, n in ODD, NAMES[n % 40]


RATE, TOLD = plugin(rate), plugin(told)
FRAME = pl.DataFrame(
    {
        "n": [i * 7 % 600 for i in range(700)],
        "code": [None if i % 11 == 0 else f"{i * 7 % 600 % 7}" for i in range(700)],
    }
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    schemas = {RATE: {"code": pl.String}, TOLD: {"n": pl.Int64, "code": pl.String}}
    return dfv.build(schemas, output=tmp_path_factory.mktemp("library"))


def test_it_finds_what_expr_finds(library):
    native = library.expr("told", "n", "code")
    assert identical(FRAME.select(native), FRAME.select(dfv.expr(TOLD, "n", "code")))
    codes = pl.DataFrame({"code": [*RATES, None, "GBP"]})
    native = library.expr("rate", "code", on_error="null")
    assert identical(codes.select(native), codes.select(dfv.expr(RATE, "code", on_error="null")))
    native = library.expr("rate", "code", on_error="struct")
    assert codes.select(native).unnest("rate")["value"].to_list() == [*RATES.values(), None, None]
    assert codes.select(native).unnest("rate")["error"][-1].startswith("KeyError")


PROGRAM = """
import sys
import polars as pl
from polars.plugins import register_plugin_function
rate = register_plugin_function(
    plugin_path=sys.argv[1], function_name="rate", args=["code"], is_elementwise=True
)
codes = pl.DataFrame({"code": ["USD", "a code of more than twelve bytes"]})
print(codes.select(rate)["code"].to_list(), "numba" in sys.modules, "dataflare_vec" in sys.modules)
"""


def test_where_there_is_polars_only(library):
    command = [sys.executable, "-c", PROGRAM, str(library.path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[1.0625, 0.25] False False"


def test_what_can_not_be_part_of_one_is_named(tmp_path):
    def in_a_constant(code, table={"EUR": 1.0}):  # noqa: B006
        return table[code]

    def in_a_large_one(code):
        return LARGE[code]

    for kernel, reason in (
        (
            in_a_constant,
            "its constant `table` is a table, which keyword arguments can't be: make it a global",
        ),
        (in_a_large_one, "the tables that it looks up in take 38 MiB, and 16 are the most"),
    ):
        with pytest.raises(dfv.BuildError, match=reason) as caught:
            dfv.build(plugin(kernel), {"code": pl.String}, output=tmp_path)
        assert caught.value.plugin == kernel.__name__
    assert list(tmp_path.iterdir()) == []
