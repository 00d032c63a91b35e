"""The calendar: days since 1970 as year, month and day, and back; for the years 1 to 9999, as Python's.

Years are counted from March, so that the leap day is the last one; 400 years are 146,097 days.

Source: Howard Hinnant, "chrono-compatible low-level date algorithms" (days_from_civil, civil_from_days).
"""

from __future__ import annotations

from numba.extending import register_jitable

#: Microseconds of a second, and of a day.
SECOND, DAY = 1_000_000, 86_400_000_000

#: The days of 0001-01-01 and 9999-12-31, the first and the last that Python has.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896

_ERA = 146_097
_MARCH_OF_YEAR_0 = -719_468
_BITS = 40  # of the fraction in which a reciprocal is multiplied


def _reciprocal(divisor: int) -> int:
    return (1 << _BITS) // divisor + 1


_R_ERA, _R_4Y, _R_CENTURY, _R_LAST = map(_reciprocal, (_ERA, 1460, 36524, 146096))
_R_YEAR, _R_MONTHS, _R_100, _R_4, _R_5 = map(_reciprocal, (365, 153, 100, 4, 5))


@register_jitable(forceinline=True)
def year_month_day(days):
    """Return year, month and day.

    Notes
    -----
    Divides by multiplication: no vector instruction divides integers. Exact for all days of Python's years
    (each of them is tested).
    """
    shifted = days - _MARCH_OF_YEAR_0
    era = (shifted * _R_ERA) >> _BITS
    day_of_era = shifted - era * _ERA
    leaps = ((day_of_era * _R_CENTURY) >> _BITS) - ((day_of_era * _R_4Y) >> _BITS)
    leaps -= (day_of_era * _R_LAST) >> _BITS
    year_of_era = ((day_of_era + leaps) * _R_YEAR) >> _BITS
    year_days = 365 * year_of_era + ((year_of_era * _R_4) >> _BITS) - ((year_of_era * _R_100) >> _BITS)
    day_of_year = day_of_era - year_days
    month = ((5 * day_of_year + 2) * _R_MONTHS) >> _BITS
    day = day_of_year - (((153 * month + 2) * _R_5) >> _BITS) + 1
    late = month >= 10  # January and February belong to the next year
    return era * 400 + year_of_era + late, month - 9 if late else month + 3, day


@register_jitable(forceinline=True)
def days_of(year, month, day):
    """Return the days since 1970 of a date that exists."""
    early = month <= 2
    shifted = year - early
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * (month + 9 if early else month - 3) + 2) // 5 + day - 1
    return (
        era * _ERA
        + year_of_era * 365
        + year_of_era // 4
        - year_of_era // 100
        + day_of_year
        + _MARCH_OF_YEAR_0
    )


@register_jitable(forceinline=True)
def is_leap(year):
    """Return whether a year has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@register_jitable(forceinline=True)
def month_length(year, month):
    """Return how many days a month has."""
    if month == 2:
        return 29 if is_leap(year) else 28
    return 30 + ((month + (month >> 3)) & 1)


@register_jitable(forceinline=True)
def weekday(days):
    """Return the day of the week, Monday is 0."""
    shifted = days - FIRST_DAY  # a Monday
    return shifted - ((shifted * _R_7) >> _BITS) * 7


_R_7 = _reciprocal(7)


@register_jitable
def iso_week(days):
    """Return year, week and weekday (Monday is 1) of ISO 8601: week 1 holds the year's first Thursday."""
    day = weekday(days)
    thursday = days - day + 3
    year, _, _ = year_month_day(thursday)
    return year, (thursday - days_of(year, 1, 1)) // 7 + 1, day + 1
