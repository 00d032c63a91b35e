"""Keys in buckets: one number for all rows of a key, for engines to send rows by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from dataflare_vec._util.names import internal, named
from dataflare_vec.distributed.batches import added, columns_of, dropped, selected
from dataflare_vec.distributed.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The column of these numbers, while rows are on their way.
BUCKET = internal("bucket")
_SEED = 20


class Bucketed(Work):
    """Rows with the number of their key's bucket, the same in each process.

    Parameters
    ----------
    keys
        Names of the key columns; without any all rows are in one bucket.
    count
        How many buckets there are.
    """

    def __init__(self, empty: Any, keys: Sequence[str], count: int) -> None:
        self.keys = tuple(keys)
        self.count = count
        super().__init__(empty, "dataflare_vec keys")

    def compute(self, batch: Any) -> Any:
        """Return the rows with one more column."""
        return added(batch, self.numbers(batch))

    def over_keys(self) -> Bucketed:
        """Return the same for batches of which only keys come, and only numbers are wanted."""
        return _Numbers(selected(self.empty, self.keys), self.keys, self.count)

    def numbers(self, batch: Any) -> pl.Series:
        """Return the number of each row's bucket."""
        return bucket_of(columns_of(batch, self.keys), len(batch), self.count)


class _Numbers(Bucketed):
    """The numbers of the buckets alone."""

    def compute(self, batch: Any) -> Any:
        """Return the one column."""
        return selected(super().compute(batch), [BUCKET])


class InBuckets(Work):
    """Work over the rows of buckets, without their numbers.

    Parameters
    ----------
    bucketed
        What gave them their numbers.
    """

    def __init__(self, bucketed: Bucketed, work: Work) -> None:
        self.work = work
        super().__init__(bucketed.output, work.__name__)

    def compute(self, batch: Any) -> Any:
        """Return what comes of the rows."""
        return self.work.compute(dropped(batch, BUCKET))


def bucket_of(keys: pl.DataFrame, rows: int, count: int) -> pl.Series:
    """Return the number of each row's bucket. NaN equals NaN, -0.0 equals 0.0, and nulls are a key."""
    if not keys.width:
        return pl.Series(BUCKET, [0], pl.Int64).new_from_index(0, rows)
    plain = named([_plain(one) for one in keys])
    return (plain.hash_rows(_SEED) % count).cast(pl.Int64).alias(BUCKET)


def _plain(keys: pl.Series) -> pl.Series:
    """Return keys of which equal ones have the same hash, in each process."""
    if isinstance(keys.dtype, (pl.Categorical, pl.Enum)):
        return keys.cast(pl.String)
    if keys.dtype.is_float():
        return (keys + 0.0).set(keys.is_nan(), float("nan"))
    return keys
