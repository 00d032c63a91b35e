"""Interest: loans, bonds, rates of return."""

from __future__ import annotations

import math
from typing import NamedTuple

import dataflare_vec as dfv


def _annuity(rate, periods):
    """Present value of 1 at the end of each period."""
    return periods if rate == 0.0 else -math.expm1(-periods * math.log1p(rate)) / rate


@dfv.plugin(author="dataflare_vec")
def annuity_payment(principal, rate, periods):
    """Level payment at the end of each period that pays off a loan.

    Parameters
    ----------
    principal : float
        What is lent.
    rate : float
        Interest for one period (0.01 is 1 %), above -1.
    periods : float
        How many payments.

    Returns
    -------
    float
        The payment; infinite for no periods, NaN for a rate of -1 or less or a NaN.

    Notes
    -----
    Null where an input is null. Without cancellation for small rates; error some ULP.

    Source: S. G. Kellison, The Theory of Interest, 3rd edition, chapter 3: principal · i / (1 - (1 + i)⁻ⁿ).

    Examples
    --------
    >>> round(annuity_payment(100_000.0, 0.005, 360), 2)
    599.55
    """
    return principal / _annuity(float(rate), float(periods))


class Instalment(NamedTuple):
    """What a payment consists of, and the debt after it."""

    interest: float
    repaid: float
    balance: float


@dfv.plugin(author="dataflare_vec")
def amortisation(principal, rate, periods, period):
    """Breakdown of one level payment of a loan: interest, repayment and remaining debt.

    Parameters
    ----------
    principal, rate, periods : float
        As of `annuity_payment`.
    period : float
        Which payment: 1 to ``periods``.

    Returns
    -------
    Instalment
        ``interest``, ``repaid``, ``balance``; NaN for another period, or an input that is NaN.

    Notes
    -----
    Null where an input is null. Each row by itself, without the payments before it.

    Source: S. G. Kellison, The Theory of Interest, 3rd edition, chapter 6: the balance is the value of the
    payments to come.

    Examples
    --------
    >>> amortisation(1000.0, 0.0, 4.0, 1.0)
    Instalment(interest=0.0, repaid=250.0, balance=750.0)
    """
    payment = principal / _annuity(float(rate), float(periods))
    inside = 1.0 <= period <= periods
    left = periods - period if inside else math.nan
    repaid = payment * math.exp(-(left + 1.0) * math.log1p(rate))
    return Instalment(payment - repaid, repaid, payment * _annuity(float(rate), left))


@dfv.plugin(author="dataflare_vec")
def bond_price(face, coupon, yield_, years, frequency=2.0):
    """Price of a bond on a coupon date.

    Parameters
    ----------
    face : float
        What is paid back at maturity.
    coupon, yield_ : float
        Coupon rate and yield to maturity per year (0.05 is 5 %), compounded ``frequency`` times a year.
    years : float
        Time to maturity.
    frequency : float
        Coupons a year.

    Returns
    -------
    float
        The price, in the unit of ``face``; NaN for a yield of -frequency or less, or a NaN.

    Notes
    -----
    Null where an input is null. years · frequency should be whole; between coupon dates there is no accrued
    interest in it. Error some ULP.

    Source: F. J. Fabozzi, Bond Markets, Analysis and Strategies, chapter 2.

    Examples
    --------
    >>> round(bond_price(1000.0, 0.10, 0.11, 20.0), 2)
    919.77
    """
    rate, periods = yield_ / frequency, years * frequency
    at_maturity = face * math.exp(-periods * math.log1p(rate))
    return face * coupon / frequency * _annuity(rate, periods) + at_maturity


@dfv.plugin(author="dataflare_vec")
def bond_yield(price, face, coupon, years, frequency=2.0):
    """Yield to maturity of a bond on a coupon date.

    Parameters
    ----------
    price, face : float
        Price, and what is paid back at maturity; positive.
    coupon, years, frequency : float
        As of `bond_price`; the coupon mayn't be negative.

    Returns
    -------
    float
        Yield per year, compounded ``frequency`` times a year; NaN if an input is NaN.

    Raises
    ------
    ValueError
        If price, face or years isn't positive, or the steps don't end.

    Notes
    -----
    Null where an input is null. Newton's method on the logarithm of the price, which is a convex function of
    log(1 + yield); some four steps a row, so the loop stays scalar. The error is about 10⁻¹⁴.

    Source: as of `bond_price`.

    Examples
    --------
    >>> round(bond_yield(919.77, 1000.0, 0.10, 20.0), 5)
    0.11
    """
    if price <= 0.0 or face <= 0.0 or years <= 0.0 or coupon < 0.0:
        raise ValueError("price, face and years must be positive, and the coupon not negative")
    # In single precision the steps wouldn't end.
    price, face, coupon, years = float(price), float(face), float(coupon), float(years)
    paid, periods = coupon / frequency, years * frequency
    u = math.log1p((paid + (1.0 - price / face) / periods) / (0.5 + 0.5 * price / face))
    for _ in range(100):
        if math.isnan(u):
            return u
        growth = math.expm1(u)
        last = math.exp(-periods * u)
        annuity = _annuity(growth, periods)
        if math.fabs(periods * u) < 1e-4:
            slope = -0.5 * periods * (periods + 1.0)
        else:
            slope = (periods * last - annuity * (growth + 1.0)) / growth
        value = paid * annuity + last
        step = value * math.log(value * face / price) / (periods * last - paid * slope)
        u += step
        if math.fabs(step) <= 1e-15 + 1e-15 * math.fabs(u):
            return frequency * math.expm1(u)
    raise ValueError("the yield's steps don't end")


def _present_value(amounts, days, u):
    """Value of payments on the first day at the rate exp(u) - 1, and its derivative."""
    value = slope = 0.0
    for i in range(len(amounts)):
        years = float(days[i] - days[0]) / 365.0
        part = float(amounts[i]) * math.exp(-u * years)
        value += part
        slope -= years * part
    return value, slope


#: Logarithms of 1 + rate that `xirr` looks at: rates of -99.97 % to 300,000 %, from 0 to both sides.
_FARTHEST, _STEP = 8.0, 0.25


@dfv.plugin(author="dataflare_vec")
def xirr(amounts, days):
    """Internal rate of return of payments on arbitrary days, as XIRR in spreadsheets.

    Parameters
    ----------
    amounts : array of float
        Payments, negative when they are made and positive when they are received: a row of a List column, as
        ``group_by("account").agg("amounts", "days")`` makes it.
    days : array of int
        Days of the payments, counted from any day: ``pl.col("date").to_physical()``.

    Returns
    -------
    float
        Rate per year of 365 days at which all payments together are worth nothing; of several, the one
        whose logarithm is nearest to 0. NaN if an amount is NaN.

    Raises
    ------
    ValueError
        If the lists differ in length, payments don't go in both directions, or no rate from -99.97 % to
        300,000 % fits.

    Notes
    -----
    Newton's method on log(1 + rate), kept between two rates with values of different signs.

    Source: S. G. Kellison, The Theory of Interest, 3rd edition, chapter 7.

    Examples
    --------
    >>> import numpy as np
    >>> round(xirr(np.array([-100.0, 110.0]), np.array([0, 365])), 12)
    0.1
    """
    if len(amounts) != len(days):
        raise ValueError("amounts and days differ in length")
    lowest, highest = math.inf, -math.inf
    for amount in amounts:
        if amount != amount:
            return math.nan
        lowest, highest = min(lowest, amount), max(highest, amount)
    if lowest >= 0.0 or highest <= 0.0:
        raise ValueError("payments in both directions are needed")
    low = high = at_low = at_high = 0.0
    at_low = at_high = _present_value(amounts, days, 0.0)[0]
    start, end, sign = 0.0, 0.0, at_low
    found = at_low == 0.0
    while not found:
        if high >= _FARTHEST:
            raise ValueError("no rate of return")
        value = _present_value(amounts, days, high + _STEP)[0]
        if value * at_high <= 0.0:
            start, end, sign, found = high, high + _STEP, at_high, True
        high, at_high = high + _STEP, value
        value = _present_value(amounts, days, low - _STEP)[0]
        if not found and value * at_low <= 0.0:
            start, end, sign, found = low - _STEP, low, value, True
        low, at_low = low - _STEP, value
    u = 0.5 * (start + end)
    while end - start > 1e-15 * max(1.0, abs(u)):
        value, slope = _present_value(amounts, days, u)
        if value * sign > 0.0:
            start = u
        else:
            end = u
        following = u - value / slope if slope != 0.0 else math.nan
        if abs(following - u) <= 1e-15:
            u = following
            break
        u = following if start < following < end else 0.5 * (start + end)
        if u <= start or u >= end:
            break
    return math.expm1(u)
