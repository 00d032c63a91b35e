"""Against SciPy and published examples; parity, round trips, limits."""

from __future__ import annotations

import math
import runpy
from datetime import date
from functools import partial
from pathlib import Path

import mpmath as mp
import numpy as np
import polars as pl
import pytest
from dataflare_vec_kernels.finance import options as formulas
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

import dataflare_vec as dfv

OPTIONS = {
    "spot": st.floats(50, 150), "strike": st.floats(50, 150), "years": st.floats(0.05, 5),
    "rate": st.floats(-0.05, 0.2), "volatility": st.floats(0.05, 1.5),
}  # fmt: skip


def options(rows=200):
    random = np.random.default_rng(5)
    low, high = [50, 50, 0.05, -0.02, 0.05], [150, 150, 3, 0.1, 1.0]
    return dict(zip(OPTIONS, random.uniform(low, high, (rows, 5)).T, strict=True))


def test_price_is_the_discounted_expectation(over):
    """By quadrature over the lognormal distribution, not by a formula."""
    some = options(20)
    got = over("black_scholes_call", **some)
    for i in range(20):
        s, k, t, r, v = (some[name][i] for name in OPTIONS)
        at_strike = (math.log(k / s) - (r - v * v / 2) * t) / (v * math.sqrt(t))

        def paid(z, s=s, k=k, t=t, r=r, v=v):
            return (s * math.exp((r - v * v / 2) * t + v * math.sqrt(t) * z) - k) * stats.norm.pdf(z)

        wanted = math.exp(-r * t) * integrate.quad(paid, at_strike, 25, epsabs=1e-12, epsrel=1e-12)[0]
        assert got[i] == pytest.approx(wanted, rel=1e-8, abs=1e-10)


def test_published_prices(over):
    """J. C. Hull, Options, Futures, and Other Derivatives, 8th edition: example 14.6, section 18.4."""
    example = {"spot": 42, "strike": 40, "years": 0.5, "rate": 0.1, "volatility": 0.2}
    assert over("black_scholes_call", **example) == pytest.approx(4.76, abs=5e-3)
    assert over("black_scholes_put", **example) == pytest.approx(0.81, abs=5e-3)
    example = {"spot": 49, "strike": 50, "years": 0.3846, "rate": 0.05, "volatility": 0.2}
    greeks = {k: v[0] for k, v in over("black_scholes", **example).items()}
    wanted = {"delta": 0.522, "gamma": 0.066, "vega": 12.1, "theta": -4.31, "rho": 8.91}
    for name, value in wanted.items():
        assert greeks[name] == pytest.approx(value, rel=8e-3)


@pytest.mark.parametrize("call", [True, False])
def test_sensitivities_are_derivatives(over, call):
    some = options()
    bound = {"dividend": 0.02}
    name = "black_scholes_call" if call else "black_scholes_put"

    def price(**shifted):
        return over(name, bindings=bound, **{**some, **shifted})

    def slope(column, sign=1.0):
        h = 1e-4 * some[column] if column == "spot" else 1e-5
        return sign * (price(**{column: some[column] + h}) - price(**{column: some[column] - h})) / (2 * h)

    got = over("black_scholes", bindings={**bound, "call": call}, **some)
    np.testing.assert_allclose(got["price"], price(), rtol=1e-12, atol=1e-12)
    for field, column, sign in (
        ("delta", "spot", 1), ("vega", "volatility", 1), ("theta", "years", -1), ("rho", "rate", 1),
    ):  # fmt: skip
        np.testing.assert_allclose(got[field], slope(column, sign), rtol=1e-4, atol=1e-5)
    h = 1e-3 * some["spot"]
    up, here, down = price(spot=some["spot"] + h), price(), price(spot=some["spot"] - h)
    np.testing.assert_allclose(got["gamma"], (up - 2 * here + down) / h**2, rtol=1e-3, atol=1e-5)


@given(st.fixed_dictionaries(OPTIONS))
def test_put_call_parity(over, option):
    difference = over("black_scholes_call", **option) - over("black_scholes_put", **option)
    forward = option["spot"] - option["strike"] * math.exp(-option["rate"] * option["years"])
    assert difference == pytest.approx(forward, abs=1e-11)


def test_no_volatility_is_the_intrinsic_value(over):
    some = {"spot": [90, 100, 110], "strike": 100, "years": 1, "rate": 0, "volatility": 0}
    assert over("black_scholes_call", **some).tolist() == [0, 0, 10]
    assert over("black_scholes_put", **some).tolist() == [10, 0, 0]
    assert np.isnan(over("black_scholes_call", **{**some, "volatility": -0.1})).all()


@given(st.fixed_dictionaries(OPTIONS), st.booleans())
def test_implied_volatility_gives_the_price_back(over, option, call):
    name = "black_scholes_call" if call else "black_scholes_put"
    volatility = option.pop("volatility")
    price = over(name, **option, volatility=volatility)
    now, later = option["spot"], option["strike"] * math.exp(-option["rate"] * option["years"])
    time_value = price - max(now - later if call else later - now, 0)
    if time_value[0] < 1e-9 or min(now, later) - time_value[0] < 1e-6:
        return  # digits that are no longer in the price
    got = over("implied_volatility", bindings={"call": call}, price=price, **option)
    assert over(name, **option, volatility=got) == pytest.approx(price, abs=1e-12)


def test_implied_volatility_of_hard_prices(over):
    """Far out of the money and nearly all there is: prices from 1e-40 on."""
    random = np.random.default_rng(6)
    spot = 100 * np.exp(random.uniform(-3, 0, 3000))
    some = {"spot": spot, "strike": 100.0, "years": 1.0, "rate": 0.0}
    volatility = random.uniform(0.05, 2, 3000)
    price = over("black_scholes_call", **some, volatility=volatility)
    held = price > 1e-40
    some["spot"], price = spot[held], price[held]
    got = over("implied_volatility", price=price, **some)
    np.testing.assert_allclose(got, volatility[held], rtol=2e-9)


def test_implied_volatility_next_to_the_money(over):
    """Forward and strike nearly equal, and hardly any spread: where the start of the steps matters most."""
    random = np.random.default_rng(7)
    spot = 100 * np.exp(-(10 ** random.uniform(-8, -4, 2000)))
    volatility = 10 ** random.uniform(-3, -1, 2000)
    some = {"spot": spot, "strike": 100.0, "years": 1.0, "rate": 0.0}
    price = over("black_scholes_call", **some, volatility=volatility)
    held = price > 1e-3
    some["spot"] = spot[held]
    got = over("implied_volatility", price=price[held], **some)
    np.testing.assert_allclose(got, volatility[held], rtol=1e-9)


def test_prices_are_exact_to_the_last_digits_of_spot_and_strike(over):
    """Against 40 digits, from options that are worthless to those that are worth the whole spot."""
    random = np.random.default_rng(8)
    some = {
        "spot": 10 ** random.uniform(1, 3, 1000), "strike": 10 ** random.uniform(1, 3, 1000),
        "years": 10 ** random.uniform(-6, 1.5, 1000), "rate": random.uniform(-0.05, 0.2, 1000),
        "volatility": 10 ** random.uniform(-3, 0.5, 1000),
    }  # fmt: skip
    got = over("black_scholes_call", **some)
    for i, price in enumerate(got):
        with mp.workdps(40):
            s, k, t, r, v = (mp.mpf(float(column[i])) for column in some.values())
            spread, bond = v * mp.sqrt(t), k * mp.exp(-r * t)
            d1 = (mp.log(s / k) + r * t) / spread + spread / 2
            wanted = s * mp.ncdf(d1) - bond * mp.ncdf(d1 - spread)
            assert abs(price - wanted) <= 1e-15 * (s + bond)


def test_the_tail_is_what_the_script_fits():
    path = Path(__file__).parents[2] / "tools" / "fit_normal_tail.py"
    script = runpy.run_path(str(path))
    assert script["fit"]() == (list(formulas.TAIL_ABOVE), list(formulas.TAIL_BELOW))


def test_impossible_prices_fail():
    df = pl.DataFrame({"price": [5.0, 9.9, 10.0, 101.0, None, math.nan]}).with_columns(
        spot=110.0, strike=100.0, years=1.0, rate=0.0
    )
    df = df.with_columns(spot=pl.when(pl.int_range(6) == 0).then(100.0).otherwise("spot"))
    result = dfv.run(df.with_columns(price=pl.Series([5.0, 9.9, 10.0, 110.5, None, math.nan])),
                     "implied_volatility", on_error="null")  # fmt: skip
    messages = result.errors["message"].to_list()
    assert len(messages) == 2
    assert "below the option's intrinsic value" in messages[0]
    assert "above what any volatility gives" in messages[1]
    values = result.frame["implied_volatility"].to_list()
    assert values[1] is values[3] is values[4] is None
    assert values[2] == 0.0
    assert math.isnan(values[5])


def test_bond_price_is_the_sum_of_its_payments(over):
    random = np.random.default_rng(7)
    coupon, yield_, years = random.uniform(0, 0.1, 50), random.uniform(-0.02, 0.2, 50), np.arange(1, 51)
    got = over("bond_price", face=100, coupon=coupon, yield_=yield_, years=years)
    for i in range(50):
        k = np.arange(1, 2 * years[i] + 1)
        wanted = (50 * coupon[i] / (1 + yield_[i] / 2) ** k).sum() + 100 / (1 + yield_[i] / 2) ** k[-1]
        assert got[i] == pytest.approx(wanted, rel=1e-13)
    back = over("bond_yield", price=got, face=100, coupon=coupon, years=years)
    np.testing.assert_allclose(back, yield_, rtol=1e-11, atol=1e-14)
    assert over("bond_price", face=100, coupon=0.05, yield_=0.0, years=10) == [150.0]


def test_annuity_pays_the_loan_off(over):
    rate, periods = np.array([0.0, 1e-12, 0.005, 0.1, -0.01]), np.array([12, 12, 360, 30, 24])
    payment = over("annuity_payment", principal=1000, rate=rate, periods=periods)
    for p, r, n in zip(payment, rate, periods, strict=True):
        debt = 1000.0
        for _ in range(n):
            debt = debt * (1 + r) - p
        assert abs(debt) < 1e-8


def test_amortisation_against_a_plan_of_payments(over):
    for rate, periods in [(0.0, 12), (1e-12, 12), (0.005, 360), (0.1, 30)]:
        payment = over("annuity_payment", principal=1000, rate=rate, periods=periods)[0]
        got = over(
            "amortisation", principal=1000, rate=rate, periods=periods, period=np.arange(1, periods + 1)
        )
        debt = 1000.0
        for k in range(periods):
            repaid = payment - debt * rate
            assert got["interest"][k] == pytest.approx(debt * rate, rel=1e-9, abs=1e-9)
            assert got["repaid"][k] == pytest.approx(repaid, rel=1e-9)
            debt -= repaid
            assert got["balance"][k] == pytest.approx(debt, abs=1e-8)
        assert got["balance"][-1] == 0.0


def test_amortisation_of_other_periods_is_nan(over):
    for column in over("amortisation", principal=1000, rate=0.01, periods=3, period=[0, 4, 0.5]).values():
        assert np.isnan(column).all()


def payments(*rows):
    """A frame of lists: amounts and days."""
    schema = {"amounts": pl.List(pl.Float64), "days": pl.List(pl.Int32)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def present_value(paid, years, u):
    return (paid * np.exp(-u * years)).sum()


def test_xirr_against_brentq():
    random = np.random.default_rng(8)
    rows = []
    for count in random.integers(2, 60, 200):
        days = np.sort(random.integers(0, 3000, count))
        amounts = random.uniform(1, 100, count)
        amounts[0] = -amounts[1:].sum() * random.uniform(0.5, 1.5)
        days[0], days[-1] = 0, days[-1] + 30
        rows.append((amounts.tolist(), days.tolist()))
    got = dfv.apply(payments(*rows), "xirr")["xirr"].to_list()
    for rate, (amounts, days) in zip(got, rows, strict=True):
        paid, years = np.array(amounts), np.array(days) / 365
        # One change of signs, so one root.
        root = optimize.brentq(partial(present_value, paid, years), -9, 9, xtol=1e-14)
        assert rate == pytest.approx(math.expm1(root), rel=1e-9, abs=1e-12)


def test_xirr_of_the_example_in_spreadsheets():
    # Microsoft's documentation of XIRR: 37.34 %.
    days = [date(2008, 1, 1), date(2008, 3, 1), date(2008, 10, 30), date(2009, 2, 15), date(2009, 4, 1)]
    amounts = [-10000, 2750, 4250, 3250, 2750]
    df = pl.DataFrame({"account": 1, "amounts": amounts, "day": days})
    lists = df.group_by("account").agg("amounts", days=pl.col("day").to_physical())
    assert dfv.apply(lists, "xirr")["xirr"].item() == pytest.approx(0.373362535, abs=1e-8)


def test_xirr_of_several_rates_is_the_one_nearest_to_0():
    # (1 + r) is 1.1 or 3 per year: the product of (v - 1/1.1)(v - 1/3), v = 1 / (1 + r).
    assert dfv.apply(payments(([1.0, -4.1, 3.3], [0, 365, 730])), "xirr")["xirr"].item() == pytest.approx(0.1)


def test_xirr_of_what_has_no_rate():
    for amounts in ([], [1.0], [1.0, 2.0], [-1.0, 0.0]):
        with pytest.raises(dfv.RowError, match="payments in both directions are needed"):
            dfv.apply(payments((amounts, list(range(len(amounts))))), "xirr")
    with pytest.raises(dfv.RowError, match="no rate of return"):
        dfv.apply(payments(([1.0, -1.0, 1.0], [0, 365, 730])), "xirr")
    with pytest.raises(dfv.RowError, match="differ in length"):
        dfv.apply(payments(([1.0, -1.0], [0])), "xirr")
    got = dfv.apply(payments(([-1.0, math.nan], [0, 1]), (None, [1])), "xirr")["xirr"]
    assert math.isnan(got[0])
    assert got[1] is None
