"""Published tables and a longer series for the sun."""

from __future__ import annotations

import math
from datetime import datetime, timezone

import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv


def test_sun_against_meeus(over):
    """J. Meeus, Astronomical Algorithms, 2nd edition, chapters 12 and 25: written out here."""
    random = np.random.default_rng(11)
    seconds = random.uniform(-6e8, 2.5e9, 400)
    lat, lon = random.uniform(-80, 80, 400), random.uniform(-180, 180, 400)
    got = over("solar_position", seconds=seconds, lat=lat, lon=lon)
    jd = seconds / 86400 + 2440587.5
    t = (jd - 2451545) / 36525
    mean = 280.46646 + 36000.76983 * t + 0.0003032 * t**2
    m = np.radians(357.52911 + 35999.05029 * t - 0.0001537 * t**2)
    centre = (1.914602 - 0.004817 * t) * np.sin(m) + 0.019993 * np.sin(2 * m) + 0.000289 * np.sin(3 * m)
    omega = np.radians(125.04 - 1934.136 * t)
    longitude = np.radians(mean + centre - 0.00569 - 0.00478 * np.sin(omega))
    tilt = np.radians(23.4392911 - 0.0130042 * t + 0.00256 * np.cos(omega))
    ascension = np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude))
    declination = np.arcsin(np.sin(tilt) * np.sin(longitude))
    sidereal = 280.46061837 + 360.98564736629 * (jd - 2451545) + 0.000387933 * t**2
    hour = np.radians(sidereal + lon) - ascension
    phi = np.radians(lat)
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
    south = np.cos(hour) * np.sin(phi) - np.tan(declination) * np.cos(phi)
    azimuth = np.degrees(np.arctan2(np.sin(hour), south)) + 180
    np.testing.assert_allclose(got["elevation"], np.degrees(np.arcsin(sine)), atol=0.02)
    off = (got["azimuth"] - azimuth + 180) % 360 - 180
    assert np.abs(off * np.sqrt(1 - sine**2)).max() < 0.02


def test_sun_of_the_solar_position_algorithm():
    """I. Reda and A. Andreas, NREL/TP-560-34302, table A5.1: azimuth 194.340241°, zenith 50.11162°.

    The zenith angle there has 0.016° of refraction in it.
    """
    at = datetime(2003, 10, 17, 19, 30, 30, tzinfo=timezone.utc)
    df = pl.DataFrame({"time": [at], "lat": [39.742476], "lon": [-105.1786]})
    got = dfv.apply(df, "solar_position", seconds=pl.col("time").dt.epoch("s"), keep=False)
    assert got["azimuth"][0] == pytest.approx(194.340241, abs=0.03)
    assert got["elevation"][0] == pytest.approx(90 - 50.11162 - 0.016, abs=0.02)


def test_wind_chill_table(over):
    """Environment Canada's chart."""
    got = over("wind_chill", temperature=[0, -10, -20, -30, -40, 15, 0], wind=[10, 20, 30, 40, 60, 50, 3])
    assert np.round(got).tolist() == [-3, -18, -33, -48, -64, 15, 0]


def test_heat_index_table(over):
    """NWS chart, °F, to its whole degrees."""
    t, r, wanted = np.array(
        [(80, 40, 80), (90, 70, 105), (100, 50, 118), (96, 65, 121), (70, 50, 69)], float
    ).T
    got = over("heat_index", temperature=(t - 32) / 1.8, humidity=r) * 1.8 + 32
    np.testing.assert_allclose(got, wanted, atol=1.3)


def test_dew_point_gives_the_vapour_pressure_back(over):
    random = np.random.default_rng(12)
    t, r = random.uniform(-40, 50, 300), random.uniform(1, 100, 300)
    dew = over("dew_point", temperature=t, humidity=r)

    def pressure(t):
        return 6.1094 * np.exp(17.625 * t / (243.04 + t))

    np.testing.assert_allclose(pressure(dew), r / 100 * pressure(t), rtol=1e-12)
    assert over("dew_point", temperature=20, humidity=100) == pytest.approx(20)
    assert over("dew_point", temperature=20, humidity=0) == [-243.04]
    assert math.isnan(over("dew_point", temperature=20, humidity=-1)[0])
