"""Validation of identifiers and of numbers with a check digit."""

from __future__ import annotations

import dataflare_vec as dfv

_UUID_LENGTH = 36


@dfv.plugin(author="dataflare_vec")
def luhn(number: str):
    """Whether the check digit of a card number is valid.

    Parameters
    ----------
    number : str
        Digits; spaces and hyphens are passed over.

    Returns
    -------
    bool
        False for anything else than at least two digits.

    Notes
    -----
    Source: H. P. Luhn, US patent 2,950,048 (1960); ISO/IEC 7812-1, annex B.

    Examples
    --------
    >>> luhn("4539 1488 0343 6467"), luhn("8273 1232 7352 0569")
    (True, False)
    """
    # Which digits are doubled depends on how many follow: both sums are kept.
    total = other = count = 0
    for character in number:
        if character in " -":
            continue
        if not "0" <= character <= "9":
            return False
        digit = ord(character) - 48
        doubled = digit * 2 - 9 if digit > 4 else digit * 2
        total, other = other + digit, total + doubled
        count += 1
    return count > 1 and total % 10 == 0


@dfv.plugin(author="dataflare_vec")
def iban_check(iban: str):
    """Whether an IBAN has two letters, two digits and up to 30 more characters whose check digits are right.

    Parameters
    ----------
    iban : str
        Spaces are passed over; letters in any case.

    Returns
    -------
    bool
        Lengths of single countries aren't looked at.

    Notes
    -----
    Source: ISO 13616-1; ISO/IEC 7064, MOD 97-10.

    Examples
    --------
    >>> iban_check("GB82 WEST 1234 5698 7654 32"), iban_check("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    # The first four characters belong at the end: their value is kept until the others are through.
    head = head_factor = rest = count = 0
    head_factor = 1
    for character in iban:
        if character == " ":
            continue
        upper = character.upper()
        letter = "A" <= upper <= "Z" and len(upper) == 1
        digit = "0" <= upper <= "9"
        if not (letter or digit) or (count < 2 and not letter) or (2 <= count < 4 and not digit):
            return False
        value = ord(upper) - 55 if letter else ord(upper) - 48
        factor = 100 if letter else 10
        if count < 4:
            head = head * factor + value
            head_factor = head_factor * factor
        else:
            rest = (rest * factor + value) % 97
        count += 1
    return 15 <= count <= 34 and (rest * head_factor + head) % 97 == 1


@dfv.plugin(author="dataflare_vec")
def uuid_check(text: str):
    """Whether a text is a UUID: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, with hyphens between.

    Parameters
    ----------
    text : str
        In any case; no braces and no spaces.

    Returns
    -------
    bool
        Any version and variant will do.

    Notes
    -----
    Source: RFC 9562, section 4.

    Examples
    --------
    >>> uuid_check("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), uuid_check("6ba7b810")
    (True, False)
    """
    if len(text) != _UUID_LENGTH:
        return False
    i = 0
    for character in text:
        if i in (8, 13, 18, 23):
            if character != "-":
                return False
        elif not ("0" <= character <= "9" or "a" <= character <= "f" or "A" <= character <= "F"):
            return False
        i += 1
    return True
