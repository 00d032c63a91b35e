"""Position of the sun, and perceived temperature."""

from __future__ import annotations

import math
from typing import NamedTuple

import dataflare_vec as dfv


class SolarPosition(NamedTuple):
    """Where the sun is, in degrees."""

    elevation: float
    azimuth: float


@dfv.plugin(author="dataflare_vec")
def solar_position(seconds, lat, lon):
    """Elevation and azimuth of the sun.

    Parameters
    ----------
    seconds : float or int
        Instant, in seconds since 1970-01-01 UTC; bind ``pl.col("time").dt.epoch("s")``.
    lat, lon : float
        Place in degrees, north and east positive.

    Returns
    -------
    SolarPosition
        elevation above the horizon, -90 to 90 degrees, of the sun's centre and without refraction; azimuth
        clockwise from north, 0 to 360 degrees, undefined at the zenith and at the poles. NaN where an input
        is NaN. Null where one is null.

    Notes
    -----
    Within 0.02° for the years 1950 to 2050: the source gives 0.01° for the ecliptic longitude; UTC is taken
    for UT1, at most 0.9 s (0.004°) off.

    Source: "Low precision formulas for the Sun's coordinates", The Astronomical Almanac, page C5 (US Naval
    Observatory); sidereal time from the same.

    Examples
    --------
    >>> noon_in_greenwich_at_midsummer = 1_718_971_200  # 2024-06-21 12:00 UTC
    >>> round(solar_position(noon_in_greenwich_at_midsummer, 51.4779, 0.0).elevation, 1)
    62.0
    """
    # The hour angle counts turns: single precision would lose its digits.
    seconds, lat, lon = float(seconds), float(lat), float(lon)
    days = seconds / 86400.0 - 10957.5  # since noon of 2000-01-01
    longitude = 280.460 + 0.9856474 * days
    anomaly = math.radians(357.528 + 0.9856003 * days)
    ecliptic = math.radians(longitude + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2.0 * anomaly))
    tilt = math.radians(23.439 - 4e-7 * days)
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    sin_declination = math.sin(tilt) * math.sin(ecliptic)
    cos_declination = math.sqrt(1.0 - sin_declination * sin_declination)
    hour_angle = math.radians(280.46062 + 360.9856474 * days + lon) - ascension
    phi = math.radians(lat)
    # East, north and up of the direction to the sun.
    east = -cos_declination * math.sin(hour_angle)
    along = cos_declination * math.cos(hour_angle)
    north = math.cos(phi) * sin_declination - math.sin(phi) * along
    up = math.sin(phi) * sin_declination + math.cos(phi) * along
    azimuth = math.degrees(math.atan2(east, north))
    return SolarPosition(
        math.degrees(math.atan2(up, math.sqrt(east * east + north * north))),
        azimuth + 360.0 if azimuth < 0.0 else azimuth,
    )


@dfv.plugin(author="dataflare_vec")
def dew_point(temperature, humidity):
    """Temperature at which air of a given humidity is saturated.

    Parameters
    ----------
    temperature : float
        Of the air, in °C.
    humidity : float
        Relative, in percent.

    Returns
    -------
    float
        Dew point in °C; -243.04 for a humidity of 0, NaN for a negative one and for NaN. Null for a null.

    Notes
    -----
    Magnus formula over water; the source gives 0.35 °C as the largest error from -40 to 50 °C.

    Source: O. A. Alduchov and R. E. Eskridge, "Improved Magnus Form Approximation of Saturation Vapor
    Pressure", Journal of Applied Meteorology 35 (4), 1996, 601-609.

    Examples
    --------
    >>> round(dew_point(25.0, 60.0), 1)
    16.7
    """
    # Without the smallest of numbers the logarithm would be infinite, and the result ∞ / ∞.
    wet = math.log(1e-300 if humidity == 0.0 else humidity / 100.0)
    gamma = wet + 17.625 * temperature / (243.04 + temperature)
    return -243.04 if humidity == 0.0 else 243.04 * gamma / (17.625 - gamma)


@dfv.plugin(author="dataflare_vec")
def heat_index(temperature, humidity):
    """Perceived temperature of hot and humid air in the shade.

    Parameters
    ----------
    temperature : float
        Of the air, in °C.
    humidity : float
        Relative, in percent.

    Returns
    -------
    float
        Heat index in °C; NaN where an input is NaN. Null where one is null.

    Notes
    -----
    The regression fits Steadman's table within 0.7 °C (1.3 °F) where the index is above 26.7 °C (80 °F);
    below it is Steadman's simple formula, averaged with the temperature. With the two adjustments for dry
    and for humid air, and their jumps.

    Source: L. P. Rothfusz, "The Heat Index Equation", NWS Southern Region Technical Attachment SR 90-23,
    1990; NWS Weather Prediction Center, "The Heat Index Equation".

    Examples
    --------
    >>> round(heat_index(32.0, 70.0), 1)
    40.4
    """
    t, r = 1.8 * temperature + 32.0, float(humidity)
    simple = 0.5 * (t + 61.0 + (t - 68.0) * 1.2 + r * 0.094)
    full = (
        -42.379 + 2.04901523 * t + 10.14333127 * r - 0.22475541 * t * r - 6.83783e-3 * t * t
        - 5.481717e-2 * r * r + 1.22874e-3 * t * t * r + 8.5282e-4 * t * r * r - 1.99e-6 * t * t * r * r
    )  # fmt: skip
    spread = 17.0 - math.fabs(t - 95.0)
    dry = (13.0 - r) / 4.0 * math.sqrt((0.0 if spread < 0.0 else spread) / 17.0)
    damp = (r - 85.0) / 10.0 * (87.0 - t) / 5.0
    is_dry = (r < 13.0) & (t >= 80.0) & (t <= 112.0)
    is_damp = (r > 85.0) & (t >= 80.0) & (t <= 87.0)
    full = full - (dry if is_dry else 0.0) + (damp if is_damp else 0.0)
    mild = 0.5 * (simple + t)
    return ((mild if mild < 80.0 else full) - 32.0) / 1.8


@dfv.plugin(author="dataflare_vec")
def wind_chill(temperature, wind):
    """Perceived temperature of cold air in wind.

    Parameters
    ----------
    temperature : float
        Of the air, in °C.
    wind : float
        Speed at 10 m above ground, in km/h.

    Returns
    -------
    float
        Wind chill in °C; the temperature itself above 10 °C or in wind below 4.8 km/h, where there is none;
        NaN where an input is NaN. Null where one is null.

    Notes
    -----
    A regression; the source gives the result in whole degrees.

    Source: R. Osczevski and M. Bluestein, "The New Wind Chill Equivalent Temperature Chart", Bulletin of the
    American Meteorological Society 86 (10), 2005; the index of the National Weather Service and of
    Environment Canada since 2001.

    Examples
    --------
    >>> round(wind_chill(-10.0, 30.0))
    -20
    """
    speed = math.exp(0.16 * math.log(4.8 if wind < 4.8 else wind))  # wind to the power of 0.16
    felt = 13.12 + 0.6215 * temperature + (0.3965 * temperature - 11.37) * speed
    is_mild = (wind < 4.8) | ((temperature > 10.0) & (wind >= 4.8))  # and not where the wind is NaN
    return float(temperature) if is_mild else felt
