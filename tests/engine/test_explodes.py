"""What an explode may be, what it is refused for, and where its rows are counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl
import pytest

import dataflare_vec as dfv
from testing.oracle import plugin


class Pair(NamedTuple):
    word: str
    size: int


def pairs(line: str) -> list[Pair]:
    if line == "?":
        return []
    return [Pair(word, len(word)) for word in line.split()]


def count(n: int):
    for i in range(n):
        if i == 2:
            raise ValueError("too many")
        yield i


def through(function: Any, frame: pl.DataFrame, **options: Any) -> Any:
    about = {one: options.pop(one) for one in ("returns", "empty", "fallback") if one in options}
    return frame.pipe(dfv.apply, plugin(function, "exploder", **about), **options)


LINES = pl.DataFrame({"line": ["a bc", "?", None]})


def test_named_tuples_are_columns_and_no_rows_are_as_asked():
    assert through(pairs, LINES).rows() == [("a bc", "a", 1), ("a bc", "bc", 2)]
    kept = through(pairs, LINES, empty="null", output={"word": "w", "size": "n"})
    assert kept.columns == ["line", "w", "n"]
    assert kept.rows()[2:] == [("?", None, None), (None, None, None)]
    assert through(pairs, LINES, keep=False).columns == ["word", "size"]
    declared = through(pairs, LINES, returns={"size": pl.Int64})
    assert declared.schema["size"] == pl.Int64


def test_a_series_is_one_of_another_length():
    numbers = pl.Series("n", [2, 0, 1])
    assert dfv.apply(numbers, plugin(count, "exploder")).to_list() == [0, 1, 0]


def test_failed_rows_are_those_of_the_data():
    frame = pl.DataFrame({"n": [1, 3, 2, 5]})
    with pytest.raises(dfv.RowError, match=r"rows 1, 3 failed") as caught:
        through(count, frame)
    assert caught.value.rows == (1, 3)
    result = dfv.run(frame, plugin(count, "exploder"))
    assert result.frame["count"].to_list() == [0, None, 0, 1, None]
    assert (result.success_count, result.error_count, result.added_count) == (3, 2, 1)
    assert result.errors["message"].to_list() == ["too many"] * 2


def test_in_the_interpreter_it_is_the_same():
    def slow(line: str) -> Iterator[Pair]:
        for word in eval("line.split()"):
            if word == "?":
                return
            yield Pair(word, len(word))

    with pytest.warns(dfv.InterpretedWarning):
        assert through(slow, LINES, fallback="python").equals(through(pairs, LINES))

    def unlike(n: int) -> list[int]:
        return eval("[(1, 2), (3,)] if n else 4")

    with pytest.warns(dfv.InterpretedWarning):
        result = dfv.run(pl.DataFrame({"n": [0, 1]}), plugin(unlike, "exploder", fallback="python"))
    assert result.errors["message"].to_list() == [
        "an explode returns a list of rows, got int",
        "its rows are tuples of different lengths or fields",
    ]


def test_a_column_is_replaced_and_read_by_later_steps():
    def words(line: str) -> list[str]:
        return line.split()

    def size(line: str) -> int:
        return len(line)

    steps = [dfv.step(plugin(words, "exploder"), output="line"), plugin(size)]
    frame = LINES.pipe(dfv.apply, steps, replace=True)
    assert frame.rows() == [("a", 1), ("bc", 2), ("?", 1)]
    assert LINES.lazy().pipe(dfv.apply, steps, replace=True).collect().equals(frame)


def test_a_scan_after_it_sees_all_rows_in_order():
    def total(state: int, number: int) -> tuple[int, int]:
        return state + number, state + number

    scan = dfv.scan(init=0, name="total of exploded")(total)
    steps = [dfv.step(plugin(count, "exploder"), output="number"), dfv.step(scan, output="sum")]
    frame = pl.DataFrame({"n": [2, 0, 1, 2]})
    expected = frame.pipe(dfv.apply, steps)
    assert expected["sum"].to_list() == [0, 1, 1, 1, 2]
    parts = dfv.stream(frame.iter_slices(1), steps)
    assert pl.concat(parts).equals(expected)
    assert frame.lazy().pipe(dfv.apply, steps).head(3).collect().equals(expected.head(3))


def test_an_expression_over_all_rows_follows():
    def words(line: str) -> list[str]:
        return line.split()

    def rank(index: int) -> int:
        return index

    steps = [plugin(words, "exploder"), dfv.step(plugin(rank), index=pl.col("words").rank("dense"))]
    expected = [("a bc", "a", 2), ("a bc", "bc", 3), ("?", "?", 1)]
    assert LINES.pipe(dfv.apply, steps).rows() == expected
    assert LINES.lazy().pipe(dfv.apply, steps).collect().rows() == expected


def test_what_can_not_be_an_explode_is_refused():
    def delegates(line: str):
        yield from line.split()

    def number(n: int) -> int:
        return n

    with pytest.raises(dfv.PluginDefinitionError, match=r"`yield from`.*yield row"):
        plugin(delegates, "exploder")
    with pytest.raises(dfv.PluginDefinitionError, match="struct"):
        plugin(pairs, "exploder", returns=pl.Struct)
    with pytest.raises(dfv.PluginDefinitionError, match='"drop" or "null"'):
        plugin(pairs, "exploder", empty="keep")
    with pytest.raises(dfv.PluginDefinitionError, match="expression"):
        dfv.register("exploding expression", pl.col("a"), plugin_type="exploder")
    with pytest.raises(dfv.PluginDefinitionError, match=r"dfv\.explode"):
        plugin(count)
    with pytest.raises(dfv.KernelCompileError, match="list of rows"):
        through(number, pl.DataFrame({"n": [1]}))


def test_where_there_is_no_room_for_other_rows_it_is_refused():
    step = plugin(pairs, "exploder")
    with pytest.raises(dfv.BindingError, match=r"several rows for one.*dfv\.apply"):
        dfv.expr(step, "line")
    with pytest.raises(dfv.BindingError, match="process_batch"):
        dfv.PluginManager().process_record(step, {"line": "a"})
    with pytest.raises(dfv.BuildError, match="number of rows"):
        LINES.lazy().pipe(dfv.apply, step, native=True)


def test_a_stream_computes_fewer_rows_at_a_time_where_each_becomes_many():
    def many(n: int) -> list[int]:
        return [n] * 1000

    heights = [
        frame.height for frame in dfv.stream(pl.DataFrame({"n": range(3000)}), plugin(many, "exploder"))
    ]
    assert sum(heights) == 3_000_000
    assert max(heights[1:]) <= 1 << 18


def test_it_is_explained_and_compiled_ahead():
    step = plugin(pairs, "exploder")
    assert str(dfv.explain(step, LINES)).startswith("explode pairs(")
    assert step.compile({"line": pl.String}) == {"word": pl.String(), "size": pl.Int64()}
