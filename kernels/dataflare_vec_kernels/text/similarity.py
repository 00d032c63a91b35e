"""String similarity: edit distances, and measures based on common characters."""

from __future__ import annotations

import numpy as np

import dataflare_vec as dfv
from dataflare_vec.text import WORD, match_bits

#: Letters at the start that `jaro_winkler` counts twice, at most.
_PREFIX = 4


def _short_levenshtein(pattern: str, text: str) -> int:
    """Distance of a pattern of 1 to `WORD` characters: a column of the matrix is one word (Hyyrö 2003)."""
    size = len(pattern)
    mask = ~(-1 << size)
    up, down, score = mask, 0, size  # which vertical differences are +1 and -1
    for character in text:
        equal = match_bits(pattern, character)
        zero = ((((equal & up) + up) ^ up) | equal | down) & mask
        rise = down | (mask & ~(zero | up))
        fall = up & zero
        score += ((rise >> (size - 1)) & 1) - ((fall >> (size - 1)) & 1)
        rise = (rise + rise | 1) & mask
        up = (fall + fall & mask) | (mask & ~(zero | rise))
        down = rise & zero
    return score


def _long_levenshtein(pattern: str, text: str) -> int:
    """The same for any length: words one after the other, their last row's differences kept between them."""
    columns = len(text)
    differences = np.ones(columns, np.int8)  # horizontal ones, of the row above a word
    score = len(pattern)
    for start in range(0, len(pattern), WORD):
        part = pattern[start : start + WORD]
        size = len(part)
        mask = ~(-1 << size)
        up, down = mask, 0
        score = start + size
        for j, character in enumerate(text):
            above = differences[j]
            equal = match_bits(part, character)
            vertical = equal | down
            if above < 0:
                equal |= 1
            zero = ((((equal & up) + up) ^ up) | equal | down) & mask
            rise = down | (mask & ~(zero | up))
            fall = up & zero
            below = ((rise >> (size - 1)) & 1) - ((fall >> (size - 1)) & 1)
            differences[j] = below
            score += below
            rise = rise + rise & mask
            fall = fall + fall & mask
            if above > 0:
                rise |= 1
            elif above < 0:
                fall |= 1
            up = fall | (mask & ~(vertical | rise))
            down = rise & vertical
    return score


@dfv.plugin(author="dataflare_vec")
def levenshtein(a: str, b: str):
    """Edit distance: the fewest insertions, deletions and substitutions between two strings.

    Parameters
    ----------
    a, b : str
        Any; compared by code points.

    Returns
    -------
    int
        0 to the length of the longer one.

    Notes
    -----
    One word of 63 rows at a time: about two nanoseconds for each character of the longer string, if the
    shorter one has at most 63.

    Source: H. Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances", Nordic
    Journal of Computing 10 (2003), after G. Myers, Journal of the ACM 46 (1999).

    Examples
    --------
    >>> levenshtein("kitten", "sitting")
    3
    """
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    if len(shorter) == 0:
        return len(longer)
    if len(shorter) <= WORD:
        return _short_levenshtein(shorter, longer)
    return _long_levenshtein(shorter, longer)


@dfv.plugin(author="dataflare_vec")
def levenshtein_similarity(a: str, b: str):
    """`levenshtein` as a share of the longer string: 1 for equal strings, 0 for nothing in common.

    Parameters
    ----------
    a, b : str
        Any.

    Returns
    -------
    float
        ``1 - distance / max(len(a), len(b))``; 1 for two empty strings.

    Examples
    --------
    >>> levenshtein_similarity("kitten", "kitchen")
    0.7142857142857143
    """
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    if len(longer) == 0:
        return 1.0
    if len(shorter) == 0:
        return 0.0
    if len(shorter) <= WORD:
        return 1.0 - _short_levenshtein(shorter, longer) / len(longer)
    return 1.0 - _long_levenshtein(shorter, longer) / len(longer)


def _short_alignment(pattern: str, text: str) -> int:
    """Like `_short_levenshtein`, and swaps of neighbours cost 1."""
    size = len(pattern)
    mask = ~(-1 << size)
    up, down, score = mask, 0, size
    zero = before = 0
    for character in text:
        equal = match_bits(pattern, character)
        apart = mask & ~zero & equal
        swapped = apart + apart & before
        zero = ((((equal & up) + up) ^ up) | equal | down | swapped) & mask
        rise = down | (mask & ~(zero | up))
        fall = up & zero
        score += ((rise >> (size - 1)) & 1) - ((fall >> (size - 1)) & 1)
        rise = (rise + rise | 1) & mask
        up = (fall + fall & mask) | (mask & ~(zero | rise))
        down = rise & zero
        before = equal
    return score


def _codes(text: str):
    """The code points of a string, for algorithms that go back and forth in it."""
    codes = np.empty(len(text), np.int32)
    for i, character in enumerate(text):
        codes[i] = ord(character)
    return codes


def _long_alignment(a: str, b: str) -> int:
    """Three rows of the matrix."""
    first, second = _codes(a), _codes(b)
    width = len(second) + 1
    rows = np.zeros((3, width), np.int64)
    rows[0] = np.arange(width)
    for i in range(1, len(first) + 1):
        now, last, older = rows[i % 3], rows[(i - 1) % 3], rows[(i - 2) % 3]
        now[0] = i
        for j in range(1, width):
            same = first[i - 1] == second[j - 1]
            cost = min(last[j] + 1, now[j - 1] + 1, last[j - 1] + (0 if same else 1))
            if i > 1 and j > 1 and first[i - 1] == second[j - 2] and first[i - 2] == second[j - 1]:
                cost = min(cost, older[j - 2] + 1)
            now[j] = cost
    return rows[len(first) % 3][width - 1]


@dfv.plugin(author="dataflare_vec")
def damerau_levenshtein(a: str, b: str):
    """`levenshtein` in which swapping two adjacent characters counts as one edit.

    Parameters
    ----------
    a, b : str
        Any.

    Returns
    -------
    int
        0 to the length of the longer one.

    Notes
    -----
    The optimal string alignment distance: no part of a string is edited twice, so "ca" → "abc" is 3.

    Source: H. Hyyrö (2003), as for `levenshtein`; F. J. Damerau, Communications of the ACM 7 (1964).

    Examples
    --------
    >>> damerau_levenshtein("recieve", "receive"), levenshtein("recieve", "receive")
    (1, 2)
    """
    shorter, longer = (a, b) if len(a) <= len(b) else (b, a)
    if len(shorter) == 0:
        return len(longer)
    if len(shorter) <= WORD:
        return _short_alignment(shorter, longer)
    return _long_alignment(shorter, longer)


def _short_jaro(a: str, b: str) -> float:
    """Jaro similarity of strings of 1 to `WORD` characters; which ones are matched is kept in words."""
    bound = max(max(len(a), len(b)) // 2 - 1, 0)
    matched_a = matched_b = matches = i = 0
    bit = 1  # of the character of `a`; those of `b` that may match it are within `reach` and not `below`
    below, reach = 0, ~(-1 << min(bound + 1, len(b)))
    for character in a:
        free = match_bits(b, character) & reach & ~below & ~matched_b
        if free:
            matched_b |= free & -free
            matched_a |= bit
            matches += 1
        if i >= bound:
            below = below + below | 1
        i += 1
        if i + bound < len(b):
            reach = reach + reach | 1
        bit += bit
    if matches == 0:
        return 0.0
    swapped = 0
    for character in a:
        if matched_a & 1:
            lowest = matched_b & -matched_b
            matched_b ^= lowest
            if match_bits(b, character) & lowest == 0:
                swapped += 1
        matched_a >>= 1
    return (matches / len(a) + matches / len(b) + (matches - swapped // 2) / matches) / 3.0


def _long_jaro(a: str, b: str) -> float:
    first, second = _codes(a), _codes(b)
    bound = max(max(len(first), len(second)) // 2 - 1, 0)
    matched_a = np.zeros(len(first), np.bool_)
    matched_b = np.zeros(len(second), np.bool_)
    matches = 0
    for i in range(len(first)):
        for j in range(max(i - bound, 0), min(i + bound + 1, len(second))):
            if first[i] == second[j] and not matched_b[j]:
                matched_a[i] = matched_b[j] = True
                matches += 1
                break
    if matches == 0:
        return 0.0
    swapped = j = 0
    for i in range(len(first)):
        if matched_a[i]:
            while not matched_b[j]:
                j += 1
            if first[i] != second[j]:
                swapped += 1
            j += 1
    return (matches / len(first) + matches / len(second) + (matches - swapped // 2) / matches) / 3.0


def _jaro(a: str, b: str) -> float:
    if len(a) == 0 or len(b) == 0:
        return 1.0 if len(a) == len(b) else 0.0
    if len(a) <= WORD and len(b) <= WORD:
        return _short_jaro(a, b)
    return _long_jaro(a, b)


@dfv.plugin(author="dataflare_vec")
def jaro(a: str, b: str):
    """Jaro similarity: characters in common at nearly the same place. For names.

    Parameters
    ----------
    a, b : str
        Any.

    Returns
    -------
    float
        0 to 1; 1 for equal strings, two empty ones included.

    Notes
    -----
    Source: M. A. Jaro, Journal of the American Statistical Association 84 (1989), p. 414.

    Examples
    --------
    >>> round(jaro("MARTHA", "MARHTA"), 3)
    0.944
    """
    return _jaro(a, b)


@dfv.plugin(author="dataflare_vec")
def jaro_winkler(a: str, b: str, weight=0.1, threshold=0.7):
    """`jaro`, raised for strings that begin alike.

    Parameters
    ----------
    a, b : str
        Any.
    weight : float
        How much each of up to four common first characters counts, at most 0.25.
    threshold : float
        Strings that are less alike than this get no more.

    Returns
    -------
    float
        0 to 1.

    Notes
    -----
    Source: W. E. Winkler, "String Comparator Metrics and Enhanced Decision Rules", Proceedings of the Section
    on Survey Research, American Statistical Association (1990).

    Examples
    --------
    >>> round(jaro_winkler("MARTHA", "MARHTA"), 3)
    0.961
    """
    similarity = _jaro(a, b)
    if similarity <= threshold:
        return similarity
    common = 0
    for i in range(min(len(a), len(b), _PREFIX)):
        if a[i] != b[i]:
            break
        common += 1
    return similarity + common * weight * (1.0 - similarity)


@dfv.plugin(author="dataflare_vec")
def hamming(a: str, b: str):
    """Number of positions at which two strings of the same length differ.

    Parameters
    ----------
    a, b : str
        Of the same length.

    Returns
    -------
    int
        0 to the length.

    Raises
    ------
    ValueError
        If the lengths differ: the row fails.

    Notes
    -----
    Source: R. W. Hamming, Bell System Technical Journal 29 (1950).

    Examples
    --------
    >>> hamming("karolin", "kathrin")
    3
    """
    if len(a) != len(b):
        raise ValueError("strings of different lengths")
    different = 0
    for x, y in zip(a, b):  # noqa: B905  (Numba's zip has no `strict`)
        if x != y:
            different += 1
    return different


def _distinct_grams(text: str, n: int) -> int:
    count = 0
    for i in range(len(text) - n + 1):
        if text.find(text[i : i + n]) == i:
            count += 1
    return count


@dfv.plugin(author="dataflare_vec")
def ngram_jaccard(a: str, b: str, n=2):
    """Jaccard similarity of the distinct character n-grams of two strings.

    Parameters
    ----------
    a, b : str
        Any.
    n : int
        Length of a gram, at least 1.

    Returns
    -------
    float
        0 to 1; 1 for two strings that are both too short for a gram, 0 if only one is.

    Notes
    -----
    Takes time with the product of the lengths; meant for names and titles.

    Source: P. Jaccard, Bulletin de la Société vaudoise des sciences naturelles 37 (1901).

    Examples
    --------
    >>> ngram_jaccard("night", "nacht")
    0.14285714285714285
    """
    in_a, in_b = _distinct_grams(a, n), _distinct_grams(b, n)
    if in_a == 0 or in_b == 0:
        return 1.0 if in_a == in_b else 0.0
    common = 0
    for i in range(len(a) - n + 1):
        gram = a[i : i + n]
        if a.find(gram) == i and gram in b:
            common += 1
    return common / (in_a + in_b - common)


@dfv.plugin(author="dataflare_vec")
def longest_common_substring(a: str, b: str):
    """Length of the longest substring that both strings contain.

    Parameters
    ----------
    a, b : str
        Any.

    Returns
    -------
    int
        0 to the length of the shorter one.

    Notes
    -----
    Grows the run while it is found somewhere in the other string, from each place on.

    Examples
    --------
    >>> longest_common_substring("photograph", "tomography")
    6
    """
    best = 0
    for start in range(len(a)):
        while start + best < len(a) and a[start : start + best + 1] in b:
            best += 1
    return best
