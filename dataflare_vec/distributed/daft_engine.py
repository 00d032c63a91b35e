"""Daft: batches are tables of PyArrow, made of the columns that its functions of batches take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec._util.names import internal
from dataflare_vec.distributed.batches import arrays_of, structs_of
from dataflare_vec.distributed.buckets import BUCKET, Bucketed, InBuckets
from dataflare_vec.distributed.places import PART, ROW
from dataflare_vec.interop import column_names
from dataflare_vec.interop.arrow import empty_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daft import DataType

    from dataflare_vec.distributed.work import Work

#: Rows of keys go to so many tasks; one holds its rows at a time.
_BUCKETS = 32

#: The column of what a function returns, until its fields are columns.
_RESULT = internal("result")


class _Daft:
    name = "Daft"
    extra = "daft"

    def empty(self, data: Any) -> Any:
        """Return a table without rows that has the columns of a data frame."""
        return empty_table(data.schema().to_pyarrow_schema())

    def map(self, data: Any, work: Work) -> Any:
        """Return what work makes of batches.

        A function gives as many values as it has rows. Where rows go, or others come, the first of them gets
        all that come out, as a list, and the others get none.
        """
        from daft import DataType, col

        narrow = work.narrow()
        if narrow is not None:
            read = list(map(col, narrow.reads))
            if len(narrow.adds) == 1:  # a struct would be built, and taken apart again
                ((name, dtype),) = _types(narrow.output).items()
                return data.with_column(name, _function(narrow, dtype, _first)(*read))
            added = _function(narrow, _struct(narrow.output), _rows)(*read)
            return _unnested(data.with_column(_RESULT, added), [*data.column_names], narrow.output)
        lists = _function(work, DataType.list(_struct(work.output)), _in_first)(*map(col, data.column_names))
        rows = data.select(lists.alias(_RESULT)).explode(_RESULT).where(col(_RESULT).not_null())
        return _unnested(rows, [], work.output)

    def group(self, data: Any, keys: Sequence[str], work: Work) -> Any:
        """Return what work makes of buckets of keys."""
        from daft import DataType, col

        bucketed = Bucketed(work.empty, keys, _BUCKETS)
        numbers = _function(bucketed.over_keys(), DataType.int64(), _first)(*map(col, keys))
        return self._by_bucket(data.with_column(BUCKET, numbers), InBuckets(bucketed, work))

    def together(self, data: Any, work: Work) -> Any:
        """Return what work makes of all rows as one group."""
        import daft

        bucketed = Bucketed(work.empty, (), 1)
        return self._by_bucket(data.with_column(BUCKET, daft.lit(0)), InBuckets(bucketed, work))

    def union(self, data: Any, batch: Any) -> Any:
        """Return the rows of a data frame and of a table."""
        import daft

        return data.concat(daft.from_arrow(batch.cast(data.schema().to_pyarrow_schema())))

    def placed(self, data: Any) -> Any:
        """Return rows with their partition, and their number in it.

        A number of Daft's has the partition in its upper 28 bits and the row in its lower 36.
        """
        from daft import DataType, col
        from daft.functions import monotonically_increasing_id

        numbered = data.with_column(ROW, monotonically_increasing_id().cast(DataType.int64()))
        return numbered.with_columns({PART: col(ROW) // (1 << 36), ROW: col(ROW) % (1 << 36)})

    def collect(self, data: Any) -> Any:
        """Return all rows as a table."""
        return data.to_arrow()

    def _by_bucket(self, data: Any, work: Work) -> Any:
        from daft import col

        function = _function(work, _struct(work.output), _rows)(*map(col, data.column_names))
        groups = data.groupby(BUCKET).map_groups(function.alias(_RESULT))
        return _unnested(groups, [], work.output)


def _function(work: Work, dtype: Any, shape: Callable[[Any, int], Any]) -> Any:
    """Return work as a function of batches of Daft, whose results are shaped from tables."""
    import daft

    names = column_names(work.empty)

    def compute(*columns: Any) -> Any:
        import pyarrow as pa

        table = pa.table([column.to_arrow() for column in columns], names=names)
        return shape(_plain(work(table)), table.num_rows)

    compute.__name__ = work.__name__
    return daft.func.batch(return_dtype=dtype)(compute)


def _first(table: Any, rows: int) -> Any:
    """Return the only column of a table."""
    return arrays_of(table)[0]


def _rows(table: Any, rows: int) -> Any:
    """Return the rows of a table as structs."""
    return structs_of(table)


def _in_first(table: Any, rows: int) -> Any:
    """Return a list for each of some rows, of which the first has all rows of a table."""
    import pyarrow as pa

    offsets = pa.array([0, *[table.num_rows] * rows], pa.int64())
    return pa.LargeListArray.from_arrays(offsets, _rows(table, rows))


def _struct(empty: Any) -> DataType:
    """Return the type of a row of a table."""
    from daft import DataType

    return DataType.struct(_types(empty))


def _types(empty: Any) -> dict[str, DataType]:
    """Return the types of the columns of a table."""
    from daft import DataType

    return {field.name: DataType.from_arrow_type(field.type) for field in _plain(empty).schema}


def _plain(table: Any) -> Any:
    """Return a table without categories, which Daft takes for objects of Python."""
    import pyarrow as pa

    if not any(pa.types.is_dictionary(kind) for kind in table.schema.types):
        return table
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _unnested(data: Any, names: Sequence[str], output: Any) -> Any:
    """Return the fields of results as columns, behind others."""
    from daft import col

    fields = [col(_RESULT).get(name).alias(name) for name in column_names(output)]
    return data.select(*map(col, names), *fields)


ENGINE = _Daft()
