"""`json.loads` and `json.dumps` in kernels give what Python's give, and fail where they do."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin, plugins
from testing.strategies import frames


def numbers(s):
    d = json.loads(s)
    return float(d["a"]), int(d.get("b", 7)), float(d["c"]["a"])


def texts(s):
    d = json.loads(s)
    return str(d["a"]), d.get("b", "none").upper(), f"{d['a']}|"


def questions(s):
    d = json.loads(s)
    v = d.get("a")
    kinds = isinstance(v, str), isinstance(v, int), isinstance(v, (dict, list)), v is None, bool(v)
    same = v is True, True is not v, v is False, None is v, d.get("b", False) is False
    return *kinds, *same, "b" in d, len(d), v == 1, v != 0.5, v == "é", v is not None and v == True  # noqa: E712


def compared_with_text(s):
    v = json.loads(s)["a"]
    return v == "x", "é" != v, v in ("12", "x"), v == s, v == "", "x" == v or v == b"x"


def order(s):
    v = json.loads(s)["a"]
    return v < 1, v >= 0.5, 2 > v


def items(s):
    d = json.loads(s)
    return str(d["c"][0]), str(d["c"][-1]), "x" in d["c"], len(d["c"])


def written(s, x, n, b):
    row = {"s": s, "x": [x, n, None], "é": {"t": (s, True, b), "u": []}}
    return json.dumps(row), json.dumps(s), json.dumps(s.split(","))


def written_otherwise(s, x, n, b):
    text = json.dumps({"b": s, "a": [s, x]}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    counts = {}
    for c in s:
        counts[c] = counts.get(c, 0) + 1
    return text, json.dumps(counts), json.dumps(x), json.dumps((n, b)), json.dumps({s: n})


READ, WRITTEN = (
    plugins(numbers, texts, questions, compared_with_text, order, items),
    plugins(written, written_otherwise),
)
slow = settings(
    max_examples=30,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
letters = st.text('ab"\\/\n\t\x00\x7fé€😀', max_size=5)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from([0.5, 1.0, 1e16, "12", "1.5", "x", "é", "", -0.0])
    | letters
)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from("abcx"), v, max_size=3)
)
objects = st.dictionaries(st.sampled_from(["a", "b", "c", "é"]), scalars | values, max_size=4)


@st.composite
def documents(draw):
    """Draw JSON, at times damaged, with keys twice, other spaces, or characters as escapes."""
    value = draw(objects | values)
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1])))
    if draw(st.integers(0, 5)) == 0 and text:
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.sampled_from(["", "0", '"', "}", ",", "-", "\\", " "])) + text[at + 1 :]
    if draw(st.integers(0, 5)) == 0:
        text = text.replace('"b"', '"a"').replace('"c"', '"\\u0061"')
    return text


CASES = [
    '{"a": 1, "a": 2, "c": {"a": NaN}}',
    '{"\\u0061": -0, "b": -Infinity, "c": ["x"]}',
    ' {"a" :1E400,"b":"\\ud83d\\ude00","c":[[],{}]}\n',
    '{"a": 01}',
    '{"a": 1.}',
    '{"a": 10, "c": {}}',
    '{"a": "x"}',
    '{"a": "\\u00e9"}',
    '{"a": "é"}',
    '{"a": ""}',
    '{"a": "\x01"}',
    '{"a": [1, 2,]}',
    "\ufeff{}",
    '{"a": 9007199254740993, "b": 9223372036854775807, "c": {"a": 1}}',
    "[]",
    "",
    "nul",
]


def too_large(s):
    """Whether 64 bits don't hold what Python finds, or no String does."""
    value = json.loads(s)
    return "\\ud" in repr(value) or any(abs(number) >= 2**53 for number in _numbers(value))


def _numbers(value):
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)
    elif isinstance(value, float | int) and value == value:
        yield value
    elif isinstance(value, str) and value.strip("-").isdecimal():
        yield int(value)


@pytest.mark.parametrize("name", READ)
@slow
@given(frame=frames(s=(documents(), pl.String)))
@example(frame=pl.DataFrame({"s": CASES}))
def test_reading(name, frame):
    function = READ[name].function

    def may_fail(s):
        if isinstance(json.loads(s), dict) and isinstance(json.loads(s).get("c"), str):
            return True  # its characters by number
        shown = any(isinstance(one, str) and one[:1] in ("[", "{") for one in function(s))
        return shown or too_large(s)

    check(READ[name], frame, may_fail=may_fail)


@pytest.mark.parametrize("name", WRITTEN)
@slow
@given(
    frame=frames(
        s=(letters | st.text(max_size=4), pl.String),
        x=(st.floats(), pl.Float64),
        n=(st.integers(-(2**63), 2**63 - 1), pl.Int64),
        b=(st.booleans(), pl.Boolean),
    )
)
def test_writing(name, frame):
    check(WRITTEN[name], frame)


def returned(s):
    return json.loads(s)["a"]


def doubled(s):
    return json.loads(s)["a"] * 2


def indented(s):
    return json.dumps({"a": s}, indent=1)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (returned, r"value of JSON, .*\n?.*say what"),
        (doubled, "any type"),
        (indented, "`indent=` isn't known"),
    ],
)
def test_what_is_refused(function, text):
    with pytest.raises(dfv.PluginError, match=text):
        dfv.apply(pl.DataFrame({"s": ['{"a": 1}']}), plugin(function))
