"""``dataflare-vec run``: files through plugins, into files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common

if TYPE_CHECKING:
    from argparse import Namespace

    from dataflare_vec.streams import StreamResult

_EXAMPLES = """\
examples:
  dataflare-vec run haversine trips.parquet -o out.parquet --set radius=3958.8
  dataflare-vec run km=haversine,fare trips/ -o priced/ --plugins my_kernels.py --resume
  dataflare-vec run score 'logs/*.csv' -o scored.parquet --on-error drop --errors failed.parquet
  producer | dataflare-vec run score - -o - | consumer        # Arrow IPC streams

"""


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "run",
        help="pass files through plugins, in bounded memory",
        description="Pass files, larger than memory if need be, through plugins, and write what comes out.",
        epilog=_EXAMPLES + common.EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "plugins_to_run",
        metavar="PLUGIN[,PLUGIN…]",
        help="names of plugins, each seeing the columns of those before it; COLUMN=PLUGIN names its output",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="files, folders or patterns: Parquet, Arrow IPC, CSV, NDJSON; - is an Arrow IPC stream on "
        "standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="a file; a folder, which gets a file for each input file; - is standard output",
    )
    common.add_plugins_option(parser)
    common.add_set_option(parser)
    rows = parser.add_argument_group("rows")
    rows.add_argument("--by", metavar="COLUMN[,COLUMN…]", help="a scan's or reduce's keys: a state for each")
    rows.add_argument("--only-new", action="store_true", help="leave out the input's own columns")
    rows.add_argument(
        "--on-error",
        choices=("raise", "null", "drop"),
        default="raise",
        help="what becomes of rows that fail: end the run (the default), null, or nothing",
    )
    rows.add_argument(
        "--errors",
        metavar="FILE",
        help="a file (a folder, where the output is one) for the rows that failed, with the reason",
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--input-format", metavar="FORMAT", help="parquet, ipc, ipc_stream, csv, ndjson; by default by name"
    )
    files.add_argument("--format", metavar="FORMAT", help="of the output: also delta; by default by its name")
    files.add_argument(
        "--partition-by", metavar="COLUMN[,COLUMN…]", help="write a folder column=value for each value"
    )
    files.add_argument("--compression", metavar="CODEC", help="of the output, such as zstd, lz4, snappy")
    files.add_argument("--resume", action="store_true", help="leave out files that are finished")
    files.add_argument("--overwrite", action="store_true", help="replace a folder of partitions")
    running = parser.add_argument_group("running and reporting")
    running.add_argument("--memory", metavar="SIZE", help="what the run may take, such as 2GiB")
    running.add_argument(
        "--max-latency", metavar="SECONDS", type=float, help="pass a live stream's batches on within this"
    )
    running.add_argument("--report", metavar="FILE", help="write a performance report, .html or .json")
    running.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    running.add_argument("--json", action="store_true", help="the summary as JSON, and no progress")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Pass the input through the plugins; return the exit code."""
    from dataflare_vec.cli.progress import progress_for
    from dataflare_vec.manager import default_manager
    from dataflare_vec.streams import stream

    common.load_plugins(options.plugins)
    plugins, bindings = common.parse_plugins(options.plugins_to_run, options.bindings)
    to_stdout = options.output == "-"
    source: Any = options.inputs
    if options.inputs == ["-"]:
        source = _standard_input()
    elif "-" in options.inputs:
        msg = "- (standard input) can't be read together with files"
        raise ValueError(msg)
    flow = stream(
        source,
        plugins,
        keep=not options.only_new,
        on_error=options.on_error,
        by=options.by.split(",") if options.by else None,
        max_latency=options.max_latency,
        memory=options.memory,
        format=options.input_format,
        **bindings,
    )
    quiet = options.quiet or options.json
    writer = {} if options.compression is None else {"compression": options.compression}
    with progress_for(flow.result, quiet=quiet) as progress:
        result = flow.write(
            sys.stdout.buffer if to_stdout else options.output,
            format=options.format,
            partition_by=options.partition_by.split(",") if options.partition_by else (),
            errors=options.errors,
            resume=options.resume,
            overwrite=options.overwrite,
            progress=progress,
            **writer,
        )
    if options.report:
        default_manager().export_performance_report(options.report)
    if options.json:
        print(json.dumps(_summary(result)), file=sys.stderr if to_stdout else sys.stdout)  # noqa: T201
    elif not options.quiet:
        sys.stderr.write(_sentence(result, options))
    return common.DONE


def _standard_input() -> Any:
    import pyarrow as pa

    from dataflare_vec.errors import SourceError

    try:
        return pa.ipc.open_stream(sys.stdin.buffer)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"standard input is no Arrow IPC stream: {error}"
        raise SourceError(msg) from error


def _summary(result: StreamResult) -> dict[str, Any]:
    return {
        "rows": result.processed_count,
        "rows_out": result.output_count,
        "failed": result.error_count,
        "filtered": result.filtered_count,
        "seconds": round(result.processing_time, 3),
        "rows_per_second": round(result.throughput_per_second),
        "peak_memory_bytes": peak_memory(),
        "written": result.finished,
        "skipped": result.skipped,
    }


def _sentence(result: StreamResult, options: Namespace) -> str:
    from dataflare_vec.cli.progress import size

    parts = [f"{result.processed_count:,} rows in {result.processing_time:.1f} s"]
    parts.append(f"{result.throughput_per_second:,.0f} rows/s, peak memory {size(peak_memory())}")
    if result.filtered_count:
        parts.append(f"{result.filtered_count:,} filtered out")
    if result.error_count:
        where = f" (see {options.errors})" if options.errors else ""
        parts.append(f"{result.error_count:,} failed{where}")
    if result.skipped:
        parts.append(f"{len(result.skipped)} files were finished already")
    return "; ".join(parts) + "\n"


def peak_memory() -> int:
    """Return the most memory that this process has had, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    try:
        # Linux's maxrss starts at what the process had that started this one.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
