"""``dataflare-vec new``: a plugin pack that is ready to be installed, tested and published."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common

if TYPE_CHECKING:
    from argparse import Namespace

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
description = "Plugins for dataflare_vec"
readme = "README.md"
requires-python = ">=3.10"
dependencies = ["dataflare_vec"]

[project.optional-dependencies]
test = ["pytest"]

# By this dataflare_vec finds the pack: it imports the module when a plugin's name isn't known yet.
[project.entry-points."dataflare_vec.plugins"]
{module} = "{module}"

[tool.hatch.build.targets.wheel]
packages = ["{module}"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""

_MODULE = '''\
"""Plugins for dataflare_vec."""

from __future__ import annotations

import dataflare_vec as dfv


@dfv.plugin
def {kernel}(before: float, after: float, scale: float = 1.0) -> float:
    """Return the relative change from ``before`` to ``after``, times ``scale`` (100 for percent).

    Raises
    ------
    ValueError
        Where ``before`` is zero: the row is reported as failed, the others go through.
    """
    if before == 0.0:
        raise ValueError("before is zero")
    return scale * (after - before) / before
'''

_TEST = '''\
"""The plugins against values worked out by hand, and through the registry as users find them."""

from __future__ import annotations

import dataflare_vec as dfv
import polars as pl
import pytest

FRAME = pl.DataFrame({{"before": [10.0, 4.0, None], "after": [11.0, 3.0, 1.0]}})


@pytest.mark.parametrize(("scale", "expected"), [(1.0, [0.1, -0.25, None]), (100.0, [10.0, -25.0, None])])
def test_values_and_nulls(scale, expected):
    assert FRAME.pipe(dfv.apply, "{kernel}", scale=scale)["{kernel}"].to_list() == pytest.approx(expected)


def test_rows_that_fail_are_reported():
    result = dfv.run(pl.DataFrame({{"before": [0.0, 1.0], "after": [1.0, 2.0]}}), "{kernel}")
    assert result.frame["{kernel}"].to_list() == [None, 1.0]
    assert result.errors.select("row", "message").rows() == [(0, "before is zero")]


def test_compiled_as_written():
    from {module} import {kernel}

    rows = FRAME.drop_nulls()
    by_hand = [{kernel}(before, after) for before, after in rows.rows()]
    assert rows.pipe(dfv.apply, "{kernel}")["{kernel}"].to_list() == by_hand
'''

_BENCHMARK = '''\
"""How fast the plugins are: python benchmarks/bench_{module}.py [ROWS]."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import polars as pl
from dataflare_vec.cli import main

rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
index = pl.int_range(rows, eager=True)
frame = pl.DataFrame({{"before": index % 97 + 1.0, "after": index % 89 + 1.0}})
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "rows.parquet")
    frame.write_parquet(path)
    sys.exit(main(["bench", "{kernel}", str(path)]))
'''

_README = """\
# {name}

Plugins for [dataflare_vec](https://pypi.org/project/dataflare_vec/), found by name once this is installed:

```
python -m pip install -e ".[test]" && pytest
dataflare-vec show {kernel}
dataflare-vec run {kernel} data.parquet -o out.parquet
python benchmarks/bench_{module}.py
```
"""


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "new", help="a plugin pack to start from: pyproject with entry point, kernel, test, benchmark"
    )
    parser.add_argument("name", metavar="NAME", help="of the pack and its folder, such as my-kernels")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Write the pack into a new folder."""
    from dataflare_vec.exceptions import SinkError

    folder = Path(options.name)
    name = folder.name
    module = re.sub(r"[-.]+", "_", name).lower()
    if not module.isidentifier() or keyword.iskeyword(module) or not module.isascii():
        msg = f"`{name}` can't be a package's name; use letters, digits, - and _, a letter first"
        raise ValueError(msg)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        msg = f"`{folder}` is there already, and isn't empty"
        raise ValueError(msg)
    names = {"name": name, "module": module, "kernel": f"{module}_change"}
    files = {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        f"{module}/__init__.py": _MODULE,
        f"tests/test_{module}.py": _TEST,
        f"benchmarks/bench_{module}.py": _BENCHMARK,
    }
    for path, text in files.items():
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text.format(**names), encoding="utf-8")
        except OSError as error:
            raise SinkError(error.strerror or str(error), file=target) from error
        sys.stdout.write(f"{target}\n")
    sys.stdout.write(f'\nnow: cd {folder} && python -m pip install -e ".[test]" && pytest\n')
    return common.DONE
