"""What the wheel does, where it is installed: ``pytest test_city_rides.py``."""

import city_rides
import polars as pl
import pytest

RIDES = pl.DataFrame({"km": [10.0, 300.0, None], "minutes": [20, 30, 5]})


def test_distances():
    places = pl.DataFrame({"a": [52.52], "b": [13.405], "c": [48.137], "d": [11.575]})
    (km,) = places.select(city_rides.trip_km("a", "b", "c", "d")).to_series()
    assert km == pytest.approx(504.4, abs=0.2)  # Berlin to Munich


def test_prices():
    prices = RIDES.lazy().select(city_rides.price("km", "minutes", night=True)).unnest("price").collect()
    assert prices.rows() == [(47.0, 7.05), (751.0, 112.65), (None, None)]


def test_failed_rides():
    none = RIDES.with_columns(minutes=pl.lit(0, pl.Int64))
    prices = none.select(city_rides.price("km", "minutes", on_error="null")).unnest("price")
    assert prices["fare"].null_count() == 3
    with pytest.raises(pl.exceptions.ComputeError, match=r"row 0 of a batch of 3 .*: ValueError"):
        none.select(city_rides.price("km", "minutes"))


def test_plausible_rides():
    assert RIDES.filter(city_rides.plausible("km", "minutes")).rows() == [(10.0, 20)]
