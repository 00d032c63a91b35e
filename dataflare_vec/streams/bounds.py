"""What a memory limit leaves to each stage of a stream: bytes, whatever rows they make.

Some frames are under way at a time: decoded, waiting, computed, gathered for the writer, encoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

#: Bytes of a batch without a limit, its new columns included; a row of text may be long.
_BATCH = 32 << 20


def batch_bytes(memory: int | None) -> int:
    """Return the bytes of a batch."""
    return _BATCH if memory is None else min(_BATCH, memory // 64)


def piece_bytes(memory: int) -> int:
    """Return the bytes that are decoded, or gathered to be written, at a time."""
    return memory // 16


def block_bytes(memory: int | None) -> int:
    """Return the bytes of text that are read at a time: values may take some times as many."""
    return _BATCH if memory is None else memory // 64


def cut(frame: pl.DataFrame, rows: int, nbytes: int) -> Iterator[pl.DataFrame]:
    """Yield a frame in slices of at most so many rows and bytes, or of one row."""
    for piece in frame.iter_slices(rows):
        if piece.height > 1 and piece.estimated_size() > nbytes:
            yield from cut(piece, (piece.height + 1) // 2, nbytes)
        else:
            yield piece
