"""What commands share: plugins out of files, ``--set``, and which exit code an error has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec._util.starting import INTERRUPTED as INTERRUPTED
from dataflare_vec.cli.option_names import option

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from dataflare_vec.engine.planning.steps import Step

#: Exit codes, in the order of ``--help``.
DONE, FAILED, USAGE, INPUT, OUTPUT, ROWS = range(6)
TERMINATED, BROKEN_PIPE = 143, 141

#: What a signal did to the command, by the exit code.
STOPPED = {INTERRUPTED: "interrupted", TERMINATED: "terminated"}

EXIT_CODES = """\
exit codes:
  0    done
  1    failed for another reason than those below
  2    wrong usage: an option, plugin or column that doesn't exist or doesn't fit
  3    an input is missing, damaged, or changes its columns
  4    an output can't be written
  5    rows failed, under --on-error raise
  130  interrupted (Ctrl-C); 143 terminated; 141 the reader of the output is gone
No output is ever left half-written, and the reader of a pipe can tell that its stream is incomplete.
"""


#: Modules that are files of plugins.
_LOADED: set[str] = set()


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
        "plugins for all that have it, or for one of them: haversine.radius=3958.8; may be repeated",
    )


def add_by_option(parser: Any) -> None:
    """Add ``--by``."""
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="COLUMN[,COLUMN…]",
        help="keys, each with a state of its own; with several plugins they apply to each scan and reduce; "
        "PLUGIN=COLUMN[,COLUMN…] gives one plugin its own; may be repeated",
    )


def load_plugins(paths: Sequence[str]) -> None:
    """Run Python files that register plugins.

    Raises
    ------
    ValueError
        If one can't be run.
    """
    from importlib.util import module_from_spec, spec_from_file_location

    for path in paths:
        name = _module_name(Path(path))
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not Path(path).is_file():
            msg = f"--plugins: `{path}` is not a Python file"
            raise ValueError(msg)
        module = module_from_spec(spec)
        sys.modules[name] = module  # what kernels are found by when they are explained
        try:
            spec.loader.exec_module(module)
        except BaseException as error:  # whatever a file raises
            if isinstance(error, (KeyboardInterrupt, MemoryError)):
                raise
            sys.modules.pop(name, None)
            msg = f"--plugins: `{path}` raised {type(error).__name__}: {error}"
            raise ValueError(msg) from error


def _module_name(path: Path) -> str:
    """Return the name of a file as a module: its own, unless another module has that, as `math`."""
    from importlib.util import find_spec

    name = path.stem
    if name not in _LOADED:
        try:
            other = find_spec(name)
        except (ImportError, ValueError):  # of a name with dots in it, or a module without a spec
            other = None
        # A folder of that name (without an origin) is only a module if it was imported.
        is_other = other is not None and other.origin is not None and not _is_same(other.origin, path)
        if is_other or name in sys.modules:
            name = f"plugins_{name}"
    _LOADED.add(name)
    return name


def _is_same(origin: str, path: Path) -> bool:
    try:
        return path.samefile(origin)
    except OSError:  # "built-in"
        return False


def parse_plugins(
    names: str, texts: Sequence[str], keys: Sequence[str] = ()
) -> tuple[list[Any], dict[str, Any]]:
    """Return the plugins and bindings that ``km=haversine,score`` and ``--set`` mean, as `apply` takes them.

    Parameters
    ----------
    names
        Plugins, as the command line has them.
    texts, keys
        What ``--set`` and ``--by`` were given.

    Raises
    ------
    ValueError
        If a text isn't of that form.
    """
    from dataflare_vec.engine.planning.steps import Step

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
        output, _, plugin = name.strip().rpartition("=")
        if not plugin:
            msg = f"expected PLUGIN[,PLUGIN…], got `{names}`"
            raise ValueError(msg)
        steps.append(Step(plugin, output or None, bindings=own.get(plugin, {})))
    for plugin in own:
        if plugin not in {step.plugin for step in steps}:
            msg = f"--set {plugin}.…: none of the plugins {names} has that name"
            raise ValueError(msg)
    return _with_keys(steps, keys), shared


def _with_keys(steps: list[Step], texts: Sequence[str]) -> list[Step]:
    """Return the steps with the keys of those that have a state.

    Raises
    ------
    ValueError
        If none of them has one.
    """
    from dataclasses import replace

    from dataflare_vec.definition.registry import default_registry

    names = [step.plugin for step in steps]
    own: dict[Any, list[str]] = {}
    shared: list[str] = []
    for text in texts:
        plugin, sign, columns = text.partition("=")
        is_own = sign and plugin in names
        keys = [column.strip() for column in (columns if is_own else text).split(",")]
        if not all(keys):
            msg = f"--by: expected COLUMN[,COLUMN…], got `{text}`"
            raise ValueError(msg)
        (own.setdefault(plugin, []) if is_own else shared).extend(keys)
    result = []
    for step in steps:
        # That it has no use for keys is said where it is bound, if they are its own.
        takes = len(steps) == 1 or not shared or default_registry.resolve(step.plugin).stateful is not None
        found = own.get(step.plugin, shared if takes else [])
        result.append(replace(step, by=found or None))
    if shared and not any(step.by for step in result):
        shown = ", ".join(f"`{name}`" for name in names)
        msg = f"--by: none of the plugins {shown} is a scan or a reduce"
        raise ValueError(msg)
    return result


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


def complain(error: BaseException) -> int:
    """Print what went wrong on standard error; return the exit code it stands for."""
    from dataflare_vec import exceptions

    code = FAILED
    if isinstance(error, exceptions.RowError):
        code = ROWS
    elif isinstance(error, (exceptions.SourceError, exceptions.UnsupportedDataError)):
        code = INPUT
    elif isinstance(error, exceptions.SinkError):
        code = OUTPUT
    elif isinstance(error, exceptions.MissingDependencyError):
        code = FAILED  # the usage is right
    elif isinstance(error, (exceptions.DataFlareError, ValueError)):
        code = USAGE
    elif type(error).__name__ == "PanicException":  # of Polars, which is none of Exception
        error = RuntimeError(f"Polars failed: {error}")
    elif isinstance(error, MemoryError):
        error = RuntimeError(f"not enough memory{f': {error}' if str(error) else ''}")
    elif isinstance(error, SystemExit):
        error = RuntimeError(f"a plugin ended the program, with {error.code!r}")
    elif not isinstance(error, (OSError, RuntimeError)):
        raise error  # a mistake of ours or of a plugin's: the traceback says where
    said = error.message(option) if isinstance(error, exceptions.DataFlareError) else str(error)
    sys.stderr.write(f"dataflare-vec: {said}\n")
    return code


#: Rows that are measured on at most.
MOST_ROWS = 4_000_000


def read_rows(
    path: str, plugins: Any, bindings: dict[str, Any], options: Namespace, rows: int = MOST_ROWS
) -> Any:
    """Return the first rows of a file, or of the files of a folder, as a Polars frame for some plugins."""
    import polars as pl

    from dataflare_vec.cli.reading import read_options
    from dataflare_vec.definition.registry import default_registry
    from dataflare_vec.engine.planning.steps import annotated_types, bind_steps
    from dataflare_vec.streams.sources.files import open_files

    types = annotated_types(bind_steps(default_registry, plugins, None, bindings))
    files = open_files([path], options.input_format, read_options(options), types)

    frames = []
    left = rows
    for file in files:
        for batch in file.batches(1 << 18):
            frames.append(batch.head(left))
            left -= frames[-1].height
            if not left:
                return pl.concat(frames, rechunk=True)
    return pl.concat(frames, rechunk=True) if frames else files[0].schema.to_frame()
