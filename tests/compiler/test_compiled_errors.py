"""What only compiled code fails on is told: its exception, wherever the row failed."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from typing import Any

import polars as pl
import pytest

import dataflare_vec as dfv

#: Python reads it, 64 bits don't hold it.
LARGE = "99999999999999999999"
TOO_LARGE = "the integer does not fit the 64 bits that compiled code has; take `float(…)` instead"
CHUNKS = dfv.BatchConfig(default_batch_size=1024, tuner="fixed", parallelism=2)


def first_error(outcome: Any) -> tuple[Any, ...]:
    """Return number, class and message of the first failed row."""
    row: tuple[Any, ...] = outcome.errors.select("row", "error", "message").row(0)
    return row


def number(s: str) -> int:
    return int(s) % 7


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return pl.DataFrame({"s": ["1", "2", LARGE, "4", None, "x"], "k": list("aababa")})


@pytest.fixture(scope="module")
def whole() -> Any:
    return dfv.plugin(number, name="whole", replace=True)


def test_row_kernel(frame, whole):
    outcome = dfv.run(frame, whole)
    assert outcome.errors.select("row", "error", "message").rows() == [
        (2, "OverflowError", TOO_LARGE),
        (5, "ValueError", "invalid literal for int() with base 10: 'x'"),  # Python's own where it raises
    ]
    with pytest.raises(dfv.RowError, match="the first with OverflowError: " + re.escape(TOO_LARGE)) as raised:
        dfv.apply(frame[:4], whole)
    assert isinstance(raised.value.__cause__, OverflowError)


def test_many_chunks(whole):
    many = pl.DataFrame({"s": ["1"] * 5000 + [LARGE, "3"] * 3000})
    outcome = dfv.run(many, whole, config=CHUNKS)
    assert outcome.error_count == 3000
    assert first_error(outcome) == (5000, "OverflowError", TOO_LARGE)


def test_filter(frame):
    keeps = dfv.filter(lambda s: int(s) % 7 > 1, name="keeps", replace=True)
    assert first_error(dfv.run(frame, keeps)) == (2, "OverflowError", TOO_LARGE)


def test_nested_and_tuple_results():
    def both(s: str) -> Any:
        return [int(s) % 7, 1], s.upper(), int(s) % 2 == 0

    frame = pl.DataFrame({"s": ["1", LARGE]})
    plugin = dfv.plugin(both, name="both", replace=True, returns=(pl.List(pl.Int64), pl.String, pl.Boolean))
    assert first_error(dfv.run(frame, plugin)) == (1, "OverflowError", TOO_LARGE)


def test_pipeline(frame, whole):
    twice = dfv.plugin(lambda whole, s: whole * 2 + int(s) % 3, name="twice", replace=True)
    clean = dfv.plugin(lambda s: s.strip(), name="clean", replace=True)
    outcome = dfv.run(frame, [whole, twice])
    assert first_error(outcome) == (2, "OverflowError", TOO_LARGE)
    assert outcome.errors["plugin"].unique().to_list() == ["whole"]
    steps = [clean, dfv.step(whole, s="clean"), dfv.step(twice, s="clean")]
    assert first_error(dfv.run(pl.concat([frame] * 500), steps, config=CHUNKS)) == (
        2,
        "OverflowError",
        TOO_LARGE,
    )


@pytest.mark.parametrize("by", [None, "k"])
def test_scan(frame, by):
    def running(total, s):
        return total + 1, int(s) % 7 + total

    plugin = dfv.scan(running, init=0, name="running", replace=True)
    outcome = dfv.run(frame, plugin, by=by)
    assert first_error(outcome) == (2, "OverflowError", TOO_LARGE)
    assert outcome.state == (3 if by is None else {"a": 3, "b": 0})


def test_scan_with_an_array(frame):
    import numpy as np

    def counts(seen, s):
        seen[0] += 1
        seen[1] += int(s) % 7
        return seen, seen[0]

    plugin = dfv.scan(counts, init=np.zeros(2, np.int64), name="counts", replace=True)
    outcome = dfv.run(frame, plugin)
    assert first_error(outcome) == (2, "OverflowError", TOO_LARGE)
    assert outcome.state.tolist() == [3, 7]  # as if the row hadn't been there


@pytest.mark.parametrize("by", [None, "k"])
def test_reduce(frame, by):
    plugin = dfv.reduce(
        lambda total, s: total + int(s) % 7,
        init=0,
        merge=lambda a, b: a + b,
        name="total",
        replace=True,
    )
    assert first_error(dfv.run(frame, plugin, by=by)) == (2, "OverflowError", TOO_LARGE)


def test_finish_and_merge():
    def to_surrogate(total):
        return chr(0xD800 + total)

    plugin = dfv.reduce(lambda total, n: total + n, init=0, finish=to_surrogate, name="last", replace=True)
    numbers = pl.DataFrame({"n": [1, 2], "k": ["a", "b"]})
    for by in (None, "k"):
        with pytest.raises(dfv.RowError, match=r"`finish` failed .* with ValueError: .*surrogate") as raised:
            dfv.run(numbers, plugin, by=by, on_error="raise")
        assert isinstance(raised.value.__cause__, ValueError)

    def joined(a, b):
        return a + b + len(chr(0xD800 + b % 2))

    plugin = dfv.reduce(lambda t, n: t + n, init=0, merge=joined, name="joined", replace=True)
    with pytest.raises(dfv.RowError, match=r"`merge` failed with ValueError: .*surrogate"):
        dfv.run(pl.DataFrame({"n": [1] * 200_000}), plugin)


def test_what_the_kernel_itself_raises_in_compiled_code_alone():
    def wrapped(n, k):
        if n + k < 0:
            raise ValueError(f"{n} is too large")
        return n

    outcome = dfv.run(pl.DataFrame({"n": [1, 2**62], "k": [2, 2**62]}), dfv.plugin(wrapped, replace=True))
    row, error, message = first_error(outcome)
    assert (row, error) == (1, "ValueError")
    assert "compiled code raised it at line " in message
    assert "look for intermediate integers that don't fit 64 bits" in message


def test_a_value_that_fits_only_when_it_is_interpreted():
    def middle(n, k):
        return (n + k) // 2

    plugin = dfv.plugin(middle, replace=True, returns=pl.UInt64)
    outcome = dfv.run(pl.DataFrame({"n": [1, 2**62], "k": [3, 2**62]}), plugin)
    assert first_error(outcome) == (
        1,
        "OverflowError",
        "the value that compiled code finds does not fit UInt64",
    )


def test_streams(frame, whole, tmp_path):
    log = dfv.ErrorLog()
    query = frame.lazy().pipe(dfv.apply, whole, on_error="null", errors=log)
    query.collect()
    assert ("OverflowError", TOO_LARGE) in log.frame.select("error", "message").rows()
    query.collect(engine="streaming")
    with pytest.raises(Exception, match=re.escape(TOO_LARGE)):
        frame.lazy().pipe(dfv.apply, whole).collect()
    frame.write_parquet(tmp_path / "in.parquet")
    with pytest.raises(dfv.RowError, match=re.escape(TOO_LARGE)):
        list(dfv.stream(tmp_path / "in.parquet", whole))


PROGRAM = """
    import sys
    import polars as pl
    import dataflare_vec as dfv

    def checked(n, k):
        if n + k < 0:
            raise ValueError(n)
        return n

    dfv.plugin(checked)
    outcome = dfv.run(pl.DataFrame({"n": [1, 2**62], "k": [1, 2**62]}), "checked")
    print(outcome.errors.select("error", "message").row(0), "numba" in sys.modules)
"""


def test_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLARE_VEC_CACHE_DIR", str(tmp_path / "cache"))
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM))
    runs = [
        subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout.strip()
        for _ in range(2)
    ]
    message = "('ValueError', \"compiled code raised it at line 8, "
    assert [(run[: len(message)], run.rpartition(" ")[2]) for run in runs] == [
        (message, "True"),
        (message, "False"),
    ]
