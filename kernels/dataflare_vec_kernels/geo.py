"""Distances and directions on the Earth."""

from __future__ import annotations

import math

import dataflare_vec as dfv

#: Mean radius of the Earth in kilometres (IUGG, R1).
EARTH_RADIUS_KM = 6371.0088


@dfv.plugin(author="dataflare_vec")
def haversine(lat1, lon1, lat2, lon2, radius=EARTH_RADIUS_KM):  # type: ignore[no-untyped-def]
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
