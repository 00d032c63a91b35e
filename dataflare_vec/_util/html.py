"""What notebooks show of an object: a small table in HTML, in the colours of where it is shown.

Written by hand, unlike the report: it is shown without any extra, and a notebook's kernel brings no Jinja2.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CARD = "display:inline-block;max-width:100%;overflow-x:auto;box-sizing:border-box;"
_CARD += "border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:10px 14px"
_TITLE = "font-weight:600;margin-bottom:6px"
_CELL = "text-align:left;padding:2px 14px 2px 0;background:transparent;border:0"
_PRE = "margin:0;padding:0;background:transparent;color:inherit;font:85%/1.4 monospace;white-space:pre"
_NUMBER = "text-align:right;padding:2px 0 2px 14px;background:transparent;border:0;"
_NUMBER += "white-space:nowrap;font-variant-numeric:tabular-nums"


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = (), texts: int = 1) -> str:
    """Return a table; the first ``texts`` columns are text, the others numbers. All is escaped."""
    head = "".join(
        f'<th style="{_CELL if i < texts else _NUMBER};opacity:.65;font-weight:500">{escape(str(cell))}</th>'
        for i, cell in enumerate(header)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_CELL if i < texts else _NUMBER}">{escape(str(cell))}</td>'
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<table style="border-collapse:collapse;border:0">{head}<tbody>{body}</tbody></table>'


def card(title: str, rows: Iterable[Sequence[object]], header: Sequence[str] = (), texts: int = 1) -> str:
    """Return a titled box around a table. All text is escaped."""
    return _box(title, table(rows, header, texts))


def text(title: str, lines: str) -> str:
    """Return a titled box around lines of text, whose spaces count. All is escaped."""
    return _box(title, f'<pre style="{_PRE}">{escape(lines)}</pre>')


def _box(title: str, content: str) -> str:
    return f'<div style="{_CARD}"><div style="{_TITLE}">{escape(title)}</div>{content}</div>'
