"""How fast the plugins are: python benchmarks/bench_MY_module.py [ROWS]."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import polars as pl
from dataflare_vec.cli import main

rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
index = pl.int_range(rows, eager=True)
frame = pl.DataFrame({"before": index % 97 + 1.0, "after": index % 89 + 1.0})
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "rows.parquet")
    frame.write_parquet(path)
    sys.exit(main(["bench", "MY_kernel", str(path)]))
