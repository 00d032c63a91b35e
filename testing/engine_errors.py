"""What holds on each engine of failed rows in files: each is there once, and nothing else is."""

from __future__ import annotations

import resource
import sys
import threading
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import polars as pl
import pytest

import dataflare_vec as dfv
from testing.engine_laws import (
    Cluster,
    assert_same_rows,
    even,
    killed_once,
    on_one_machine,
    running,
    share_of,
    some,
)

if TYPE_CHECKING:
    from pathlib import Path

# Workers have no such module.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

#: What a failed row has in files, beside its own columns.
ADDED = ("error_file", "error_partition", "error_row", "error_plugin", "error_type", "error_message")


def failing(rows: int = 100) -> pl.DataFrame:
    """Return rows of which every tenth fails."""
    fails = pl.col("number") % 10 == 4
    return some(rows).with_columns(whole=pl.when(fails).then(0).otherwise("whole"))


def assert_files_hold(result: Any, folder: Path, data: pl.DataFrame, plugin: Any = share_of) -> pl.DataFrame:
    """Raise if the files aren't exactly the rows that fail on one machine; return what is in them."""
    one = dfv.run(data, plugin, config=dfv.BatchConfig(max_error_details=1_000_000))
    assert sorted(map(str, folder.iterdir())) == sorted(result.error_files)
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith(".partial")] == []
    errors = pl.read_parquet(folder / "*.parquet").sort("number")
    assert errors.columns == [*data.columns, *ADDED]
    assert errors["number"].to_list() == one.errors["row"].to_list()
    assert_same_rows(errors.drop(ADDED), data[one.errors["row"]])
    assert errors["error_type"].to_list() == one.errors["error"].to_list()
    assert errors["error_message"].to_list() == one.errors["message"].to_list()
    names = ("processed_count", "success_count", "error_count", "filtered_count", "added_count")
    assert [getattr(result, name) for name in names] == [getattr(one, name) for name in names]
    return errors


@pytest.mark.filterwarnings("ignore")
class FailedRows:
    """Tests of an engine; a subclass has a fixture `cluster`.

    Attributes
    ----------
    knows_places : bool
        Whether the engine says which partition, and which row of it, a row is.
    """

    knows_places = True

    def test_failed_rows_are_files(self, cluster: Cluster, tmp_path: Path) -> None:
        data, folder = failing(), tmp_path / "new" / "errors"
        result = dfv.run(cluster.frame(data, 3), [even, share_of], errors=folder)
        errors = assert_files_hold(result, folder, data, [even, share_of])
        places = errors.select("error_partition", "error_row")
        assert (
            places.is_unique().all()
            if self.knows_places
            else places.null_count().row(0) == (errors.height,) * 2
        )
        assert_same_rows(cluster.rows(result.frame), dfv.run(data, [even, share_of]).frame)

    def test_without_failed_rows_there_is_a_file_without_rows(self, cluster: Cluster, tmp_path: Path) -> None:
        for rows in (0, 20):
            folder = tmp_path / str(rows)
            folder.mkdir()  # an empty one is no other's
            frame = cluster.frame(some(rows), 2)
            result = dfv.run(frame, share_of, errors=folder)
            assert_files_hold(result, folder, some(rows))
            assert len(result.error_files) == 1
            assert dfv.run(frame, share_of).error_count == 0

    def test_folders_that_cannot_be_are_refused_before_any_work(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        frame = cluster.frame(some(), 2)
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken" / "mine.txt").write_text("mine")
        with pytest.raises(dfv.SinkError, match="the folder isn't empty"):
            dfv.run(frame, share_of, errors=tmp_path / "taken")
        with pytest.raises(dfv.SinkError, match="Not a directory"):
            dfv.run(frame, share_of, errors=tmp_path / "taken" / "mine.txt")
        with pytest.raises(dfv.SinkError, match="can't write `/proc/errors`"):
            dfv.run(frame, share_of, errors="/proc/errors")
        with pytest.raises(dfv.ArgumentError, match="ends at the first failed row"):
            dfv.run(frame, share_of, on_error="raise", errors=tmp_path / "errors")
        for other in ("", dfv.ErrorLog(), "s3://bucket/errors"):
            with pytest.raises(dfv.ArgumentError, match="errors"):
                dfv.run(frame, share_of, errors=other)
        with pytest.raises(dfv.BindingError, match=r"errors=folder"):
            dfv.apply(frame, share_of, errors=tmp_path / "errors")
        assert [path.name for path in tmp_path.iterdir()] == ["taken"]

    def test_a_full_disk_ends_the_run_and_leaves_nothing(self, cluster: Cluster, tmp_path: Path) -> None:
        folder = tmp_path / "errors"
        try:
            with pytest.raises(Exception, match="File too large") as told:
                dfv.run(cluster.frame(failing(400), 2), [full(), share_of], errors=folder)
        finally:
            lift()
        assert f"can't write `{folder}`" in str(told.value)
        assert list(tmp_path.iterdir()) == []

    def test_a_key_that_has_most_rows(self, cluster: Cluster, tmp_path: Path) -> None:
        data = failing(2000)
        data = data.with_columns(
            key=pl.when(pl.col("number") % 50 == 7).then("key").otherwise(pl.lit("giant"))
        )
        options = {"order_by": "number", "on_error": "drop"}
        steps = [share_of, dfv.step(running, by="key")]
        result = dfv.run(cluster.frame(data, 4), steps, errors=f"{tmp_path}/errors/", **options)
        assert_files_hold(result, tmp_path / "errors", data)
        assert_same_rows(cluster.rows(result.frame), on_one_machine(data, steps, options))


@pytest.mark.filterwarnings("ignore")
class FailedRowsSurvive:
    """Tests of an engine whose workers are processes of their own, and whose tasks are run again."""

    def test_failed_rows_are_there_once_though_a_worker_is_killed(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        data, folder = failing(), tmp_path / "errors"
        steps = [killed_once(tmp_path / "killed"), share_of]
        result = dfv.run(cluster.frame(data, 6), steps, errors=folder)
        assert (tmp_path / "killed").exists()
        assert_files_hold(result, folder, data)


def full() -> dfv.Plugin:
    """Return a plugin after which a process can't write files of more than a few bytes, for some time."""

    @dfv.column(name="full")
    def filled(part: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if len(part):
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
            again = threading.Timer(2, lift)
            again.daemon = True
            again.start()
        return part

    return filled


def lift() -> None:
    """Let this process write what it likes."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
