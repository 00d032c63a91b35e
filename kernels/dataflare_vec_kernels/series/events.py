"""Events in a series: changes, sessions, switches."""

from __future__ import annotations

from typing import NamedTuple

import dataflare_vec as dfv


class Drift(NamedTuple):
    """Cumulated deviations upwards and downwards, and whether one passed the limit."""

    up: float
    down: float
    alarm: bool


@dfv.scan(init=(0.0, 0.0), author="dataflare_vec")
def cusum(state, x, target=0.0, slack=0.5, limit=5.0):
    """Cumulative sums of a control chart: small lasting shifts of a mean become visible.

    Parameters
    ----------
    x : float
        In the order of time, usually in standard deviations.
    target : float
        The mean it should have.
    slack : float
        How far a value may be from it without counting.
    limit : float
        Above it there is an alarm, and both sums start again at 0 with the next row.

    Returns
    -------
    Drift
        ``up``, ``down``, ``alarm``.

    Notes
    -----
    Source: E. S. Page, "Continuous Inspection Schemes", Biometrika 41 (1954).

    Examples
    --------
    >>> cusum((4.0, 0.0), 2.0)
    ((0.0, 0.0), Drift(up=5.5, down=0.0, alarm=True))
    """
    up, down = state
    up = max(0.0, up + x - target - slack)
    down = max(0.0, down + target - x - slack)
    alarm = up > limit or down > limit
    return ((0.0, 0.0) if alarm else (up, down)), Drift(up, down, alarm)


@dfv.scan(init=(0, 0, False), author="dataflare_vec")
def sessionise(state, time: int, gap=1800):
    """Number of the session that an event belongs to: a new one begins after a pause.

    Parameters
    ----------
    time : int
        In order; a Datetime column counts in its own unit.
    gap : int
        The longest pause within a session, in the same unit; 1800 seconds by default.

    Returns
    -------
    int
        0, 1, 2, … With ``by="user"``, for each user.

    Examples
    --------
    >>> sessionise((100, 0, True), 2000)
    ((2000, 1, True), 1)
    """
    last, session, started = state
    if started and time - last > gap:
        session += 1
    return (time, session, True), session


@dfv.scan(init=False, author="dataflare_vec")
def hysteresis(state, x, low=0.0, high=1.0):
    """A switch with two thresholds: on above the high one, off below the low one, else as it was.

    Parameters
    ----------
    x : float
        In the order of time.
    low, high : float
        Thresholds.

    Returns
    -------
    bool
        Off at first.

    Notes
    -----
    Source: O. H. Schmitt, "A thermionic trigger", Journal of Scientific Instruments 15 (1938).

    Examples
    --------
    >>> hysteresis(True, 0.5), hysteresis(True, -0.1)
    ((True, True), (False, False))
    """
    on = x > high or (state and x >= low)
    return on, on


@dfv.scan(init=(0.0, 0.0, 0), author="dataflare_vec")
def debounce(state, x, rows=3):
    """The value that a contact settled on: a new one counts when it was there for some rows in a row.

    Parameters
    ----------
    x : float
        In the order of time.
    rows : int
        How many equal values make a new one.

    Returns
    -------
    float
        The settled value; the first row's at first.

    Examples
    --------
    >>> debounce((1.0, 2.0, 2), 2.0)
    ((2.0, 2.0, 3), 2.0)
    """
    settled, candidate, count = state
    if count == 0:
        settled, candidate, count = x * 1.0, x * 1.0, 1
    elif x == candidate:
        count += 1
    else:
        candidate, count = x * 1.0, 1
    if count >= rows:
        settled = candidate
    return (settled, candidate, count), settled
