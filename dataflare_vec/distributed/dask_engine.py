"""Dask: batches are partitions, as frames of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.distributed.buckets import BUCKET, Bucketed, InBuckets
from dataflare_vec.distributed.places import PART, ROW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.distributed.work import Work


class _Dask:
    name = "Dask"
    extra = "dask"

    def empty(self, data: Any) -> Any:
        """Return a frame without rows that has the columns, dtypes and index of a collection."""
        return data._meta.iloc[:0]

    def map(self, data: Any, work: Work) -> Any:
        """Return what work makes of each partition; rows keep their places in the index."""
        return data.map_partitions(work, meta=work.output, enforce_metadata=False)

    def group(self, data: Any, keys: Sequence[str], work: Work) -> Any:
        """Return what work makes of partitions in which all rows of a key are."""
        bucketed = Bucketed(work.empty, keys, data.npartitions)
        rows = self.map(data, bucketed).shuffle(on=[BUCKET], npartitions=data.npartitions)
        return self.map(rows, InBuckets(bucketed, work))

    def together(self, data: Any, work: Work) -> Any:
        """Return what work makes of all rows as one partition."""
        return self.map(data.repartition(npartitions=1), work)

    def union(self, data: Any, batch: Any) -> Any:
        """Return the rows of a collection and of a frame."""
        import dask.dataframe as dd

        return dd.concat([data.clear_divisions(), dd.from_pandas(batch, npartitions=1, sort=False)])

    def placed(self, data: Any) -> Any:
        """Return rows with their partition, and their number in it."""
        return data.map_partitions(_placed, meta=_placed(data._meta.iloc[:0]), enforce_metadata=False)

    def collect(self, data: Any) -> Any:
        """Return all rows as a frame."""
        return data.compute()


def _placed(part: Any, partition_info: Any = None) -> Any:
    number = 0 if partition_info is None else partition_info["number"]
    return part.assign(**{PART: number, ROW: range(len(part))}).astype({PART: "int64", ROW: "int64"})


ENGINE = _Dask()
