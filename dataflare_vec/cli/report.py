"""``dataflare-vec report``: a performance report as a table, or as a page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common

if TYPE_CHECKING:
    from argparse import Namespace


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "report",
        help="what a performance report says (of run --report FILE.json)",
        description="Print a performance report that was written as JSON, or make a page of it.",
    )
    parser.add_argument("file", metavar="FILE", help="as `run --report FILE.json` writes it")
    parser.add_argument("-o", "--output", metavar="PAGE.html", help="write a page with charts instead")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print the report, or write the page."""
    from dataflare_vec.errors import SinkError, SourceError
    from dataflare_vec.streams.paths import check_apart

    if options.output is not None and Path(options.output).suffix.lower() not in (".html", ".htm"):
        msg = f"-o: the page's name must end in .html, got `{options.output}`"
        raise ValueError(msg)
    if options.output is not None:
        check_apart([Path(options.file)], [("the page", Path(options.output))])
    try:
        content = json.loads(Path(options.file).read_text(encoding="utf-8"))
        plugins = content["plugins"]
    except OSError as error:
        msg = f"can't read `{options.file}`: {error.strerror}"
        raise SourceError(msg) from error
    except (ValueError, KeyError, TypeError) as error:
        msg = f"`{options.file}` is no performance report; write one with `run --report FILE.json`"
        raise SourceError(msg) from error
    if options.output:
        from dataflare_vec.report.page import page

        try:
            Path(options.output).write_text(page(content), encoding="utf-8")
        except OSError as error:
            msg = f"can't write `{options.output}`: {error.strerror}"
            raise SinkError(msg) from error
        return common.DONE
    sys.stdout.write(f"{content['generated_at']}, {content['machine']}\n")
    sys.stdout.write(f"{content['total_processed']:,} rows, {content['error_count']:,} failed\n\n")
    heads = ("plugin", "rows", "failed", "rows/s", "p50 ms", "p99 ms")
    sys.stdout.write(_line(heads))
    for each in plugins:
        if each.get("batches"):
            sys.stdout.write(
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
            )
    return common.DONE


def _line(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:<24}" + "".join(f"{cell:>16}" for cell in cells[1:]) + "\n"
