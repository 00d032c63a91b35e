"""Numbers read and written, against Python's own."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from types import FunctionType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba.core import types
from numba.core.errors import NumbaError
from texts import any_text, ascii_text, compiled, outcome

from dataflare_vec.compiler.jit.types.strings import ascii_string, bytes_view, utf8_string
from testing.oracle import same

integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-1000, 1000)
floats = (
    st.floats()
    | st.integers(-(10**17), 10**17).map(float)
    | st.decimals(-(10**6), 10**6, places=3).map(float)
)
floats |= st.sampled_from([0.5, 1.5, 2.5, 9.995, 0.125, 999999.5, 1e16, 1e22, 1e-5, 5e-324, 2.0**-1074, -0.0])


# -- reading ----------------------------------------------------------------------------------------------


def read_int(s):
    return int(s)


def read_hex(s):
    return int(s, 16)


def read_any(s, base):
    return int(s, base)


def read_float(s):
    return float(s)


_DIGITS = st.text("0123456789_", min_size=1, max_size=24)
_NUMBER_LIKE = st.text("0123456789+-._eExXoObB \t\x1c\x1finfaty٣𝟗\u3000", max_size=12)
literals = st.one_of(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", " ", "\n-", "+", "\u3000-"]),
        _DIGITS,
        st.sampled_from(["", " "]),
    ),
    st.builds("{}{}{}".format, st.sampled_from(["0x", "0b", "0o", "0", "-0X_", "0_"]), _DIGITS, st.just("")),
    _NUMBER_LIKE,
    any_text,
    integers.map(str),
    st.integers(-(10**20), 10**20).map(str),
)


def int64(*text_and_base):
    """Read an integer as a kernel does: one that 64 bits don't hold is an error."""
    value = int(*text_and_base)
    if not -(2**63) <= value < 2**63:
        raise OverflowError
    return value


def expected(function, *arguments):
    """Return the outcome of a plain function with a kernel's integers: `+` wraps around, `int` doesn't."""
    namespace = function.__globals__ | {"int": int64}
    value = outcome(FunctionType(function.__code__, namespace), *arguments)
    return (value + 2**63) % 2**64 - 2**63 if isinstance(value, int) else value


def read(function, text, *more):
    """Check a reading of text in all types that hold it."""
    kinds = [(utf8_string, text), (bytes_view, text.encode())]
    if text.isascii():
        kinds.append((ascii_string, text))
    for kind, value in kinds:
        got = outcome(compiled(function, (kind, *[types.int64] * len(more))), value, *more)
        wanted = expected(function, value, *more)
        assert same(got, wanted), (kind, value, more, got, wanted)


@settings(max_examples=400)
@given(literals, st.sampled_from([0, 2, 3, 8, 10, 16, 36, 1, 37, -1]))
def test_int_of_text(text, base):
    read(read_int, text)
    read(read_hex, text)
    read(read_any, text, base)


def read_amount(s):
    return int(s.replace(",", ""))


def read_amount_of_bytes(s):
    return int(s.replace(b",", b""))


def read_without_zeros(s):
    return int(s.replace("0", ""))


def read_and_looked_at(s):
    text = s.replace(",", "")
    return int(text) + len(text)


def read_of_another(s):
    text = s.replace(",", "")
    s = s[1:]
    return int(text) + len(s)


def read_first(s, n):
    text, total = s.replace(",", ""), 0
    for _ in range(n):
        total += int(text)
        text = s[1:].replace(",", "")
    return total


amounts = st.text("0123456789,", max_size=24) | literals
amounts |= st.builds("{:,}".format, integers) | st.builds("{:,}".format, st.integers(0, 10**9))


@settings(max_examples=400)
@given(amounts)
@example("9111686018427387904")  # its sum with itself without the first digit wraps around
@example("9223372036854775807")
def test_int_of_text_without_a_byte(text):
    functions = (read_amount, read_without_zeros, read_and_looked_at, read_of_another)
    values = [(utf8_string, text), (ascii_string, text)] if text.isascii() else [(utf8_string, text)]
    calls = [(function, kind, value, ()) for function in functions for kind, value in values]
    calls += [(read_first, kind, value, (n,)) for kind, value in values for n in range(3)]
    calls.append((read_amount_of_bytes, bytes_view, text.encode(), ()))
    for function, kind, value, more in calls:
        got = outcome(compiled(function, (kind, *[types.int64] * len(more))), value, *more)
        wanted = expected(function, value, *more)
        assert same(got, wanted), (function.__name__, kind, value, got, wanted)


def test_no_text_is_made_for_a_number():
    """What reads it is called in the place of both, but where the text is needed all the same."""
    for function, joined in ((read_amount, True), (read_of_another, True), (read_and_looked_at, False)):
        called = compiled(function, (ascii_string,)).result.type_annotation.typemap
        assert any("int_without" in str(kind) for kind in called.values()) == joined


@st.composite
def decimals(draw):
    """Draw text of a float: many digits, large exponents, underscores, the middle of two floats."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return repr(draw(floats))
    if kind == 1:
        low = abs(draw(st.floats(allow_nan=False, allow_infinity=False)))
        high = math.nextafter(low, math.inf)
        if math.isinf(high):
            return repr(low)
        with localcontext() as context:
            context.prec = 1200
            middle = (Decimal(low) + Decimal(high)) / 2
            return (
                str(middle) + draw(st.sampled_from(["", "0", "1", "0" * 50 + "1"]))
                if "E" not in str(middle)
                else str(middle)
            )
    if kind == 2:
        digits = draw(st.text("0123456789", min_size=1, max_size=60))
        point = draw(st.integers(0, len(digits)))
        return f"{digits[:point]}.{digits[point:]}e{draw(st.integers(-400, 400))}"
    return draw(literals)


@settings(max_examples=600)
@given(decimals())
def test_float_of_text(text):
    read(read_float, text)


# -- writing ----------------------------------------------------------------------------------------------


def write(x):
    return str(x)


@settings(max_examples=600)
@given(floats)
def test_str_of_float(x):
    assert compiled(write, (types.float64,))(x) == str(x)


@settings(max_examples=200)
@given(integers)
def test_str_of_int(n):
    assert compiled(write, (types.int64,))(n) == str(n)


@pytest.mark.parametrize("value", [True, False])
def test_str_of_bool(value):
    assert compiled(write, (types.boolean,))(value) == str(value)


FLOAT_FORMATS = [
    "", ".2f", ".0f", "10.3f", "<10.1f", "^12.2f", "+.1f", "012.3f", ",.2f", "015,.2f", "_.1f", ".3e", "E",
    ".3g", "g", "G", "%", ".1%", "12", ".3", "*>15.2f", ".17g", ".20f", " .1f", ".5", "e",
]  # fmt: skip
INT_FORMATS = [
    "", "d", "5d", "05d", "<8", "^9d", "+d", "x", "#x", "08X", "b", "#o", ",", "_", "010,d", "_x", "é>9d",
    ".2f", "e", " d", "=+7d", "#010x",
]  # fmt: skip
STRING_FORMATS = ["", ">10", "<10", "^11", ".3", "*^9.2s", "010", "é<5"]


def formatter(spec):
    return eval(f"lambda x: f'{{x:{spec}}}'")


def _formats(specs):
    return pytest.mark.parametrize("function", [formatter(spec) for spec in specs], ids=specs)


@_formats(FLOAT_FORMATS)
@given(floats)
def test_format_of_float(function, x):
    assert compiled(function, (types.float64,))(x) == function(x)


@_formats(INT_FORMATS)
@given(integers)
def test_format_of_int(function, n):
    assert compiled(function, (types.int64,))(n) == function(n)


@_formats(STRING_FORMATS)
@given(any_text, ascii_text)
def test_format_of_string(function, text, ascii):
    assert compiled(function, (utf8_string,))(text) == function(text)
    assert compiled(function, (ascii_string,))(ascii) == function(ascii)


@pytest.mark.parametrize("spec", ["n", ".2d", ",x", "z", "s"])
def test_unknown_formats_are_refused(spec):
    with pytest.raises(NumbaError, match="kernels don't know the format"):
        compiled(formatter(spec), (types.int64,))


def sentence(name, n, x, flag):
    return f"{name!s}: {n:03d} of {x:.1f} ({flag}) {name:>5}{n!s:>9}" + str(x) + format(n, "x")


@given(any_text, integers, floats, st.booleans())
def test_f_string(name, n, x, flag):
    kernel = compiled(sentence, (utf8_string, types.int64, types.float64, types.boolean))
    assert kernel(name, n, x, flag) == sentence(name, n, x, flag)
