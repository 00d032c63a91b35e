"""A few of the hostile files in each run of the tests; `hostile.py` takes as many as one likes."""

from __future__ import annotations

import io
from datetime import date

import polars as pl
import pytest
from hostile import FORMATS, take_files, take_mutations
from seeds import seeds
from verdicts import judge

#: Damaged files of each format.
FEW = 50


def test_whole_files_are_read_as_by_polars(tmp_path):
    count = 0
    for kind in FORMATS:
        for seed in seeds(kind):
            count += 1
            (tmp_path / f"{seed.name}{seed.end}").write_bytes(seed.content)
    log = io.StringIO()
    tally = take_files([tmp_path], log)
    assert tally.bad == 0, log.getvalue()
    assert tally.files == count
    refused = [key for key in tally.counts if key[2] not in ("same", "read")]
    assert not refused


def test_damaged_files():
    """Never a crash of ours, an error that isn't clear, or rows that go missing without a word."""
    seed = int(date.today().strftime("%Y%m%d"))  # other files each day
    log = io.StringIO()
    tally = take_mutations(FEW, seed, log)
    assert tally.bad == 0, f"seed {seed}\n{log.getvalue()}"
    assert tally.files == FEW * len(FORMATS)


FRAME = pl.DataFrame({"x": [1, 2, 3], "l": [[1], None, [None]]})
NEW = FRAME.with_columns(hostile_0="x", hostile_1=pl.Series([[1], None, None], dtype=pl.List(pl.Int64)))
FOUND = {
    "same": (NEW, FRAME, [3], None),
    "lost": (NEW[:2], FRAME, [3], None),
    "differs": (NEW.with_columns(x=pl.Series([1, 2, 4])), FRAME, [3], None),
    "differs in a dtype": (NEW.with_columns(pl.col("x").cast(pl.Int8)), FRAME, [3], None),
    "differs in what a kernel gave": (NEW.with_columns(hostile_0=pl.lit(7, pl.Int64)), FRAME, [3], None),
    "as Polars, not as before": (NEW, FRAME, [4, 3], 4),
}


@pytest.mark.parametrize("wanted", FOUND)
def test_verdicts(wanted):
    verdict, _ = judge("stream", *FOUND[wanted])
    assert wanted.startswith(verdict)
