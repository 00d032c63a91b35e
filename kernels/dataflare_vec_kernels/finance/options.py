"""Options: prices, sensitivities, implied volatility."""

from __future__ import annotations

import math
from typing import NamedTuple

import dataflare_vec as dfv

#: Stands for a spread of 0, so that d1 is ±∞, or 0 at the money, instead of 0 / 0.
NO_SPREAD = 1e-150

#: Density of the normal distribution at 0.
PEAK = 1.0 / math.sqrt(2.0 * math.pi)


class BlackScholes(NamedTuple):
    """Price and sensitivities; for a change by 1 in volatility, years and rate."""

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


# Φ(-y)·e^(y²/2) = N(y)/D(y): fitted by tools/fit_normal_tail.py.
# fmt: off
TAIL_ABOVE = (
    0.5, 0.6693295112249856, 0.446004930675259, 0.18659041182871136,
    0.05290756111699163, 0.01035398855809295, 0.0013650319454301984, 0.0001112610589976659,
    4.331363310387046e-06,
)
TAIL_BELOW = (
    1.0, 2.1365435832528363, 2.096724999910381, 1.243815057976709,
    0.49311183305011547, 0.13601929118858058, 0.02623250105425658, 0.0034324844203537947,
    0.0002788901244691513, 1.0857117657017365e-05,
)
# fmt: on


def _horner4(z, c):
    return c[0] + z * (c[1] + z * (c[2] + z * c[3]))


def _horner5(z, c):
    return c[0] + z * _horner4(z, c[1:])


def _tail(y):
    """Φ(-y)·e^(y²/2) for y ≥ 0. Even and odd powers apart: two short chains instead of a long one."""
    y = 38.0 if y > 38.0 else y  # e^(-y²/2) is 0 from there on
    z = y * y
    above = _horner5(z, TAIL_ABOVE[::2]) + y * _horner4(z, TAIL_ABOVE[1::2])
    return above / (_horner5(z, TAIL_BELOW[::2]) + y * _horner5(z, TAIL_BELOW[1::2]))


def _part(whole, bell, d):
    """whole·Φ(d), where bell = whole·e^(-d²/2)."""
    rest = bell * _tail(math.fabs(d))
    return rest if d < 0.0 else whole - rest


def _spread(volatility, years):
    """σ·√T, never 0; NaN where the volatility or the time is negative."""
    spread = math.sqrt(volatility * volatility * years)
    spread = math.nan if volatility < 0.0 else spread
    return NO_SPREAD if spread == 0.0 else spread


def _option(sign, spot, strike, years, rate, volatility, dividend):
    """Price of a call (sign 1) or a put (sign -1)."""
    spread = _spread(volatility, years)
    d1 = (math.log(spot / strike) + (rate - dividend) * years) / spread + 0.5 * spread
    stock, bond = spot * math.exp(-dividend * years), strike * math.exp(-rate * years)
    bell = stock * math.exp(-0.5 * d1 * d1)  # = bond·e^(-d2²/2)
    return sign * (_part(stock, bell, sign * d1) - _part(bond, bell, sign * (d1 - spread)))


@dfv.plugin(author="dataflare_vec")
def black_scholes_call(spot, strike, years, rate, volatility, dividend=0.0):
    """Price of a European call option.

    Parameters
    ----------
    spot, strike : float
        Price of the underlying and exercise price, in one currency; positive.
    years : float
        Time to expiry.
    rate, volatility : float
        Continuously compounded rate and standard deviation of log returns, per year (0.05 is 5 %).
    dividend : float
        Continuous dividend yield per year.

    Returns
    -------
    float
        The price; the discounted intrinsic value where volatility or time is 0.

    Notes
    -----
    NaN where an input is NaN, or negative where it mayn't be; null where one is null. The error is some
    10⁻¹⁵ of spot and strike, so deep out of the money the relative error grows.

    Source: F. Black and M. Scholes, "The Pricing of Options and Corporate Liabilities", Journal of Political
    Economy 81 (3), 1973; with dividends: R. C. Merton, Bell Journal of Economics 4 (1), 1973.

    Examples
    --------
    >>> round(black_scholes_call(42.0, 40.0, 0.5, 0.10, 0.20), 2)
    4.76
    """
    return _option(1.0, spot, strike, years, rate, volatility, dividend)


@dfv.plugin(author="dataflare_vec")
def black_scholes_put(spot, strike, years, rate, volatility, dividend=0.0):
    """Price of a European put option.

    Parameters
    ----------
    spot, strike, years, rate, volatility, dividend : float
        As of `black_scholes_call`.

    Returns
    -------
    float
        The price; the discounted intrinsic value where volatility or time is 0.

    Notes
    -----
    NaN, nulls and error as of `black_scholes_call`.

    Source: as of `black_scholes_call`.

    Examples
    --------
    >>> round(black_scholes_put(42.0, 40.0, 0.5, 0.10, 0.20), 2)
    0.81
    """
    return _option(-1.0, spot, strike, years, rate, volatility, dividend)


@dfv.plugin(author="dataflare_vec")
def black_scholes(spot, strike, years, rate, volatility, dividend=0.0, call=True):
    """Price and sensitivities of a European option.

    Parameters
    ----------
    spot, strike, years, rate, volatility, dividend : float
        As of `black_scholes_call`.
    call : bool
        A call, else a put.

    Returns
    -------
    BlackScholes
        price; delta and gamma by spot; vega for a change by 1 (that is 100 %) in volatility; theta for a
        year gone by; rho for a change by 1 in rate.

    Notes
    -----
    NaN, nulls and error as of `black_scholes_call`. At the money with volatility or time 0, where gamma and
    theta don't exist, they are very large.

    Source: J. C. Hull, Options, Futures, and Other Derivatives (8th edition), chapter 18.

    Examples
    --------
    >>> round(black_scholes(49.0, 50.0, 0.3846, 0.05, 0.20).delta, 3)
    0.522
    """
    sign = 1.0 if call else -1.0
    spread = _spread(volatility, years)
    d1 = (math.log(spot / strike) + (rate - dividend) * years) / spread + 0.5 * spread
    stock, bond = math.exp(-dividend * years), strike * math.exp(-rate * years)
    bell = stock * math.exp(-0.5 * d1 * d1)
    delta = sign * _part(stock, bell, sign * d1)
    paid = sign * _part(bond, spot * bell, sign * (d1 - spread))
    density = bell * PEAK
    gamma = density / (spot * spread)
    theta = dividend * spot * delta - rate * paid - 0.5 * gamma * (spot * volatility) * (spot * volatility)
    return BlackScholes(
        spot * delta - paid, delta, gamma, spot * density * math.sqrt(years), theta, years * paid
    )


def _normalised(limit, ratio, s):
    """Price of an out-of-the-money option over √(forward · strike), and its derivative by s; ratio = x/s."""
    upper, lower = ratio + 0.5 * s, ratio - 0.5 * s
    bell = limit * math.exp(-0.5 * upper * upper)
    return _part(limit, bell, upper) - bell * _tail(-lower), bell * PEAK


def _nearer_spread(x, limit, s, wanted, is_low):
    """One step of Halley's, on the logarithm of the price or of what it lacks to its limit, e^(x/2)."""
    inverse = 1.0 / s
    ratio = x * inverse
    price, vega = _normalised(limit, ratio, s)
    rest = price if is_low else limit - price
    error = math.log(price / wanted if is_low else (limit - wanted) / rest)
    slope = vega / rest
    bend = ratio * ratio * inverse - 0.25 * s + (-slope if is_low else slope)
    step = error / slope
    damping = 1.0 - 0.5 * step * bend
    damping = 0.5 if damping < 0.5 else (2.0 if damping > 2.0 else damping)
    new = s - step / damping
    # A step that goes too far, or isn't a number because the price has underflowed.
    new = new if new < 3.0 * s + 0.5 else 3.0 * s + 0.5
    return new if new > 0.3 * s else 0.3 * s


@dfv.plugin(author="dataflare_vec")
def implied_volatility(price, spot, strike, years, rate, dividend=0.0, call=True):
    """Volatility at which Black and Scholes give a European option's price.

    Parameters
    ----------
    price : float
        Price of the option.
    spot, strike, years, rate, dividend : float
        As of `black_scholes_call`.
    call : bool
        A call, else a put.

    Returns
    -------
    float
        Volatility per year; 0 for the intrinsic value.

    Raises
    ------
    ValueError
        For a price below the intrinsic value, or one that no volatility reaches.

    Notes
    -----
    NaN where an input is NaN; null where one is null. An option in the money is first turned into the one out
    of the money, from a price that has lost the intrinsic value's digits. The price at the result is within
    some 10⁻¹⁰ of the out-of-the-money price, if that is above 10⁻⁶⁰ of √(spot · strike). Always four steps,
    without a branch, so that loops vectorise.

    Source: start and objective after P. Jäckel, "By Implication", Wilmott, November 2006, pp. 60-66.

    Examples
    --------
    >>> round(implied_volatility(4.759422392871532, 42.0, 40.0, 0.5, 0.10), 6)
    0.2
    """
    now, later = spot * math.exp(-dividend * years), strike * math.exp(-rate * years)
    x = math.log(now / later)
    inside = x > 0.0 if call else x < 0.0
    x = -math.fabs(x)
    paid = price / math.sqrt(now * later)
    less = math.expm1(0.5 * x)
    wanted = paid + (less + less / (1.0 + less) if inside else 0.0)  # 2·sinh(x/2)
    wanted = 0.0 if math.fabs(wanted) < 1e-15 * paid else wanted
    if wanted < 0.0:
        raise ValueError("the price is below the option's intrinsic value")
    limit = math.exp(0.5 * x)
    if wanted >= limit:
        raise ValueError("the price is above what any volatility gives")
    # Where the price as a function of the spread turns from convex to concave.
    turn = math.sqrt(-2.0 * x)
    spread = NO_SPREAD if turn == 0.0 else turn
    turn_price, _ = _normalised(limit, x / spread, spread)
    is_low = wanted < turn_price
    goal = 1e-300 if wanted == 0.0 else wanted
    depth = math.log(turn_price / goal if is_low else math.e)
    low = -x / math.sqrt(2.0 * depth - 0.5 * x)
    # Nor is the spread below the one that gives this price at the money.
    at_money = math.sqrt(2.0 * math.pi) * wanted
    low = at_money if at_money > low else low
    s = low if is_low else turn + math.sqrt(2.0 * math.pi) * (wanted - turn_price)
    s = _nearer_spread(x, limit, s, goal, is_low)
    s = _nearer_spread(x, limit, s, goal, is_low)
    s = _nearer_spread(x, limit, s, goal, is_low)
    s = _nearer_spread(x, limit, s, goal, is_low)
    return 0.0 if wanted == 0.0 else s / math.sqrt(years)
