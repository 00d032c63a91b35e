"""What holds on each engine: the results are those of one machine, rows in any order."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import cloudpickle
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from dataflare_vec.definition.registry import default_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# Workers have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Sums(NamedTuple):
    rows: int
    total: int


class Cluster:
    """An engine under test.

    Attributes
    ----------
    keeps_order : bool
        Whether rows come back in the order in which they went in.
    """

    def frame(self, data: pl.DataFrame, parts: int) -> Any:
        """Return rows as a frame of the engine, in so many parts; some may be empty."""
        raise NotImplementedError

    def rows(self, frame: Any) -> pl.DataFrame:
        """Return all rows of a frame of the engine."""
        raise NotImplementedError


@dfv.plugin
def share_of(part: int, whole: int) -> int:
    return part // whole


class Looked(NamedTuple):
    first: str
    length: int


@dfv.plugin
def looked_at(word: str) -> Looked:
    return Looked(word[:1].upper(), len(word))


@dfv.filter
def even(part: int) -> bool:
    return part % 2 == 0


@dfv.explode
def letters(word: str) -> Iterator[str]:
    for letter in word:
        yield letter


@dfv.scan(init=0)
def running(total: int, part: int) -> tuple[int, int]:
    return total + part, total + part


@dfv.reduce(
    init=Sums(0, 0),
    merge=lambda a, b: Sums(a.rows + b.rows, a.total + b.total),
    finish=lambda s: s.total / s.rows if s.rows else None,
)
def average(sums: Sums, part: int) -> Sums:
    return Sums(sums.rows + 1, sums.total + part)


@dfv.reduce(init=0)
def last_digit_sums(digits: int, part: int) -> int:
    return (digits * 10 + part % 10) % 1_000_003


# Tests that are collected beside have plugins of these names, too.
for _one in (share_of, looked_at, even, letters, running, average, last_digit_sums):
    default_registry.remove(_one.info.name)


def some(rows: int = 100) -> pl.DataFrame:
    """Return rows of several dtypes, with nulls."""
    number = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "number": number,
            "part": number.set(number % 7 == 3, None),
            "whole": number % 5 + 1,
            "key": (number * 7 % 4).replace_strict({0: "a", 1: "b", 2: "é", 3: None}, return_dtype=pl.String),
            "word": number.cast(pl.String).str.replace("7", "sieben").set(number % 11 == 5, None),
            "kind": (number % 6)
            .replace_strict({1: "x", 2: "ü", 3: ""}, default=None, return_dtype=pl.String)
            .cast(pl.Categorical),
            "day": pl.Series([20_000]).new_from_index(0, rows).cast(pl.Date).set(number % 4 == 1, None),
            "flag": (number % 3 == 0).set(number % 5 == 4, None),
        }
    )


#: Values of each column of random rows, which may be few; keys are floats, categories, days and truths.
_TYPES: dict[str, Any] = {
    "part": pl.Int64,
    "whole": pl.Int64,
    "key": pl.Float64,
    "word": pl.String,
    "kind": pl.Categorical(),
    "day": pl.Date,
    "flag": pl.Boolean,
}
_DRAWN: dict[str, st.SearchStrategy[Any]] = {
    "part": st.integers(-9, 9),
    "whole": st.integers(-2, 2),
    "key": st.sampled_from([0.0, -0.0, float("nan"), 1.5]),
    "word": st.text("aé\0 ", max_size=4),
    "kind": st.sampled_from(["x", "ü", ""]),
    "day": st.sampled_from([dt.date(1969, 12, 31), dt.date(2026, 2, 28)]),
    "flag": st.booleans(),
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Return random rows, a few or none; a column may be null everywhere."""
    rows = draw(st.integers(0, 12))
    columns = {name: draw(_column(values, rows)) for name, values in _DRAWN.items()}
    return pl.DataFrame({"number": range(rows), **columns}, schema={"number": pl.Int64, **_TYPES})


def _column(values: st.SearchStrategy[Any], rows: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, min_size=rows, max_size=rows)


def below(several: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return frames one below the other, told apart by a column `frame`: so one job takes many of them."""
    return pl.concat([one.with_columns(frame=pl.lit(i, pl.Int64)) for i, one in enumerate(several)])


#: Calls over rows, each with what it says beside the plugins.
CALLS: list[tuple[Any, dict[str, Any]]] = [
    (share_of, {"on_error": "null"}),
    (share_of, {"on_error": "drop", "output": "share"}),
    (looked_at, {"keep": False}),
    ([even, share_of, looked_at], {"on_error": "null"}),
    (letters, {}),
    ([even, dfv.step(running, by="key")], {"order_by": "number"}),
    ([dfv.step(running, by="key"), even], {"order_by": ["number"]}),
    (average, {}),
    (average, {"by": "key"}),
    (average, {"by": ["kind", "day", "flag"]}),
    (running, {"by": ["flag", "kind"], "order_by": "number"}),
    (last_digit_sums, {"by": "key", "order_by": "number"}),
    ([even, dfv.step(average, by="key")], {}),
    ([dfv.step(running, by="key"), dfv.step(average, part="running")], {"order_by": "number"}),
]


def by_frame(plugin: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a call whose states are told apart by `frame`, too, where they are by keys."""
    if isinstance(plugin, list):
        plugin = [replace(one, by=_with_frame(one.by)) if hasattr(one, "by") else one for one in plugin]
    return plugin, {**options, "by": _with_frame(options.get("by"))}


def _with_frame(by: str | list[str] | None) -> list[str] | None:
    return None if by is None else ["frame", *([by] if isinstance(by, str) else by)]


def on_one_machine(data: pl.DataFrame, plugin: Any, options: dict[str, Any]) -> pl.DataFrame:
    """Return what a call gives without an engine."""
    plain = {name: value for name, value in options.items() if name != "order_by"}
    result: pl.DataFrame = dfv.apply(data.sort("number"), plugin, **plain)
    return result


def assert_same_rows(got: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Raise if rows are lost, doubled or others; their order doesn't matter, nor how a type is spelt."""
    if not expected.height and not got.width:
        return  # an engine may forget the columns of no rows
    assert got.columns == expected.columns
    got = got.cast(expected.schema)
    if expected.height:
        columns = expected.columns
        got, expected = got.sort(columns, nulls_last=True), expected.sort(columns, nulls_last=True)
    assert_frame_equal(got, expected, check_exact=True)


@pytest.mark.filterwarnings("ignore")
class Laws:
    """Tests of an engine; a subclass has a fixture `cluster`."""

    @pytest.mark.parametrize("parts", [1, 3])
    @pytest.mark.parametrize("at", range(len(CALLS)))
    def test_the_rows_are_those_of_one_machine(self, cluster: Cluster, at: int, parts: int) -> None:
        plugin, options = CALLS[at]
        data = some()
        got = cluster.rows(dfv.apply(cluster.frame(data, parts), plugin, **options))
        assert_same_rows(got, on_one_machine(data, plugin, options))

    @pytest.mark.parametrize("at", [0, 3, 6, 7, 8, 9])
    def test_without_rows(self, cluster: Cluster, at: int) -> None:
        plugin, options = CALLS[at]
        data = some(0)
        got = cluster.rows(dfv.apply(cluster.frame(data, 2), plugin, **options))
        assert_same_rows(got, on_one_machine(data, plugin, options))

    @given(
        several=st.lists(frames(), min_size=1, max_size=20),
        at=st.integers(0, len(CALLS) - 1),
        parts=st.integers(1, 5),
    )
    @settings(
        max_examples=12,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def test_any_rows_are_those_of_one_machine(
        self, cluster: Cluster, several: list[pl.DataFrame], at: int, parts: int
    ) -> None:
        """A job takes engines a second: so each has many frames."""
        data = below(several)
        plugin, options = by_frame(*CALLS[at])
        options = {"on_error": "null", **options}
        got = cluster.rows(dfv.apply(cluster.frame(data, parts), plugin, **options))
        assert_same_rows(got, on_one_machine(data, plugin, options))

    def test_failed_rows_are_a_frame_of_their_own(self, cluster: Cluster) -> None:
        data = some().with_columns(whole=pl.when(pl.col("number") % 10 == 4).then(0).otherwise("whole"))
        result = dfv.run(cluster.frame(data, 3), [even, share_of])
        one = dfv.run(data, [even, share_of])
        assert_same_rows(cluster.rows(result.frame), one.frame)
        errors = cluster.rows(result.errors).sort("number")
        assert errors["number"].to_list() == one.errors["row"].to_list()
        assert errors.drop("error_plugin", "error_type", "error_message").columns == data.columns
        assert errors["error_type"].unique().to_list() == ["ZeroDivisionError"]
        assert errors["error_message"].to_list() == one.errors["message"].to_list()
        names = ("processed_count", "success_count", "error_count", "filtered_count", "added_count")
        assert [getattr(result, name) for name in names] == [getattr(one, name) for name in names]

    @pytest.mark.parametrize("at", [0, 1, 2, 3])
    def test_the_states_of_one_day_are_gone_on_with_on_the_next(self, cluster: Cluster, at: int) -> None:
        calls: list[tuple[Any, dict[str, Any]]] = [
            (running, {"by": "key", "order_by": "number"}),
            (average, {"by": "key"}),
            (average, {}),
            (last_digit_sums, {"by": "key", "order_by": "number"}),
        ]
        plugin, options = calls[at]
        data = some()
        days = [data.filter(pl.col("key").ne_missing("b"))[:40], data[40:]]
        state = dfv.run(cluster.frame(days[0], 2), plugin, **options).state
        result = dfv.run(cluster.frame(days[1], 2), plugin, state=state, **options)
        plain = {name: value for name, value in options.items() if name != "order_by"}
        one = dfv.run(days[1], plugin, state=dfv.run(days[0], plugin, **plain).state, **plain)
        assert_same_rows(cluster.rows(result.frame), one.frame)
        # Also of keys that the second day doesn't have, and as a frame in memory.
        states = cluster.rows(result.state)
        again = dfv.run(cluster.frame(days[0], 2), plugin, state=states, **options)
        two = dfv.run(days[0], plugin, state=one.state, **plain)
        assert_same_rows(cluster.rows(again.frame), two.frame)

    def test_states_of_another_version_are_refused(self, cluster: Cluster) -> None:
        frame = cluster.frame(some(), 2)
        states = cluster.rows(dfv.run(frame, average, by="key").state)
        with pytest.raises(
            dfv.StateError,
            match=r"are of `average 0.9`, the plugin is `average 1.0.0 \(rows: i8, total: i8\)`",
        ):
            dfv.apply(frame, average, by="key", state=states.with_columns(state_of=pl.lit("average 0.9")))
        with pytest.raises(dfv.StateError, match="has the columns"):
            dfv.apply(frame, average, state=states)

    def test_a_row_that_fails_is_told_in_our_words(self, cluster: Cluster) -> None:
        data = some(20).with_columns(whole=pl.lit(0))
        with pytest.raises(Exception, match="ZeroDivisionError") as told:
            cluster.rows(dfv.apply(cluster.frame(data, 2), share_of))
        assert "share_of" in str(told.value)
        assert "of a batch passed by" in str(told.value)

    def test_what_cannot_be_done_is_refused_before_any_work(self, cluster: Cluster) -> None:
        frame = cluster.frame(some(), 2)
        with pytest.raises(dfv.BindingError, match="needs them on one machine"):
            dfv.apply(frame, running)
        with pytest.raises(dfv.BindingError, match="order_by"):
            dfv.apply(frame, running, by="key")
        with pytest.raises(dfv.ColumnNotFoundError, match="`order_by` names a column `when`"):
            dfv.apply(frame, running, by="key", order_by="when")
        with pytest.raises(dfv.ColumnNotFoundError, match="column `part_` "):
            dfv.apply(frame, share_of, part="part_")
        with pytest.raises(dfv.BindingError, match="an error log isn't on the machines"):
            dfv.apply(frame, share_of, errors=dfv.ErrorLog())
        with pytest.raises(dfv.ArgumentError, match="native"):
            dfv.apply(frame, share_of, native=True)
        with pytest.raises(dfv.BindingError, match="columns of the data"):
            dfv.apply(frame, running, by=pl.col("key"), order_by="number")
        with pytest.raises(dfv.BindingError, match="keys don't expire"):
            dfv.apply(frame, running, by="key", order_by="number", expire=5)


@pytest.mark.filterwarnings("ignore")
class Survives:
    """Tests of an engine whose workers are processes of their own, and whose tasks are run again."""

    def test_a_worker_that_is_killed_changes_nothing(self, cluster: Cluster, tmp_path: Path) -> None:
        data = some()
        frame = cluster.frame(data, 6)
        result = dfv.run(frame, [killed_once(tmp_path / "killed"), share_of], on_error="null")
        rows = cluster.rows(result.frame).drop("killed")
        assert (tmp_path / "killed").exists()
        assert_same_rows(rows, on_one_machine(data, share_of, {"on_error": "null"}))
        # Also one with states, on the way to their merging.
        result = dfv.run(frame, [killed_once(tmp_path / "again"), dfv.step(average, by="key")])
        assert_same_rows(cluster.rows(result.frame), on_one_machine(data, average, {"by": "key"}))
        assert (tmp_path / "again").exists()


def killed_once(mark: Path) -> dfv.Plugin:
    """Return a plugin that kills the first process that has rows for it."""
    path = str(mark)

    @dfv.column(name="killed")
    def killed(part: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if len(part):
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return part
            os.kill(os.getpid(), signal.SIGKILL)
        return part

    return killed
