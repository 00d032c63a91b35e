"""Vectors, published geodesics, round trips."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv

RADIUS = 6371.0088
places = st.tuples(st.floats(-89, 89), st.floats(-180, 180))


def pairs(rows=500):
    random = np.random.default_rng(8)
    names = ("lat1", "lon1", "lat2", "lon2")
    return dict(zip(names, random.uniform([-89, -180] * 2, [89, 180] * 2, (rows, 4)).T, strict=True))


def vector(lat, lon):
    lat, lon = np.radians(lat), np.radians(lon)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def test_haversine_is_the_angle_between_vectors(over):
    some = pairs()
    a, b = vector(some["lat1"], some["lon1"]), vector(some["lat2"], some["lon2"])
    angle = np.arctan2(np.linalg.norm(np.cross(a.T, b.T), axis=1), (a * b).sum(0))
    np.testing.assert_allclose(over("haversine", **some), RADIUS * angle, rtol=1e-9)


def test_midpoint_is_the_middle_of_vectors(over):
    some = pairs()
    middle = vector(some["lat1"], some["lon1"]) + vector(some["lat2"], some["lon2"])
    got = over("midpoint", **some)
    np.testing.assert_allclose(
        vector(got["lat"], got["lon"]), middle / np.linalg.norm(middle, axis=0), atol=1e-12
    )


@given(places, places)
def test_distances_are_symmetric(over, a, b):
    there = dict(zip(("lat1", "lon1", "lat2", "lon2"), (*a, *b), strict=True))
    back = dict(zip(("lat1", "lon1", "lat2", "lon2"), (*b, *a), strict=True))
    for name in ("haversine", "equirectangular"):
        assert over(name, **there) == pytest.approx(over(name, **back), rel=1e-9, abs=1e-6)


@given(places, st.floats(0, 360, exclude_max=True), st.floats(1, 15_000))
def test_destination_is_where_distance_and_bearing_lead(over, start, bearing, distance):
    begin = {"lat1": start[0], "lon1": start[1]}
    end = over("destination_point", **begin, bearing=bearing, distance=distance)
    whole = {**begin, "lat2": end["lat"], "lon2": end["lon"]}
    assert over("haversine", **whole) == pytest.approx(distance, rel=1e-6)
    turn = over("initial_bearing", **whole)[0] - bearing
    assert math.remainder(turn, 360) == pytest.approx(0, abs=1e-4)


def test_bearings_of_the_compass(over):
    got = over("initial_bearing", lat1=0, lon1=0, lat2=[1, 0, -1, 0, 0], lon2=[0, 1, 0, -1, 0])
    np.testing.assert_allclose(got, [0, 90, 180, 270, 0], atol=1e-12)


def test_equirectangular_of_near_points(over):
    random = np.random.default_rng(9)
    start = {"lat1": random.uniform(-60, 60, 500), "lon1": random.uniform(-180, 180, 500)}
    way = {"bearing": random.uniform(0, 360, 500), "distance": random.uniform(1, 300, 500)}
    end = over("destination_point", **start, **way)
    got = over("equirectangular", **start, lat2=end["lat"], lon2=end["lon"])
    np.testing.assert_allclose(got, way["distance"], rtol=1e-3)


def test_vincenty_of_flinders_peak(over):
    """Geocentric Datum of Australia, Technical Manual, chapter 4: Flinders Peak to Buninyong.

    That is on GRS 80, whose flattening differs by 1e-11 from that of WGS 84.
    """
    lat1, lon1 = -(37 + 57 / 60 + 3.72030 / 3600), 144 + 25 / 60 + 29.52440 / 3600
    lat2, lon2 = -(37 + 39 / 60 + 10.15610 / 3600), 143 + 55 / 60 + 35.38390 / 3600
    got = over("vincenty", lat1=lat1, lon1=lon1, lat2=lat2, lon2=lon2)
    assert got == pytest.approx(54.972271, abs=1e-6)


def test_vincenty_along_equator_and_meridian(over):
    assert over("vincenty", lat1=0, lon1=0, lat2=0, lon2=90) == pytest.approx(
        6378.137 * math.pi / 2, rel=1e-12
    )
    # A quarter of the meridian is 10001.965729 km.
    assert over("vincenty", lat1=0, lon1=5, lat2=90, lon2=5) == pytest.approx(10001.965729, abs=1e-6)
    assert over("vincenty", lat1=12, lon1=5, lat2=12, lon2=5) == [0.0]


def test_vincenty_of_antipodes_fails():
    df = pl.DataFrame({"lat1": [0.0, 0.0], "lon1": [0.0, 0.0], "lat2": [0.5, 1.0], "lon2": [179.7, 1.0]})
    result = dfv.run(df, "vincenty", on_error="null")
    assert result.frame["vincenty"].is_null().to_list() == [True, False]
    assert "nearly antipodal" in result.errors["message"][0]


def test_point_in_a_concave_polygon(over):
    """Against the winding number, by angles."""
    corners = ((0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (2.0, 1.0), (0.0, 3.0))
    random = np.random.default_rng(10)
    x, y = random.uniform(-1, 5, (2, 2000))
    turns = np.zeros(2000)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        angle = np.arctan2(y1 - y, x1 - x) - np.arctan2(y0 - y, x0 - x)
        turns += (angle + np.pi) % (2 * np.pi) - np.pi
    got = over("point_in_polygon", bindings={"polygon": corners}, x=x, y=y)
    np.testing.assert_array_equal(got, np.abs(turns) > np.pi)
    np.testing.assert_array_equal(
        over("point_in_polygon", bindings={"polygon": corners[::-1]}, x=x, y=y), got
    )


def test_adjoining_squares_share_no_point(over):
    left = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    right = tuple((x + 1.0, y) for x, y in left)
    inside = [over("point_in_polygon", bindings={"polygon": p}, x=1.0, y=[0.0, 0.5]) for p in (left, right)]
    assert (inside[0] ^ inside[1]).all()
