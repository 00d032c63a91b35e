"""The normal distribution, and the curves of logistic models and neural networks."""

from __future__ import annotations

import math

import dataflare_vec as dfv


def _normal_cdf(z):
    return 0.5 * math.erfc(z * -math.sqrt(0.5))


@dfv.plugin(author="dataflare_vec")
def normal_pdf(x, mean=0.0, sd=1.0):
    """Density of the normal distribution.

    Parameters
    ----------
    x : float
        Where.
    mean, sd : float
        Mean and standard deviation (above 0).

    Returns
    -------
    float
        The density; 0 at ±∞, NaN for NaN. Null for a null.

    Notes
    -----
    The relative error grows as z²·10⁻¹⁶ with z = (x - mean)/sd.

    Source: exp(-z²/2) / (sd·√(2π)).

    Examples
    --------
    >>> round(normal_pdf(0.0), 6)
    0.398942
    """
    z = (x - mean) / sd
    return math.exp(-0.5 * z * z) / (sd * math.sqrt(2.0 * math.pi))


@dfv.plugin(author="dataflare_vec")
def normal_cdf(x, mean=0.0, sd=1.0):
    """Probability that a normally distributed number is at most x.

    Parameters
    ----------
    x : float
        The number.
    mean, sd : float
        Mean and standard deviation (above 0).

    Returns
    -------
    float
        0 to 1; NaN for NaN. Null for a null.

    Notes
    -----
    Small probabilities keep their digits: 10⁻³⁰⁰ is not rounded to 0. The relative error is some ULP, and
    grows as z²·10⁻¹⁶ in the lower tail.

    Source: erfc(-z/√2) / 2, z = (x - mean)/sd.

    Examples
    --------
    >>> round(normal_cdf(1.96), 4)
    0.975
    """
    return _normal_cdf((x - mean) / sd)


# Start of `normal_quantile`, within 10⁻³ of it: fitted by tools/fit_quantile.py.
# fmt: off
CENTRE = (2.50659358, 2.63810189, 5.02517294, 28.1659251)
TAIL_ABOVE = (2.57271076, 1.45482729, 0.080180781, 0.000105249453)
TAIL_BELOW = (1.78164387, 0.445566014, 0.0142610434)
# fmt: on


def _halley(z, excess):
    """Return z after a step, where the probability is too large by ``excess``."""
    root = math.exp(0.25 * z * z)  # its square would overflow
    error = excess * root * math.sqrt(2.0 * math.pi) * root
    return z - error / (1.0 + 0.5 * z * error)


@dfv.plugin(author="dataflare_vec")
def normal_quantile(p, mean=0.0, sd=1.0):
    """Quantile of the normal distribution at probability p.

    Parameters
    ----------
    p : float
        The probability.
    mean, sd : float
        Mean and standard deviation (above 0).

    Returns
    -------
    float
        The quantile; -∞ for 0, ∞ for 1, NaN outside and for NaN. Null for a null.

    Notes
    -----
    The relative error of (quantile - mean)/sd is below 10⁻¹⁵ for normal p, and grows to 10⁻⁶ for the smallest
    subnormal one.
    From a rational start two steps of Halley's method; no branch, so that loops vectorise.

    Source: E. Halley, 1694; the start is our own fit, in √(-2·log p) (as C. Hastings,
    Approximations for Digital Computers, 1955, sheet 67).

    Examples
    --------
    >>> round(normal_quantile(0.975), 4)
    1.96
    """
    p = float(p)
    half = p - 0.5
    is_central = math.fabs(half) < 0.3
    z = half * (CENTRE[0] + half * half * (CENTRE[1] + half * half * (CENTRE[2] + half * half * CENTRE[3])))
    z = _halley(z, 0.5 * math.erf(z * math.sqrt(0.5)) - half)
    central = _halley(z, 0.5 * math.erf(z * math.sqrt(0.5)) - half)
    tail = 1.0 - p if half > 0.0 else p
    t = math.sqrt(-2.0 * math.log(tail))
    above = TAIL_ABOVE[0] + t * (TAIL_ABOVE[1] + t * (TAIL_ABOVE[2] + t * TAIL_ABOVE[3]))
    below = 1.0 + t * (TAIL_BELOW[0] + t * (TAIL_BELOW[1] + t * TAIL_BELOW[2]))
    z = above / below - t
    z = _halley(z, _normal_cdf(z) - tail)
    z = _halley(z, _normal_cdf(z) - tail)
    z = -math.inf if tail == 0.0 else z
    return mean + sd * (central if is_central else (-z if half > 0.0 else z))


@dfv.plugin(author="dataflare_vec")
def expit(x):
    """Logistic function, 1 / (1 + exp(-x)).

    Parameters
    ----------
    x : float
        Log-odds.

    Returns
    -------
    float
        Probability, 0 to 1; NaN for NaN. Null for a null.

    Notes
    -----
    Doesn't overflow, and small probabilities keep their digits. Error below 3 ULP.

    Source: P.-F. Verhulst, 1845; e⁻|ˣ| in both branches.

    Examples
    --------
    >>> expit(0.0), expit(-1000.0)
    (0.5, 0.0)
    """
    e = math.exp(-math.fabs(x))
    return (e if x < 0.0 else 1.0) / (1.0 + e)


@dfv.plugin(author="dataflare_vec")
def logit(p):
    """Log-odds of a probability, log(p / (1 - p)).

    Parameters
    ----------
    p : float
        Probability, 0 to 1.

    Returns
    -------
    float
        Log-odds; -∞ for 0, ∞ for 1, NaN outside and for NaN. Null for a null.

    Notes
    -----
    Around ½, where log(p) and log(1 - p) cancel, computed as 2·artanh(2p - 1). Error below 4 ULP.

    Source: J. Berkson, Journal of the American Statistical Association 39 (227), 1944.

    Examples
    --------
    >>> logit(0.5)
    0.0
    """
    p = float(p)
    near_half = p - 0.5
    odds = 2.0 * near_half / (1.0 - p)
    direct = math.log(p / (1.0 - p))
    return math.log1p(odds) if math.fabs(near_half) < 0.25 else direct


@dfv.plugin(author="dataflare_vec")
def softplus(x):
    """Smooth maximum of 0 and x, log(1 + exp(x)).

    Parameters
    ----------
    x : float
        Any number.

    Returns
    -------
    float
        Above 0; NaN for NaN. Null for a null.

    Notes
    -----
    Doesn't overflow: x for large x, eˣ for small. Error below 3 ULP.

    Source: C. Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing", NIPS
    2000.

    Examples
    --------
    >>> softplus(1000.0), round(softplus(0.0), 6)
    (1000.0, 0.693147)
    """
    return (x if x > 0.0 else 0.0) + math.log1p(math.exp(-math.fabs(x)))


@dfv.plugin(author="dataflare_vec")
def gelu(x):
    """Gaussian error linear unit, x · normal_cdf(x); exact, not its approximation by tanh.

    Parameters
    ----------
    x : float
        Any number.

    Returns
    -------
    float
        x times the probability that a standard normal number is at most x; 0 at -∞, NaN for NaN. Null for a
        null.

    Notes
    -----
    The error is that of `normal_cdf`.

    Source: D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", arXiv:1606.08415, 2016.

    Examples
    --------
    >>> round(gelu(1.0), 6)
    0.841345
    """
    # -40 is below where the result is 0, and -∞·0 would be NaN.
    return (-40.0 if x < -40.0 else x) * _normal_cdf(x)
