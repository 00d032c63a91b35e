"""Encodings, digests, base 16 and 64 and quoted URLs in kernels give what Python gives."""

from __future__ import annotations

import base64
import binascii
import hashlib
import sys
import uuid
import zlib
from urllib import parse

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from testing.oracle import check, plugins
from testing.strategies import frames


def decoded(b, s):
    lenient = b.decode(errors="ignore"), b.decode("utf-8", "replace"), b.decode("ascii", errors="replace")
    return *lenient, b.decode("ascii", "ignore"), b.decode("latin-1")


def strictly(b, s):
    try:
        return b.decode(), len(s.encode("ascii"))
    except UnicodeDecodeError:
        return "no text", -1
    except UnicodeEncodeError:
        return "no ASCII", -2


def encoded(b, s):
    lenient = s.encode("ascii", "ignore"), s.encode("latin-1", errors="replace")
    return *lenient, s.encode("latin-1", "ignore"), s.encode("utf-8").hex()


def base_16(b, s):
    try:
        return b.hex(), bytes.fromhex(s)
    except ValueError:
        return b.hex(), b"none"


def base_16_in_groups(b, s):
    fixed = b.hex(":"), b.hex("-", 2), b.hex(sep=b" ", bytes_per_sep=-4), b.hex("|", 0)
    return *fixed, b.hex(s), b.hex(":", len(s) - 3)


def base_64(b, s):
    text, url = base64.b64encode(b).decode(), base64.urlsafe_b64encode(b).rstrip(b"=")
    try:
        return text, url, base64.b64decode(s), base64.urlsafe_b64decode(s), base64.b64decode(b)
    except binascii.Error:
        return text, url, b"padding", b"", b""
    except ValueError:
        return text, url, b"no ASCII", b"", b""


def digests(b, s):
    numbers = int(hashlib.md5(b).hexdigest()[:8], 16) % 97, zlib.crc32(b)
    return *numbers, hashlib.sha1(b).digest(), hashlib.sha256(s.encode()).hexdigest()


def identifiers(b, s):
    try:
        made = uuid.UUID(s)
    except ValueError:
        return "none", "", b"", "", False
    same = made == uuid.UUID("{12345678-1234-5678-1234-567812345678}")
    return str(made), made.hex, made.bytes, f"{made}|", same


def urls(b, s):
    quoted = parse.quote(s), parse.quote(s, safe=""), parse.quote_plus(s), parse.quote_plus(s, safe="/ é")
    return *quoted, parse.quote(b), parse.unquote(s), parse.unquote_plus(s)


KERNELS = plugins(decoded, strictly, encoded, base_16, base_16_in_groups, base_64, digests, identifiers, urls)
if sys.version_info < (3, 11):  # only `except Exception` compiles
    for name in ("strictly", "base_16", "base_64", "identifiers"):
        del KERNELS[name]
binaries = st.binary(max_size=12) | st.binary(min_size=50, max_size=130) | st.text(max_size=5).map(str.encode)
texts = (
    st.text("aB0f =+-_/%é€😀\n\t\x1c", max_size=12)
    | st.binary(max_size=9).map(lambda b: base64.b64encode(b).decode())
    | st.binary(max_size=6).map(lambda b: "é".join(parse.quote(b).split("a")))
    | st.binary(max_size=6).map(bytes.hex)
    | st.uuids().map(str)
    | st.tuples(st.uuids(), st.sampled_from(["{%s}", "urn:uuid:%s", "%s-", "%sz", "{{%s", "é%s"])).map(
        lambda drawn: drawn[1] % drawn[0].hex
    )
)
LONG = {
    "b": [bytes(n) for n in (55, 56, 63, 64, 119, 120)],
    "s": ["x" * n for n in (55, 63, 64, 119, 120)] + ["12345678123456781234567812345678"],
}


@pytest.mark.parametrize("name", KERNELS)
@settings(phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck), deadline=None)
@given(frame=frames(b=(binaries, pl.Binary), s=(texts, pl.String)))
@example(frame=pl.DataFrame(LONG))
def test_text_of_bytes(name, frame):
    check(KERNELS[name], frame)
