"""String functions for use in kernels: plain Python here, vectorised in compiled kernels."""

from __future__ import annotations

#: Characters that `match_bits` looks at: as many bits as an integer has without its sign.
WORD = 63


def match_bits(text: str, character: str) -> int:
    """Return where a character stands in a string, as an integer with bit ``i`` set for position ``i``.

    Parameters
    ----------
    text : str
        Only its first 63 characters are looked at; take slices for the rest.
    character : str
        One character.

    Returns
    -------
    int
        0 to 2^63 - 1.

    Notes
    -----
    What bit-parallel algorithms (Levenshtein, Jaro) do for each character of the other string. In a compiled
    kernel it takes some four instructions for ASCII strings.

    Examples
    --------
    >>> bin(match_bits("banana", "a"))
    '0b101010'
    """
    bits = 0
    for i, other in enumerate(text[:WORD]):
        if other == character:
            bits |= 1 << i
    return bits


def utf8(value: str | bytes) -> bytes:
    r"""Return the bytes of a string, or bytes as they are; in a compiled kernel without a copy.

    Parameters
    ----------
    value : str or bytes
        A value of a String or Binary column.

    Returns
    -------
    bytes
        UTF-8.

    Examples
    --------
    >>> utf8("é"), utf8(b"abc")
    (b'\xc3\xa9', b'abc')
    """
    return value.encode() if isinstance(value, str) else value
