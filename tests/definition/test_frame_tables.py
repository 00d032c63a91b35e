"""`dfv.table`: what a frame's rows are as a dict, in Python and in kernels; what it refuses."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, identical, plugin
from testing.strategies import odd_text, text

PLACES = pl.DataFrame(
    {
        "zip": ["10115", "80331", "20095"],
        "shop": [1, 2, 1],
        "lat": [52.53, 48.14, None],
        "day": [dt.date(2020, 1, 1), None, dt.date(1969, 1, 1)],
        "fee": [Decimal("1.50"), Decimal("0.25"), None],
        "class": ["a", "b", "c"],
    }
)
BY_ZIP = dfv.table(PLACES, key="zip", value=["lat", "day", "fee"])
BY_PAIR = dfv.table(PLACES, key=["zip", "shop"], value="lat")
EUROS = dfv.table({"EUR": 1.0})
KINDS = {
    "text": (text | odd_text, pl.String),
    "bytes": (st.binary(max_size=20), pl.Binary),
    "int": (st.integers(-5, 5) | st.integers(-(1 << 63), (1 << 63) - 1), pl.Int64),
    "date": (st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)), pl.Date),
    "single": (st.floats(width=32, allow_nan=False), pl.Float32),
}


def test_it_is_a_dict_of_the_rows():
    assert BY_ZIP["10115"] == (52.53, dt.date(2020, 1, 1), Decimal("1.50"))
    assert BY_ZIP["10115"].lat == 52.53
    assert BY_ZIP.get("x") is None
    assert dict(BY_PAIR) == {("10115", 1): 52.53, ("80331", 2): 48.14, ("20095", 1): None}
    assert list(BY_ZIP) == PLACES["zip"].to_list()
    assert (len(BY_ZIP), "80331" in BY_ZIP, "x" in BY_ZIP) == (3, True, False)
    assert repr(BY_ZIP) == "<table of 3 keys>"
    assert dfv.table(PLACES["zip"], value=PLACES["lat"]) == dict(PLACES.select("zip", "lat").iter_rows())
    assert dfv.table({"a": 1}) == {"a": 1}
    assert dfv.table(PLACES.select("zip", "lat"), key="zip") == dfv.table(PLACES, "zip", "lat")
    with pytest.raises(TypeError):
        BY_ZIP["x"] = 1


def test_copies_and_pickles_are_the_same_table():
    assert copy.copy(BY_ZIP) is BY_ZIP
    assert copy.deepcopy([BY_ZIP])[0] is BY_ZIP
    again = pickle.loads(pickle.dumps(BY_ZIP))
    assert again == BY_ZIP
    assert again["80331"].lat == 48.14


def test_a_kernel_finds_what_a_join_does():
    def place(zip, shop):
        found = BY_ZIP[zip]
        return found.lat, found.day, found.fee, BY_PAIR.get((zip, shop), -1.0)

    frame = PLACES.select("zip", "shop").sample(200, with_replacement=True, seed=1)
    found = frame.pipe(dfv.apply, plugin(place, returns=None), keep=False)
    wanted = frame.join(PLACES, on="zip", how="left", maintain_order="left")
    fee = found["place_2"].cast(pl.Decimal(38, 2))
    assert found["place_0"].to_list() == wanted["lat"].to_list()
    assert found["place_1"].to_list() == wanted["day"].to_list()
    assert fee.to_list() == wanted["fee"].to_list()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(data=st.data())
def test_compiled_is_interpreted(kind, data):
    def told(key, table=None):
        return table.get(key), key in table, len(table)

    values, dtype = KINDS[kind]
    keys = data.draw(st.lists(values, min_size=1, max_size=12, unique_by=lambda value: value))
    numbers = [float(i) for i in range(len(keys))]
    rows = pl.DataFrame({"key": pl.Series(keys, dtype=dtype), "value": numbers})
    table = dfv.table(rows, key="key")
    column = data.draw(st.lists(st.none() | st.sampled_from(keys) | values, max_size=20))
    expects = dt.date if kind == "date" else object
    told.__annotations__["key"] = expects
    check(plugin(told), pl.DataFrame({"key": pl.Series(column, dtype=dtype)}), table=table)


def test_a_constant_of_the_call_is_another_table_of_the_same_code():
    def rate(code, table=EUROS):
        return table.get(code, 0.0)

    known = plugin(rate)
    frame = pl.DataFrame({"code": ["EUR", "USD"]})
    assert frame.pipe(dfv.apply, known, keep=False)["rate"].to_list() == [1.0, 0.0]
    other = dfv.table({"USD": 2.0, "EUR": 3.0})
    assert frame.pipe(dfv.apply, known, table=other, keep=False)["rate"].to_list() == [3.0, 2.0]
    assert identical(
        frame.lazy().pipe(dfv.apply, known, table=other).collect(), frame.pipe(dfv.apply, known, table=other)
    )


def refused(argument, *call, **named):
    with pytest.raises(dfv.ArgumentError) as caught:
        dfv.table(*call, **named)
    assert caught.value.argument == argument
    return str(caught.value)


def test_what_it_refuses():
    assert "did you mean `zip`" in refused("key", PLACES, "zp", "lat")
    assert "column `lon` not found" in refused("value", PLACES, "zip", ["lat", "lon"])
    assert "`class` can't be the name of a tuple's field" in refused("value", PLACES, "zip", ["class"])
    assert "some are there twice: 1; keep one row of each" in refused("key", PLACES, "shop", "lat")
    assert "column `lat` has 1 null" in refused("key", PLACES, "lat", "zip")
    assert "named twice" in refused("value", PLACES, "zip", ["lat", "lat"])
    assert "collect it first" in refused("data", PLACES.lazy(), "zip", "lat")
    assert "list of names" in refused("key", PLACES, 3, "lat")
    assert "has its keys and values already" in refused("key", {"a": 1}, "a")
    assert "Series of as many values" in refused("value", PLACES["zip"], value=PLACES["lat"][:2])
    aware = PLACES.select("zip", at=pl.lit(dt.datetime(2020, 1, 1)).dt.replace_time_zone("UTC"))
    assert 'convert_time_zone("UTC")' in refused("value", aware, "zip", "at")
    nested = PLACES.select("zip", many=pl.concat_list("lat", "lat"))
    assert "column `many` is List(Float64)" in refused("value", nested, "zip", "many")
    assert "its values are unlike" in refused("data", {"a": 1, "b": "c"})
