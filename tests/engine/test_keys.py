"""Key columns as codes: every hashable dtype, exactly, in first-seen order."""

from __future__ import annotations

import datetime
import random
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from dataflare_vec.engine.state.keys import Keys
from testing.oracle import key_of

ROWS = 2000
_random = random.Random(1)


def pick(values, dtype=None):
    return pl.Series([_random.choice(values) for _ in range(ROWS)], dtype=dtype)


NAN = float("nan")
LONG = [str(i) * 10 for i in range(1500)]  # more than a new table holds
COLUMNS = {
    "Int64": pick([1, 2, None, -5, 1 << 40]),
    "UInt64": pick([(1 << 64) - 1, None, 3], pl.UInt64),
    "Int8": pick([-1, 5, None], pl.Int8),
    "Float64": pick([0.0, -0.0, NAN, 1.5, None, float("inf")], pl.Float64),
    "Float32": pick([0.0, -0.0, NAN, 1.5, None], pl.Float32),
    "Boolean": pick([True, False, None]),
    "String": pick(["", "a" * 12, "a" * 13, "a" * 40, "a" * 39 + "b", None, "é" * 30, "\0", *LONG]),
    "Binary": pick([b"", b"x\0", b"x", b"y" * 100, b"y" * 99 + b"z", None]),
    "Date": pick([datetime.date(2020, 1, 1), None, datetime.date(2021, 1, 1)]),
    "Datetime": pick([datetime.datetime(2020, 1, 1), None]),
    "Duration": pick([datetime.timedelta(1), None]),
    "Time": pick([datetime.time(1), datetime.time(2)]),
    "Decimal": pick([Decimal("1.50"), Decimal("-1.50"), None, Decimal("12345678901234567890123.25")]),
    "Categorical": pick(["p", "q", None], pl.Categorical),
    "Enum": pick(["p", "q", None], pl.Enum(["q", "p"])),
    "Int128": pick([1 << 100, -5, None, (1 << 100) + 1], pl.Int128),
    "Null": pick([None]),
}
CASES = [
    *[(name,) for name in COLUMNS],
    ("Int64", "String"),
    ("Float64", "Boolean", "Date"),
    ("Decimal", "Int128"),
]


def codes_by_dict(frame):
    seen = {}
    return [seen.setdefault(key_of(row), len(seen)) for row in frame.iter_rows()]


@pytest.mark.parametrize("names", CASES, ids="-".join)
def test_codes_are_those_of_a_dict(names):
    frame = pl.DataFrame({name: COLUMNS[name] for name in names})
    keys = Keys(frame.schema)
    codes = []
    for start in range(0, ROWS, 701):
        codes += keys.encode(frame[start : start + 701].get_columns(), None).tolist()
    assert codes == codes_by_dict(frame)
    known = keys.frame()
    assert known.schema == frame.schema
    assert keys.encode(known.get_columns(), None).tolist() == list(range(known.height))
    again = Keys(frame.schema, known)
    assert again.encode(frame.get_columns(), None).tolist() == codes
    assert again.count == known.height


@pytest.mark.parametrize("names", CASES, ids="-".join)
def test_rows_that_are_not_selected_are_not_seen(names):
    frame = pl.DataFrame({name: COLUMNS[name] for name in names})
    selected = pl.Series([_random.random() < 0.3 for _ in range(ROWS)])
    keys = Keys(frame.schema)
    codes = keys.encode(frame.get_columns(), selected)
    assert codes[selected.to_numpy()].tolist() == codes_by_dict(frame.filter(selected))
    assert keys.count == codes[selected.to_numpy()].max() + 1


def test_many_keys_grow_the_table():
    values = np.random.default_rng(0).permutation(300_000)
    for series in (pl.Series(values), "a key that is long " + pl.Series(values).cast(pl.String)):
        keys = Keys({"key": series.dtype})
        assert (keys.encode([series], None) == np.arange(len(values))).all()
        assert (keys.encode([series.reverse()], None) == np.arange(len(values))[::-1]).all()


def test_keys_outlive_the_memory_they_were_read_from():
    keys = Keys({"key": pl.String})
    for i in range(50):
        part = pl.Series([f"the very long key number {j}" for j in range(i, i + 20)])
        assert keys.encode([part], None).tolist() == list(range(i, i + 20))
        del part


def test_categories_of_another_series_are_the_same_keys():
    keys = Keys({"key": pl.Categorical()})
    one = pl.Series(["x", "y"], dtype=pl.Categorical)
    other = pl.Series(["y", "z", "x"], dtype=pl.Categorical)
    assert keys.encode([one], None).tolist() == [0, 1]
    assert keys.encode([other], None).tolist() == [1, 2, 0]
