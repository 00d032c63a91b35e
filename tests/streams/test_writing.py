"""Streams into files: every format, failed rows, resuming, and never half a file under its name."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from samples import SHARE, ordered, rows

import dataflare_vec as dfv

READ = {
    "out.parquet": pl.read_parquet,
    "out.arrow": pl.read_ipc,
    "out.csv": lambda path: pl.read_csv(path, schema_overrides={"s": pl.String}),
    "out.ndjson": pl.read_ndjson,
    "out.arrows": pl.read_ipc_stream,
}


def wanted(folder, on_error: str = "null") -> pl.DataFrame:
    frame = pl.concat([pl.read_parquet(path) for path in ordered(folder)])
    return dfv.apply(frame, SHARE, on_error=on_error)


@pytest.mark.parametrize("name", READ)
def test_every_format(name, folder, tmp_path):
    target = tmp_path / name
    result = dfv.stream(folder, SHARE, on_error="null").write(target)
    assert_frame_equal(READ[name](target), wanted(folder))
    assert (result.processed_count, result.error_count, result.finished) == (9000, 90, [str(target)])
    # What is written can be read as a stream again.
    again = dfv.stream(target, dfv.step(SHARE, output="again"), on_error="drop").write(tmp_path / "x.parquet")
    assert (again.processed_count, again.output_count) == (9000, 8910)


def test_no_rows_make_a_file_all_the_same(tmp_path):
    rows(0, 0).write_parquet(tmp_path / "in.parquet")
    for name, read in READ.items():
        dfv.stream(tmp_path / "in.parquet", SHARE).write(tmp_path / name)
        if not name.endswith("ndjson"):  # which has no schema
            assert read(tmp_path / name).columns == ["x", "id", "s", "share"]
            assert read(tmp_path / name).height == 0


def test_options_of_the_writer(folder, tmp_path):
    dfv.stream(folder, SHARE, on_error="null").write(tmp_path / "a.parquet", row_group_size=500)
    import pyarrow.parquet as pq

    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 18


def test_a_function_and_an_open_file(folder):
    frames = []
    dfv.stream(folder, SHARE, on_error="null").write(frames.append)
    assert_frame_equal(pl.concat(frames), wanted(folder))
    file = io.BytesIO()
    dfv.stream(folder, SHARE, on_error="null").write(file)
    assert_frame_equal(pl.DataFrame(pa.ipc.open_stream(file.getvalue()).read_all()), wanted(folder))


def test_partitions(folder, tmp_path):
    target = tmp_path / "parts"
    dfv.stream(folder, SHARE, on_error="null").write(target, partition_by="s")
    assert sorted(p.name for p in target.iterdir()) == [f"s={i}" for i in range(7)]
    back = pl.read_parquet(target, hive_schema={"s": pl.String})
    assert_frame_equal(back.sort("id"), wanted(folder).sort("id"), check_column_order=False)
    with pytest.raises(dfv.SinkError, match="isn't empty; remove it, or pass `overwrite=True`"):
        dfv.stream(folder, SHARE, on_error="null").write(target, partition_by="s")
    dfv.stream(folder / "part 0.parquet", SHARE, on_error="null").write(
        target, partition_by=["s"], overwrite=True
    )
    assert pl.read_parquet(target).height == 1000
    (target / "precious.txt").write_text("mine")
    with pytest.raises(dfv.SinkError, match=r"won't replace .*`precious.txt` in it is not a partition"):
        dfv.stream(folder, SHARE, on_error="null").write(target, partition_by="s", overwrite=True)
    with pytest.raises(ValueError, match="`partition_by`: column `t` not found"):
        dfv.stream(folder, SHARE, on_error="null").write(tmp_path / "q", partition_by="t")
    assert ordered(tmp_path / "parts")  # nothing was taken away
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_delta(folder, tmp_path):
    stream = dfv.stream(folder, SHARE, on_error="null")
    stream.write(tmp_path / "table", format="delta")
    stream = dfv.stream(folder / "part 0.parquet", SHARE, on_error="null")
    stream.write(tmp_path / "table", mode="append")  # by its log it is known as one
    assert pl.read_delta(str(tmp_path / "table")).height == 10_000
    with pytest.raises(dfv.SinkError, match=r"can't write .*already exists"):
        dfv.stream(folder, SHARE, on_error="null").write(tmp_path / "table", format="delta")


def test_failed_rows_go_to_a_file(folder, tmp_path):
    stream = dfv.stream(folder, SHARE, on_error="drop", config=dfv.BatchConfig(max_error_details=3))
    result = stream.write(tmp_path / "out.parquet", errors=tmp_path / "failed.parquet")
    failed = pl.read_parquet(tmp_path / "failed.parquet")
    assert result.error_count == failed.height == 90  # all, whatever is kept in memory
    assert result.errors.height == 3
    assert failed.columns[:3] == ["x", "id", "s"]
    assert failed["error_message"].unique().to_list() == ["integer division or modulo by zero"]
    # By file and row each is found again.
    for file, row, id in failed.select("error_file", "error_row", "id").rows()[::17]:
        assert pl.read_parquet(file)["id"][row] == id
    both = pl.concat([pl.read_parquet(tmp_path / "out.parquet"), failed], how="diagonal")
    assert both["id"].sort().to_list() == list(range(9000))  # no row is lost
    # They can be mended and passed through again.
    again = dfv.stream(tmp_path / "failed.parquet", SHARE, on_error="drop")
    again.write(tmp_path / "again.parquet", errors=tmp_path / "again failed.parquet")
    assert pl.read_parquet(tmp_path / "again failed.parquet").columns == failed.columns


def test_no_failed_row_makes_an_empty_file(tmp_path):
    rows(1, 50).write_parquet(tmp_path / "in.parquet")
    stream = dfv.stream(tmp_path / "in.parquet", SHARE, on_error="null")
    stream.write(tmp_path / "out.parquet", errors=tmp_path / "failed.csv")
    assert (tmp_path / "failed.csv").read_text().startswith("x,id,s,error_file,error_row")
    with pytest.raises(ValueError, match="`errors` needs"):
        dfv.stream(tmp_path / "in.parquet", SHARE).write(tmp_path / "o.parquet", errors=tmp_path / "f.csv")


def test_a_folder_of_files(folder, tmp_path):
    target, errors = tmp_path / "out", tmp_path / "failed"
    result = dfv.stream(folder, SHARE, on_error="null").write(target, errors=errors)
    names = [path.relative_to(folder) for path in ordered(folder)]
    assert [path.relative_to(target) for path in ordered(target)] == names
    assert [path.relative_to(errors) for path in ordered(errors)] == names
    for path in ordered(folder):
        expected = dfv.apply(pl.read_parquet(path), SHARE, on_error="null")
        assert_frame_equal(pl.read_parquet(target / path.relative_to(folder)), expected)
    assert len(result.finished) == 9
    # A finished file isn't done again, one that is missing or older than its input is.
    before = {path: path.stat().st_mtime_ns for path in ordered(target)}
    (target / names[3]).unlink()
    os.utime(target / names[5], ns=(0, 0))
    result = dfv.stream(folder, SHARE, on_error="null").write(target, errors=errors, resume=True)
    assert result.finished == [str(target / names[3]), str(target / names[5])]
    assert len(result.skipped) == 7
    assert result.processed_count == result.total_count == 2000
    changed = [path for path in ordered(target) if path.stat().st_mtime_ns != before[path]]
    assert changed == [target / names[3], target / names[5]]


def test_mistakes(folder, tmp_path):
    def write(*arguments, **options):
        dfv.stream(folder, SHARE, on_error="null").write(*arguments, **options)

    first = folder / "part 0.parquet"
    before = first.read_bytes()
    with pytest.raises(ValueError, match=r"part 0.parquet` is also an input"):
        write(first)
    with pytest.raises(ValueError, match="is also an input"):
        write(folder)
    with pytest.raises(ValueError, match="is also an input"):
        write(tmp_path / "o.parquet", errors=first)
    assert first.read_bytes() == before
    with pytest.raises(ValueError, match="`resume` needs a folder of files"):
        write(tmp_path / "o.parquet", resume=True)
    with pytest.raises(ValueError, match="`errors` must be a folder too"):
        write(tmp_path / "o", errors=tmp_path / "e.parquet")
    with pytest.raises(ValueError, match=r"`format` must be one of parquet, .*, got 'xlsx'"):
        dfv.stream(folder, SHARE, on_error="null").write(tmp_path / "o.xlsx", format="xlsx")
    with pytest.raises(ValueError, match="is a folder, which gets a file for each input file"):
        dfv.stream(rows(0, 10), SHARE, on_error="null").write(tmp_path / "o")
    with pytest.raises(dfv.SinkError, match="can't write"):
        write(first / "below a file.parquet")
    with pytest.raises(ValueError, match="`compression` must be one of"):
        write(tmp_path / "o.parquet", compression="none such")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_row_that_fails_or_a_source_that_breaks_leaves_nothing(folder, tmp_path):
    target = tmp_path / "out.parquet"
    target.write_text("the old one")
    with pytest.raises(dfv.RowError):
        dfv.stream(folder, SHARE).write(target)

    def feed():
        yield rows(1, 50)
        raise ConnectionError("the feed broke")

    with pytest.raises(ConnectionError, match="the feed broke"):
        dfv.stream(feed(), SHARE).write(target)
    with pytest.raises(ConnectionError, match="the feed broke"):
        dfv.stream(feed(), SHARE, on_error="null").write(target, errors=tmp_path / "failed.parquet")
    assert target.read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.parquet"]


def test_a_sink_that_breaks(folder):
    def sink(frame):
        raise RuntimeError("the service is gone")

    with pytest.raises(RuntimeError, match="the service is gone"):
        dfv.stream(folder, SHARE, on_error="null").write(sink)


LIMITED = """
import resource, signal, sys
import polars as pl
import dataflare_vec as dfv
from samples import SHARE
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # as a disk that is full
frame = pl.DataFrame({"x": range(1, 500_001)})
try:
    dfv.stream(frame, SHARE).write(sys.argv[1], compression="uncompressed")
except dfv.SinkError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow"])
def test_a_full_disk(name, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    target = tmp_path / name
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, target], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("can't write `")
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_stuck_source_does_not_keep_from_stopping(tmp_path):
    """What Ctrl-C does: an exception in the main thread while the source waits for ever."""
    stuck = threading.Event()

    def feed():
        yield rows(1, 50)
        stuck.wait(20)

    def interrupt(result):
        if result.processed_count == 0 and time.monotonic() - began > 0.2:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        dfv.stream(feed(), SHARE).write(tmp_path / "out.parquet", progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    stuck.set()


def test_progress_sees_the_counts(folder, tmp_path):
    seen = []

    def slow():
        for frame in rows(0, 1000).iter_slices(100):
            time.sleep(0.05)
            yield frame

    stream = dfv.stream(slow(), SHARE, on_error="null", max_latency=0.001)
    result = stream.write(tmp_path / "o.parquet", progress=lambda r: seen.append(r.processed_count))
    assert seen == sorted(seen)
    assert 0 < max(seen) <= 1000 == result.processed_count
