"""States over streams of Spark: of each bucket of keys as bytes, in Spark's own store of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflare_vec.distributed.batches import conformed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflare_vec.distributed.carried import Carries

#: Into how many buckets keys go. A checkpoint depends on it: a state is found in its key's bucket.
_BUCKETS = 256
#: Rows on their way between functions: as bytes, as pandas hasn't all types of Arrow.
_PACKED = "bucket int, rows binary"
#: Rows of a batch: Spark's own have 10,000, each of which costs a call.
_ROWS = 1 << 16


def carried(
    data: Any,
    keys: Sequence[Any],
    work: Carries,
    schema: Any,
) -> Any:
    """Return what work makes of the rows of a stream, each key's after those of earlier micro-batches.

    Parameters
    ----------
    keys
        Columns of Spark; without any all rows are one key's.
    schema
        Spark's, of what comes out.
    """
    from pyspark.sql.functions import lit, pmod, xxhash64
    from pyspark.sql.pandas.types import to_arrow_schema
    from pyspark.sql.streaming.state import GroupStateTimeout

    # Spark's own hash: that of Polars may change with its version, and a checkpoint lasts longer.
    bucket = pmod(xxhash64(*keys), lit(_BUCKETS)) if keys else lit(0)
    kept = to_arrow_schema(schema, timezone="UTC")
    like, places = work.empty, range(len(data.columns))

    def pack(parts: Iterator[Any]) -> Iterator[Any]:
        for table in joined(parts, None):
            yield from _split(conformed(table.select(list(places)), like), table[-1])

    def go_on(key: Any, parts: Iterator[Any], state: Any) -> Iterator[Any]:
        rows, stored = work.go_on(_whole(parts, like), state.get[0] if state.exists else None)
        state.update((stored,))
        yield from _frames(rows.cast(kept))

    def unpack(parts: Iterator[Any]) -> Iterator[Any]:
        for part in parts:
            for rows in part["rows"]:
                yield _read(rows.as_buffer(), kept)

    numbered = data.select("*", bucket.cast("int").alias("bucket"))
    groups = numbered.mapInArrow(pack, _PACKED).groupBy("bucket")
    mode = "update" if work.renews else "append"
    done = groups.applyInPandasWithState(
        go_on, "rows binary", "states binary", mode, GroupStateTimeout.NoTimeout
    )
    return done.mapInArrow(unpack, schema)


def joined(parts: Iterator[Any], empty: Any) -> Iterator[Any]:
    """Yield tables of rows enough."""
    import pyarrow as pa

    waiting: list[Any] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= _ROWS:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _split(table: Any, buckets: Any) -> Iterator[Any]:
    """Yield the rows of each bucket as bytes, with its number."""
    import pyarrow as pa
    from pyarrow import compute

    if not len(table):
        return
    order = compute.sort_indices(buckets)
    counts = compute.run_end_encode(buckets.take(order).combine_chunks())
    (whole,) = table.take(order).combine_chunks().to_batches()
    ends = counts.run_ends.to_pylist()
    starts = [0, *ends[:-1]]
    pieces = [whole.slice(at, end - at).serialize() for at, end in zip(starts, ends, strict=True)]
    rows = pa.array([piece.to_pybytes() for piece in pieces], pa.binary())
    yield pa.record_batch([counts.values, rows], ["bucket", "rows"])


def _whole(parts: Iterator[Any], like: Any) -> Any:
    """Return all rows that come as bytes in frames of pandas."""
    import pyarrow as pa

    batches = [_read(pa.py_buffer(rows), like.schema) for part in parts for rows in part["rows"]]
    return pa.Table.from_batches(batches, like.schema)


def _read(rows: Any, schema: Any) -> Any:
    import pyarrow as pa

    return pa.ipc.read_record_batch(rows, schema)


def _frames(table: Any) -> Iterator[Any]:
    """Yield rows as bytes, in frames of pandas."""
    import pandas as pd

    for batch in table.combine_chunks().to_batches(max_chunksize=_ROWS):
        yield pd.DataFrame({"rows": [batch.serialize().to_pybytes()]})
