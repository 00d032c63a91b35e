"""Plugins over data frames of Spark Connect, which a process uses instead of classic ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytest.importorskip("pyspark.sql", reason="Spark isn't installed: `dataflare_vec[spark]`")
for needed in ("grpc_status", "zstandard"):  # importing Spark Connect itself without them ends the process
    pytest.importorskip(needed, reason="Spark Connect needs `pyspark[connect]`")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java, which isn't installed", allow_module_level=True)

PROGRAM = """
    import sys
    from pathlib import Path

    import polars as pl
    from pyspark.sql import SparkSession

    import dataflare_vec as dfv
    from testing.engine_errors import assert_files_hold, failing
    from testing.engine_laws import assert_same_rows, on_one_machine, running, share_of

    folder = Path(sys.argv[1])
    builder = SparkSession.builder.remote("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.log.level", "OFF")
    session = builder.config("spark.sql.shuffle.partitions", 2).getOrCreate()
    assert type(session).__module__.startswith("pyspark.sql.connect")

    data = failing(60)
    (folder / "in").mkdir()
    data.write_parquet(folder / "in" / "0.parquet")
    frame = session.read.parquet(str(folder / "in"))
    result = dfv.run(frame, share_of, errors=folder / "errors")
    assert_files_hold(result, folder / "errors", data)
    steps, options = [share_of, dfv.step(running, by="key")], {"on_error": "drop", "order_by": "number"}
    expected = on_one_machine(data, steps, options)
    assert_same_rows(pl.DataFrame(dfv.apply(frame, steps, **options).toArrow()), expected)

    stream = session.readStream.schema(frame.schema).parquet(str(folder / "in"))
    writer = dfv.apply(stream, steps, **options).writeStream.format("parquet")
    writer = writer.option("path", str(folder / "rows")).option("checkpointLocation", str(folder / "states"))
    query = writer.trigger(availableNow=True).start()
    assert query.awaitTermination(200)
    assert_same_rows(pl.DataFrame(session.read.parquet(str(folder / "rows")).toArrow()), expected)
    session.stop()
    print("done")
"""


def test_frames_and_streams_of_connect(tmp_path):
    # Where the package isn't installed in place, `testing` is found nowhere else, by Spark's workers neither.
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", dedent(PROGRAM), str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.strip().endswith("done"), done.stderr[-3000:]
