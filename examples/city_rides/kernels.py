"""Rides: how far, what for, and whether that can be."""

from __future__ import annotations

import math
from typing import NamedTuple

import dataflare_vec as dfv


class Price(NamedTuple):
    """What a ride costs."""

    fare: float
    tip: float


@dfv.plugin
def trip_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the length of the great circle between two places, in kilometres; they are in degrees."""
    a = math.sin(math.radians(lat2 - lat1) / 2) ** 2
    b = math.cos(math.radians(lat1)) * math.cos(math.radians(lat2))
    return 12742.0 * math.asin(math.sqrt(a + b * math.sin(math.radians(lon2 - lon1) / 2) ** 2))


@dfv.plugin
def price(km: float, minutes: int, base: float = 3.5, night: bool = False) -> Price:
    """Return fare and usual tip of a ride; fares are doubled at night.

    Raises
    ------
    ValueError
        If the ride took no time.
    """
    if minutes <= 0:
        raise ValueError("a ride takes time")
    fare = (base + 1.2 * km + 0.4 * minutes) * (2 if night else 1)
    return Price(fare, round(0.15 * fare, 2))


@dfv.filter
def plausible(km: float, minutes: int, fastest: float = 120.0) -> bool:
    """Return whether a ride wasn't faster than a car is, in km/h."""
    return km * 60.0 <= fastest * minutes
