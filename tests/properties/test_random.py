"""Random numbers are those of the published generator, the same compiled and interpreted, in any chunks."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import dataflare_vec as dfv
from testing.oracle import plugin
from testing.strategies import configs

no_shrinking = settings(phases=[Phase.explicit, Phase.generate])

integers = st.one_of(st.integers(-5, 5), st.integers(-(1 << 63), (1 << 63) - 1))


def drawn(row, low, high, seed=3):
    return (
        dfv.random.bits(seed, row),
        dfv.random.uniform(seed, row, draw=1, low=low, high=high),
        dfv.random.uniform(seed, row, 2),
        dfv.random.integers(seed, row, low, high, draw=3),
    )


def rolled(row, seed=3):
    return dfv.random.normal(seed, row), dfv.random.normal(seed, row, draw=row % 3, mean=10, deviation=0.5)


DRAWN = plugin(drawn)
ROLLED = plugin(rolled)


@pytest.mark.parametrize(
    ("seed", "row", "draw", "words"),
    [  # Random123's own, in `kat_vectors`
        (0, 0, 0, (0xCA00A0459843D731, 0x66C24222C9A845B5)),
        (-1, -1, -1, (0x65B021D60CD8310F, 0x4D02F3222F86DF20)),
        (
            0xA4093822299F31D0,
            0x243F6A8885A308D3,
            0x13198A2E03707344,
            (0x0A5E742C2997341C, 0xB0F883D38000DE5D),
        ),
    ],
)
def test_the_words_are_those_of_the_publication(seed, row, draw, words):
    assert dfv.random._words(seed, row, draw) == words
    assert dfv.random.bits(seed, row, draw) == words[0]


@no_shrinking
@given(
    st.lists(st.tuples(integers, integers, integers), max_size=40),
    st.one_of(st.sampled_from([0, -1, (1 << 63) - 1, -(1 << 63)]), integers),
    configs,
)
@example([(0, -(1 << 63), (1 << 63) - 1)] * 3, 0, dfv.BatchConfig())
def test_compiled_is_interpreted(rows, seed, config):
    frame = pl.DataFrame(rows, schema={"row": pl.Int64, "low": pl.Int64, "high": pl.Int64}, orient="row")
    result = dfv.run(frame, DRAWN, seed=seed, config=config, keep=False)
    values, failed = [], []
    for i, row in enumerate(rows):
        try:
            values.append(drawn(*row, seed=seed))
        except ValueError:
            values.append((None,) * 4)
            failed.append(i)
    assert result.frame.rows() == values
    assert result.errors["row"].to_list() == failed
    assert result.error_count == len(failed)
    for (_, low, high), (_, _, unit, number) in zip(rows, values, strict=True):
        assert unit is None or (0 <= unit < 1 and low <= number < high)


@no_shrinking
@given(st.lists(integers, min_size=1, max_size=40), integers, configs)
def test_normal_ones_to_the_last_bits(rows, seed, config):
    got = dfv.run(pl.DataFrame({"row": rows}), ROLLED, seed=seed, config=config, keep=False).frame
    wanted = [rolled(row, seed) for row in rows]
    np.testing.assert_allclose(got.to_numpy(), np.array(wanted), rtol=1e-14, atol=1e-14)


def many(count=200_000, **bindings):
    frame = pl.DataFrame({"row": range(count)})
    names = ["bits", "between", "unit", "number"]
    frame = frame.pipe(dfv.apply, DRAWN, output=names, low=pl.lit(0), high=pl.lit(6), **bindings)
    return frame.pipe(dfv.apply, ROLLED, output=["normal", "other"], **bindings)


def test_they_are_spread_as_they_say():
    frame, count = many(), 200_000
    assert frame["bits"].n_unique() == count
    for name, mean, deviation in [
        ("unit", 0.5, math.sqrt(1 / 12)),
        ("between", 3.0, math.sqrt(3)),
        ("number", 2.5, math.sqrt(35 / 12)),
        ("normal", 0.0, 1.0),
        ("other", 10.0, 0.5),
    ]:
        assert abs(frame[name].mean() - mean) < 5 * deviation / math.sqrt(count)
        assert abs(frame[name].std() / deviation - 1) < 5 / math.sqrt(count)
    counts = frame["number"].value_counts()["count"]
    assert (counts - count / 6).pow(2).sum() / (count / 6) < 30  # chi-squared with 5 degrees of freedom
    assert abs((frame["normal"].abs() < 1.96).mean() - 0.95) < 0.003
    # Neither neighbours nor draws of a row nor seeds have to do with each other.
    others = many(seed=4)
    for one, other in [
        (frame["unit"][1:], frame["unit"][:-1]),
        (frame["unit"], frame["between"]),
        (frame["unit"], others["unit"]),
    ]:
        r = np.corrcoef(one.to_numpy(), other.to_numpy())[0, 1]
        assert abs(r) < 5 / math.sqrt(count)


def test_rows_are_numbered_in_frames_queries_and_streams(tmp_path):
    frame = pl.DataFrame({"x": np.arange(1000.0)})
    numbered = frame.with_row_index("row").pipe(dfv.apply, ROLLED).drop("row")
    number = pl.int_range(pl.len())
    assert_frame_equal(frame.pipe(dfv.apply, ROLLED, row=number), numbered)
    assert_frame_equal(frame.lazy().pipe(dfv.apply, ROLLED, row=number).collect(), numbered)
    frame.write_parquet(tmp_path / "x.parquet")
    stream = dfv.stream(pl.scan_parquet(tmp_path / "x.parquet", row_index_name="row"), ROLLED)
    assert_frame_equal(pl.concat(stream).drop("row"), numbered)


def test_a_row_is_any_integer_and_nothing_else():
    frame = pl.DataFrame({"row": [0, 1]}, schema={"row": pl.UInt64})
    assert frame.pipe(dfv.apply, ROLLED).equals(
        frame.cast(pl.Int8).pipe(dfv.apply, ROLLED).cast({"row": pl.UInt64})
    )
    with pytest.raises(dfv.KernelCompileError, match="takes integers as `row`, got float64"):
        frame.cast(pl.Float64).pipe(dfv.apply, ROLLED)
    with pytest.raises(TypeError):
        dfv.random.bits(1, 2.0)
