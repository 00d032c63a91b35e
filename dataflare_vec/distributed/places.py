"""Where rows are from, as columns that go with them: a file, a part of the data, and a row in that part."""

from __future__ import annotations

import polars as pl

from dataflare_vec._util.names import internal

#: By the columns that say it on the way: those that say it of failed rows in files.
PLACES = {
    internal("file"): ("error_file", pl.String),
    internal("part"): ("error_partition", pl.Int64),
    internal("row"): ("error_row", pl.Int64),
}
FILE, PART, ROW = PLACES
