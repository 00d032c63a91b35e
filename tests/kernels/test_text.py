"""Text kernels against published examples, sets of substrings, Python's own methods and urllib."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban

import dataflare_vec as dfv

# Few letters, so that strings have something in common; short and long ones, ASCII and beyond.
few = st.text("abcé", max_size=12) | st.text("ab", min_size=50, max_size=200)
words = st.one_of(few, st.text(max_size=20), st.sampled_from(["", "a", "straße", "İstanbul"]))
pairs = st.lists(st.tuples(words, words), min_size=1, max_size=8)


def both(name, rows, **bindings):
    """Values of a kernel of two strings; the compiled ones, that must be the plain function's."""
    df = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    got = df.pipe(dfv.apply, name, output="out", **bindings)["out"].to_list()
    plugin = next(p for p in dfv.plugins() if p.name == name)
    assert got == [plugin(a, b, **bindings) for a, b in rows]
    return got


def one(name, values):
    """Values of a kernel of one string; the compiled ones, that must be the plain function's."""
    plugin = next(p for p in dfv.plugins() if p.name == name)
    parameter = plugin.parameters[0].name
    df = pl.DataFrame({parameter: values}, schema={parameter: pl.String})
    got = df.pipe(dfv.apply, name, output="out")["out"].to_list()
    assert got == [plugin(value) for value in values]
    return got


@given(pairs, st.integers(1, 3))
def test_ngram_jaccard(rows, n):
    def grams(text):
        return {text[i : i + n] for i in range(len(text) - n + 1)}

    expected = []
    for a, b in rows:
        x, y = grams(a), grams(b)
        expected.append(len(x & y) / len(x | y) if x | y else 1.0)
    assert both("ngram_jaccard", rows, n=n) == pytest.approx(expected)


@given(st.lists(st.tuples(few, few), min_size=1, max_size=4))
def test_longest_common_substring(rows):
    def runs(text):
        return {text[i:j] for i in range(len(text)) for j in range(i, len(text) + 1)}

    rows = [(a[:30], b[:30]) for a, b in rows]
    expected = [max(map(len, runs(a) & runs(b)), default=0) for a, b in rows]
    assert both("longest_common_substring", rows) == expected


def test_hamming_of_different_lengths_fails_the_row():
    df = pl.DataFrame({"a": ["karolin", "abc", "éa"], "b": ["kathrin", "ab", "êa"]})
    result = dfv.run(df, "hamming")
    assert result.frame["hamming"].to_list() == [3, None, 1]
    assert result.errors["message"].to_list() == ["strings of different lengths"]


def test_soundex():
    # U.S. National Archives, The Soundex Indexing System: its examples of double letters, h, w and prefixes.
    names = ["Washington", "Gutierrez", "Pfister", "Jackson", "Tymczak", "Ashcraft", "Robert", "Honeyman"]
    keys = ["W252", "G362", "P236", "J250", "T522", "A261", "R163", "H555"]
    assert one("soundex", names) == keys
    assert one("soundex", ["", "van der Berg", "Żółw", "o'hara"]) == ["", "V536", "W000", "O600"]


def test_metaphone_of_words_whose_key_is_published():
    assert one("metaphone", ["Thumb", "Fast", "write", "known", "phone", "judge", "school", "match"]) == [
        "0M", "FST", "RT", "NN", "FN", "JJ", "SKL", "MX",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6))
def test_normalise(values):
    def expected(text):
        return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())

    assert one("normalise", values) == [expected(text) for text in values]


def test_slugify():
    values = ["Hello, World! (2nd edition)", "--a--", "", "Größe 42", "ÀB"]
    assert one("slugify", values) == ["hello-world-2nd-edition", "a", "", "gr-e-42", "b"]


def test_url_domain_as_urllib():
    urls = [
        "https://me@www.Example.com:8080/path?q=1#top",
        "http://[2001:db8::1]:80/x",
        "//cdn.example.org/a",
        "ftp://user:secret@files.example.net",
        "https://example.com?x=/y",
    ]
    expected = []
    for url in urls:
        host = urlsplit(url).hostname
        expected.append(f"[{host}]" if ":" in host else host.removeprefix("www."))
    assert one("url_domain", urls) == expected
    assert one("url_domain", ["example.com/a", "", "https://"]) == ["example.com", None, None]


def test_parse_number():
    values = ["3 bds, 1,560 sqft", "1,560.25", "at -12.5 °C", "a-7", "none", "", ".5", "3.", "1,,2", "10-20"]
    assert one("parse_number", values) == [3.0, 1560.25, -12.5, 7.0, None, None, 0.5, 3.0, 1.0, 10.0]


def test_parse_money():
    values = ["$1.2M", "(1,234.50)", "EUR -3k", "€ 5 bn", "7bn", "12 USD", "2 months", "1.5B", "free", "−4"]
    expected = [1.2e6, -1234.5, -3000.0, 5.0, 7e9, 12.0, 2.0, 1.5e9, None, -4.0]
    assert one("parse_money", values) == pytest.approx(expected)


def test_parse_duration():
    values = ["1h 30m", "2 days, 4 hours", "90", "01:02:03.5", "250ms", "1.5 weeks"]
    assert one("parse_duration", values) == [5400.0, 187200.0, 90.0, 3723.5, 0.25, 907200.0]


@pytest.mark.parametrize("text", ["", "soon", "3 parsecs", "h", "1:x"])
def test_parse_duration_refuses(text):
    result = dfv.run(pl.DataFrame({"text": [text, "1s"]}), "parse_duration")
    assert result.frame["parse_duration"].to_list() == [None, 1.0]
    assert result.errors["error"].to_list() == ["ValueError"]


@given(st.integers(0, 10**18), st.sampled_from(["GB", "DE", "XK", "FR"]), st.integers(0, 99))
def test_iban_check_as_modulo_97(account, country, check):
    text = f"{country}{check:02d}ABCD{account:018d}"
    digits = "".join(str(int(c, 36)) for c in text[4:] + text[:4])
    assert one("iban_check", [text]) == [int(digits) % 97 == 1]


def test_iban_check_of_real_ones_as_stdnum():
    values = ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "GB82 WEST 1234 5698 7654 33"]
    assert one("iban_check", values) == [iban.is_valid(value) for value in values]
    assert one("iban_check", ["", "GB82", "8BGB" + "1" * 16, "GB8é" + "1" * 16]) == [False] * 4


def test_uuid_check():
    good = [str(uuid.UUID(int=n)) for n in (0, 2**128 - 1, 0x1234567890ABCDEF << 40)]
    bad = [good[0][:-1], good[0].replace("-", "+"), "g" + good[1][1:], "", good[1] + "0"]
    assert one("uuid_check", [*good, good[1].upper(), *bad]) == [True] * 4 + [False] * 5


def test_nulls_stay_nulls():
    df = pl.DataFrame({"a": ["abc", None, "é"], "b": [None, "x", "e"]})
    for name in ("levenshtein", "jaro_winkler", "ngram_jaccard"):
        assert df.pipe(dfv.apply, name, output="out")["out"].null_count() == 2
