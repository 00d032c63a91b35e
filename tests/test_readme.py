"""The README's Python runs, from top to bottom, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from testing import pages

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = pages.python_in(ROOT / "README.md")

#: What has to be true at the end.
CHECKS = """
assert (result.processed_count, result.error_count) == (2, 1)
assert pl.read_parquet("failed.parquet")["error_row"].to_list() == [1]
assert df.pipe(dfv.apply, "fare")["fare"].round(6).to_list() == [19.5, 8.72, None]
listings = pl.DataFrame({"listing": ["3 bds , 2 ba , 1,560 sqft", "3 bds"]})
assert listings.pipe(dfv.apply, "square_feet")["square_feet"].to_list() == [1560, None]
"""


def test_python_runs(tmp_path):
    (tmp_path / "trips").mkdir()
    trips = pl.DataFrame({"distance": [10.0, 3.2], "minutes": [20.0, 0.0]})
    trips.write_parquet(tmp_path / "trips" / "one.parquet")
    pages.run("\n".join([*BLOCKS, CHECKS]), tmp_path)


def test_it_is_read_in_three_minutes():
    assert len(README.split()) < 850
    assert len(BLOCKS) == 5
    table = re.search(r"<!-- headlines -->\n(.*?)<!-- end of headlines -->", README, re.DOTALL)[1]
    assert table.count("\n| ") == 9  # a header and eight figures
    assert "UDF" in README.split(".")[0]


def test_links_and_pictures_are_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(links) >= 9
    assert [link for link in links if not (ROOT / link).exists()] == []
