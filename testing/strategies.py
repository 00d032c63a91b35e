"""Columns and frames as Hypothesis draws them: of any dtype, with nulls, sliced, in several chunks."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeAlias

import polars as pl
from hypothesis import strategies as st
from polars.testing.parametric import series as series_of

import dataflare_vec as dfv

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy
    from polars._typing import PolarsDataType

    #: A dtype, or values that a column of a dtype takes.
    Column: TypeAlias = PolarsDataType | tuple[SearchStrategy[object], PolarsDataType]

INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
FLOATS = (pl.Float32, pl.Float64)
TEMPORAL = (pl.Date(), pl.Time(), pl.Datetime("us", "Europe/Paris"), pl.Duration("ms"))

#: Numbers of rows next to a byte and to a word of a bitmap.
WORDS = (7, 8, 9, 63, 64, 65, 127, 128)
#: Numbers of rows next to the most that are never cut into chunks.
MOST = (1023, 1024, 1025)

#: Columns of up to so many rows are drawn value by value: they shrink well. Longer ones repeat some values.
_DRAWN_ROWS = 32

#: Configurations that cut frames into chunks of any size, for one thread and for several.
configs = st.builds(
    dfv.BatchConfig,
    default_batch_size=st.sampled_from([1, 64, 128, 1 << 17]),
    parallelism=st.sampled_from([1, 2, 3, 5]),
    tuner=st.sampled_from(["chunk", "rule", "fixed"]),
)

#: Text that UTF-8 can write.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ascii_text = st.text(st.characters(max_codepoint=127), max_size=40)
#: Text next to the length that a view holds itself, in characters of one byte to four, and text of numbers.
odd_text = st.sampled_from(
    ["12", " -7 ", "1_0", "٣", "", "a" * 12, "a" * 13, "ä" * 6, "é" * 7, "\0", "x" * 100, "𝄞" * 40]
)


@st.composite
def columns(draw: DrawFn, /, column: Column, rows: int) -> pl.Series:
    """Draw a column of so many rows; some are null, or none is."""
    drawn, nulls = rows if rows <= _DRAWN_ROWS else draw(st.integers(2, 20)), draw(st.booleans())
    if isinstance(column, tuple):
        values, dtype = column
        each = st.none() | values if nulls else values
        some = pl.Series(draw(st.lists(each, min_size=drawn, max_size=drawn)), dtype=dtype)
    else:
        some = draw(series_of(dtype=column, min_size=drawn, max_size=drawn, allow_null=nulls))
    if drawn == rows:
        return some
    return some.gather(Random(draw(st.integers(0, 1 << 30))).choices(range(drawn), k=rows))


#: Numbers of rows up to beyond a bitmap's word.
few_rows = st.integers(0, 70)


@st.composite
def frames(draw: DrawFn, /, rows: SearchStrategy[int] = few_rows, **of: Column) -> pl.DataFrame:
    """Draw a frame of columns: a dtype each, or values with their dtype.

    It is a slice at any offset of a bitmap's byte, and may be of up to three chunks.
    """
    height = draw(rows)
    before, after = draw(st.integers(0, 9)), draw(st.integers(0, 2))
    whole = pl.DataFrame(
        {name: draw(columns(column, before + height + after)) for name, column in of.items()}
    )
    frame = whole[before : before + height]
    cuts = sorted(draw(st.lists(st.integers(0, height), max_size=2)))
    # The last part first: adjacent ones are put together again.
    parts = [frame[i:j] for i, j in zip([0, *cuts], [*cuts, height], strict=True)]
    return pl.concat(parts[::-1], rechunk=False) if cuts else frame
