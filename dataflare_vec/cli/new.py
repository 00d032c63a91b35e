"""``dataflare-vec new``: a plugin pack that is ready to be installed, tested and published."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from dataflare_vec.cli import common

if TYPE_CHECKING:
    from argparse import Namespace

#: The pack's files, with placeholders in their names too.
_FILES = (
    "pyproject.toml",
    "README.md",
    "MY_module/__init__.py",
    "tests/test_MY_module.py",
    "benchmarks/bench_MY_module.py",
)


class _Template(Template):
    """Its placeholders are names in Python and TOML: ruff reads the templates as the files they are."""

    delimiter = "MY_"


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "new", help="create a plugin pack: pyproject with entry point, kernel, test, benchmark"
    )
    parser.add_argument("name", metavar="NAME", help="name of the pack and its folder, such as my-kernels")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Write the pack into a new folder."""
    from dataflare_vec.files.atomic_write import write_texts

    folder = Path(options.name)
    name = folder.name
    module = re.sub(r"[-.]+", "_", name).lower()
    if not module.isidentifier() or keyword.iskeyword(module) or not module.isascii():
        msg = f"`{name}` is not a valid package name; use letters, digits, - and _, a letter first"
        raise ValueError(msg)
    _check_free(folder)
    names = {"name": name, "module": module, "kernel": f"{module}_change"}
    templates = files("dataflare_vec.cli") / "templates"
    texts = {
        _Template(path).substitute(names): _Template(
            templates.joinpath(path).read_text(encoding="utf-8")
        ).substitute(names)
        for path in _FILES
    }
    write_texts(folder, texts, lambda: _check_free(folder))
    sys.stdout.writelines(f"{folder / inside}\n" for inside in texts)
    sys.stdout.write(f'\nnow: cd {folder} && python -m pip install -e ".[test]" && pytest\n')
    return common.DONE


def _check_free(folder: Path) -> None:
    """Raise if there is something already."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        msg = f"`{folder}` already exists and isn't empty"
        raise ValueError(msg)
