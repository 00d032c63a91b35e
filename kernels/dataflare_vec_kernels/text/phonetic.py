"""Phonetic keys, shared by words that sound alike in English."""

from __future__ import annotations

import dataflare_vec as dfv

#: The digit of each letter A to Z in `soundex`; 0 for vowels and Y, 9 for H and W, which don't separate.
_DIGITS = "01230129022455012623019202"
_VOWELS = "AEIOU"
_FRONT = "EIY"


@dfv.plugin(author="dataflare_vec")
def soundex(word: str):
    """American Soundex of a word: its first letter and three digits for what follows.

    Parameters
    ----------
    word : str
        Of the letters A to Z in any case; other characters are passed over.

    Returns
    -------
    str
        Four characters; empty for a word without letters.

    Notes
    -----
    Letters of the same digit count once if they are neighbours or have H or W between them.

    Source: The Soundex Indexing System, National Archives of the United States (2007).

    Examples
    --------
    >>> soundex("Robert"), soundex("Rupert"), soundex("Ashcraft")
    ('R163', 'R163', 'A261')
    """
    key, last = "", "0"
    for character in word:
        upper = character.upper()
        if not "A" <= upper <= "Z" or len(upper) != 1:
            continue
        digit = _DIGITS[ord(upper) - 65]
        if key == "":
            key = upper
        elif digit not in ("0", "9") and digit != last:
            key = key + digit
            if len(key) == 4:
                break
        if digit != "9":
            last = digit
    if key == "":
        return ""
    return key.ljust(4, "0")


def _letters(word: str) -> str:
    """The letters A to Z of a word as capitals, of doubled ones (but C) the first."""
    letters, last = "", ""
    for character in word:
        upper = character.upper()
        if "A" <= upper <= "Z" and len(upper) == 1 and (upper != last or upper == "C"):
            letters = letters + upper
            last = upper
    return letters


def _sound(word: str, i: int) -> str:
    """What the letter at ``i`` adds to the Metaphone of a word."""
    letter = word[i]
    before = word[i - 1 : i] if i > 0 else ""
    after = word[i + 1 : i + 2]
    vowel_after = after != "" and after in _VOWELS
    if letter in _VOWELS:
        return letter if i == 0 else ""
    if letter == "B":
        return "" if before == "M" and after == "" else "B"
    if letter == "C":
        if after != "" and after in _FRONT:
            if word[i + 1 : i + 3] == "IA":
                return "X"
            return "" if before == "S" else "S"
        if after == "H":
            return "K" if before == "S" or word[i + 2 : i + 3] in ("R", "L") else "X"
        return "K"
    if letter == "D":
        return "J" if after == "G" and word[i + 2 : i + 3] in ("E", "I", "Y") else "T"
    if letter == "G":
        if after == "H":
            following = word[i + 2 : i + 3]
            return "K" if following == "" or following in _VOWELS else ""
        if after == "N" and (word[i + 2 :] == "" or word[i + 2 :] == "ED"):
            return ""
        if before == "D" and after != "" and after in _FRONT:
            return ""
        return "J" if after != "" and after in _FRONT else "K"
    if letter == "H":
        if before != "" and before in "CGPST":
            return ""
        return "H" if vowel_after or after == "Y" else ""
    if letter == "K":
        return "" if before == "C" else "K"
    if letter == "P":
        return "F" if after == "H" else "P"
    if letter == "Q":
        return "K"
    if letter == "S":
        return "X" if after == "H" or word[i + 1 : i + 3] in ("IO", "IA") else "S"
    if letter == "T":
        if word[i + 1 : i + 3] in ("IO", "IA"):
            return "X"
        if after == "H":
            return "0"
        return "" if word[i + 1 : i + 3] == "CH" else "T"
    if letter == "V":
        return "F"
    if letter in ("W", "Y"):
        return letter if vowel_after else ""
    if letter == "X":
        return "KS"
    return "S" if letter == "Z" else letter


@dfv.plugin(author="dataflare_vec")
def metaphone(word: str):
    """Metaphone of a word: its consonants as they sound.

    Parameters
    ----------
    word : str
        Of the letters A to Z in any case; other characters are passed over.

    Returns
    -------
    str
        Capital letters, and ``0`` for the sound of "th"; vowels only at the start.

    Notes
    -----
    Source: L. Philips, "Hanging on the Metaphone", Computer Language 7 (12), 1990. The published rules leave
    cases open; here CH is X but K before R and L and after S, and GH is silent before consonants.

    Examples
    --------
    >>> metaphone("Thompson"), metaphone("Knight"), metaphone("Xavier")
    ('0MPSN', 'NT', 'SFR')
    """
    letters = _letters(word)
    start = letters[:2]
    if start in ("KN", "GN", "PN", "AE", "WR"):
        letters = letters[1:]
    elif start == "WH":
        letters = "W" + letters[2:]
    elif letters[:1] == "X":
        letters = "S" + letters[1:]
    key = ""
    for i in range(len(letters)):
        key = key + _sound(letters, i)
    return key
