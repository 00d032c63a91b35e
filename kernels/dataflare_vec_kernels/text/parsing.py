"""Parsing of numbers, amounts and durations from text written by people."""

from __future__ import annotations

import dataflare_vec as dfv


def _is_digit(character: str) -> bool:
    return "0" <= character <= "9"


def _number_at(text: str, start: int) -> tuple[float, int]:
    """The number that starts at a digit or a point, and where it ends; commas in it are passed over."""
    digits, end = "", start
    point = False
    while end < len(text):
        character = text[end]
        following = text[end + 1 : end + 2]
        if _is_digit(character):
            digits = digits + character
        elif character == "." and not point and following != "" and _is_digit(following):
            digits = digits + "."
            point = True
        elif character != "," or point or following == "" or not _is_digit(following):
            break
        end += 1
    return float(digits), end


def _first_number(text: str) -> tuple[bool, float, int, int]:
    """Whether there is a number in a text, its value, and where it starts and ends."""
    for i in range(len(text)):
        following = text[i + 1 : i + 2]
        if _is_digit(text[i]) or (text[i] == "." and following != "" and _is_digit(following)):
            value, end = _number_at(text, i)
            return True, value, i, end
    return False, 0.0, 0, 0


@dfv.plugin(author="dataflare_vec")
def parse_number(text: str):
    """The first number in a text.

    Parameters
    ----------
    text : str
        Commas between digits are thousands separators, a point starts the decimals.

    Returns
    -------
    float or None
        None if there is no digit. Negative after a hyphen or minus sign that no word stands before.

    Examples
    --------
    >>> parse_number("3 bds, 1,560 sqft"), parse_number("at -12.5 °C"), parse_number("none")
    (3.0, -12.5, None)
    """
    found, value, start, _ = _first_number(text)
    if not found:
        return None
    if start > 0 and text[start - 1] in "-−" and (start == 1 or not text[start - 2].isalnum()):
        return -value
    return value


@dfv.plugin(author="dataflare_vec")
def parse_money(text: str):
    """An amount of money as a number: ``"$1.2M"``, ``"(1,234.50)"``, ``"-€ 3k"``.

    Parameters
    ----------
    text : str
        One amount, with any currency sign or letters round it. K, M, B (or bn) and T right after the number
        are thousand, million, 10^9 and 10^12, in either case.

    Returns
    -------
    float or None
        None if there is no digit. Negative in parentheses, as accountants write, or after a minus sign.

    Examples
    --------
    >>> parse_money("$1.2M"), parse_money("(1,234.50)"), parse_money("EUR -3k")
    (1200000.0, -1234.5, -3000.0)
    """
    found, value, start, end = _first_number(text)
    if not found:
        return None
    unit = text[end : end + 1].upper()
    following = text[end + 1 : end + 2]
    whole = following == "" or not following.isalpha() or text[end : end + 2].upper() == "BN"
    if whole and unit == "K":
        value *= 1e3
    elif whole and unit == "M":
        value *= 1e6
    elif whole and unit == "B":
        value *= 1e9
    elif whole and unit == "T":
        value *= 1e12
    before = text[:start]
    if "-" in before or "−" in before or ("(" in before and ")" in text[end:]):
        return -value
    return value


def _seconds_of(unit: str) -> float:
    """How long a unit is; 0 if there is no such unit."""
    if unit in ("ms", "millisecond", "milliseconds"):
        return 0.001
    if unit in ("", "s", "sec", "secs", "second", "seconds"):
        return 1.0
    if unit in ("m", "min", "mins", "minute", "minutes"):
        return 60.0
    if unit in ("h", "hr", "hrs", "hour", "hours"):
        return 3600.0
    if unit in ("d", "day", "days"):
        return 86400.0
    if unit in ("w", "week", "weeks"):
        return 604800.0
    return 0.0


@dfv.plugin(author="dataflare_vec")
def parse_duration(text: str):
    """A duration in seconds: ``"1h 30m"``, ``"2 days, 4 hours"``, ``"90"``, ``"01:02:03.5"``.

    Parameters
    ----------
    text : str
        Numbers with units from milliseconds to weeks, or hours and minutes with colons. A number without unit
        is seconds.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ValueError
        If there is no number, or a unit that isn't one: the row fails.

    Examples
    --------
    >>> parse_duration("1h 30m"), parse_duration("01:02:03.5")
    (5400.0, 3723.5)
    """
    if ":" in text:
        total = 0.0
        for part in text.split(":"):
            total = total * 60.0 + float(part)
        return total
    total, at, parts = 0.0, 0, 0
    lower = text.lower()
    while at < len(lower):
        if lower[at] in " ,\t":
            at += 1
            continue
        if not _is_digit(lower[at]) and lower[at] != ".":
            raise ValueError("not a duration: expected a number")
        value, at = _number_at(lower, at)
        while at < len(lower) and lower[at] == " ":
            at += 1
        end = at
        while end < len(lower) and lower[end].isalpha():
            end += 1
        seconds = _seconds_of(lower[at:end])
        if seconds == 0.0:
            raise ValueError("not a duration: no such unit")
        total += value * seconds
        parts += 1
        at = end
    if parts == 0:
        raise ValueError("not a duration: expected a number")
    return total
