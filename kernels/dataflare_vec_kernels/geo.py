"""Distances and directions on the Earth."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

import dataflare_vec as dfv

#: Equatorial radius in kilometres, and flattening, of the ellipsoid WGS 84.
WGS84_RADIUS_KM = 6378.137
WGS84_FLATTENING = 1 / 298.257223563

#: Mean radius of the Earth in kilometres (IUGG, R1).
EARTH_RADIUS_KM = 6371.0088


class Point(NamedTuple):
    """A place, in degrees."""

    lat: float
    lon: float


def _wrapped(lon):
    """Longitude from -180 to 180 degrees."""
    return lon - 360.0 * float(np.floor((lon + 180.0) / 360.0))  # NaN for NaN, as of `math.floor` it isn't


@dfv.plugin(author="dataflare_vec")
def haversine(lat1, lon1, lat2, lon2, radius=EARTH_RADIUS_KM):
    """Great-circle distance between two points, on a sphere.

    Parameters
    ----------
    lat1, lon1, lat2, lon2 : float
        Latitudes and longitudes in degrees.
    radius : float
        Radius of the sphere; the result has its unit. Kilometres by default.

    Returns
    -------
    float
        The distance, 0 to π · radius; NaN if a coordinate is NaN or infinite.

    Notes
    -----
    A sphere is within 0.5 % of the WGS 84 ellipsoid. Near antipodes rounding could make the argument of
    the arcsine larger than 1; it is cut off there.

    Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (2), 1984, p. 159.

    Examples
    --------
    >>> round(haversine(52.52, 13.405, 48.8566, 2.3522))
    877
    """
    phi1 = math.radians(lat1)
    phi2 = math.radians(lat2)
    sin_lat = math.sin((phi2 - phi1) / 2)
    sin_lon = math.sin(math.radians(lon2 - lon1) / 2)
    h = sin_lat * sin_lat + math.cos(phi1) * math.cos(phi2) * sin_lon * sin_lon
    return 2 * radius * math.asin(math.sqrt(1.0 if h > 1.0 else h))


@dfv.plugin(author="dataflare_vec")
def equirectangular(lat1, lon1, lat2, lon2, radius=EARTH_RADIUS_KM):
    """Distance between two near points, as if the Earth were flat between them.

    Parameters
    ----------
    lat1, lon1, lat2, lon2 : float
        Latitudes and longitudes in degrees.
    radius : float
        Radius of the sphere; the result has its unit. Kilometres by default.

    Returns
    -------
    float
        The distance; NaN if a coordinate is NaN or infinite. Null where one is null.

    Notes
    -----
    Against `haversine` within 0.1 % up to 300 km apart and 60° from the equator; much too large for far
    points. The way round the date line is the short one.

    Source: equirectangular projection (plate carrée) at the mean latitude; J. P. Snyder, Map Projections,
    USGS Professional Paper 1395, 1987, p. 90.

    Examples
    --------
    >>> round(equirectangular(52.52, 13.405, 52.3906, 13.0645), 1)
    27.2
    """
    x = math.radians(_wrapped(lon2 - lon1)) * math.cos(math.radians(0.5 * (lat1 + lat2)))
    y = math.radians(lat2 - lat1)
    return radius * math.sqrt(x * x + y * y)


@dfv.plugin(author="dataflare_vec")
def initial_bearing(lat1, lon1, lat2, lon2):
    """Direction in which a great circle leaves the first point for the second.

    Parameters
    ----------
    lat1, lon1, lat2, lon2 : float
        Latitudes and longitudes in degrees.

    Returns
    -------
    float
        Degrees clockwise from north, 0 to below 360; 0 between equal points; NaN if a coordinate is NaN or
        infinite. Null where one is null.

    Notes
    -----
    On a sphere: within 0.2° of the direction on the ellipsoid. Any direction is right between antipodes.

    Source: four-part formula of spherical trigonometry; J. P. Snyder, Map Projections, USGS Professional
    Paper 1395, 1987, equation 5-4b.

    Examples
    --------
    >>> round(initial_bearing(52.52, 13.405, 48.8566, 2.3522))
    247
    """
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    turn = math.radians(lon2 - lon1)
    east = math.sin(turn) * math.cos(phi2)
    north = math.cos(phi1) * math.sin(phi2) - math.sin(phi1) * math.cos(phi2) * math.cos(turn)
    bearing = math.degrees(math.atan2(east, north))
    bearing = bearing + 360.0 if bearing < 0.0 else bearing
    return 0.0 if bearing >= 360.0 else bearing


@dfv.plugin(author="dataflare_vec")
def destination_point(lat1, lon1, bearing, distance, radius=EARTH_RADIUS_KM):
    """Destination reached along a great circle.

    Parameters
    ----------
    lat1, lon1 : float
        Start in degrees.
    bearing : float
        Direction at the start, in degrees clockwise from north.
    distance : float
        How far, in the unit of ``radius``.
    radius : float
        Radius of the sphere. Kilometres by default.

    Returns
    -------
    Point
        lat, -90 to 90, and lon, -180 to 180 degrees; NaN if an input is NaN or infinite. Null where one is
        null.

    Notes
    -----
    On a sphere, which is within 0.5 % of the WGS 84 ellipsoid. Near the poles the error of lat stays that of
    rounding.

    Source: J. P. Snyder, Map Projections, USGS Professional Paper 1395, 1987, equations 5-5 and 5-6.

    Examples
    --------
    >>> there = destination_point(52.52, 13.405, 246.0, 877.0)
    >>> round(there.lat), round(there.lon)
    (49, 2)
    """
    phi, way, turn = math.radians(lat1), distance / radius, math.radians(bearing)
    along, aside = math.cos(way), math.sin(way)
    # North pole, origin and east of the direction arrived at.
    up = math.sin(phi) * along + math.cos(phi) * aside * math.cos(turn)
    out = math.cos(phi) * along - math.sin(phi) * aside * math.cos(turn)
    east = aside * math.sin(turn)
    lat2 = math.degrees(math.atan2(up, math.sqrt(out * out + east * east)))
    return Point(lat2, _wrapped(lon1 + math.degrees(math.atan2(east, out))))


@dfv.plugin(author="dataflare_vec")
def midpoint(lat1, lon1, lat2, lon2):
    """Point halfway along the great circle between two points.

    Parameters
    ----------
    lat1, lon1, lat2, lon2 : float
        Latitudes and longitudes in degrees.

    Returns
    -------
    Point
        lat, -90 to 90, and lon, -180 to 180 degrees; NaN if a coordinate is NaN or infinite. Null where one
        is null.

    Notes
    -----
    On a sphere. Between antipodes there is none; the result is then some point.

    Source: sum of the two directions as vectors.

    Examples
    --------
    >>> half = midpoint(0.0, 10.0, 0.0, 20.0)
    >>> round(half.lat, 9), round(half.lon, 9)
    (0.0, 15.0)
    """
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    turn = math.radians(lon2 - lon1)
    x = math.cos(phi1) + math.cos(phi2) * math.cos(turn)
    y = math.cos(phi2) * math.sin(turn)
    lat = math.degrees(math.atan2(math.sin(phi1) + math.sin(phi2), math.sqrt(x * x + y * y)))
    return Point(lat, _wrapped(lon1 + math.degrees(math.atan2(y, x))))


@dfv.plugin(author="dataflare_vec")
def vincenty(lat1, lon1, lat2, lon2):
    """Shortest distance between two points on the ellipsoid WGS 84, in kilometres.

    Parameters
    ----------
    lat1, lon1, lat2, lon2 : float
        Latitudes and longitudes in degrees.

    Returns
    -------
    float
        The distance in kilometres, 0 between equal points; NaN if a coordinate is NaN or infinite. Null where
        one is null.

    Raises
    ------
    ValueError
        If the steps don't end in 200: between nearly antipodal points. The row fails.

    Notes
    -----
    Within 0.5 mm. The number of steps depends on the row, so the loop stays scalar: use `haversine` where
    0.5 % is enough.

    Source: T. Vincenty, "Direct and Inverse Solutions of Geodesics on the Ellipsoid with Application of
    Nested Equations", Survey Review 23 (176), 1975, equations 3, 4, 6, 10, 11, 13-19.

    Examples
    --------
    >>> round(vincenty(52.52, 13.405, 48.8566, 2.3522), 3)
    879.699
    """
    # In single precision the steps wouldn't end.
    lat1, lon1, lat2, lon2 = float(lat1), float(lon1), float(lat2), float(lon2)
    flattening = WGS84_FLATTENING
    polar = WGS84_RADIUS_KM * (1.0 - flattening)
    # Reduced latitudes.
    u1 = math.atan((1.0 - flattening) * math.tan(math.radians(lat1)))
    u2 = math.atan((1.0 - flattening) * math.tan(math.radians(lat2)))
    turn = math.radians(_wrapped(lon2 - lon1))
    products = math.sin(u1) * math.sin(u2)
    lam = turn
    for _ in range(200):
        x = math.cos(u1) * math.sin(u2) - math.sin(u1) * math.cos(u2) * math.cos(lam)
        y = math.cos(u2) * math.sin(lam)
        sin_sigma = math.sqrt(x * x + y * y)
        if sin_sigma == 0.0:
            return 0.0
        cos_sigma = products + math.cos(u1) * math.cos(u2) * math.cos(lam)
        sigma = math.atan2(sin_sigma, cos_sigma)
        sin_alpha = math.cos(u1) * math.cos(u2) * math.sin(lam) / sin_sigma
        square = 1.0 - sin_alpha * sin_alpha
        middle = cos_sigma - 2.0 * products / square if square > 0.0 else 0.0  # 0 along the equator
        c = flattening / 16.0 * square * (4.0 + flattening * (4.0 - 3.0 * square))
        bend = middle + c * cos_sigma * (2.0 * middle * middle - 1.0)
        last = lam
        lam = turn + (1.0 - c) * flattening * sin_alpha * (sigma + c * sin_sigma * bend)
        if not math.fabs(lam - last) > 1e-12:  # NaN ends too
            k = square * ((WGS84_RADIUS_KM / polar) ** 2 - 1.0)
            a = 1.0 + k / 16384.0 * (4096.0 + k * (-768.0 + k * (320.0 - 175.0 * k)))
            b = k / 1024.0 * (256.0 + k * (-128.0 + k * (74.0 - 47.0 * k)))
            part = cos_sigma * (2.0 * middle * middle - 1.0)
            part -= b / 6.0 * middle * (4.0 * sin_sigma * sin_sigma - 3.0) * (4.0 * middle * middle - 3.0)
            return polar * a * (sigma - b * sin_sigma * (middle + 0.25 * b * part))
        if math.fabs(lam) > math.pi:
            break
    raise ValueError("the points are nearly antipodal, where Vincenty's steps don't end")


@dfv.plugin(author="dataflare_vec")
def point_in_polygon(x, y, polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))):
    """Whether a point lies in a polygon.

    Parameters
    ----------
    x, y : float
        The point.
    polygon : tuple of tuples of float
        Corners in order, three or more, all of them floats; the last is joined to the first.

    Returns
    -------
    bool
        True inside; false if a coordinate is NaN. Null where one is null.

    Notes
    -----
    In the plane, by the even-odd rule. Points on the left and lower edges of an upright rectangle count as
    inside, on the others as outside, so that adjoining polygons share no point. The number of corners is part
    of the compiled code: each other number compiles again, and longer for more corners.

    Source: M. Shimrat, "Algorithm 112: Position of Point Relative to Polygon", Communications of the ACM 5
    (8), 1962.

    Examples
    --------
    >>> point_in_polygon(0.5, 0.5), point_in_polygon(0.5, 1.5)
    (True, False)
    """
    inside = False
    x0, y0 = polygon[-1]
    for corner in polygon:
        x1, y1 = corner
        crosses = (y1 > y) != (y0 > y)
        side = (x - x1) * (y0 - y1) - (x0 - x1) * (y - y1)
        inside = inside != (crosses & (side < 0.0 if y0 > y1 else side > 0.0))
        x0, y0 = x1, y1
    return inside
