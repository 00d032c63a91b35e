"""``dataflare-vec report``: a performance report as a table, or as a page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.formatting import printable
from dataflare_vec.cli import common

if TYPE_CHECKING:
    from argparse import Namespace


#: Bytes of a report, at most: a device has no end.
_LARGEST = 64 << 20


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "report",
        help="print a performance report (of run --report FILE.json)",
        description="Print a performance report that was written as JSON, or convert it to HTML.",
    )
    parser.add_argument("file", metavar="FILE", help="a file written by `run --report FILE.json`")
    parser.add_argument("-o", "--output", metavar="PAGE.html", help="write an HTML page with charts instead")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print the report, or write the page."""
    from dataflare_vec.config.extras import require
    from dataflare_vec.exceptions import SourceError
    from dataflare_vec.files.atomic_write import write_text
    from dataflare_vec.files.paths import check_apart

    if options.output is not None and Path(options.output).suffix.lower() not in (".html", ".htm"):
        msg = f"-o: the page's name must end in .html, got `{options.output}`"
        raise ValueError(msg)
    if options.output is not None:
        require("report", "-o: an HTML report")
        check_apart([Path(options.file)], [("the page", Path(options.output))])
    try:
        with open(options.file, "rb") as file:
            text = file.read(_LARGEST + 1)
        shown = _shown(text, as_page=options.output is not None)
    except OSError as error:
        raise SourceError(error.strerror or str(error), file=options.file) from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        msg, hint = "it is not a performance report", "write one with `run --report FILE.json`"
        raise SourceError(msg, file=options.file, hint=hint) from error
    if options.output is None:
        sys.stdout.write(shown)
        return common.DONE
    write_text(Path(options.output), shown)
    return common.DONE


def _shown(text: bytes, *, as_page: bool) -> str:
    """Return a report as a table, or as a page.

    Raises
    ------
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError
        If it is none: it may be anybody's file.
    """
    if len(text) > _LARGEST:
        msg = "no report is that large"
        raise ValueError(msg)
    content = json.loads(text)
    if not as_page:
        return _table(content)
    from dataflare_vec.service.report.page import page

    return page(content).encode(errors="replace").decode()  # JSON may hold half a character


def _table(content: dict[str, Any]) -> str:
    lines = [
        f"{content['generated_at']}, {content['machine']}",
        f"{content['total_processed']:,} rows, {content['error_count']:,} failed",
        "",
        _line(("plugin", "rows", "failed", "rows/s", "p50 ms", "p99 ms")),
    ]
    lines += [
        _line(
            (
                each["plugin"],
                f"{each['total_processed']:,}",
                f"{each['error_count']:,}",
                f"{each['average_throughput']:,.0f}",
                f"{each['p50'] * 1e3:.2f}",
                f"{each['p99'] * 1e3:.2f}",
            )
        )
        for each in content["plugins"]
        if each.get("batches")
    ]
    return "".join(f"{printable(line)}\n" for line in lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:<24}" + "".join(f"{cell:>16}" for cell in cells[1:])
