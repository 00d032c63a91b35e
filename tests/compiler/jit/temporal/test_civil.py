"""The calendar against NumPy's, on each day that Python has."""

import numba
import numpy as np

from dataflare_vec.compiler.jit.lowering.temporal import civil


@numba.njit
def walk(first, last):
    fields = np.empty((4, last - first + 1), np.int64)
    wrong = 0
    for i in range(last - first + 1):
        year, month, day = civil.year_month_day(first + i)
        fields[0, i], fields[1, i], fields[2, i], fields[3, i] = year, month, day, civil.weekday(first + i)
        wrong += civil.days_of(year, month, day) != first + i
        wrong += not 1 <= day <= civil.month_length(year, month)
    return fields, wrong


def test_each_day_of_python():
    (year, month, day, weekday), wrong = walk(civil.FIRST_DAY, civil.LAST_DAY)
    days = np.arange(civil.FIRST_DAY, civil.LAST_DAY + 1)
    dates = days.astype("datetime64[D]")
    years, months = dates.astype("datetime64[Y]"), dates.astype("datetime64[M]")
    assert wrong == 0
    np.testing.assert_array_equal(year, years.astype(int) + 1970)
    np.testing.assert_array_equal(month, (months - years).astype(int) + 1)
    np.testing.assert_array_equal(day, (dates - months).astype(int) + 1)
    np.testing.assert_array_equal(weekday, (days + 3) % 7)
