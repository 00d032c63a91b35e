"""Numbers and text as people are shown them: amounts, sizes in bytes, durations, shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflare_vec._util.durations import seconds

if TYPE_CHECKING:
    from datetime import timedelta


def amount(value: float) -> str:
    """Return a number to be read at a glance.

    Examples
    --------
    >>> amount(1234), amount(2_500_000.0), amount(0.25)
    ('1,234', '2.50 M', '0.25')
    """
    for limit, unit in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= limit:
            return f"{value / limit:.2f} {unit}"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2f}"


def size(nbytes: float) -> str:
    """Return a number of bytes to be read at a glance.

    Examples
    --------
    >>> size(256), size(4096), size(8_000_000)
    ('256 B', '4 KiB', '7.6 MiB')
    """
    for limit, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if nbytes >= limit:
            return f"{nbytes / limit:.1f}".removesuffix(".0") + f" {unit}"
    return f"{nbytes:.0f} B"


def duration(value: timedelta | float) -> str:
    """Return a duration to be read at a glance.

    Examples
    --------
    >>> duration(0.0012), duration(75), duration(9000), duration(0)
    ('1.20 ms', '75.0 s', '2.5 h', '0 s')
    """
    value = seconds(value)
    for limit, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if value >= 2 * limit:
            return f"{value / limit:.1f} {unit}"
    value = float(f"{value:.4g}")  # or 0.99999 s would be 1000.0 ms
    for limit, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.2f} {unit}" if scaled < 9.995 else f"{scaled:.1f} {unit}"
    return f"{value * 1e9:.0f} ns" if value else "0 s"


def percent(share: float) -> str:
    """Return a share of 0 to 1 in percent.

    Examples
    --------
    >>> percent(0.0525), percent(0.00001)
    ('5.25 %', '< 0.01 %')
    """
    if 0 < share < 0.00005:
        return "< 0.01 %"
    return f"{share:.2%}".replace("%", " %")


def printable(text: str) -> str:
    r"""Return a text without what a terminal would obey, or XML can't hold.

    Examples
    --------
    >>> printable("a\x1b[2Jb\n")
    'a�[2Jb�'
    """
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
