"""Ray Data: batches are whole blocks, as tables of PyArrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.distributed.buckets import BUCKET, Bucketed, InBuckets
from dataflare_vec.exceptions import UnsupportedDataError
from dataflare_vec.interop.arrow import empty_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflare_vec.distributed.work import Work

#: Whole blocks: with batches of 1,024 rows Ray itself takes more than a microsecond a row.
_WHOLE = {"batch_size": None, "batch_format": "pyarrow"}


#: Bytes of the rows in a bucket, which one task holds at a time.
_BUCKET_BYTES = 128 << 20


class _Ray:
    name = "Ray Data"
    extra = "ray"

    def empty(self, data: Any) -> Any:
        """Return a table without rows that has the columns of a dataset."""
        schema = data.schema()
        if schema is None:
            msg = "the dataset has no blocks, so its columns aren't known"
            raise UnsupportedDataError(msg, hint="give it one block without rows")
        import pyarrow as pa

        for name, kind in zip(schema.names, schema.types, strict=True):
            if not isinstance(kind, pa.DataType):
                msg = f"column `{name}` holds objects of Python, of no type that is known"
                raise UnsupportedDataError(msg, column=name, hint="drop it, or make it a column of Arrow")
        return empty_table(pa.schema(list(zip(schema.names, schema.types, strict=True))))

    def map(self, data: Any, work: Work) -> Any:
        """Return what work makes of each block."""
        return data.map_batches(work, **_WHOLE)

    def group(self, data: Any, keys: Sequence[str], work: Work) -> Any:
        """Return what work makes of buckets of keys.

        Their numbers are an expression of Ray's, and its earlier shuffle sends the rows: blocks without rows
        come out of `map_batches` without columns, on which the newer shuffle fails (2.60).
        """
        from ray.data.context import ShuffleStrategy

        bucketed = Bucketed(work.empty, keys, _buckets(data))
        numbered = data.with_column(BUCKET, _numbers(bucketed, keys))
        if getattr(ShuffleStrategy, "SHUFFLE_V2", None) is numbered.context.shuffle_strategy:
            numbered.context.shuffle_strategy = ShuffleStrategy.HASH_SHUFFLE
        groups = numbered.groupby(BUCKET, num_partitions=bucketed.count)
        return groups.map_groups(InBuckets(bucketed, work), batch_format="pyarrow")

    def together(self, data: Any, work: Work) -> Any:
        """Return what work makes of all rows in one block."""
        return self.map(data.repartition(1), work)

    def union(self, data: Any, batch: Any) -> Any:
        """Return the rows of a dataset and of a table."""
        import ray.data

        return data.union(ray.data.from_arrow(batch))

    def placed(self, data: Any) -> Any:
        """Return the rows as they are: where a block is from, Ray doesn't say."""
        return data

    def collect(self, data: Any) -> Any:
        """Return all rows as a table; if there are none, Ray may have forgotten the columns."""
        import pyarrow as pa
        import ray

        tables = [table for table in ray.get(data.to_arrow_refs()) if table.num_rows]
        if tables:
            return pa.concat_tables(tables)
        return pa.table({}) if data.schema() is None else self.empty(data)


def _numbers(bucketed: Bucketed, keys: Sequence[str]) -> Any:
    """Return the buckets of rows as an expression of Ray's."""
    import pyarrow as pa
    from ray.data.datatype import DataType
    from ray.data.expressions import col, udf

    names = list(keys)

    def bucket(*columns: Any) -> Any:
        return bucketed.numbers(pa.table(list(columns), names=names)).to_arrow()

    return udf(return_dtype=DataType.int64())(bucket)(*map(col, names))


def _buckets(data: Any) -> int:
    """Return into how many buckets keys go: tasks enough for all processors, and none of much memory."""
    import ray
    from ray.data import DataContext
    from ray.data.dataset import MaterializedDataset

    processors = int(ray.cluster_resources().get("CPU", 1))
    if isinstance(data, MaterializedDataset):
        return max(2 * processors, int(data.size_bytes()) // _BUCKET_BYTES)
    return max(2 * processors, int(DataContext.get_current().default_hash_shuffle_parallelism))


ENGINE = _Ray()
