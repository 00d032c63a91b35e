"""Kernels against their peers: each entry of `testing/peers.py`, in chunks, by key, and for any text."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflare_vec as dfv
from testing import inputs, performance
from testing.comparison import Peer
from testing.peers import TABLE

PLUGINS = {plugin.name: plugin for plugin in dfv.plugins()}
#: Rows, and the chunks they are cut into as well. A reduce has several partitions, whose states are merged.
SIZES = {"row kernel": (2_000, (64,)), "scan": (400, (1, 7, 64)), "reduce": (200_000, (30_001,))}

# Few letters, so that strings have something in common; short and long ones, ASCII and beyond.
few = st.text("abcé", max_size=12) | st.text("ab", min_size=50, max_size=200)
words = st.one_of(few, st.text(max_size=20), st.sampled_from(["", "a", "straße", "İstanbul"]))


def frames(dtype=pl.String, **columns):
    """Return frames of a few rows, whose values are drawn from strategies."""
    schema = dict.fromkeys(columns, dtype)
    rows = st.lists(st.tuples(*columns.values()), min_size=1, max_size=8)
    return rows.map(lambda values: pl.DataFrame(values, schema=schema, orient="row"))


#: By the inputs of the table: where examples are searched for on which a kernel and its peers differ.
SEARCHED = {
    inputs.name_pairs: frames(a=words, b=words),
    inputs.names: frames(pl.Binary, data=st.binary(max_size=100)),
    inputs.card_numbers: frames(number=st.text("0123456789", max_size=19)),
}


def form(comparison):
    return PLUGINS[comparison.kernel].form.value


def each(comparisons):
    return pytest.mark.parametrize("comparison", comparisons, ids=lambda comparison: comparison.name)


def assert_agree(comparison, df, got, bindings):
    for peer in comparison.peers:
        share = peer.agreement(df, got, **bindings)
        assert share >= peer.agree, f"as {peer.library} with {bindings}: {share:.2%} of the rows"


@each(TABLE)
def test_values_in_any_chunks(comparison):
    rows, chunks = SIZES[form(comparison)]
    df = comparison.inputs(rows)
    for bindings in comparison.bindings:
        got = comparison.run(df, **bindings)
        assert_agree(comparison, df, got, bindings)
        for chunk in chunks:
            config = dfv.BatchConfig(min_batch_size=chunk, max_batch_size=chunk)
            assert comparison.run(df, config, **bindings).equals(got)


@each([comparison for comparison in TABLE if form(comparison) == "scan"])
def test_values_by_key(comparison):
    df = comparison.inputs(400)
    for bindings in comparison.bindings:
        by_key = dfv.run(df, comparison.kernel, by="group", keep=False, **bindings).frame
        for key in df["group"].unique():
            here = df["group"] == key
            assert_agree(comparison, df.filter(here), by_key.filter(here), bindings)


@each([comparison for comparison in TABLE if comparison.inputs in SEARCHED])
@given(st.data())
def test_values_of_any_text(comparison, data):
    df = data.draw(SEARCHED[comparison.inputs])
    largest = comparison.bindings[-1]
    bindings = {name: data.draw(st.integers(0, seed), name) for name, seed in largest.items()}
    got = comparison.run(df, **bindings)
    assert_agree(comparison, df, got, bindings)
    plain = PLUGINS[comparison.kernel].function
    assert got.to_series().to_list() == [plain(*row, **bindings) for row in df.rows()]


def test_what_agrees():
    df = pl.DataFrame({"a": [1.0, None, float("nan"), 4.0]})
    exact = Peer("", lambda df: df["a"])
    assert exact.agreement(df, df) == 1.0
    assert exact.agreement(df, df.fill_nan(None)) == 0.75
    assert exact.agreement(df, df + pl.Series([0.0, 0.0, 0.0, 1e-12])) == 0.75
    near = Peer("", lambda df: df["a"].to_numpy() + 1e-12, rtol=1e-9)
    assert near.agreement(df, df.fill_null(float("nan"))) == 1.0
    assert near.agreement(df, df) == 0.75  # NaN isn't null
    assert Peer("", lambda df: df["a"] + 1.0, where=pl.col("a").is_null()).agreement(df, df) == 1.0
    with pytest.raises(ValueError, match="4 values of the kernel, 3 of SciPy"):
        Peer("SciPy", lambda df: df["a"][:3]).agreement(df, df)


def test_the_page_has_the_table():
    assert "\n".join(performance.peers()) in performance.PAGE.read_text(), (
        "python -m testing.performance writes it"
    )
