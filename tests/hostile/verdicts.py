"""What is to be said of what comes out of a road, beside Polars' own reading and the rows that there are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from plain import arrow_table, footer_rows

#: What the library refuses though Polars reads it: as rows may be missing, for what it says otherwise itself.
STRICTER = (
    "it is truncated",
    "no end-of-stream marker",
    "bytes follow its end",
    "its footer points outside the file",
    "the record batches in its footer don't match those in the file",
    "doesn't fit 64 bits of milliseconds",
)


def _fits(dtype: Any) -> bool:
    if isinstance(dtype, pl.List):
        return _fits(dtype.inner) and dtype.inner != pl.Binary and not dtype.inner.is_nested()
    if dtype in (pl.Float16, pl.UInt128, pl.Int128):
        return False
    return dtype.is_integer() or dtype.is_float() or dtype in (pl.Boolean, pl.String, pl.Binary)


def _is_plain(name: str) -> bool:
    """Whether a name can be said on the command line as well."""
    return name.isidentifier() and name.lower() not in ("true", "false", "none", "nan", "inf", "infinity")


def steps_for(schema: pl.Schema) -> list[tuple[str, str | None]]:
    """Return plugins for some of the columns, with the column that each reads."""
    plain = [name for name in schema if _is_plain(name)]
    texts = [name for name in plain if schema[name] == pl.String]
    others = [name for name in plain if _fits(schema[name]) and schema[name] != pl.String]
    found: list[tuple[str, str | None]] = [("backwards", name) for name in texts[:1]]
    found += [(plugin, name) for plugin, name in zip(("same_a", "same_b"), others + texts, strict=False)]
    return found or [("here", None)]


def judge(
    road: str, result: Any, reference: pl.DataFrame | None, rows: list[int | None], before: int | None
) -> tuple[str, str]:
    """Return a verdict on what came out of a road, and what it is about.

    Parameters
    ----------
    rows
        How many there may be, by whoever knows; None for unknown.
    before
        How many there were before damage was done; None if it wasn't.
    """
    height = 0 if result is None else len(result)
    known = [count for count in rows if count is not None]
    if known and height not in known:
        return "lost", f"{height} rows of {known}"
    if before is not None and height != before:
        return "as Polars, not as before", f"{height} rows of {known}"
    if reference is None or not isinstance(result, pl.DataFrame):
        return "read", f"{height} rows"
    if height != reference.height:
        return "other count", f"{height} rows, Polars {reference.height}"
    new = [name for name in result.columns if name.startswith("hostile_")]
    old = result.drop(new)
    if road == "command":
        reference = through_parquet(reference)
    if old.schema != reference.schema:
        return "differs", f"{old.schema} instead of {reference.schema}"[:600]
    if not old.equals(reference):
        return "differs", f"in {[n for n in old.columns if not old[n].equals(reference[n])][:5]}"
    return _judge_new(result, reference)


def _judge_new(result: pl.DataFrame, reference: pl.DataFrame) -> tuple[str, str]:
    for index, (plugin, column) in enumerate(steps_for(reference.schema)):
        if column is None:
            continue
        values = reference[column]
        if isinstance(values.dtype, pl.List):  # a kernel isn't called for a list with a null in it
            values = pl.Series(
                [None if v is None or None in v else v for v in values.to_list()], dtype=values.dtype
            )
        if plugin == "backwards":
            values = pl.Series([None if v is None else v[::-1] for v in values.to_list()], dtype=pl.String)
        if not result[f"hostile_{index}"].equals(values):
            return "differs", f"`{plugin}` of `{column}`"
    return "same", ""


def through_parquet(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame as Polars writes and reads it, which gives some types others."""
    file = io.BytesIO()
    frame.write_parquet(file)
    return pl.read_parquet(io.BytesIO(file.getvalue()))


def refused_alone(verdict: str, about: str, path: Path, format: str, reference: pl.DataFrame) -> str:
    """Return the verdict on a road that refuses a file which Polars reads."""
    if verdict != "refused":
        return verdict
    counted = footer_rows(path, format)
    if counted not in (None, reference.height):  # Polars has lost rows
        return "refused on purpose"
    if any(reason in about for reason in STRICTER) or not _arrow_reads(path, format):
        return "refused on purpose"
    return "refused alone"


def _arrow_reads(path: Path, format: str) -> bool:
    if format in ("ipc", "ipc_stream"):
        try:
            arrow_table(path, format).validate(full=True)
        except (pa.ArrowException, OSError):
            return False
    return True
