"""Law 2 for dicts whose values are of unlike types: settings, rules and records by name."""

from __future__ import annotations

import datetime as dt
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing.oracle import check, plugin

ODD = "\N{LATIN SMALL LETTER E WITH ACUTE}"
RATES = st.floats(-1e6, 1e6)
FIELDS = {
    "rate": RATES,
    "label": st.none() | st.text("ab" + ODD, max_size=3),
    "since": st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)),
    "tags": st.lists(st.sampled_from(["a", "b", ODD]), max_size=3),
    "within": st.fixed_dictionaries({"n": st.integers(-9, 9), "name": st.text("ab" + ODD, max_size=3)}),
}
RECORDS = st.fixed_dictionaries(FIELDS, optional={"most": st.integers(-9, 9), "more": RATES})
#: Are always there, so that all tables are of one type, and compiled once.
FULL = {
    "rate": 0.5,
    "label": ODD,
    "since": dt.date(2000, 1, 1),
    "tags": [ODD],
    "within": {"n": 1, "name": ODD},
    "most": 3,
    "more": 0.25,
}
LESS = {name: None if name == "label" else FULL[name] for name in FIELDS}


def asked(s: str | None, table={}):  # noqa: B006
    one, known = table.get(s, {}), table.get(s)
    return (
        one.get("rate", -1.0),
        one.get("label"),
        one.get("label", "none"),
        one.get("most"),
        one.get("most", 7),
        one.get("nowhere", 7),
        len(one.get("tags", [])),
        one.get("within", {}).get("n", 99),
        "most" in one,
        "rate" in one,
        "nowhere" in one,
        s in one,
        len(one),
        not one,
        known is None,
        "" if known is None else known["within"]["name"],
    )


def looked_up(s: str | None, table={}):  # noqa: B006
    one = table[s]
    return one["rate"] * 2, one["label"], one["since"], one["tags"][0], one["within"]["name"], len(one)


def not_in_all(s: str | None, table={}):  # noqa: B006
    return table[s]["most"] + table[s].get("more", 0.5)


def rate_of(record, otherwise):
    return record["more"] if "more" in record else otherwise


def gone_over(s: str | None, table={}):  # noqa: B006
    total, names = 0.0, ""
    for name, one in table.items():
        total += rate_of(one, 1.0)
        if name == s:
            names += one["within"]["name"]
    return total, names, max([one["rate"] for one in table.values()]), sum(len(one) for one in table.values())


ASKED = [plugin(one) for one in (asked, looked_up, not_in_all, gone_over)]


@settings(max_examples=12)
@given(st.data())
def test_records_by_name(data):
    names = ["a", "b", ODD]
    table = {"less": LESS, "full": FULL, **data.draw(st.dictionaries(st.sampled_from(names), RECORDS))}
    frame = pl.DataFrame({"s": [*table, None, "rate", "not there"]}, {"s": pl.String})
    for kernel in ASKED:
        check(kernel, frame, table=table)


def first_rule(x: float, rules=()):
    for rule in rules:
        if x < rule["rate"]:
            return rule["label"]
    return "none"


def best_rule(x: float, rules=()):
    best = None
    for i, rule in enumerate(rules):
        if x >= rule["rate"] and (best is None or rule["rate"] > best["rate"] or i == 1):
            best = rule
    return None if best is None else best["within"]["n"]


def by_place(x: float, rules=()):
    found = next((one for one in rules if one["rate"] > x), None)
    ordered = sorted(rules, key=lambda one: one["rate"])
    least = min(rules, key=lambda one: one["rate"])
    return (
        rules[int(x)]["since"],
        None if found is None else found["label"],
        ordered[0]["within"]["name"],
        least["label"],
        [one["rate"] for one in rules if "most" in one],
    )


RULES = [plugin(one) for one in (first_rule, best_rule, by_place)]


@settings(max_examples=12)
@given(st.lists(RECORDS, max_size=4), st.lists(RATES, max_size=8))
def test_rules_in_order(drawn, xs):
    rules = [*drawn, FULL, LESS]
    frame = pl.DataFrame({"x": [*xs, 0.0, 1.0, -3.0, *(rule["rate"] for rule in rules)]})
    for kernel in RULES:
        check(kernel, frame, rules=rules)
        check(kernel, frame, rules=tuple(rules))


def of_settings(x: float, options={}):  # noqa: B006
    over = x > options["within"]["n"]
    known = (
        options.get("most", 0),
        options.get("nowhere") is None,
        "more" in options,
        "nowhere" in options,
        len(options),
    )
    return x * options["rate"], options["tags"][0], options["since"], options["within"]["name"], over, *known


OF_SETTINGS = plugin(of_settings)


@settings(max_examples=10)
@given(RECORDS)
def test_settings_of_a_call(drawn):
    options = {**FULL, **drawn, "label": None, "tags": [ODD, *drawn["tags"]]}
    options["within"] = {**options["within"], "name": ODD + options["within"]["name"]}
    check(OF_SETTINGS, pl.DataFrame({"x": [0.5, -2.0, 3.0]}), options=options)


SETTINGS = {
    "format": "%d.%m.%Y",
    "pattern": r"(\d+)x",
    "factor": 2,
    "deep": {"unit": "kg", "limit": 1.5},
    "several": ["a", "b"],
}
PLACES = {"EU": {"rate": 1.5, "label": "e"}, "US": {"rate": 2, "label": "u"}}


def by_constants(s: str):
    day = dt.datetime.strptime(s, SETTINGS["format"])
    found = re.search(SETTINGS["pattern"], s + "12x")
    place = PLACES["EU"] if day.year > 2000 else PLACES["US"]
    return (
        day.year * SETTINGS["factor"],
        found.group(1) if found else "",
        f"{SETTINGS['factor']}{SETTINGS['deep']['unit']}{SETTINGS['deep']['limit']}",
        SETTINGS["several"][-1],
        place["label"],
        str(PLACES["US"]["rate"]),
    )


def test_what_constants_look_up_is_a_constant(monkeypatch):
    kernel, frame = plugin(by_constants), pl.DataFrame({"s": ["01.02.2003", "2.3.1999", "no"]})
    check(kernel, frame)
    monkeypatch.setitem(SETTINGS, "factor", 3)
    monkeypatch.setitem(SETTINGS["deep"], "unit", "lb")
    check(kernel, frame)


def variable_key(s: str):
    return SETTINGS[s]


def no_such_key(s: str):
    return PLACES[s]["nowhere"]


def all_values(s: str):
    return sum(1 for one in SETTINGS.values())


def all_keys_of_one(s: str):
    found = 0
    for name in PLACES[s]:
        found += len(name)
    return found


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (variable_key, "'factor' int, 'format' str.*constants look up only.*\n.*write the key itself"),
        (no_such_key, "keys are 'label', 'rate', without 'nowhere'"),
        (all_values, "a loop can't go over.*\n.*one by one"),
        (all_keys_of_one, "can't go over a dict"),
    ],
)
def test_what_is_not_known_is_refused(kernel, words):
    with pytest.raises(dfv.KernelCompileError, match=words):
        dfv.run(pl.DataFrame({"s": ["EU"]}), plugin(kernel))
