"""``dataflare-vec bench``: how fast a plugin is on a file's rows."""

from __future__ import annotations

import json
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common
from dataflare_vec.cli.reading import add_reading_options

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

_REPEATS = 5
#: Rows that plain Python gets: a microsecond and more for each.
_SAMPLE = 20_000


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "bench", help="benchmark a plugin on the rows of a file, against plain Python"
    )
    parser.add_argument("plugins_to_run", metavar="PLUGIN[,PLUGIN…]")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument(
        "--rows", type=int, default=common.MOST_ROWS, help="maximum number of rows (default: %(default)s)"
    )
    common.add_plugins_option(parser)
    common.add_set_option(parser)
    common.add_by_option(parser)
    add_reading_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Measure, and print the figures."""
    if options.rows < 1:
        msg = f"--rows must be at least 1, got {options.rows}"
        raise ValueError(msg)
    common.load_plugins(options.plugins)
    plugins, bindings = common.parse_plugins(options.plugins_to_run, options.bindings, options.by)
    frame = common.read_rows(options.file, plugins, bindings, options, options.rows)
    figures = measure(frame, plugins, bindings)
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
        return common.DONE
    rows = figures["rows"]
    lines = [
        ("rows", f"{rows:,}, of which {figures['failed']:,} failed"),
        ("compiling", f"{figures['compile_seconds'] * 1e3:,.0f} ms, in the first call"),
        ("one thread", _speed(figures["one_thread_seconds"], rows)),
        (f"{figures['threads']} threads", _speed(figures["seconds"], rows)),
    ]
    if figures["python_ns_per_row"] is not None:
        own = figures["seconds"] / max(rows, 1) * 1e9
        faster = figures["python_ns_per_row"] / own if own else 0.0
        lines.append(("plain Python", f"{figures['python_ns_per_row']:,.0f} ns a row: {faster:,.0f} times"))
    for label, text in lines:
        sys.stdout.write(f"{label:<14} {text}\n")
    return common.DONE


def measure(frame: Any, plugins: Any, bindings: dict[str, Any]) -> dict[str, Any]:
    """Return times of plugins over a frame: the best of some runs, compilation apart."""
    from dataclasses import replace

    from dataflare_vec.api.apply import run as run_plugins
    from dataflare_vec.service.manager import default_manager

    config = default_manager().runtime.config
    alone = replace(config, enable_parallel=False)
    compiling = _seconds(lambda: run_plugins(frame.head(1), plugins, **bindings))
    result = run_plugins(frame, plugins, **bindings)
    _best(lambda: run_plugins(frame, plugins, config=config, **bindings))  # the tuner searches in these
    return {
        "rows": frame.height,
        "failed": result.error_count,
        "threads": config.threads,
        "compile_seconds": compiling,
        "seconds": _best(lambda: run_plugins(frame, plugins, config=config, **bindings)),
        "one_thread_seconds": _best(lambda: run_plugins(frame, plugins, config=alone, **bindings)),
        "python_ns_per_row": _python(frame.head(_SAMPLE), plugins, bindings),
    }


def _python(frame: Any, plugins: Any, bindings: dict[str, Any]) -> float | None:
    """Return nanoseconds a row of the plain function; None for a pipeline or what is no row kernel."""
    import polars as pl

    from dataflare_vec.definition.interpreter import call_rows
    from dataflare_vec.definition.plugin import Form
    from dataflare_vec.definition.registry import default_registry
    from dataflare_vec.engine.planning.steps import bind_steps

    (step, *others) = bind_steps(default_registry, plugins, None, bindings)
    sources = [item.source for item in step.binding.columns]
    names = [source for source in sources if isinstance(source, str)]
    if others or step.plugin.form is not Form.ROW or len(names) < len(sources):
        return None
    inputs = frame.select(pl.col(name).alias(str(index)) for index, name in enumerate(names)).drop_nulls()
    if not inputs.height:
        return None
    rows = inputs.rows()
    taken = _seconds(lambda: list(call_rows(step.binding, rows, inputs.dtypes)))
    return taken / len(rows) * 1e9


def _seconds(function: Callable[[], Any]) -> float:
    began = perf_counter()
    function()
    return perf_counter() - began


def _best(function: Callable[[], Any]) -> float:
    return min(_seconds(function) for _ in range(_REPEATS))


def _speed(seconds: float, rows: int) -> str:
    if not rows or not seconds:
        return "no rows"
    return f"{seconds / rows * 1e9:,.2f} ns a row, {rows / seconds:,.0f} rows/s"
