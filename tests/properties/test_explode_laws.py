"""Kernels that give any number of rows for one, alone and in pipelines, are what plain Python gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec import BatchResult
from testing.oracle import plugin
from testing.strategies import configs


class Event(NamedTuple):
    name: str
    value: float
    is_long: bool


def events(line: str, n: int, least: float = 0.0) -> Iterator[Event]:
    for part in line.split(";"):
        if not part:
            continue
        name, value = part.split("=")
        if n == 13:
            return
        if float(value) >= least:
            yield Event(name, float(value), len(name) > 3)


def letters(name: str) -> list[str]:
    if name == "ü":
        raise ValueError("an umlaut")
    return [c for c in name]


def share(name: str, n: int) -> int:
    return n // (len(name) - 1)


def even(n: int) -> bool:
    return n % 2 == 0


def large(value: float) -> bool:
    return value > 0.5


def steps(empty: str) -> dict[str, Any]:
    return {
        "events": plugin(events, "exploder", empty=empty),
        "letters": plugin(letters, "exploder", empty=empty),
        "share": plugin(share),
        "even": plugin(even, "filter"),
        "large": plugin(large, "filter"),
    }


PLUGINS = {empty: steps(empty) for empty in ("drop", "null")}
PIPELINES = [
    ["events"],
    ["even", "events"],
    ["events", "share"],
    ["even", "events", "share", "large"],
    ["events", "letters"],
]

STRUCT = pl.Struct({"a": pl.Int64, "b": pl.String})
PARTS = ["cpu=0.5", "ü=2", "memory=1e3", "x=-1", "", "broken", "load=many"]
LINES = st.one_of(st.none(), st.lists(st.sampled_from(PARTS), max_size=4).map(";".join))


@st.composite
def frames(draw: Any) -> pl.DataFrame:
    lines = draw(st.lists(LINES, max_size=90))
    numbers = draw(
        st.lists(st.sampled_from([None, 0, 1, 2, 7, 13, -4]), min_size=len(lines), max_size=len(lines))
    )
    n = len(lines)
    others = {
        "struct": pl.Series([{"a": i, "b": str(i)} if i % 3 else None for i in range(n)], dtype=STRUCT),
        "list": pl.Series([[i] * (i % 3) if i % 4 else None for i in range(n)], dtype=pl.List(pl.Int32)),
        "array": pl.Series([[i, i] for i in range(n)], dtype=pl.Array(pl.Int8, 2)),
        "category": pl.Series([f"c{i % 5}" for i in range(n)], dtype=pl.Categorical),
        "enum": pl.Series(["ab"[i % 2] for i in range(n)], dtype=pl.Enum(["a", "b"])),
        "day": pl.Series([dt.date(2020, 1, 1) + dt.timedelta(i) for i in range(n)], dtype=pl.Date),
        "price": pl.Series([Decimal(i) for i in range(n)], dtype=pl.Decimal(10, 2)),
        "bytes": pl.Series([b"x" * i for i in range(n)], dtype=pl.Binary),
        "null": pl.Series([None] * n, dtype=pl.Null),
    }
    columns = {"line": pl.Series(lines, dtype=pl.String), "n": pl.Series(numbers, dtype=pl.Int64), **others}
    return pl.DataFrame(columns)


class Expected(NamedTuple):
    frame: pl.DataFrame
    failed: list[int]
    filtered: int
    added: int


SCHEMA = {
    "name": pl.String,
    "value": pl.Float64,
    "is_long": pl.Boolean,
    "share": pl.Int64,
    "letters": pl.String,
}
WRITES = {"events": list(Event._fields), "letters": ["letters"], "share": ["share"]}


def simulate(frame: pl.DataFrame, names: list[str], on_error: str, empty: str) -> Expected:
    """Take each row through the steps, as the plain functions would have it."""
    made = {"line": frame["line"].to_list(), "n": frame["n"].to_list()}
    rows = [(i, {k: v[i] for k, v in made.items()}, True) for i in range(frame.height)]
    failed: list[int] = []
    filtered = added = 0
    functions: dict[str, Callable[..., Any]] = {
        "events": events, "letters": letters, "share": share, "even": even, "large": large,
    }  # fmt: skip
    for name in names:
        function = functions[name]
        needs = [p.name for p in PLUGINS[empty][name].parameters if p.is_column]
        explodes, filters = name in ("events", "letters"), name in ("even", "large")
        after = []
        for source, values, is_well in rows:
            arguments = [values[one] for one in needs]
            result: Any = None
            if is_well and None not in arguments:
                try:
                    result = function(*arguments)
                    result = list(result) if explodes else result
                except Exception:
                    failed.append(source)
                    if on_error == "drop" or filters:
                        continue
                    is_well = False
                    result = None
            if filters:
                if result:
                    after.append((source, values, is_well))
                elif is_well:
                    filtered += 1
                continue
            nothing = dict.fromkeys(WRITES[name])
            if not explodes:
                after.append((source, {**values, **nothing, name: result}, is_well))
            elif not result:
                if not is_well or empty == "null":
                    after.append((source, {**values, **nothing}, is_well))
                else:
                    added -= 1
            else:
                items = [one if isinstance(one, tuple) else (one,) for one in result]
                after += [(source, {**values, **dict(zip(nothing, one, strict=True))}, True) for one in items]
                added += len(items) - 1
        rows = after
    new = [column for name in names for column in WRITES.get(name, ())]
    parts = [frame[source : source + 1] for source, _, _ in rows]
    out = pl.concat(parts) if parts else frame.clear()
    series = [pl.Series(one, [values[one] for _, values, _ in rows], dtype=SCHEMA[one]) for one in new]
    return Expected(out.with_columns(series), sorted(failed), filtered, added)


def slices(frame: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    yield from frame.iter_slices(rows) if frame.height else [frame]


@given(
    frames(),
    st.sampled_from(PIPELINES),
    st.sampled_from(["null", "drop"]),
    st.sampled_from(["drop", "null"]),
    configs,
    st.integers(1, 40),
)
@settings(phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
def test_rows_are_those_of_the_plain_function(
    frame: pl.DataFrame, names: list[str], on_error: str, empty: str, config: dfv.BatchConfig, batch: int
) -> None:
    expected = simulate(frame, names, on_error, empty)
    plugins = [PLUGINS[empty][name] for name in names]
    result: BatchResult = dfv.run(frame, plugins, on_error=on_error, config=config)
    assert_frame_equal(result.frame, expected.frame)
    assert sorted(result.errors["row"]) == expected.failed
    assert (result.filtered_count, result.added_count) == (expected.filtered, expected.added)
    rows_out = frame.height + result.added_count - result.filtered_count
    assert result.frame.height == rows_out - (
        result.error_count if on_error == "drop" else gone(expected, names)
    )
    assert result.processed_count + result.added_count == result.success_count + result.error_count

    lazy = frame.lazy().pipe(dfv.apply, plugins, on_error=on_error, config=config)
    assert lazy.collect_schema() == expected.frame.schema
    assert_frame_equal(lazy.collect(engine="streaming"), expected.frame)
    assert_frame_equal(lazy.select("n", "category").collect(), expected.frame.select("n", "category"))

    stream = dfv.stream(slices(frame, batch), plugins, on_error=on_error, config=config)
    parts = list(stream)
    assert_frame_equal(pl.concat(parts) if parts else expected.frame.clear(), expected.frame)
    assert stream.result.added_count == expected.added
    assert sorted(stream.result.errors["row"]) == expected.failed


def gone(expected: Expected, names: list[str]) -> int:
    """Return how many failed rows a filter after them has left out."""
    return len(expected.failed) if names[-1] == "large" else 0


@pytest.mark.parametrize("empty", ["drop", "null"])
def test_other_libraries_frames_are_the_same(empty: str) -> None:
    lines = ["cpu=0.5;ü=2", None, "", "broken", "memory=1e3"]
    frame = pl.DataFrame(
        {"line": lines, "n": [1, 2, 3, 4, 5], "day": [dt.date(2020, 1, i + 1) for i in range(5)]}
    )
    step = PLUGINS[empty]["events"]
    expected = frame.pipe(dfv.apply, step, on_error="null")
    assert_frame_equal(pl.DataFrame(dfv.apply(frame.to_arrow(), step, on_error="null")), expected)
    pandas = dfv.apply(frame.to_pandas(), step, on_error="null")
    assert pl.from_pandas(pandas["name"]).to_list() == expected["name"].to_list()
    assert pandas.index.to_list() == [0, 0, *([1, 2] if empty == "null" else []), 3, 4]
    reader = dfv.apply(frame.to_arrow().to_reader(max_chunksize=2), step, on_error="null")
    assert_frame_equal(pl.DataFrame(reader.read_all()), expected)
