"""The laws for results that are categories: strings of a kernel whose column is an Enum or Categorical."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from dataflare_vec.exceptions import BuildError, KernelResultError, RowError
from testing.oracle import check, plugin
from testing.strategies import configs, frames

#: Short and long ones, which tables keep differently, with a common beginning, and the empty string.
FEW = [
    "low",
    "high",
    "",
    "é",
    "twelve bytes",
    "more than twelve bytes",
    "more than twelve bytez",
    "\N{EURO SIGN}" * 9,
]
#: Of these codes take two bytes.
MANY = [f"c{i}" for i in range(300)]


class Level(NamedTuple):
    level: str
    size: int


def same(s):
    return s


def maybe(s: str | None, n):
    if s is None or n == 0:
        return None
    return s.strip()


def several(s, n):
    return s + "!" * (n == 1), n, s


def level(s, n):
    return Level(s, n)


def numbered(s, n):
    return f"c{n}"


FIELDS = {"level": pl.Enum(FEW), "size": pl.Int64()}
KERNELS = {
    one.name: one
    for one in (
        plugin(same, returns=pl.Enum(FEW)),
        plugin(maybe, returns=pl.Enum(FEW)),
        plugin(several, returns=(pl.Enum(FEW), pl.Int8, pl.Categorical)),
        plugin(level, returns=pl.Struct(FIELDS)),
        plugin(numbered, returns=pl.Enum(MANY)),
    )
}
TEXT = st.one_of(st.sampled_from(FEW), st.sampled_from(["no", "more than twelve bytes!", " low"]))
COLUMNS = {"s": (TEXT, pl.String), "n": (st.integers(0, 310), pl.Int64)}


@pytest.mark.parametrize("name", KERNELS)
@settings(phases=[Phase.explicit, Phase.generate])
@given(frame=frames(**COLUMNS), config=configs)
def test_compiled_is_python(all_roads, name, frame, config):
    check(KERNELS[name], frame, config=config)


def test_of_categories():
    """A kernel of one Categorical or Enum column is run once for each category."""
    frame = pl.DataFrame({"s": ["low", "high", None, "no", "low"]})
    expected = pl.Series("same", ["low", "high", None, None, "low"], pl.Enum(FEW))
    for dtype in (pl.Categorical, pl.Enum(["high", "no", "low"])):
        given_ = frame.cast(dtype)
        assert dfv.apply(given_, KERNELS["same"], on_error="null")["same"].equals(expected)
        own = plugin(same, returns="s")
        assert dfv.apply(given_, own)["same"].equals(given_["s"])


def test_what_fails_is_named():
    frame = pl.DataFrame({"s": ["low", "no"]})
    for fallback in (None, "python"):
        one = plugin(same, returns=pl.Enum(["low"]), fallback=fallback)
        with pytest.raises(RowError, match=r"row 1; .* ValueError: 'no' is not a category of Enum"):
            dfv.apply(frame, one)


def test_in_scans_and_lazy():
    @dfv.scan(init="", returns=pl.Enum(["", "low", "high"]), name="level_before")
    def level_before(before: str, s: str):
        return s, before

    frame = pl.DataFrame({"k": [1, 2, 1, 2], "s": ["low", "high", "no", "low"]})
    expected = pl.Series("level_before", ["", "", "low", "high"], pl.Enum(["", "low", "high"]))
    found = frame.lazy().pipe(dfv.apply, level_before, by="k")
    assert found.collect_schema()["level_before"] == expected.dtype
    assert found.collect()["level_before"].equals(expected)


def test_what_can_not_be():
    frame = pl.DataFrame({"s": ["low"], "n": [1]})
    with pytest.raises(KernelResultError, match="an Enum without categories; say which"):
        dfv.apply(frame, plugin(same, returns=pl.Enum))
    with pytest.raises(KernelResultError, match=r"returns Int64, but `returns` declares Enum.*str"):
        dfv.apply(frame, plugin(lambda n: n, name="numbers", returns=pl.Enum(["low"])))
    with pytest.raises(KernelResultError, match=r"declares List.*cast the column afterwards"):
        dfv.apply(frame, plugin(lambda s: [s], name="lists", returns=pl.List(pl.Categorical)))


@pytest.mark.parametrize("returns", [pl.Categorical, pl.Enum(FEW), pl.Struct(FIELDS)])
def test_not_built(returns, tmp_path):
    one = plugin(level if isinstance(returns, pl.Struct) else lambda s, n: s, name="unbuilt", returns=returns)
    with pytest.raises(BuildError, match=r"it returns .*categories as text"):
        dfv.build({one: {"s": pl.String, "n": pl.Int64}}, output=tmp_path)
