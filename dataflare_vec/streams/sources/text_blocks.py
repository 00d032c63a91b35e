"""Text in blocks of whole rows, so that what is held doesn't depend on how long rows are."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflare_vec.exceptions import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class RowSplitter:
    """What ends a row of a text.

    Attributes
    ----------
    end : bytes
        The byte that ends a row, unless it is in quotes.
    quote : bytes or None
        The byte that opens and closes quotes; None if there are none.
    comment : bytes or None
        What lines begin with in which quotes are none.
    """

    end: bytes = b"\n"
    quote: bytes | None = None
    comment: bytes | None = None

    def blocks(self, file: Any, size: int, head: int = 0) -> Iterator[bytes]:
        """Yield what an open file holds in blocks of about ``size`` bytes, each of whole rows.

        A row may be larger than that. The first block has more than ``head`` lines, if there are as many.
        """
        waiting: list[bytes] = []
        is_inside = False  # of quotes, where `waiting` ends
        while data := file.read(size):
            if self.quote is None or self.comment is None:
                at, is_inside = self._last(data, is_inside)
            else:
                data = b"".join([*waiting, data])
                waiting, at = [], self._last_among_comments(data)
            if head and at >= 0:
                lines = sum(each.count(self.end) for each in waiting) + data.count(self.end)
                at, head = (at, 0) if lines > head else (-1, head)
            if at < 0:
                waiting.append(data)
            else:
                yield b"".join([*waiting, data[:at]])
                waiting = [data[at:]]
        rest = b"".join(waiting)
        if rest:
            yield rest

    def _last(self, data: bytes, is_inside: bool) -> tuple[int, bool]:
        """Return where the row begins that doesn't end in ``data``, -1 if none ends; and how it ends."""
        if self.quote is None:
            return data.rfind(self.end) + 1 or -1, False
        ends_inside = inside = is_inside ^ bool(data.count(self.quote) & 1)
        at = len(data)
        while at >= 0:  # backwards: what lies between two quotes is all inside, or all outside
            quote = data.rfind(self.quote, 0, at)
            end = -1 if inside else data.rfind(self.end, quote + 1, at)
            if end >= 0:
                return end + 1, ends_inside
            at, inside = quote, not inside
        return -1, ends_inside

    def _last_among_comments(self, data: bytes) -> int:
        """Return the same for data that begins with a row."""
        assert self.quote is not None
        assert self.comment is not None
        last, at, inside = -1, 0, False
        while (end := data.find(self.end, at)) >= 0:
            if inside or not data.startswith(self.comment, at):
                inside ^= bool(data.count(self.quote, at, end) & 1)
            at = end + 1
            if not inside:
                last = at
        return last


def check_last_line(tail: bytes, columns: int, separator: str, options: Mapping[str, Any]) -> None:
    """Raise if a CSV text ends amid a row: Polars takes what is missing for null, or closes a quote itself.

    Parameters
    ----------
    tail
        The end of it.
    columns
        How many values a row has.
    options
        How it is read, as `read_options` calls it.

    Raises
    ------
    SourceError
        If the last line has no end, and too few values or an unclosed quote.
    """
    end = (options.get("eol_char") or "\n").encode()
    start = tail.rfind(end) + 1
    comment, quote = options.get("comment_prefix"), options.get("quote_char", '"')
    line = tail[start:].decode("utf-8", "replace")
    if start in (0, len(tail)) or (comment and line.startswith(comment)):
        return
    if quote and quote in line:
        # It may be the end of a value of several lines, of which only this can be told:
        ends_inside = (
            rf"{re.escape(separator)}{re.escape(quote)}([^{re.escape(quote)}]|{re.escape(quote)}{{2}})*"
        )
        problem = "an unclosed quote" if re.search(f"{ends_inside}$", line) else ""
    else:
        found = len(next(csv.reader([line], delimiter=separator, quoting=csv.QUOTE_NONE)))
        problem = f"{found} of {columns} values" if found < columns else ""
    if problem:
        msg = f"it is truncated: the last line has {problem} and no line feed"
        raise SourceError(msg, hint="if it is complete, end it with a line feed")


def check_last_record(tail: bytes) -> None:
    """Raise if an NDJSON text ends amid a record: Polars doesn't say in which line it met one.

    Raises
    ------
    SourceError
        If the last line has no end, and is no JSON.
    """
    start = tail.rfind(b"\n") + 1
    line = tail[start:]
    if not start or not line.strip() or b"\0" in line:
        return
    try:
        json.loads(line.decode("utf-8", "replace"))
    except ValueError as error:
        msg = f"it is truncated: its last line, of {len(line)} bytes, is not a complete record"
        raise SourceError(msg) from error
