"""``dataflare-vec run``: files through plugins, into files."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common
from dataflare_vec.cli.reading import add_reading_options, read_options

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from dataflare_vec.streams import StreamResult
    from dataflare_vec.streams.write_plan import WritePlan

_EXAMPLES = """\
examples:
  dataflare-vec run haversine trips.parquet -o out.parquet --set radius=3958.8
  dataflare-vec run km=haversine,fare trips/ -o priced/ --plugins my_kernels.py --resume
  dataflare-vec run score 'logs/*.csv' -o scored.parquet --on-error drop --errors failed.parquet
  dataflare-vec run smooth sensors.csv.gz -o smooth.parquet --by sensor --separator ';' --dtype zip=String
  producer | dataflare-vec run score - -o - | consumer        # Arrow IPC streams

"""


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "run",
        help="apply plugins to files, in bounded memory",
        description="Apply plugins to files, also larger than memory, and write the result.",
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
        help="files, folders or patterns: Parquet, Arrow IPC, CSV, NDJSON (also .csv.gz, .tsv, .ndjson.zst); "
        "- is an Arrow IPC stream on standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="a file; or a folder (if it exists, ends in / or has no suffix), which gets one file per input "
        "file; - is standard output",
    )
    common.add_plugins_option(parser)
    common.add_set_option(parser)
    _add_rows(parser.add_argument_group("rows"))
    _add_files(parser.add_argument_group("files"))
    add_reading_options(parser)
    _add_running(parser.add_argument_group("running and reporting"))
    parser.set_defaults(run=run)


def _add_rows(rows: Any) -> None:
    """Add the options that say which rows and columns come out."""
    common.add_by_option(rows)
    rows.add_argument(
        "--only-new", action="store_true", help="write only the new columns, without those of the input"
    )
    rows.add_argument(
        "--replace",
        action="store_true",
        help="let an output replace a column of the same name, which is an error otherwise",
    )
    rows.add_argument(
        "--on-error",
        choices=("raise", "null", "drop"),
        default="raise",
        help="what to do with rows that fail: end the run (the default), set null, or drop them",
    )
    rows.add_argument(
        "--errors",
        metavar="FILE",
        help="a file (a folder if the output is one) for the failed rows, with the reason",
    )


def _add_files(files: Any) -> None:
    """Add the options that say how the output is written."""
    files.add_argument(
        "--format",
        metavar="FORMAT",
        help="format of the output: parquet, ipc, ipc_stream, csv, ndjson, delta; by default inferred from "
        "its name, in a folder that of each input file",
    )
    files.add_argument(
        "--partition-by", metavar="COLUMN[,COLUMN…]", help="write one folder column=value per value"
    )
    files.add_argument(
        "--compression", metavar="CODEC", help="codec of the output, such as zstd, lz4, snappy"
    )
    files.add_argument("--resume", action="store_true", help="skip files that are finished")
    files.add_argument("--overwrite", action="store_true", help="replace a folder of partitions")


def _add_running(running: Any) -> None:
    """Add the options that say how much it takes, and what it tells."""
    running.add_argument("--memory", metavar="SIZE", help="limit for the data in flight, such as 2GiB")
    running.add_argument(
        "--max-latency",
        metavar="SECONDS",
        type=float,
        help="pass on batches of a live stream within this time",
    )
    running.add_argument("--report", metavar="FILE", help="write a performance report, .html or .json")
    running.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    running.add_argument("--json", action="store_true", help="print the summary as JSON, and no progress")


def run(options: Namespace) -> int:
    """Pass the input through the plugins; return the exit code."""
    from dataflare_vec.cli.progress import progress_for
    from dataflare_vec.service.manager import default_manager
    from dataflare_vec.streams import stream

    common.load_plugins(options.plugins)
    plan = _plan(options)
    reading = read_options(options)
    _check_paths(plan, options)
    plugins, bindings = common.parse_plugins(options.plugins_to_run, options.bindings, options.by)
    source = _standard_input() if options.inputs == ["-"] else options.inputs
    flow = stream(
        source,
        plugins,
        keep=not options.only_new,
        replace=options.replace,
        on_error=options.on_error,
        max_latency=options.max_latency,
        memory=options.memory,
        format=options.input_format,
        read_options=reading,
        **bindings,
    )
    with progress_for(flow.result, quiet=options.quiet or options.json) as progress:
        result = flow.carry_out(plan, progress)
    if options.report:
        default_manager().export_performance_report(options.report)
    if options.json:
        to = sys.stderr if options.output == "-" else sys.stdout
        to.write(json.dumps(_summary(result)) + "\n")
    elif not options.quiet:
        sys.stderr.write(_sentence(result, options))
    return common.DONE


def _plan(options: Namespace) -> WritePlan:
    """Return what is to be written, if the options fit each other: told before any work."""
    from dataflare_vec.exceptions import SinkError
    from dataflare_vec.streams.formats import TEXT
    from dataflare_vec.streams.transform import parse_memory
    from dataflare_vec.streams.write_plan import WritePlan

    if "-" in options.inputs and len(options.inputs) > 1:
        msg = "- (standard input) can't be read together with files"
        raise ValueError(msg)
    if options.inputs == ["-"] and options.input_format not in (None, "ipc_stream"):
        msg = f"--input-format {options.input_format} is for files; standard input is an Arrow IPC stream"
        raise ValueError(msg)
    if options.output == "-" and sys.__stdout__ is None:
        msg = "-o - writes to the standard output, which is closed"
        raise SinkError(msg)
    if options.output == "-" and options.format not in TEXT and sys.stdout.isatty():
        msg = "-o - writes binary data, and standard output is a terminal; send it to a pipe or a file"
        raise ValueError(msg)
    parse_memory(options.memory)
    partitions = (
        [name.strip() for name in options.partition_by.split(",")] if options.partition_by is not None else []
    )
    plan = WritePlan(
        sys.stdout.buffer if options.output == "-" else options.output,
        options.format,
        partitions,
        options.errors,
        options.resume,
        options.overwrite,
        {} if options.compression is None else {"compression": options.compression},
    )
    plan.check(options.on_error)
    if options.report is not None:
        _check_report(Path(options.report))
    return plan


def _check_report(path: Path) -> None:
    from dataflare_vec.config.extras import require
    from dataflare_vec.exceptions import SinkError
    from dataflare_vec.files.paths import is_special

    if path.suffix not in (".html", ".json"):
        msg = f"--report: the name must end in .html or .json, got `{path}`"
        raise ValueError(msg)
    if path.suffix == ".html":
        require("report", "--report: an HTML report")
    real = Path(os.path.realpath(path))
    try:
        os.stat(f"{real.parent}/.")  # a link may lead where nothing is
        with suppress(FileNotFoundError):
            real.lstat()
        is_free = os.access(real if is_special(real) else real.parent, os.W_OK) and not real.is_dir()
    except OSError as error:
        msg = f"--report: can't write `{path}`: {error.strerror}"
        raise SinkError(msg) from error
    if not is_free:
        msg = f"--report: can't write `{path}`"
        raise SinkError(msg)


def _check_paths(plan: WritePlan, options: Namespace) -> None:
    """Raise if something that is written is read too, by whatever name, or written twice."""
    from dataflare_vec.files.paths import is_same
    from dataflare_vec.streams.sources.files import find

    files = None if options.inputs == ["-"] else find(options.inputs, options.input_format)
    report = [] if options.report is None else [("the report", Path(options.report))]
    plan.check_paths(files, [Path(path) for path in options.plugins], report)
    # Files that a shell has opened for us: `< in.arrows` and `> out.arrows`.
    for path in (*plan.written, *(path for _, path in report)):
        if options.inputs == ["-"] and is_same(path, 0):
            msg = f"`{path}` is also the standard input; write to another file"
            raise ValueError(msg)
    if options.output == "-":
        for path in (*(files or ()), *plan.written):
            if is_same(path, 1):
                msg = f"`{path}` is also the standard output; send that to another file"
                raise ValueError(msg)


def _standard_input() -> Any:
    import pyarrow as pa

    from dataflare_vec.exceptions import DataFlareError, SourceError
    from dataflare_vec.streams.sources.batches import WatchedFile, check_end_of_stream
    from dataflare_vec.streams.sources.scanners import validated

    if sys.stdin is None:
        msg = "the standard input is closed"
        raise SourceError(msg)
    watched = WatchedFile(sys.stdin.buffer)
    try:
        reader = pa.ipc.open_stream(watched)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"standard input is not an Arrow IPC stream: {error}"
        raise SourceError(msg) from error

    def batches() -> Iterator[Any]:
        try:
            yield from validated(reader)
            check_end_of_stream(watched.first, watched.last)
        except SourceError as error:
            error.fill(problem=f"standard input is truncated or damaged: {error.problem}")
            raise
        except (pa.ArrowException, DataFlareError, OSError, ValueError) as error:
            msg = f"standard input is truncated or damaged: {error}"
            raise SourceError(msg) from error
        if watched.read(1):
            msg = "standard input goes on after the end of its Arrow IPC stream"
            raise SourceError(msg, hint="send one stream; concatenated files are not one")

    return pa.RecordBatchReader.from_batches(reader.schema, batches())


def _summary(result: StreamResult) -> dict[str, Any]:
    return {
        "rows": result.processed_count,
        "rows_out": result.output_count,
        "failed": result.error_count,
        "filtered": result.filtered_count,
        "added": result.added_count,
        "seconds": round(result.processing_time, 3),
        "rows_per_second": round(result.throughput_per_second),
        "peak_memory_bytes": peak_memory(),
        "written": result.finished,
        "skipped": result.skipped,
    }


def _sentence(result: StreamResult, options: Namespace) -> str:
    from dataflare_vec._util.formatting import size

    parts = [f"{result.processed_count:,} rows in {result.processing_time:.1f} s"]
    parts.append(f"{result.throughput_per_second:,.0f} rows/s, peak memory {size(peak_memory())}")
    if result.filtered_count:
        parts.append(f"{result.filtered_count:,} filtered out")
    if result.added_count:
        parts.append(f"{result.output_count:,} rows out")
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
