"""Cleaning of strings: for joins, keys and URLs."""

from __future__ import annotations

import dataflare_vec as dfv


@dfv.plugin(author="dataflare_vec")
def normalise(text: str):
    """Case folded, punctuation and runs of whitespace replaced by single spaces.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        Letters and digits of any script, with single spaces between; none at the ends.

    Examples
    --------
    >>> normalise("  O'Hare, Chicago —  INTL. ")
    'o hare chicago intl'
    """
    words, gap = "", False
    for character in text.casefold():
        if character.isalnum():
            if gap and words != "":
                words = words + " "
            words = words + character
            gap = False
        else:
            gap = True
    return words


@dfv.plugin(author="dataflare_vec")
def slugify(text: str):
    """URL slug: lower-case letters a to z and digits, joined by hyphens.

    Parameters
    ----------
    text : str
        Any; characters beyond ASCII end a word, as do all but letters and digits.

    Returns
    -------
    str
        Without a hyphen at either end; empty if there is no letter or digit.

    Examples
    --------
    >>> slugify("Hello, World! (2nd edition)")
    'hello-world-2nd-edition'
    """
    slug, gap = "", False
    for character in text.lower():
        if "a" <= character <= "z" or "0" <= character <= "9":
            if gap and slug != "":
                slug = slug + "-"
            slug = slug + character
            gap = False
        else:
            gap = True
    return slug


@dfv.plugin(author="dataflare_vec")
def url_domain(url: str):
    """Host of a URL in lower case, without user, port and a leading ``www.``.

    Parameters
    ----------
    url : str
        With or without a scheme.

    Returns
    -------
    str or None
        None if there is no host.

    Notes
    -----
    Source: the authority component of RFC 3986, section 3.2.

    Examples
    --------
    >>> url_domain("https://me@www.Example.com:8080/path?q=1#top")
    'example.com'
    """
    start = url.find("://")
    host = url[start + 3 :] if start >= 0 else url.removeprefix("//")
    end = len(host)
    for mark in ("/", "?", "#"):
        at = host.find(mark)
        if 0 <= at < end:
            end = at
    host = host[:end]
    host = host[host.rfind("@") + 1 :]
    if host.startswith("["):  # an IPv6 address has colons of its own
        host = host[: host.find("]") + 1]
    elif ":" in host:
        host = host[: host.find(":")]
    host = host.lower().removeprefix("www.")
    if host == "":
        return None
    return host
