"""What commands share: plugins out of files, ``--set``, and which exit code an error has."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

#: Exit codes, in the order of ``--help``.
DONE, FAILED, USAGE, INPUT, OUTPUT, ROWS = range(6)
INTERRUPTED, TERMINATED, BROKEN_PIPE = 130, 143, 141

EXIT_CODES = """\
exit codes:
  0    done
  1    failed for another reason than those below
  2    wrong usage: an option, a plugin or a column that isn't there or doesn't fit
  3    an input is missing, damaged, or changes its columns
  4    an output can't be written
  5    rows failed, under --on-error raise
  130  interrupted (Ctrl-C); 143 terminated
Whatever the code, no output is left half-written.
"""


def add_plugins_option(parser: ArgumentParser) -> None:
    """Add ``--plugins``."""
    parser.add_argument(
        "--plugins",
        action="append",
        default=[],
        metavar="FILE.py",
        help="a Python file that registers plugins, such as one with @dfv.plugin; may be repeated",
    )


def add_set_option(parser: ArgumentParser) -> None:
    """Add ``--set``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PARAMETER=VALUE",
        dest="bindings",
        help="bind a parameter to a column (lat1=from_lat) or a number (radius=3958.8); with several "
        "plugins it holds for all that have it, or for one as haversine.radius=3958.8; may be repeated",
    )


def load_plugins(paths: Sequence[str]) -> None:
    """Run Python files that register plugins.

    Raises
    ------
    ValueError
        If one can't be run.
    """
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    for path in paths:
        name = Path(path).stem
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not Path(path).is_file():
            msg = f"--plugins: `{path}` is no Python file"
            raise ValueError(msg)
        module = module_from_spec(spec)
        sys.modules[name] = module  # what kernels are found by when they are explained
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            msg = f"--plugins: `{path}` raised {type(error).__name__}: {error}"
            raise ValueError(msg) from error


def parse_plugins(names: str, texts: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """Return the plugins and bindings that ``km=haversine,score`` and ``--set`` mean, as `apply` takes them.

    Raises
    ------
    ValueError
        If a text isn't of that form.
    """
    from dataflare_vec.engine.steps import Step

    own: dict[str, dict[str, Any]] = {}
    shared: dict[str, Any] = {}
    for text in texts:
        target, sign, value = text.partition("=")
        if not sign or not target:
            msg = f"--set: expected PARAMETER=COLUMN or PARAMETER=NUMBER, got `{text}`"
            raise ValueError(msg)
        plugin, dot, parameter = target.rpartition(".")
        (own.setdefault(plugin, {}) if dot else shared)[parameter.strip()] = _value(value.strip())
    steps = []
    for name in names.split(","):
        output, sign, plugin = name.strip().rpartition("=")
        if not plugin:
            msg = f"expected PLUGIN[,PLUGIN…], got `{names}`"
            raise ValueError(msg)
        steps.append(Step(plugin, output or None, bindings=own.pop(plugin, {})))
    if own:
        msg = f"--set {next(iter(own))}.…: there is no such plugin among {names}"
        raise ValueError(msg)
    return steps, shared


def _value(text: str) -> Any:
    constants = {"true": True, "false": False, "none": None}
    if text.lower() in constants:
        return constants[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


#: How messages call what is an option here.
_OPTIONS = {
    '`on_error="null"` or `"drop"`': "--on-error null or drop",
    'pass `on_error="null"`': "pass --on-error null",
    "`overwrite=True`": "--overwrite",
    "`errors`": "--errors",
    "`partition_by`": "--partition-by",
}


def complain(error: BaseException) -> int:
    """Print what went wrong on standard error; return the exit code it stands for."""
    from dataflare_vec import errors

    code = FAILED
    if isinstance(error, errors.RowError):
        code = ROWS
    elif isinstance(error, errors.SourceError):
        code = INPUT
    elif isinstance(error, errors.SinkError):
        code = OUTPUT
    elif isinstance(error, (errors.DataFlareError, ValueError)):
        code = USAGE
    elif not isinstance(error, (OSError, RuntimeError)):
        raise error  # a mistake of ours or of a plugin's: the traceback says where
    text = str(error)
    for argument, option in _OPTIONS.items():
        text = text.replace(argument, option)
    sys.stderr.write(f"dataflare-vec: {text}\n")
    return code


#: Rows that are measured on at most.
MOST_ROWS = 4_000_000


def read_rows(path: str, rows: int = MOST_ROWS) -> Any:
    """Return the first rows of a file, or of the files of a folder, as a Polars frame."""
    import polars as pl

    from dataflare_vec.streams.files import open_files

    frames = []
    left = rows
    for file in open_files([path]):
        for batch in file.batches(1 << 18):
            frames.append(batch.head(left))
            left -= frames[-1].height
            if not left:
                return pl.concat(frames, rechunk=True)
    return pl.concat(frames, rechunk=True) if frames else file.schema.to_frame()
