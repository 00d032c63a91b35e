"""Plugins over data frames of Dask."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest

import dataflare_vec as dfv
from dataflare_vec.definition.registry import default_registry
from testing.engine_errors import FailedRows, FailedRowsSurvive, assert_files_hold, failing
from testing.engine_faults import Faults, told
from testing.engine_laws import (
    Cluster,
    Laws,
    Survives,
    assert_same_rows,
    average,
    on_one_machine,
    running,
    share_of,
    some,
)
from testing.oracle import plugin

dd = pytest.importorskip("dask.dataframe", reason="Dask isn't installed: `dataflare_vec[dask]`")


class _Dask(Cluster):
    def frame(self, data, parts):
        frame = data.to_pandas(use_pyarrow_extension_array=True)
        size = -(-data.height // parts) or 1
        pieces = [frame.iloc[i * size : (i + 1) * size] for i in range(parts)]
        return dd.from_map(lambda piece: piece, pieces, meta=frame.iloc[:0])

    def rows(self, frame):
        return pl.from_pandas(frame.compute(), nan_to_null=False)


@pytest.fixture(scope="module")
def cluster():
    return _Dask()


class TestDask(Laws, FailedRows, Faults):
    def test_the_same_call_has_the_same_name(self, cluster):
        frame = cluster.frame(some(), 2)
        names = []
        for on_error in ("null", "null", "drop"):
            names.append(dfv.apply(frame, share_of, on_error=on_error)._name)
            halved.compile({"part": pl.Int8 if len(names) == 1 else pl.Int16})  # into the cache
        assert names[0] == names[1] != names[2]
        orders = ("number", "number", "part")
        scans = [dfv.apply(frame, running, by="key", order_by=order)._name for order in orders]
        assert scans[0] == scans[1] != scans[2]

    def test_rows_keep_their_index_and_divisions(self, cluster):
        frame = dd.from_pandas(some().drop_nulls().to_pandas().set_index("number"), npartitions=4)
        result = dfv.apply(frame, share_of, on_error="null")
        assert result.divisions == frame.divisions
        assert result.compute().index.equals(frame.compute().index)

    def test_categories_that_each_part_has_its_own_of_are_kept(self, cluster):
        pieces = [pd.DataFrame({"part": [i], "kind": pd.Categorical([kind])}) for i, kind in enumerate("ab")]
        meta = pieces[0].iloc[:0].assign(kind=pd.Categorical([], ["__UNKNOWN_CATEGORIES__"]))
        frame = dd.from_map(lambda piece: piece, pieces, meta=meta)
        result = dfv.apply(frame, halved).compute()
        assert result["kind"].astype(str).to_list() == ["a", "b"]

    def test_categories_that_differ_meet_in_a_shuffle(self, cluster):
        """pandas makes objects of them, which a schema without categories once made nulls."""
        kinds = [["x", None, "y"], ["z", "x"], [None, "y"]]
        pieces = [pd.DataFrame({"part": range(len(one)), "kind": pd.Categorical(one)}) for one in kinds]
        meta = pieces[0].iloc[:0].assign(kind=pd.Categorical([], ["__UNKNOWN_CATEGORIES__"]))
        frame = dd.from_map(lambda piece: piece, pieces, meta=meta)
        rows = pl.from_pandas(dfv.apply(frame, average, by="kind").compute())
        means = dict(rows.with_columns(pl.col("kind").cast(pl.String)).iter_rows())
        assert means == {"x": 0.5, "y": 1.5, "z": 0.0, None: 0.5}
        scanned = dfv.apply(frame, running, by="kind", order_by="part").compute()
        assert sorted(scanned["kind"].dropna()) == ["x", "x", "y", "y", "z"]

    @pytest.mark.parametrize(
        ("name", "values"), [("flag", [1.0, None]), ("flag", ["x", None]), ("whole", [2.0**53, None])]
    )
    def test_nulls_of_a_part_beside_values_that_may_be_others_are_refused(self, cluster, name, values):
        first = pd.DataFrame({"part": [4, 5], "flag": [True, False], "whole": [1, 2]})
        pieces = [first, first.assign(**{name: values})]
        frame = dd.from_map(lambda piece: piece, pieces, meta=first.iloc[:0])
        with pytest.raises(TypeError, match=f"column `{name}` is .* by the data's schema.*dtype_backend"):
            dfv.apply(frame, halved).compute()

    def test_nulls_of_a_file_are_nulls(self, cluster, tmp_path):
        """NumPy's dtypes of the first file have none, so that pandas makes others of the same columns."""
        nulls_of_files(tmp_path)

    def test_states_that_dask_wrote_are_gone_on_with(self, cluster, tmp_path):
        data = some()
        dfv.run(cluster.frame(data[:40], 2), average, by="key").state.to_parquet(tmp_path)
        states = pl.read_parquet(tmp_path / "*.parquet", missing_columns="insert")
        assert "__null_dask_index__" in states.columns
        for state in (states, dd.read_parquet(tmp_path)):
            rows = cluster.rows(dfv.apply(cluster.frame(data[40:], 2), average, by="key", state=state))
            assert_same_rows(rows, on_one_machine(data, average, {"by": "key"}))

    def test_a_part_whose_values_do_not_fit_the_schema_is_refused(self, cluster):
        pieces = [pd.DataFrame({"part": [4]}), pd.DataFrame({"part": [1.5]})]
        frame = dd.from_map(lambda piece: piece, pieces, meta=pieces[0].iloc[:0])
        with pytest.raises(TypeError, match="column `part` is int64 by the data's schema, and float64"):
            dfv.apply(frame, halved).compute()

    def test_integers_that_are_floats_in_some_parts(self, cluster):
        """As pandas makes them where one is missing."""
        pieces = [
            pd.DataFrame({"part": [4, 9], "whole": [2, 3]}),
            pd.DataFrame({"part": [None], "whole": [1]}),
        ]
        frame = dd.from_map(lambda piece: piece, pieces, meta=pieces[0].iloc[:0].astype({"part": float}))
        result = dfv.apply(frame, halved).compute()
        assert result["halved"].to_list()[:2] == [2.0, 4.5]
        assert str(result["halved"].dtype).lower() == "float64"


def _halved(part):
    return part / 2.0


halved = plugin(_halved, name="halved")


def nulls_of_files(folder):
    """Raise if files of which only the second has nulls aren't what they are on one machine."""
    data = some(80)
    files = [data[:40].drop_nulls(), data[40:]]
    for number, rows in enumerate(files):
        rows.write_parquet(folder / f"{number}.parquet")
    frame = dd.read_parquet(folder)
    assert str(frame.dtypes["part"]) == "int64"
    for steps, options in (
        (share_of, {"on_error": "null"}),
        (average, {"by": "flag"}),
        (running, {"by": "part", "order_by": "number"}),
    ):
        rows = pl.from_pandas(dfv.apply(frame, steps, **options).compute())
        expected = on_one_machine(pl.concat(files), steps, options)
        assert_same_rows(rows.drop("kind", strict=False), expected.drop("kind", strict=False))


@pytest.mark.filterwarnings("ignore")
class TestDistributed(Survives, FailedRowsSurvive, Faults):
    @pytest.fixture(scope="class")
    def cluster(self):
        distributed = pytest.importorskip("distributed")
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local,
            distributed.Client(local),
        ):
            yield _Dask()

    def test_nulls_of_a_file_are_nulls(self, cluster, tmp_path):
        nulls_of_files(tmp_path)

    def test_parts_that_were_done_are_done_again_for_a_dead_worker(self, cluster, tmp_path):
        """Their failed rows are in files by then, which count no more."""
        (tmp_path / "told").mkdir()
        data, steps = failing(), [told(tmp_path / "told", kill_at=3), share_of]
        result = dfv.run(cluster.frame(data, 10), steps, errors=tmp_path / "errors")
        parts = {path.name: path.stat().st_size for path in (tmp_path / "told").iterdir()}
        assert parts.pop("killed") == 0
        assert sum(parts.values()) > 10
        assert_files_hold(result, tmp_path / "errors", data, share_of)

    def test_parts_that_a_worker_steals_are_done_once(self, cluster, tmp_path):
        client = pytest.importorskip("distributed").default_client()
        data = failing()
        for number in range(5):  # a worker that has just begun may come too late to steal
            client.wait_for_workers(2)
            first = next(iter(client.scheduler_info()["workers"]))
            mine = tmp_path / f"{number}"
            mine.mkdir()
            frame = client.persist(cluster.frame(data, 20), workers=[first], allow_other_workers=False)
            result = dfv.run(frame, [told(mine), share_of], errors=tmp_path / f"errors-{number}")
            assert_files_hold(result, tmp_path / f"errors-{number}", data, share_of)
            parts = [path.stat().st_size for path in mine.iterdir()]
            assert sum(parts) == 20
            if len(parts) == 2:
                break
        assert len(parts) == 2

    def test_categories_are_keys(self, cluster):
        """distributed sends rows as tables of Arrow, whose name for categories pandas can't read."""
        rows = pd.DataFrame({"key": pd.Categorical(["a", "b", None, "a"]), "number": [1, 2, 3, 4]})
        result = dfv.run(dd.from_pandas(rows, npartitions=2), summed, by="key")
        found = result.frame.compute()
        sums = zip(found["key"].astype(object).fillna("none"), found[summed.name], strict=True)
        assert sorted(sums) == [("a", 5), ("b", 2), ("none", 3)]
        assert result.state.compute()["key"].nunique() == 2


def _added_up(total, number):
    return total + number


summed = dfv.reduce(init=0, merge=_added_up, name="summed_by_category")(_added_up)
default_registry.remove(summed.info.name)
